"""What other people would reach: the ceiling of every figure at the number of people at hand.

- Distances (``better``: ``lower``, never below 0) fall with a power of the sample's size, so halves and quarters of
  the people tell what two samples of full size would show; see :func:`simbench.stats.ceilings.at_size`.
- Figures that know what fresh samples of people would give (:attr:`simbench.metrics.base.Score.fresh`: F1-Sign and
  its kin) have the mean of that, its middle 90 %, and their rank in it.
- All others have the mean between halves, ``ceiling_half``, which all have beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simbench.design import People
from simbench.harness.figures import Asked, Key
from simbench.metrics.base import Comparison, Floats, Score, loss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CEILINGS", "Parted", "mean_of", "with_ceilings"]

CEILINGS = ("ceiling_half", "fresh_low", "fresh_high", "rank")
MIDDLE = (5, 95)


@dataclass(frozen=True, eq=False)
class Parted:
    """Figures between parts of the people, by key, and how many people are in a part on average."""

    size: float
    figures: Mapping[Key, Score]

    @classmethod
    def of(cls, asked: Asked, parts: Comparison) -> Parted:
        """Ask for every figure of one comparison of parts."""
        size = float((parts.human.weights > 0).sum(axis=1).mean())
        return cls(size, {each.key: each for each in asked.scores(parts, "ceiling")})


def with_ceilings(
    frame: pd.DataFrame,
    people: People,
    scores: Sequence[Score],
    better: Mapping[str, str],
    halves: Parted,
    quarters: Parted,
) -> None:
    """Put ``ceiling`` and the columns :data:`CEILINGS` into ``frame`` (a row per score)."""
    sizes = (quarters.size, halves.size, float(len(people)))
    rows = [
        _ceilings(each, halves.figures.get(each.key), quarters.figures.get(each.key), sizes, better)
        for each in scores
    ]
    for column, values in zip(("ceiling", *CEILINGS), np.array(rows).reshape(-1, 1 + len(CEILINGS)).T, strict=True):
        frame[column] = values


def _ceilings(
    score: Score,
    half: Score | None,
    quarter: Score | None,
    sizes: tuple[float, float, float],
    better: Mapping[str, str],
) -> tuple[float, ...]:
    """Ceiling, that of halves, the middle of fresh samples' figures, and the rank among them."""
    halved = np.nan if half is None else mean_of(half.value)
    way, value = better.get(score.metric, ""), float(score.value[0])
    if score.fresh is not None:
        fresh = score.fresh[np.isfinite(score.fresh)]
        if not fresh.size:
            return (np.nan, halved, np.nan, np.nan, np.nan)
        low, high = np.percentile(fresh, MIDDLE)
        return (float(fresh.mean()), halved, float(low), float(high), _rank(value, fresh, way))
    at = halved
    if way == "lower" and half is not None and quarter is not None and np.isfinite(halved):
        falls = np.nanmin(half.value) >= 0
        at = _at_size(half.value, quarter.value, sizes) if falls else halved
    return (at, halved, np.nan, np.nan, np.nan)


def _at_size(half: Floats, quarter: Floats, sizes: tuple[float, float, float]) -> float:
    from simbench.stats.ceilings import at_size

    return at_size(half, quarter, sizes) if np.isfinite(mean_of(quarter)) else float("nan")


def _rank(value: float, fresh: Floats, way: str) -> float:
    """Share of the fresh samples that are further from people, those as far counting half."""
    if not np.isfinite(value):
        return float("nan")
    own, others = float(loss(np.array([value]), way)[0]), loss(fresh, way)
    return float(np.mean(others > own) + np.mean(others == own) / 2)


def mean_of(values: Floats) -> float:
    """Mean over the defined ones; NaN where fewer than half are defined."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) and 2 * len(defined) >= len(values) else float("nan")
