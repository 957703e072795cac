"""How likely a simulation that is perfect would be shown to be close enough, and from how many people on.

A perfect simulation is another sample of the people's own distribution. What it shows of distance is chance: a
squared distance is nearly ``chance / df`` times chi-square with ``df`` degrees of freedom, a signed figure is nearly
normal. Equivalence is shown where the whole interval lies within the margin (Schuirmann 1987, J. Pharmacokinet.
Biopharm. 15; Wellek 2010, Testing Statistical Hypotheses of Equivalence and Noninferiority), and its power is the
probability of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from simbench.stats.equivalent import LARGE

__all__ = ["distance_power", "interval_power", "people_needed"]

FEWEST, MOST = 0.01, 1e4
"""How many times the people at hand are looked at."""


def distance_power(chance: float, df: float, margin: float, level: float = 0.9) -> float:
    """Probability that a distance of 0 has an interval whose upper end is at most ``margin``.

    The interval is that of :func:`simbench.stats.noncentral_interval`: its upper end is within the margin exactly
    where the squared distance lies below the (1 - level) / 2 quantile that it has at the margin.

    Args:
        chance: mean of the squared distance by chance.
        df: degrees of freedom of that.
        margin: largest distance that counts as close.
        level: nominal coverage of the interval.
    """
    from scipy.special import chdtr, chndtrix, ndtri

    if not (chance > 0 and df > 0):
        return float("nan") if np.isnan(chance) or np.isnan(df) else 1.0
    tail, away = (1 - level) / 2, margin**2 * df / chance
    if away > LARGE:
        most = (df - 1) / 2 + max(0.0, np.sqrt(away) + float(ndtri(tail))) ** 2
    else:
        most = float(chndtrix(tail, df, away))
    return float(chdtr(df, most))


def interval_power(error: float, centre: float, low: float, high: float, level: float = 0.9) -> float:
    """Probability that a normal estimate (its standard error: ``error``) has its interval within [low, high]."""
    from scipy.special import ndtr, ndtri

    if not error > 0:
        return float("nan") if np.isnan(error) else float(low <= centre <= high)
    reach = float(ndtri((1 + level) / 2))
    upper, lower = (high - centre) / error - reach, (low - centre) / error + reach
    return float(max(0.0, ndtr(upper) - ndtr(lower)))


def people_needed(
    curves: Sequence[Callable[[float], float]], people: int, goal: float = 0.8
) -> tuple[float, float | None]:
    """Power of several criteria together with ``people``, and the number of people from which on it is ``goal``.

    Criteria are taken for independent, which is cautious, since they are met together more often than that.

    Args:
        curves: power of each with so many times the people; rising.
        people: number at hand.
        goal: power aimed at.

    Returns:
        Power, NaN where one has none; the number, None where it is beyond 10,000 times the people at hand.
    """

    def power(times: float) -> float:
        return float(np.prod([curve(times) for curve in curves])) if curves else float("nan")

    now = power(1.0)
    if np.isnan(now) or power(MOST) < goal:
        return now, None
    low, high = np.log(FEWEST), np.log(MOST)
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if power(np.exp(middle)) >= goal else (middle, high)
    return now, float(np.ceil(people * np.exp(high)))
