"""Distance beyond chance: exact expectation, no verdict on small groups for being small."""

from __future__ import annotations

from itertools import product
from math import comb
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from simbench.metrics.representation import SubgroupBias
from simbench.stats.chance import expected_js_divergence


def test_expected_divergence_by_enumeration() -> None:
    """Every possible pair of samples of 3 and 4 answers, two options."""
    expected = 0.0
    for x, y in product(range(4), range(5)):
        chance = comb(3, x) * 0.3**x * 0.7 ** (3 - x) * comb(4, y) * 0.3**y * 0.7 ** (4 - y)
        expected += chance * jensenshannon([x, 3 - x], [y, 4 - y], base=2) ** 2
    assert expected_js_divergence([0.3, 0.7], 3, 4) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(12, 30), (300, 300), (40, 900)])
def test_expected_divergence_by_simulation(n: int, m: int) -> None:
    shares = np.array([0.02, 0.08, 0.3, 0.6])
    rng = np.random.default_rng(0)
    one, other = rng.multinomial(n, shares, 40_000) / n, rng.multinomial(m, shares, 40_000) / m
    drawn = jensenshannon(one, other, base=2, axis=1) ** 2
    assert expected_js_divergence(shares, n, m) == pytest.approx(drawn.mean(), rel=0.02)


def test_excess_by_hand(study: Any) -> None:
    human, simulated = study.draw(1, 300), study.draw(2, 200, effect=0.1)
    found = study.scores(SubgroupBias, study.compare(human, simulated))
    excess = {}
    for level in "xyz":
        one, other = human[human["group"] == level], simulated[simulated["group"] == level]
        beyond = []
        for item in study.design.beliefs:
            shares = [
                f[item.name].value_counts(normalize=True).reindex(item.values, fill_value=0) for f in (one, other)
            ]
            chance = expected_js_divergence(shares[0].to_numpy(), len(one), len(other))
            beyond.append(jensenshannon(*shares, base=2) ** 2 - chance)
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
