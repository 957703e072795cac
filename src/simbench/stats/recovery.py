"""Would the simulation lead to the same conclusions? Human and simulated coefficients side by side.

Arrays are (..., q): q coefficients last (intercepts left out by the caller), resamples in front; human and
simulated sides broadcast, so a human fit of one row can stand against many simulated ones. A coefficient that
is NaN on either side was not computable: it is in none of the counts, and ``undefined`` says how many there
are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtri

from simbench.stats._arrays import Bools, Floats, ratio

__all__ = [
    "SignRecovery",
    "WaldTest",
    "compatible_share",
    "effect_correlation",
    "equal_coefficients",
    "exaggeration",
    "interval_coverage",
    "sign_recovery",
]


@dataclass(frozen=True)
class SignRecovery:
    """Counts (...) over the coefficients, and the rates that follow from them.

    A flipped coefficient (significant on both sides, with opposite signs) is both a false positive and a
    false negative, so the four counts can add up to more than q.

    Attributes:
        tp: significant on both sides, same sign.
        fp: significant in the simulation, and null or of the opposite sign in humans.
        fn: significant in humans, and null or of the opposite sign in the simulation.
        tn: null on both sides.
        flipped: significant on both sides, opposite signs (Type S).
        undefined: coefficients that are not computable on one side or both.
    """

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats
    flipped: Floats
    undefined: Floats

    @property
    def f1_sign(self) -> Floats:
        """``2 TP / (2 TP + FP + FN)``; NaN where nothing is significant on either side."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def fpr(self) -> Floats:
        """Share of the coefficients null in humans that are significant in the simulation; NaN if none is
        null."""
        spurious = self.fp - self.flipped
        return ratio(spurious, spurious + self.tn)

    @property
    def fnr(self) -> Floats:
        """Share of the coefficients significant in humans that the simulation misses or flips; NaN if none
        is."""
        return ratio(self.fn, self.fn + self.tp)

    @property
    def type_s(self) -> Floats:
        """Share of the coefficients significant on both sides whose sign is wrong; NaN if there is none."""
        return ratio(self.flipped, self.flipped + self.tp)


def sign_recovery(
    human: ArrayLike, human_p: ArrayLike, simulated: ArrayLike, simulated_p: ArrayLike, alpha: float = 0.05
) -> SignRecovery:
    """Classify coefficients by sign and two-sided p < alpha, and count. Definition by simbench.

    Args:
        human: (..., q) estimates.
        human_p: (..., q) p-values.
        simulated: (..., q) estimates.
        simulated_p: (..., q) p-values.
        alpha: significance level.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, found {alpha}")
    h, hp, s, sp = (np.asarray(part, dtype=np.float64) for part in (human, human_p, simulated, simulated_p))
    defined = ~(np.isnan(h) | np.isnan(hp) | np.isnan(s) | np.isnan(sp))
    sign_h, sign_s = np.where(hp < alpha, np.sign(h), 0.0), np.where(sp < alpha, np.sign(s), 0.0)
    same, both = sign_h == sign_s, (sign_h != 0) & (sign_s != 0)

    def count(which: Bools) -> Floats:
        return np.asarray((which & defined).sum(axis=-1), dtype=np.float64)

    return SignRecovery(
        tp=count(both & same),
        fp=count((sign_s != 0) & ~same),
        fn=count((sign_h != 0) & ~same),
        tn=count((sign_h == 0) & (sign_s == 0)),
        flipped=count(both & ~same),
        undefined=np.asarray((~defined).sum(axis=-1), dtype=np.float64),
    )


def exaggeration(
    human: ArrayLike, human_p: ArrayLike, simulated: ArrayLike, simulated_p: ArrayLike, alpha: float = 0.05
) -> Floats:
    """Type M: geometric mean of |simulated| / |human| over the true positives, (..., q) -> (...).

    Gelman and Carlin (2014) ask by how much significant estimates exaggerate the truth; here the human
    estimate stands for the truth, and only coefficients significant on both sides with the same sign enter,
    since a ratio to a null effect is noise. 1 = right size, 2 = twice too large. NaN where there is no true
    positive.
    """
    h, hp, s, sp = (np.asarray(part, dtype=np.float64) for part in (human, human_p, simulated, simulated_p))
    hit = (hp < alpha) & (sp < alpha) & (np.sign(h) == np.sign(s)) & (h != 0)
    logs = np.log(np.abs(ratio(np.where(hit, s, 1.0), np.where(hit, h, 1.0))))
    return np.exp(ratio(np.where(hit, logs, 0.0).sum(axis=-1), hit.sum(axis=-1)))


def interval_coverage(human: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """Share of the human estimates that lie within the simulation's intervals: (..., q) -> (...).

    Two human samples of equal size reach only about 83 % with 95 % intervals, because the human estimate
    has noise of its own (Cumming and Maillardet 2006): compare it with the ceiling, or use
    :func:`compatible_share`. Coefficients that are NaN on either side are left out; NaN where none is left.
    """
    h, lo, hi = (np.asarray(part, dtype=np.float64) for part in (human, low, high))
    defined = ~(np.isnan(h) | np.isnan(lo) | np.isnan(hi))
    return ratio((defined & (lo <= h) & (h <= hi)).sum(axis=-1), defined.sum(axis=-1))


def compatible_share(
    human: ArrayLike, human_se: ArrayLike, simulated: ArrayLike, simulated_se: ArrayLike, level: float = 0.95
) -> Floats:
    """Share of the coefficients whose difference has an interval that holds 0: (..., q) -> (...).

    ``|s - h| <= z sqrt(se_s^2 + se_h^2)``; ``level`` is expected of two samples of one population.
    """
    h, hse, s, sse = (np.asarray(part, dtype=np.float64) for part in (human, human_se, simulated, simulated_se))
    gap, reach = np.abs(s - h), ndtri((1 + level) / 2) * np.sqrt(sse**2 + hse**2)
    defined = ~(np.isnan(gap) | np.isnan(reach))
    return ratio((defined & (gap <= reach)).sum(axis=-1), defined.sum(axis=-1))


def effect_correlation(
    human: ArrayLike,
    simulated: ArrayLike,
    human_se: ArrayLike | None = None,
    simulated_se: ArrayLike | None = None,
) -> Floats:
    """Pearson correlation of effects over the last axis: (..., q) -> (...); with standard errors,
    disattenuated.

    Raw, or divided by ``sqrt(rel_h rel_s)`` with reliability ``1 - mean(se^2) / var(effects)`` (Spearman
    1904), if both standard errors are given. Effects should share one unit (treatment effects on one
    scale). The disattenuated value is an estimate and may leave [-1, 1]. NaN with fewer than three effects
    computable on both sides, when a side does not vary, or when a reliability is not positive (noise
    explains all the variation there is).
    """
    h, s = np.broadcast_arrays(np.asarray(human, dtype=np.float64), np.asarray(simulated, dtype=np.float64))
    defined = ~(np.isnan(h) | np.isnan(s))
    number = defined.sum(axis=-1)
    a, b = _centred(h, defined), _centred(s, defined)
    square_a, square_b = (a * a).sum(axis=-1), (b * b).sum(axis=-1)
    raw = ratio((a * b).sum(axis=-1), np.sqrt(square_a * square_b))
    raw = np.where(number >= 3, raw, np.nan)
    if human_se is None or simulated_se is None:
        return raw
    reliability = [
        1 - ratio(np.where(defined, np.asarray(se) ** 2, 0.0).sum(axis=-1) * (number - 1), number * square)
        for se, square in ((human_se, square_a), (simulated_se, square_b))
    ]
    usable = (reliability[0] > 0) & (reliability[1] > 0)
    return ratio(raw, np.sqrt(np.where(usable, reliability[0] * reliability[1], np.nan)))


def _centred(values: Floats, defined: Bools) -> Floats:
    mean = ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))
    return np.where(defined, values - mean[..., None], 0.0)


@dataclass(frozen=True)
class WaldTest:
    """A chi-squared test: ``statistic`` (R,), ``df`` coefficients tested, ``p`` (R,)."""

    statistic: Floats
    df: int
    p: Floats


def equal_coefficients(
    human: ArrayLike, human_covariance: ArrayLike, simulated: ArrayLike, simulated_covariance: ArrayLike
) -> WaldTest:
    """Test jointly that all coefficients are equal in humans and simulation (Wald).

    ``d' (V_h + V_s)^-1 d`` with ``d = b_s - b_h``, chi-squared with q degrees of freedom under the
    hypothesis, for independent samples. NaN where a side has no estimates, and where their covariance is not of full
    rank, as with fewer clusters than coefficients. A small p rejects equality; a large one does not show it.

    Args:
        human: (R, q), and its covariance (R, q, q).
        human_covariance: see above.
        simulated: (R, q), and its covariance (R, q, q).
        simulated_covariance: see above.
    """
    gap = np.asarray(simulated, dtype=np.float64) - np.asarray(human, dtype=np.float64)
    total = np.asarray(human_covariance, dtype=np.float64) + np.asarray(simulated_covariance, dtype=np.float64)
    defined = np.asarray(~(np.isnan(gap).any(axis=-1) | np.isnan(total).any(axis=(-1, -2))))
    statistic = np.full(gap.shape[:-1], np.nan)
    # Coefficients differ in units by orders of magnitude: scale to correlations before solving.
    scale = np.sqrt(np.diagonal(total[defined], axis1=-2, axis2=-1))
    scaled = total[defined] / (scale[..., :, None] * scale[..., None, :])
    z = gap[defined] / scale
    full = np.linalg.matrix_rank(scaled, hermitian=True) == gap.shape[-1]
    defined[defined] = full
    statistic[defined] = np.einsum("rq,rq->r", z[full], np.linalg.solve(scaled[full], z[full][..., None])[..., 0])
    return WaldTest(statistic, gap.shape[-1], np.where(defined, chdtrc(gap.shape[-1], statistic), np.nan))
