"""Effects before significance: how far apart two sets of coefficients are, in sizes and not in stars.

Human and simulated coefficients of one or several regressions, each put on the scale of its human standard error; in
these units every human estimate has the variance 1. Several regressions are taken for independent. A row in which a
coefficient is not computable gives NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simbench.stats._arrays import Floats, ratio
from simbench.stats.equivalent import noncentral_interval

__all__ = ["Effects", "attenuation_slope", "effect_distance", "effect_rmse", "sign_agreement"]


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

    @property
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
        low, high = noncentral_interval(float(square[0]), float(noise[0]), float(spread[0]), level)
        ends = float(np.sqrt(low / per[0])), float(np.sqrt(high / per[0]))
    return np.sqrt(np.maximum(ratio(square - noise, per), 0.0)), ends


def attenuation_slope(blocks: Sequence[Effects], level: float = 0.95) -> tuple[Floats, tuple[float, float]]:
    """By how much effects are scaled: 1 = the right size, 0.5 = half, 0 = none; (R,), and the interval of row 0.

    ``sum z_s z_h / (sum z_h^2 - q)`` over coefficients in human standard errors: the slope through the origin, the
    human estimates' own noise taken off the denominator (Fuller 1987, section 1.2). The interval is by the delta
    method. NaN where humans show no effects beyond noise: a denominator below two of its standard errors.
    """
    from scipy.special import ndtri

    top = bottom = doubt = np.zeros(len(blocks[0].n))
    for each in blocks:
        human, own, simulated, _ = each.scaled
        top = top + (simulated * human).sum(axis=1)
        bottom = bottom + (human**2).sum(axis=1) - human.shape[1]
        doubt = doubt + 2 * (own**2).sum(axis=(1, 2))
    shown = bottom > 2 * np.sqrt(doubt)
    slope = np.where(shown, ratio(top, bottom), np.nan)
    if not shown[0]:
        return slope, (np.nan, np.nan)
    variance = 0.0
    for each in blocks:
        human, own, _, told = (part[0] for part in each.scaled)
        variance += float(human @ (told + slope[0] ** 2 * own) @ human)
    half = float(ndtri((1 + level) / 2)) * np.sqrt(variance) / float(bottom[0])
    return slope, (float(slope[0] - half), float(slope[0] + half))


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
