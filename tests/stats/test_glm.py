import warnings
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog
from statsmodels.discrete.discrete_model import Logit, Poisson

from simbench.stats import Fit, Status, bootstrap_weights, fit_glm, generator

Floats = NDArray[np.float64]


def sample(family: str, n: int = 240, seed: int = 0) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Outcome, design with badly scaled columns, and person of each row."""
    rng = generator(seed, "regression", family)
    treat = rng.integers(0, 2, n)
    group = rng.integers(0, 3, n)
    age = rng.normal(40, 15, n)
    x = np.stack(
        [np.ones(n), treat, group == 1, group == 2, age, treat * (group == 1), 1e-2 * rng.normal(0, 1, n)],
        axis=1,
    ).astype(np.float64)
    eta = 0.3 + 0.6 * treat - 0.5 * x[:, 2] + 0.02 * (age - 40) + 30 * x[:, 6]
    persons = np.arange(n) // 4
    eta = eta + rng.normal(0, 0.5, n // 4)[persons]
    y = {
        "ols": eta + rng.normal(0, 1, n) * (1 + treat),
        "logit": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.float64),
        "poisson": rng.poisson(np.exp(eta)).astype(np.float64),
    }[family]
    return y, x, persons


def reference(family: str, y: Floats, x: Floats, covariance: str, persons: Any = None) -> Any:
    kind = "nonrobust" if covariance == "model" else covariance
    words: dict[str, Any] = {"cov_kwds": {"groups": persons}, "use_t": True} if covariance == "cluster" else {}
    if family == "ols":
        return sm.OLS(y, x).fit(cov_type=kind, **{"use_t": True, **words})
    model = {"logit": Logit, "poisson": Poisson}[family](y, x)
    start = np.zeros(x.shape[1])
    start[0] = np.log(y.mean()) if family == "poisson" else 0
    found = model.fit(start, method="newton", tol=1e-11, maxiter=100, disp=False, cov_type=kind, **words)
    if covariance == "HC1":  # statsmodels leaves out the factor n / (n - p) in its likelihood models
        found._results.cov_params_default = found.cov_params() * y.size / (y.size - x.shape[1])
    return found


def assert_equal(fit: Fit, row: int, other: Any, rel: float = 1e-9) -> None:
    assert fit.status[row] == Status.OK
    assert fit.estimates[row] == pytest.approx(other.params, rel=rel, abs=1e-9)
    assert fit.standard_errors[row] == pytest.approx(other.bse, rel=1e-7)
    assert fit.p_values[row] == pytest.approx(other.pvalues, rel=1e-6, abs=1e-12)
    low, high = fit.interval()
    assert np.stack([low[row], high[row]], axis=1) == pytest.approx(other.conf_int(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("covariance", ["model", "HC0", "HC1", "cluster"])
@pytest.mark.parametrize("family", ["ols", "logit", "poisson"])
def test_fits_equal_statsmodels(family: str, covariance: str) -> None:
    y, x, persons = sample(family)
    fit = fit_glm(family, y, x, covariance=covariance, clusters=persons)
    assert_equal(fit, 0, reference(family, y, x, covariance, persons))


def test_hc3_equals_statsmodels() -> None:
    y, x, _ = sample("ols")
    assert_equal(fit_glm("ols", y, x, covariance="HC3"), 0, reference("ols", y, x, "HC3"))


CASES = [
    *((family, covariance) for family in ("ols", "logit", "poisson") for covariance in ("model", "HC1", "cluster")),
    ("ols", "HC3"),
]


@pytest.mark.parametrize(("family", "covariance"), CASES)
def test_a_weight_is_the_row_so_many_times(family: str, covariance: str) -> None:
    y, x, persons = sample(family)
    clustered = covariance == "cluster"
    weights = bootstrap_weights(y.size, 3, generator(2), clusters=persons if clustered else None)
    fit = fit_glm(family, y, x, weights, covariance=covariance, clusters=persons)
    for row in range(1, 4):
        times = weights[row].astype(int)
        # A person drawn twice is two persons.
        copies = np.concatenate([np.arange(t) for t in times]) if clustered else 0
        who = np.repeat(persons, times) * 100 + copies
        assert_equal(fit, row, reference(family, np.repeat(y, times), np.repeat(x, times, axis=0), covariance, who))


def test_many_rows_in_chunks_are_the_same_as_one_by_one() -> None:
    y, x, _ = sample("logit", n=60)
    weights = bootstrap_weights(60, 12_000, generator(3))
    fit = fit_glm("logit", y, x[:, :3], weights)
    for row in (0, 1, 5999, 12_000):
        single = fit_glm("logit", y, x[:, :3], weights[row])
        assert fit.status[row] == single.status[0]
        assert fit.estimates[row] == pytest.approx(single.estimates[0], rel=1e-10, nan_ok=True)


def failure(family: str, y: Any, x: Any, weights: Any = None, **options: Any) -> Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_glm(family, y, x, weights, names=("Intercept", "a", "b")[: np.shape(x)[1]], **options)
    bad = ~fit.ok
    assert np.isnan(fit.estimates[bad]).all()
    assert np.isnan(fit.standard_errors[bad]).all()
    assert np.isnan(fit.p_values[bad]).all()
    assert np.isfinite(fit.estimates[fit.ok]).all()
    return fit


ONE = np.ones(8)
A = np.array([0, 0, 0, 0, 1, 1, 1, 1.0])
B = np.array([0, 1, 0, 1, 0, 1, 0, 1.0])


@pytest.mark.parametrize("family", ["ols", "logit", "poisson"])
def test_what_cannot_be_fitted_says_why(family: str) -> None:
    mixed = np.array([0, 1, 1, 0, 1, 0, 1, 1.0])
    constant = failure(family, ONE, np.stack([ONE, A], 1))
    assert constant.reason() == "everyone gave the same answer to the outcome"
    collinear = failure(family, mixed, np.stack([ONE, A, 1 - A], 1))
    assert collinear.reason() == "predictors are constant or collinear: b"
    few = failure(family, mixed[:2], np.stack([ONE, A], 1)[:2])
    assert few.reason() == "too few respondents for the number of coefficients"
    # The level A = 1 is absent from resample 1; resample 2 holds one person only; resample 3 is fine.
    weights = np.array([ONE, 2 * (1 - A), 8 * (np.arange(8) == 1), ONE])
    fit = failure(family, mixed, np.stack([ONE, A], 1), weights)
    assert fit.status.tolist() == [Status.OK, Status.RANK_DEFICIENT, Status.TOO_FEW, Status.OK]
    assert fit.failures() == {Status.TOO_FEW: 1, Status.RANK_DEFICIENT: 1}
    assert fit.reason() == fit.reason(3) == ""


def test_separation_is_found_and_the_culprit_named() -> None:
    complete = failure("logit", A, np.stack([ONE, B, A], 1))
    assert complete.status[0] == Status.SEPARATION
    assert complete.reason().endswith(": b")
    quasi = failure("logit", A * B, np.stack([ONE, A, [0, 1, 0, 1, 0, 0, 1, 1]], 1))
    assert quasi.status[0] == Status.SEPARATION
    assert quasi.reason().endswith(": a")
    zeros = failure("poisson", [0, 0, 0, 0, 1, 3, 2, 1.0], np.stack([ONE, A], 1))
    assert zeros.reason().endswith(": a")


def test_a_perfect_fit_has_no_standard_errors() -> None:
    fit = failure("ols", 2 + 3 * A - B, np.stack([ONE, A, B], 1))
    assert fit.status[0] == Status.PERFECT_FIT


def test_one_cluster_is_too_few() -> None:
    fit = failure("ols", [1, 2, 4, 3, 5, 1, 2, 3.0], np.stack([ONE, A], 1), covariance="cluster", clusters=ONE)
    assert fit.status[0] == Status.TOO_FEW


def separable(y: Floats, x: Floats) -> bool:
    """Ask a linear programme: is there a direction with no row on the wrong side and some on the right?"""
    signed = x * np.where(y == 1, 1.0, -1.0)[:, None]
    found: Any = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(y.size), bounds=(-1, 1), method="highs")
    return bool(found.fun < -1e-7)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 100_000), st.integers(6, 30), st.booleans())
def test_separation_agrees_with_a_linear_programme(seed: int, n: int, binary: bool) -> None:
    rng = generator(seed)
    x = rng.integers(0, 2, (n, 3)).astype(float) if binary else rng.standard_normal((n, 3))
    x[:, 0] = 1
    y = (rng.random(n) < 0.4).astype(float)
    fit = failure("logit", y, x)
    if fit.status[0] in (Status.OK, Status.SEPARATION):
        assert (fit.status[0] == Status.SEPARATION) == separable(y, x)
    else:
        assert fit.status[0] in (Status.CONSTANT_OUTCOME, Status.RANK_DEFICIENT)


def test_nearly_separated_data_still_have_a_maximum() -> None:
    # 999 of 1000 against 1 of 1000: log odds near 6.9 on both sides.
    x = np.stack([np.ones(4), [0, 0, 1, 1.0]], 1)
    fit = fit_glm("logit", [0, 1, 0, 1.0], x, np.array([[999, 1, 1, 999], [1e6 - 1, 1, 1, 1e6 - 1]]))
    assert fit.estimates[0] == pytest.approx([-np.log(999), 2 * np.log(999)], rel=1e-9)
    assert fit.estimates[1] == pytest.approx([-np.log(1e6 - 1), 2 * np.log(1e6 - 1)], rel=1e-9)


def test_large_counts_do_not_overflow() -> None:
    y = np.array([0, 2, 1e6, 2e6, 3, 1, 1.5e6, 1e6])
    x = np.stack([ONE, [0, 0, 1, 1, 0, 0, 1, 1.0]], 1)
    fit = failure("poisson", y, x)
    assert fit.estimates[0] == pytest.approx([np.log(1.5), np.log(1.375e6 / 1.5)], rel=1e-9)


def test_select_keeps_the_named_coefficients_in_order() -> None:
    y, x, _ = sample("ols")
    fit = fit_glm("ols", y, x)
    part = fit.select(("x4", "x1"))
    assert part.estimates.tolist() == fit.estimates[:, [4, 1]].tolist()
    assert part.standard_errors.tolist() == fit.standard_errors[:, [4, 1]].tolist()


@pytest.mark.parametrize(
    ("family", "outcome", "options", "match"),
    [
        ("probit", A, {}, "family must be one of"),
        ("logit", A + 1, {}, "only 0 and 1"),
        ("poisson", A - 1, {}, "0 or more"),
        ("ols", np.where(A, np.nan, 1), {}, "missing"),
        ("ols", A, {"covariance": "HC9"}, "covariance of 'ols'"),
        ("logit", A, {"covariance": "HC3"}, "covariance of 'logit'"),
        ("ols", A, {"covariance": "cluster"}, "needs clusters"),
        (
            "ols",
            A,
            {"covariance": "cluster", "clusters": [0, 0, 1, 1, 2, 2, 3, 3], "weights": [1 + B]},
            "constant within a cluster",
        ),
        ("ols", A[:3], {}, "must agree"),
    ],
)
def test_bad_arguments_are_refused(family: str, outcome: Any, options: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        fit_glm(family, outcome, np.stack([ONE, B], 1), **options)


@pytest.mark.parametrize("family", ["ols", "logit"])
def test_a_fit_of_some_rows_of_each_cluster_is_that_of_those_rows_alone(family: str) -> None:
    rng = generator(4)
    who, x = np.repeat(np.arange(30), 6), rng.standard_normal(180)
    y = x + np.repeat(rng.standard_normal(30), 6) + rng.standard_normal(180)
    y = (y > 0).astype(float) if family == "logit" else y
    design, here = np.stack([np.ones(180), x], 1), rng.random(180) < 0.5
    weights = np.stack([np.ones(180), here])
    fit = fit_glm(family, y, design, weights, covariance="cluster", clusters=who)  # type: ignore[arg-type]
    model = sm.OLS if family == "ols" else sm.Logit
    options = {"cov_type": "cluster", "cov_kwds": {"groups": who[here]}}
    known = model(y[here], design[here]).fit(disp=0, use_t=True, **options)
    assert fit.estimates[1] == pytest.approx(known.params, rel=1e-6)
    assert np.sqrt(np.diagonal(fit.covariance[1])) == pytest.approx(known.bse, rel=1e-6)
    assert fit.df[1] == len(set(who[here])) - 1
