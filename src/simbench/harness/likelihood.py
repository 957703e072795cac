"""Asking a model how likely it finds what real people outside the pilot answered, and keeping what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.design import PARTICIPANT, People
from simbench.errors import UnsupportedError
from simbench.harness.config import Plan, ScoringPlan
from simbench.harness.pilot import asking_script
from simbench.harness.responses import journaled, response_frame, usage_totals
from simbench.harness.store import RunFolder
from simbench.metrics.foretold import NOT_ASKED, Foretold, Tables, shares_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from simbench.interview import Transcript

__all__ = [
    "JOURNAL",
    "LIKELIHOODS",
    "Likelihoods",
    "heldout",
    "kept_likelihoods",
    "look_up",
    "looked_up",
    "tables_of",
    "wanted",
]

LIKELIHOODS = "likelihoods.parquet"
JOURNAL = "likelihoods.jsonl"


@dataclass(frozen=True, eq=False)
class Likelihoods:
    """What a model said: a frame like ``responses.parquet`` of real people, or why there is none."""

    frame: pd.DataFrame | None = None
    reason: str = NOT_ASKED

    def foretold(self, people: People, rivals: Mapping[str, Tables]) -> Foretold:
        """As metrics are handed it."""
        return Foretold(None if self.frame is None else tables_of(people, self.frame), rivals, self.reason)


def wanted(plan: Plan) -> bool:
    """Whether the model is to be asked: as the user says, else where a metric needs it and it costs no money."""
    if plan.settings.likelihood is not None:
        return plan.settings.likelihood
    return not plan.backend.scores_for_money and any(each.needs_likelihood for each in plan.metrics)


def heldout(plan: ScoringPlan, people: People, pilot: People | None) -> People:
    """Whose answers are looked up: people outside the pilot who answered every item."""
    complete = people.frame[[item.name for item in people.design.items]].notna().all(axis=1)
    if pilot is not None and plan.pilot_from is None:
        complete &= ~people.person.isin(set(pilot.person))
    return people.where(complete)


def looked_up(plan: Plan, people: People, pilot: People | None) -> list[Transcript]:
    """Whose answers would be looked up, with what they answered."""
    return list(asking_script(plan).transcripts(heldout(plan, people, pilot)))


def look_up(
    plan: Plan, backend: Backend[Any], folder: RunFolder, model: Model, who: tuple[People, People], lent: Workspace
) -> tuple[Likelihoods, dict[str, Any]]:
    """Ask, and write ``likelihoods.parquet``: what was said, and facts for the manifest.

    ``who``: the people evaluated, and the pilot.
    """
    if not wanted(plan):
        costs = "; it costs money: likelihood=true asks" if backend.scores_for_money else ""
        reason = f"{NOT_ASKED}{costs or ' (likelihood=true asks)'}"
        return Likelihoods(reason=reason), {"asked": False, "reason": reason}
    people = heldout(plan, *who)
    own = {each.interview.key: each for each in looked_up(plan, *who)}
    interviews = [each.interview for each in own.values()]
    try:
        said = journaled(
            folder / JOURNAL,
            interviews,
            lambda some: backend.score(model, [own[each.key] for each in some], lent),
            backend.name,
            lent.progress.say,
        )
    except UnsupportedError as error:
        return Likelihoods(reason=str(error)), {"asked": True, "reason": str(error)}
    frame = likelihood_frame(people, own.values(), said)
    folder.write_frame(LIKELIHOODS, frame)
    told: dict[str, Any] = {"asked": True, "people": len(people), "left_out": len(who[0]) - len(people)}
    told |= {"outcomes": dict(Counter(frame["status"])), "usage": usage_totals(Model("", ""), said.values())}
    return Likelihoods(frame), told


def likelihood_frame(
    people: People, transcripts: Iterable[Transcript], said: Mapping[tuple[str, int], Answer]
) -> pd.DataFrame:
    """A frame like ``responses.parquet``: real answers, and ``<item>__p`` given the person's own answers before.

    Answers that lack the probabilities of an item are ``invalid``: they would be of part of a person.
    """
    from dataclasses import replace

    complete = {}
    for each in transcripts:
        answer = said[each.interview.key]
        lacking = [item.name for item in each.interview.items if item.name not in answer.probabilities]
        if answer.status == "ok" and (lacking or dict(answer.answers) != dict(each.answers)):
            why = f"no probabilities of {', '.join(lacking)}" if lacking else "the answers are not the person's own"
            answer = replace(answer, status="invalid", error=why)
        complete[each.interview.key] = answer
    return response_frame(people, [each.interview for each in transcripts], complete)


def kept_likelihoods(folder: RunFolder) -> Likelihoods:
    """What a finished run holds of them."""
    manifest = folder.manifest
    if LIKELIHOODS in manifest.get("products", {}):
        return Likelihoods(folder.read_frame(LIKELIHOODS))
    return Likelihoods(reason=(manifest.get("likelihood") or {}).get("reason", NOT_ASKED))


def tables_of(people: People, frame: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Probabilities (n, K) per item, a row for each of the people, NaN for those who are not in the frame."""
    ok = frame[frame["status"] == "ok"]
    rows = ok[PARTICIPANT].map({name: row for row, name in enumerate(people.ids)}).to_numpy(dtype=np.int64)
    tables = {}
    for item in people.design.items:
        tables[item.name] = np.full((len(people), len(item.options)), np.nan)
        if len(ok):
            tables[item.name][rows] = np.stack(ok[f"{item.name}__p"].to_list())
    return tables


def rivals_of(people: People, pilot: People | None, tabular: Tables | None) -> dict[str, Tables]:
    """What the model's likelihood is held against, as far as there is a pilot of this experiment."""
    if tabular is None or pilot is None:
        return {}
    return {"shares": shares_of(pilot, people), "tabular": tabular}
