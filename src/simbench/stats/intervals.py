"""From resampled statistics to intervals, p-values, and corrections for many tests.

Statistics arrive as ``values`` (R, ...): row 0 the estimate, rows 1 .. the bootstrap resamples. A resample in
which the statistic is not computable is NaN. It is left out and its share is reported; where fewer than
``min_defined`` of the resamples remain, there is no interval (NaN), because the rest would be a biased
selection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Bools, Floats, ratio

__all__ = [
    "Difference",
    "Interval",
    "acceleration",
    "bca_interval",
    "benjamini_hochberg",
    "bootstrap_p",
    "expanded_level",
    "holm",
    "paired_difference",
    "percentile_interval",
    "reported_interval",
]

MIN_DEFINED = 0.9
ONE = 1 - 1e-12


@dataclass(frozen=True)
class Interval:
    """A two-sided interval. All arrays have the shape of the statistic.

    Attributes:
        low: lower end; NaN = not computable.
        high: upper end; NaN = not computable.
        defined: share of the resamples in which the statistic could be computed.
    """

    low: Floats
    high: Floats
    defined: Floats


@dataclass(frozen=True)
class Difference:
    """A paired difference a - b with its interval and two-sided bootstrap p-value."""

    estimate: Floats
    low: Floats
    high: Floats
    p: Floats
    defined: Floats


def percentile_interval(values: ArrayLike, level: float = 0.95, min_defined: float = MIN_DEFINED) -> Interval:
    """Percentile bootstrap interval (Efron 1979): quantiles of the resampled statistic, linear interpolation.

    Args:
        values: (R, ...), row 0 the estimate (not used here, except that NaN there means no interval).
        level: nominal coverage in (0, 1); NaN: no interval.
        min_defined: smallest share of defined resamples for which an interval is given.
    """
    table, defined, usable = defined_resamples(values, level, min_defined)
    if np.isnan(level):
        return Interval(np.full(defined.shape, np.nan), np.full(defined.shape, np.nan), defined)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    ends = _quantiles(table[1:], np.broadcast_to(tails[(...,) + (None,) * defined.ndim], (2, *defined.shape)))
    return Interval(np.where(usable, ends[0], np.nan), np.where(usable, ends[1], np.nan), defined)


def expanded_level(level: float, units: int, pools: int = 1) -> float:
    """Level at which percentiles of resamples make an interval of ``level`` from so few units.

    Percentiles are short in small samples: the bootstrap variance is too small by (G - H) / G, for G units drawn
    within H pools, and they reach as far as a normal, not a t interval. The expanded percentile interval takes both
    into account (Hesterberg 2015, The American Statistician 69): percentiles at ``Phi(-sqrt(G / (G - H)) t)`` with t
    the quantile of G - H degrees of freedom. With one unit per pool there is no such level: NaN.

    Args:
        level: nominal coverage in (0, 1).
        units: number of units drawn (persons or clusters).
        pools: number of pools that they are drawn within.
    """
    from scipy.special import ndtr, stdtrit

    free = units - pools
    if free < 1:
        return float("nan")
    return float(1 - 2 * ndtr(-np.sqrt(units / free) * stdtrit(free, (1 + level) / 2)))


def reported_interval(
    values: ArrayLike,
    level: float = 0.95,
    min_defined: float = MIN_DEFINED,
    ends: Interval | None = None,
) -> Interval:
    """A percentile interval that never leaves its estimate out, and has no width only where no resample differs.

    Resamples of figures that jump in steps, or that resampling pushes one way, may all lie beyond the estimate: the
    interval is then drawn out to it. Where both percentiles are one value although some resamples differ, the
    interval is the range of the resamples. With R resamples the ends are the values of rank
    ``(R + 1) (1 - level) / 2`` from either side (Davison and Hinkley 1997, section 2.4): quantiles by linear
    interpolation would be a little short.

    Args:
        values: (R, ...), row 0 the estimate.
        level: nominal coverage.
        min_defined: as in :func:`percentile_interval`.
        ends: another interval of the same resamples to make right, such as BCa.
    """
    table = np.asarray(values, dtype=np.float64)
    drawn = max(len(table) - 1, 2)
    tail = max(((drawn + 1) * (1 - level) / 2 - 1) / (drawn - 1), 0.0) if level == level else level
    found = percentile_interval(values, min(1 - 2 * tail, ONE), min_defined) if ends is None else ends
    known = ~np.isnan(table)
    least = np.where(known, table, np.inf).min(axis=0)
    most = np.where(known, table, -np.inf).max(axis=0)
    low, high = np.minimum(found.low, table[0]), np.maximum(found.high, table[0])
    point = low == high
    return Interval(np.where(point, least, low), np.where(point, most, high), found.defined)


def bca_interval(
    values: ArrayLike, accelerations: ArrayLike, level: float = 0.95, min_defined: float = MIN_DEFINED
) -> Interval:
    """Bias-corrected and accelerated interval (Efron 1987), as in ``scipy.stats.bootstrap``.

    Where the estimate lies outside all resamples the bias correction is infinite: there is no interval (NaN).
    That happens with statistics the bootstrap is biased for, such as the number of distinct structures. Where
    all resamples equal the estimate, the interval is that one value.

    Args:
        values: (R, ...), row 0 the estimate.
        accelerations: (...) from :func:`acceleration`.
        level: nominal coverage in (0, 1).
        min_defined: as in :func:`percentile_interval`.
    """
    from scipy.special import ndtr, ndtri

    table, defined, usable = defined_resamples(values, level, min_defined)
    if np.isnan(level):
        return percentile_interval(values, level, min_defined)
    estimate, draws = table[0], table[1:]
    below = ((draws < estimate).sum(axis=0) + (draws <= estimate).sum(axis=0)) / 2
    bias = ndtri(ratio(below, (~np.isnan(draws)).sum(axis=0)))
    accel = np.asarray(accelerations, dtype=np.float64)
    tails = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))[(...,) + (None,) * bias.ndim]
    usable = usable & np.isfinite(bias) & ~np.isnan(accel)
    shift = np.where(usable, bias, 0.0) + tails
    adjusted = ndtr(np.where(usable, bias, 0.0) + ratio(shift, 1 - np.where(usable, accel, 0.0) * shift))
    usable = usable & ~np.isnan(adjusted).any(axis=0)
    ends = _quantiles(draws, np.where(usable, adjusted, 0.5))
    return Interval(np.where(usable, ends[0], np.nan), np.where(usable, ends[1], np.nan), defined)


def acceleration(jackknife: ArrayLike, samples: ArrayLike | None = None) -> Floats:
    """Acceleration constant from leave-one-out values (units, ...) -> (...).

    ``a = sum_s sum_i U_si^3 / n_s^3 / (6 (sum_s sum_i U_si^2 / n_s^2)^1.5)`` with
    ``U_si = (n_s - 1) (mean_s - value_si)`` (Efron and Tibshirani 1993, section 14.3; several samples as in
    ``scipy.stats.bootstrap``). 0 where nothing varies; NaN where a leave-one-out value is.

    Args:
        jackknife: the statistic with each unit left out (see :func:`simbench.stats.jackknife_weights`).
        samples: (units,) which sample (human or simulated, and which treatment group) each unit belongs to;
            None = one sample.
    """
    table = np.asarray(jackknife, dtype=np.float64)
    labels = np.zeros(table.shape[0]) if samples is None else np.asarray(samples)
    top, bottom = np.zeros(table.shape[1:]), np.zeros(table.shape[1:])
    for label in np.unique(labels):
        part = table[labels == label]
        influence = (part.shape[0] - 1) * (part.mean(axis=0) - part)
        top = top + (influence**3).sum(axis=0) / part.shape[0] ** 3
        bottom = bottom + (influence**2).sum(axis=0) / part.shape[0] ** 2
    still = bottom == 0
    return np.where(still, 0.0, ratio(top, np.where(still, 1.0, 6 * bottom**1.5)))


def bootstrap_p(
    values: ArrayLike, null: float = 0.0, min_defined: float = MIN_DEFINED, units: int = 0, pools: int = 1
) -> Floats:
    """Two-sided p-value that the statistic equals ``null``, by inverting the percentile interval.

    ``q = min(1, 2 (1 + min(#{t* <= null}, #{t* >= null})) / (1 + B))``: below alpha when, up to the discreteness of
    B, the (1 - alpha) percentile interval leaves out ``null``. Where no resample lies beyond ``null``, q says no more
    than below 2 / (1 + B), which no correction for many tests survives; the tail is then the normal one,
    ``2 Phi(-d / s)``, if that is smaller, with s the standard deviation of the resamples and d the distance from
    ``null`` to their mean or to the estimate, whichever is nearer. With ``units`` the p-value belongs to the expanded
    interval (:func:`expanded_level`). An estimate that is ``null``, or lies on the other side of it than most
    resamples, has p = 1. NaN where the estimate, or too many resamples, are not computable.
    """
    from scipy.special import ndtr, ndtri, stdtr

    table, _, usable = defined_resamples(values, 0.95, min_defined)
    draws, known = table[1:], ~np.isnan(table[1:])
    count = known.sum(axis=0)
    below, above = (draws <= null).sum(axis=0), (draws >= null).sum(axis=0)
    tail = np.minimum(below, above)
    p = np.minimum(1.0, ratio(2.0 * (tail + 1), count + 1))
    with np.errstate(invalid="ignore", over="ignore"):  # infinite figures have no mean or spread
        mean = ratio(np.where(known, draws, 0.0).sum(axis=0), count)
        spread = np.sqrt(ratio((np.where(known, draws - mean, 0.0) ** 2).sum(axis=0), count - 1))
        distance = np.minimum(np.abs(table[0] - null), np.abs(mean - null))
        extended = 2 * ndtr(-ratio(distance, spread))
    p = np.where((tail == 0) & (extended < p), extended, p)
    if units - pools >= 1:
        shrink = np.sqrt((units - pools) / units)
        p = np.where(p < 1, 2 * stdtr(units - pools, ndtri(p / 2) * shrink), p)
    elif units:
        p = np.full(np.shape(p), np.nan)
    with np.errstate(invalid="ignore"):
        astray = (table[0] == null) | ((table[0] < null) & (below < above)) | ((table[0] > null) & (above < below))
    return np.where(usable, np.where(astray, 1.0, p), np.nan)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    level: float = 0.95,
    min_defined: float = MIN_DEFINED,
    units: int = 0,
    pools: int = 1,
) -> Difference:
    """Difference a - b of two statistics computed under the *same* weights on the same humans.

    Row r of both must belong to the same resample of the humans; otherwise the interval is too wide. An exact tie has
    the difference 0; a difference other than 0 that no resample varies has no interval and no p-value, since nothing
    says how sure it is.

    Args:
        a: (R, ...), row 0 the estimate.
        b: likewise.
        level: nominal coverage.
        min_defined: as in :func:`percentile_interval`.
        units: number of units resampled, for :func:`expanded_level`; 0 = many.
        pools: that they are drawn within.
    """
    with np.errstate(invalid="ignore"):  # inf - inf is not computable, as NaN says
        difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    ends = reported_interval(difference, expanded_level(level, units, pools) if units else level, min_defined)
    p = bootstrap_p(difference, 0.0, min_defined, units, pools)
    still = (ends.low == ends.high) & (difference[0] != 0)
    low, high, p = (np.where(still, np.nan, each) for each in (ends.low, ends.high, p))
    return Difference(np.asarray(difference[0]), low, high, p, ends.defined)


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjusted p-values (1979): control of the family-wise error under any dependence.

    NaN (a test that could not be made) stays NaN and does not count as a test.
    """
    return _adjust(p, lambda ordered, m: np.maximum.accumulate((m - np.arange(m)) * ordered))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini and Hochberg's adjusted p-values (1995): control of the false discovery rate.

    For independent or positively dependent tests. NaN stays NaN and does not count as a test.
    """
    return _adjust(p, lambda ordered, m: np.minimum.accumulate((m / np.arange(1, m + 1) * ordered)[::-1])[::-1])


def _adjust(p: ArrayLike, rule: Callable[[Floats, int], Floats]) -> Floats:
    given = np.asarray(p, dtype=np.float64)
    flat = given.reshape(-1)
    tested = np.flatnonzero(~np.isnan(flat))
    if ((flat[tested] < 0) | (flat[tested] > 1)).any():
        raise ValueError("p-values must lie in [0, 1]")
    order = tested[np.argsort(flat[tested], kind="stable")]
    result = np.full(flat.shape, np.nan)
    result[order] = np.minimum(rule(flat[order], order.size), 1.0)
    return result.reshape(given.shape)


def defined_resamples(values: ArrayLike, level: float, min_defined: float) -> tuple[Floats, Floats, Bools]:
    """Return the table, the share of defined resamples, and where an interval can be given."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim == 0 or table.shape[0] < 2:
        raise ValueError(f"values must hold the estimate and at least one resample, found shape {table.shape}")
    if not 0 < level < 1 and not np.isnan(level):
        raise ValueError(f"level must lie strictly between 0 and 1, found {level}")
    defined = np.asarray((~np.isnan(table[1:])).mean(axis=0))
    usable = (defined >= min_defined) & (defined > 0) & ~np.isnan(table[0])
    return table, defined, usable


def _quantiles(draws: Floats, at: Floats) -> Floats:
    """Quantiles of each column's defined draws, at levels (Q, ...) that may differ by column."""
    ordered = np.sort(draws, axis=0)  # NaN goes last
    known = (~np.isnan(draws)).sum(axis=0)
    position = at * np.maximum(known - 1, 0)
    lower = np.floor(position).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(known - 1, 0))
    low = np.take_along_axis(ordered, lower, axis=0)
    high = np.take_along_axis(ordered, upper, axis=0)
    part = position - lower
    # A neighbour that is infinite must not turn a quantile into NaN by inf * 0.
    with np.errstate(invalid="ignore"):
        between = low * (1 - part) + high * part
    return np.where((part == 0) | (low == high), low, between)
