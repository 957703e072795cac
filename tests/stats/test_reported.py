"""The fit of the data as they are is statsmodels', bit for bit; resamples are of the batched code."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.discrete.discrete_model import Logit, Poisson

from simbench.stats import bootstrap_weights, fit_glm, generator
from simbench.stats.regression import reported

MODELS = {"ols": sm.OLS, "logit": Logit, "poisson": Poisson}


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("family", MODELS)
def test_row_0_is_statsmodels_and_the_others_are_left_alone(family: str, clustered: bool) -> None:
    rng = generator(3, "reported", family)
    n = 200
    x = np.column_stack([np.ones(n), rng.normal(40, 15, n), rng.integers(0, 2, n)]).astype(np.float64)
    eta = 0.2 + 0.01 * (x[:, 1] - 40) + 0.5 * x[:, 2]
    draws = {
        "ols": rng.normal(eta, 1),
        "logit": rng.random(n) < 1 / (1 + np.exp(-eta)),
        "poisson": rng.poisson(np.exp(eta)),
    }
    y = np.asarray(draws[family], dtype=np.float64)
    persons = np.arange(n) // 4
    weights = np.vstack([np.ones(n), bootstrap_weights(n, 5, rng)])
    weights[0, :8] = 0  # two persons who are left out, as a subgroup leaves people out
    words = {"covariance": "cluster", "clusters": persons} if clustered else {}
    if clustered:
        weights[1:] = 1  # a person drawn twice is two persons: weights are constant within one
    own = fit_glm(family, y, x, weights, **words)  # type: ignore[arg-type]
    both = reported(own, family, y, x, weights[0], persons if clustered else None)

    robust = {"cov_type": "cluster", "cov_kwds": {"groups": persons[8:]}} if clustered else {}
    fitting = {} if family == "ols" else {"disp": 0, "tol": 1e-10, "maxiter": 100}
    other = MODELS[family](y[8:], x[8:]).fit(**fitting, **robust)
    assert np.array_equal(both.estimates[0], other.params)
    assert np.array_equal(both.covariance[0], other.cov_params())
    assert np.array_equal(both.estimates[1:], own.estimates[1:])
    assert both.estimates[0] == pytest.approx(own.estimates[0], rel=1e-9)
    assert both.standard_errors[0] == pytest.approx(own.standard_errors[0], rel=1e-7)


def test_what_statsmodels_cannot_have_stays_as_it_is() -> None:
    rng = generator(4, "reported")
    x = np.column_stack([np.ones(60), rng.normal(size=60)])
    separated = fit_glm("logit", (x[:, 1] > 0).astype(float), x)
    assert reported(separated, "logit", (x[:, 1] > 0).astype(float), x, np.ones(60)) is separated
    y = rng.normal(size=60)
    weighted = fit_glm("ols", y, x, np.full((1, 60), 1.5))
    assert reported(weighted, "ols", y, x, np.full(60, 1.5)) is weighted
