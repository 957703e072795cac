"""Effects before significance: how far apart two sets of coefficients are, in sizes and not in stars.

Human and simulated coefficients of one or several regressions, each put on the scale of its human standard error; in
these units every human estimate has the variance 1. How the estimates of several regressions on the same people go
together is taken from their resamples; without resamples they are taken for independent. A row in which a coefficient
is not computable gives NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simbench.stats._arrays import Floats, ratio, solve
from simbench.stats.equivalent import noncentral_interval

__all__ = [
    "Effects",
    "attenuation_slope",
    "distance_chance",
    "effect_distance",
    "effect_rmse",
    "sign_agreement",
    "slope_chance",
]

RIDGE = 1e-10
"""Keeps a covariance without full rank from having no inverse."""
ENOUGH = 100
"""Resamples from which on they say how regressions go together."""


@dataclass(frozen=True)
class Effects:
    """Coefficients of one regression on both sides under R rows of weights.

    Attributes:
        human: (R, q) estimates.
        human_covariance: (R, q, q).
        simulated: (R, q).
        simulated_covariance: (R, q, q).
        n: (R,) humans behind them.
    """

    human: Floats
    human_covariance: Floats
    simulated: Floats
    simulated_covariance: Floats
    n: Floats

    @property
    def errors(self) -> Floats:
        """(R, q) human standard errors."""
        return np.sqrt(np.diagonal(self.human_covariance, axis1=1, axis2=2))

    @cached_property
    def scaled(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Estimates and covariances, human then simulated, in human standard errors."""
        errors = self.errors
        square = errors[:, :, None] * errors[:, None, :]
        return (
            ratio(self.human, errors),
            ratio(self.human_covariance, square),
            ratio(self.simulated, errors),
            ratio(self.simulated_covariance, square),
        )

    @cached_property
    def directions(self) -> Floats:
        """(R, q) human estimates times the inverse of their covariance, in human standard errors."""
        human, own, _, _ = self.scaled
        return solve(own + RIDGE * np.eye(own.shape[1]), human)


def effect_distance(blocks: Sequence[Effects], level: float = 0.95) -> tuple[Floats, tuple[float, float]]:
    """Debiased root mean squared difference of standardised coefficients: (R,), and the interval of row 0.

    ``delta^2 = mean over coefficients of ((b_s - b_h)^2 - V_h - V_s) / (n V_h)``, at least 0: a coefficient over its
    standard error times the root of n is, nearly, a partial correlation, so 0.1 is a small effect at any n. The
    interval inverts the noncentral chi-square, see :func:`simbench.stats.noncentral_interval`.
    """
    count = sum(each.human.shape[1] for each in blocks)
    square = noise = spread = people = np.zeros(len(blocks[0].n))
    for each in blocks:
        human, own, simulated, told = each.scaled
        both = own + told
        square = square + ((simulated - human) ** 2).sum(axis=1)
        noise = noise + np.trace(both, axis1=1, axis2=2)
        spread = spread + (both**2).sum(axis=(1, 2))
        people = people + each.n * each.human.shape[1] / count
    per = count * people
    ends = (np.nan, np.nan)
    if np.isfinite(square[0]):
        together = float(spread[0]) + _together([told - human for human, told in map(_deviations, blocks)])
        low, high = noncentral_interval(float(square[0]), float(noise[0]), together, level)
        ends = float(np.sqrt(low / per[0])), float(np.sqrt(high / per[0]))
    return np.sqrt(np.maximum(ratio(square - noise, per), 0.0)), ends


def distance_chance(blocks: Sequence[Effects]) -> tuple[float, float]:
    """Mean square of :func:`effect_distance`, noise included, for another sample of as many people; its df."""
    count = sum(each.human.shape[1] for each in blocks)
    owns = [each.scaled[1][0] for each in blocks]
    people = sum(float(each.n[0]) * each.human.shape[1] / count for each in blocks)
    spread = sum(float((own**2).sum()) for own in owns) + _together([human for human, _ in map(_deviations, blocks)])
    return 2 / people, float(sum(np.trace(own) for own in owns) ** 2 / spread)


def slope_chance(blocks: Sequence[Effects]) -> tuple[float, float]:
    """Variance of :func:`attenuation_slope` for another sample of as many people, and infinite degrees of freedom."""
    sizes = sum(float(each.scaled[0][0] @ each.directions[0]) for each in blocks)
    bottom = sizes - sum(each.human.shape[1] for each in blocks)
    doubt = sizes + _summed([_deviations(each)[0] @ each.directions[0] for each in blocks])
    return (2 * doubt / bottom**2 if bottom > 0 else float("nan")), float("inf")


def attenuation_slope(blocks: Sequence[Effects], level: float = 0.95) -> tuple[Floats, tuple[float, float]]:
    """By how much effects are scaled: 1 = the right size, 0.5 = half, 0 = none; (R,), and the interval of row 0.

    ``sum b_s' V_h^-1 b_h / (sum b_h' V_h^-1 b_h - q)`` over regressions: the slope through the origin by generalised
    least squares, so that it does not matter how treatments are coded, the human estimates' own noise taken off the
    denominator (Fuller 1987, section 1.2). The interval is Fieller's. NaN where humans show no effects beyond noise:
    a denominator below two of its standard errors.
    """
    from scipy.special import ndtri

    top = bottom = np.zeros(len(blocks[0].n))
    for each in blocks:
        human, _, simulated, _ = each.scaled
        top = top + (simulated * each.directions).sum(axis=1)
        bottom = bottom + (human * each.directions).sum(axis=1) - human.shape[1]
    shown = bottom > 2 * np.sqrt(2 * sum(each.human.shape[1] for each in blocks))
    slope = np.where(shown, ratio(top, bottom), np.nan)
    if not shown[0]:
        return slope, (np.nan, np.nan)
    return slope, _fieller(blocks, float(top[0]), float(bottom[0]), float(ndtri((1 + level) / 2)))


def _fieller(blocks: Sequence[Effects], top: float, bottom: float, reach: float) -> tuple[float, float]:
    """The slopes b for which ``top - b bottom`` lies within ``reach`` of its standard errors of 0 (Fieller 1954).

    Its variance is sum x' (V_s + b^2 V_h) x, x = V_h^-1 b_h, and what the resamples say of how regressions go
    together.
    """
    told = own = 0.0
    human, simulated = [], []
    for each in blocks:
        along = each.directions[0]
        told += float(along @ each.scaled[3][0] @ along)
        own += float(along @ each.scaled[0][0])
        moved = _deviations(each)
        human.append(moved[0] @ along)
        simulated.append(moved[1] @ along)
    apart = _summed(human), _summed(simulated)
    mixed = _summed([a + b for a, b in zip(human, simulated, strict=True)]) - sum(apart)
    square = bottom**2 - reach**2 * (own + apart[0])
    middle = top * bottom - reach**2 * mixed / 2
    root = middle**2 - square * (top**2 - reach**2 * (told + apart[1]))
    if square <= 0 or root < 0:  # any size is within the people's own noise
        return np.nan, np.nan
    return float((middle - np.sqrt(root)) / square), float((middle + np.sqrt(root)) / square)


def sign_agreement(blocks: Sequence[Effects]) -> Floats:
    """Probability that human and simulated effects have the same sign, weighted by how sure the human sign is: (R,).

    ``sum w (P_h P_s + (1 - P_h)(1 - P_s)) / sum w`` with P the normal probability that a coefficient is above 0 and
    ``w = |2 P_h - 1|``. 1 = all sure signs agree, 0 = all are flipped, 1/2 = no better than coins.
    """
    from scipy.special import ndtr

    top = bottom = np.zeros(len(blocks[0].n))
    for each in blocks:
        own = ndtr(ratio(each.human, each.errors))
        spread = np.sqrt(np.diagonal(each.simulated_covariance, axis1=1, axis2=2))
        told = ndtr(ratio(each.simulated, spread))
        sure = np.abs(2 * own - 1)
        top = top + (sure * (own * told + (1 - own) * (1 - told))).sum(axis=1)
        bottom = bottom + sure.sum(axis=1)
    return ratio(top, bottom)


def effect_rmse(blocks: Sequence[Effects]) -> Floats:
    """Root mean squared difference in human standard errors: (R,); root of 2 for another sample of the same size."""
    square = sum(((each.scaled[2] - each.scaled[0]) ** 2).sum(axis=1) for each in blocks)
    return np.asarray(np.sqrt(square / sum(each.human.shape[1] for each in blocks)))


def _deviations(block: Effects) -> tuple[Floats, Floats]:
    """Resamples of human and simulated estimates (R - 1, q) around their means, in row 0's human standard errors."""
    sides = [
        ratio(side[1:], np.broadcast_to(block.errors[:1], side[1:].shape)) for side in (block.human, block.simulated)
    ]
    known = np.asarray(np.isfinite(sides[0]).all(axis=1) & np.isfinite(sides[1]).all(axis=1))
    if known.sum() < ENOUGH:
        return np.full_like(sides[0], np.nan), np.full_like(sides[1], np.nan)
    human, told = (np.where(known[:, None], side - side[known].mean(axis=0), np.nan) for side in sides)
    return human, told


def _together(blocks: Sequence[Floats]) -> float:
    """Sum of squared covariances between the estimates (R, q) of different blocks, less what chance adds to it."""
    found = 0.0
    for at, one in enumerate(blocks):
        for other in blocks[at + 1 :]:
            known = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
            if (rows := int(known.sum())) >= ENOUGH:
                first, second = one[known], other[known]
                square = float(((first.T @ second / rows) ** 2).sum())
                noise = float((first**2).sum() * (second**2).sum()) / rows**3
                found += 2 * max(0.0, square - noise)
    return found


def _summed(blocks: Sequence[Floats]) -> float:
    """Twice the covariances (R,) between different blocks, summed."""
    found = 0.0
    for at, one in enumerate(blocks):
        for other in blocks[at + 1 :]:
            known = np.isfinite(one) & np.isfinite(other)
            found += 2 * float(np.mean(one[known] * other[known])) if known.sum() >= ENOUGH else 0.0
    return found
