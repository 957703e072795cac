"""Spread of answers: do simulated people differ from each other as much as real ones, and in the same ways?

Values are numbers (n,) or (n, items), NaN = missing; every function drops missing values by itself, item by
item unless it says otherwise. Only spread and association enter, so adding a constant to an item changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, as_codes, as_weights, one_hot, ratio
from simbench.stats.divergences import normalise
from simbench.stats.intervals import bootstrap_p

__all__ = [
    "Flattening",
    "VarianceParts",
    "correlation_distance",
    "correlation_matrices",
    "cronbach_alpha",
    "gini_parts",
    "identity_flattening",
    "standard_deviation",
    "unseen_share",
    "variance_parts",
]


@dataclass(frozen=True)
class VarianceParts:
    """Variance split into parts within and between groups; arrays (R,).

    Attributes:
        total: variance over everyone in a group (sum of squares / n).
        within: pooled sum of squares around the group means / (n - G), G groups with answers.
        between: total minus sum of squares within / n: variance of the group means, weighted by size.
        share: between / total, the correlation ratio eta squared, in [0, 1]. It is positive by chance alone,
            about (G - 1) / (n - 1) where groups do not differ.
    """

    total: Floats
    within: Floats
    between: Floats
    share: Floats


def standard_deviation(
    values: ArrayLike, weights: ArrayLike | None = None, groups: ArrayLike | None = None, n_groups: int = 1
) -> Floats:
    """Standard deviation of an item under every row of weights, overall or pooled within groups: (R,).

    ``sqrt(sum w (x - mean)^2 / (n - G))`` around the group means, with G groups that hold answers; without
    groups the usual sample standard deviation. NaN with no more answers than groups. The ratio of two
    (simulated over human) is the SD ratio of Bisbee et al. (2024): below 1 = too uniform.

    Args:
        values: (n,) numbers, NaN = missing.
        weights: (R, n).
        groups: (n,) codes, -1 = in no group (left out).
        n_groups: number of group codes.
    """
    codes = np.zeros(np.size(values), dtype=np.int64) if groups is None else groups
    return np.sqrt(variance_parts(values, codes, n_groups, weights).within)


def variance_parts(
    values: ArrayLike, groups: ArrayLike, n_groups: int, weights: ArrayLike | None = None
) -> VarianceParts:
    """Split the variance of a numeric item by group (one-way analysis of variance).

    Args:
        values: (n,) numbers, NaN = missing.
        groups: (n,) codes, -1 = in no group (left out).
        n_groups: G.
        weights: (R, n).
    """
    x = np.asarray(values, dtype=np.float64)
    codes = np.where(np.isnan(x), -1, as_codes(groups, n_groups, "groups"))
    known = codes >= 0
    centred = np.where(known, x - (x[known].mean() if known.any() else 0.0), 0.0)
    matrix, member = as_weights(weights, x.size), one_hot(codes, n_groups)
    size, first = matrix @ member, matrix @ (member * centred[:, None])
    square = matrix @ centred**2
    n = size.sum(axis=1)
    explained = ratio(first**2, np.where(size > 0, size, 1.0)).sum(axis=1)
    spread = np.maximum(square - ratio(first.sum(axis=1) ** 2, n), 0.0)
    inside = np.maximum(square - explained, 0.0)
    free = n - (size > 0).sum(axis=1)
    total, within = ratio(spread, n), ratio(inside, np.maximum(free, 0))
    between = np.maximum(total - ratio(inside, n), 0.0)
    # Rounding of the moments must not show as variance where all answers are the same.
    still = spread <= 1e-12 * square
    total, between = np.where(still, 0.0 * total, total), np.where(still, 0.0 * between, between)
    within = np.where(inside <= 1e-12 * square, 0.0 * within, within)
    return VarianceParts(total, within, between, ratio(between, total))


def gini_parts(
    codes: ArrayLike, n_options: int, groups: ArrayLike, n_groups: int, weights: ArrayLike | None = None
) -> VarianceParts:
    """Split the Gini-Simpson variation of an unordered item by group (Light and Margolin 1971).

    Variation is the probability that two answers drawn at random differ, ``(1 - sum p^2)``; ``share`` is
    Goodman and Kruskal's tau. ``within`` is the mean over groups, weighted by size, each group's variation
    times ``n_g / (n_g - 1)`` (unbiased); groups of one are left out of it.

    Args:
        codes: (n,) option codes, -1 = missing.
        n_options: K.
        groups: (n,) codes, -1 = in no group.
        n_groups: G.
        weights: (R, n).
    """
    options, levels = as_codes(codes, n_options), as_codes(groups, n_groups, "groups")
    cells = np.where((options < 0) | (levels < 0), -1, levels * n_options + options)
    table = as_weights(weights, cells.size) @ one_hot(cells, n_groups * n_options)
    counts = table.reshape(-1, n_groups, n_options)
    size = counts.sum(axis=2)
    n = size.sum(axis=1)
    apart = size - ratio((counts**2).sum(axis=2), np.where(size > 0, size, 1.0))
    total = ratio(n - ratio((counts.sum(axis=1) ** 2).sum(axis=1), n), n)
    # With weights, rounding must not show as variation (below 0, even) where all answers are the same.
    apart, total = np.where(apart <= 1e-12 * size, 0.0, apart), np.where(total <= 1e-12, 0.0 * total, total)
    unbiased = np.where(size > 1, apart * ratio(size, np.where(size > 1, size - 1, 1.0)), 0.0)
    within = ratio(unbiased.sum(axis=1), np.where(size > 1, size, 0.0).sum(axis=1))
    between = np.maximum(total - ratio(apart.sum(axis=1), n), 0.0)
    return VarianceParts(total, within, between, ratio(between, total))


@dataclass(frozen=True)
class Flattening:
    """Are simulated members of a group more alike than real ones? Arrays (R,); ``p`` a single number.

    Attributes:
        within_ratio: variance within groups, simulated / human; below 1 = members more alike than real ones.
        between_ratio: variance between groups, simulated / human; above 1 = groups caricatured.
        share_difference: share of variance between groups, simulated minus human; above 0 = an answer tells
            more about the group than it does among humans.
        p: two-sided bootstrap p-value that the *standard deviations* within groups are equal (their
            difference is defined also where simulated members all answer the same).
    """

    within_ratio: Floats
    between_ratio: Floats
    share_difference: Floats
    p: float


def identity_flattening(human: VarianceParts, simulated: VarianceParts) -> Flattening:
    """Compare the parts of variance of human and simulated answers, row by row of the same resamples.

    Ratios are NaN where humans do not vary. With a single row there is no test and ``p`` is NaN.
    """
    gap = np.sqrt(simulated.within) - np.sqrt(human.within)
    return Flattening(
        ratio(simulated.within, human.within),
        ratio(simulated.between, human.between),
        simulated.share - human.share,
        float(bootstrap_p(gap)) if gap.size > 1 else float("nan"),
    )


def unseen_share(given: ArrayLike, other: ArrayLike) -> Floats:
    """Share of the answers in ``given`` whose option never occurs in ``other``: (..., K) each -> (...).

    ``unseen_share(human, simulated)`` is the share of human answers that the simulation never gives, in [0, 1],
    lower is better; the other way round it is the share of simulated answers that no human gave. NaN where
    a side is empty.
    """
    shares, seen = normalise(given), np.asarray(other, dtype=np.float64)
    missed = np.where(seen > 0, 0.0, shares).sum(axis=-1)
    held = (np.sum(given, axis=-1) > 0) & (seen.sum(axis=-1) > 0)
    return np.where(held, missed, np.nan)


def correlation_matrices(values: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Pearson correlations between items under every row of weights, complete rows only: (R, p, p).

    NaN for an item that does not vary, diagonal included.

    Args:
        values: (n, p) numbers, NaN = missing.
        weights: (R, n).
    """
    covariance = _covariances(values, weights)
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    return np.clip(ratio(covariance, spread[:, :, None] * spread[:, None, :]), -1.0, 1.0)


def correlation_distance(a: ArrayLike, b: ArrayLike) -> Floats:
    """Root mean square difference of the correlations above the diagonal: (..., p, p) -> (...). In [0, 2].

    Definition by simbench. NaN where a correlation is not computable on either side, or with fewer than two
    items.
    """
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    upper, lower = np.triu_indices(one.shape[-1], 1)
    gap = (one - other)[..., upper, lower]
    return np.sqrt(ratio((gap**2).sum(axis=-1), np.float64(upper.size)))


def cronbach_alpha(values: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Cronbach's alpha of p items under every row of weights, complete rows only: (R,).

    ``p / (p - 1) (1 - sum of item variances / variance of the sum)`` (Cronbach 1951); items must point in one
    direction. At most 1, and can be far below 0. NaN with fewer than two items or complete rows, and where
    the sum does not vary.

    Args:
        values: (n, p) numbers, NaN = missing.
        weights: (R, n).
    """
    covariance = _covariances(values, weights)
    p = covariance.shape[-1]
    parts, whole = np.trace(covariance, axis1=1, axis2=2), covariance.sum(axis=(1, 2))
    whole = np.where(whole > 1e-12 * parts, whole, 0.0)
    return ratio(p, p - 1) * (1 - ratio(parts, whole))


def _covariances(values: ArrayLike, weights: ArrayLike | None) -> Floats:
    """Sample covariances (R, p, p) over complete rows; NaN with fewer than two."""
    table = np.asarray(values, dtype=np.float64)
    complete = ~np.isnan(table).any(axis=1)
    matrix = as_weights(weights, table.shape[0])[:, complete]
    x = table[complete]
    x = x - x.mean(axis=0) if x.size else x
    p = x.shape[1]
    products = (x[:, :, None] * x[:, None, :]).reshape(-1, p * p)
    n = matrix.sum(axis=1)[:, None, None]
    square, mean = (matrix @ products).reshape(-1, p, p), ratio(matrix @ x, n[:, 0])
    scatter = square - n * mean[:, :, None] * mean[:, None, :]
    # A variance at rounding level is no variance.
    own, raw = np.diagonal(scatter, axis1=1, axis2=2), np.diagonal(square, axis1=1, axis2=2)
    moves = own > 1e-12 * raw
    scatter = np.where(moves[:, :, None] & moves[:, None, :], scatter, 0.0 * scatter)
    return ratio(scatter, np.maximum(n - 1, 0))
