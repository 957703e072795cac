"""How far apart two distributions of answers are, for many resamples at once.

Answers are integer codes with -1 for missing. :func:`option_counts` turns codes and resampling weights
into counts by one matrix product; every distance takes such counts (or shares: each side is normalised
first) with options on the last axis and anything in front, and broadcasts.

**NaN has one meaning here: not computable**, because one side holds no answers at all (or, where said so,
because the scale has no extent). A caller must turn it into a row that says so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from simbench.stats._arrays import Bools, Floats, as_codes, as_weights, one_hot, ratio

__all__ = [
    "expected_counts",
    "js_distance",
    "kl_divergence",
    "normalise",
    "option_counts",
    "simbench_score",
    "total_variation",
    "wasserstein_ordered",
]

TINY = 1e-300
"""Makes 0 of 0 / 0, and changes no share."""
ALMOST = 2.0**-53
"""Keeps the logarithm finite where a share, by which it is multiplied, is 0."""


def option_counts(
    codes: ArrayLike,
    n_options: int,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_groups: int | None = None,
) -> Floats:
    """Count each option under each row of weights.

    Args:
        codes: (n,) option codes, -1 = missing (counts nowhere).
        n_options: K.
        weights: (R, n) multiplicities; None means one row of ones.
        groups: (n,) subgroup codes, -1 = in no subgroup. All subgroups are counted in one product.
        n_groups: G, needed with ``groups``.

    Returns:
        (R, K), or (R, G, K) with ``groups``. Exact for whole-number weights.
    """
    options = as_codes(codes, n_options)
    matrix = as_weights(weights, options.size)
    if groups is None:
        return matrix @ one_hot(options, n_options)
    if n_groups is None:
        raise ValueError("n_groups is needed with groups")
    levels = as_codes(groups, n_groups, "groups")
    if levels.size != options.size:
        raise ValueError(f"codes and groups must have one length, found {options.size} and {levels.size}")
    cells = np.where((options < 0) | (levels < 0), -1, levels * n_options + options)
    counts = matrix @ one_hot(cells, n_groups * n_options)
    return counts.reshape(-1, n_groups, n_options)


def expected_counts(probabilities: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Sum option probabilities (n, K) under weights (R, n): expected counts (R, K), free of sampling noise.

    A row with any NaN is a missing answer and counts nowhere.

    Raises:
        ValueError: a row that is not a probability distribution to 1e-6.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    known: Bools = np.asarray(~np.isnan(table).any(axis=1))
    if (table[known] < 0).any() or not np.allclose(table[known].sum(axis=1), 1.0, rtol=0, atol=1e-6):
        raise ValueError("each row of probabilities must be non-negative and sum to 1 (to 1e-6)")
    return as_weights(weights, table.shape[0]) @ np.where(known[:, None], table, 0.0)


def normalise(counts: ArrayLike) -> Floats:
    """Divide by the sum over the last axis; a row that sums to 0 becomes NaN.

    Raises:
        ValueError: a negative count.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.min(initial=0.0) < 0:
        raise ValueError("counts must not be negative")
    total = table.sum(axis=-1, keepdims=True)
    return np.asarray(table / np.where(total > 0, total, np.nan))


def js_distance(p: ArrayLike, q: ArrayLike) -> Floats:
    """Jensen-Shannon distance: the square root of the divergence with base-2 logarithm.

    ``sqrt((KL(p||m) + KL(q||m)) / 2)`` with ``m = (p + q) / 2``, in [0, 1]; 0 when the distributions are
    the same, 1 when no option is shared. A metric (Endres and Schindelin 2003). Same value as
    ``scipy.spatial.distance.jensenshannon(p, q, base=2)``. NaN where a side is empty.
    """
    a, b = normalise(p), normalise(q)
    # p log(p / m) = p log1p((p - q) / (p + q)): exact near 0, and several times as fast as scipy's rel_entr.
    lean = (a - b) / (a + b + TINY)
    np.clip(lean, ALMOST - 1, 1 - ALMOST, out=lean)
    parts = np.log1p(lean)
    parts *= a
    np.log1p(np.negative(lean, out=lean), out=lean)
    lean *= b
    parts += lean
    nats = parts.sum(axis=-1) / 2
    # Rounding can leave a sum just outside the mathematical range [0, log 2].
    return _on_options(a, np.sqrt(np.clip(nats / np.log(2), 0.0, 1.0)))


def total_variation(p: ArrayLike, q: ArrayLike) -> Floats:
    """Total variation distance: half the L1 distance of the shares, in [0, 1]. NaN where a side is empty.

    It is the share of answers that would have to change for the distributions to agree.
    """
    gap = np.abs(normalise(p) - normalise(q))
    return _on_options(gap, np.minimum(gap.sum(axis=-1) / 2, 1.0))


def simbench_score(distance: ArrayLike, uniform_distance: ArrayLike) -> Floats:
    """The 0-100 score of the SimBench benchmark (arXiv 2510.17516) from total variation distances.

    ``100 * (1 - TVD(human, simulated) / mean(TVD(human, uniform)))``, where the mean is over the items
    (last axis) of the set that is scored. 100 = the human distribution, 0 = no better than uniform answers
    on average, below 0 = worse.

    Args:
        distance: (..., items) total variation between human and simulated answers.
        uniform_distance: (..., items) total variation between human answers and the uniform distribution.

    Returns:
        (..., items). NaN where a distance is NaN, or the humans answer uniformly on every item.
    """
    base = np.asarray(uniform_distance, dtype=np.float64).mean(axis=-1, keepdims=True)
    return 100.0 * (1.0 - ratio(distance, base))


def wasserstein_ordered(p: ArrayLike, q: ArrayLike, positions: ArrayLike | None = None) -> Floats:
    """Wasserstein-1 distance between answers to an ordered item, divided by the length of the scale.

    ``sum_k |F_p(k) - F_q(k)| (x_{k+1} - x_k) / (x_K - x_1)``, in [0, 1]: 0 = same distribution, 1 = everyone
    at opposite ends. With the default positions 0 .. K-1, 1 minus this is OpinionQA's representativeness
    (Santurkar et al. 2023). NaN where a side is empty, and for an item of one option (a scale of no length).

    Args:
        p: (..., K) counts or shares, options in order.
        q: likewise.
        positions: (K,) strictly increasing values of the options.
    """
    difference = np.cumsum(normalise(p) - normalise(q), axis=-1)[..., :-1]
    n_options = difference.shape[-1] + 1
    at = np.arange(n_options, dtype=np.float64) if positions is None else np.asarray(positions, dtype=np.float64)
    gaps = np.diff(at)
    if at.shape != (n_options,) or (gaps <= 0).any():
        raise ValueError(f"positions must be {n_options} strictly increasing values, found {at.tolist()}")
    if n_options == 1:
        return np.full(difference.shape[:-1], np.nan)
    return np.asarray(np.minimum(np.abs(difference) @ gaps / (at[-1] - at[0]), 1.0))


def kl_divergence(p_counts: ArrayLike, q_counts: ArrayLike, smoothing: float = 0.5) -> Floats:
    """Kullback-Leibler divergence of q (simulated) from p (human) in bits, smoothed on both sides.

    ``sum_k p_k log2(p_k / q_k)`` with ``p_k = (count_k + a) / (n + a K)``, likewise q; ``a = smoothing`` is
    added to every option of both sides (0.5: the Krichevsky-Trofimov, or Jeffreys, estimate). In [0, inf).
    Takes *counts*, since smoothing shares means something else. ``smoothing=0`` gives ``inf`` where humans
    gave an answer that was never simulated. NaN where a side holds no answers, however smoothed.
    """
    if smoothing < 0:
        raise ValueError(f"smoothing must not be negative, found {smoothing}")
    p, q = np.asarray(p_counts, dtype=np.float64), np.asarray(q_counts, dtype=np.float64)
    bits = rel_entr(normalise(p + smoothing), normalise(q + smoothing)).sum(axis=-1) / np.log(2)
    held = (p.sum(axis=-1) > 0) & (q.sum(axis=-1) > 0)
    return np.where(held, np.maximum(bits, 0.0), np.nan)


def _on_options(table: Floats, value: Floats) -> Floats:
    """Keep the value, unless there are no options at all: then sums are 0 where they should be NaN."""
    return value if table.shape[-1] else np.full_like(value, np.nan)
