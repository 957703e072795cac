from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from ppi_py import (
    ppi_logistic_ci,
    ppi_logistic_pointestimate,
    ppi_mean_ci,
    ppi_mean_pointestimate,
    ppi_ols_ci,
    ppi_ols_pointestimate,
)

from simbench.stats import Sample, fit_glm, generator, rectified_glm, rectified_mean

Floats = NDArray[np.float64]


def samples(family: str, n: int, rest: int, seed: int = 0, noise: float = 0.5) -> tuple[Sample, Sample, Sample]:
    """Human, predicted and unlabelled answers; predictions share part of the human noise."""
    rng = generator(seed, "rectified", family)
    total = n + rest
    x = np.column_stack([np.ones(total), rng.integers(0, 2, total), rng.normal(size=total)])
    eta, shared = x @ [0.2, 0.6, -0.4], rng.logistic(size=total)
    human, simulated = eta + shared, 0.5 * eta + shared + noise * rng.logistic(size=total)
    if family == "logit":
        human, simulated = (human > 0).astype(float), (simulated > 0).astype(float)
    return Sample(human[:n], x[:n]), Sample(simulated[:n], x[:n]), Sample(simulated[n:], x[n:])


def test_a_mean_equals_ppi_python() -> None:
    human, predicted, rest = (part.outcome for part in samples("ols", 400, 900))
    for power in (0.0, 0.6, 1.0):
        found = rectified_mean(human, predicted, rest, power=power)
        assert found.estimates[0] == pytest.approx(
            ppi_mean_pointestimate(human, predicted, rest, lam=power)[0], abs=1e-9
        )
    tuned = rectified_mean(human, predicted, rest)
    low, high = ppi_mean_ci(human, predicted, rest, alpha=0.05)
    assert (tuned.low[0], tuned.high[0]) == pytest.approx((low[0], high[0]), rel=0.03)


def test_least_squares_equals_ppi_python() -> None:
    human, predicted, rest = samples("ols", 600, 1200)
    table = human.design, human.outcome, predicted.outcome, rest.design, rest.outcome
    for power in (0.0, 0.4, 1.0):
        found = rectified_glm("ols", human, predicted, rest, power=power)
        assert found.estimates == pytest.approx(ppi_ols_pointestimate(*table, lam=power), abs=1e-9)
    tuned = rectified_glm("ols", human, predicted, rest)
    for column in range(3):
        low, high = ppi_ols_ci(*table, alpha=0.05, coord=column)
        assert tuned.low[column] == pytest.approx(low[column], abs=0.1 * tuned.standard_errors[column])
        assert tuned.high[column] == pytest.approx(high[column], abs=0.1 * tuned.standard_errors[column])


@pytest.mark.filterwarnings("ignore:'penalty' was deprecated:FutureWarning")
def test_logit_is_close_to_ppi_python_in_large_samples() -> None:
    human, predicted, rest = samples("logit", 3000, 6000)
    table = human.design, human.outcome, predicted.outcome, rest.design, rest.outcome
    found = rectified_glm("logit", human, predicted, rest, power=0.7)
    other = ppi_logistic_pointestimate(*table, lam=0.7)
    assert found.estimates == pytest.approx(other, abs=0.15 * found.standard_errors.min())
    low, high = ppi_logistic_ci(*table, alpha=0.05, lam=0.7)
    assert found.high - found.low == pytest.approx(high - low, rel=0.03)


def test_no_power_is_the_classical_fit() -> None:
    human, predicted, rest = samples("logit", 200, 300)
    found = rectified_glm("logit", human, predicted, rest, power=0)
    assert found.estimates == pytest.approx(fit_glm("logit", human.outcome, human.design).estimates[0])
    assert found.n_effective == pytest.approx(200)
    assert found.standard_errors == pytest.approx(found.classical_errors)


def test_good_predictions_are_worth_people_and_noise_is_worth_none() -> None:
    human, predicted, rest = samples("ols", 200, 4000, noise=0.2)
    good = rectified_glm("ols", human, predicted, rest)
    assert (good.n_effective > 1000).all()
    assert (good.power > 0.8).all()
    rng = generator(1)
    useless = rectified_glm(
        "ols", human, replace(predicted, outcome=rng.normal(size=200)), replace(rest, outcome=rng.normal(size=4000))
    )
    assert useless.n_effective == pytest.approx(200, rel=0.05)


@pytest.mark.parametrize("family", ["ols", "logit"])
def test_intervals_cover_whatever_the_simulation_is_like(family: str) -> None:
    truth = {"ols": np.array([0.2, 0.6, -0.4]), "logit": np.array([0.2, 0.6, -0.4])}[family]
    for bias in (0.0, 3.0):
        hits = np.zeros(3)
        for seed in range(400):
            human, predicted, rest = samples(family, 80, 300, seed + 1)
            if family == "ols":
                predicted, rest = (replace(part, outcome=part.outcome + bias) for part in (predicted, rest))
            elif bias:
                predicted, rest = (replace(part, outcome=1 - part.outcome) for part in (predicted, rest))
            found = rectified_glm(family, human, predicted, rest)
            hits += (found.low <= truth) & (truth <= found.high)
        # 400 repetitions: three standard errors are 0.033.
        assert hits / 400 == pytest.approx(0.955, abs=0.04)


def test_predictors_that_are_answers_may_be_simulated_too() -> None:
    truth, hits = np.array([0.2, 0.6, -0.4]), 0.0
    for seed in range(300):
        human, predicted, rest = samples("ols", 80, 300, seed + 1)
        flat = np.array([1.0, 1.0, 0.3])
        found = rectified_glm(
            "ols", human, replace(predicted, design=predicted.design * flat), replace(rest, design=rest.design * flat)
        )
        hits += ((found.low <= truth) & (truth <= found.high)).mean()
    assert hits / 300 == pytest.approx(0.955, abs=0.03)


def test_clusters_of_identical_rows_count_once() -> None:
    human, predicted, rest = samples("ols", 60, 200)
    once = rectified_glm("ols", human, predicted, rest, power=0.5)

    def tripled(part: Sample) -> Sample:
        n = part.outcome.size
        return Sample(np.repeat(part.outcome, 3), np.repeat(part.design, 3, axis=0), None, np.repeat(np.arange(n), 3))

    thrice = rectified_glm("ols", tripled(human), tripled(predicted), tripled(rest), power=0.5)
    assert thrice.estimates == pytest.approx(once.estimates)
    assert thrice.n_labelled == 60
    assert thrice.standard_errors == pytest.approx(once.standard_errors, rel=0.08)


def test_weights_undo_a_pilot_drawn_with_unequal_chances() -> None:
    rng = generator(5)
    minority = np.r_[np.ones(4000), np.zeros(4000)]
    y = 2 * minority + rng.normal(size=8000)
    one = np.ones((8000, 1))
    population_share = 0.2
    weights = np.where(minority == 1, population_share, 1 - population_share)
    rest_minority = rng.random(3000) < population_share
    rest = 2.0 * rest_minority + rng.normal(size=3000)
    found = rectified_glm("ols", Sample(y, one, weights), Sample(y, one), Sample(rest, np.ones((3000, 1))))
    assert found.estimates[0] == pytest.approx(2 * population_share, abs=0.08)
    assert found.classical[0] == pytest.approx(2 * population_share, abs=0.08)


def test_what_cannot_be_rectified_says_why() -> None:
    human, predicted, rest = samples("logit", 40, 100)
    constant = rectified_glm("logit", replace(human, outcome=np.ones(40)), predicted, rest)
    assert constant.reason == "labelled people: everyone gave the same answer to the outcome"
    assert np.isnan(constant.estimates).all()
    assert np.isnan(constant.n_effective).all()
    stuck = rectified_glm("logit", human, replace(predicted, design=predicted.design * [1, 1, 0]), rest)
    assert stuck.reason.startswith("simulated answers of the predicted: predictors are constant")
    with pytest.raises(ValueError, match="same people"):
        rectified_glm("logit", human, rest, rest)


def test_simulated_answers_that_separate_are_no_obstacle() -> None:
    human, predicted, rest = samples("logit", 80, 200)
    same = [replace(part, outcome=(part.design[:, 2] > 0).astype(float)) for part in (predicted, rest)]
    found = rectified_glm("logit", human, *same)
    assert found.reason == ""
    assert np.isfinite(found.estimates).all()
    assert found.n_differing == (human.outcome != same[0].outcome).sum()
