"""Valid estimates from people and cross-fitted simulations of them, whatever the simulations are worth.

Every person is labelled; fold k is predicted by a model that was adapted without fold k. Three samples of predictions
stand beside the human answers: the labelled under the arm they were in, the labelled under *every* arm (weighted by
the arms' known shares), and unlabelled people under every arm, predicted by all K models together. Two differences of
their estimates have the expectation 0 whatever the models are like:

- *assignment*: labelled people under their own arm less under every arm (chance is in who got which arm only);
- *sampling*: labelled less unlabelled people (chance is in who was asked).

    ``theta = human - lambda_1 (own arm - every arm) - lambda_2 (every arm - unlabelled)``

The first is AIPW (Robins, Rotnitzky and Zhao 1994), or the generalised regression estimator of survey sampling, with
known assignment; the second is cross-prediction-powered inference (Zrnic and Candes 2024, PNAS 121) with the power
tuning of PPI++ (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453). Without arms the second alone is left:
``theta = lambda mean_U f + mean(Y - lambda f_k)``, ``V = Var(Y - lambda f_k)/n + lambda^2 Var_U(f)/N``.

Each lambda is at least 0 and chosen per coefficient to make the variance smallest (above 1 where predictions are
shrunk, as those of small pilots are). Tuning on few people flatters: the variance is therefore reckoned with every
person's residual from lambdas tuned without that person (PRESS), and where it is not at least 1 % below that of
humans alone, every lambda is 0 and the estimate *is* the human one. So intervals are never wider than those of humans
alone. Lambdas are 0, too, where the human estimate rests on a handful of people: ``(sum of h^2)^2 / sum of h^4`` of
the influences h below 10, as with rare answers or a few people far out.

**Conditions**, on the caller: labelled and unlabelled people are draws from one population; folds are of whole
persons (or clusters); nothing is tuned on the fold left out; arms were assigned by chance with the shares given; and
the learner is stable, that is, the K models differ little (Zrnic and Candes, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls
from scipy.special import stdtr, stdtrit

from simbench.stats._arrays import Floats, Ints, ratio
from simbench.stats.rectified import Sample, newton_step
from simbench.stats.regression.basis import orthonormal_basis
from simbench.stats.regression.glm import FAMILIES, fit_glm
from simbench.stats.regression.result import Fit
from simbench.stats.stepping import ordered_step

__all__ = [
    "CrossFitted",
    "Evidence",
    "Rows",
    "crossfit_contrast",
    "crossfit_glm",
    "crossfit_ordered",
    "median_of_splits",
    "tuned",
]

FEWEST = 3
ROUNDING = 1e-12
WORTHWHILE = 0.99
"""A variance that is not below this share of that of humans alone is no gain."""
RESTING = 10
"""Fewer units than this (in effect, by the fourth powers of influences) are too few to tune lambdas on."""


@dataclass(frozen=True)
class Rows:
    """Rows of one kind.

    Attributes:
        outcome: (m,) answers, or what is expected of them; (m, K) shares of K levels for :func:`crossfit_ordered`.
        design: (m, p).
        unit: (m,) whose row it is: codes of persons or clusters, the same codes in all samples of labelled people.
        weights: (m,) positive; None = equal.
    """

    outcome: Floats
    design: Floats
    unit: Ints
    weights: Floats | None = None


@dataclass(frozen=True)
class Evidence:
    """What is known for one estimand.

    ``human`` and ``predicted`` are the labelled under their own arm (``predicted`` may have several rows a person),
    ``arms`` the labelled under every arm, ``unlabelled`` the others; None where there are none.
    """

    human: Rows
    predicted: Rows | None = None
    arms: Rows | None = None
    unlabelled: Rows | None = None


@dataclass(frozen=True)
class CrossFitted:
    """Estimates (p,) from everything, beside those of humans alone. NaN, with a ``reason``, where there are none.

    Attributes:
        names: of the coefficients.
        estimates: rectified.
        standard_errors: theirs.
        low: end of the interval.
        high: end of the interval.
        p_values: two-sided, of 0.
        human: from human answers alone.
        human_errors: their standard errors, by the same formula.
        human_low: end of their interval, with the same degrees of freedom.
        human_high: end of their interval.
        simulated: from predictions alone; **not valid**: nothing corrects it.
        power: (p, m) the lambdas: assignment, sampling (of each side, for a contrast); NaN where there is no such.
        n: units with human answers in it.
        n_unlabelled: units without.
        reason: why nothing could be computed, or why the simulation could add nothing; empty elsewhere.
        informed: (p,) human standard errors by the inverse information, where the mean settles the variance (logit,
            ordered logit; no weights, no clusters); None elsewhere.
        spent: coefficients that were fitted, thresholds included.
        free: degrees of freedom of the intervals.
    """

    names: tuple[str, ...]
    estimates: Floats
    standard_errors: Floats
    low: Floats
    high: Floats
    p_values: Floats
    human: Floats
    human_errors: Floats
    human_low: Floats
    human_high: Floats
    simulated: Floats
    power: Floats
    n: int
    n_unlabelled: int
    reason: str = ""
    informed: Floats | None = None
    spent: int = 0
    free: int = 0

    @property
    def width_ratio(self) -> Floats:
        """(p,) width of the interval over that of humans alone: 1 where the simulation adds nothing."""
        return ratio(self.standard_errors, self.human_errors)

    @property
    def more_humans(self) -> Floats:
        """(p,) how many further humans the same precision would have cost: ``n ((SE_human / SE)^2 - 1)``."""
        return self.n * (ratio(self.human_errors, self.standard_errors) ** 2 - 1)


@dataclass(frozen=True)
class _Control:
    """A difference (p,) with expectation 0, and influences on it: labelled units (n, p), unlabelled ones (N, p)."""

    gap: Floats
    labelled: Floats
    unlabelled: Floats


@dataclass(frozen=True)
class _Estimated:
    """The human estimate with influences (n, p), its controls (None: not there), and the simulated estimate."""

    human: Floats
    influence: Floats
    controls: tuple[_Control | None, _Control | None]
    simulated: Floats
    free: int
    n: int
    n_unlabelled: int
    reason: str = ""
    informed: Floats | None = None
    spent: int = 0


def crossfit_glm(
    family: str,
    evidence: Evidence,
    *,
    names: tuple[str, ...] | None = None,
    level: float = 0.95,
    power: float | None = None,
) -> CrossFitted:
    """Coefficients of a regression (``ols``, ``logit``, ``poisson``); with an intercept alone, a mean.

    Simulated coefficients are one Newton step away from the human ones, exact for least squares. Standard errors
    are HC3 sandwich errors of the influences, summed by unit (with ``G / (G - 1)`` where units have several rows);
    intervals use t with n - p degrees of freedom, with clusters G - 1.

    Args:
        family: of the regression.
        evidence: human answers and predictions; units are coded from 0 in all samples of labelled people.
        names: of the p coefficients; default ``x0``, ``x1`` ...
        level: nominal coverage.
        power: fix every lambda, without the degrees of freedom of tuning; None = tune them.

    Raises:
        ValueError: an unknown family, or arrays that do not fit each other.
    """
    labels = names or tuple(f"x{column}" for column in range(evidence.human.design.shape[1]))
    found = _glm(family, evidence, labels)
    return _nothing(labels, found) if isinstance(found, str) else _combined(labels, found, level, power)


def crossfit_contrast(
    first: Evidence, second: Evidence, *, name: str = "effect", level: float = 0.95, power: float | None = None
) -> CrossFitted:
    """Difference of two means, ``first - second``, as of two arms: each side has lambdas of its own.

    With ``arms`` and power 1 this is the AIPW estimate of the treatment effect with known assignment.
    """
    units = max(_units(first), _units(second))
    sides = [_glm("ols", each, (name,), units) for each in (first, second)]
    for side in sides:
        if isinstance(side, str):
            return _nothing((name,), side)
    one, two = (side for side in sides if not isinstance(side, str))
    controls = (*one.controls, *(_negative(each) for each in two.controls))
    both = replace(
        one,
        human=one.human - two.human,
        influence=one.influence - two.influence,
        simulated=one.simulated - two.simulated,
        free=_free(first.human.unit, second.human.unit),
        n=np.unique(np.concatenate([first.human.unit, second.human.unit])).size,
        n_unlabelled=max(one.n_unlabelled, two.n_unlabelled),
        reason=one.reason or two.reason,
    )
    return _combined((name,), both, level, power, controls)


def crossfit_ordered(
    evidence: Evidence,
    levels: int,
    *,
    names: tuple[str, ...] | None = None,
    level: float = 0.95,
    power: float | None = None,
) -> CrossFitted:
    """Coefficients of an ordered logit (thresholds are nuisance). Outcomes are shares (m, K) of the levels.

    Human ones are 0 and 1. The log-likelihood's slope is linear in these shares, so that predictions enter as what
    is expected. Designs have no intercept. Standard errors are HC0's times n / (n - q), q with the thresholds.
    """
    from simbench.stats.regression.ordered import fit_ordered

    rows = evidence.human
    labels = names or tuple(f"x{column}" for column in range(rows.design.shape[1]))
    held = np.flatnonzero(rows.outcome.sum(axis=0) > 0)
    if held.size < levels:
        return _nothing(labels, f"people gave only {held.size} of {levels} levels")
    codes = rows.outcome.argmax(axis=1)
    fit = fit_ordered(codes, rows.design, _frequencies(rows), names=labels, levels=range(levels))
    if reason := fit.reason():
        return _nothing(labels, f"people: {reason}")
    start = fit.estimates[0]
    found = _estimated(evidence, start, lambda each: ordered_step(each.outcome, each.design, start, each.weights))
    kept = len(labels)
    scale = np.sqrt(codes.size / max(codes.size - start.size, 1))
    found = replace(
        found,
        human=start[:kept],
        influence=scale * found.influence[:, :kept],
        controls=(_first(found.controls[0], kept, scale), _first(found.controls[1], kept, scale)),
        simulated=found.simulated[:kept],
        free=found.free - (start.size - kept),
        informed=_informed(fit, rows, kept),
        spent=start.size,
    )
    return _combined(labels, found, level, power)


def median_of_splits(estimates: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Estimates and standard errors (R, ...) of R random splits into folds as one (...).

    The median, and ``sqrt(median(error^2 + (estimate - median)^2))``: what chance there was in the split is in the
    error (Chernozhukov et al. 2018, Econometrics Journal 21, definition 3.3).
    """
    middle = np.median(estimates, axis=0)
    return np.asarray(middle), np.asarray(np.sqrt(np.median(errors**2 + (estimates - middle) ** 2, axis=0)))


def tuned(square: Floats, together: Floats) -> Floats:
    """Lambdas (p, m) of at least 0 that minimise ``lambda' Q lambda - 2 b' lambda``: non-negative least squares.

    Args:
        square: (p, m, m) positive semi-definite Q.
        together: (p, m) b.
    """
    if together.shape[1] == 1:
        return np.maximum(np.nan_to_num(ratio(together, square[:, :, 0])), 0.0)
    power = np.zeros_like(together)
    for at, (q, b) in enumerate(zip(square, together, strict=True)):
        values, vectors = np.linalg.eigh(q)
        kept = values > ROUNDING * max(values[-1], 0.0)
        root = np.sqrt(values[kept])
        power[at] = nnls((vectors[:, kept] * root).T, vectors[:, kept].T @ b / root)[0] if kept.any() else 0.0
    return power


def _glm(family: str, evidence: Evidence, labels: tuple[str, ...], units: int = 0) -> _Estimated | str:
    kind, rows = FAMILIES[family], evidence.human
    fit = fit_glm(family, rows.outcome, rows.design, _frequencies(rows), names=labels)
    reason = fit.reason()
    if reason and not (rows.design.shape[1] == 1 and np.ptp(rows.outcome) == 0 and rows.outcome.size >= FEWEST):
        return f"people: {reason}"
    if rows.outcome.size <= len(labels):
        return "people: too few"
    start = fit.estimates[0] if not reason else rows.outcome[:1]

    def step(each: Rows) -> tuple[Floats, Floats]:
        return newton_step(kind, Sample(each.outcome, each.design), start, each.weights)

    found = _estimated(evidence, start, step, units)
    settled = family == "logit" and not reason
    return replace(found, informed=_informed(fit, rows, start.size) if settled else None, spent=start.size)


def _informed(fit: Fit, rows: Rows, kept: int) -> Floats | None:
    """Standard errors by the inverse information; None with weights or clusters, of which it knows nothing."""
    plain = rows.weights is None and np.unique(rows.unit).size == rows.unit.size
    return fit.standard_errors[0, :kept] if plain else None


def _units(evidence: Evidence) -> int:
    """How many codes of labelled units there are."""
    samples = (evidence.human, evidence.predicted, evidence.arms)
    return 1 + max(int(each.unit.max(initial=-1)) for each in samples if each is not None)


def _estimated(
    evidence: Evidence, start: Floats, step: Callable[[Rows], tuple[Floats, Floats]], units: int = 0
) -> _Estimated:
    """Human influences and controls, by unit; a simulation that cannot be fitted leaves none, with the reason."""
    human = evidence.human
    units = units or _units(evidence)
    clustered = np.unique(human.unit).size < human.unit.size
    groups = np.unique(human.unit).size
    factor = np.sqrt(groups / (groups - 1)) if clustered and groups > 1 else 1.0
    influence = factor * _by_unit(step(human)[1], human.unit, units)
    free = _free(human.unit) if clustered else human.unit.size - start.size
    known = _Estimated(start, influence, (None, None), np.full(start.size, np.nan), free, groups, 0)
    if evidence.predicted is None:
        return replace(known, reason="nobody was predicted")
    others = [each for each in (evidence.predicted, evidence.arms, evidence.unlabelled) if each is not None]
    for each in others:
        if orthonormal_basis(each.design).aliased or each.outcome.shape[0] <= start.size:
            return replace(known, reason="simulated predictors are constant or collinear, or simulated rows too few")
    near, own = step(evidence.predicted)
    own = factor * _by_unit(own, evidence.predicted.unit, units)
    nobody = np.zeros((0, start.size))
    assignment = sampling = None
    if evidence.arms is not None:
        every, spread = step(evidence.arms)
        spread = factor * _by_unit(spread, evidence.arms.unit, units)
        assignment = _Control(near - every, own - spread, nobody)
        near, own = every, spread
    far, count = near, 0
    if evidence.unlabelled is not None:
        far, rest = step(evidence.unlabelled)
        count = int(evidence.unlabelled.unit.max()) + 1
        sampling = _Control(near - far, own, -_by_unit(rest, evidence.unlabelled.unit, count))
    return replace(known, controls=(assignment, sampling), simulated=far, n_unlabelled=count)


def _combined(
    labels: tuple[str, ...],
    found: _Estimated,
    level: float,
    power: float | None,
    controls: Sequence[_Control | None] | None = None,
) -> CrossFitted:
    """Choose the lambdas and put human estimate and controls together."""
    if found.free < 1:
        return _nothing(labels, "people: too few")
    all_controls = found.controls if controls is None else controls
    there = [at for at, each in enumerate(all_controls) if each is not None]
    known = [each for each in all_controls if each is not None]
    p = len(labels)
    human = (found.influence**2).sum(axis=0)
    strength, gap, variance = np.zeros((p, 0)), np.zeros((p, 0)), human
    if known:
        labelled = np.stack([each.labelled for each in known], axis=-1)
        apart = _apart(known)
        gap = np.stack([each.gap for each in known], axis=-1)
        if power is not None:
            strength = np.full(gap.shape, float(power))
        else:
            square = np.einsum("npi,npj->pij", labelled, labelled) + np.einsum("npi,npj->pij", apart, apart)
            still = np.einsum("pii->pi", square) <= ROUNDING * human[:, None]  # a spread at rounding level is none
            square = np.where(still[:, :, None] | still[:, None, :], 0.0, square)
            strength = tuned(square, np.where(still, 0.0, np.einsum("np,npi->pi", found.influence, labelled)))
        variance = _variance(found, labelled, apart, strength, tuned_ones=power is None)
        if power is None:
            resting = ratio(human**2, (found.influence**4).sum(axis=0))
            helped = (variance < WORTHWHILE * human) & (resting >= RESTING)
            strength, variance = np.where(helped[:, None], strength, 0.0), np.where(helped, variance, human)
    estimates = found.human - (strength * gap).sum(axis=-1)
    errors, human_errors = np.sqrt(variance), np.sqrt(human)
    t = stdtrit(found.free, (1 + level) / 2)
    told = np.full((p, len(all_controls)), np.nan)
    told[:, there] = strength
    return CrossFitted(
        names=labels,
        estimates=estimates,
        standard_errors=errors,
        low=estimates - t * errors,
        high=estimates + t * errors,
        p_values=2 * stdtr(found.free, -np.abs(ratio(estimates, errors))),
        human=found.human,
        human_errors=human_errors,
        human_low=found.human - t * human_errors,
        human_high=found.human + t * human_errors,
        simulated=found.simulated,
        power=told,
        n=found.n,
        n_unlabelled=found.n_unlabelled,
        reason=found.reason,
        informed=found.informed,
        spent=found.spent,
        free=found.free,
    )


def _variance(found: _Estimated, labelled: Floats, apart: Floats, strength: Floats, tuned_ones: bool) -> Floats:
    """Variance (p,) at these lambdas; of tuned ones with everybody's residual from the others' lambdas (PRESS)."""
    rest = found.influence - np.einsum("npi,pi->np", labelled, strength)
    far = np.einsum("npi,pi->np", apart, strength)
    if tuned_ones:
        for at in np.flatnonzero((strength > 0).any(axis=1)):
            active = strength[at] > 0
            near, others = labelled[:, at, active], apart[:, at, active]
            bread = np.linalg.pinv(near.T @ near + others.T @ others, hermitian=True)
            rest[:, at] /= np.maximum(1 - ((near @ bread) * near).sum(axis=1), 1e-3)
    return np.asarray((rest**2).sum(axis=0) + (far**2).sum(axis=0))


def _apart(known: Sequence[_Control]) -> Floats:
    """Influences (N, p, m) of unlabelled units; 0 on the controls that they have no part in."""
    apart = np.zeros((max(len(each.unlabelled) for each in known), known[0].gap.size, len(known)))
    for at, each in enumerate(known):
        apart[: len(each.unlabelled), :, at] = each.unlabelled
    return apart


def _by_unit(influence: Floats, unit: Ints, units: int) -> Floats:
    sums = np.zeros((units, influence.shape[1]))
    np.add.at(sums, unit, influence)
    return sums


def _free(*units: Ints) -> int:
    """Degrees of freedom of means of so many groups: units less groups."""
    return int(np.unique(np.concatenate(units)).size) - len(units)


def _frequencies(rows: Rows) -> Floats | None:
    return None if rows.weights is None else rows.weights * rows.weights.size / rows.weights.sum()


def _negative(control: _Control | None) -> _Control | None:
    return control and _Control(-control.gap, -control.labelled, -control.unlabelled)


def _first(control: _Control | None, kept: int, scale: float) -> _Control | None:
    """The first coefficients of a control, their influences scaled."""
    if control is None:
        return None
    return _Control(control.gap[:kept], scale * control.labelled[:, :kept], scale * control.unlabelled[:, :kept])


def _nothing(labels: tuple[str, ...], reason: object) -> CrossFitted:
    empty = np.full(len(labels), np.nan)
    return CrossFitted(labels, *(empty,) * 10, np.full((len(labels), 2), np.nan), 0, 0, str(reason))
