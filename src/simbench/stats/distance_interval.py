"""Intervals for distances, which the bootstrap gets wrong.

A distance between two samples is above 0 even if the populations agree, and a resample adds noise a second time: the
percentile interval of a Jensen-Shannon distance lies too high, and never covers a true distance of 0. Squared, such a
distance behaves like ``s`` times a noncentral chi-squared variable whose noncentrality is the true squared distance
over ``s``. Here ``s`` and the degrees of freedom are matched to what the bootstrap shows (its bias and its variance),
and the chi-squared is inverted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chndtr, chndtrinc, ndtri

from simbench.stats._arrays import Floats, ratio
from simbench.stats.intervals import MIN_DEFINED, defined_resamples

__all__ = ["DistanceInterval", "distance_interval"]

LARGE = 1e4
"""Beyond this the root of a noncentral chi-squared variable is normal to three digits and more."""


@dataclass(frozen=True)
class DistanceInterval:
    """An interval for the distance between the populations. Arrays have the shape of the statistic.

    The plug-in distance between the samples is no estimate of it free of bias, and can lie above ``high``.

    Attributes:
        low: lower end, 0 where the samples do not show any difference; NaN = not computable.
        high: upper end; NaN = not computable.
        corrected: the distance with the estimated bias taken out, at least 0.
        defined: share of the resamples in which the distance could be computed.
    """

    low: Floats
    high: Floats
    corrected: Floats
    defined: Floats


def distance_interval(
    values: ArrayLike,
    *,
    squared: bool = False,
    level: float = 0.95,
    largest: float = 1.0,
    min_defined: float = MIN_DEFINED,
) -> DistanceInterval:
    """Interval for a distance from its bootstrap.

    Definition by simbench. With ``T`` the squared distance, ``b = mean(T*) - T`` and ``v = var(T*)`` over the
    resamples, ``s = v / (2 b + 4 T)`` and ``d = b / s`` (at least 1), so that a noncentral chi-squared variable
    with d degrees of freedom, times s, has the mean and variance that the bootstrap shows; the ends are the
    noncentralities under which ``T`` is just not improbable. In simulations (7 options, 100 to 929 people a
    side, true distance 0 to 0.3) 95 % intervals covered 94 to 98 % for Jensen-Shannon distance and
    Kullback-Leibler divergence, and 91 to 98 % for total variation and Wasserstein distance, where percentile
    intervals covered 0 to 96 %.

    Args:
        values: (R, ...) distances, row 0 the estimate, the others resamples of *both* sides.
        squared: the values behave like squared distances already (Kullback-Leibler divergence).
        level: nominal coverage.
        largest: largest possible value (inf for a divergence without bound). A resample that is infinite leaves no
            interval.
        min_defined: as in :func:`simbench.stats.percentile_interval`.
    """
    table, defined, usable = defined_resamples(values, level, min_defined)
    power = 1 if squared else 2
    usable = usable & ~np.isinf(table).any(axis=0)
    known = np.isfinite(table[1:])
    draws = np.where(known, table[1:], 0.0) ** power
    count, estimate = known.sum(axis=0), np.where(usable, table[0], 0.0) ** power
    mean = ratio(draws.sum(axis=0), count)
    variance = ratio((np.where(known, draws - mean, 0.0) ** 2).sum(axis=0), count - 1)
    bias = np.maximum(np.where(usable, mean, 0.0) - estimate, 0.0)
    scale = ratio(variance, 2 * bias + 4 * estimate)
    usable = usable & ~np.isnan(scale) & (scale > 0)
    unit = np.where(usable, scale, 1.0)
    at, df = estimate / unit, np.maximum(bias / unit, 1.0)
    ends = [np.minimum(_noncentrality(at, df, p) * unit, largest**power) for p in ((1 + level) / 2, (1 - level) / 2)]
    corrected = np.maximum(estimate - bias, 0.0)
    # Nothing moved in any resample: the distance is what it is (both sides constant, say).
    still = np.isfinite(table[0]) & (defined >= min_defined) & (variance == 0)

    def back(squares: Floats) -> Floats:
        value = np.where(usable, squares ** (1 / power), np.nan)
        return np.where(still, table[0], value)

    return DistanceInterval(back(ends[0]), back(ends[1]), back(corrected), defined)


def _noncentrality(at: Floats, df: Floats, p: float) -> Floats:
    """Noncentrality under which a chi-squared variable stays below ``at`` with probability p; 0 if none does."""
    inside = (at <= LARGE) & (chndtr(np.minimum(at, LARGE), df, 0.0) > p)
    small = chndtrinc(np.where(inside, at, 1.0), np.where(inside, df, 1.0), np.where(inside, p, 0.5))
    root = np.sqrt(np.maximum(at - (df - 1) / 2, 0.0)) - ndtri(p)
    far = np.maximum(root, 0.0) ** 2 - (df - 1) / 2
    return np.where(at > LARGE, np.maximum(far, 0.0), np.where(inside, small, 0.0))
