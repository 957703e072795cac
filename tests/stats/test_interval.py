"""Interval regression against scipy's maximum of the same likelihood, and against known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import norm

from simbench.stats import bootstrap_weights, fit_interval, generator
from simbench.stats.regression import Status

CUTS = np.array([5.0, 10, 20, 50])


def sample(n: int = 300) -> Any:
    rng = generator(9, "interval")
    x = np.column_stack([np.ones(n), rng.normal(size=n), rng.integers(0, 2, n)])
    latent = x @ [12.0, 4.0, -3.0] + 9 * rng.normal(size=n)
    return np.searchsorted(CUTS, latent, side="right"), x, latent


def likelihood(y: Any, x: Any, weights: Any) -> Any:
    """Negative log-likelihood by (b, log sigma), written down directly."""
    low, high = np.r_[-np.inf, CUTS][y], np.r_[CUTS, np.inf][y]

    def value(beta: Any) -> float:
        mean, sigma = x @ beta[:-1], np.exp(beta[-1])
        chance = norm.cdf((high - mean) / sigma) - norm.cdf((low - mean) / sigma)
        return -float(weights @ np.log(np.maximum(chance, 1e-300)))

    return value


def test_fits_are_scipys_maxima_also_under_weights() -> None:
    y, x, _ = sample()
    weights = bootstrap_weights(len(y), 3, generator(1))
    fit = fit_interval(y, CUTS, x, weights, names=("Intercept", "a", "b"))
    assert fit.names == ("Intercept", "a", "b", "sigma")
    for row in range(4):
        value = likelihood(y, x, weights[row])
        found = minimize(value, [10, 0, 0, 2.0], method="BFGS", options={"gtol": 1e-6})
        sigma = np.exp(found.x[-1])
        assert fit.estimates[row] == pytest.approx([*found.x[:-1], sigma], rel=1e-3, abs=1e-3)
        curvature = approx_fprime(found.x, lambda b, f=value: approx_fprime(b, f, 1e-4), 1e-4)
        errors = np.sqrt(np.diag(np.linalg.inv((curvature + curvature.T) / 2))) * [1, 1, 1, sigma]
        assert fit.standard_errors[row] == pytest.approx(errors, rel=0.02)


def test_a_mean_is_that_of_the_numbers_behind_the_bins() -> None:
    """Where bins counted as their lower edges, a mean of 1.741 became 1.370."""
    y, x, latent = sample(4000)
    fit = fit_interval(y, CUTS, x)
    exact = np.linalg.lstsq(x, latent, rcond=None)[0]
    assert np.abs(fit.estimates[0, :3] - exact) == pytest.approx(0, abs=3 * fit.standard_errors[0, :3].max())
    edges = np.r_[0, CUTS][y]
    assert abs(np.linalg.lstsq(x, edges, rcond=None)[0][0] - exact[0]) > 2


def test_clusters_of_one_row_are_the_sandwich_and_of_copies_the_plain_errors() -> None:
    y, x, _ = sample()
    plain = fit_interval(y, CUTS, x)
    twice = fit_interval(np.r_[y, y], CUTS, np.vstack([x, x]), covariance="cluster", clusters=np.tile(range(300), 2))
    single = fit_interval(y, CUTS, x, covariance="cluster", clusters=np.arange(300))
    assert twice.standard_errors == pytest.approx(single.standard_errors, rel=0.01)
    assert single.standard_errors == pytest.approx(plain.standard_errors, rel=0.15)
    assert single.df[0] == 299


def test_what_cannot_be_fitted_has_a_reason() -> None:
    y, x, _ = sample()
    assert fit_interval(np.minimum(y, 1), CUTS, x).status[0] == Status.TOO_FEW
    assert fit_interval(np.zeros(300), CUTS, x).status[0] == Status.CONSTANT_OUTCOME
    assert fit_interval(y, CUTS, np.ones((300, 2))).reason().startswith("predictors are constant or collinear")
    with pytest.raises(ValueError, match="rising numbers"):
        fit_interval(y, CUTS[::-1], x)
