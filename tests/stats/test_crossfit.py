from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from ppi_py import crossppi_mean_ci, crossppi_mean_pointestimate, crossppi_ols_pointestimate
from statsmodels.treatment.treatment_effects import TreatmentEffect

from simbench.stats import Sample, fit_glm, fit_ordered, generator, rectified_glm
from simbench.stats.crossfit import (
    Evidence,
    Rows,
    crossfit_contrast,
    crossfit_glm,
    crossfit_ordered,
    median_of_splits,
    tuned,
)

Floats = NDArray[np.float64]


def mean_rows(values: Floats, unit: NDArray[np.int64] | None = None, weights: Floats | None = None) -> Rows:
    return Rows(values, np.ones((len(values), 1)), np.arange(len(values)) if unit is None else unit, weights)


def people(n: int, rest: int, seed: int = 0) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Design, answers and predictions of the labelled; design and predictions of three folds' models of the rest."""
    rng = generator(seed, "crossfit")
    x = np.column_stack([np.ones(n + rest), rng.normal(size=(n + rest, 2))])
    y = x @ [0.5, 1.0, -0.5] + rng.normal(size=n + rest)
    told = x @ [0.2, 0.7, -0.1] + 0.5 * rng.normal(size=n + rest)
    several = told[n:, None] + 0.2 * rng.normal(size=(rest, 3))
    return x[:n], y[:n], told[:n], x[n:], several


def test_a_mean_equals_cross_prediction_of_ppi_python() -> None:
    _, y, told, _, several = people(120, 500)
    evidence = Evidence(mean_rows(y), mean_rows(told), unlabelled=mean_rows(several.mean(axis=1)))
    found = crossfit_glm("ols", evidence, power=1.0)
    assert found.estimates[0] == pytest.approx(crossppi_mean_pointestimate(y, told, several), abs=1e-8)
    low, high = crossppi_mean_ci(y, told, several, alpha=0.05)
    variance = (y - told).var() * 120 / 119**2 + several.mean(axis=1).var() * 500 / 499**2
    assert found.standard_errors[0] == pytest.approx(np.sqrt(variance), rel=1e-8)
    normal = 2 * 1.959963984540054 * np.sqrt(variance)
    assert normal == pytest.approx(high - low, rel=0.01)


def test_least_squares_equals_cross_prediction_of_ppi_python() -> None:
    x, y, told, x_rest, several = people(150, 400)
    evidence = Evidence(
        Rows(y, x, np.arange(150)),
        Rows(told, x, np.arange(150)),
        unlabelled=Rows(several.mean(axis=1), x_rest, np.arange(400)),
    )
    found = crossfit_glm("ols", evidence, power=1.0)
    assert found.estimates == pytest.approx(crossppi_ols_pointestimate(x, y, told, x_rest, several), abs=1e-8)


def test_tuning_equals_that_of_rectified_estimates_but_for_the_degree_of_freedom() -> None:
    x, y, told, x_rest, several = people(150, 400)
    one = several.mean(axis=1)
    evidence = Evidence(
        Rows(y, x, np.arange(150)), Rows(told, x, np.arange(150)), unlabelled=Rows(one, x_rest, np.arange(400))
    )
    found = crossfit_glm("ols", evidence)
    other = rectified_glm("ols", Sample(y, x), Sample(told, x), Sample(one, x_rest))
    assert found.power[:, 1] == pytest.approx(other.power, abs=1e-8)
    assert np.isnan(found.power[:, 0]).all()
    assert found.estimates == pytest.approx(other.estimates, abs=1e-8)
    assert found.human == pytest.approx(sm.OLS(y, x).fit().params, abs=1e-10)
    assert found.human_errors == pytest.approx(sm.OLS(y, x).fit(cov_type="HC3").bse, abs=1e-10)


def arm_evidence(y: Floats, arm: NDArray[Any], chances: Floats, which: int) -> Evidence:
    """Mean of one arm; ``chances`` (n, 2) are predictions under both."""
    at = np.flatnonzero(arm == which)
    return Evidence(mean_rows(y[at], at), mean_rows(chances[at, which], at), arms=mean_rows(chances[:, which]))


def test_an_effect_with_all_power_equals_the_regression_adjustment_of_statsmodels() -> None:
    """AIPW with predictions of each arm's own least squares and known shares *is* regression adjustment."""
    import pandas as pd

    rng = generator(3, "effect")
    n = 200
    x, arm = rng.normal(size=n), rng.permutation(np.arange(n) % 2)
    y = 0.3 + x + 0.7 * arm + 0.4 * arm * x + rng.normal(size=n)
    chances = np.empty((n, 2))
    design = sm.add_constant(x)
    for which in (0, 1):
        chances[:, which] = design @ sm.OLS(y[arm == which], design[arm == which]).fit().params
    found = crossfit_contrast(arm_evidence(y, arm, chances, 1), arm_evidence(y, arm, chances, 0), power=1.0)
    frame = pd.DataFrame({"y": y, "x": x, "arm": arm})
    adjusted = TreatmentEffect(
        sm.OLS.from_formula("y ~ x", frame), arm, results_select=sm.Logit.from_formula("arm ~ 1", frame).fit(disp=0)
    ).ra(return_results=False)
    assert found.estimates[0] == pytest.approx(adjusted[0], abs=1e-8)
    plain = y[arm == 1].mean() - y[arm == 0].mean()
    assert found.human[0] == pytest.approx(plain, abs=1e-12)
    errors = np.sqrt(sum(y[arm == a].var(ddof=1) / (y[arm == a].size - 1) for a in (0, 1)))
    assert found.human_errors[0] == pytest.approx(errors, rel=1e-8)


def test_an_aipw_effect_by_its_textbook_formula() -> None:
    """Any predictions, power 1, unequal arms: the mean of f1 - f0 over all, plus mean residuals of each arm."""
    rng = generator(4, "aipw")
    n = 90
    arm = (rng.permutation(n) < 30).astype(float)
    chances, y = rng.normal(size=(n, 2)), rng.normal(size=n) + arm
    found = crossfit_contrast(arm_evidence(y, arm, chances, 1), arm_evidence(y, arm, chances, 0), power=1.0)
    one, none = arm == 1, arm == 0
    by_hand = (chances[:, 1] - chances[:, 0]).mean()
    by_hand += (y[one] - chances[one, 1]).mean() - (y[none] - chances[none, 0]).mean()
    assert found.estimates[0] == pytest.approx(by_hand, abs=1e-10)


@pytest.mark.parametrize("family", ["ols", "logit", "poisson"])
def test_a_worthless_simulation_leaves_the_human_estimate(family: str) -> None:
    rng = generator(5, family)
    x = np.column_stack([np.ones(80), rng.normal(size=80)])
    y = rng.integers(0, 2, 80).astype(float)
    flipped = Rows(1 - y, x, np.arange(80))
    found = crossfit_glm(
        family, Evidence(Rows(y, x, np.arange(80)), flipped, unlabelled=Rows(1 - y, x, np.arange(80)))
    )
    assert found.estimates == pytest.approx(fit_glm(family, y, x).estimates[0], abs=1e-10)
    assert (found.width_ratio == 1).all()
    assert found.more_humans == pytest.approx(0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 60), st.sampled_from(["ols", "logit"]))
def test_intervals_are_never_wider_than_those_of_humans_alone(seed: int, n: int, family: str) -> None:
    rng = generator(seed, "never wider")
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = rng.integers(0, 2, n).astype(float)
    told, rest = rng.random(n), rng.random(2 * n)
    far = np.column_stack([np.ones(2 * n), rng.normal(size=2 * n)])
    found = crossfit_glm(
        family,
        Evidence(Rows(y, x, np.arange(n)), Rows(told, x, np.arange(n)), unlabelled=Rows(rest, far, np.arange(2 * n))),
    )
    if np.isfinite(found.estimates).all():
        assert (found.high - found.low <= found.human_high - found.human_low + 1e-12).all()


def test_an_ordered_logit_of_exact_predictions_gains_and_of_none_is_the_human_fit() -> None:
    rng = generator(6, "ordered")
    n, rest = 300, 3000
    x = rng.normal(size=(n + rest, 1))
    latent = x[:, 0] + rng.logistic(size=n + rest)
    codes = np.digitize(latent, [-1.0, 1.0])
    shares = np.eye(3)[codes]
    human = Rows(shares[:n], x[:n], np.arange(n))
    found = crossfit_ordered(Evidence(human, human, unlabelled=Rows(shares[n:], x[n:], np.arange(rest))), 3)
    alone = fit_ordered(codes[:n], x[:n])
    assert found.human == pytest.approx(alone.estimates[0, :1], abs=1e-8)
    robust = fit_ordered(codes[:n], x[:n], covariance="HC1")
    assert found.human_errors == pytest.approx(robust.standard_errors[0, :1], rel=0.03)
    everybody = fit_ordered(codes, x).estimates[0, 0]
    assert found.width_ratio[0] < 0.4
    assert abs(found.estimates[0] - everybody) < abs(found.human[0] - everybody)


def test_clusters_widen_and_weights_move_both_estimates() -> None:
    _, y, told, _, several = people(120, 300)
    villages, weights = np.arange(120) // 10, np.linspace(0.5, 2, 120)
    shifted = y + np.repeat(generator(1, "villages").normal(size=12), 10)
    rest = mean_rows(several.mean(axis=1))
    alone = crossfit_glm("ols", Evidence(mean_rows(shifted), mean_rows(told), unlabelled=rest))
    together = crossfit_glm("ols", Evidence(mean_rows(shifted, villages), mean_rows(told, villages), unlabelled=rest))
    cluster = sm.OLS(shifted, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": villages})
    assert together.human_errors[0] == pytest.approx(cluster.bse[0], rel=0.02)
    assert together.human_errors[0] > alone.human_errors[0]
    weighted = Evidence(mean_rows(y, weights=weights), mean_rows(told, weights=weights), unlabelled=rest)
    assert crossfit_glm("ols", weighted).human[0] == pytest.approx(np.average(y, weights=weights), abs=1e-12)


def test_lambdas_solve_the_nonnegative_least_squares_of_scipy() -> None:
    from scipy.optimize import nnls

    rng = generator(7, "nonnegative")
    for _ in range(20):
        table, target = rng.normal(size=(30, 4)), rng.normal(size=30)
        table[:, 1] += table[:, 0]
        wanted, _ = nnls(table, target)
        found = tuned((table.T @ table)[None], (table.T @ target)[None])
        assert found[0] == pytest.approx(wanted, abs=1e-8)


def test_what_cannot_be_computed_says_why() -> None:
    ones = np.ones((2, 1))
    few = crossfit_glm("ols", Evidence(Rows(np.array([1.0]), ones[:1], np.array([0]))))
    assert np.isnan(few.estimates).all()
    assert few.reason.startswith("people:")
    x = np.column_stack([np.ones(40), np.zeros(40)])
    rng = generator(8, "constant")
    real = np.column_stack([np.ones(40), rng.normal(size=40)])
    y = rng.normal(size=40)
    told = Rows(y, x, np.arange(40))
    found = crossfit_glm("ols", Evidence(Rows(y, real, np.arange(40)), told, unlabelled=told))
    assert "constant" in found.reason
    assert found.estimates == pytest.approx(found.human)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 3)), min_size=1, max_size=9), st.randoms())
def test_splits_are_put_together_by_medians(drawn: list[tuple[float, float]], chance: Any) -> None:
    estimates, errors = (np.array(each) for each in zip(*drawn, strict=True))
    middle, error = map(float, median_of_splits(estimates, errors))
    assert middle == pytest.approx(np.sort(estimates)[[(len(drawn) - 1) // 2, len(drawn) // 2]].mean())
    assert error**2 == pytest.approx(np.median([e**2 + (t - middle) ** 2 for t, e in drawn]))
    assert error >= np.sqrt(np.median(errors**2)) - 1e-12
    chance.shuffle(drawn)
    again = map(float, median_of_splits(*(np.array(each) for each in zip(*drawn, strict=True))))
    assert (middle, error) == pytest.approx(tuple(again))
    alone = map(float, median_of_splits(estimates[:1], errors[:1]))
    assert tuple(alone) == pytest.approx((estimates[0], errors[0]))
