"""How many humans and how many simulated people give an estimate the precision that is wished for, most cheaply.

With n humans who are predicted too, N simulated people besides, and predictions whose influence on the estimate
correlates with that of answers by rho, the variance is that of tuned prediction-powered inference,

    ``V(n, N) = sigma^2 / n (1 - rho^2 N / (n + N))``,

sigma^2 being n times the variance of humans alone. To reach V takes ``n0 = sigma^2 / V`` humans alone. At the cost
c_h of a human and c_s of a simulated person (gamma = c_s / c_h), the cheapest mixture that reaches V has

    ``n = n0 ((1 - rho^2) + sqrt(gamma rho^2 (1 - rho^2)))``
    ``N = n (n0 - n) / (n - n0 (1 - rho^2))``

(set the derivative of c_h n + c_s (n + N) to 0 along V(n, N) = V; such allocations are in Broska, Howes and van Loon
2025, Sociological Methods & Research, and arXiv 2604.17267). Simulated people are worth paying for where that costs
less than n0 humans alone. However many there are, (1 - rho^2) n0 humans are needed.

A regression of p coefficients is less sure of them at small n than sigma^2 / n says, on two counts: HC3 takes
residuals without their own row, whose squares are n / (n - p) too large on average, and the inverse of X'X, of
predictors that come by chance, is expected to be 1 / (n - p - 1) of the inverse of their covariance (the mean of an
inverse Wishart matrix; Muirhead 1982, section 3.2.3). Both together are nearly as if there were fewer people:

    ``n people count as (n - p)^2 / n``,

here and in the pilot from which sigma^2 comes. For means, whose design is not by chance, p is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, ndtri

from simbench.stats._arrays import Floats

__all__ = ["Mixture", "cheapest", "correlation_interval", "counting", "needed", "variance_for", "variance_interval"]


@dataclass(frozen=True)
class Mixture:
    """Humans, simulated people besides them, and what both cost; N is 0 where simulation is not worth paying for."""

    humans: int
    simulated: int
    cost: float
    alone: int
    cost_alone: float


def variance_for(
    level: float = 0.95, width: float | None = None, power: float | None = None, effect: float | None = None
) -> float:
    """The variance that an interval of this width, or this power to find an effect, takes (normal approximation).

    ``(width / 2 z)^2``, or ``(effect / (z_level + z_power))^2`` for a two-sided test at 1 - level.
    """
    reach = float(ndtri((1 + level) / 2))
    if width is not None:
        return (width / (2 * reach)) ** 2
    if power is None or effect is None:
        raise ValueError("either a width, or power and an effect")
    return (effect / (reach + float(ndtri(power)))) ** 2


def counting(n: ArrayLike, spent: ArrayLike = 0) -> Floats:
    """As how many people n count for a regression that spends so many coefficients: ``(n - p)^2 / n``."""
    people = np.asarray(n, dtype=np.float64)
    return np.asarray(np.maximum(people - np.asarray(spent, dtype=np.float64), 0.0) ** 2 / people)


def needed(count: float, spent: float = 0) -> float:
    """How many people count as so many: the larger solution n of ``(n - p)^2 / n = count``."""
    return spent + count / 2 + math.sqrt(count * spent + count**2 / 4)


def cheapest(
    sigma2: float, rho2: float, variance: float, cost_human: float, cost_simulated: float, spent: int = 0
) -> Mixture:
    """The cheapest mixture that reaches a variance; humans alone where it is not cheaper.

    Args:
        sigma2: variance of humans alone times the number that they count as.
        rho2: squared correlation in [0, 1].
        variance: wished for, above 0.
        cost_human: of one human, above 0.
        cost_simulated: of one simulated person, at least 0 (humans are simulated, too).
        spent: coefficients of the regression; 0 for means.
    """
    exact = sigma2 / variance
    alone = max(math.ceil(needed(exact, spent) - 1e-9), 2)
    plain = Mixture(alone, 0, alone * cost_human, alone, alone * cost_human)
    gamma = cost_simulated / cost_human
    floor = exact * (1 - rho2)
    wished = floor + exact * math.sqrt(max(gamma, 1e-9) * rho2 * (1 - rho2))
    humans = max(math.ceil(needed(wished, spent) - 1e-9), math.floor(needed(floor, spent)) + 1, 2)
    if not rho2 > 0 or humans >= alone:
        return plain
    count = float(counting(humans, spent))
    simulated = math.ceil(humans * (exact - count) / (count - floor) - 1e-9)
    cost = cost_human * humans + cost_simulated * (humans + simulated)
    return Mixture(humans, simulated, cost, alone, plain.cost) if cost < plain.cost else plain


def correlation_interval(rho: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Fisher's interval of a correlation from n people, cut at 0; (0, 1) below 5 people."""
    if n < 5:
        return 0.0, 1.0
    middle, half = math.atanh(min(rho, 1 - 1e-9)), float(ndtri((1 + level) / 2)) / math.sqrt(n - 3)
    return max(math.tanh(middle - half), 0.0), math.tanh(middle + half)


def variance_interval(sigma2: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a variance from n people, by chi-square (exact for normal numbers)."""
    if n < 3:
        return 0.0, np.inf
    low, high = (float(chdtri(n - 1, tail)) for tail in ((1 - level) / 2, (1 + level) / 2))
    return sigma2 * (n - 1) / low, sigma2 * (n - 1) / high
