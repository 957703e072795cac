"""The verdict: what may this simulation be used for?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import ConfigError
from simbench.metrics.base import Comparison, Metric, Score
from simbench.metrics.score_table import ScoreTable
from simbench.settings import setting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NO", "NOT_SHOWN", "YES", "Finding", "Verdict", "VerdictConfig", "answer_of", "by_purpose", "in_words"]

YES, NO, NOT_SHOWN = "yes", "no", "not shown"
MET = {YES: "met", NO: "failed", NOT_SHOWN: "not shown"}
NAMED = 3
"""So many subgroup levels are named; the others are counted."""


@dataclass(frozen=True)
class VerdictConfig:
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
class Finding:
    """One criterion of a purpose: its figure, the threshold it was held against, and how that came out.

    ``answer``: ``yes`` (met), ``no`` (failed) or ``not shown``. ``bound``: ``at least`` or ``at most``. ``value``,
    ``low``, ``high``: None where there is none, and then ``note`` says why. ``subgroup``, ``level``, ``n``: of
    criteria that every subgroup level has to meet.
    """

    purpose: str
    answer: str
    figure: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    bound: str = ""
    note: str = ""
    subgroup: str | None = None
    level: str | None = None
    n: int | None = None

    @property
    def words(self) -> str:
        """The finding in a line, without its answer."""
        name = f"{self.figure} for {self.subgroup} {self.level} (n = {self.n})" if self.subgroup else self.figure
        if self.value is None:
            return f"{name}: {self.note}"
        ends = f"[{self.low:.3g}, {self.high:.3g}]" if self.low is not None and self.high is not None else ""
        held = f"{self.bound} {self.threshold:g}" if self.threshold is not None else ""
        return " ".join(part for part in (name, f"{self.value:.3g}", ends) if part) + "".join(
            f", {part}" for part in (self.note, held) if part
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return asdict(self)


def in_words(findings: Iterable[Finding]) -> str:
    """All criteria of a purpose and how each came out; of many subgroup levels the worst by name."""
    findings = list(findings)
    parts = [f"{each.words} ({MET[each.answer]})" for each in findings if each.subgroup is None]
    levels = [each for each in findings if each.subgroup is not None]
    for answer in (NO, NOT_SHOWN):
        same = [each for each in levels if each.answer == answer]
        parts += [f"{each.words} ({MET[answer]})" for each in same[:NAMED]]
        if same[NAMED:]:
            parts.append(f"{len(same) - NAMED} more subgroup levels ({MET[answer]})")
    if fine := [each for each in levels if each.answer == YES]:
        parts.append(f"{len(fine)} of {len(levels)} subgroup levels ({MET[YES]})")
    return "; ".join(parts)


def answer_of(findings: Iterable[Finding]) -> str:
    """The answer for a purpose: no where one criterion has failed, yes where all are met."""
    answers = {each.answer for each in findings}
    return NO if NO in answers else YES if answers == {YES} else NOT_SHOWN


class Verdict(Metric[VerdictConfig]):
    """May the simulation be used? Yes, no or not shown, for four purposes, with the numbers behind each.

    ``item`` is the purpose; ``value`` is 1 = yes, 0 = no, and missing = not shown; ``reason`` holds every number
    and threshold. A criterion is met when the *whole* interval of its figure lies on the right side of the
    threshold, failed when the whole interval lies on the wrong side, and otherwise not shown: a small study
    cannot show much, and absence of evidence is never a yes. A purpose is yes when all its criteria are met, no
    when one has failed.

    - ``pretesting`` (do items work, is the range used?): mean JS distance of beliefs (of all items where there are
      no beliefs) at least ``way`` of the way from uniform answers to the human ceiling.
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
    Config = VerdictConfig

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Nothing of its own: see :meth:`conclude`."""
        yield from ()

    def conclude(self, scores: pd.DataFrame) -> Iterator[Score]:
        """One row per purpose."""
        for purpose, findings in by_purpose(self.findings(scores)).items():
            answer = answer_of(findings)
            value = {YES: 1.0, NO: 0.0, NOT_SHOWN: math.nan}[answer]
            words = f"{answer}: {in_words(findings)}"
            yield Score("verdict", np.array([value]), item=purpose, reason=words)

    def findings(self, scores: pd.DataFrame) -> list[Finding]:
        """Every criterion of every purpose, from the columns of ``scores.parquet``. The only place that judges."""
        signs = [
            _against(ScoreTable(scores).one("f1_sign"), "F1-Sign", self.config.f1, higher=True),
            _against(ScoreTable(scores).one("fpr"), "false positives", self.config.fpr, higher=False),
        ]
        purposes = {
            "pretesting": [self._way(ScoreTable(scores).one("js_distance", "mean"))],
            "distribution by subgroup": list(self._levels(scores)),
            "effect signs": signs,
            "inference": [*signs, *self._inference(scores)],
        }
        return [replace(each, purpose=purpose) for purpose, found in purposes.items() for each in found]

    def _way(self, row: dict[str, Any] | None) -> Finding:
        """How far from uniform answers to the human ceiling, with the interval's ends carried along."""
        name = "way from uniform answers to the human ceiling"
        if row is None:
            return Finding("", NOT_SHOWN, name, note="js_distance is not among the metrics of this run")
        if not math.isfinite(row["value"]):
            return Finding("", NOT_SHOWN, name, note=str(row["reason"]))
        if not np.isfinite([row["floor"], row["ceiling"]]).all() or row["floor"] <= row["ceiling"]:
            return Finding("", NOT_SHOWN, name, note="no floor and ceiling to measure against")
        span = row["floor"] - row["ceiling"]
        moved = {
            to: (row["floor"] - row[of]) / span
            for to, of in (("value", "value"), ("ci_low", "ci_high"), ("ci_high", "ci_low"))
        }
        return _against({**moved, "reason": row["reason"]}, name, self.config.way, higher=True)

    def _levels(self, scores: pd.DataFrame) -> Iterator[Finding]:
        """Every subgroup level, the furthest first."""
        name = "distance beyond chance"
        every = scores[scores["metric"] == "js_excess"]
        rows = every[every["value"].notna()]
        if rows.empty:
            reasons = sorted(set(every["reason"].dropna()))
            # A run has rows of every whole-sample figure of its metrics: without any, it is the subgroups that lack.
            none = "the experiment has no subgroup variable, or subgroup_bias is not among the metrics of this run"
            yield Finding("", NOT_SHOWN, name, note="; ".join(reasons[:NAMED]) or none)
        for row in rows.sort_values("ci_high", ascending=False).to_dict("records"):
            found = _against(row, name, self.config.excess, higher=False)
            where = {"subgroup": str(row["subgroup"]), "level": str(row["level"]), "n": int(row["n_human"])}
            yield replace(found, **where)  # type: ignore[arg-type]

    def _inference(self, scores: pd.DataFrame) -> Iterator[Finding]:
        """What inference needs beyond signs."""
        compatible = ScoreTable(scores).one("compatible_share")
        yield _against(compatible, "compatible coefficients", self.config.compatible, higher=True)
        for row in scores[scores["metric"] == "joint_test"].to_dict("records"):
            name, p = f"joint test of {row['item']}: p =", float(row["value"])
            if not math.isfinite(p):
                yield Finding("", NOT_SHOWN, f"joint test of {row['item']}", note=str(row["reason"]))
            else:
                answer = NO if p < self.config.alpha else YES
                yield Finding("", answer, name, p, threshold=self.config.alpha, bound="at least")
        gap = ScoreTable(scores).one("value_action_gap")
        if gap is not None and math.isfinite(gap["value"]):
            ends = {"value": "simulated", "ci_low": "simulated_ci_low", "ci_high": "simulated_ci_high"}
            row = {to: gap[of] for to, of in ends.items()} | {"reason": gap["reason"]}
            yield _against(row, "simulated value-action gap", self.config.gap, higher=False)


def by_purpose(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings in their order, by purpose."""
    found: dict[str, list[Finding]] = {}
    for each in findings:
        found.setdefault(each.purpose, []).append(each)
    return found


def _against(row: Any, figure: str, threshold: float, higher: bool) -> Finding:
    """Hold a figure with its interval against a threshold."""
    held: dict[str, Any] = {"threshold": threshold, "bound": "at least" if higher else "at most"}
    if row is None:
        return Finding("", NOT_SHOWN, figure, note="not among the metrics of this run", **held)
    value, low, high = (float(row[key]) for key in ("value", "ci_low", "ci_high"))
    if not math.isfinite(value):
        return Finding("", NOT_SHOWN, figure, note=str(row["reason"]), **held)
    if not (math.isfinite(low) and math.isfinite(high)):
        return Finding("", NOT_SHOWN, figure, value, note="no interval", **held)
    if low == high or not low <= value <= high:
        why = f"its interval [{low:.3g}, {high:.3g}] {'has no width' if low == high else 'leaves it out'}"
        return Finding("", NOT_SHOWN, figure, value, note=why, **held)
    good, bad = (low >= threshold, high < threshold) if higher else (high <= threshold, low > threshold)
    return Finding("", YES if good else NO if bad else NOT_SHOWN, figure, value, low, high, **held)
