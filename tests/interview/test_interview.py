"""Interviews are written once for training and asking, and only an option's label is read as an answer."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.design import Design, Factor, Item, People, Profile
from simbench.errors import ConfigError, DataError
from simbench.interview import (
    Interview,
    Script,
    Style,
    Transcript,
    answer_text,
    json_schema,
    messages,
    read,
    read_option,
    transcript_messages,
)

ITEMS = (
    Item("harm", "belief", "How harmful?", {1: "not at all", 2: "somewhat", 3: "very"}),
    Item("sent", "decision", "Send it?", {0: "no", 1: "yes"}),
)
DESIGN = Design(
    "toy",
    (Factor("tone", {"neg": "negative", "pos": "positive"}),),
    (Profile("age", "Age", bins=(40,)), Profile("gender", "Gender", levels={1: "woman", 2: "man"})),
    ITEMS,
)


def script(style: Style | None = None) -> Script:
    return Script(DESIGN, "Welcome.", lambda treatment: f"The story is {treatment['tone']}.", style or Style())


@pytest.fixture
def people() -> People:
    frame = pd.DataFrame(
        {
            "participant_id": [1, 2, 3],
            "tone": ["neg", "pos", "neg"],
            "age": [31.0, 64.0, None],
            "gender": [1, 2, 1],
            "harm": [3, 1, None],
            "sent": [1, 0, 0],
        }
    )
    return People.of(DESIGN, frame)


def test_the_shared_part_comes_first_and_is_the_same_in_a_condition(people: People) -> None:
    first, second, third = script().interviews(people)
    assert first.shared == third.shared != second.shared
    assert "The story is neg." in first.shared
    assert "harm: How harmful? Options: not at all | somewhat | very" in first.shared
    system, user = messages(first, "lines")
    assert system["content"].startswith(first.shared)
    assert user["content"] == "About you:\n- Age: 31\n- Gender: woman"
    assert third.persona == "About you:\n- Gender: woman"


def test_styles(people: People) -> None:
    (prose, *_), (none, *_), (turned, *_) = (
        list(script(style).interviews(people))
        for style in (Style(persona="prose"), Style(persona="none"), Style(options="reversed"))
    )
    assert "your age is 31; your gender is woman" in prose.persona
    assert "31" not in none.persona
    assert "very | somewhat | not at all" in turned.shared
    assert turned.items[0].values == (3, 2, 1)
    with pytest.raises(ConfigError, match=r"interview\.persona"):
        Style(persona="poem")


def test_only_complete_people_become_transcripts(people: People) -> None:
    found = list(script().transcripts(people))
    assert [each.interview.participant_id for each in found] == ["1", "2"]
    assert found[0].answers == {"harm": 3, "sent": 1}
    with pytest.raises(DataError, match="sent"):
        Transcript(found[0].interview, {"harm": 3})


def test_what_is_written_is_read_back(people: People) -> None:
    for transcript in script().transcripts(people):
        for form in ("lines", "json"):
            reading = read(answer_text(transcript, form), ITEMS, form)
            assert reading.ok
            assert reading.answers == transcript.answers
            assert transcript_messages(transcript, form)[-1]["content"] == answer_text(transcript, form)


def test_turns_ask_one_item_at_a_time(people: People) -> None:
    transcript = next(script().transcripts(people))
    first = messages(transcript.interview, "turns")
    assert first[-1]["content"].endswith("harm?")
    second = messages(transcript.interview, "turns", {"harm": 3})
    assert [each["content"] for each in second[2:]] == ["very", "sent?"]
    assert second[: len(first)] == first
    whole = transcript_messages(transcript, "turns")
    assert [each["content"] for each in whole if each["role"] == "assistant"] == ["very", "yes"]


@pytest.mark.parametrize("text", ["yes", " Yes. ", '"YES"', "`yes`"])
def test_an_option_is_recognised(text: str) -> None:
    assert read_option(text, ITEMS[1]) == 1


@pytest.mark.parametrize("text", ["", "yes and no", "1", "y", "nope", "not at all"])
def test_anything_else_is_no_answer(text: str) -> None:
    assert read_option(text, ITEMS[1]) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("not json", "not JSON"),
        ("[1, 2]", "expected a JSON object, found list"),
        ('{"harm": "very"}', "sent: expected one of its options, found nothing"),
        ('{"harm": "very", "sent": "perhaps"}', "sent: expected one of its options, found 'perhaps'"),
        ('{"harm": "very", "sent": {"x": 1}}', "sent: expected one of its options"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_broken_json_is_said(text: str, fault: str) -> None:
    reading = read(text, ITEMS, "json")
    assert not reading.ok
    assert fault in "; ".join(reading.problems)


@given(st.text(max_size=200))
def test_untrusted_text_never_breaks_the_reader(text: str) -> None:
    for form in ("lines", "json"):
        reading = read(text, ITEMS, form)
        assert set(reading.answers) <= {"harm", "sent"}
        assert reading.ok == (len(reading.answers) == 2)


def test_the_first_line_for_an_item_counts() -> None:
    reading = read("harm: very\nsent: no\nharm: somewhat", ITEMS, "lines")
    assert reading.answers == {"harm": 3, "sent": 0}


def test_json_schema_admits_labels_only() -> None:
    schema: dict[str, Any] = json_schema(ITEMS)
    assert schema["properties"]["sent"]["enum"] == ["no", "yes"]
    assert schema["required"] == ["harm", "sent"]
    assert schema["additionalProperties"] is False
    json.dumps(schema)


def test_an_interview_is_identified_by_participant_and_replicate(people: People) -> None:
    keys = [each.key for each in script().interviews(people, replicates=2)]
    assert keys == [("1", 0), ("1", 1), ("2", 0), ("2", 1), ("3", 0), ("3", 1)]
    assert all(isinstance(each, Interview) for each in script().interviews(people))
