"""Log-linear pools: against a logit with an offset, and what they are where nothing is to be known."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simbench.stats.pooling import Stack, fit_weights, pooled

CHANCES = arrays(np.float64, (3, 4, 5), elements=st.floats(0.01, 1.0))


def tables(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    return rng.dirichlet(np.full(k, 2.0), size=n)


def test_weights_for_two_options_are_those_of_a_logit_with_an_offset() -> None:
    """statsmodels: the base is the offset, the forecasts' log ratios to it are the regressors; no intercept."""
    rng = np.random.default_rng(2)
    base, others = tables(rng, 400, 2), np.stack([tables(rng, 400, 2) for _ in range(2)])
    chances = pooled(base, others, np.array([0.7, 0.4]))
    chosen = (rng.random(400) < chances[:, 1]).astype(np.int64)
    odds = np.log(np.concatenate((base[None], others))[:, :, 1]) - np.log(
        np.concatenate((base[None], others))[:, :, 0]
    )
    logit = sm.GLM(chosen, (odds[1:] - odds[0]).T, family=sm.families.Binomial(), offset=odds[0]).fit(tol=1e-12)
    found = fit_weights([Stack(base, others, chosen)], 1e-9, 1.0)  # own = 1 binds the item to a free common weight
    np.testing.assert_allclose(found.value[0], logit.params, atol=1e-4)
    np.testing.assert_allclose(found.deviation[0], logit.bse, rtol=1e-3)


def test_a_forecast_of_noise_has_little_weight_and_one_that_knows_has_much() -> None:
    rng = np.random.default_rng(0)
    truth = [tables(rng, 300, 4) for _ in range(3)]
    stacks = []
    for each in truth:
        chosen = (each.cumsum(axis=1) > rng.random((300, 1))).argmax(axis=1)
        base = np.tile(np.bincount(chosen, minlength=4) / 300, (300, 1))
        stacks.append(Stack(base, np.stack([tables(rng, 300, 4), each]), chosen))
    weights = fit_weights(stacks, 20.0, 100.0).value
    assert weights[:, 0].max() < 0.1
    assert weights[:, 1].min() > 0.7
    shuffled = [Stack(each.base, each.others, rng.permutation(each.chosen)) for each in stacks]
    assert fit_weights(shuffled, 20.0, 100.0).value.max() < 0.15


def test_an_item_with_little_evidence_follows_the_others() -> None:
    rng = np.random.default_rng(1)
    stacks = []
    for n in (500, 500, 3):
        truth = tables(rng, n, 3)
        chosen = (truth.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        stacks.append(Stack(np.full((n, 3), 1 / 3), truth[None], chosen))
    weights = fit_weights(stacks, 20.0, 100.0)
    assert weights.value[2, 0] == pytest.approx(weights.value[:2, 0].mean(), abs=0.15)
    assert weights.deviation[2, 0] > weights.deviation[0, 0]


@given(CHANCES)
def test_no_weight_is_the_base_and_a_weight_of_one_is_the_forecast(chances: np.ndarray) -> None:
    base, others = chances[0] / chances[0].sum(1, keepdims=True), chances[1:] / chances[1:].sum(2, keepdims=True)
    np.testing.assert_allclose(pooled(base, others, np.zeros(2)), base)
    np.testing.assert_allclose(pooled(base, others, np.array([0.0, 1.0])), others[1])
    np.testing.assert_allclose(pooled(base, others, np.array([0.3, 2.0])).sum(axis=1), 1.0)


def test_options_that_are_not_offered_stay_without_a_chance() -> None:
    base, other = np.array([[0.5, 0.5, 0.0]]), np.array([[[0.2, 0.8, 0.0]]])
    np.testing.assert_allclose(pooled(base, other, np.array([1.0])), [[0.2, 0.8, 0.0]])
    stack = Stack(np.tile(base, (30, 1)), np.tile(other, (1, 30, 1)), np.array([0, 1, 1] * 10))
    weights = fit_weights([stack], 1.0, 4.0)
    assert np.isfinite(weights.value).all()
    assert np.isfinite(weights.deviation).all()
