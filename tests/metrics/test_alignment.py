"""Distances between answers, against scipy, popfidelity and brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from popfidelity import metrics as popfidelity
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, wasserstein_distance

from simbench.design import Item
from simbench.harness.inference import corrected
from simbench.metrics.alignment import JSDistance, KLDivergence, TotalVariation, Wasserstein
from simbench.metrics.base import Score, Side
from simbench.stats import total_variation

EXACT = {"rel": 0, "abs": 1e-9}


def shares(answers: pd.Series, item: Item) -> np.ndarray:
    return answers.value_counts(normalize=True).reindex(item.values, fill_value=0).to_numpy(dtype=float)


@pytest.fixture
def pair(study: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    return study.draw(1, 150), study.draw(2, 110, effect=0.2)


def test_js_distance_equals_scipy_everywhere(study: Any, pair: Any) -> None:
    human, simulated = pair
    found = study.scores(JSDistance, study.compare(human, simulated))
    bands = pd.cut(human["age"], [0, 30, 50, 200], right=False, labels=["under 30", "30-49", "50+"])
    theirs = pd.cut(simulated["age"], [0, 30, 50, 200], right=False, labels=["under 30", "30-49", "50+"])
    groups = [(None, None, human, simulated)]
    groups += [("group", g, human[human["group"] == g], simulated[simulated["group"] == g]) for g in "xyz"]
    groups += [("age", b, human[bands == b], simulated[theirs == b]) for b in bands.cat.categories]
    for variable, level, one, other in groups:
        distances = {}
        for item in study.design.items:
            expected = jensenshannon(shares(one[item.name], item), shares(other[item.name], item), base=2)
            score = found["js_distance", item.name, variable, level]
            assert score.value[0] == pytest.approx(expected, **EXACT)
            assert (score.n_human, score.n_simulated) == (len(one), len(other))
            distances[item.name] = expected
        mean = np.mean([distances[item.name] for item in study.design.beliefs])
        assert found["js_distance", "mean", variable, level].value[0] == pytest.approx(mean, **EXACT)
    assert len(found) == 7 * 5 + 1 + 2  # the joint one; means of decisions and of all items


def test_joint_distances_are_over_tuples_of_beliefs(study: Any, pair: Any) -> None:
    tuples = [list(zip(frame["harm"], frame["colour"], frame["mood"], strict=True)) for frame in pair]
    every = sorted(set(tuples[0]) | set(tuples[1]))
    one, other = (np.array([side.count(each) for each in every]) / len(side) for side in tuples)
    comparison = study.compare(*pair)
    js = study.value(study.scores(JSDistance, comparison), "js_distance_joint")
    assert js == pytest.approx(jensenshannon(one, other, base=2), **EXACT)
    tv = study.value(study.scores(TotalVariation, comparison), "total_variation_joint")
    assert tv == pytest.approx(np.abs(one - other).sum() / 2, **EXACT)


def test_other_distances_equal_scipy_and_popfidelity(study: Any, pair: Any) -> None:
    human, simulated = pair
    comparison = study.compare(human, simulated)
    total = study.scores(TotalVariation, comparison)
    moved = study.scores(Wasserstein, comparison)
    surprise = study.scores(KLDivergence, comparison, smoothing=0.5)
    for item in study.design.items:
        one, other = shares(human[item.name], item), shares(simulated[item.name], item)
        halved = study.value(total, "total_variation", item.name)
        assert halved == pytest.approx(np.abs(one - other).sum() / 2, **EXACT)
        counts = [s * len(f) + 0.5 for s, f in ((one, human), (other, simulated))]
        expected = entropy(counts[0] / counts[0].sum(), counts[1] / counts[1].sum(), base=2)
        assert study.value(surprise, "kl_divergence", item.name) == pytest.approx(expected, **EXACT)
        theirs = popfidelity.distance(one[None], other[None], "total_variation", base=2.0)
        assert halved == pytest.approx(float(theirs[0]), **EXACT)
    for name, length in (("harm", 4), ("mood", 3), ("act", 1)):
        expected = wasserstein_distance(human[name], simulated[name]) / length
        assert study.value(moved, "wasserstein", name) == pytest.approx(expected, **EXACT)
    assert "no order" in str(moved["wasserstein", "colour", None, None].reason)
    mean = moved["wasserstein", "mean", None, None]
    assert mean.value[0] == pytest.approx(
        np.mean([study.value(moved, "wasserstein", name) for name in ("harm", "mood")]), **EXACT
    )
    assert "without colour" in str(mean.reason)


def test_the_simbench_score_by_hand(study: Any, pair: Any) -> None:
    """100 (1 - TVD / mean TVD of uniform), over all items."""
    human, simulated = pair
    found = study.scores(TotalVariation, study.compare(human, simulated))
    uniform = [np.abs(shares(human[i.name], i) - 1 / len(i.values)).sum() / 2 for i in study.design.items]
    distances = [study.value(found, "total_variation", item.name) for item in study.design.items]
    for item, distance in zip(study.design.items, distances, strict=True):
        expected = 100 * (1 - distance / np.mean(uniform))
        assert study.value(found, "simbench_score", item.name) == pytest.approx(expected, **EXACT)
    mean = 100 * (1 - np.mean(distances) / np.mean(uniform))
    assert study.value(found, "simbench_score", "mean") == pytest.approx(mean, **EXACT)


def test_draws_of_the_simbench_score_are_shifted_in_both_distances(study: Any, pair: Any) -> None:
    """Of the simulation and of uniform answers: noise adds to either square."""
    comparison = study.compare(*pair, resamples=50)
    found = study.scores(TotalVariation, comparison)
    uniform = [
        total_variation(comparison.human.counts(item.name), np.ones(len(item.values))) for item in study.design.items
    ]
    own, base = (
        np.sqrt(np.maximum(each[1:] ** 2 - 2 * (np.mean(each[1:] ** 2) - each[0] ** 2), 0))
        for each in (found["total_variation", "harm", None, None].value, np.mean(uniform, axis=0))
    )
    draws = corrected(found["simbench_score", "harm", None, None])
    assert draws[1:] == pytest.approx(100 * (1 - own / base))
    assert draws[0] == found["simbench_score", "harm", None, None].value[0]


@pytest.mark.parametrize("metric", [JSDistance, TotalVariation, Wasserstein, KLDivergence])
def test_a_resample_is_the_data_repeated(study: Any, pair: Any, metric: Any) -> None:
    comparison = study.compare(*pair, resamples=3)
    found = study.scores(metric, comparison)
    for row in (1, 3):
        again = [
            frame.loc[frame.index.repeat(side.weights[row].astype(int))]
            for frame, side in zip(pair, comparison.sides, strict=True)
        ]
        repeated = study.scores(metric, study.compare(*again))
        for key, score in found.items():
            if score.reason is None:
                assert score.value[row] == pytest.approx(repeated[key].value[0], **EXACT)


def test_people_against_themselves_are_at_zero_and_order_does_not_matter(study: Any, pair: Any) -> None:
    human, simulated = pair
    shuffled = human.sample(frac=1, random_state=1)
    for metric in (JSDistance, TotalVariation, Wasserstein):
        for score in study.scores(metric, study.compare(human, shuffled)).values():
            if score.reason is None and score.metric != "simbench_score":
                assert score.value[0] == pytest.approx(0, abs=1e-7)
        there = study.scores(metric, study.compare(human, simulated))
        back = study.scores(metric, study.compare(simulated, human))
        for key, score in there.items():
            if score.metric not in ("simbench_score", "mean_difference") and score.reason is None:
                assert score.value[0] == pytest.approx(back[key].value[0], abs=1e-12)


def test_expected_distances_use_probabilities_instead_of_draws(study: Any, pair: Any) -> None:
    human, simulated = pair
    rng = np.random.default_rng(0)
    comparison = study.compare(human, simulated)
    chances = {item.name: rng.dirichlet(np.ones(len(item.values)), len(simulated)) for item in study.design.items}
    comparison.simulated.probabilities.update(chances)
    found: dict[Any, Score] = study.scores(JSDistance, comparison)
    inside = (simulated["group"] == "y").to_numpy()
    for item in study.design.items:
        expected = jensenshannon(shares(human[item.name], item), chances[item.name].mean(axis=0), base=2)
        assert study.value(found, "js_distance_expected", item.name) == pytest.approx(expected, **EXACT)
        one = shares(human.loc[human["group"] == "y", item.name], item)
        expected = jensenshannon(one, chances[item.name][inside].mean(axis=0), base=2)
        assert found["js_distance_expected", item.name, "group", "y"].value[0] == pytest.approx(expected, **EXACT)


def test_the_expected_divergence_smooths_sums_of_probabilities(study: Any, pair: Any) -> None:
    human, simulated = pair
    comparison = study.compare(human, simulated)
    item = study.design.item("harm")
    chances = np.random.default_rng(0).dirichlet(np.ones(len(item.values)), len(simulated))
    comparison.simulated.probabilities.update({"harm": chances})
    found = study.scores(KLDivergence, comparison, smoothing=0.7)
    one = shares(human["harm"], item) * len(human) + 0.7
    expected = entropy(one, chances.sum(axis=0) + 0.7, base=2)
    assert study.value(found, "kl_divergence_expected", "harm") == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("scale", [1, 0.3, 1000, 2**31])
def test_counts_equal_a_matrix_product_whatever_the_weights(study: Any, pair: Any, scale: float) -> None:
    """Whole numbers are added up as small ones, where their sums fit; others are not."""
    side = study.side(pair[0].assign(harm=pair[0]["harm"].mask(pair[0]["harm"] == 2)), 5, 1)
    side = Side(side.people, side.weights * scale)
    onehot = side.codes("harm")[:, None] == np.arange(5)
    assert side.counts("harm") == pytest.approx(side.weights @ onehot, rel=1e-14)
    among = (pair[0]["group"] == "y").to_numpy()
    found = side.by_level("harm", "group", ("x", "y", "z"))[:, 1]
    assert found == pytest.approx(side.weights @ (onehot & among[:, None]), rel=1e-14)
    assert side.counts("harm", among) == pytest.approx(found)
