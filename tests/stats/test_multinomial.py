"""The multinomial logit is statsmodels' MNLogit, under every row of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.discrete.discrete_model import MNLogit

from simbench.stats import bootstrap_weights, fit_glm, fit_multinomial, generator
from simbench.stats.regression import Status


def sample(n: int = 240) -> Any:
    rng = generator(8, "multinomial")
    x = np.column_stack([np.ones(n), rng.normal(size=n), rng.integers(0, 2, n)])
    eta = np.column_stack([np.zeros(n), x @ [0.3, 0.8, -0.5], x @ [-0.4, -0.3, 0.9]])
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return y, x, np.repeat(np.arange(n // 4), 4)


@pytest.mark.parametrize("covariance", ["model", "HC0", "cluster"])
def test_fits_equal_statsmodels_also_under_weights(covariance: str) -> None:
    y, x, persons = sample()
    weights = bootstrap_weights(y.size, 2, generator(2), clusters=persons)
    fit = fit_multinomial(y, x, weights, covariance=covariance, clusters=persons)
    for row in range(3):
        times = weights[row].astype(int)
        who = np.repeat(persons, times) * 100 + np.concatenate([np.arange(t) for t in times])
        words: dict[str, Any] = {"cov_type": "nonrobust" if covariance == "model" else covariance}
        if covariance == "cluster":
            words |= {"cov_kwds": {"groups": who}}
        other = MNLogit(np.repeat(y, times), np.repeat(x, times, axis=0)).fit(method="newton", disp=False, **words)
        assert fit.estimates[row] == pytest.approx(other.params.T.reshape(-1), rel=1e-6)
        assert fit.standard_errors[row] == pytest.approx(other.bse.T.reshape(-1), rel=1e-5)
    assert fit.names == ("1: x0", "1: x1", "1: x2", "2: x0", "2: x1", "2: x2")


def test_two_levels_are_a_logit() -> None:
    y, x, persons = sample()
    two = (y > 0).astype(int)
    for covariance in ("model", "HC1", "cluster"):
        fit = fit_multinomial(two, x, covariance=covariance, clusters=persons)
        logit = fit_glm("logit", two, x, covariance=covariance, clusters=persons)
        assert fit.estimates == pytest.approx(logit.estimates)
        assert fit.covariance == pytest.approx(logit.covariance)
        assert fit.p_values == pytest.approx(logit.p_values)


def test_an_answer_that_nobody_gives_is_named() -> None:
    y, x, _ = sample()
    fit = fit_multinomial(np.where(y == 2, 0, y), x, levels=["a", "b", "c"])
    assert fit.status[0] == Status.SEPARATION
    assert "nobody answers c" in fit.reason()
    assert fit_multinomial(np.zeros(240), x, levels=["a", "b"]).status[0] == Status.CONSTANT_OUTCOME
    with pytest.raises(ValueError, match="at least two levels"):
        fit_multinomial(np.zeros(240), x)
