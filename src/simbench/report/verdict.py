"""What a run may be used for, in sentences, before any figure.

The limits are the source paper's warnings (F1(Sign) below 0.8; a gap above 50 %) and the run's own floor and
ceiling. Each statement says what it rests on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simbench.report.formats import number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Statement", "verdict"]

GOOD, CARE, BAD, OPEN = "good", "care", "not suitable", "open"
YES, NO = "yes", "no"
LOW_MASS = 0.5
COMPARED = (("js_distance", "mean"), ("js_distance_joint", None), ("value_action_gap", None), ("f1_sign", None))


@dataclass(frozen=True)
class Statement:
    """One sentence of the verdict: what it is about, how it stands (in a word), and why."""

    topic: str
    standing: str
    text: str

    @property
    def tone(self) -> str:
        """``good``, ``bad`` or ``care``: how the page colours it."""
        return {GOOD: "good", YES: "good", BAD: "bad", NO: "bad"}.get(self.standing, "care")


def verdict(manifest: Mapping[str, Any], scores: pd.DataFrame) -> list[Statement]:
    """The verdict by purpose where it was scored; then answers, distributions, diversity, coherence, inference."""
    from simbench.harness.baselines import BASELINES
    from simbench.harness.conclusions import against_the_pilot, verdicts

    whole = scores[scores["subgroup"].isna()]
    purposes: list[Statement | None] = []
    for purpose, words in verdicts(scores).items():
        answer, _, why = words.partition(":")
        purposes.append(Statement(f"For {purpose}", answer, why.strip().capitalize() or words))
    pilot = against_the_pilot(scores, COMPARED) if manifest["config"]["backend"]["name"] not in BASELINES else []
    if pilot:
        standing = GOOD if all(each.startswith("closer") for each in pilot) else CARE
        purposes.append(Statement("Against copies of the pilot's people", standing, " ".join(pilot)))
    found = [
        *purposes,
        _answers(manifest),
        _distance(_row(whole, "js_distance", "mean")),
        _groups(scores),
        _diversity(_row(whole, "unique_structures_rarefied")),
        _gap(_row(whole, "value_action_gap")),
        _inference(_row(whole, "f1_sign"), _row(whole, "fpr")),
    ]
    return [each for each in found if each is not None]


def _row(scores: pd.DataFrame, metric: str, item: str | None = None) -> dict[str, Any] | None:
    same = (scores["metric"] == metric) & (scores["item"].isna() if item is None else scores["item"] == item)
    return {str(k): v for k, v in scores[same].iloc[0].to_dict().items()} if same.any() else None


def _with_interval(row: Mapping[str, Any]) -> str:
    ends = f" [{number(row['ci_low'])}, {number(row['ci_high'])}]" if math.isfinite(row["ci_low"]) else ""
    return number(row["value"]) + ends


def _lacking(topic: str, row: Mapping[str, Any]) -> Statement:
    return Statement(topic, OPEN, f"Not computable: {row['reason']}.")


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
    return Statement("Answers", GOOD if ok >= 0.95 * n and not low else CARE, text)


def _distance(row: dict[str, Any] | None) -> Statement | None:
    if row is None:
        return None
    topic = "Distributions"
    if not math.isfinite(row["value"]):
        return _lacking(topic, row)
    value, floor, ceiling = row["value"], row["floor"], row["ceiling"]
    text = (
        f"Mean JS distance over beliefs {_with_interval(row)}; human halves are {number(ceiling)} apart, uniform "
        f"answers {number(floor)} from humans."
    )
    if value <= ceiling:
        return Statement(topic, GOOD, f"As close as another sample of people. {text}")
    if math.isfinite(floor) and value >= floor:
        return Statement(topic, BAD, f"No closer than uniform-random answers. {text}")
    if not floor > ceiling:
        return Statement(topic, CARE, f"Further away than another sample of people. {text}")
    return Statement(topic, CARE, f"{100 * (floor - value) / (floor - ceiling):.0f} % of the way to human. {text}")


def _groups(scores: pd.DataFrame) -> Statement | None:
    rows = scores[(scores["metric"] == "js_distance") & (scores["item"] == "mean") & scores["subgroup"].notna()]
    rows = rows[rows["value"].notna() & rows["ceiling"].notna()]
    if rows.empty:
        return None
    far = rows[(rows["value"] > rows["floor"]) & (rows["ci_low"] > rows["ceiling"])]
    excess = (rows["value"] - rows["ceiling"]).sort_values()
    worst = rows.loc[excess.index[-1]]
    text = (
        f"Furthest beyond its own ceiling: {worst['subgroup']} {worst['level']} ({worst['n_human']} people), "
        f"{number(float(worst['value']))} against {number(float(worst['ceiling']))}."
    )
    if len(far):
        names = ", ".join(f"{row.subgroup} {row.level}" for row in far.itertuples())
        return Statement("Subgroups", BAD, f"No better than uniform answers for {names}. {text}")
    return Statement("Subgroups", CARE if excess.iloc[-1] > 0 else GOOD, text)


def _diversity(row: dict[str, Any] | None) -> Statement | None:
    if row is None:
        return None
    if not math.isfinite(row["value"]):
        return _lacking("Diversity", row)
    text = (
        f"{row['simulated']:.0f} distinct belief structures against {row['human']:.0f} among as many "
        f"humans; difference {_with_interval(row)}."
    )
    low, high = row["ci_low"], row["ci_high"]
    if low <= 0 <= high:
        return Statement("Diversity", GOOD, f"As diverse as people. {text}")
    return Statement("Diversity", CARE, f"{'Flatter' if row['value'] < 0 else 'More scattered'} than people. {text}")


def _gap(row: dict[str, Any] | None) -> Statement | None:
    if row is None:
        return None
    if not math.isfinite(row["value"]):
        return _lacking("Coherence", row)
    text = (
        f"{100 * row['simulated']:.1f} % act against their own beliefs; {100 * row['human']:.1f} % of humans do. "
        f"Difference {_with_interval(row)}."
    )
    if row["simulated"] > 0.5:
        return Statement("Coherence", BAD, f"Not coherent: the gap is above the source paper's limit of 50 %. {text}")
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return Statement("Coherence", GOOD, f"As coherent as people. {text}")
    return Statement("Coherence", CARE, f"{'Less' if row['value'] > 0 else 'More'} coherent than people. {text}")


def _inference(f1: dict[str, Any] | None, fpr: dict[str, Any] | None) -> Statement | None:
    if f1 is None:
        return None
    if not math.isfinite(f1["value"]):
        return _lacking("Hypothesis tests", f1)
    text = f"F1(Sign) {_with_interval(f1)}; human halves reach {number(f1['ceiling'])}."
    if fpr is not None and math.isfinite(fpr["value"]):
        text += f" {100 * fpr['value']:.0f} % of the effects that humans do not show come out significant."
    if f1["value"] < 0.8:
        return Statement("Hypothesis tests", BAD, f"Unsuitable: below the source paper's limit of 0.8. {text}")
    if not f1["ci_low"] >= 0.8:
        return Statement("Hypothesis tests", CARE, f"Above the limit of 0.8, but not surely so. {text}")
    return Statement("Hypothesis tests", GOOD, text)
