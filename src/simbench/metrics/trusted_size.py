"""Worth: how many simulated answers may be taken for human ones?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simbench.errors import ConfigError
from simbench.metrics.base import Comparison, Floats, Metric, Score
from simbench.metrics.comparison import UNWEIGHTED, positions
from simbench.metrics.matching import Matched, once, unmatched
from simbench.settings import setting

__all__ = ["TrustedSize", "TrustedSizeConfig"]

SMALLEST = 10
"""With fewer simulated answers than this, an interval from them means nothing."""


@dataclass(frozen=True)
class TrustedSizeConfig:
    """Settings of ``trusted_size``."""

    orders: int = setting(20, "random orders of the simulated answers that the median is taken over")

    def __post_init__(self) -> None:
        if self.orders < 1:
            raise ConfigError(f"metric.trusted_size.orders: expected at least 1; found {self.orders}")


class TrustedSize(Metric[TrustedSizeConfig]):
    """The largest number of simulated answers that may be taken for human ones.

    An interval for a human mean, made from k simulated answers as if they were human, shrinks with k around
    the wrong place. ``trusted_size`` is the largest k up to which these intervals, mean -/+ 2 z sd / sqrt(k), still
    hold the human mean in at least 1 - alpha / 2 of the estimands: the mean of every ordered item in every
    treatment group, people outside the pilot only. Twice as wide as usual, since even a perfect simulation
    leaves usual ones in a share alpha; alpha / 2, since the human mean has noise of its own. From 0 to the
    simulated answers at hand; higher is better. Such an interval is as wide as the usual one from k / 4 human
    answers: this number stands in ``reason``. Median over random orders of the answers; the interval is its
    spread over orders.

    Failure modes: with fewer than 2 / alpha estimands a single miss ends it, so it is harsh and jumpy in small
    studies; it stops at the answers at hand, and says so; it is about means, not about spread or association;
    good on average over estimands like these, not for each. Source: Huang, Wu and Wang (2025), arXiv 2502.17773;
    median and human equivalent are definitions by simbench.
    """

    name = "trusted_size"
    Config = TrustedSizeConfig

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """One figure over all ordered items and treatment groups."""
        generator = comparison.generator
        reason = unmatched(comparison)
        if reason is None and generator is None:
            reason = "only for the simulation itself"
        means, answers = ([], []) if reason else _estimands(comparison, Matched.of(comparison))
        if reason is None and not means:
            reason = f"no ordered item has {SMALLEST} simulated answers in a treatment group"
        if reason or generator is None:
            yield Score.missing(self.name, str(reason), comparison.resamples)
        else:
            yield self._trusted(comparison, generator("worth", "orders"), means, answers)

    def _trusted(
        self, comparison: Comparison, rng: np.random.Generator, means: list[float], answers: list[Floats]
    ) -> Score:
        from simbench.stats.trust import trusted_size

        fewest = min(map(len, answers))
        found = []
        for _ in range(self.config.orders):
            table = np.stack([rng.permutation(each)[:fewest] for each in answers])
            found.append(trusted_size(table, np.array(means), alpha=comparison.alpha))
        sizes = [each.size for each in found]
        median = float(np.median(sizes))
        human = float(np.median([each.human_equivalent for each in found]))
        remark = f"as good as {human:.0f} human answers; {len(means)} estimands with {fewest} simulated answers each"
        if median == fewest:
            remark += "; at least this many, more were not at hand"
        remark += f"; {UNWEIGHTED}" if comparison.weighted else ""
        ends = (float(np.quantile(sizes, 0.025)), float(np.quantile(sizes, 0.975)))
        value = once(median, comparison.resamples)
        return Score(self.name, value, n_simulated=fewest, interval=ends, reason=remark)


def _estimands(comparison: Comparison, table: Matched) -> tuple[list[float], list[Floats]]:
    """Human means and simulated answers of every ordered item in every treatment group."""
    means, answers = [], []
    for item in comparison.design.items:
        if not item.ordered or not np.ptp(positions(item)):
            continue
        numbers = [side.numbers(item) for side in comparison.sides]
        groups = [side.groups("condition", comparison.conditions) for side in comparison.sides]
        for code in range(len(comparison.conditions)):
            human = numbers[0][table.rows][groups[0][table.rows] == code]
            simulated = numbers[1][table.replicates][groups[1][table.replicates] == code]
            human, simulated = human[np.isfinite(human)], simulated[np.isfinite(simulated)]
            if len(human) and len(simulated) >= SMALLEST:
                means.append(float(human.mean()))
                answers.append(simulated)
    return means, answers
