"""How far two samples lie apart by chance alone: what exchanging their people at random gives on average."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, rel_entr

from simbench.stats._arrays import Floats

__all__ = ["permuted_js_divergence"]


def permuted_js_divergence(first: ArrayLike, second: ArrayLike) -> float:
    """Mean Jensen-Shannon divergence, in bits, over all ways to deal two samples' answers out to them anew.

    The divergence is a sum over options, and how many of an option's answers the first sample is dealt is
    hypergeometric, so the mean over all permutations is exact, and cheap: no permutation is drawn. Two samples of one
    population, whatever it is, differ on average by exactly this; nothing has to be known of the population's shares,
    which a small sample does not show (options that it misses would count as impossible).

    Args:
        first: (K,) counts of the options, whole numbers.
        second: likewise.

    Returns:
        Its square root is what a Jensen-Shannon distance shows by chance. NaN for an empty sample.
    """
    one, other = (np.asarray(counts, dtype=np.int64) for counts in (first, second))
    n_first, n_second = int(one.sum()), int(other.sum())
    if n_first < 1 or n_second < 1:
        return float("nan")
    return sum(_option(int(both), n_first, n_second) for both in one + other if both)


@lru_cache(maxsize=65536)
def _option(both: int, n_first: int, n_second: int) -> float:
    """One option's part: ``both`` of all answers are this one."""
    x = np.arange(max(0, both - n_second), min(both, n_first) + 1, dtype=np.float64)
    p, q = x / n_first, (both - x) / n_second
    middle = (p + q) / 2
    bits = (rel_entr(p, middle) + rel_entr(q, middle)) / (2 * np.log(2))
    ways = _log_ways(n_first, x) + _log_ways(n_second, both - x) - _log_ways(n_first + n_second, np.array([both]))
    return float(np.exp(ways) @ bits)


def _log_ways(n: int, k: Floats) -> Floats:
    """Log of the number of ways to choose k of n."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
