"""What a run cost: the ledger of its backend where there is one, else what its answers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from simbench.harness.journal import Journal
from simbench.harness.likelihood import JOURNAL as LIKELIHOOD_JOURNAL
from simbench.harness.responses import JOURNAL
from simbench.harness.store import RunFolder
from simbench.ledger import SPEND, Ledger

__all__ = ["BACKEND", "booked", "spent_before", "usage_of"]

BACKEND = "backend"


def spent_before(folder: RunFolder) -> float:
    """US dollars that earlier attempts at this run cost, adapting apart."""
    ledger = Ledger(folder / BACKEND / SPEND)
    if ledger.exists:
        return ledger.spent
    return sum(Journal(folder / name).spent() for name in (JOURNAL, LIKELIHOOD_JOURNAL))


def booked(folder: RunFolder, adapted: Mapping[str, Any]) -> dict[str, Any]:
    """Cost by the ledger, adapting (the parameters of a model) included; nothing where there is no ledger.

    It holds, too, what came to no answer and (``doubtful``) what may have been charged for requests whose reply was
    lost. None where the price of a part is unknown.
    """
    ledger = Ledger(folder / BACKEND / SPEND)
    if not ledger.exists:
        return {}
    cost = ledger.total
    if "cost" in adapted:
        cost = None if cost is None or adapted["cost"] is None else cost + adapted["cost"]
    told: dict[str, Any] = {"cost": None if cost is None else round(cost, 6)}
    return told | ({"doubtful": round(ledger.doubtful, 6)} if ledger.doubtful else {})


def usage_of(folder: RunFolder) -> dict[str, Any]:
    """Tokens and cost of a run in any state, as far as they are known: ``usage`` of its manifest, and its ledger."""
    manifest = folder.manifest
    adapted = (manifest.get("model") or {}).get("parameters") or {}
    usage = dict(manifest.get("usage") or {})
    if not usage:
        answers = [each for name in (JOURNAL, LIKELIHOOD_JOURNAL) for each in Journal(folder / name).read().values()]
        tokens: Counter[str] = Counter(adapted.get("usage") or {})
        costs = [adapted["cost"]] if "cost" in adapted else []
        for answer in answers:
            tokens.update(answer.usage)
            costs.append(answer.cost)
        known = [each for each in costs if each is not None]
        usage = {"tokens": dict(tokens), "cost": sum(known) if len(known) == len(costs) else None}
    return {**usage, **booked(folder, adapted)}
