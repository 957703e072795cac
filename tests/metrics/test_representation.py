"""Distance beyond chance: exact mean over permutations, no verdict on small groups for being small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.stats import permutation_test

from simbench.metrics.representation import SubgroupBias
from simbench.stats.chance import permuted_js_divergence


def test_permuted_divergence_equals_scipys_exact_permutation_test() -> None:
    """All 462 ways to deal 11 answers out to samples of 5 and 6."""
    one, other = np.array([0, 0, 1, 2, 2]), np.array([2, 1, 1, 0, 3, 3])

    def divergence(x: np.ndarray, y: np.ndarray) -> float:
        return float(jensenshannon(np.bincount(x, minlength=4), np.bincount(y, minlength=4), base=2) ** 2)

    exact = permutation_test((one, other), divergence, n_resamples=np.inf, vectorized=False)
    assert len(exact.null_distribution) == 462
    counts = [np.bincount(each, minlength=4) for each in (one, other)]
    assert permuted_js_divergence(*counts) == pytest.approx(exact.null_distribution.mean(), rel=1e-12)
    assert np.isnan(permuted_js_divergence([0, 0], [1, 2]))


@pytest.mark.parametrize(("n", "m"), [(15, 15), (15, 200), (60, 60)])
def test_two_samples_of_one_population_differ_by_it_on_average(n: int, m: int) -> None:
    """Also in small levels of items with ten options, most of which a small sample does not show."""
    rng = np.random.default_rng(n + m)
    shares = rng.dirichlet(np.full(10, 0.7))
    one, other = rng.multinomial(n, shares, 1500), rng.multinomial(m, shares, 1500)
    found = jensenshannon(one, other, base=2, axis=1) ** 2
    beyond = found - [permuted_js_divergence(*pair) for pair in zip(one, other, strict=True)]
    assert abs(beyond.mean()) < 3 * stats.sem(beyond)
    assert 3 * stats.sem(beyond) < 0.06 * found.mean()


def test_excess_by_hand(study: Any) -> None:
    human, simulated = study.draw(1, 300), study.draw(2, 200, effect=0.1)
    found = study.scores(SubgroupBias, study.compare(human, simulated))
    excess = {}
    for level in "xyz":
        one, other = human[human["group"] == level], simulated[simulated["group"] == level]
        beyond = []
        for item in study.design.beliefs:
            counts = [f[item.name].value_counts().reindex(item.values, fill_value=0) for f in (one, other)]
            beyond.append(jensenshannon(*counts, base=2) ** 2 - permuted_js_divergence(*counts))
        mean = np.mean(beyond)
        excess[level] = np.sign(mean) * np.sqrt(abs(mean))
        assert study.value(found, "js_excess", "mean", "group", level) == pytest.approx(excess[level], abs=1e-9)
    gap = found["js_excess_gap", "mean", "group", None]
    assert gap.value[0] == pytest.approx(max(excess.values()) - min(excess.values()), abs=1e-9)
    worst = max(excess, key=excess.__getitem__)
    assert f"worst: {worst}" in str(gap.reason)


def test_groups_equally_well_served_are_equally_far_whatever_their_size(study: Any) -> None:
    """Another sample of the same people is not further from the small group than from the large one."""
    excess: dict[str, list[float]] = {"x": [], "z": []}
    for seed in range(40):
        found = study.scores(SubgroupBias, study.compare(study.draw(seed, 250), study.draw(1000 + seed, 250)))
        for level, kept in excess.items():
            value = study.value(found, "js_excess", "mean", "group", level)
            kept.append(np.sign(value) * value**2)
    for kept in excess.values():
        assert abs(np.mean(kept)) < 3 * np.std(kept) / np.sqrt(len(kept))


def test_levels_with_few_people_are_left_out_and_named(study: Any) -> None:
    human, simulated = study.draw(1, 60), study.draw(2, 60)
    found = study.scores(SubgroupBias, study.compare(human, simulated), least=25)
    assert "human answers" in str(found["js_excess", "mean", "group", "z"].reason)
    assert "fewer than two levels" in str(found["js_excess_gap", "mean", "group", None].reason)
