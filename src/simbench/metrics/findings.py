"""Findings: what a verdict rests on, as data, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "MET",
    "NO",
    "NOT_SHOWN",
    "YES",
    "Finding",
    "answer_of",
    "by_purpose",
    "criteria_in_words",
    "held",
    "in_words",
    "power_of",
    "power_words",
]

YES, NO, NOT_SHOWN = "yes", "no", "not shown"
MET = {YES: "met", NO: "failed", NOT_SHOWN: "not shown"}
INWARD = 1.644854 / 1.959964
"""A normal figure's 90 % interval is so much narrower than its 95 % one."""
NAMED = 3
"""So many subgroup levels are named; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """One criterion of a purpose: its figure, the margin it was held against, and how that came out.

    ``answer``: ``yes`` (met), ``no`` (failed) or ``not shown``. ``bound``: ``at most``; ``from`` (``least`` to
    ``threshold``); or ``not beyond``, met unless the whole interval lies beyond. ``value``, ``low``, ``high``: None
    where there is none, and then ``note`` says why. ``subgroup``, ``level``, ``n``: of criteria about a subgroup
    level. ``power``: how often a perfect simulation would get a yes for this purpose from as many people; ``n_80``:
    how many people it takes for four times in five; None where that is not known, or beyond all reason.
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
    least: float | None = None
    power: float | None = None
    n_80: int | None = None

    @property
    def words(self) -> str:
        """The finding in a line, without its answer."""
        name = f"{self.figure} for {self.subgroup} {self.level} (n = {self.n})" if self.subgroup else self.figure
        if self.value is None:
            return f"{name}: {self.note}"
        ends = f"[{self.low:.3g}, {self.high:.3g}]" if self.low is not None and self.high is not None else ""
        limits = f"{self.bound} {self.threshold:.3g}" if self.threshold is not None else ""
        if self.least is not None and self.threshold is not None:
            limits = f"from {self.least:.3g} to {self.threshold:.3g}"
        return " ".join(part for part in (name, f"{self.value:.3g}", ends) if part) + "".join(
            f", {part}" for part in (limits, self.note) if part
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest: None for what is not finite."""
        told = asdict(self)
        return {
            key: None if isinstance(each, float) and not math.isfinite(each) else each for key, each in told.items()
        }


def held(row: Mapping[Any, Any] | None, figure: str, most: float, absent: str, **more: Any) -> Finding:
    """Hold a row of ``scores.parquet`` against its margin, at 5 % on either side.

    ``more``: other fields of the finding. With ``least``, the margin has two sides. The ends are those of theory
    (``within_low``, ``within_high``); of figures without, those of the reported interval, moved in as a normal
    figure's are. One without width then says nothing.
    """
    given: dict[str, Any] = {"threshold": most, "bound": "at most", **more}
    if row is None:
        return Finding("", NOT_SHOWN, figure, **{**given, "note": absent})
    value, low, high = (float(row[key]) for key in ("value", "within_low", "within_high"))
    if not math.isfinite(value):
        return Finding("", NOT_SHOWN, figure, **{**given, "note": str(row["reason"])})
    if math.isnan(low) or math.isnan(high):
        ends = float(row["ci_low"]), float(row["ci_high"])
        if math.isnan(ends[0]) or math.isnan(ends[1]):
            return Finding("", NOT_SHOWN, figure, value, **{**given, "note": "no interval"})
        if ends[0] == ends[1] or not ends[0] <= value <= ends[1]:
            why = f"[{ends[0]:.3g}, {ends[1]:.3g}] {'has no width' if ends[0] == ends[1] else 'leaves it out'}"
            return Finding("", NOT_SHOWN, figure, value, **{**given, "note": f"its interval {why}"})
        low, high = (value + INWARD * (end - value) for end in ends)
    least = -math.inf if given.get("least") is None else float(given["least"])
    within, beyond = least <= low and high <= most, low > most or high < least
    loose = YES if given["bound"] == "not beyond" else NOT_SHOWN
    return Finding("", YES if within else NO if beyond else loose, figure, value, low, high, **given)


def answer_of(findings: Iterable[Finding]) -> str:
    """The answer for a purpose: no where one criterion has failed, yes where all are met."""
    answers = {each.answer for each in findings}
    return NO if NO in answers else YES if answers == {YES} else NOT_SHOWN


def by_purpose(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings in their order, by purpose."""
    found: dict[str, list[Finding]] = {}
    for each in findings:
        found.setdefault(each.purpose, []).append(each)
    return found


def in_words(findings: Iterable[Finding]) -> str:
    """All criteria of a purpose and how each came out, then the power."""
    findings = list(findings)
    parts, said = criteria_in_words(findings), power_words(findings)
    return "; ".join([*parts, said] if said else parts)


def criteria_in_words(findings: Sequence[Finding]) -> list[str]:
    """The criteria of a purpose and how each came out, one by one; of many subgroup levels the worst by name."""
    parts = [f"{each.words} ({MET[each.answer]})" for each in findings if each.subgroup is None]
    levels = [each for each in findings if each.subgroup is not None]
    for answer in (NO, NOT_SHOWN):
        same = [each for each in levels if each.answer == answer]
        parts += [f"{each.words} ({MET[answer]})" for each in same[:NAMED]]
        if same[NAMED:]:
            parts.append(f"{len(same) - NAMED} more subgroup levels ({MET[answer]})")
    if fine := [each for each in levels if each.answer == YES]:
        parts.append(f"{len(fine)} of {len(levels)} subgroup levels not beyond ({MET[YES]})")
    return parts


def power_of(findings: Iterable[Finding]) -> tuple[float | None, int | None]:
    """Power of a purpose's yes, and the people it takes for 80 %."""
    first = next(iter(findings), None)
    return (None, None) if first is None else (first.power, first.n_80)


def power_words(findings: Iterable[Finding]) -> str:
    """How likely a perfect simulation gets a yes; empty where that is not known."""
    power, needed = power_of(findings)
    if power is None:
        return ""
    people = "80 % with no number of people" if needed is None else f"80 % with {needed} people"
    return f"a perfect simulation would get a yes in {100 * power:.0f} % of such studies, {people}"
