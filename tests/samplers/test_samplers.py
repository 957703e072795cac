"""Samplers: sizes, shares, groups, reproducibility, and what cannot be drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simbench.design import Design, Factor, Item, People, Profile
from simbench.errors import ConfigError, PilotError
from simbench.samplers.balanced import Balanced, BalancedConfig, equal_shares
from simbench.samplers.clusters import Clusters, ClustersConfig
from simbench.samplers.none import NoPilot
from simbench.samplers.pool import largest_remainder
from simbench.samplers.random import Random, RandomConfig
from simbench.samplers.stratified import Stratified, StratifiedConfig
from simbench.settings import NoConfig

DESIGN = Design(
    "toy",
    (Factor("arm", ("a", "b", "c")),),
    (Profile("origin"), Profile("age", bins=(30, 50))),
    (Item("belief", "belief", "?", (1, 2)),),
)


def people(sizes: dict[str, int], seed: int = 0) -> People:
    rng = np.random.default_rng(seed)
    origin = [name for name, size in sizes.items() for _ in range(size)]
    frame = pd.DataFrame(
        {
            "participant_id": [f"p{n}" for n in range(len(origin))],
            "origin": origin,
            "age": rng.integers(18, 80, len(origin)),
            "arm": [("a", "b", "c")[n % 3] for n in range(len(origin))],
            "belief": 1,
        }
    )
    return People.of(DESIGN, frame)


def drawn(sampler: Any, pool: People, seed: int = 0) -> list[int]:
    positions = sampler.draw(pool, np.random.default_rng(seed))
    assert len(set(positions)) == len(positions)
    assert all(0 <= position < len(pool) for position in positions)
    return list(positions)


POOL = people({"White": 200, "Black": 40, "Asian": 12, "Other": 3})


def origins(positions: list[int]) -> Counter[str]:
    return Counter(POOL.frame["origin"].iloc[positions])


def test_none_draws_nobody() -> None:
    assert drawn(NoPilot(NoConfig()), POOL) == []


@pytest.mark.parametrize(
    ("cls", "config"), [(Random, RandomConfig), (Balanced, BalancedConfig), (Stratified, StratifiedConfig)]
)
class TestEverySampler:
    def test_sizes(self, cls: Any, config: Any) -> None:
        assert len(drawn(cls(config(n=30)), POOL)) == 30
        assert len(drawn(cls(config(fraction=0.1)), POOL)) == round(25.5)
        assert len(drawn(cls(config()), POOL)) == round(0.25 * 255)
        assert sorted(drawn(cls(config(n=255)), POOL)) == list(range(255))

    def test_the_seed_decides(self, cls: Any, config: Any) -> None:
        one, same, other = (drawn(cls(config(n=30)), POOL, seed) for seed in (1, 1, 2))
        assert one == same != other

    def test_groups(self, cls: Any, config: Any) -> None:
        sampler = cls(config(n=20, groups=["b"]))
        assert set(POOL.condition.iloc[drawn(sampler, POOL)]) == {"b"}
        two = drawn(cls(config(fraction=0.25, groups=2)), POOL)
        assert len(set(POOL.condition.iloc[two])) == 2
        assert len(two) == round(0.25 * 170)
        assert "treatment groups: b" in sampler.draw(POOL, np.random.default_rng(0)).notes[0]

    def test_impossible_pilots(self, cls: Any, config: Any) -> None:
        for settings_, message in [
            ({"n": 256}, "more than the 255 people"),
            ({"n": 90, "groups": ["a"]}, "more than the 85 people"),
            ({"groups": 4}, "expected 1 to 3 groups"),
            ({"groups": ["d"]}, "there is no treatment group 'd'"),
        ]:
            with pytest.raises(PilotError, match=message):
                drawn(cls(config(**settings_)), POOL)
        for settings_ in ({"n": 0}, {"fraction": 0.0}, {"fraction": 1.01}, {"n": 3, "fraction": 0.5}):
            with pytest.raises(ConfigError):
                config(**settings_)


def test_balanced_gives_equal_shares_and_says_where_it_cannot() -> None:
    sampler = Balanced(BalancedConfig(n=60))
    assert origins(drawn(sampler, POOL)) in (
        {"White": 23, "Black": 22, "Asian": 12, "Other": 3},
        {"White": 22, "Black": 23, "Asian": 12, "Other": 3},
    )
    notes = sampler.draw(POOL, np.random.default_rng(0)).notes
    assert notes == ("balanced over origin", "levels with too few people gave all they have: Asian (12), Other (3)")
    assert Balanced(BalancedConfig(n=12)).draw(POOL, np.random.default_rng(0)).notes == ("balanced over origin",)


def test_balanced_over_bands() -> None:
    bands = POOL.level("age").iloc[drawn(Balanced(BalancedConfig(n=30, by="age")), POOL)]
    assert set(Counter(bands).values()) == {10}
    with pytest.raises(ConfigError, match="no profile variable 'agge'; did you mean 'age'"):
        drawn(Balanced(BalancedConfig(n=30, by="agge")), POOL)


def test_stratified_mirrors_condition_by_level() -> None:
    positions = drawn(Stratified(StratifiedConfig(n=51)), POOL)
    share = 51 / 255
    found = Counter(zip(POOL.condition.iloc[positions], POOL.frame["origin"].iloc[positions], strict=True))
    there = Counter(zip(POOL.condition, POOL.frame["origin"], strict=True))
    assert all(abs(found[cell] - share * size) < 1 for cell, size in there.items())


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.data())
@settings(max_examples=60)
def test_equal_shares_are_as_equal_as_can_be(have: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, sum(have)))
    shares = equal_shares(np.array(have), n, np.random.default_rng(0))
    assert shares.sum() == n
    assert (shares <= have).all()
    unfilled = shares[shares < have]
    if len(unfilled):
        assert shares.max() - unfilled.min() <= 1


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.integers(0, 200))
def test_largest_remainder_keeps_quota(shares: list[float], n: int) -> None:
    seats = largest_remainder(np.array(shares), n)
    quota = np.array(shares) / sum(shares) * n
    assert seats.sum() == n
    assert (np.abs(seats - quota) < 1 + 1e-6).all()


def test_largest_remainder_on_a_published_example() -> None:
    votes = np.array([47_000, 16_000, 15_800, 12_000, 6_100, 3_100])  # Hamilton method, 10 seats
    assert largest_remainder(votes, 10).tolist() == [5, 2, 1, 1, 1, 0]


TWO = Design(
    "two",
    (Factor("tone", {0: "good", 1: "bad"}), Factor("who", {"a": "me", "b": "you"})),
    (Profile("origin"),),
    (Item("belief", "belief", "?", (1, 2)),),
)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"tone": 1}, {"bad/me", "bad/you"}),
        ({"tone": "bad"}, {"bad/me", "bad/you"}),
        ({"tone": ["good", 1], "who": "b"}, {"good/you", "bad/you"}),
        ("bad", {"bad/me", "bad/you"}),
        (["bad", "good/me"], {"bad/me", "bad/you", "good/me"}),
        (["b"], {"good/you", "bad/you"}),
    ],
)
def test_groups_by_level(groups: Any, expected: set[str]) -> None:
    n = 40
    cells = {"tone": [k % 2 for k in range(n)], "who": ["ab"[k // 2 % 2] for k in range(n)]}
    frame = pd.DataFrame({"participant_id": [str(k) for k in range(n)], "origin": "x", **cells, "belief": 1})
    pool = People.of(TWO, frame)
    draw = Random(RandomConfig(fraction=1.0, groups=groups)).draw(pool, np.random.default_rng(0))
    assert set(pool.condition.iloc[list(draw)]) == expected
    assert len(draw) == 10 * len(expected)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"tine": 1}, "there is no factor 'tine'; did you mean 'tone'"),
        ({"tone": "bed"}, "'tone' has no level 'bed'; did you mean 'bad'"),
        (["bed"], "there is no treatment group 'bed'; did you mean 'bad'"),
    ],
)
def test_groups_that_are_none(groups: Any, said: str) -> None:
    frame = pd.DataFrame({"participant_id": ["1"], "origin": "x", "tone": [0], "who": ["a"], "belief": [1]})
    with pytest.raises(PilotError, match=said):
        Random(RandomConfig(n=1, groups=groups)).draw(People.of(TWO, frame), np.random.default_rng(0))


def test_whole_clusters() -> None:
    """As many as bring the pilot nearest to its size; nobody outside shares a cluster with it."""
    sizes = np.random.default_rng(1).integers(3, 20, 30)
    village = np.repeat(np.arange(30).astype(str), sizes)
    frame = people({"White": int(sizes.sum())}).frame.assign(village=village)
    grouped = People.of(replace(DESIGN, cluster="village"), frame)
    for seed in range(20):
        draw = Clusters(ClustersConfig(n=60)).draw(grouped, np.random.default_rng(seed))
        assert set(village[draw]).isdisjoint(np.delete(village, draw))
        assert abs(len(draw) - 60) <= 10
        few = Clusters(ClustersConfig(clusters=4)).draw(grouped, np.random.default_rng(seed))
        assert len(set(village[few])) == 4
    assert draw.notes == (f"{len(set(village[draw]))} of 30 whole clusters (village), {len(draw)} people",)
    with pytest.raises(PilotError, match="more than the 30"):
        Clusters(ClustersConfig(clusters=31)).draw(grouped, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="names no cluster"):
        Clusters(ClustersConfig(n=6)).draw(POOL, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="only one of them"):
        ClustersConfig(clusters=3, n=6)
