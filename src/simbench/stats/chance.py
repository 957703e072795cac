"""How far two samples of one population lie apart by chance alone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, rel_entr, xlog1py, xlogy

from simbench.stats._arrays import Floats

__all__ = ["expected_js_divergence"]

ENOUGH = 40
"""From this expected count on, the second-order expansion is good to about a percent."""


def expected_js_divergence(shares: ArrayLike, n_first: int, n_second: int) -> float:
    """Expected Jensen-Shannon divergence, in bits, of two samples drawn from one distribution.

    The divergence is a sum over options, and each option's count is binomial in either sample, so the
    expectation is exact: a sum over the counts of every option. Where an option is expected often enough in
    both samples, the expansion ``(1 - share) (1 / n_first + 1 / n_second) / (8 ln 2)`` takes its place.

    Args:
        shares: (K,) of the options, summing to 1.
        n_first: answers in one sample.
        n_second: answers in the other.

    Returns:
        Its square root is what a Jensen-Shannon distance shows by chance. NaN for an empty sample.
    """
    table = np.asarray(shares, dtype=np.float64)
    if n_first < 1 or n_second < 1 or not np.isfinite(table).all():
        return float("nan")
    return sum(_option(float(share), int(n_first), int(n_second)) for share in table if share > 0)


@lru_cache(maxsize=8192)
def _option(share: float, n_first: int, n_second: int) -> float:
    """One option's part of the expected divergence."""
    if share * min(n_first, n_second) >= ENOUGH:
        return (1 - share) * (1 / n_first + 1 / n_second) / (8 * math.log(2))
    (x, px), (y, py) = _counts(share, n_first), _counts(share, n_second)
    p, q = (x / n_first)[:, None], (y / n_second)[None, :]
    middle = (p + q) / 2
    bits = (rel_entr(p, middle) + rel_entr(q, middle)) / (2 * np.log(2))
    return float(px @ bits @ py)


def _counts(share: float, n: int) -> tuple[Floats, Floats]:
    """Counts with a chance worth counting, and their chances."""
    reach = 8 * np.sqrt(n * share * (1 - share)) + 8
    low, high = max(0, int(n * share - reach)), min(n, int(n * share + reach) + 1)
    x = np.arange(low, high + 1, dtype=np.float64)
    # The binomial distribution written out: scipy.stats alone takes longer to import than all else here.
    ways = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)
    return x, np.exp(ways + xlogy(x, share) + xlog1py(n - x, -share))
