"""The verdict: what may this simulation be used for?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import ConfigError
from simbench.metrics.base import Comparison, Metric, Score
from simbench.settings import setting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Verdict", "VerdictSettings"]

YES, NO, NOT_SHOWN = "yes", "no", "not shown"
MET = {YES: "met", NO: "failed", NOT_SHOWN: "not shown"}
NAMED = 3
"""So many subgroup levels are named; the others are counted."""


@dataclass(frozen=True)
class VerdictSettings:
    """Thresholds of ``verdict``."""

    way: float = setting(0.5, "pretesting: share of the way from uniform answers (0) to the human ceiling (1)")
    excess: float = setting(0.1, "distribution: largest distance beyond chance allowed in any subgroup level")
    f1: float = setting(0.8, "effect signs: least F1-Sign (the paper's)")
    fpr: float = setting(0.2, "effect signs: largest share of false positives")
    compatible: float = setting(0.9, "inference: least share of coefficients compatible with the human ones")
    gap: float = setting(0.5, "inference: largest simulated value-action gap (the paper's)")
    alpha: float = setting(0.05, "inference: level of the joint test that all coefficients are equal")

    def __post_init__(self) -> None:
        for name in ("way", "excess", "f1", "fpr", "compatible", "gap", "alpha"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"metric.verdict.{name}: expected a number in [0, 1]; found {getattr(self, name)}")


@dataclass(frozen=True)
class _Finding:
    """One criterion: how it came out, and the numbers behind it."""

    answer: str
    words: str


class Verdict(Metric[VerdictSettings]):
    """May the simulation be used? Yes, no or not shown, for four purposes, with the numbers behind each.

    ``item`` is the purpose; ``value`` is 1 = yes, 0 = no, and missing = not shown; ``reason`` holds every number
    and threshold. A criterion is met when the *whole* interval of its figure lies on the right side of the
    threshold, failed when the whole interval lies on the wrong side, and otherwise not shown: a small study
    cannot show much, and absence of evidence is never a yes. A purpose is yes when all its criteria are met, no
    when one has failed.

    - ``pretesting`` (do items work, is the range used?): mean JS distance of beliefs at least ``way`` of the way from
      uniform answers to the human ceiling.
    - ``distribution by subgroup``: distance beyond chance (``js_excess``) at most ``excess`` in every level of every
      subgroup variable.
    - ``effect signs``: F1-Sign at least ``f1`` and share of false positives at most ``fpr``.
    - ``inference`` (coefficients as if from people): what effect signs need, and: share of compatible
      coefficients at least ``compatible``; the joint test of no regression rejects equality at ``alpha``;
      simulated value-action gap at most ``gap``. For inference *with* human answers see ``worth``.

    Failure modes: thresholds are conventions, and settings for that reason; F1 >= 0.8 and the gap of 50 % are the
    paper's (arXiv 2511.21218), the others and the four purposes definitions by simbench. No single score over
    purposes is ever given.
    """

    name = "verdict"
    Config = VerdictSettings

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Nothing of its own: see :meth:`conclude`."""
        yield from ()

    def conclude(self, scores: pd.DataFrame) -> Iterator[Score]:
        """One row per purpose."""
        signs = [
            _against(_one(scores, "f1_sign"), "F1-Sign", self.config.f1, higher=True),
            _against(_one(scores, "fpr"), "false positives", self.config.fpr, higher=False),
        ]
        purposes = {
            "pretesting": [self._way(_one(scores, "js_distance", "mean"))],
            "distribution by subgroup": list(self._levels(scores)),
            "effect signs": signs,
            "inference": [*signs, *self._inference(scores)],
        }
        for purpose, findings in purposes.items():
            yield _verdict(purpose, findings)

    def _way(self, row: pd.Series | None) -> _Finding:
        """How far from uniform answers to the human ceiling, with the interval's ends carried along."""
        name = "way from uniform answers to the human ceiling"
        if row is None or not np.isfinite([row["floor"], row["ceiling"]]).all() or row["floor"] <= row["ceiling"]:
            return _Finding(NOT_SHOWN, f"{name}: no floor and ceiling to measure against")
        span = row["floor"] - row["ceiling"]
        moved = {
            to: (row["floor"] - row[of]) / span
            for to, of in (("value", "value"), ("ci_low", "ci_high"), ("ci_high", "ci_low"))
        }
        return _against({**moved, "reason": row["reason"]}, name, self.config.way, higher=True)

    def _levels(self, scores: pd.DataFrame) -> Iterator[_Finding]:
        """The levels that failed or are in doubt, the worst by name, and how many are fine."""
        rows = scores[(scores["metric"] == "js_excess") & scores["value"].notna()]
        if rows.empty:
            yield _Finding(NOT_SHOWN, "no subgroup level with enough people")
            return
        found: dict[str, list[_Finding]] = {NO: [], NOT_SHOWN: [], YES: []}
        for row in rows.sort_values("ci_high", ascending=False).to_dict("records"):
            name = f"distance beyond chance for {row['subgroup']} {row['level']} (n = {row['n_human']})"
            finding = _against(row, name, self.config.excess, higher=False)
            found[finding.answer].append(finding)
        for answer in (NO, NOT_SHOWN):
            yield from found[answer][:NAMED]
            if rest := found[answer][NAMED:]:
                yield _Finding(answer, f"{len(rest)} more subgroup levels")
        if found[YES]:
            yield _Finding(YES, f"{len(found[YES])} of {len(rows)} subgroup levels")

    def _inference(self, scores: pd.DataFrame) -> Iterator[_Finding]:
        """What inference needs beyond signs."""
        compatible = _one(scores, "compatible_share")
        yield _against(compatible, "compatible coefficients", self.config.compatible, higher=True)
        for row in scores[scores["metric"] == "joint_test"].to_dict("records"):
            name = f"joint test of {row['item']}"
            if not math.isfinite(row["value"]):
                yield _Finding(NOT_SHOWN, f"{name}: {row['reason']}")
            else:
                rejected = row["value"] < self.config.alpha
                words = f"{name}: p = {row['value']:.3g}, threshold {self.config.alpha:g}"
                yield _Finding(NO if rejected else YES, words)
        gap = _one(scores, "value_action_gap")
        if gap is not None and math.isfinite(gap["value"]):
            ends = {"value": "simulated", "ci_low": "simulated_ci_low", "ci_high": "simulated_ci_high"}
            row = {to: gap[of] for to, of in ends.items()} | {"reason": gap["reason"]}
            yield _against(row, "simulated value-action gap", self.config.gap, higher=False)


def _one(scores: pd.DataFrame, metric: str, item: str | None = None) -> pd.Series | None:
    """The whole-sample row of a figure; None where the run has none."""
    same = (scores["metric"] == metric) & scores["subgroup"].isna()
    rows = scores[same & (scores["item"].isna() if item is None else scores["item"] == item)]
    return rows.iloc[0] if len(rows) else None


def _against(row: object, name: str, threshold: float, higher: bool) -> _Finding:
    """Hold a figure with its interval against a threshold."""
    bound = f"{'at least' if higher else 'at most'} {threshold:g}"
    if row is None:
        return _Finding(NOT_SHOWN, f"{name}: not among the metrics of this run")
    value, low, high = (float(row[key]) for key in ("value", "ci_low", "ci_high"))  # type: ignore[index]
    if not math.isfinite(value):
        return _Finding(NOT_SHOWN, f"{name}: {row['reason']}")  # type: ignore[index]
    if not (math.isfinite(low) and math.isfinite(high)):
        return _Finding(NOT_SHOWN, f"{name} {value:.3g}, no interval, {bound}")
    good, bad = (low >= threshold, high < threshold) if higher else (high <= threshold, low > threshold)
    answer = YES if good else NO if bad else NOT_SHOWN
    return _Finding(answer, f"{name} {value:.3g} [{low:.3g}, {high:.3g}], {bound}")


def _verdict(purpose: str, findings: Iterable[_Finding]) -> Score:
    """All criteria together."""
    findings = list(findings)
    answers = {each.answer for each in findings}
    answer = NO if NO in answers else YES if answers == {YES} else NOT_SHOWN
    parts = "; ".join(f"{each.words} ({MET[each.answer]})" for each in findings)
    value = {YES: 1.0, NO: 0.0, NOT_SHOWN: math.nan}[answer]
    return Score("verdict", np.array([value]), item=purpose, reason=f"{answer}: {parts}")
