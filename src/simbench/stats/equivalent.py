"""As good as how many people? The error of simulated figures in units of the error of asking n people.

Let ``theta`` be a vector of figures of a population (shares of options, means, effects, coefficients), ``W`` weights
that put its parts on one scale, ``S`` the covariance of what one person adds. Asking n people misses ``theta`` by
``trace(W S) / n`` on average, squared. Simulated figures miss it by some mean squared error, which is known but for
noise: with the human estimate in theta's place, the squared distance is larger by the human estimate's own variance.
So, for n_h people and simulated figures that share nothing with them but what ``shared`` says,

    1 / n* = ((theta_s - theta_h)' W (theta_s - theta_h) - trace(W V_h) + 2 trace(W C)) / trace(W S),

``V_h = S / n_h``, ``C`` the covariance of both estimates (persons whose simulated answers go with their own), is
unbiased for the error in units of one person's: m other people, taken for a simulation, have 1 / n* = 1 / m on
average, whatever ``theta``, W and n_h. Below 0 it is 0, n* without end: the error is within the humans' own noise.

Its interval comes from the squared distance between the *populations*, of people and of what is simulated, plus what
the simulated figures have of noise of their own; see :func:`noncentral_interval`. Where these populations cannot be
told apart, its lower end is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats

__all__ = ["Equivalent", "Spread", "equivalent_people", "noncentral_interval", "paired_spread", "spread_of"]

LARGE = 2e4
"""From this on the square root of a noncentral chi-square is normal to a part in a thousand."""


@dataclass(frozen=True)
class Spread:
    """The noise of a difference of two estimates, in the weights' scale.

    Attributes:
        human: trace(W V_h): mean squared error of the human estimate.
        simulated: trace(W V_s): that of the simulated one, around its own population.
        shared: trace(W C): their covariance.
        squared: trace((W V)^2) for V, the covariance of the difference: how it is spread over directions; 0: not
            known, and then there are no intervals.
    """

    human: float
    simulated: float
    shared: float
    squared: float

    @property
    def total(self) -> float:
        """trace(W V)."""
        return self.human + self.simulated - 2 * self.shared

    def __add__(self, other: Spread) -> Spread:
        """Of two vectors of figures that share no unit, as one."""
        mine, others = astuple(self), astuple(other)
        return Spread(*(one + more for one, more in zip(mine, others, strict=True)))


@dataclass(frozen=True)
class Equivalent:
    """Result of :func:`equivalent_people`: n* with its interval; infinite where the error is within human noise.

    ``distance`` is the squared distance between the populations in units of one person's variance (n* without the
    simulated figures' own noise would be its inverse), at least 0, with ``distance_low`` and ``distance_high``.
    """

    people: float
    low: float
    high: float
    distance: float
    distance_low: float
    distance_high: float


def spread_of(
    human: ArrayLike, simulated: ArrayLike, ends: bool = True, units: Sequence[int] | None = None
) -> Spread:
    """From influences of independent units on both estimates: (G_h, p) and (G_s, p), already in the weights' scale.

    Each row is what a unit (person, cluster) adds to its side's estimate, less its expectation; rows sum to 0.
    Without ``ends`` what only intervals take is left out. ``units``: numbers of units of both sides, where these are
    not all of them.
    """
    parts = [np.asarray(side, dtype=np.float64) for side in (human, simulated)]
    parts = [side * _lost(count) for side, count in zip(parts, units or [len(side) for side in parts], strict=True)]
    squared = _squared(np.vstack(parts)) if ends else 0.0
    return Spread(float((parts[0] ** 2).sum()), float((parts[1] ** 2).sum()), 0.0, squared)


def paired_spread(
    human: ArrayLike, simulated: ArrayLike, ends: bool = True, units: Sequence[int] | None = None
) -> Spread:
    """The same where row g of both, (G, p), is of the same unit: a person, and what was simulated for that person."""
    h, s = (np.asarray(side, dtype=np.float64) for side in (human, simulated))
    counts = units or (len(h), len(s))
    h, s = h * _lost(counts[0]), s * _lost(counts[1])
    return Spread(float((h**2).sum()), float((s**2).sum()), float((h * s).sum()), _squared(s - h) if ends else 0.0)


def equivalent_people(gap: ArrayLike, spread: Spread, people: float, level: float = 0.95) -> Equivalent:
    """n* for a difference of estimates (p,), in the weights' scale, from ``people`` persons with real answers.

    NaN where the human figures have no variance.
    """
    q = float((np.asarray(gap, dtype=np.float64) ** 2).sum())
    one = people * spread.human
    if not one > 0 or not np.isfinite(q):
        return Equivalent(*[float("nan")] * 6)
    low, high = noncentral_interval(q, spread.total, spread.squared, level)
    error = max(0.0, q - spread.human + 2 * spread.shared) / one
    most, least = (high + spread.simulated) / one, (low + spread.simulated) / one if low > 0 else 0.0
    distance = max(0.0, q - spread.total) / one
    return Equivalent(
        _inverse(error), _inverse(max(most, error)), _inverse(min(least, error)), distance, low / one, high / one
    )


def noncentral_interval(q: float, total: float, squared: float, level: float = 0.95) -> tuple[float, float]:
    """Interval for ``delta' W delta`` from ``q = d' W d``, where d is normal around delta with covariance V.

    ``q / c`` is taken for noncentral chi-square with ``total^2 / squared`` degrees of freedom, ``c = squared /
    total`` (its first two moments; Satterthwaite 1946), and inverted: the ends are the noncentralities at which q is
    the upper or lower (1 - level) / 2 quantile, 0 where q is below it (Venables 1975, JRSS B 37).

    Args:
        q: squared distance of the estimates.
        total: trace(W V).
        squared: trace((W V)^2).
        level: nominal coverage.
    """
    from scipy.special import chdtr, chndtrinc, ndtri

    if not total > 0 or not squared > 0:
        return q, q
    c, df = squared / total, total**2 / squared
    x, tails = q / c, ((1 + level) / 2, (1 - level) / 2)
    if x > LARGE:
        return tuple(float(c * max(0.0, np.sqrt(x - (df - 1) / 2) - ndtri(p)) ** 2) for p in tails)  # type: ignore[return-value]
    ends = [float(chndtrinc(x, df, p)) if chdtr(df, x) > p else 0.0 for p in tails]
    return c * ends[0], c * ends[1]


def _inverse(error: float) -> float:
    return 1 / error if error > 0 else float("inf")


def _lost(units: int) -> float:
    """Square root of G / (G - 1): sums of squares around a mean are short by that much."""
    return float(np.sqrt(units / (units - 1))) if units > 1 else float("nan")


def _squared(rows: Floats) -> float:
    """trace((rows' rows)^2), by the smaller of the two products."""
    product = rows.T @ rows if rows.shape[1] <= rows.shape[0] else rows @ rows.T
    return float((product**2).sum())
