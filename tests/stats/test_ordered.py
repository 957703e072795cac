import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from statsmodels.miscmodels.ordinal_model import OrderedModel

from simbench.stats import Status, bootstrap_weights, fit_glm, fit_ordered, generator

Floats = NDArray[np.float64]


def sample(n: int = 300) -> tuple[NDArray[np.int64], Floats]:
    rng = generator(0, "ordered")
    x = np.stack([rng.integers(0, 2, n), rng.normal(40, 12, n), rng.normal(0, 1, n)], axis=1)
    latent = 0.8 * x[:, 0] - 0.03 * x[:, 1] + 0.5 * x[:, 2] + rng.logistic(size=n)
    return np.digitize(latent, [-2.0, -1.0, 0.3]), x


def log_likelihood(theta: Floats, y: NDArray[np.int64], x: Floats, weights: Floats) -> float:
    p = x.shape[1]
    edges = np.concatenate([[-np.inf], theta[p:], [np.inf]])
    eta = x @ theta[:p]
    share = 1 / (1 + np.exp(eta - edges[y + 1])) - 1 / (1 + np.exp(eta - edges[y]))
    return float(weights @ np.log(share))


def reference(y: Any, x: Floats) -> tuple[Floats, Floats]:
    """Coefficients and thresholds of statsmodels, and its standard errors of the coefficients."""
    model = OrderedModel(y, x, distr="logit")
    with warnings.catch_warnings():  # its derivatives are numerical, and stall just before the optimum
        warnings.simplefilter("ignore")
        rough = model.fit(method="bfgs", disp=False, gtol=1e-4, maxiter=500)
        fit = model.fit(start_params=rough.params, method="newton", disp=False, tol=1e-12, maxiter=30)
    thresholds = model.transform_threshold_params(fit.params)[1:-1]
    return np.concatenate([fit.params[: x.shape[1]], thresholds]), fit.bse[: x.shape[1]]


def test_a_fit_equals_statsmodels() -> None:
    y, x = sample()
    fit = fit_ordered(y, x, names=("treat", "age", "mood"), levels=("never", "rarely", "often", "always"))
    estimates, errors = reference(y, x)
    assert fit.names == ("treat", "age", "mood", "never|rarely", "rarely|often", "often|always")
    assert fit.estimates[0] == pytest.approx(estimates, rel=1e-6)
    assert fit.standard_errors[0, :3] == pytest.approx(errors, rel=1e-5)


def test_a_weight_is_the_row_so_many_times_also_where_a_level_is_absent() -> None:
    y, x = sample()
    weights = bootstrap_weights(y.size, 3, generator(1))
    weights[2, y == 3] = 0
    weights[3, y == 1] = 0
    fit = fit_ordered(y, x, weights)
    assert fit.ok.all()
    for row in range(1, 4):
        times = weights[row].astype(int)
        held, codes = np.unique(np.repeat(y, times), return_inverse=True)
        estimates, errors = reference(codes, np.repeat(x, times, axis=0))
        assert fit.estimates[row, :3] == pytest.approx(estimates[:3], rel=1e-6)
        assert fit.standard_errors[row, :3] == pytest.approx(errors, rel=1e-5)
        if held.size == 4:
            assert fit.estimates[row, 3:] == pytest.approx(estimates[3:], rel=1e-6)
    assert np.isnan(fit.estimates[2, 3:]).tolist() == [False, False, True]
    assert np.isnan(fit.estimates[3, 3:]).tolist() == [True, True, False]


def test_gradient_and_curvature_at_the_solution() -> None:
    y, x = sample()
    ones = np.ones(y.size)
    fit = fit_ordered(y, x)
    theta = fit.estimates[0]

    def gradient(at: Floats) -> Floats:
        return np.asarray(approx_fprime(at, log_likelihood, 1e-6, y, x, ones))

    information = -np.stack([(gradient(theta + step) - gradient(theta - step)) / 2e-3 for step in 1e-3 * np.eye(6)])
    assert log_likelihood(theta, y, x, ones) >= max(
        log_likelihood(theta + step, y, x, ones) for step in np.vstack([np.eye(6), -np.eye(6)]) * 1e-4
    )
    assert np.sqrt(np.diag(np.linalg.inv(information))) == pytest.approx(fit.standard_errors[0], rel=1e-2)


def test_two_levels_are_a_logit() -> None:
    y, x = sample()
    binary = (y > 1).astype(int)
    persons = np.arange(y.size) // 5
    weights = bootstrap_weights(y.size, 40, generator(2), clusters=persons)
    for covariance in ("model", "HC0", "HC1", "cluster"):
        ordered = fit_ordered(binary, x, weights, covariance=covariance, clusters=persons)
        design = np.column_stack([x, np.ones(y.size)])
        logit = fit_glm("logit", binary, design, weights, covariance=covariance, clusters=persons)
        assert ordered.estimates[:, :3] == pytest.approx(logit.estimates[:, :3], rel=1e-8, abs=1e-10)
        assert ordered.estimates[:, 3] == pytest.approx(-logit.estimates[:, 3], rel=1e-8)
        assert ordered.standard_errors == pytest.approx(logit.standard_errors, rel=1e-8)


def test_what_cannot_be_fitted_says_why() -> None:
    y, x = sample(60)
    assert fit_ordered(np.zeros(60, int), x, levels=(0, 1, 2)).status[0] == Status.CONSTANT_OUTCOME
    assert fit_ordered(y, np.column_stack([x, x[:, 0]]), names=tuple("abcd")).reason().endswith("collinear: d")
    assert fit_ordered(y, np.column_stack([x, np.ones(60)])).status[0] == Status.RANK_DEFICIENT
    assert fit_ordered(y[:5], x[:5]).status[0] == Status.TOO_FEW
    separated = fit_ordered(y, np.column_stack([y > 0, x]), names=tuple("abcd"))
    assert separated.status[0] == Status.SEPARATION
    assert separated.reason().endswith(": a")
    assert np.isnan(separated.estimates).all()
    assert np.isnan(separated.p_values).all()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="outcome must lie in"):
        fit_ordered([0, 1, 5], np.ones((3, 1)), levels=(0, 1))
    with pytest.raises(ValueError, match="no missing values"):
        fit_ordered([0, 1, -1], np.ones((3, 1)))
    with pytest.raises(ValueError, match="covariance of an ordered logit"):
        fit_ordered([0, 1, 1], np.ones((3, 1)), covariance="HC3")
