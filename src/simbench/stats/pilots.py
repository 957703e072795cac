"""Several pilots of one setting as one: what varies from pilot to pilot belongs into the interval.

A figure of one run is of one pilot, and another pilot of the same size would have given another. With m pilots the
estimate is their mean; its uncertainty has two independent parts, people (the same for every pilot) and pilots. The
interval for people alone and the t interval of the pilots, ``t s / sqrt(m)`` with m - 1 degrees of freedom, are put
together by the square-and-add rule for limits of a sum (MOVER: Zou and Donner 2008, Statistics in Medicine 27), which
keeps intervals as lopsided as they are. Pilots are measured on one sample of people, so the spread s between them
holds some noise of people too, which then counts twice: a little cautious (Owen 2007, Ann. Appl. Stat. 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats

__all__ = ["error_between", "p_over_pilots", "together", "with_pilots"]

LEAST = 1e-12
"""Smaller p-values are given as this."""


def error_between(values: ArrayLike) -> tuple[float, float]:
    """Standard error of the mean of independent values (m,), and its degrees of freedom; NaN, 0 of one alone."""
    given = np.asarray(values, dtype=np.float64)
    if given.size < 2 or not np.isfinite(given).all():
        return float("nan"), 0.0
    return float(given.std(ddof=1) / np.sqrt(given.size)), float(given.size - 1)


def together(errors: list[tuple[float, float]]) -> tuple[float, float]:
    """Standard error of a sum of independent parts and its degrees of freedom (Satterthwaite 1946).

    Parts of unknown error (NaN) are left out; NaN, 0 where none is known.
    """
    known = [(error**2, free) for error, free in errors if free > 0]
    total = sum(variance for variance, _ in known)
    if not known:
        return float("nan"), 0.0
    if total == 0:
        return 0.0, float(sum(free for _, free in known))
    return float(np.sqrt(total)), float(total**2 / sum(variance**2 / free for variance, free in known))


def with_pilots(
    estimate: float, low: float, high: float, error: float, free: float, level: float = 0.95
) -> tuple[float, float]:
    """The interval (low, high) for people alone, widened by a standard error between pilots with ``free`` degrees.

    Without degrees of freedom (one pilot) the interval stays as it is: nothing is known of other pilots.
    """
    from scipy.special import stdtrit

    if free <= 0 or not np.isfinite(error):
        return low, high
    reach = error * float(stdtrit(free, (1 + level) / 2))
    return estimate - float(np.hypot(estimate - low, reach)), estimate + float(np.hypot(high - estimate, reach))


def p_over_pilots(difference: float, drawn: Floats, error: float, free: float) -> float:
    """Two-sided p-value that a difference of mean figures is 0 for other people and other pilots.

    The level at which an interval as of :func:`with_pilots` would just leave out 0, that for people alone being the
    normal one with the standard deviation of ``drawn`` (1 + B,): the difference as observed, then under exchanges or
    resamples of people. NaN without degrees of freedom.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri, stdtrit

    known = drawn[1:][np.isfinite(drawn[1:])]
    if free <= 0 or not np.isfinite(difference) or not np.isfinite(error) or len(known) < 2:
        return float("nan")
    spread = float(known.std())
    if difference == 0 or spread == error == 0:
        return 1.0 if difference == 0 else float("nan")

    def beyond(exponent: float) -> float:
        tail = np.exp(exponent) / 2
        return float(np.hypot(ndtri(tail) * spread, stdtrit(free, tail) * error)) - abs(difference)

    least = np.log(LEAST)
    return LEAST if beyond(least) < 0 else float(np.exp(brentq(beyond, least, 0.0)))
