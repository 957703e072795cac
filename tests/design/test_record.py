"""A design comes back from JSON as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simbench.design import Design, Factor, Item, Option, Profile, Regression, design_from_json, design_to_json
from simbench.errors import StorageError

words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8).map(str.strip).filter(bool)
numbers = st.integers(-(10**9), 10**9)


def levels(values: Any) -> Any:
    listed = st.lists(values, min_size=1, max_size=4, unique_by=str).map(tuple)
    return listed | listed.flatmap(
        lambda found: st.lists(words, min_size=len(found), max_size=len(found), unique=True).map(
            lambda said: dict(zip(found, said, strict=True))
        )
    )


@st.composite
def designs(draw: Any) -> Design:
    factors = tuple(Factor(f"f{k}", draw(levels(words) | levels(numbers))) for k in range(draw(st.integers(0, 2))))
    profile = tuple(
        Profile(
            f"p{k}",
            draw(words | st.just("")),
            draw(st.none() | levels(words) | levels(numbers)),
            tuple(sorted(draw(st.sets(st.integers(0, 99) | st.floats(0, 99), max_size=3)))),
            *draw(st.tuples(st.booleans(), st.booleans(), st.booleans())),
        )
        for k in range(draw(st.integers(0, 2)))
    )
    items = []
    for k in range(draw(st.integers(1, 3))):
        values = draw(st.lists(numbers, min_size=1, max_size=4, unique=True) | st.just(["a", "b"]))
        when = ((factors[0].name, tuple(factors[0].words)[:1]),) if factors and draw(st.booleans()) else ()
        options = tuple(Option(value, f"label {value}", when) for value in values)
        role = draw(st.sampled_from(["belief", "attitude", "decision"]))
        items.append(Item(f"i{k}", role, draw(words), options, draw(st.booleans())))
    regressions = (Regression("i0 ~ 1", "ols", draw(words | st.just(""))),)
    person, main = draw(st.none() | st.just("who")), profile[0].name if profile else None
    return Design(draw(words), factors, profile, tuple(items), regressions, main, person)


@given(designs())
@settings(max_examples=150, deadline=None)
def test_a_design_comes_back_as_it_was(design: Design) -> None:
    again = design_from_json(json.loads(json.dumps(design_to_json(design))))
    assert again == design
    assert again.conditions == design.conditions
    assert again.orders == design.orders


@pytest.mark.parametrize(
    "content", [{}, {"name": "x", "later": 1}, {"name": "x", "items": 3}, {"items": [{"name": "a"}]}]
)
def test_what_is_no_design_is_refused_in_a_line(content: Any) -> None:
    with pytest.raises(StorageError, match="no design of a study"):
        design_from_json(content)
