"""Heterogeneity: how many different belief structures people, and simulated people, have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simbench.metrics.alignment import structure_counts
from simbench.metrics.base import Comparison, Floats, Metric, Score
from simbench.settings import NoSettings

__all__ = ["UniqueStructures"]


class UniqueStructures(Metric[NoSettings]):
    """Number of distinct belief structures, raw and rarefied to equal sample size.

    Definition by simbench: a belief structure is the tuple of a row's answers to all belief items, complete
    rows only. ``unique_structures`` counts distinct ones; because the count grows with the number of rows,
    ``unique_structures_rarefied`` is the expected count in m = min(n_human, n_simulated) rows drawn without
    replacement, the sum over structures of 1 - C(n - n_i, m) / C(n, m). ``value`` is simulated minus human:
    0 means as diverse as people, below 0 flatter. Uniform-random answers are *more* diverse than people, so
    high is not good in itself.

    Resampling rows loses rare structures, so intervals come from a bootstrap of the estimated assemblage,
    unseen structures included. Source: Hurlbert (1971), Ecology 52; Chao et al. (2014), Ecol. Monogr. 84.
    """

    name = "unique_structures"
    headline = (("unique_structures", None), ("unique_structures_rarefied", None))
    better = {"unique_structures": "zero", "unique_structures_rarefied": "zero"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Raw and rarefied counts of both sides and their differences."""
        from simbench.stats.structures import rarefied_count, unique_count

        codes = comparison.structures if comparison.design.beliefs else (np.array([]), np.array([]))
        n_human, n_simulated = (int((each >= 0).sum()) for each in codes)
        counts: dict[str, Any] = {"n_human": n_human, "n_simulated": n_simulated}
        names = (self.name, f"{self.name}_rarefied")
        if not n_human or not n_simulated:
            side = "human" if not n_human else "ok simulated"
            what = f"no {side} row answers every belief" if comparison.design.beliefs else "no belief items"
            for name in names:
                yield Score.missing(name, what, comparison.resamples, **counts)
            return
        human, simulated = (
            _resampled(comparison, table, side)
            for table, side in zip(structure_counts(comparison), ("human", "simulated"), strict=True)
        )
        raw = [unique_count(table) for table in (human, simulated)]
        yield Score(names[0], raw[1] - raw[0], raw[0], raw[1], **counts)
        rows = np.minimum(human.sum(axis=1), simulated.sum(axis=1))
        even = [rarefied_count(table, rows) for table in (human, simulated)]
        yield Score(names[1], even[1] - even[0], even[0], even[1], **counts)


def _resampled(comparison: Comparison, counts: Floats, side: str) -> Floats:
    """Structure counts (R, S): as observed in row 0, then draws from the estimated assemblage."""
    from simbench.stats.structures import assemblage_bootstrap

    if comparison.generator is None or len(counts) == 1:
        return counts
    return assemblage_bootstrap(counts[0], len(counts) - 1, comparison.generator("assemblage", side))
