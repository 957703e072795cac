"""Resampling as matrices of weights: bootstrap, jackknife, split halves, two-level draws.

A resample is a row of multiplicities: how often each of n rows of data is taken. A statistic that accepts
weights (R, n) then works on all resamples in one matrix product. **Row 0 of a bootstrap is all ones**, the
data as observed, so one call gives the estimate (row 0) and its resamples (rows 1 ..).

What is drawn is a *unit*: a row, or with ``clusters`` (persons who answer several times, villages) all rows of a
cluster. Units are drawn among all units, or within ``strata`` (treatment groups) as far as these part the units: see
:func:`resampling_scheme`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, Ints, row_chunks

__all__ = [
    "Scheme",
    "bootstrap_weights",
    "jackknife_weights",
    "resampling_scheme",
    "split_halves",
]

FEWEST = 10
"""The variance of a pool is too small by a share 1 / units, so smaller pools are put together."""


@dataclass(frozen=True, eq=False)
class Scheme:
    """What is drawn, and among what.

    Attributes:
        units: (n,) unit of each row, 0 .. G - 1.
        pools: positions of the units that are drawn among each other; every unit is in one pool.
        crossed: whether some unit has rows in several strata.
        together: number of strata (blocks of them) that are drawn together because they have too few units; 0: none.
    """

    units: Ints
    pools: tuple[Ints, ...]
    crossed: bool
    together: int

    @property
    def size(self) -> int:
        """Number of units (G)."""
        return int(self.units.max(initial=-1)) + 1

    @property
    def pool_of(self) -> Ints:
        """Pool (G,) of every unit."""
        found = np.zeros(self.size, dtype=np.int64)
        for number, pool in enumerate(self.pools):
            found[pool] = number
        return found


def resampling_scheme(n: int, strata: ArrayLike | None = None, clusters: ArrayLike | None = None) -> Scheme:
    """Decide what is drawn among what.

    Units are drawn within blocks of strata: the smallest sets of strata such that no unit has rows in two of
    them. Where units are nested in strata (a person in one treatment group), each stratum is a block; where every
    unit is in several strata (within-subject designs, conjoint profiles, incomplete blocks, rounds), these are one
    block, and how often a stratum occurs varies as it would in another sample. Units with unequal numbers of
    rows are drawn alike. Blocks of fewer than ten units are put together, since a stratum of few units would vary
    too little, and one of a single unit not at all.

    Args:
        n: rows of data.
        strata: (n,) group of each row, any values that sort; None = one group.
        clusters: (n,) unit of each row; None = each row is its own.

    Raises:
        ValueError: labels that are missing, or not one per row.
    """
    groups = _coded(strata, n, "strata")
    units = np.arange(n) if clusters is None else _coded(clusters, n, "clusters")
    block, crossed = (groups, False) if clusters is None else _blocks(units, groups)
    blocks = [np.flatnonzero(block == each) for each in range(int(block.max(initial=-1)) + 1)]
    few = [each for each in blocks if each.size < FEWEST]
    pools = [each for each in blocks if each.size >= FEWEST]
    if few:
        rest = np.concatenate(few)
        if rest.size < FEWEST and pools:
            smallest = min(range(len(pools)), key=lambda at: pools[at].size)
            few.append(pools.pop(smallest))
            rest = np.concatenate(few)
        pools.append(np.sort(rest))
    return Scheme(units, tuple(pools), crossed, len(few) if len(few) > 1 else 0)


def _blocks(units: Ints, groups: Ints) -> tuple[Ints, bool]:
    """Block (G,) of every unit: connected components of units and strata; and whether a unit is in several strata."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_units, n_groups = (int(codes.max(initial=-1)) + 1 for codes in (units, groups))
    size = n_units + n_groups
    links = coo_array((np.ones(units.size), (units, n_units + groups)), shape=(size, size))
    component = connected_components(links, directed=False)[1][:n_units]
    pairs = np.unique(units * max(n_groups, 1) + groups).size
    return np.unique(component, return_inverse=True)[1].reshape(-1).astype(np.int64), pairs > n_units


def bootstrap_weights(
    n: int,
    resamples: int,
    rng: np.random.Generator,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> Floats:
    """Draw bootstrap multiplicities (resamples + 1, n); row 0 is all ones.

    Which units are drawn among each other: see :func:`resampling_scheme`.

    Args:
        n: rows of data.
        resamples: B.
        rng: source of randomness.
        strata: (n,) group of each row, any values that sort; None = one group.
        clusters: (n,) person of each row; None = each row is its own.
    """
    scheme = resampling_scheme(n, strata, clusters)
    weights = np.zeros((resamples + 1, n))  # filled in place: for many people it is large
    weights[0] = 1
    if scheme.size == n:  # every row is a unit, though not of its own number
        row = np.argsort(scheme.units)
        _draw(tuple(row[pool] for pool in scheme.pools), rng, weights[1:])
    else:
        drawn = np.zeros((resamples, scheme.size))
        _draw(scheme.pools, rng, drawn)
        np.take(drawn, scheme.units, axis=1, out=weights[1:])
    return weights


def split_halves(
    n: int,
    splits: int,
    rng: np.random.Generator,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Split the rows at random into disjoint halves, ``splits`` times: two 0/1 matrices (splits, n).

    Within each pool of :func:`resampling_scheme` the halves hold the same number of units; the odd unit goes to the
    half that is behind, or to either by chance, so that overall sizes differ by at most one unit. Every row is in
    exactly one half.
    """
    scheme = resampling_scheme(n, strata, clusters)
    units = scheme.units
    first = np.zeros((splits, scheme.size), dtype=bool)
    lead = np.zeros(splits, dtype=np.int64)
    for pool in scheme.pools:
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
    units = resampling_scheme(n, None, clusters).units
    left_out = np.arange(int(units.max(initial=-1)) + 1)[:, None] == units[None, :]
    return np.asarray(~left_out, dtype=np.float64)


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


def _draw(pools: tuple[Ints, ...], rng: np.random.Generator, result: Floats) -> None:
    """Draw, in each pool, as many units with replacement as it has; multiplicities go to ``result`` (R, units)."""
    for pool in pools:
        for rows in row_chunks(len(result), 3 * pool.size):
            count = rows.stop - rows.start
            picked = rng.integers(0, pool.size, size=(count, pool.size))
            picked += np.arange(count)[:, None] * pool.size
            flat = np.bincount(picked.reshape(-1), minlength=count * pool.size)
            result[rows, pool] = flat.reshape(count, pool.size)
