"""People: views on a validated frame, and the identity of the people in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from simbench.design import Design, Factor, Item, People, Profile
from simbench.errors import PluginError

DESIGN = Design(
    "study",
    (Factor("part", {"A": "forced", "F": "free"}),),
    (Profile("home", levels={"n": "north", "s": "south", "w": "west"}), Profile("town")),
    (Item("x", "belief", "?", [1, 2, 3]), Item("y", "decision", "?", ["C", "L"], only={"L": {"part": ("F",)}})),
)
FRAME = pd.DataFrame(
    {
        "participant_id": ["a", "b", "c", "d"],
        "home": ["s", "n", None, "s"],
        "town": ["z", "y", "z", None],
        "part": ["A", "F", "F", "A"],
        "x": [1, 2, None, 3],
        "y": ["C", "L", "C", "C"],
    }
)
PEOPLE = People.of(DESIGN, FRAME)


def test_levels_come_in_their_natural_order_and_only_if_they_occur() -> None:
    assert PEOPLE.levels("home") == ["north", "south"]
    assert PEOPLE.levels("town") == ["y", "z"]
    assert PEOPLE.levels("condition") == ["forced", "free"]
    assert PEOPLE.level("home").isna().tolist() == [False, False, True, False]
    with pytest.raises(PluginError, match="no profile variable"):
        PEOPLE.levels("hoem")


def test_parts_keep_their_rows() -> None:
    part = PEOPLE.at([2, 0])
    assert part.ids.tolist() == ["c", "a"]
    assert part.frame.index.tolist() == [0, 1]
    assert PEOPLE.where(PEOPLE.frame["part"] == "F").ids.tolist() == ["b", "c"]
    assert len(PEOPLE.at([])) == 0


def test_what_is_offered() -> None:
    assert PEOPLE.offered("x").all()
    assert PEOPLE.offered("y").tolist() == [[True, False], [True, True], [True, True], [True, False]]


def test_the_digest_is_the_identity_of_the_people() -> None:
    assert PEOPLE.digest == People.of(DESIGN, FRAME.assign(unused=1)).digest
    for changed in (
        FRAME.assign(x=[1, 2, 1, 3]),
        FRAME.iloc[::-1],
        FRAME.assign(participant_id=["a", "b", "c", "e"]),
        FRAME.assign(home=["s", "n", "n", "s"]),
    ):
        assert People.of(DESIGN, changed).digest != PEOPLE.digest


def test_answers_by_code() -> None:
    answered = PEOPLE.answering({"x": np.array([2, -1, 0, 1]), "y": np.array([0, 1, 0, -1])})
    assert answered.codes("x").tolist() == [2, -1, 0, 1]
    assert answered.frame["y"].isna().tolist() == [False, False, False, True]
    assert PEOPLE.codes("x").tolist() == [0, 1, -1, 2]
