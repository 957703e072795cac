"""Validation: every fault is named with column, row and value, and nothing wrong gets through."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.design import Design, Factor, Item, People, Profile
from simbench.errors import DataError

DESIGN = Design(
    "study",
    (Factor("tone", {0: "positive", 1: "negative"}),),
    (Profile("age", bins=(30, 60)), Profile("home", levels=("north", "south")), Profile("note")),
    (
        Item("belief", "belief", "?", range(1, 6)),
        Item("act", "decision", "?", {"C": "stay", "L": "leave"}, only={"L": {"tone": (1,)}}),
    ),
)


def rows(n: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": [f"p{number}" for number in range(n)],
            "age": np.arange(n) * 10 + 20,
            "home": ["north", "south"] * (n // 2),
            "note": "x",
            "tone": [0, 1] * (n // 2),
            "belief": np.arange(n) % 5 + 1,
            "act": ["C", "L"] * (n // 2),
            "extra": 1,
        }
    )


def faults(frame: pd.DataFrame, design: Design = DESIGN) -> set[tuple[str, str, str]]:
    with pytest.raises(DataError) as caught:
        People.of(design, frame, "here.csv")
    assert str(caught.value).startswith("here.csv: ")
    return {(each.column, each.row, each.found) for each in caught.value.problems}


def test_good_rows_come_back_in_order_and_canonical() -> None:
    given = rows().astype({"belief": float, "tone": str})
    given.index = [9, 9, 3, 2, 1, 0]
    given.loc[3, "belief"] = None
    people = People.of(DESIGN, given)
    assert people.frame.columns.tolist() == list(DESIGN.columns)
    assert people.frame.index.tolist() == list(range(6))
    assert people.frame["belief"].dtype == "Int64"
    assert people.frame["belief"].isna().tolist() == [False, False, True, False, False, False]
    assert people.frame["tone"].tolist() == [0, 1] * 3
    assert people.condition.tolist() == ["positive", "negative"] * 3
    assert people.codes("belief").tolist() == [0, 1, -1, 3, 4, 0]
    assert given.columns.tolist() == rows().columns.tolist()


FAULTS: list[tuple[str, Any]] = [
    ("belief", 6),
    ("belief", 2.5),
    ("belief", "many"),
    ("belief", [1]),
    ("belief", np.array([1, 2])),
    ("tone", 2),
    ("tone", None),
    ("tone", float("nan")),
    ("home", "west"),
    ("home", "North"),
    ("age", "old"),
    ("age", float("inf")),
    ("age", True),
    ("act", "c"),
    ("act", "L"),
    ("participant_id", None),
    ("participant_id", ""),
    ("participant_id", "p1"),
]


@pytest.mark.parametrize(("column", "value"), FAULTS, ids=lambda each: repr(each))
def test_each_fault_is_named_at_its_place(column: str, value: Any) -> None:
    bad = rows().astype(object)
    bad.at[2, column] = value
    ((found_column, row, _),) = faults(bad)
    assert (found_column, row) == (column, "3")


@given(st.sets(st.tuples(st.sampled_from(["belief", "tone", "home", "age"]), st.integers(0, 5)), min_size=1))
def test_all_faults_are_named_and_no_others(places: set[tuple[str, int]]) -> None:
    bad = rows().astype(object)
    for column, row in places:
        bad.at[row, column] = "?"
    assert faults(bad) == {(column, str(row + 1), "'?'") for column, row in places}


def test_many_faults_in_a_column_are_counted() -> None:
    bad = rows(40).assign(belief=9)
    with pytest.raises(DataError) as caught:
        People.of(DESIGN, bad)
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1].found == "30 more such rows"


def test_ids_are_compared_as_they_will_be_written() -> None:
    mixed = rows().astype(object)
    mixed["participant_id"] = [1, 2, "1", 3, 4.0, 4]
    assert faults(mixed) == {("participant_id", "3", "'1'"), ("participant_id", "6", "'4'")}
    mixed["participant_id"] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert People.of(DESIGN, mixed).ids.tolist() == ["1", "2", "3", "4", "5", "6"]


def test_numbers_given_as_text_are_numbers() -> None:
    people = People.of(DESIGN, rows().astype({"age": str, "belief": str}))
    assert pd.api.types.is_numeric_dtype(people.frame["age"])
    assert people.levels("age") == ["under 30", "30-59", "60+"]
    assert people.digest == People.of(DESIGN, rows()).digest


def test_columns_missing_twice_and_rows_missing() -> None:
    assert {column for column, _, _ in faults(rows().drop(columns=["age", "act"]))} == {"age", "act"}
    twice = rows().assign(more=1).rename(columns={"more": "age"})
    assert {column for column, _, _ in faults(twice)} == {"age"}
    assert faults(rows().head(0)) == {("(all)", "", "an empty table")}
    assert faults(rows().assign(belief=None)) == {("belief", "", "none")}


def test_who_a_row_belongs_to_must_be_known() -> None:
    within = Design("within", DESIGN.factors, DESIGN.profile, DESIGN.items, person="pid")
    frame = rows().assign(pid=[1, 1, 2, 2, 3, 3])
    assert People.of(within, frame).person.tolist() == ["1", "1", "2", "2", "3", "3"]
    assert faults(frame.assign(pid=[1, 1, None, 2, 3, 3]), within) == {("pid", "3", "nothing")}


def test_the_error_travels_between_processes() -> None:
    with pytest.raises(DataError) as caught:
        People.of(DESIGN, rows().assign(belief=9))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.problems == caught.value.problems
