"""What a run may be used for, in sentences, before any figure.

Nothing is judged here. Whether the run will do for a purpose is what :mod:`simbench.metrics.verdict` found and the
manifest holds; the other statements say what was measured, and which way an interval lies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simbench.metrics.alignment import OVER_ALL
from simbench.metrics.score_table import ScoreTable
from simbench.report.formats import number

if TYPE_CHECKING:
    import pandas as pd

    from simbench.plugin.manager import Registry

__all__ = ["Statement", "verdict"]

YES, NO = "yes", "no"
LOW_MASS = 0.5
COMPARED = (("js_distance", "mean"), ("js_distance_joint", None), ("value_action_gap", None), ("f1_sign", None))
TONES = {YES: "good", NO: "bad", "closer": "good", "further away": "bad", "all": "good"}


@dataclass(frozen=True)
class Statement:
    """One card of the verdict: what it is about, how it stands (in a word), why, and the small print of it."""

    topic: str
    standing: str
    text: str
    criteria: tuple[str, ...] = ()

    @property
    def tone(self) -> str:
        """``good``, ``bad`` or ``care``: how the page colours it."""
        return TONES.get(self.standing, "care")


def verdict(manifest: Mapping[str, Any], scores: pd.DataFrame, registry: Registry) -> list[Statement]:
    """The verdict by purpose where it was scored; then copies of the pilot, answers, diversity and coherence."""
    from simbench.harness.baselines import BASELINES
    from simbench.harness.conclusions import (
        against_the_pilot,
        criteria_said,
        likelihood_said,
        limits_said,
        verdicts,
        worth_said,
    )

    table = ScoreTable(scores, registry.classes("metric"))
    criteria = criteria_said(manifest)
    found: list[Statement | None] = []
    for purpose, (answer, words) in verdicts(manifest, scores).items():
        counted, each = criteria.get(purpose, (f"{words}.", []))
        text = " ".join(filter(None, (worth_said(scores, purpose), counted)))
        found.append(Statement(f"For {purpose}", answer, text, tuple(each)))
    pilot = against_the_pilot(table, COMPARED) if manifest["config"]["backend"]["name"] not in BASELINES else []
    if pilot:
        closer = all(each.startswith("closer") for each in pilot)
        less = all(each.startswith("LESS") for each in pilot)
        standing = "closer" if closer else "further away" if less else "not closer in all"
        found.append(Statement("Against copies of the pilot's people", standing, " ".join(pilot)))
    if said := " ".join(likelihood_said(scores)):
        standing = "further away" if "LESS" in said else "not closer in all" if "NOT" in said else "closer"
        topic = "How likely it finds what people outside the pilot really answered"
        found.append(Statement(topic, standing, said[0].upper() + said[1:]))
    found += [Statement("Beside fresh samples of people", "see figures", line) for line in limits_said(scores)]
    found += [
        _answers(manifest),
        _diversity(table.one("unique_structures_rarefied")),
        _gap(table.one("value_action_gap")),
    ]
    return [each for each in found if each is not None]


def _with_interval(row: Mapping[str, Any]) -> str:
    ends = f" [{number(row['ci_low'])}, {number(row['ci_high'])}]" if math.isfinite(row["ci_low"]) else ""
    return number(row["value"]) + ends


def _answers(manifest: Mapping[str, Any]) -> Statement:
    counts = manifest["outcomes"]["all"]
    n, ok = sum(counts.values()), counts.get("ok", 0)
    lost = ", ".join(f"{count} {status}" for status, count in counts.items() if status != "ok" and count)
    text = f"{ok} of {n} simulated participants answered everything" + (f" ({lost})." if lost else ".")
    low = {item: mass for item, mass in manifest.get("valid_mass", {}).items() if mass < LOW_MASS}
    if low:
        worst = min(low, key=lambda item: low[item])
        text += (
            f" Left to itself the model would mostly say something else: only {low[worst]:.2g} of its own "
            f"probability is on the options of {worst}."
        )
    return Statement("Answers", "all" if ok == n else f"{ok} of {n}", text)


def _side(row: Mapping[str, Any], below: str, above: str) -> str:
    """Which side of 0 the whole interval of a difference lies on; one without width shows nothing."""
    if row["ci_low"] == row["ci_high"]:
        return "no difference shown"
    if row["ci_low"] > 0:
        return above
    return below if row["ci_high"] < 0 else "no difference shown"


def _diversity(row: dict[str, Any] | None) -> Statement | None:
    if row is None:
        return None
    if not math.isfinite(row["value"]):
        return Statement("Diversity", "not computable", f"{row['reason']}.")
    kind = "answer" if OVER_ALL in str(row["reason"]) else "belief"
    text = (
        f"{row['simulated']:.0f} distinct {kind} structures against {row['human']:.0f} among as many "
        f"humans; difference {_with_interval(row)}."
    )
    return Statement("Diversity", _side(row, "flatter than people", "more scattered than people"), text)


def _gap(row: dict[str, Any] | None) -> Statement | None:
    if row is None:
        return None
    if not math.isfinite(row["value"]):
        return Statement("Coherence", "not computable", f"{row['reason']}.")
    text = (
        f"{100 * row['simulated']:.1f} % act against their own beliefs; {100 * row['human']:.1f} % of humans do. "
        f"Difference {_with_interval(row)}."
    )
    return Statement("Coherence", _side(row, "more coherent than people", "less coherent than people"), text)
