"""Effects in sizes: half-sized and missing effects are told from right ones, treatments from covariates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.formula.api as smf
from scipy.stats import norm

from simbench.metrics.effects import EffectSizes
from simbench.stats.effects import Effects, attenuation_slope, effect_distance, effect_rmse, sign_agreement


def drawn(rng: np.random.Generator, truth: np.ndarray, told: np.ndarray, n: int = 400) -> Effects:
    """Estimates of standardised effects with errors that go together."""
    q = len(truth)
    covariance = (0.3 * np.ones((q, q)) + 0.7 * np.eye(q)) / n
    both = [rng.multivariate_normal(each, covariance)[None] for each in (truth, told)]
    return Effects(both[0], covariance[None], both[1], covariance[None], np.array([float(n)]))


@pytest.mark.parametrize("size", [1.0, 0.5, 0.0])
def test_distance_and_slope_are_right_on_average_and_their_intervals_hold_the_truth(size: float) -> None:
    rng, truth = np.random.default_rng(0), np.array([0.3, -0.2, 0.0, 0.1, 0.25])
    delta = (1 - size) * np.sqrt((truth**2).mean())
    slopes, squares, held = [], [], []
    for _ in range(800):
        block = drawn(rng, truth, size * truth)
        slope, ends = attenuation_slope([block])
        distance, reach = effect_distance([block])
        slopes.append(slope[0])
        squares.append(distance[0])
        held.append((ends[0] <= size <= ends[1], reach[0] <= delta <= reach[1]))
    assert np.mean(slopes) == pytest.approx(size, abs=0.03)
    if size < 1:
        assert np.mean(squares) == pytest.approx(delta, abs=0.015)
    assert (np.mean(held, axis=0) > 0.92).all()
    assert (np.mean(held, axis=0) < 0.99).all()


def test_by_hand() -> None:
    human, simulated = np.array([[2.0, -1.0]]), np.array([[1.0, 1.0]])
    one, other = np.diag([0.25, 1.0])[None], np.diag([1.0, 4.0])[None]
    block = Effects(human, one, simulated, other, np.array([50.0]))
    assert effect_rmse([block])[0] == pytest.approx(np.sqrt((2**2 + 2**2) / 2))
    assert effect_distance([block])[0][0] == pytest.approx(0)  # 8 less noise of (1 + 4) twice is below 0
    p_h, p_s = norm.cdf([4, -1]), norm.cdf([1, 0.5])
    w = np.abs(2 * p_h - 1)
    agreed = p_h * p_s + (1 - p_h) * (1 - p_s)
    assert sign_agreement([block])[0] == pytest.approx((w * agreed).sum() / w.sum())
    assert attenuation_slope([block])[0][0] == pytest.approx((4 * 2 + -1 * 1) / (16 + 1 - 2))


def test_treatments_apart_from_covariates_as_statsmodels_fits_them(study: Any) -> None:
    human, simulated = study.draw(1, 400), study.draw(2, 400, effect=0.3)
    found = study.scores(EffectSizes, study.compare(human, simulated))
    formulas = ((smf.logit, "act ~ tone + harm + age"), (smf.ols, "harm ~ tone * C(who) + C(group)"))
    fits = [
        [
            model(formula, frame).fit(disp=0) if model is smf.logit else model(formula, frame).fit()
            for frame in (human, simulated)
        ]
        for model, formula in formulas
    ]
    for item, wanted in (("treatments", True), ("covariates", False)):
        gaps = [
            (told.params[name] - own.params[name]) / own.bse[name]
            for own, told in fits
            for name in own.params.index
            if name != "Intercept" and ("tone" in name or "who" in name) == wanted
        ]
        assert len(gaps) == 4
        expected = np.sqrt(np.mean(np.square(gaps)))
        assert study.value(found, "effect_rmse", item) == pytest.approx(expected, rel=1e-5)


def test_a_simulation_that_ignores_treatments_is_seen(study: Any) -> None:
    human = study.draw(3, 800, effect=1.5)
    blind = study.again(human.assign(tone=np.random.default_rng(0).permutation(human["tone"])), 4)
    found = study.scores(EffectSizes, study.compare(human, blind.assign(tone=human["tone"])))
    score = found["effect_slope", "treatments", None, None]
    assert score.interval[1] < 0.6
    assert study.value(found, "effect_distance", "treatments") > 0.05
    none = study.scores(EffectSizes, study.compare(human.assign(harm=3), blind))
    assert none["effect_distance", "treatments", None, None].reason


def test_a_logit_that_separates_has_a_distance_all_the_same(study: Any) -> None:
    """Firth's estimates rest on as many people as others: an infinite distance was the answer."""
    human, simulated = study.draw(1, 120), study.draw(2, 120)
    human = human.assign(act=human["act"].where(human["tone"] == 0, 1))
    found = study.scores(EffectSizes, study.compare(human, simulated))
    for item in ("treatments", "logit: act", "treatments of logit: act"):
        score = found["effect_distance", item, None, None]
        assert 0 <= score.value[0] < 2
        assert score.interval[0] <= score.value[0] <= score.interval[1]
        assert "Firth" in str(score.reason)


def test_the_slope_does_not_depend_on_how_treatments_are_coded(study: Any) -> None:
    human, simulated = study.draw(1, 300), study.draw(2, 300, effect=0.5)
    turned = [frame.assign(who=frame["who"].map({"a": "b", "b": "a"})) for frame in (human, simulated)]
    where = ("effect_slope", "treatments", None, None)
    first, other = (study.scores(EffectSizes, study.compare(*both))[where] for both in ((human, simulated), turned))
    assert first.value[0] == pytest.approx(other.value[0], rel=1e-6)
    assert first.interval == pytest.approx(other.interval, rel=1e-6)
