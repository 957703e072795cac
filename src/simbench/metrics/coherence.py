"""Belief-action coherence: do people, and simulated people, act on their own beliefs?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simbench.metrics.base import Bools, Comparison, Floats, Metric, Score, Side
from simbench.settings import NoSettings

__all__ = ["ValueActionGap"]


class ValueActionGap(Metric[NoSettings]):
    """Share of rows whose decision contradicts their own beliefs, simulated minus human.

    Definition by simbench: the experiment's coherence rule says for each row whether its decision agrees
    with its beliefs. Rows for which the rule is undefined (a tie, a missing answer) are left out; their
    share is ``value_action_undefined``. ``value`` is in [-1, 1]; 0 means as (in)coherent as people are,
    above 0 less coherent, below 0 more coherent than people.
    """

    name = "value_action_gap"
    headline = (("value_action_gap", None),)
    better = {"value_action_gap": "zero", "value_action_undefined": "zero"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """The gap of both sides and its difference; then the share left out."""
        human, simulated = (_rule(comparison, each) for each in (comparison.human, comparison.simulated))
        n_human, n_simulated = (int(np.isfinite(each).sum()) for each in (human, simulated))
        counts: dict[str, Any] = {"n_human": n_human, "n_simulated": n_simulated}
        reason = None
        if not n_human:
            reason = "the coherence rule is undefined for every human row (or the experiment has none)"
        elif not n_simulated:
            reason = "the coherence rule is undefined for every ok simulated row"
        if reason:
            yield Score.missing(self.name, reason, comparison.resamples, **counts)
            return
        one = _share(comparison.human, human == 0, np.isfinite(human))
        other = _share(comparison.simulated, simulated == 0, np.isfinite(simulated))
        yield Score(self.name, other - one, one, other, **counts)
        left = [
            _share(side, ~np.isfinite(rule), np.ones(len(rule), dtype=bool))
            for side, rule in ((comparison.human, human), (comparison.simulated, simulated))
        ]
        sizes: dict[str, Any] = {"n_human": len(human), "n_simulated": len(simulated)}
        yield Score("value_action_undefined", left[1] - left[0], left[0], left[1], **sizes)


def _rule(comparison: Comparison, side: Side) -> Floats:
    """The rule (n,) as 1 coherent, 0 not, NaN undefined."""
    verdict = comparison.coherent(side.people.frame)
    answer: Floats = verdict.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    return answer


def _share(side: Side, hit: Bools, among: Bools) -> Floats:
    """Weighted share (R,) of ``hit`` among ``among``; NaN where a resample holds none of them."""
    total = side.weights @ among.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((side.weights @ (hit & among).astype(float)) / total, dtype=np.float64)
