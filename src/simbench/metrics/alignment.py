"""Distributional alignment: how far simulated answers are from human ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.metrics.base import Comparison, Floats, Metric, Score, Side
from simbench.settings import NoSettings

__all__ = ["JSDistance"]


class JSDistance(Metric[NoSettings]):
    """Jensen-Shannon distance between human and simulated answers, per item, subgroup and jointly.

    Definition by simbench: the square root of the Jensen-Shannon divergence with base-2 logarithm between
    option frequencies, in [0, 1]; 0 means equal frequencies, lower is closer. ``item="mean"`` is the
    unweighted mean over belief items; ``js_distance_joint`` is taken over belief structures. Two samples of
    the same people are not at 0: small groups have larger distances by chance alone, so read a value beside
    its ceiling. Source: Lin (1991), IEEE Trans. Inf. Theory 37(1); Endres and Schindelin (2003).
    """

    name = "js_distance"
    headline = (("js_distance", "mean"), ("js_distance_joint", None))
    better = {"js_distance": "lower", "js_distance_joint": "lower"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Per item and mean, for everybody and per subgroup level; then over joint structures."""
        yield from self._group(comparison, {})
        for subgroup, level in comparison.subgroup_levels():
            yield from self._group(comparison, {"subgroup": subgroup, "level": level})
        yield self._joint(comparison)

    def _group(self, comparison: Comparison, where: dict[str, Any]) -> Iterator[Score]:
        sides = (comparison.human, comparison.simulated)
        among = [side.members(where["subgroup"], where["level"]) if where else None for side in sides]
        beliefs = {item.name for item in comparison.design.beliefs}
        parts = []
        for item in comparison.design.items:
            each = self._item(comparison, item.name, among, where)
            parts += [each] if item.name in beliefs else []
            yield each
        reasons = sorted({part.reason for part in parts if part.reason})
        if reasons or not parts:
            reason = "; ".join(reasons) or "the experiment has no belief items"
            yield Score.missing(self.name, reason, comparison.resamples, item="mean", **where)
        else:
            mean = np.mean([part.value for part in parts], axis=0)
            fewest = min(part.n_human for part in parts), min(part.n_simulated for part in parts)
            yield Score(self.name, mean, item="mean", n_human=fewest[0], n_simulated=fewest[1], **where)

    def _item(
        self, comparison: Comparison, item: str, among: list[NDArray[np.bool_] | None], where: dict[str, Any]
    ) -> Score:
        from simbench.stats.divergences import js_distance, normalise

        n_human = _answered(comparison.human, item, among[0])
        n_simulated = _answered(comparison.simulated, item, among[1])
        counts = {"item": item, "n_human": n_human, "n_simulated": n_simulated, **where}
        reason = _too_few(n_human, n_simulated)
        if reason is None and len(comparison.design.item(item).options) < 2:
            reason = "the item has only one option"
        if reason:
            return Score.missing(self.name, reason, comparison.resamples, **counts)
        human = comparison.human.counts(item, among[0])
        simulated = comparison.simulated.counts(item, among[1])
        return Score(self.name, js_distance(normalise(human), normalise(simulated)), **counts)

    def _joint(self, comparison: Comparison) -> Score:
        from simbench.stats.divergences import js_distance, normalise

        name = f"{self.name}_joint"
        if not comparison.design.beliefs:
            return Score.missing(name, "the experiment has no belief items", comparison.resamples)
        codes = comparison.structures
        n_human, n_simulated = (int((each >= 0).sum()) for each in codes)
        counts: dict[str, Any] = {"n_human": n_human, "n_simulated": n_simulated}
        if reason := _too_few(n_human, n_simulated):
            return Score.missing(name, reason, comparison.resamples, **counts)
        human, simulated = structure_counts(comparison)
        return Score(name, js_distance(normalise(human), normalise(simulated)), **counts)


def structure_counts(comparison: Comparison) -> tuple[Floats, Floats]:
    """Weighted counts (R, S) of every belief structure that occurs on either side."""
    codes = comparison.structures
    size = int(max(each.max(initial=-1) for each in codes)) + 1
    sides = (comparison.human, comparison.simulated)
    counted = []
    for side, each in zip(sides, codes, strict=True):
        rows = np.flatnonzero(each >= 0)
        onehot = np.zeros((len(rows), size))
        onehot[np.arange(len(rows)), each[rows]] = 1.0
        counted.append(side.weights[:, rows] @ onehot)
    return counted[0], counted[1]


def _answered(side: Side, item: str, among: NDArray[np.bool_] | None) -> int:
    """How many of these members (None: of all) answered the item."""
    answered = side.codes(item) >= 0
    return int((answered if among is None else answered & among).sum())


def _too_few(n_human: int, n_simulated: int) -> str | None:
    if not n_human:
        return "no human answers here"
    return None if n_simulated else "no ok simulated answers here"
