"""Representation: is the simulation closer to some groups than to others?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.design import Item
from simbench.errors import ConfigError
from simbench.metrics.alignment import POSITIVE, JSDistance
from simbench.metrics.base import Comparison, Floats, Metric, Scale, Score
from simbench.settings import NoConfig, setting

__all__ = ["SubgroupBias", "SubgroupBiasConfig"]

SIGNED = Scale(lambda v: np.sign(v) * v**2, lambda v: np.sign(v) * np.sqrt(np.abs(v)))


@dataclass(frozen=True)
class SubgroupBiasConfig:
    """Settings of ``subgroup_bias``."""

    least: int = setting(10, "human answers that a level needs for a distance beyond chance")

    def __post_init__(self) -> None:
        if self.least < 1:
            raise ConfigError(f"metric.subgroup_bias.least: expected at least 1; found {self.least}")


class SubgroupBias(Metric[SubgroupBiasConfig]):
    """Distance of the simulation from each demographic group beyond chance, and worst against best group.

    Small groups have larger distances by chance alone, so raw distances call every minority badly served.
    ``js_excess`` of a level takes off the ceiling at that level's size: with D the mean over belief items (all
    items where there are no beliefs) of the Jensen-Shannon divergence (the squared distance) between the level's
    human and simulated answers, and E its mean over all ways to deal these answers out to two samples of these sizes
    (exact, by the hypergeometric distribution of every count),

        js_excess = sign(D - E) sqrt(|D - E|),

    in [-1, 1], 0 = as close as another sample of the same people; lower is closer. The ceiling is taken off
    the divergence, since that is where chance adds up. ``js_excess_gap`` of a subgroup variable = largest minus
    smallest ``js_excess`` over its levels, 0 and up, lower is fairer; which levels they are stands in ``reason``.
    Levels with fewer than ``least`` human answers are left out, and named. A bias towards the people whom the
    training texts are from (WEIRD: western, educated, industrialised, rich, democratic) shows as a gap with
    them at the best end.

    Failure modes: largest minus smallest is above 0 by chance alone, the more so with many levels: read it
    beside its ceiling; its interval is for samples of this size. Definition by simbench, after the
    comparison by ethnicity in arXiv 2511.21218.
    """

    name = "subgroup_bias"
    Config = SubgroupBiasConfig
    better = {"js_excess": "lower", "js_excess_gap": "lower"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Every level of every subgroup variable, then the gap over each variable."""
        items = [item for item in comparison.design.main_items if len(item.options) > 1]
        for variable, levels in comparison.levels.items():
            found = [self._level(comparison, items, variable, at) for at in range(len(levels))]
            yield from found
            yield self._gap(comparison, variable, found)

    def _level(self, comparison: Comparison, items: list[Item], variable: str, at: int) -> Score:
        level = comparison.levels[variable][at]
        where: dict[str, Any] = {"item": "mean", "subgroup": variable, "level": level}
        if not items:
            reason = f"no {'belief ' if comparison.design.beliefs else ''}item has more than one option"
            return Score.missing("js_excess", reason, comparison.resamples, **where)
        members = [side.members(variable, level) for side in comparison.sides]
        for n, side, among in zip(("n_human", "n_simulated"), comparison.sides, members, strict=True):
            where[n] = min(side.answered(item.name, among) for item in items)
        if not where["n_human"] or not where["n_simulated"]:
            who = "ok simulated" if where["n_human"] else "human"
            reason = f"no {who} answers to one of the items here"
            return Score.missing("js_excess", reason, comparison.resamples, **where)
        if where["n_human"] < self.config.least:
            reason = f"only {where['n_human']} human answers (metric.subgroup_bias.least is {self.config.least})"
            return Score.missing("js_excess", reason, comparison.resamples, **where)
        beyond = np.mean([_beyond_chance(comparison, item, variable, at) for item in items], axis=0)
        said = "chance is taken off at effective sample sizes (Kish)" if comparison.weighted else None
        return Score("js_excess", SIGNED.back(beyond), bias="sample", scale=SIGNED, reason=said, **where)

    def _gap(self, comparison: Comparison, variable: str, levels: list[Score]) -> Score:
        kept = [each for each in levels if np.isfinite(each.value[0])]
        where: dict[str, Any] = {"item": "mean", "subgroup": variable}
        if len(kept) < 2:
            reason = f"fewer than two levels with {self.config.least} human and any simulated answers"
            return Score.missing("js_excess_gap", reason, comparison.resamples, **where)
        table = np.stack([each.value for each in kept])
        worst, best = kept[int(table[:, 0].argmax())], kept[int(table[:, 0].argmin())]
        left = [str(each.level) for each in levels if each not in kept]
        reason = f"worst: {worst.level} (n = {worst.n_human}), best: {best.level} (n = {best.n_human})"
        reason += f"; left out: {', '.join(left)}" if left else ""
        where |= {n: min(getattr(each, n) for each in kept) for n in ("n_human", "n_simulated")}
        gap = table.max(axis=0) - table.min(axis=0)
        return Score("js_excess_gap", gap, bias="sample", scale=POSITIVE, reason=reason, **where)


def _beyond_chance(comparison: Comparison, item: Item, variable: str, at: int) -> Floats:
    """Divergence (R,) in one level, less what chance gives: to the estimate, or to reference rows in the mean."""
    from simbench.stats.chance import permuted_js_divergence

    levels = comparison.levels[variable]
    distances = JSDistance(NoConfig()).by_level(comparison, item, variable)
    rows = slice(None) if comparison.generator is None else slice(1)
    counts = []
    for side in comparison.sides:
        counted = side.by_level(item.name, variable, levels)[rows, at].mean(axis=0)
        if side.survey is not None:
            held = side.members(variable, levels[at]) & (side.codes(item.name) >= 0)
            counted = counted * side.effective(held) / max(side.survey[held].sum(), 1e-300)
        counts.append(np.round(counted).astype(np.int64))
    chance = permuted_js_divergence(*counts)
    return np.full(comparison.resamples, np.nan) if distances is None else distances[:, at] ** 2 - chance
