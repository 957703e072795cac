"""Survey weights in regressions: against statsmodels' weighted fits, whose sandwich they must give."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from simbench.stats import fit_glm, fit_multinomial, fit_ordered
from simbench.stats.regression import fit_interval

FAMILIES = {"ols": sm.families.Gaussian(), "logit": sm.families.Binomial(), "poisson": sm.families.Poisson()}


def sample(seed: int, n: int = 300) -> dict[str, Any]:
    """Predictors, outcomes of every family, weights with a mean of 1, and clusters."""
    rng = np.random.default_rng(seed)
    x = np.c_[np.ones(n), rng.normal(size=(n, 2))]
    latent = x @ [0.3, 0.6, -0.4] + rng.normal(size=n)
    weights = rng.uniform(0.2, 5, n)
    return {
        "x": x,
        "ols": latent,
        "logit": (latent > 0.4).astype(float),
        "poisson": np.floor(np.abs(latent) * 2),
        "levels": np.digitize(latent, [-0.7, 0.4, 1.2]),
        "weights": weights / weights.mean(),
        "clusters": rng.integers(0, 30, n),
    }


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["HC0", "HC1", "cluster"])
def test_weighted_fits_are_those_of_statsmodels(family: str, kind: str) -> None:
    """Coefficients and errors; the second row of weights is a resample, which is the rows repeated."""
    made = sample(1)
    times = np.random.default_rng(2).integers(0, 3, 30)[made["clusters"]]
    weights = np.stack([made["weights"], times * made["weights"]])
    fit = fit_glm(
        family,
        made[family],
        made["x"],
        weights,
        covariance=kind,
        clusters=made["clusters"],
        survey=made["weights"],
    )
    for row, count in enumerate((np.ones(300, int), times)):
        rows = np.repeat(np.arange(300), count)
        # A cluster drawn twice is two clusters.
        place = np.concatenate([np.arange(each) for each in count]) if row else np.zeros(300, int)
        groups = made["clusters"][rows] + 1000 * place
        robust = {"cov_type": kind, "cov_kwds": {"groups": groups} if kind == "cluster" else None}
        y, x, w = made[family][rows], made["x"][rows], made["weights"][rows]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # statsmodels says that few have tried it
            if family == "ols":
                other = sm.WLS(y, x, weights=w).fit(**robust)
            else:
                other = sm.GLM(y, x, family=FAMILIES[family], var_weights=w).fit(**robust, tol=1e-14)
        assert fit.estimates[row] == pytest.approx(other.params, abs=1e-9)
        # statsmodels' GLM has HC1 without the factor that its WLS has.
        factor = np.sqrt(len(rows) / (len(rows) - 3)) if kind == "HC1" and family != "ols" else 1.0
        assert fit.standard_errors[row] == pytest.approx(other.bse * factor, rel=1e-8)
        assert fit.n[row] == len(rows)


@pytest.mark.parametrize("clustered", [False, True])
def test_families_of_levels_have_the_sandwich_of_their_scores(clustered: bool) -> None:
    """Two levels: ordered, multinomial and plain logit are one model; interval regression against its own scores."""
    made = sample(3)
    w, kind = made["weights"], "cluster" if clustered else "HC1"
    more: dict[str, Any] = {"covariance": kind, "clusters": made["clusters"], "survey": w}
    codes = made["logit"].astype(int)
    plain = fit_glm("logit", made["logit"], made["x"], w, **more)
    ordered = fit_ordered(codes, made["x"][:, 1:], w, **more)
    multinomial = fit_multinomial(codes, made["x"], w, **more)
    assert ordered.estimates[0, :2] == pytest.approx(plain.estimates[0, 1:], abs=1e-8)
    assert ordered.standard_errors[0, :2] == pytest.approx(plain.standard_errors[0, 1:], rel=1e-6)
    assert multinomial.standard_errors[0] == pytest.approx(plain.standard_errors[0], rel=1e-6)
    assert ordered.df[0] == plain.df[0] if clustered else np.isinf(ordered.df[0])


@pytest.mark.parametrize("clustered", [False, True])
def test_interval_regression_has_the_sandwich_of_its_scores(clustered: bool) -> None:
    """Scores and information by differences of the weighted log-likelihood."""
    from scipy.stats import norm

    made, n = sample(3), 300
    w, edges = made["weights"], np.array([-0.7, 0.4, 1.2])
    ends = np.r_[-np.inf, edges, np.inf]
    low, high = ends[made["levels"]], ends[made["levels"] + 1]

    def each(b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        mean = made["x"] @ b[:3]
        return np.log(norm.cdf((high - mean) / b[3]) - norm.cdf((low - mean) / b[3]))

    best = minimize(
        lambda b: -(w * each(b)).sum(),
        [0.3, 0.6, -0.4, 1.0],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 5000},
    ).x
    step = 1e-4 * np.eye(4)
    scores = np.stack([(each(best + h) - each(best - h)) / 2e-4 for h in step], axis=1) * w[:, None]
    total = lambda b: (w * each(b)).sum()  # noqa: E731
    curve = [
        [(total(best + a + b) - total(best + a - b) - total(best - a + b) + total(best - a - b)) / 4e-8 for a in step]
        for b in step
    ]
    bread, factor = np.linalg.inv(-np.array(curve)), n / (n - 4)
    if clustered:
        scores = np.stack([scores[made["clusters"] == group].sum(axis=0) for group in range(30)])
        factor = 30 / 29 * (n - 1) / (n - 4)
    errors = np.sqrt(np.diag(bread @ (scores.T @ scores) @ bread) * factor)
    fit = fit_interval(
        made["levels"],
        edges,
        made["x"],
        w,
        covariance="cluster" if clustered else "HC1",
        clusters=made["clusters"],
        survey=w,
    )
    assert fit.estimates[0] == pytest.approx(best, abs=1e-5)
    assert fit.standard_errors[0] == pytest.approx(errors, rel=1e-3)


@pytest.mark.parametrize(
    ("survey", "covariance", "words"),
    [
        (np.zeros(300), "HC1", "finite and above 0"),
        (np.full(300, np.nan), "HC1", "finite and above 0"),
        (np.ones(5), "HC1", "one per row"),
        (np.ones(300), "model", "need a covariance HC0"),
    ],
)
def test_weights_that_cannot_be_are_refused(survey: Any, covariance: str, words: str) -> None:
    """Never fitted as if nothing were wrong."""
    made = sample(1)
    with pytest.raises(ValueError, match=words):
        fit_glm("ols", made["ols"], made["x"], covariance=covariance, survey=survey)
