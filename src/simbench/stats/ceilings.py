"""What other people would reach: from smaller samples of those at hand, and from what their estimates foretell."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats
from simbench.stats.resampling import resampling_scheme

__all__ = ["at_size", "fresh_estimates", "split_quarters"]

SPREADS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations of effects, in standard errors, that the mixture is made of."""
ROUNDS = 100


def split_quarters(
    n: int, splits: int, rng: np.random.Generator, strata: ArrayLike | None = None, clusters: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Two disjoint quarters of the rows at random, ``splits`` times: two 0/1 matrices (splits, n).

    Each holds a quarter of the units of every pool of :func:`simbench.stats.resampling_scheme`, rounded up or down by
    chance, both alike; see :func:`simbench.stats.split_halves`.
    """
    scheme = resampling_scheme(n, strata, clusters)
    first, second = (np.zeros((splits, scheme.size), dtype=bool) for _ in range(2))
    for pool in scheme.pools:
        rank = rng.random((splits, pool.size)).argsort(axis=1).argsort(axis=1)
        taken = np.minimum(np.floor(pool.size / 4 + rng.random(splits)), pool.size // 2)[:, None]
        first[:, pool] = rank < taken
        second[:, pool] = (rank >= taken) & (rank < 2 * taken)
    return first[:, scheme.units].astype(np.float64), second[:, scheme.units].astype(np.float64)


def at_size(halves: ArrayLike, quarters: ArrayLike, sizes: tuple[float, float, float]) -> float:
    """What a distance between two samples is at full size, from halves and quarters.

    Its mean square falls with a power of the sample size, ``D^2(m) = a m^-g``: g is 1 where every option is often
    given (chance alone), less where new structures keep turning up, and 0 where the distance is real. g is taken from
    the two sizes, within [0, 1].

    Args:
        halves: distances (splits,) between disjoint halves.
        quarters: distances between disjoint quarters.
        sizes: mean size of a quarter, of a half, and of the whole.

    Returns:
        Mean distance of the halves times (half / whole)^(g / 2); NaN where either is not known.
    """
    half, quarter = (np.asarray(each, dtype=np.float64) for each in (halves, quarters))
    known = [each[np.isfinite(each)] for each in (quarter, half)]
    if not all(each.size for each in known):
        return float("nan")
    squares, mean = [float((each**2).mean()) for each in known], float(known[1].mean())
    if not min(squares) > 0:
        return mean
    power = np.clip(np.log(squares[0] / squares[1]) / np.log(sizes[1] / sizes[0]), 0.0, 1.0)
    return float(mean * (sizes[1] / sizes[2]) ** (power / 2))


def fresh_estimates(estimates: ArrayLike, covariance: ArrayLike, draws: int, rng: np.random.Generator) -> Floats:
    """Estimates (draws, q) that another sample of as many people would give, foretold from one sample's.

    True effects, in standard errors, are taken for a mixture of normal distributions around 0 of several widths,
    whose shares are the likeliest ones given the estimates (empirical Bayes; Stephens 2017, Biostatistics 18,
    "adaptive shrinkage"); a true effect is drawn from its distribution given its estimate, and the other sample's
    noise, which goes together as ``covariance`` (q, q) says, is added. To take the estimates for the truth, as
    resampling does, would make effects too large by one sample's noise.
    """
    b, v = np.asarray(estimates, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    errors = np.sqrt(np.diag(v))
    z, widths = b / errors, np.array(SPREADS)
    densities = np.exp(-(z[:, None] ** 2) / (2 * (1 + widths**2))) / np.sqrt(1 + widths**2)
    shares = np.full(len(widths), 1 / len(widths))
    for _ in range(ROUNDS):
        belongs = densities * shares
        belongs /= belongs.sum(axis=1, keepdims=True)
        shares = (belongs.sum(axis=0) + 1 / len(widths)) / (len(z) + 1)
    ladder = np.cumsum(belongs, axis=1)
    which = np.minimum((rng.random((draws, len(z), 1)) > ladder).sum(axis=2), len(widths) - 1)
    kept = widths[which] ** 2 / (1 + widths[which] ** 2)
    true = kept * z + np.sqrt(kept) * rng.standard_normal((draws, len(z)))
    noise = rng.multivariate_normal(np.zeros(len(z)), v / np.outer(errors, errors), size=draws, method="eigh")
    return np.asarray((true + noise) * errors)
