"""Bins: every number lands in the bin whose range holds it, and nothing else lands anywhere."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.errors import ConfigError
from simbench.experiments.bins import PERCENT, Bins


def test_options_are_named_by_their_range() -> None:
    assert Bins((0, 5, 30), 30).options == {0: "0-4", 5: "5-29", 30: "30"}
    assert Bins((0, 5, 30), 30).midpoints == {0: 2.0, 5: 17.0, 30: 30.0}
    assert list(PERCENT.options.values())[0::9] == ["0-9", "90-100"]


edges = st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True).map(sorted)


@given(edges, st.integers(0, 20), st.lists(st.integers(-80, 90), min_size=1))
def test_a_number_lands_where_it_belongs(lows: list[int], width: int, numbers: list[int]) -> None:
    bins = Bins(tuple(lows), lows[-1] + width)
    ends = [*lows[1:], bins.top + 1]
    cut = bins.cut(pd.Series(numbers, dtype=object))
    for number, found in zip(numbers, cut, strict=True):
        inside = [low for low, end in zip(lows, ends, strict=True) if low <= number < end]
        assert found == (inside[0] if inside else number)
    assert bins.cut(cut).tolist() == cut.tolist() or any(n < lows[0] or n > bins.top for n in numbers)


def test_what_is_no_answer_stays_for_validation_to_name() -> None:
    given = pd.Series(["35", 100, 99.5, None, "abc", -1, 100.5, float("nan")], dtype=object)
    cut = PERCENT.cut(given)
    assert cut[:3].tolist() == [30, 90, 90]
    assert cut[[4, 5, 6]].tolist() == ["abc", -1, 100.5]
    assert cut[[3, 7]].isna().all()


def test_bins_are_made_of_rising_edges() -> None:
    for wrong in ((), (5, 5), (5, 3), (0, 101)):
        with pytest.raises(ConfigError, match="rising"):
            Bins(wrong, 100)
