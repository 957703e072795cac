"""Effects in sizes: treatments apart from covariates, whether or not any of them is significant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.metrics.base import Comparison, Equivalence, Metric, Score
from simbench.metrics.fitting import Fitted, fit_both
from simbench.settings import NoConfig

if TYPE_CHECKING:
    from simbench.stats.effects import Effects

__all__ = ["EffectSizes"]

CONFIDENCE, WITHIN = 0.95, 0.9
ANY_SIZE = "no interval: any size is within the noise of people's own effects"
NOT_BEYOND = "humans show no effects beyond noise here"


class EffectSizes(Metric[NoConfig]):
    """How far simulated effects are from human ones in size, for treatments and covariates apart.

    Over the coefficients of all regressions of the experiment, intercepts left out; ``item`` is ``treatments``
    (coefficients that a factor takes part in, interactions included) or ``covariates`` (all others); the distance
    also of every regression by itself (its title, and ``treatments of`` it; intervals hold for all regressions
    together). Each coefficient is put on the scale of its human standard error.

    - ``effect_distance`` = root of the mean over coefficients of ((b_s - b_h)^2 - V_h - V_s) / (n V_h), noise of both
      sides taken off, at least 0; about a partial correlation: 0.1 is a small effect at any n; lower is closer.
    - ``effect_slope`` = sum b_s' V_h^-1 b_h / (sum b_h' V_h^-1 b_h - q) over regressions with q coefficients in all:
      1 = effects of the right size, 0.5 = half, 0 = none, below 0 = turned round; missing where humans show none
      beyond noise. It does not depend on how treatments are coded.
    - ``sign_agreement`` = sum w (P_h P_s + (1 - P_h)(1 - P_s)) / sum w, P the probability that the effect is above 0,
      w = |2 P_h - 1|: in [0, 1], 1/2 = coins, higher is better.
    - ``effect_rmse`` = root mean squared difference in human standard errors, lower is closer; 1.4 for another sample
      of the same size.

    A simulation that ignores all treatments can have the F1-Sign of a perfect one where few treatments are
    significant; here its slope is 0. Failure modes: normal approximations, rough in small samples; nothing is said of
    single coefficients, which ``coefficient_recovery`` lists. Source: Fuller (1987), Measurement error models, for
    the slope; the rest are definitions by simbench.
    """

    name = "effect_sizes"
    headline = (("effect_distance", "treatments"), ("effect_slope", "treatments"))
    better = {"effect_distance": "lower", "sign_agreement": "higher", "effect_rmse": "lower"}
    words = {
        "effect_distance": "distance of effects less chance",
        "effect_slope": "slope of effects, 1 is right",
        "sign_agreement": "agreement in sign of effects",
        "effect_rmse": "error of effects in standard errors",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Four figures each for treatments and covariates."""
        fitted = [fit_both(comparison, each) for each in comparison.design.regressions]
        factors = {factor.name for factor in comparison.design.factors}
        for item in ("treatments", "covariates"):
            blocks = [block for each in fitted for block in _block(each, factors, item)]
            yield from self._figures(comparison, fitted, blocks, item)
        yield from _one_by_one(comparison, fitted, factors)

    def _figures(
        self, comparison: Comparison, fitted: list[Fitted], blocks: list[Effects], item: str
    ) -> Iterator[Score]:
        from simbench.stats.effects import (
            attenuation_slope,
            distance_chance,
            effect_distance,
            effect_rmse,
            sign_agreement,
            slope_chance,
        )

        words = "; ".join(f"{each.title}: {each.words}" for each in fitted if each.words) or None
        where: dict[str, Any] = {
            "item": item,
            "n_human": min((each.n_human for each in fitted), default=0),
            "n_simulated": min((each.n_simulated for each in fitted), default=0),
        }
        if not blocks:
            for name in ("effect_slope", *self.better):
                why = words or f"no regression has coefficients of {item}"
                yield Score.missing(name, why, comparison.resamples, **where)
            return
        distance, ends = effect_distance(blocks)
        within = Equivalence(*effect_distance(blocks, WITHIN)[1], *distance_chance(blocks))
        yield Score("effect_distance", distance, interval=ends, equivalence=within, reason=words, **where)
        slope, ends = attenuation_slope(blocks)
        blind = None if np.isfinite(ends).all() else NOT_BEYOND if np.isnan(slope[0]) else ANY_SIZE
        reason = "; ".join(filter(None, (blind, words))) or None
        sized = None if blind else Equivalence(*attenuation_slope(blocks, WITHIN)[1], *slope_chance(blocks))
        yield Score("effect_slope", slope, interval=ends, equivalence=sized, reason=reason, **where)
        yield Score("sign_agreement", sign_agreement(blocks), bias="sample", reason=words, **where)
        yield Score("effect_rmse", effect_rmse(blocks), bias="sample", reason=words, **where)


def _one_by_one(comparison: Comparison, fitted: list[Fitted], factors: set[str]) -> Iterator[Score]:
    """``effect_distance`` of every regression: of all its coefficients, then of the treatments' alone."""
    from simbench.stats.effects import distance_chance, effect_distance

    together = max(1, len(fitted))
    for kind in (None, "treatments"):
        for each in fitted:
            item = f"{kind} of {each.title}" if kind else each.title
            blocks = list(_block(each, factors, kind))
            if not blocks:
                if each.reason:
                    yield Score.missing("effect_distance", each.reason, comparison.resamples, item=item)
                continue
            value, ends = effect_distance(blocks, 1 - (1 - CONFIDENCE) / together)
            low, high = (effect_distance(blocks, 1 - (1 - WITHIN) / of)[1][at] for at, of in enumerate((together, 1)))
            where: dict[str, Any] = {"n_human": each.n_human, "n_simulated": each.n_simulated, "reason": each.words}
            where["equivalence"] = Equivalence(low, high, *distance_chance(blocks))
            yield Score("effect_distance", value, item=item, interval=ends, **where)


def _block(fitted: Fitted, factors: set[str], kind: str | None) -> Iterator[Effects]:
    """The coefficients of one regression that are ``treatments``, ``covariates`` or any, where both are fitted."""
    from simbench.stats.effects import Effects

    if fitted.human is None or fitted.simulated is None or fitted.reason:
        return
    kept = tuple(name for name in fitted.human.names if kind in (None, _kind(name, factors)))
    if kept:
        human, simulated = fitted.human.select(kept), fitted.simulated.select(kept)
        yield Effects(human.estimates, human.covariance, simulated.estimates, simulated.covariance, human.n)


def _kind(name: str, factors: set[str]) -> str:
    return "treatments" if factors & set(re.findall(r"\w+", name)) else "covariates"
