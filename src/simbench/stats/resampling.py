"""Resampling as matrices of weights: bootstrap, jackknife, split halves, two-level draws.

A resample is a row of multiplicities: how often each of n rows of data is taken. A statistic that accepts
weights (R, n) then works on all resamples in one matrix product. **Row 0 of a bootstrap is all ones**, the
data as observed, so one call gives the estimate (row 0) and its resamples (rows 1 ..).

``strata`` (treatment groups) keeps every group's size fixed. ``clusters`` (persons who answer several times)
resamples whole persons: then persons are drawn among those with the same number of rows in each stratum, so
group sizes stay fixed and a within-subject design, where every person is in every group, works unchanged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, Ints, row_chunks

__all__ = [
    "bootstrap_pair",
    "bootstrap_weights",
    "jackknife_weights",
    "split_halves",
    "two_level_weights",
]


def bootstrap_weights(
    n: int,
    resamples: int,
    rng: np.random.Generator,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> Floats:
    """Draw bootstrap multiplicities (resamples + 1, n); row 0 is all ones.

    A stratum of one unit cannot vary: it is taken once in every resample.

    Args:
        n: rows of data.
        resamples: B.
        rng: source of randomness.
        strata: (n,) group of each row, any values that sort; None = one group.
        clusters: (n,) person of each row; None = each row is its own.
    """
    units, pools = _units(n, strata, clusters)
    drawn = _draw(pools, int(units.max(initial=-1)) + 1, resamples, rng)
    return np.vstack([np.ones((1, n)), drawn[:, units]])


def bootstrap_pair(
    n: int,
    resamples: int,
    rng: np.random.Generator,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Draw two independent bootstraps of the same rows, each (resamples, n), with no row of ones.

    A statistic between the two shows how far apart two fresh samples of this size would lie: the ceiling
    for a simulation of the same size. It takes the observed distribution for the population.
    """
    first = bootstrap_weights(n, resamples, rng, strata, clusters)[1:]
    second = bootstrap_weights(n, resamples, rng, strata, clusters)[1:]
    return first, second


def split_halves(
    n: int,
    splits: int,
    rng: np.random.Generator,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Split the rows at random into disjoint halves, ``splits`` times: two 0/1 matrices (splits, n).

    Within each stratum the halves hold the same number of units; the odd unit goes to the half that is
    behind, or to either by chance, so that overall sizes differ by at most one unit. Every row is in exactly
    one half.
    """
    units, pools = _units(n, strata, clusters)
    first = np.zeros((splits, int(units.max(initial=-1)) + 1), dtype=bool)
    lead = np.zeros(splits, dtype=np.int64)
    for pool in pools:
        size = pool.size
        rank = rng.random((splits, size)).argsort(axis=1).argsort(axis=1)
        odd_to_first = np.where(lead == 0, rng.random(splits) < 0.5, lead < 0) & (size % 2 == 1)
        taken = size // 2 + odd_to_first
        first[:, pool] = rank < taken[:, None]
        lead += 2 * taken - size
    chosen = first[:, units]
    return chosen.astype(np.float64), (~chosen).astype(np.float64)


def jackknife_weights(n: int, clusters: ArrayLike | None = None) -> Floats:
    """Leave-one-out weights (units, n): row j leaves out unit j (a row, or all rows of a person)."""
    units, _ = _units(n, None, clusters)
    left_out = np.arange(int(units.max(initial=-1)) + 1)[:, None] == units[None, :]
    return np.asarray(~left_out, dtype=np.float64)


def two_level_weights(
    respondents: ArrayLike,
    resamples: int,
    rng: np.random.Generator,
    strata: ArrayLike | None = None,
    draws_only: bool = False,
) -> Floats:
    """Resample respondents, and within each respondent the generated replicates: (resamples + 1, n).

    Each time a respondent is taken, as many of the respondent's rows are drawn with replacement as there are.
    Row 0 is all ones. With ``draws_only`` the respondents stay as they are and only the replicates vary: the
    noise of generation alone.

    Resampling both levels overstates the variance a little: respondents drawn whole
    (:func:`bootstrap_weights` with ``clusters``) already carry the noise of their draws (Davison and
    Hinkley 1997, section 3.8). Use this where the generation noise is to be shown, or to be safe.

    Args:
        respondents: (n,) respondent of each row.
        resamples: B.
        rng: source of randomness.
        strata: (n,) group of each row, constant within a respondent.
        draws_only: vary the replicates only.
    """
    ids = np.asarray(respondents)
    n = ids.size
    units, pools = _units(n, strata, ids)
    n_units = int(units.max(initial=-1)) + 1
    order = np.argsort(units, kind="stable")
    sizes = np.bincount(units, minlength=n_units)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    result = np.ones((resamples + 1, n))
    for rows in row_chunks(resamples, 4 * n):
        count = rows.stop - rows.start
        times = np.ones((count, n_units)) if draws_only else _draw(pools, n_units, count, rng)
        # One entry per drawn row: which resample, which respondent, and a uniform pick among its rows.
        resample, unit = np.nonzero(times)
        repeats = times[resample, unit].astype(np.int64) * sizes[unit]
        resample, unit = np.repeat(resample, repeats), np.repeat(unit, repeats)
        picked = order[starts[unit] + rng.integers(0, sizes[unit])]
        flat = np.bincount(resample * n + picked, minlength=count * n)
        result[1 + rows.start : 1 + rows.stop] = flat.reshape(count, n)
    return result


def _units(n: int, strata: ArrayLike | None, clusters: ArrayLike | None) -> tuple[Ints, list[Ints]]:
    """Return each row's unit (n,), and the pools of exchangeable units."""
    groups = _coded(strata, n, "strata")
    if clusters is None:
        return np.arange(n), [np.flatnonzero(groups == group) for group in range(groups.max(initial=-1) + 1)]
    units = _coded(clusters, n, "clusters")
    # A person's pattern: number of rows in each stratum. Persons with one pattern are exchangeable.
    pattern = np.zeros((units.max(initial=-1) + 1, groups.max(initial=-1) + 1), dtype=np.int64)
    np.add.at(pattern, (units, groups), 1)
    kinds = np.unique(pattern, axis=0, return_inverse=True)[1].reshape(-1)
    return units, [np.flatnonzero(kinds == kind) for kind in range(kinds.max(initial=-1) + 1)]


def _coded(labels: ArrayLike | None, n: int, what: str) -> Ints:
    if labels is None:
        return np.zeros(n, dtype=np.int64)
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"{what} must have one value per row ({n}), found shape {array.shape}")
    missing = np.asarray(array != array, dtype=bool)  # true for NaN only, whatever the dtype
    if np.any(missing):
        raise ValueError(f"{what} must not be missing, found {int(np.sum(missing))} missing of {n}")
    return np.unique(array, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _draw(pools: list[Ints], n_units: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw, in each pool, as many units with replacement as it has: multiplicities (resamples, units)."""
    result = np.zeros((resamples, n_units))
    for pool in pools:
        for rows in row_chunks(resamples, 3 * pool.size):
            count = rows.stop - rows.start
            picked = rng.integers(0, pool.size, size=(count, pool.size))
            picked += np.arange(count)[:, None] * pool.size
            flat = np.bincount(picked.reshape(-1), minlength=count * pool.size)
            result[rows, pool] = flat.reshape(count, pool.size)
    return result
