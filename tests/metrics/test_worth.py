"""Worth, trusted size, individual level: against ppi_py, scikit-learn, hand-worked cases, and known truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
from sklearn.metrics import log_loss

from simbench.design import Regression
from simbench.metrics.base import Comparison
from simbench.metrics.individual import Individual
from simbench.metrics.trusted_size import TrustedSize
from simbench.metrics.worth import Worth, _outcome

EXACT = {"rel": 1e-9, "abs": 1e-9}


@pytest.fixture
def matched(study: Any) -> Any:
    """A comparison of people with a simulation of those same people."""

    def build(human: pd.DataFrame, simulated: pd.DataFrame, pilot: int = 0, **more: Any) -> Comparison:
        learned = study.side(study.draw(99, max(pilot, 1))[:pilot], 0, 0).people
        rows = np.arange(len(simulated)) % len(human)
        return study.compare(human, simulated, matched=rows, pilot=learned, **more)

    return build


def half_right(human: pd.DataFrame, seed: int, share: float = 0.5) -> pd.DataFrame:
    """A simulation that knows a share of the people, and deals the other answers out at random."""
    rng = np.random.default_rng(seed)
    found = human.copy()
    for name in ("harm", "colour", "mood", "act"):
        rows = np.flatnonzero(rng.random(len(human)) > share)
        found.loc[rows, name] = rng.permutation(human[name].to_numpy()[rows])
    return found


def test_effective_size_by_hand(study: Any, matched: Any) -> None:
    """n / (1 - rho^2 N / (n + N)) with the correlation of answers."""
    human = study.draw(1, 300)
    simulated = half_right(human, 0)
    found = study.scores(Worth, matched(human, simulated, pilot=60))
    for name in ("harm", "mood", "act"):
        score = found["n_effective", name, None, None]
        rho = np.corrcoef(human[name], simulated[name])[0, 1]
        assert score.value[0] == pytest.approx(60 / (1 - rho**2 * 240 / 300), **EXACT)
        assert (score.human[0], score.simulated[0]) == (60, 240)
    green = [(frame["colour"] == "green").astype(float) for frame in (human, simulated)]
    rho = np.corrcoef(*green)[0, 1]
    assert study.value(found, "n_effective", "colour=green") == pytest.approx(60 / (1 - rho**2 * 240 / 300), **EXACT)


def test_effective_size_from_nothing_to_everything(study: Any, matched: Any) -> None:
    human = study.draw(1, 200)
    perfect = study.scores(Worth, matched(human, human.copy(), pilot=50))
    flat = study.scores(Worth, matched(human, human.assign(harm=3), pilot=50))
    against = study.scores(Worth, matched(human, human.assign(harm=6 - human["harm"]), pilot=50))
    assert study.value(perfect, "n_effective", "harm") == pytest.approx(200)
    assert study.value(perfect, "n_effective", "ols: harm: tone") == pytest.approx(200)
    assert study.value(flat, "n_effective", "harm") == 50
    assert study.value(against, "n_effective", "harm") == 50


def test_rectified_means_equal_ppi_py(study: Any, matched: Any) -> None:
    human = study.draw(2, 400)
    simulated = half_right(human, 1)
    comparison = matched(human, simulated, pilot=80)
    found = study.scores(Worth, comparison)
    chosen = comparison.generator("worth", "labelled").permutation(400)[:80]
    inside = np.isin(np.unique(human["participant_id"], return_inverse=True)[1], chosen)
    for name in ("harm", "mood", "act"):
        y, told = human[name].to_numpy(float), simulated[name].to_numpy(float)
        parts = y[inside], told[inside], told[~inside]
        score = found["rectified", name, None, None]
        assert score.value[0] == pytest.approx(float(np.squeeze(ppi_mean_pointestimate(*parts))), rel=2e-3)
        low, high = (float(np.squeeze(end)) for end in ppi_mean_ci(*parts, alpha=0.05))
        # ppi_py: normal quantiles and n; here: t quantiles and n - 1.
        assert np.ptp(score.interval) == pytest.approx(high - low, rel=0.03)
        assert score.human[0] == pytest.approx(y.mean(), **EXACT)
        assert score.simulated[0] == pytest.approx(told[~inside].mean(), **EXACT)


def test_rectified_coefficients_are_near_the_human_ones_whatever_the_simulation(study: Any, matched: Any) -> None:
    """On average over draws, even for a simulation with reversed effects."""
    human = study.draw(3, 600)
    wrong = human.assign(harm=6 - human["harm"], act=1 - human["act"])
    errors = []
    for seed in range(15):
        rng_of = lambda *keys, seed=seed: np.random.default_rng([seed, len(keys)])  # noqa: E731
        found = study.scores(Worth, matched(human, wrong, pilot=250, generator=rng_of))
        score = found["rectified", "ols: harm: tone", None, None]
        errors.append(score.value[0] - score.human[0])
        assert score.simulated[0] < 0 < score.human[0]
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors)) + 1e-6


def test_the_pilot_is_never_labelled(study: Any, matched: Any) -> None:
    """With everybody evaluated, the simulation of the pilot is left out."""
    human = study.draw(1, 120)
    simulated = half_right(human, 0)
    comparison = matched(human, simulated)
    pilot = study.side(human[:40], 0, 0).people
    outside = Comparison(
        comparison.human,
        comparison.simulated,
        study.rule,
        generator=comparison.generator,
        matched=comparison.matched,
        pilot=pilot,
    )
    found = study.scores(Worth, outside)
    rho = np.corrcoef(human["harm"][40:], simulated["harm"][40:])[0, 1]
    assert study.value(found, "n_effective", "harm") == pytest.approx(40 / (1 - rho**2 * 40 / 80), **EXACT)


def test_no_pilot_no_worth_unless_a_number_is_given(study: Any, matched: Any) -> None:
    human = study.draw(1, 100)
    comparison = matched(human, half_right(human, 0))
    assert "no pilot" in str(study.scores(Worth, comparison)["n_effective", None, None, None].reason)
    found = study.scores(Worth, comparison, labelled=30)
    assert found["n_effective", "harm", None, None].n_human == 30


def test_trusted_size_tells_a_shifted_simulation_from_a_good_one(study: Any, matched: Any) -> None:
    human = study.draw(4, 2000)
    good = study.scores(TrustedSize, matched(human, study.draw(5, 2000)))["trusted_size", None, None, None]
    shifted = study.draw(6, 2000)
    shifted["harm"] = np.clip(shifted["harm"] + 2, 1, 5)
    bad = study.scores(TrustedSize, matched(human, shifted))["trusted_size", None, None, None]
    assert good.value[0] > 5 * max(bad.value[0], 1)
    assert bad.value[0] < 20
    assert good.interval[0] <= good.value[0] <= good.interval[1]
    assert good.reason.startswith(f"as good as {good.value[0] / 4:.0f} human answers")


def test_accuracy_and_lift_by_hand(study: Any, matched: Any) -> None:
    human = study.draw(1, 150)
    simulated = half_right(human, 3)
    found = study.scores(Individual, matched(human, simulated))
    right = human["harm"] == simulated["harm"]
    assert study.value(found, "accuracy", "harm") == pytest.approx(right.mean(), **EXACT)
    chance = 0.0
    for _, rows in human.groupby(["tone", "who"]):
        one = rows["harm"].value_counts(normalize=True)
        other = simulated.loc[rows.index, "harm"].value_counts(normalize=True)
        chance += len(rows) / len(human) * one.mul(other, fill_value=0).sum()
    assert study.value(found, "accuracy_lift", "harm") == pytest.approx(right.mean() - chance, **EXACT)
    means = [study.value(found, "accuracy", item.name) for item in study.design.items]
    assert study.value(found, "accuracy", "mean") == pytest.approx(np.mean(means), **EXACT)


def test_scores_from_probabilities_equal_scikit_learn(study: Any, matched: Any) -> None:
    human = study.draw(1, 150)
    comparison = matched(human, half_right(human, 3))
    chances = np.random.default_rng(0).dirichlet(np.ones(5), 150)
    comparison.simulated.probabilities["harm"] = chances
    found = study.scores(Individual, comparison, floor=1e-12)
    expected = -log_loss(human["harm"], chances, labels=range(1, 6)) / np.log(2)
    assert study.value(found, "log_score", "harm") == pytest.approx(expected, **EXACT)
    hot = np.eye(5)[human["harm"] - 1]
    assert study.value(found, "brier_score", "harm") == pytest.approx(
        ((chances - hot) ** 2).sum(axis=1).mean(), **EXACT
    )
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) + 1 == human["harm"]
    bins = np.ceil(confidence * 10)
    error = sum(abs((right - confidence)[bins == b].sum()) for b in np.unique(bins)) / 150
    assert study.value(found, "calibration_error", "harm") == pytest.approx(error, **EXACT)
    assert "no option probabilities" in str(found["log_score", "mood", None, None].reason)


def test_people_are_not_held_against_strangers(study: Any) -> None:
    found = study.scores(Individual, study.compare(study.draw(1, 50), study.draw(2, 50)))
    assert all("not matched" in str(score.reason) for score in found.values())


def test_worth_is_that_of_expected_answers_where_chances_are_known(study: Any, matched: Any) -> None:
    """The same model, judged by its probabilities and not by one draw from them."""
    human = study.draw(1, 300)
    rng = np.random.default_rng(5)
    scale = {"harm": np.arange(1, 6.0), "mood": np.array([0, 2.0, 3]), "act": np.array([0, 1.0])}
    chances, told = {}, human.copy()
    for name, values in scale.items():
        table = np.exp(
            -np.abs(values[None, :] - human[name].to_numpy(float)[:, None]) / 2 + rng.normal(size=(300, 1))
        )
        table = table / table.sum(axis=1, keepdims=True)
        chances[name] = table
        told[name] = values[(table.cumsum(axis=1) > rng.random((300, 1))).argmax(axis=1)].astype(int)
    drawn = matched(human, told, pilot=60)
    known = replace(drawn, simulated=replace(drawn.simulated, probabilities=chances))
    found, plain = study.scores(Worth, known), study.scores(Worth, drawn)
    for name, values in scale.items():
        rho = np.corrcoef(human[name], chances[name] @ values)[0, 1]
        value = study.value(found, "n_effective", name)
        assert value == pytest.approx(60 / (1 - rho**2 * 240 / 300), **EXACT)
        assert value > study.value(plain, "n_effective", name)
        rectified = found["rectified", name, None, None]
        assert rectified.interval[1] - rectified.interval[0] < np.ptp(plain["rectified", name, None, None].interval)
    tone = "logit: act: tone"
    assert study.value(found, "n_effective", tone) > study.value(plain, "n_effective", tone)
    assert study.value(found, "n_effective", "colour=red") == study.value(plain, "n_effective", "colour=red")


def test_a_comparison_as_an_outcome_has_its_expected_value_too(study: Any) -> None:
    """P(harm > 3) stands for harm > 3; what learns from the data (standardize) is left as it was drawn."""
    formulas = ("(harm > 3) ~ tone", "I(harm * 2) ~ tone", "standardize(harm) ~ tone")
    made = type(study)(replace(study.design, regressions=tuple(Regression(each) for each in formulas)))
    frame = study.draw(1, 80)
    comparison = made.compare(frame, frame, matched=np.arange(80))
    chances = np.random.default_rng(6).dirichlet(np.ones(5), 80)
    side = replace(comparison.simulated, probabilities={"harm": chances})
    comparison = replace(comparison, simulated=side)
    expected = (chances[:, 3:].sum(axis=1), 2 * chances @ np.arange(1, 6), None)
    for formula, wanted in zip(formulas, expected, strict=True):
        _, drawn = comparison.designs(formula)
        given = _outcome(comparison, drawn)
        assert given == pytest.approx(drawn.outcome if wanted is None else wanted)
