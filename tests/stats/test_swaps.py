"""Within-pair swaps against scipy's exact paired permutation test; step-down max-T against loops and known nulls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simbench.stats.swaps import step_down_p, swap_p, swap_roles, swap_weights


def gaps(rows: np.ndarray, roles: np.ndarray, units: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """|mean of the first side - mean of the second| under every exchange, from weights alone."""
    first, second = swap_weights(roles, units, sets)
    return np.abs((first @ rows) / first.sum(axis=1) - (second @ rows) / second.sum(axis=1))


def test_all_exchanges_of_ten_pairs_are_scipys_exact_test() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.6, 1, 10), rng.normal(0, 1, 10)
    exact = stats.permutation_test(
        (one, other),
        lambda x, y, axis: np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis)),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    roles = swap_roles(np.ones(10), 1023, rng)
    assert roles.shape == (1024, 10)
    assert len(np.unique(roles, axis=0)) == 1024
    assert not roles[0].any()
    values = gaps(np.concatenate([one, other]), roles, np.tile(np.arange(10), 2), np.repeat([0, 1], 10))
    assert np.sort(values) == pytest.approx(np.sort(exact.null_distribution), abs=1e-12)
    assert swap_p(values) == pytest.approx(exact.pvalue, abs=1e-12)


def test_random_exchanges_come_near_scipys_test_and_whole_units_are_exchanged() -> None:
    """Twelve villages of unequal size: as scipy's test of the villages' own sums."""
    rng = np.random.default_rng(1)
    village = np.repeat(np.arange(12), rng.integers(2, 9, 12))
    one, other = rng.normal(village / 8, 1), rng.normal(0.4, 1, village.size)
    sums = [np.bincount(village, each) for each in (one, other)]
    exact = stats.permutation_test(
        sums,
        lambda x, y, axis: np.abs(np.sum(x - y, axis=axis)),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    roles = swap_roles(np.ones(12), 3999, rng)
    values = gaps(np.concatenate([one, other]), roles, np.tile(village, 2), np.repeat([0, 1], village.size))
    assert swap_p(values) == pytest.approx(exact.pvalue, abs=4 * np.sqrt(exact.pvalue / 4000))


def test_with_replicates_each_of_a_persons_rows_is_the_first_as_often() -> None:
    rng = np.random.default_rng(2)
    roles = swap_roles(np.array([1, 3, *[1] * 20]), 8000, rng)[:, :2]
    assert np.bincount(roles[1:, 0]) / 8000 == pytest.approx([0.5, 0.5], abs=0.025)
    assert np.bincount(roles[1:, 1]) / 8000 == pytest.approx([0.25] * 4, abs=0.025)
    first, second = swap_weights(roles, np.array([0, 0, 1, 1, 1, 1]), np.array([0, 1, 0, 1, 2, 3]))
    assert (first + second == 1).all()
    assert (first.sum(axis=1) == 2).all()


def test_the_level_is_kept_exactly_also_in_skewed_data_and_with_ties() -> None:
    """2,000 studies of eight pairs that are exchangeable given the pair: p is at most as small as uniform."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(2000):
        level = rng.exponential(size=8)
        one, other = (rng.poisson(level) for _ in range(2))
        roles = swap_roles(np.ones(8), 39, rng)
        rows = np.concatenate([one, other]).astype(float)
        found.append(swap_p(gaps(rows, roles, np.tile(np.arange(8), 2), np.repeat([0, 1], 8))))
    for alpha in (0.025, 0.05, 0.1, 0.25):
        assert np.mean(np.array(found) <= alpha) < alpha + 3 * np.sqrt(alpha / 2000)
    assert np.mean(np.array(found) <= 0.25) > 0.1  # and not far below: ties cost a little


def family(rng: np.random.Generator, shifts: np.ndarray, draws: int = 199) -> np.ndarray:
    """Absolute paired differences of 60 people in correlated figures of very different scale, under exchanges."""
    shared = rng.normal(size=(60, 1))
    scale = 10.0 ** (np.arange(len(shifts)) % 4)
    difference = (shared + rng.normal(size=(60, len(shifts))) + shifts) * scale
    signs = 1.0 - 2 * swap_roles(np.ones(60), draws, rng)
    return np.abs(signs @ difference) / 60


def test_step_down_by_plain_loops() -> None:
    values = family(np.random.default_rng(4), np.array([0.0, 0.6, 0.0, 0.5, 0.1]))
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    order = sorted(range(5), key=lambda figure: -scaled[0, figure])
    expected, above = {}, 0.0
    for rank, figure in enumerate(order):
        rest = order[rank:]
        p = np.mean([max(row[rest]) >= scaled[0, figure] - 1e-9 for row in scaled])
        above = max(above, float(p))
        expected[figure] = above
    assert step_down_p(values) == pytest.approx([expected[figure] for figure in range(5)])
    assert (step_down_p(values) >= swap_p(values) - 1e-12).all()


def test_the_family_is_kept_and_a_clear_difference_survives_any_number_of_tests() -> None:
    rng = np.random.default_rng(5)
    shifts = np.zeros(40)
    alarms = np.mean([(step_down_p(family(rng, shifts)) < 0.05).any() for _ in range(600)])
    assert alarms < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)
    shifts[7] = 1.5
    found = step_down_p(family(rng, shifts))
    assert found[7] == pytest.approx(1 / 200)  # Holm's correction would make 0.2 of it


def test_what_cannot_be_computed() -> None:
    values = np.array([[1.0, np.nan, 2.0], [np.nan, 1.0, 1.0], [0.5, 1.0, 2.0], [0.2, 1.0, 3.0]])
    assert swap_p(values) == pytest.approx([0.5, np.nan, 0.75], nan_ok=True)
    still = np.ones((5, 2))
    assert swap_p(still) == pytest.approx([1, 1])
    assert step_down_p(still) == pytest.approx([1, 1])
    assert np.isnan(step_down_p(values)[1])


def test_what_is_infinite_counts_as_larger_than_all() -> None:
    rng = np.random.default_rng(3)
    table = rng.random((200, 3))
    table[5:9, 1] = np.inf
    table[0, 2] = np.inf
    p = step_down_p(table)
    assert np.isfinite(p).all()
    assert p[2] == min(p) == pytest.approx(5 / 200)  # itself, and four where another figure is larger than all
