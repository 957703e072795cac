"""The verdict by equivalence: what may this simulation be used for?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import ConfigError
from simbench.metrics.base import Comparison, Metric, Score
from simbench.metrics.findings import NO, NOT_SHOWN, YES, Finding, answer_of, by_purpose, held, in_words
from simbench.settings import setting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Verdict", "VerdictConfig"]

PILOT = "pilot_people"
TREATMENTS, COVARIATES = "treatments", "covariates"
OF_TREATMENTS = f"{TREATMENTS} of "
SHARES, EFFECTS = "share_distance", "effect_distance"
FIGURES = (SHARES, EFFECTS, "effect_slope", "value_action_gap")
NORMAL = 1.959964
LEAST = 20
"""A level of fewer people is not judged by itself, since its distance is only roughly chi-square; it is pooled."""
ABSENT = "not among the metrics of this run"
Row = Mapping[Any, Any]
Curve = Callable[[float], float]
"""Power of a criterion with so many times the people at hand."""


@dataclass(frozen=True)
class VerdictConfig:
    """Margins of ``verdict``: up to where a difference from people does not matter."""

    margin: float = setting(
        0.1,
        "largest distance of shares (in one person's standard deviations) and of coefficients (as a partial "
        "correlation): as far off as asking 1 / margin^2 people is on average, which is 100; Cohen's small effect",
    )
    attenuation: float = setting(
        2.0,
        "by which factor the people that one would plan for from the simulated treatment effects may be off; they go "
        "with the square of the effects, whose size may lie between 0.71 and 1.41 for 2",
    )
    gap: float = setting(0.1, "largest difference of the value-action gaps, as a share of people: ten points")
    pilot: bool = setting(True, "whether a yes also needs the simulation to be as good as asking the pilot's people")

    def __post_init__(self) -> None:
        for name in ("margin", "gap"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"metric.verdict.{name}: expected a number in (0, 1]; found {getattr(self, name)}")
        if not self.attenuation > 1:
            raise ConfigError(f"metric.verdict.attenuation: expected a factor above 1; found {self.attenuation}")


class Verdict(Metric[VerdictConfig]):
    """May the simulation be used? Yes, no or not shown, for four purposes, by tests of equivalence.

    A criterion says how far the simulation may be from people: a *margin*. It is met when the **whole** interval of
    the difference lies within the margin, failed when the whole interval lies beyond, and else not shown: a small
    study cannot show much, and absence of evidence is never a yes. A purpose is yes when all its criteria are met,
    and no when one has failed. ``item`` is the purpose; ``value`` is 1 = yes, 0 = no, and missing = not shown;
    ``reason`` holds every number and margin, and the **power**: how often a perfect simulation (another sample of the
    people) would get a yes from as many people, and how many people it takes for 80 %.

    - ``pretesting`` (do items work, which answers are given?): ``share_distance`` over the belief items (all items
      where there are none) within ``margin``.
    - ``distribution by subgroup``: the same within subgroups, pooled over the levels of every subgroup variable, and
      (of 20 people or more) no level significantly beyond ``margin``.
    - ``effects`` (do treatments do what they do among people?): ``effect_distance`` of treatments within ``margin``,
      that of no regression significantly beyond, and ``effect_slope`` between 1 / sqrt(``attenuation``) and
      sqrt(``attenuation``). Half-sized effects are often within the margin, where effects are small: it takes the
      slope.
    - ``inference`` (coefficients as if from people): what effects need, ``effect_distance`` of all coefficients
      within ``margin`` in every regression, the slope of covariates (where people's are beyond noise) as that of
      treatments, and the value-action gap within ``gap`` of people's. For inference *with* human answers see
      ``worth``.

    A distance d is that of asking 1 / d^2 people. With ``pilot`` the margin is therefore no larger than what asking
    the pilot's people again would give, 1 / sqrt(pilot): a simulation that is less than that is not worth its own
    pilot.

    Failure modes: margins are conventions, and settings for that reason; a yes is for the figures that are looked at,
    not for others. Definition by simbench after Wellek (2010), Testing Statistical Hypotheses of Equivalence and
    Noninferiority. No single score over purposes is ever given.
    """

    name = "verdict"
    Config = VerdictConfig

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """How many people the pilot had: as good as asking these again is what a simulation has to be."""
        pilot = comparison.pilot
        if pilot is None or not len(pilot) or pilot.design.name != comparison.design.name:
            yield Score.missing(PILOT, "no pilot from this experiment", comparison.resamples)
            return
        people = float(pilot.person.nunique())
        yield Score(PILOT, np.full(comparison.resamples, people), interval=(people, people))

    def conclude(self, scores: pd.DataFrame) -> Iterator[Score]:
        """One row per purpose."""
        for purpose, findings in by_purpose(self.findings(scores)).items():
            answer = answer_of(findings)
            value = {YES: 1.0, NO: 0.0, NOT_SHOWN: math.nan}[answer]
            yield Score("verdict", np.array([value]), item=purpose, reason=f"{answer}: {in_words(findings)}")

    def findings(self, scores: pd.DataFrame) -> list[Finding]:
        """Every criterion of every purpose, from the columns of ``scores.parquet``. The only place that judges."""
        looked_at = scores["metric"].isin((*FIGURES, PILOT))
        held = _Held(self.config, scores[looked_at].to_dict("records"))
        effects = list(held.effects())
        purposes = {
            "pretesting": [held.answers()],
            "distribution by subgroup": list(held.subgroups()),
            "effects": effects,
            "inference": [*effects, *held.inference()],
        }
        return [each for purpose, found in purposes.items() for each in _powered(purpose, found)]


@dataclass(frozen=True)
class _Criterion:
    """A finding, its power as a function of how many times the people at hand there are, and how many these are."""

    finding: Finding
    power: Curve | None
    people: int = 0


@dataclass(frozen=True)
class _Held:
    """The scores of a run, as rows, held against the margins."""

    config: VerdictConfig
    rows: Sequence[Row]

    def one(self, metric: str, item: str | None = None) -> Row | None:
        """The whole-sample row of a figure."""
        rows = (row for row in self.some(metric) if row["item"] == item or (item is None and _none(row["item"])))
        return next(rows, None)

    def some(self, metric: str) -> list[Row]:
        """All whole-sample rows of a metric."""
        return [row for row in self.rows if row["metric"] == metric and _none(row["subgroup"])]

    def answers(self) -> _Criterion:
        """Pretesting: the answers of everybody."""
        return self._distance(self.one(SHARES, "mean"), "distance of answers", SHARES)

    def subgroups(self) -> Iterator[_Criterion]:
        """Every subgroup variable pooled; then every level, the furthest first."""
        rows = [row for row in self.rows if row["metric"] == SHARES and not _none(row["subgroup"])]
        if not rows:
            none = f"the experiment has no subgroup variable, or {SHARES} is {ABSENT}"
            yield _Criterion(Finding("", NOT_SHOWN, "distance of answers", note=none), None)
        levels = [row for row in rows if not _none(row["level"]) and math.isfinite(row["value"])]
        for row in (row for row in rows if _none(row["level"])):
            parts = sum(each["subgroup"] == row["subgroup"] for each in levels)
            yield self._distance(row, f"distance of answers within levels of {row['subgroup']}", SHARES, parts)
        large = [row for row in levels if row["n_human"] >= LEAST]
        for row in sorted(large, key=lambda row: -float(row["within_high"])):
            where = {"subgroup": str(row["subgroup"]), "level": str(row["level"]), "n": int(row["n_human"])}
            yield self._beyond(row, "distance of answers", **where)

    def effects(self) -> Iterator[_Criterion]:
        """Treatments: their distance from people's, that of every regression, and their size."""
        name = "distance of treatment effects"
        yield self._distance(self.one(EFFECTS, TREATMENTS), name, "effect_sizes")
        for row in self.some(EFFECTS):
            if str(row["item"]).startswith(OF_TREATMENTS):
                yield self._beyond(row, f"{name} in {str(row['item']).removeprefix(OF_TREATMENTS)}")
        yield self._slope(TREATMENTS)

    def inference(self) -> Iterator[_Criterion]:
        """What inference needs beyond effects."""
        kinds = (TREATMENTS, COVARIATES)
        whole = [row for row in self.some(EFFECTS) if row["item"] not in kinds]
        whole = [row for row in whole if not str(row["item"]).startswith(OF_TREATMENTS)]
        if not whole:
            none = f"the experiment has no regression, or effect_sizes is {ABSENT}"
            yield _Criterion(Finding("", NOT_SHOWN, "distance of coefficients", note=none), None)
        for row in whole:
            yield self._distance(row, f"distance of coefficients in {row['item']}", "effect_sizes")
        covariates = self.one("effect_slope", COVARIATES)
        if covariates is not None and math.isfinite(covariates["value"]):
            yield self._slope(COVARIATES)
        gap, most = self.one("value_action_gap"), self.config.gap
        if gap is not None and math.isfinite(gap["value"]):
            found = held(gap, "value-action gap, simulated less human", most, ABSENT, least=-most)
            error = math.sqrt(2) * (gap["human_ci_high"] - gap["human_ci_low"]) / (2 * NORMAL)
            yield _Criterion(found, _normal(error, 0.0, -most, most), int(gap["n_human"]))

    def _beyond(self, row: Row, name: str, **where: Any) -> _Criterion:
        """What may be not shown to be within the margin, but not shown to be beyond."""
        return _Criterion(held(row, name, self.config.margin, ABSENT, bound="not beyond", **where), _sure)

    def _distance(self, row: Row | None, name: str, metric: str, parts: int = 1) -> _Criterion:
        """A distance within the margin and that of the pilot's people, who are divided into so many parts."""
        pilot = self.one(PILOT)
        people = float(pilot["value"]) if pilot is not None and self.config.pilot else math.nan
        own = math.sqrt(max(1, parts) / people) if people > 0 else math.inf
        most, note = self.config.margin, ""
        if own < most:
            most, note = own, f"asking the pilot's {people:.0f} people again"
        found = held(row, name, most, f"{metric} is {ABSENT}", note=note)
        if row is None or not math.isfinite(row["chance"]):
            return _Criterion(found, None)
        chance, freedom = float(row["chance"]), float(row["chance_df"])

        def power(times: float) -> float:
            from simbench.stats.equivalence import distance_power

            return distance_power(chance / times, freedom, most)

        return _Criterion(found, power, int(row["n_human"]))

    def _slope(self, kind: str) -> _Criterion:
        factor = math.sqrt(self.config.attenuation)
        row = self.one("effect_slope", kind)
        found = held(row, f"size of effects of {kind}", factor, f"effect_sizes is {ABSENT}", least=1 / factor)
        if row is None or not math.isfinite(row["chance"]):
            return _Criterion(found, None)
        return _Criterion(found, _normal(math.sqrt(row["chance"]), 1.0, 1 / factor, factor), int(row["n_human"]))


def _none(value: Any) -> bool:
    """Whether a row says nothing there."""
    return not isinstance(value, str)


def _sure(_: float) -> float:
    """Power of what only a shown excess can fail."""
    return 1.0


def _normal(error: float, centre: float, low: float, high: float) -> Curve:
    def power(times: float) -> float:
        from simbench.stats.equivalence import interval_power

        return interval_power(error / math.sqrt(times), centre, low, high)

    return power


def _powered(purpose: str, criteria: Sequence[_Criterion]) -> Iterator[Finding]:
    """The findings of a purpose, with the power of its yes: all criteria met."""
    from simbench.stats.equivalence import people_needed

    power, needed = None, None
    curves = [each.power for each in criteria if each.power is not None]
    if len(curves) == len(criteria):
        found, number = people_needed(curves, max(each.people for each in criteria))
        power = found if math.isfinite(found) else None
        needed = None if number is None else int(number)
    for each in criteria:
        yield replace(each.finding, purpose=purpose, power=power, n_80=needed)
