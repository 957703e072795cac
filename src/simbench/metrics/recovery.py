"""Coefficient recovery: would a regression on simulated people tell what it tells on people?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import Regression
from simbench.metrics.base import Comparison, Floats, Metric, Score, Side
from simbench.settings import NoSettings

if TYPE_CHECKING:
    from simbench.stats.recovery import SignRecovery
    from simbench.stats.regression import Design, Fit

__all__ = ["CoefficientRecovery"]

RATES = ("f1_sign", "fpr", "fnr")
COUNTS = ("tp", "fp", "fn", "tn", "flipped", "undefined")
UNDEFINED = {
    "f1_sign": "no coefficient is significant on either side",
    "fpr": "no coefficient is null among humans",
    "fnr": "no coefficient is significant among humans",
}


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One regression on both sides: fits without the intercept, or the reason why there are none."""

    regression: Regression
    human: Fit | None
    simulated: Fit | None
    n_human: int
    n_simulated: int
    reason: str | None = None


class CoefficientRecovery(Metric[NoSettings]):
    """F1-Sign, false-positive and false-negative rate of regression coefficients.

    Definition by simbench: each regression of the experiment is fitted on humans and, unchanged, on
    simulated participants. A coefficient (intercepts left out) is positive, negative or null by its sign and
    two-sided p < alpha. TP: significant on both sides, same sign. FP: significant in the simulation, and null
    or of the opposite sign in humans. FN: significant in humans, and null or of the opposite sign in the
    simulation. TN: null on both. ``f1_sign`` = 2TP / (2TP + FP + FN), higher is better; ``fpr`` = share of
    human-null coefficients that are significant in the simulation; ``fnr`` = share of human-significant
    coefficients that the simulation misses or flips; lower is better for both. ``item`` is a regression, or
    null over all of them together; ``coefficient`` rows hold both estimates. A regression that cannot be
    fitted on one side says why; its coefficients count as ``undefined``, not as null.
    """

    name = "coefficient_recovery"
    headline = (("f1_sign", None), ("fpr", None), ("fnr", None))
    better = {"f1_sign": "higher", "fpr": "lower", "fnr": "lower", "flipped": "lower"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Rates and counts over all regressions, then per regression, then every coefficient."""
        fitted = [_fit_both(comparison, each) for each in comparison.design.regressions]
        yield from _rates(comparison, fitted, None)
        for each in fitted:
            yield from _rates(comparison, [each], each.regression.title)
        for each in fitted:
            yield from _coefficients(comparison, each)


def _fit_both(comparison: Comparison, regression: Regression) -> _Fitted:
    from simbench.stats.regression import formula_designs

    sides = (comparison.human, comparison.simulated)
    if not len(sides[1]):
        return _Fitted(regression, None, None, len(sides[0]), 0, "no ok simulated answers")
    designs = formula_designs(regression.formula, *(side.people.frame for side in sides))
    n_human, n_simulated = (len(design.rows) for design in designs)
    if not n_human or not n_simulated:
        which = "simulated" if n_human else "human"
        return _Fitted(regression, None, None, n_human, n_simulated, f"no complete {which} row")
    human, simulated = (_fit(regression, design, side) for design, side in zip(designs, sides, strict=True))
    reasons = [f"{who}: {fit.reason()}" for who, fit in (("human", human), ("simulated", simulated)) if fit.reason()]
    return _Fitted(regression, human, simulated, n_human, n_simulated, "; ".join(reasons) or None)


def _fit(regression: Regression, design: Design, side: Side) -> Fit:
    """Fit on one side under every row of weights; clustered by person in within-subject designs."""
    from simbench.stats.regression import fit_glm

    person = side.people.design.person
    fit = fit_glm(
        regression.family,
        design.outcome,
        design.matrix,
        side.weights[:, design.rows],
        names=design.names,
        covariance="cluster" if person else "model",
        clusters=side.people.person.to_numpy(str)[design.rows] if person else None,
    )
    return fit.select(tuple(name for name in design.names if name != "Intercept"))


def _recovered(comparison: Comparison, fitted: list[_Fitted]) -> SignRecovery | None:
    """Counts over all coefficients of these regressions; None where none could be set up at all."""
    from simbench.stats.recovery import sign_recovery

    pairs = [(each.human, each.simulated) for each in fitted if each.human and each.simulated]
    if not pairs:
        return None

    def table(side: int, what: str) -> Floats:
        return np.concatenate([getattr(pair[side], what) for pair in pairs], axis=1)

    return sign_recovery(
        table(0, "estimates"),
        table(0, "p_values"),
        table(1, "estimates"),
        table(1, "p_values"),
        comparison.alpha,
    )


def _rates(comparison: Comparison, fitted: list[_Fitted], item: str | None) -> Iterator[Score]:
    where: dict[str, Any] = {
        "item": item,
        "n_human": min((each.n_human for each in fitted), default=0),
        "n_simulated": min((each.n_simulated for each in fitted), default=0),
    }
    found = _recovered(comparison, fitted)
    why = "; ".join(f"{each.regression.title}: {each.reason}" for each in fitted if each.reason)
    if found is None or found.undefined[0] == _coefficients_in(fitted):
        reason = why or "the experiment lists no regressions"
        for name in (*RATES, *COUNTS):
            yield Score.missing(name, reason, comparison.resamples, **where)
        return
    for name in RATES:
        values: Floats = getattr(found, name)
        undefined = None if np.isfinite(values[0]) else "; ".join(filter(None, (UNDEFINED[name], why)))
        yield Score(name, values, reason=undefined or why or None, **where)
    for name in COUNTS:
        yield Score(name, getattr(found, name), reason=why or None, **where)


def _coefficients_in(fitted: list[_Fitted]) -> int:
    return sum(len(each.human.names) for each in fitted if each.human)


def _coefficients(comparison: Comparison, each: _Fitted) -> Iterator[Score]:
    """Both estimates of every coefficient, or why there are none."""
    title = each.regression.title
    where: dict[str, Any] = {"n_human": each.n_human, "n_simulated": each.n_simulated}
    if each.human is None or each.simulated is None:
        reason = each.reason or "not fitted"
        yield Score.missing("coefficient", reason, comparison.resamples, item=title, **where)
        return
    for column, name in enumerate(each.human.names):
        human, simulated = each.human.estimates[:, column], each.simulated.estimates[:, column]
        yield Score(
            "coefficient",
            simulated - human,
            human,
            simulated,
            item=f"{title}: {name}",
            reason=each.reason,
            **where,
        )
