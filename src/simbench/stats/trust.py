"""How many human answers is a simulation worth? The largest number of simulated answers that may be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from simbench.stats._arrays import Floats, Ints

__all__ = ["TrustedSize", "trusted_size"]


@dataclass(frozen=True)
class TrustedSize:
    """Result of :func:`trusted_size`.

    Attributes:
        size: the number of simulated answers per estimand that keeps the coverage; 0 = none does.
        at_limit: every size up to the number of simulated answers at hand keeps it: ``size`` is a lower bound.
        sizes: (K,) the sizes that were looked at.
        miscoverage: (K,) share of the estimands whose human value the simulated interval of that size misses.
        threshold: largest miscoverage allowed.
        estimands: number of estimands (m). With fewer than 1 / threshold, a single miss ends it.
        dilation: factor by which intervals were widened.
    """

    size: int
    at_limit: bool
    sizes: Ints
    miscoverage: Floats
    threshold: float
    estimands: int
    dilation: float

    @property
    def human_equivalent(self) -> float:
        """Number of human answers whose plain interval is as wide: ``size / dilation^2``."""
        return self.size / self.dilation**2


def trusted_size(
    simulated: ArrayLike,
    human: ArrayLike,
    human_interval: tuple[ArrayLike, ArrayLike] | None = None,
    *,
    alpha: float = 0.05,
    human_level: float = 0.5,
    interval: Literal["clt", "hoeffding"] = "clt",
    dilation: float = 2.0,
    smallest: int = 10,
) -> TrustedSize:
    """Find the largest number k of simulated answers whose (1 - alpha) interval still covers the human value.

    After Huang, Wu and Wang (2025), "How Many Human Survey Respondents is a Large Language Model Worth?"
    (arXiv 2502.17773). Over m estimands (a question in a group), ``G(k)`` is the share of those whose human
    value lies outside the interval built from the first k simulated answers; the trusted size is the largest k
    with ``G(i) <= threshold`` **for all i up to k**. The threshold is ``alpha / 2`` when the human value is the
    sample mean (where an interval misses the truth, the mean of a sample lies on the far side of it half the
    time), or ``alpha * human_level`` when ``human_interval`` (an interval of coverage ``human_level``) has to
    lie wholly inside. As in the authors'
    public code. Since even a perfect simulation misses a share alpha of the values with plain intervals, these are
    widened by ``dilation``; a widened interval from k simulated answers is as wide as a plain one from ``k /
    dilation^2`` human answers, which :attr:`TrustedSize.human_equivalent` gives. What is ours: that reading, and
    that sizes below ``smallest`` are not looked at under ``clt``, where a normal interval from a few answers (of
    width 0 if they agree) means nothing. The guarantee is on average over estimands like these, not for each, and
    without a holdout it is the in-sample value.

    Args:
        simulated: (m, K) numeric simulated answers in random order, K the same for each estimand, no missing.
        human: (m,) human sample means.
        human_interval: (m,) low and (m,) high; None = use the means.
        alpha: 1 - nominal coverage of the simulated intervals.
        human_level: coverage of ``human_interval``.
        interval: ``clt`` (mean -/+ z sd / sqrt(k)) or ``hoeffding`` (answers must lie in [0, 1]).
        dilation: factor on the half-width, above 1; theirs is 2.
        smallest: first k under ``clt``; ``hoeffding`` starts at 1.

    Raises:
        ValueError: arrays that do not agree, missing answers, or answers outside [0, 1] under ``hoeffding``.
    """
    table, mean = np.asarray(simulated, dtype=np.float64), np.asarray(human, dtype=np.float64)
    if table.ndim != 2 or mean.shape != (table.shape[0],) or not table.size:
        raise ValueError(f"simulated (m, K) and human (m,) must agree, found {table.shape} and {mean.shape}")
    if not (np.isfinite(table).all() and np.isfinite(mean).all()):
        raise ValueError("simulated and human values must not be missing")
    if interval not in ("clt", "hoeffding"):
        raise ValueError(f"interval must be 'clt' or 'hoeffding', found {interval!r}")
    if interval == "hoeffding" and (table.min() < 0 or table.max() > 1):
        raise ValueError("under 'hoeffding' answers must be scaled to [0, 1]")
    low, high = (mean, mean) if human_interval is None else (np.asarray(part, float) for part in human_interval)
    threshold = alpha / 2 if human_interval is None else alpha * human_level
    k = np.arange(1, table.shape[1] + 1)
    running = np.cumsum(table, axis=1) / k
    if interval == "clt":
        centred = table - table[:, :1]
        square = np.cumsum(centred**2, axis=1) / k - (np.cumsum(centred, axis=1) / k) ** 2
        half = ndtri(1 - alpha / 2) * np.sqrt(np.maximum(square, 0.0) / k)
    else:
        half = np.broadcast_to(np.sqrt(np.log(2 / alpha) / (2 * k)), table.shape)
    half = dilation * half + 1e-12  # an interval of one point holds that point, rounding aside
    missed = (low[:, None] < running - half) | (high[:, None] > running + half)
    looked = slice(min(smallest, k.size) - 1 if interval == "clt" else 0, None)
    sizes, rate = k[looked], missed.mean(axis=0)[looked]
    over = np.flatnonzero(rate > threshold)
    first = int(over[0]) if over.size else sizes.size
    size = int(sizes[first - 1]) if first else 0
    return TrustedSize(size, not over.size, sizes, rate, threshold, mean.size, dilation)
