"""Option probabilities from token log probabilities: right where they can be known, absent where not."""

from __future__ import annotations

import json
import math

import pytest

from simbench.design import Item
from simbench_api.probabilities import option_chances


def token(text: str, **alternatives: float):
    listed = {text: 1.0} if not alternatives else {key.replace("_", " "): p for key, p in alternatives.items()}
    return (text, 0.0, [(each, math.log(p)) for each, p in listed.items()])


def chances(tokens, labels, form="json"):
    found = option_chances(tokens, (Item("sent", "decision", "?", labels),), form)
    return found.get("sent")


def in_json(*answer):
    return [token('{"'), token("sent"), token('":"'), *answer, token('"}')]


def test_the_first_token_decides() -> None:
    probabilities, mass = chances(in_json(token("Yes", Yes=0.6, No=0.3, Maybe=0.1)), ("No", "Yes"))
    assert probabilities == pytest.approx([1 / 3, 2 / 3])
    assert mass == pytest.approx(0.9)


def test_the_drawn_token_does_not_matter() -> None:
    drawn_yes = chances(in_json(token("Yes", Yes=0.6, No=0.4)), ("No", "Yes"))
    drawn_no = chances(in_json(token("No", Yes=0.6, No=0.4)), ("No", "Yes"))
    assert drawn_yes == drawn_no
    assert drawn_yes[0] == pytest.approx([0.4, 0.6])


def test_a_token_that_begins_before_the_option() -> None:
    tokens = [
        token('{"'),
        token("sent"),
        token('":'),
        ('"Yes', 0.0, [('"Yes', math.log(0.7)), ('"No', math.log(0.3))]),
    ]
    assert chances([*tokens, token('"}')], ("No", "Yes"))[0] == pytest.approx([0.3, 0.7])
    alone = [*tokens[:3], ('"Yes', 0.0, [('"Yes', math.log(0.7)), ('"', math.log(0.3))]), token('"}')]
    assert chances(alone, ("No", "Yes")) is None


def test_parts_of_words_count_for_the_word_they_begin() -> None:
    tokens = in_json(token("some", some=0.5, alw=0.3, never=0.2), token("times"))
    assert chances(tokens, ("never", "sometimes", "always"))[0] == pytest.approx([0.2, 0.5, 0.3])


def test_two_options_behind_one_token_are_not_told_apart() -> None:
    assert chances(in_json(token("A", A=0.9, None_=0.1), token(" lot")), ("A lot", "A little", "None")) is None
    tokens = in_json(token("un", un=0.5, likely=0.5), token("likely"))
    assert chances(tokens, ("likely", "unlikely", "unsure")) is None


def test_numbers_are_told_apart_only_where_the_list_shows_it() -> None:
    labels = ("1", "10", "2")
    apart = chances(in_json(("1", 0.0, [("1", math.log(0.5)), ("10", math.log(0.3)), ("2", math.log(0.2))])), labels)
    assert apart[0] == pytest.approx([0.5, 0.3, 0.2])
    assert chances(in_json(("1", 0.0, [("1", math.log(0.8)), ("2", math.log(0.2))])), labels) is None


def test_an_option_outside_a_list_that_leaves_room_makes_them_unknown() -> None:
    assert chances(in_json(token("Yes", Yes=0.9)), ("No", "Yes")) is None
    assert chances(in_json(token("Yes", Yes=0.999)), ("No", "Yes"))[0] == [0.0, 1.0]


def test_bare_answers_and_lines() -> None:
    assert chances([token(" Yes", _Yes=0.5, Yes=0.2, No=0.3)], ("No", "Yes"), "turns")[0] == pytest.approx([0.3, 0.7])
    tokens = [token("sent"), token(":"), token(" Yes", _Yes=0.8, _No=0.2)]
    assert chances(tokens, ("No", "Yes"), "lines")[0] == pytest.approx([0.2, 0.8])


def test_an_item_named_twice_is_left_out() -> None:
    tokens = [token('{"sent":"Yes",'), *in_json(token("Yes", Yes=0.6, No=0.4))]
    assert chances(tokens, ("No", "Yes")) is None


def test_labels_that_json_escapes() -> None:
    label = 'say "no"'
    written = json.dumps(label)[1:-1]
    tokens = in_json(token("say", say=0.75, yes=0.25), token(written[3:]))
    assert chances(tokens, (label, "yes"))[0] == pytest.approx([0.75, 0.25])
