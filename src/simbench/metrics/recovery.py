"""Coefficient recovery: would a regression on simulated people tell what it tells on people?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.metrics.base import Comparison, Floats, Metric, Score, Side
from simbench.metrics.comparison import positions
from simbench.metrics.fitting import Fitted, fit_both
from simbench.settings import NoConfig

if TYPE_CHECKING:
    from simbench.stats.recovery import SignRecovery
    from simbench.stats.regression import Fit

__all__ = ["CoefficientRecovery", "TreatmentEffects"]

UNDEFINED = {
    "f1_sign": "no coefficient is significant on either side",
    "fpr": "no coefficient is null among humans",
    "fnr": "no coefficient is significant among humans",
    "type_s": "no coefficient is significant on both sides",
    "type_m": "no coefficient is significant on both sides with the same sign",
    "interval_coverage": "no coefficient has estimates on both sides",
    "compatible_share": "no coefficient has estimates on both sides",
}
FRESH = 400
"""So many fresh samples are foretold."""
COUNTS = ("tp", "fp", "fn", "tn", "flipped", "undefined")


class CoefficientRecovery(Metric[NoConfig]):
    """Would regressions on simulated people lead to the conclusions they lead to on people?

    Definition by simbench: each regression of the experiment is fitted on humans and, unchanged, on
    simulated participants. A coefficient (intercepts left out) is positive, negative or null by its sign and
    two-sided p < alpha. TP: significant on both sides, same sign. FP: significant in the simulation, and null
    or of the opposite sign in humans. FN: significant in humans, and null or of the opposite sign in the
    simulation. TN: null on both. ``item`` is a regression, or null over all of them together.

    - ``f1_sign`` = 2TP / (2TP + FP + FN), in [0, 1], higher is better; ``fpr`` = share of human-null coefficients
      that are significant in the simulation; ``fnr`` = share of human-significant coefficients that the
      simulation misses or flips; in [0, 1], lower is better.
    - ``type_s`` = flipped / (flipped + TP); ``type_m`` = geometric mean of |simulated| / |human| over the TP, 1 =
      the right size (after Gelman and Carlin 2014, the human estimate standing for the truth).
    - ``interval_coverage`` = share of human estimates within the simulation's (1 - alpha) intervals (about 83 %,
      not 95 %, for another sample of people); ``compatible_share`` = share of coefficients whose difference has
      an interval that holds 0 (95 % for another sample of people); higher is better.
    - ``joint_test`` = p-value of the Wald test that all coefficients are equal on both sides; small = they
      differ; a large one does not show that they are equal.
    - ``coefficient`` rows hold both estimates of each coefficient and their difference.
    - ``tp``, ``fp``, ``fn``, ``tn``, ``flipped`` (significant on both sides, of opposite
      signs) and ``undefined`` are counts.

    Failure modes: everything depends on n, since a small human sample has few significant coefficients: read
    the rates beside what fresh samples of as many people would give (``ceiling``, ``fresh_low``, ``fresh_high``, and
    the ``rank`` among them), foretold from the human estimates by empirical Bayes. Resamples
    scatter more than samples, so their intervals describe studies of this size only roughly. A regression
    that cannot be fitted on one side says why; its coefficients count as ``undefined``, not as null. A logit
    that separates is fitted by Firth's method on both sides (Heinze and Schemper 2002), and says so.
    """

    name = "coefficient_recovery"
    headline = (("f1_sign", None), ("fpr", None), ("fnr", None))
    words = {"f1_sign": "F1-Sign of coefficients", "fpr": "false positives", "fnr": "missed effects"}
    better = {
        "f1_sign": "higher",
        "fpr": "lower",
        "fnr": "lower",
        "flipped": "lower",
        "type_s": "lower",
        "type_m": "one",
        "interval_coverage": "higher",
        "compatible_share": "higher",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Rates and counts over all regressions, then per regression, then every coefficient."""
        fitted = [fit_both(comparison, each) for each in comparison.design.regressions]
        yield from _rates(comparison, fitted, None)
        for each in fitted:
            yield from _rates(comparison, [each], each.title)
            yield _joint_test(comparison, each)
        for each in fitted:
            yield from _coefficients(comparison, each)


def _rates(comparison: Comparison, fitted: list[Fitted], item: str | None) -> Iterator[Score]:
    where: dict[str, Any] = {
        "item": item,
        "n_human": min((each.n_human for each in fitted), default=0),
        "n_simulated": min((each.n_simulated for each in fitted), default=0),
    }
    words = "; ".join(f"{each.title}: {each.words}" for each in fitted if each.words) or None
    pairs = [(each.human, each.simulated) for each in fitted if each.human and each.simulated]
    unfitted = sum(len(each.names) for each in fitted if each.human is None)
    found = _recovered(pairs, comparison.alpha)
    if found is None or not any(each.human is not None and each.reason is None for each in fitted):
        reason = words or "the experiment lists no regressions"
        for name in (*UNDEFINED, *COUNTS):
            yield Score.missing(name, reason, comparison.resamples, **where)
        return
    drawn = {"value": comparison.resamples - 1}  # what is significant varies from resample to resample
    fresh = _fresh(comparison, pairs, item)
    for name, values in _shares(found, pairs, comparison.alpha):
        known = np.isfinite(values[0])
        why = words if known else "; ".join(filter(None, (UNDEFINED[name], words)))
        yield Score(
            name, values, reason=why, trials={} if name == "type_m" else drawn, fresh=fresh.get(name), **where
        )
    for name in COUNTS:
        more = unfitted if name == "undefined" else 0
        yield Score(name, getattr(found, name) + more, reason=words, **where)


def _fresh(comparison: Comparison, pairs: list[tuple[Fit, Fit]], item: str | None) -> dict[str, Floats]:
    """What every share would be with fresh samples of people in the simulation's place; none for references."""
    from simbench.stats.ceilings import fresh_estimates

    if comparison.generator is None:
        return {}
    rng, made = comparison.generator("fresh people", item or ""), []
    for human, _ in pairs:
        if not human.ok[0]:
            continue
        one = _rows(human, 1)
        drawn = fresh_estimates(one.estimates[0], one.covariance[0], FRESH, rng)
        made.append((one, replace(_rows(one, FRESH), estimates=drawn, tests=None)))
    found = _recovered(made, comparison.alpha)
    return {} if found is None else dict(_shares(found, made, comparison.alpha))


def _rows(fit: Fit, rows: int) -> Fit:
    """The first row of a fit, so many times."""
    return replace(
        fit,
        estimates=np.repeat(fit.estimates[:1], rows, 0),
        covariance=np.repeat(fit.covariance[:1], rows, 0),
        df=np.repeat(fit.df[:1], rows),
        status=np.repeat(fit.status[:1], rows),
        n=np.repeat(fit.n[:1], rows),
        tests=None if fit.tests is None else np.repeat(fit.tests[:1], rows, 0),
    )


def _recovered(pairs: list[tuple[Fit, Fit]], alpha: float) -> SignRecovery | None:
    """Counts over all coefficients of these fits; None where there are none."""
    from simbench.stats.recovery import sign_recovery

    if not pairs:
        return None
    human, human_p, simulated, simulated_p = (
        _column(pairs, side, what) for side in (0, 1) for what in ("estimates", "p_values")
    )
    return sign_recovery(human, human_p, simulated, simulated_p, alpha)


def _column(pairs: list[tuple[Fit, Fit]], side: int, what: str) -> Floats:
    return np.concatenate([getattr(pair[side], what) for pair in pairs], axis=1)


def _shares(found: SignRecovery, pairs: list[tuple[Fit, Fit]], alpha: float) -> Iterator[tuple[str, Floats]]:
    from simbench.stats.recovery import compatible_share, exaggeration, interval_coverage

    for name in ("f1_sign", "fpr", "fnr", "type_s"):
        yield name, getattr(found, name)
    human, human_p, simulated, simulated_p = (
        _column(pairs, side, what) for side in (0, 1) for what in ("estimates", "p_values")
    )
    yield "type_m", exaggeration(human, human_p, simulated, simulated_p, alpha)
    ends = [fit.interval(1 - alpha) for _, fit in pairs]
    low, high = (np.concatenate([each[end] for each in ends], axis=1) for end in (0, 1))
    yield "interval_coverage", interval_coverage(human, low, high)
    errors = [_column(pairs, side, "standard_errors") for side in (0, 1)]
    yield "compatible_share", compatible_share(human, errors[0], simulated, errors[1], 1 - alpha)


def _joint_test(comparison: Comparison, each: Fitted) -> Score:
    from simbench.stats.recovery import equal_coefficients

    where: dict[str, Any] = {"item": each.title, "n_human": each.n_human, "n_simulated": each.n_simulated}
    if each.human is None or each.simulated is None or each.reason:
        return Score.missing("joint_test", each.reason or "not fitted", comparison.resamples, **where)
    human, simulated = each.human, each.simulated
    test = equal_coefficients(human.estimates, human.covariance, simulated.estimates, simulated.covariance)
    if np.isnan(test.statistic[0]):
        why = f"{test.df} coefficients cannot be tested together: there are too few people or clusters behind them"
        return Score.missing("joint_test", why, comparison.resamples, **where)
    words = f"chi-squared {test.statistic[0]:.2f} on {test.df} degrees of freedom"
    remark = "; ".join(filter(None, (words, each.remark)))
    return Score("joint_test", test.p, reason=remark, interval=(np.nan, np.nan), **where)


def _coefficients(comparison: Comparison, each: Fitted) -> Iterator[Score]:
    """Both estimates of every coefficient, or why there are none."""
    where: dict[str, Any] = {"n_human": each.n_human, "n_simulated": each.n_simulated}
    if each.human is None or each.simulated is None:
        reason = each.reason or "not fitted"
        yield Score.missing("coefficient", reason, comparison.resamples, item=each.title, **where)
        return
    for column, name in enumerate(each.names):
        human, simulated = each.human.estimates[:, column], each.simulated.estimates[:, column]
        title = f"{each.title}: {name}"
        yield Score("coefficient", simulated - human, human, simulated, title, reason=each.words, **where)


class TreatmentEffects(Metric[NoConfig]):
    """Correlation of treatment effects on people and on the simulation, raw and disattenuated.

    For every ordered item and treatment group, the effect is the group's mean answer minus the mean over
    groups, divided by the item's human standard deviation, so that items share one unit and no group is the
    reference. ``treatment_effect_correlation`` is the Pearson correlation of human and simulated effects, in
    [-1, 1], higher is better; ``treatment_effect_correlation_disattenuated`` is divided by the square root of
    the two reliabilities, 1 - mean squared standard error / variance of the effects (Spearman 1904), and may
    leave [-1, 1]. ``treatment_effect_ratio`` = SD of the simulated over SD of the human effects, noise taken off
    both variances: 1 = effects of the right size, below 1 = treatments do too little.

    Failure modes: a correlation says nothing of size, and with few groups very little at all. The interval of
    the raw one is for samples of this size, noise included; that of the disattenuated one is for the
    populations, and wide, since it divides by reliabilities that come near 0 in some resamples. Where noise
    explains all variation of the effects, nothing can be disattenuated.
    Source: Hewitt, Ashokkumar, Ghezae and Willer (2024) for the correlation of predicted and observed effects;
    the ratio is a definition by simbench.
    """

    name = "treatment_effects"
    better = {
        "treatment_effect_correlation": "higher",
        "treatment_effect_correlation_disattenuated": "higher",
        "treatment_effect_ratio": "one",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Three figures over all ordered items and treatment groups."""
        from simbench.stats.recovery import effect_correlation

        conditions = comparison.conditions
        sizes: dict[str, Any] = dict(zip(("n_human", "n_simulated"), map(len, comparison.sides), strict=True))
        reason = None if len(comparison.simulated) else "no ok simulated answers"
        if len(conditions) < 2:
            reason = "there is only one treatment group"
        both = [] if reason else [_effects(comparison, side) for side in comparison.sides]
        if both and both[0][0].shape[1] < 3:
            reason = "fewer than three effects: too few ordered items in which humans vary"
        if reason:
            for name in self.better:
                yield Score.missing(name, reason, comparison.resamples, **sizes)
            return
        (human, human_se), (simulated, simulated_se) = both
        figures: dict[str, Callable[[], Floats]] = {
            "treatment_effect_correlation": lambda: effect_correlation(human, simulated),
            "treatment_effect_correlation_disattenuated": lambda: effect_correlation(
                human, simulated, human_se, simulated_se
            ),
            "treatment_effect_ratio": lambda: _ratio(
                _true_variance(simulated, simulated_se), _true_variance(human, human_se)
            ),
        }
        for name, figure in figures.items():
            values = figure()
            why = None
            if not np.isfinite(values[0]):
                why = "one side has no effects beyond noise, or a treatment group without answers"
            yield Score(name, values, reason=why, **sizes)


def _effects(comparison: Comparison, side: Side) -> tuple[Floats, Floats]:
    """Standardised effects and their standard errors (R, items x groups)."""
    from simbench.stats import ratio

    groups = comparison.conditions
    effects, errors = [], []
    for item in comparison.design.items:
        scale = comparison.human.deviation(comparison.human.numbers(item))
        if not item.ordered or not scale > 0:
            continue
        numbers = positions(item) / scale
        counts = side.by_level(item.name, "condition", groups)
        n = counts.sum(axis=2)
        mean = ratio(counts @ numbers, n)
        spread = np.maximum(ratio(counts @ numbers**2, n) - mean**2, 0.0)
        own = ratio(spread, np.maximum(n - 1, 0))
        if side.survey is not None:  # the variance of a weighted mean: sum w^2 (x - mean)^2 / (sum w)^2
            heavy = side.by_level(item.name, "condition", groups, times=side.survey)
            square = heavy @ numbers**2 - 2 * mean * (heavy @ numbers) + mean**2 * heavy.sum(axis=2)
            own = ratio(np.maximum(square, 0.0), n**2)
        effects.append(mean - mean.mean(axis=1, keepdims=True))
        # Taking off the mean over G groups leaves (1 - 2/G) of a group's own noise and 1/G^2 of all groups'.
        share = 1 / len(groups)
        errors.append(np.sqrt((1 - 2 * share) * own + share**2 * own.sum(axis=1, keepdims=True)))
    if not effects:
        return np.zeros((comparison.resamples, 0)), np.zeros((comparison.resamples, 0))
    return np.concatenate(effects, axis=1), np.concatenate(errors, axis=1)


def _true_variance(effects: Floats, errors: Floats) -> Floats:
    """Mean squared effect beyond noise (R,); effects of an item sum to 0."""
    variance: Floats = (effects**2 - errors**2).mean(axis=1)
    return variance


def _ratio(simulated: Floats, human: Floats) -> Floats:
    """Ratio of two standard deviations (R,): NaN without human effects, 0 without simulated ones."""
    usable = human > 0
    return np.where(usable, np.sqrt(np.maximum(simulated, 0) / np.where(usable, human, 1.0)), np.nan)
