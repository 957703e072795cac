import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.stats import (
    bootstrap_weights,
    generator,
    jackknife_weights,
    resampling_scheme,
    split_halves,
)

RNG = generator(11, "test resampling")


@given(
    st.lists(st.sampled_from("abc"), min_size=10, max_size=40).map(lambda drawn: [*drawn, *"abc" * 10]),
    st.integers(1, 5),
    st.integers(0, 1000),
)
def test_a_bootstrap_keeps_every_group_at_its_size(strata: list[str], resamples: int, seed: int) -> None:
    weights = bootstrap_weights(len(strata), resamples, generator(seed), strata)
    assert weights.shape == (resamples + 1, len(strata))
    assert (weights[0] == 1).all()
    assert (weights >= 0).all()
    assert np.array_equal(weights, np.round(weights))
    for group in set(strata):
        members = np.array(strata) == group
        assert (weights[:, members].sum(axis=1) == members.sum()).all()


def test_multiplicities_have_the_moments_of_the_multinomial() -> None:
    n = 30
    weights = bootstrap_weights(n, 20_000, RNG)[1:]
    assert np.allclose(weights.mean(axis=0), 1, atol=0.05)
    covariance = np.cov(weights.T)
    assert np.allclose(np.diag(covariance), 1 - 1 / n, atol=0.06)
    assert covariance[~np.eye(n, dtype=bool)].mean() == pytest.approx(-1 / n, abs=0.002)


def test_a_person_is_resampled_whole_and_groups_keep_their_sizes() -> None:
    # Persons 0-9 answer in conditions a and b, persons 10-19 in c and d.
    persons = np.r_[np.arange(10), np.arange(10), np.arange(10, 20), np.arange(10, 20)]
    conditions = np.repeat(list("abcd"), 10)
    weights = bootstrap_weights(40, 200, RNG, conditions, persons)
    assert np.array_equal(weights[:, :10], weights[:, 10:20])
    assert np.array_equal(weights[:, 20:30], weights[:, 30:])
    assert (weights[:, :10].sum(axis=1) == 10).all()
    assert (weights[:, 20:30].sum(axis=1) == 10).all()
    assert (weights[1:] != 1).any()


def test_everybody_is_drawn_among_everybody_where_people_answer_some_of_the_conditions() -> None:
    """Persons were drawn among those with the very same conditions, which for most is nobody else."""
    rng = generator(12)
    conditions = np.concatenate([rng.choice(16, 5, replace=False) for _ in range(60)])
    persons = np.repeat(np.arange(60), 5)
    scheme = resampling_scheme(300, conditions, persons)
    assert (scheme.size, len(scheme.pools), scheme.crossed) == (60, 1, True)
    weights = bootstrap_weights(300, 4000, rng, conditions, persons)
    assert np.array_equal(weights[:, ::5], weights[:, 4::5])
    assert np.allclose(weights[1:].var(axis=0), 1 - 1 / 60, atol=0.1)


def test_clusters_of_unequal_size_are_alike_and_treatments_keep_their_number_of_clusters() -> None:
    sizes = np.arange(1, 25)
    villages = np.repeat(np.arange(24), sizes)
    arm = np.array(["a", "b"])[villages % 2]
    weights = bootstrap_weights(sizes.sum(), 50, RNG, arm, villages)
    first = np.r_[0, np.cumsum(sizes)[:-1]]
    assert (weights[:, first][:, ::2].sum(axis=1) == 12).all()
    assert (weights[:, first][:, 1::2].sum(axis=1) == 12).all()
    assert weights[1:].sum(axis=1).std() > 10


def test_small_groups_are_drawn_together() -> None:
    """One of a kind was taken once in every resample, so that nothing varied."""
    scheme = resampling_scheme(20, np.arange(20) % 10)
    assert (len(scheme.pools), scheme.together) == (1, 10)
    scheme = resampling_scheme(63, ["a"] * 40 + ["b"] * 20 + ["c"] * 3)
    assert sorted(len(pool) for pool in scheme.pools) == [23, 40]
    assert scheme.pool_of[-1] == scheme.pool_of[40] != scheme.pool_of[0]


def test_the_same_stream_gives_the_same_weights() -> None:
    first = bootstrap_weights(20, 5, generator(3, "w"))
    assert np.array_equal(first, bootstrap_weights(20, 5, generator(3, "w")))


@given(st.lists(st.integers(0, 3), max_size=30).map(lambda drawn: [*drawn, *range(4)] * 10), st.integers(0, 1000))
def test_halves_are_disjoint_cover_all_and_balance_every_group(strata: list[int], seed: int) -> None:
    first, second = split_halves(len(strata), 6, generator(seed), strata)
    assert np.array_equal(first + second, np.ones((6, len(strata))))
    assert (np.abs(first.sum(axis=1) - second.sum(axis=1)) <= 1).all()
    for group in set(strata):
        members = np.array(strata) == group
        assert (np.abs((first - second)[:, members].sum(axis=1)) <= 1).all()


def test_halves_are_random_and_keep_persons_together() -> None:
    persons = np.repeat(np.arange(9), 3)
    first, second = split_halves(27, 3000, RNG, clusters=persons)
    assert np.array_equal(first[:, ::3], first[:, 2::3])
    assert np.allclose(first.mean(axis=0), 0.5, atol=0.03)
    assert set((first.sum(axis=1) - second.sum(axis=1)) / 3) == {-1.0, 1.0}


def test_the_jackknife_leaves_out_one_row_or_one_person() -> None:
    assert np.array_equal(jackknife_weights(3), 1 - np.eye(3))
    assert np.array_equal(jackknife_weights(4, ["p", "q", "p", "r"]), [[0, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 0]])


def test_missing_or_misshapen_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="1 missing of 3"):
        bootstrap_weights(3, 2, RNG, [1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match="one value per row"):
        bootstrap_weights(3, 2, RNG, ["a", "b"])


def test_single_rows_are_drawn_within_their_own_stratum_whatever_they_are_called() -> None:
    """Units are numbered in the order of their names, which is not that of the rows."""
    rng = np.random.default_rng(5)
    names, strata = rng.permutation(200).astype(str), rng.integers(0, 3, 200)
    weights = bootstrap_weights(200, 50, np.random.default_rng(1), strata, names)
    for group in range(3):
        assert (weights[:, strata == group].sum(axis=1) == (strata == group).sum()).all()
    twice = bootstrap_weights(
        400, 50, np.random.default_rng(1), np.tile(strata, 2), np.tile(names, 2)
    )  # the same units with two rows each
    assert (twice[:, :200] == weights).all()
    assert (twice[:, 200:] == weights).all()
