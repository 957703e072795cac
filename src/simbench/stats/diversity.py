"""Diversity of answer structures: how many different people a sample seems to hold.

A structure is the tuple of one row's answers. Structures are coded once for both samples
(:func:`code_structures`), counted under the weights with :func:`simbench.stats.option_counts`, and every
measure here takes those counts, structures on the last axis.

The number of distinct structures is biased under the ordinary bootstrap (a resample repeats people, so it
holds fewer distinct ones). :func:`assemblage_bootstrap` draws counts with the right spread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, gammaln

from simbench.stats._arrays import Floats, Ints, ratio, row_chunks
from simbench.stats.divergences import normalise

__all__ = [
    "assemblage_bootstrap",
    "assemblage_counts",
    "code_structures",
    "entropy",
    "entropy_ratio",
    "mode_share",
    "rarefied_count",
    "unique_count",
]


def code_structures(*answers: ArrayLike) -> tuple[tuple[Ints, ...], int]:
    """Code the answer tuples of several samples with one numbering.

    Args:
        answers: per sample, option codes (n, items), -1 = missing.

    Returns:
        Per sample the codes (n,), with -1 for a row that misses any answer, and the number of distinct
        structures over all samples. Codes follow the lexicographic order of the tuples.
    """
    tables = [np.asarray(table, dtype=np.int64) for table in answers]
    if not tables or any(table.ndim != 2 or table.shape[1] != tables[0].shape[1] for table in tables):
        raise ValueError(f"answers must be (n, items) each, found shapes {[table.shape for table in tables]}")
    rows = np.concatenate(tables)
    complete = (rows >= 0).all(axis=1)
    codes = np.full(rows.shape[0], -1, dtype=np.int64)
    distinct, inverse = np.unique(rows[complete], axis=0, return_inverse=True)
    codes[complete] = inverse.reshape(-1)
    bounds = np.cumsum([table.shape[0] for table in tables])[:-1]
    return tuple(np.split(codes, bounds)), distinct.shape[0]


def unique_count(counts: ArrayLike) -> Floats:
    """Number of structures that occur: (..., S) -> (...). 0 for an empty sample."""
    return np.asarray((np.asarray(counts) > 0).sum(axis=-1), dtype=np.float64)


def rarefied_count(counts: ArrayLike, m: ArrayLike) -> Floats:
    """Expected number of distinct structures among ``m`` rows drawn without replacement.

    ``sum_i 1 - C(n - n_i, m) / C(n, m)`` (Hurlbert 1971), by log-gamma, so that counts need not be whole.
    It equals :func:`unique_count` at ``m = n``. NaN where ``m`` exceeds n (nothing is extrapolated) or is
    negative.

    Args:
        counts: (..., S).
        m: subsample size, a number or an array that broadcasts against (...).
    """
    table = np.asarray(counts, dtype=np.float64)
    n = table.sum(axis=-1, keepdims=True)
    size = np.asarray(m, dtype=np.float64)[..., None]
    rest = n - table
    drawable = (size >= 0) & (size <= n)
    # A structure is missed for certain only if all others together can fill the subsample.
    missable = drawable & (rest >= size)
    log_missed = (
        gammaln(np.where(missable, rest, size) + 1)
        - gammaln(np.where(missable, rest - size, 0.0) + 1)
        - gammaln(np.where(drawable, n, size) + 1)
        + gammaln(np.where(drawable, n - size, 0.0) + 1)
    )
    missed = np.where(missable, np.exp(np.minimum(log_missed, 0.0)), 0.0)
    expected = np.where(table > 0, 1.0 - missed, 0.0).sum(axis=-1)
    return np.asarray(np.where(drawable[..., 0], expected, np.nan))


def entropy(counts: ArrayLike, miller_madow: bool = False) -> Floats:
    """Shannon entropy of the shares in bits: (..., S) -> (...). NaN for an empty sample.

    The plug-in value is too low in small samples, by about ``(S - 1) / (2 n ln 2)`` with S the number of
    structures that occur; ``miller_madow`` adds that (Miller 1955).
    """
    table = np.asarray(counts, dtype=np.float64)
    bits = entr(normalise(table)).sum(axis=-1) / np.log(2)
    if miller_madow:
        bits = bits + ratio(unique_count(table) - 1, 2 * np.log(2) * table.sum(axis=-1))
    return np.where(table.sum(axis=-1) > 0, bits, np.nan)


def entropy_ratio(simulated: ArrayLike, human: ArrayLike, miller_madow: bool = False) -> Floats:
    """Entropy of the simulated over that of the human sample; 1 = as diverse, below 1 = flatter.

    NaN where a sample is empty, or all humans have one structure (no diversity to compare with).
    """
    return ratio(entropy(simulated, miller_madow), entropy(human, miller_madow))


def mode_share(counts: ArrayLike) -> Floats:
    """Share of the most frequent structure: (..., S) -> (...), in (0, 1]. NaN for an empty sample."""
    table = np.asarray(counts, dtype=np.float64)
    return ratio(table.max(axis=-1, initial=0.0), table.sum(axis=-1))


def assemblage_bootstrap(counts: ArrayLike, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw resampled counts from an estimate of the population, unseen structures included.

    The percentile bootstrap over respondents does not work for the number of distinct structures: its
    resamples hold only about 1 - 1/e of the singletons. Chao et al. (2014, Ecological Monographs 84,
    appendix G; as in the R package iNEXT) draw from an estimated assemblage instead: the shares of the seen
    structures are shrunk so that the estimated coverage is right, and the missing mass is spread evenly over
    the estimated number of unseen structures (Chao1). The draws have the right spread and a smaller bias;
    take the interval from their standard deviation around the observed value, as iNEXT does.

    Args:
        counts: (S,) whole-number counts of one sample; it is not stratified.
        resamples: number of draws.
        rng: source of randomness.

    Returns:
        (resamples + 1, S + unseen); row 0 holds the observed counts (unseen: 0).
    """
    observed, shares = _assemblage(counts)
    unseen = shares.size - observed.size
    drawn = rng.multinomial(int(observed.sum()), shares, size=resamples).astype(np.float64)
    return np.vstack([np.concatenate([observed, np.zeros(unseen)]), drawn])


def assemblage_counts(counts: ArrayLike, resamples: int, rng: np.random.Generator) -> Floats:
    """Like :func:`assemblage_bootstrap`, without saying which structure a count is of: (resamples + 1, m).

    Where nearly everybody has a structure of their own, the estimated assemblage has tens of thousands; the
    measures that do not ask which is which need only the counts that occur, at most one per row of the
    sample. Each row holds them in no particular order, filled up with zeros; m is the number of structures, or of
    rows where these are fewer.

    Args:
        counts: (S,) whole-number counts of one sample.
        resamples: number of draws.
        rng: source of randomness.
    """
    observed, shares = _assemblage(counts)
    n, size = int(observed.sum()), shares.size
    result = np.zeros((resamples + 1, min(n, size)))
    held = observed[observed > 0]
    result[0, : held.size] = held
    edges = shares.cumsum()
    for rows in row_chunks(resamples, 4 * n):
        count = rows.stop - rows.start
        kinds = np.searchsorted(edges[:-1], rng.random((count, n)), side="right")
        if size <= n:
            kinds += size * np.arange(count)[:, None]
            counted = np.bincount(kinds.reshape(-1), minlength=count * size)
            result[1 + rows.start : 1 + rows.stop] = counted.reshape(count, size)
            continue
        kinds.sort(axis=1)
        first = np.ones((count, n), dtype=bool)
        first[:, 1:] = kinds[:, 1:] != kinds[:, :-1]
        row, start = np.nonzero(first)
        length = np.diff(row * n + start, append=count * n)
        result[1 + rows.start + row, start] = length
    return result


def _assemblage(counts: ArrayLike) -> tuple[Floats, Floats]:
    """Observed counts (S,), and the estimated shares (S + unseen,) of the population."""
    observed = np.asarray(counts, dtype=np.float64)
    n = int(observed.sum())
    if observed.ndim != 1 or n == 0 or not np.array_equal(observed, np.round(observed)):
        raise ValueError("counts must be one row of whole numbers, not all zero")
    once, twice = int((observed == 1).sum()), int((observed == 2).sum())
    scale = (n - 1) / n
    unseen_estimate = scale * (once**2 / (2 * twice) if twice else once * (once - 1) / 2)
    unseen = int(np.ceil(unseen_estimate))
    shares = observed / n
    missing = 0.0
    if unseen:
        found_again = n * unseen_estimate
        missing = once / n * found_again / (found_again + once)
        shrink = missing / float((shares * (1 - shares) ** n).sum())
        shares = shares * (1 - shrink * (1 - shares) ** n)
    assemblage = np.concatenate([shares, np.full(unseen, missing / max(unseen, 1))])
    return observed, assemblage / assemblage.sum()
