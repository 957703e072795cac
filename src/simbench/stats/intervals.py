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
    "holm",
    "normal_interval",
    "paired_difference",
    "percentile_interval",
]

MIN_DEFINED = 0.9


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
        level: nominal coverage in (0, 1).
        min_defined: smallest share of defined resamples for which an interval is given.
    """
    table, defined, usable = defined_resamples(values, level, min_defined)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    ends = _quantiles(table[1:], np.broadcast_to(tails[(...,) + (None,) * defined.ndim], (2, *defined.shape)))
    return Interval(np.where(usable, ends[0], np.nan), np.where(usable, ends[1], np.nan), defined)


def normal_interval(values: ArrayLike, level: float = 0.95, min_defined: float = MIN_DEFINED) -> Interval:
    """Estimate -/+ z times the standard deviation of the resamples.

    For statistics whose resamples have the right spread around the wrong centre (see
    :func:`simbench.stats.assemblage_bootstrap`). It does not know the bounds of a statistic.

    Args:
        values: (R, ...), row 0 the estimate.
        level: nominal coverage.
        min_defined: as in :func:`percentile_interval`.
    """
    from scipy.special import ndtri

    table, defined, usable = defined_resamples(values, level, min_defined)
    known = ~np.isnan(table[1:])
    count = known.sum(axis=0)
    mean = ratio(np.where(known, table[1:], 0.0).sum(axis=0), count)
    square = np.where(known, table[1:] - mean, 0.0) ** 2
    half = ndtri((1 + level) / 2) * np.sqrt(ratio(square.sum(axis=0), count - 1))
    return Interval(np.where(usable, table[0] - half, np.nan), np.where(usable, table[0] + half, np.nan), defined)


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


def bootstrap_p(values: ArrayLike, null: float = 0.0, min_defined: float = MIN_DEFINED) -> Floats:
    """Two-sided p-value that the statistic equals ``null``, by inverting the percentile interval.

    ``min(1, 2 (1 + min(#{t* <= null}, #{t* >= null})) / (1 + B))``: below alpha when, up to the discreteness
    of B, the (1 - alpha) percentile interval leaves out ``null``. Never 0. NaN where the estimate, or too
    many resamples, are not computable.
    """
    table, _, usable = defined_resamples(values, 0.95, min_defined)
    draws = table[1:]
    tail = np.minimum((draws <= null).sum(axis=0), (draws >= null).sum(axis=0))
    p = np.minimum(1.0, 2.0 * (tail + 1) / ((~np.isnan(draws)).sum(axis=0) + 1))
    return np.where(usable, p, np.nan)


def paired_difference(
    a: ArrayLike, b: ArrayLike, level: float = 0.95, min_defined: float = MIN_DEFINED
) -> Difference:
    """Difference a - b of two statistics computed under the *same* weights on the same humans.

    Row r of both must belong to the same resample of the humans; otherwise the interval is too wide.

    Args:
        a: (R, ...), row 0 the estimate.
        b: likewise.
        level: nominal coverage.
        min_defined: as in :func:`percentile_interval`.
    """
    with np.errstate(invalid="ignore"):  # inf - inf is not computable, as NaN says
        difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    ends = percentile_interval(difference, level, min_defined)
    p = bootstrap_p(difference, 0.0, min_defined)
    return Difference(np.asarray(difference[0]), ends.low, ends.high, p, ends.defined)


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
    if not 0 < level < 1:
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
