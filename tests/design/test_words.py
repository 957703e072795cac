"""Options, items, factors, profile variables: what they say, and what they refuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.design import Design, Factor, Item, Option, Profile, Regression
from simbench.errors import ConfigError, PluginError

LEAVE = Item(
    "action",
    "decision",
    "What do you do?",
    {"C": "stay", "L": "leave"},
    only={"L": {"part": ("free",), "day": (1, 2)}},
)


def test_options_may_be_written_in_three_ways() -> None:
    written = (
        Item("x", "belief", "?", [1, 2]),
        Item("x", "belief", "?", {1: "1", 2: "2"}),
        Item("x", "belief", "?", [Option(1, "1"), Option(2, "2")]),
    )
    assert written[0] == written[1] == written[2]
    assert hash(written[0]) == hash(written[2])


@given(st.lists(st.integers(-5, 5), min_size=1, unique=True), st.lists(st.none() | st.integers(-9, 9)))
def test_codes_are_positions_and_minus_one(values: list[int], answers: list[int | None]) -> None:
    item = Item("x", "belief", "?", values)
    codes = item.codes(pd.Series(answers, dtype="Int64"))
    assert codes.tolist() == [values.index(a) if a in values else -1 for a in answers]
    assert codes.tolist() == [item.code(a) for a in answers]


def test_options_offered_to_some_groups() -> None:
    assert LEAVE.within({"part": "free", "day": 1}) is LEAVE
    assert LEAVE.within({"part": "free", "day": 3}).values == ("C",)
    assert LEAVE.within({"part": "forced", "day": 1}).labels == ("stay",)
    with pytest.raises(ConfigError, match="none of its options"):
        Item("x", "belief", "?", [1], only={2: {"part": ("free",)}})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("x", "hope", "?", [1]), "role"),
        (("x", "belief", "?", []), "no options"),
        (("x", "belief", "?", [Option(1, "a"), Option(1, "b")]), "share their value"),
        (("x", "belief", "?", {1: "Yes", 2: "yes"}), "share their label"),
        (("x", "belief", "?", {1: " a"}), "padded"),
        (("x", "belief", "?", {1: ""}), "empty"),
        (("x", "belief", "?", {1: "a\nb"}), "line break"),
        (("x: y", "belief", "?", [1]), "colon"),
    ],
)
def test_items_that_cannot_be(arguments: tuple[str, str, str, list[int]], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Item(*arguments)


edges = st.lists(st.integers(-40, 40), min_size=1, max_size=6, unique=True).map(sorted)


@given(edges, st.lists(st.integers(-60, 60) | st.none(), min_size=1))
def test_whole_numbers_fall_into_the_band_that_names_them(bins: list[int], numbers: list[int | None]) -> None:
    variable = Profile("age", bins=bins)
    names = variable.bands()
    assert len(set(names)) == len(names) == len(bins) + 1
    for number, level in zip(numbers, variable.level(pd.Series(numbers, dtype="Int64")), strict=True):
        if number is None:
            assert level is None
            continue
        position = int(np.searchsorted(bins, number, side="right"))
        assert level == names[position]
    for (low, high), name in zip(pairwise(bins), names[1:], strict=False):
        assert name == (f"{low}" if high == low + 1 else f"{low}-{high - 1}")


def test_bands_between_fractions_do_not_pretend() -> None:
    assert Profile("x", bins=(0.5, 1.5)).bands() == ("under 0.5", "0.5 to under 1.5", "1.5+")
    with pytest.raises(ConfigError, match="rise"):
        Profile("x", bins=(30, 18))


def test_how_a_profile_speaks() -> None:
    school = Profile("last_school", levels={1: "primary", 2: "secondary"})
    assert school.title == "Last school"
    assert school.say(np.int64(2)) == "secondary"
    assert school.level(pd.Series([2, None, 1], dtype="Int64")).tolist()[::2] == ["secondary", "primary"]
    assert school.level(pd.Series([None, 1], dtype="Int64")).isna().tolist() == [True, False]
    assert Profile("age").say(41.0) == "41"
    assert Profile("trust").say(4.2) == "4.2"


def design(**changes: object) -> Design:
    parts: dict[str, object] = {
        "name": "d",
        "factors": (Factor("part", ("free", "forced")), Factor("day", (1, 2))),
        "profile": (Profile("age", bins=(30,)), Profile("home", subgroup=False)),
        "items": (Item("x", "belief", "?", [1, 2]), Item("y", "decision", "?", [0, 1])),
    }
    return Design(**(parts | changes))  # type: ignore[arg-type]


def test_conditions_in_order() -> None:
    assert design().conditions == ("free/1", "free/2", "forced/1", "forced/2")
    assert design(factors=()).conditions == ("all",)
    frame = pd.DataFrame({"part": ["forced", "free"], "day": pd.array([2, 1], dtype="Int64")})
    assert design().condition(frame).tolist() == ["forced/2", "free/1"]
    assert design(factors=()).condition(frame).tolist() == ["all", "all"]
    assert [each.name for each in design().subgroups] == ["age"]
    assert design().default_subgroup == "age"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"items": ()}, "no items"),
        ({"profile": (Profile("x"),)}, "twice: x"),
        ({"person": "x"}, "twice: x"),
        ({"main_subgroup": "gender"}, "no profile variable"),
        ({"factors": (Factor("part", {1: "a", 2: "a"}),)}, "words of its own"),
        ({"factors": (Factor("part", ()),)}, "needs levels"),
        ({"factors": (Factor("a", ("x", "x/y")), Factor("b", ("y/z", "z")))}, "words of its own"),
        ({"items": (LEAVE,), "factors": (Factor("part", ("free", "forced")),)}, "day=1"),
        ({"items": (LEAVE,), "factors": (Factor("part", ("bound",)), Factor("day", (1, 2)))}, "part='free'"),
    ],
)
def test_designs_that_cannot_be(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(PluginError, match=expected):
        design(**changes)


def test_unknown_names_get_the_closest() -> None:
    with pytest.raises(PluginError, match="did you mean 'home'"):
        design().variable("hone")
    with pytest.raises(PluginError, match="no item 'z'"):
        design().item("z")
    with pytest.raises(ConfigError, match="family is one of"):
        Regression("x ~ y", family="probit")
    assert Regression("x ~ y").title == "ols: x"
