"""Distance of shares: by hand, its intervals, and what it is between people and people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simbench.metrics.share_distance import ShareDistance


def test_one_item_by_hand(study: Any) -> None:
    """sqrt of (squared difference of shares, less both sides' noise) over one person's variance."""
    human, simulated = study.draw(1, 300), study.draw(2, 200, effect=0.2)
    score = study.scores(ShareDistance, study.compare(human, simulated))["share_distance", "harm", None, None]
    shares = [
        frame["harm"].value_counts(normalize=True).reindex(range(1, 6), fill_value=0) for frame in (human, simulated)
    ]
    person = [(1 - (each**2).sum()) * n / (n - 1) for each, n in zip(shares, (300, 200), strict=True)]
    square = ((shares[1] - shares[0]) ** 2).sum() - person[0] / 300 - person[1] / 200
    assert score.value[0] == pytest.approx(np.sqrt(square / person[0]))
    assert score.equivalence.chance == pytest.approx(2 / 300)
    assert score.equivalence.low <= score.value[0] <= score.equivalence.high
    assert score.interval[0] <= score.equivalence.low
    assert score.equivalence.high <= score.interval[1]


def test_pooled_is_the_root_mean_square_over_the_people_of_the_levels(study: Any) -> None:
    found = study.scores(ShareDistance, study.compare(study.draw(1, 900), study.draw(2, 900, effect=0.0)))
    pooled = found["share_distance", "mean", "group", None]
    levels = [found["share_distance", "mean", "group", level] for level in "xyz"]
    people = np.array([each.n_human for each in levels])
    squares = np.array([float(each.value[0]) ** 2 for each in levels])
    assert pooled.n_human == people.sum() == 900
    assert pooled.value[0] == pytest.approx(np.sqrt(squares @ people / 900), rel=0.1)
    assert all(each.interval[0] <= each.value[0] <= each.interval[1] for each in (*levels, pooled))


def test_a_perfect_simulation_of_the_very_people_is_at_0_in_95_percent(study: Any) -> None:
    rows = []
    for seed in range(60):
        human = study.draw(seed, 300)
        comparison = replace(study.compare(human, study.again(human, 900 + seed)), matched=np.arange(300))
        found = study.scores(ShareDistance, comparison)
        rows.append(
            [found["share_distance", "mean", *where].interval[0] <= 0 for where in ((None, None), ("age", None))]
        )
    assert np.mean(rows) > 0.92


def test_people_and_people_are_0_apart_and_too_few_have_none(study: Any) -> None:
    human = study.draw(1, 60)
    comparison = study.compare(human, study.draw(2, 60))
    between = study.scores(ShareDistance, replace(comparison, generator=None))
    assert {float(each.value[0]) for each in between.values()} == {0.0}
    few = study.scores(ShareDistance, study.compare(human[:8], study.draw(2, 60)))
    assert "fewer than 10 people" in str(few["share_distance", "mean", None, None].reason)
    assert set(few) <= set(between)
