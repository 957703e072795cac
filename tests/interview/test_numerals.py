"""Numbers in digits: one strict way to read them, whatever surrounds them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.design import Item
from simbench.errors import ConfigError, DataError
from simbench.experiments.bins import Bins
from simbench.interview import Interview, Transcript, answer_text, json_schema, messages, read, unbounded
from simbench.interview.numerals import read_number, say_number

BINS = Bins((0, 25, 50, 75), 100)
SHARE = Item("share", "belief", "How many percent?", BINS.options, spans=BINS.spans, digits=True)
VOTE = Item("vote", "decision", "Vote?", ("yes", "no"))
ASKED = Interview("p1", "all", "A survey.", "You are 30.", (SHARE, VOTE))


def grouped(digits: str, mark: str) -> str:
    first = len(digits) % 3
    return mark.join(
        [*([digits[:first]] if first else []), *(digits[i : i + 3] for i in range(first, len(digits), 3))]
    )


@given(
    st.integers(0, 10**12),
    st.sampled_from(["", ",", " ", "\u202f", "'", "_"]),
    st.sampled_from(["", "$", "€ ", "USD "]),
    st.sampled_from(["", "-"]),
    st.sampled_from(["{}", " {}\n", "**{}**", '"{}"', "{}."]),
    st.integers(0, 999),
)
def test_a_number_is_read_however_it_is_set(number, mark, unit, sign, around, part) -> None:
    written = grouped(str(number), mark) if mark else str(number)
    decimals = f".{part}" if part else ""
    expected = float(f"{sign}{number}{decimals}")
    assert read_number(around.format(f"{sign}{unit}{written}{decimals}")) == expected
    if not unit:
        assert read_number(around.format(f"{sign}{written}{decimals} years")) == expected


@given(st.floats(-1e9, 1e9).map(lambda x: round(x, 6)) | st.integers(-(10**15), 10**15).map(float))
def test_what_is_written_is_read(number) -> None:
    assert read_number(say_number(number)) == number


@given(st.text(alphabet="0123456789.,' _-+%$€eEkKm—²٣\u00a0\n", max_size=14) | st.text(max_size=30))
def test_what_is_read_is_one_plain_number(text) -> None:
    found = read_number(text, percent=True)
    if found is not None:
        assert math.isfinite(found)
        digits = "".join(each for each in text if each in "0123456789.").rstrip(".")
        assert abs(found) == float(digits)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "about 5",
        "5-10",
        "5 or 6",
        "20k",
        "1,5",
        "12,34",
        "1,0000",
        "1,000 000",
        "1e3",
        "٣",
        "1.2.3",
        "$5 USD",
        "5 apples",
        "--5",
        "ten",
        "NaN",
        "inf",
        "1/2",
        "5!",
        "0x10",
        "99999999999999999",
    ],
)
def test_all_else_is_none(text) -> None:
    assert read_number(text) is None


def test_percent_is_for_scales_of_percent() -> None:
    assert (read_number("50 %", percent=True), read_number("50 %")) == (50.0, None)


@pytest.mark.parametrize("form", ["json", "lines"])
@pytest.mark.parametrize(
    ("said", "value", "number"),
    [
        ("0", 0, 0.0),
        ("24.5", 0, 24.5),
        ("25", 25, 25.0),
        ("100%", 75, 100.0),
        ("100.5", None, None),
        ("-1", None, None),
    ],
)
def test_the_bin_and_the_number_of_an_answer(form, said, value, number) -> None:
    text = f'{{"share": "{said}", "vote": "yes"}}' if form == "json" else f"share: {said}\nvote: yes"
    reading = read(text, ASKED.items, form)
    if value is None:
        assert reading.problems == (f"share: expected a number from 0 to 100, found '{said}'",)
    else:
        assert (dict(reading.answers), dict(reading.numbers)) == ({"share": value, "vote": "yes"}, {"share": number})


def test_a_json_number_is_read_too() -> None:
    assert read('{"share": 30, "vote": "no"}', ASKED.items, "json").numbers == {"share": 30.0}
    assert not read('{"share": true, "vote": "no"}', ASKED.items, "json").ok


def test_the_schema_holds_the_ends_where_they_are_taken() -> None:
    schema = json_schema(ASKED.items)
    assert schema["properties"]["share"] == {"type": "number", "minimum": 0.0, "maximum": 100.0}
    assert unbounded(schema)["properties"]["share"] == {"type": "number"}
    assert unbounded(schema)["properties"]["vote"] == schema["properties"]["vote"]


def test_examples_are_written_in_digits() -> None:
    told = Transcript(ASKED, {"share": 25, "vote": "no"}, {"share": 37.5})
    assert answer_text(told, "lines") == "share: 37.5\nvote: no"
    assert answer_text(told, "json") == '{"share": 37.5, "vote": "no"}'
    assert messages(ASKED, "turns", told.answers, told.numbers)[2]["content"] == "37.5"
    assert "number alone, in digits" in messages(ASKED, "json")[0]["content"]
    with pytest.raises(DataError, match="the number that was given"):
        Transcript(ASKED, {"share": 25, "vote": "no"})


def test_only_a_number_is_asked_for_in_digits() -> None:
    with pytest.raises(ConfigError, match="only a number"):
        Item("vote", "decision", "Vote?", ("yes", "no"), digits=True)
