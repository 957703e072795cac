"""Forms of asking: how an interview becomes chat messages, and how what comes back is read.

``lines``
    One user turn with everything; the answer is one line ``item: option label`` per item, in order.
``json``
    The same, the answer being a JSON object; :func:`json_schema` lets a provider enforce it.
``turns``
    One user turn per item, each answered with the bare option label.

An item whose number is asked for in digits (``Item.digits``) is answered with one instead of a label.

In every form the shared text comes first (system message), the persona after it, so that what many
interviews have in common is a common prefix. What a model writes is untrusted text: the readers here accept
an option's label, or a number within the item's ends, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from simbench.design import Item, Value
from simbench.interview.interview import Interview, Transcript
from simbench.interview.numerals import read_number, say_number
from simbench.settings import one_of

__all__ = [
    "FORMS",
    "Message",
    "Reading",
    "answer_text",
    "json_schema",
    "line_cue",
    "messages",
    "read",
    "read_answer",
    "read_option",
    "transcript_messages",
    "unbounded",
    "wanted",
]

Message = dict[str, str]
FORMS = ("lines", "json", "turns")

IN_DIGITS = " A question that asks for a number is answered with the number alone, in digits."
INSTRUCTIONS = {
    "lines": "Answer as this person would, every question in order, one line each, written as the name of "
    "the question, a colon and exactly one of its options.",
    "json": "Answer as this person would: one JSON object with the names of the questions as keys and "
    "exactly one of the question's options as each value.",
    "turns": "You will be asked the questions one by one. Answer each as this person would, with exactly one "
    "of its options and nothing else.",
}


@dataclass(frozen=True)
class Reading:
    """What was read from a model's words: answers by item, and what was wrong for the others.

    ``numbers`` are those that were given in digits; their answers are the bins they fall into.
    """

    answers: Mapping[str, Value]
    problems: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Every item was answered with one of its options."""
        return not self.problems


def messages(
    interview: Interview,
    form: str,
    answered: Mapping[str, Value] | None = None,
    numbers: Mapping[str, float] | None = None,
) -> list[Message]:
    """Chat messages that ask an interview.

    ``answered`` (form ``turns`` only) holds the answers so far: the messages end with the question of the
    first item that is not in it. ``numbers`` holds those of them that were given in digits.
    """
    one_of("elicitation", form, FORMS)
    also = IN_DIGITS if any(item.digits for item in interview.items) else ""
    opening = [
        {"role": "system", "content": f"{interview.shared}\n\n{INSTRUCTIONS[form]}{also}"},
        {"role": "user", "content": interview.persona},
    ]
    if form != "turns":
        return opening
    turns, given = [], dict(answered or {})
    for item in interview.items:
        turns.append({"role": "user", "content": f"{item.name}?"})
        if item.name not in given:
            break
        turns.append({"role": "assistant", "content": _said(item, given, numbers or {})})
    opening[1]["content"] = f"{interview.persona}\n\n{turns[0]['content']}"
    return opening + turns[1:]


def transcript_messages(transcript: Transcript, form: str) -> list[Message]:
    """Chat messages of a whole interview with its answers: one training or few-shot example."""
    if form == "turns":
        return messages(transcript.interview, form, transcript.answers, transcript.numbers)
    asked = messages(transcript.interview, form)
    return [*asked, {"role": "assistant", "content": answer_text(transcript, form)}]


def line_cue(item: Item) -> str:
    """What precedes the option label on an item's line in the form ``lines``."""
    return f"{item.name}: "


def answer_text(transcript: Transcript, form: str) -> str:
    """The assistant's words for a transcript in the forms ``lines`` and ``json``."""
    one_of("elicitation", form, ("lines", "json"))
    said = {item.name: transcript.label(item) for item in transcript.interview.items}
    if form == "json":
        plain = {item.name: _plain(transcript, item) for item in transcript.interview.items}
        return json.dumps(plain, ensure_ascii=False)
    return "\n".join(f"{line_cue(item)}{said[item.name]}" for item in transcript.interview.items)


def json_schema(items: Sequence[Item]) -> dict[str, Any]:
    """A strict JSON schema whose only valid objects answer every item with one of its labels or a number in reach."""
    return {
        "type": "object",
        "properties": {item.name: _property(item) for item in items},
        "required": [item.name for item in items],
        "additionalProperties": False,
    }


def unbounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of :func:`json_schema` without the ends of numbers, for providers that take none."""
    ends = ("minimum", "maximum")
    parts = {name: {key: each[key] for key in each if key not in ends} for name, each in schema["properties"].items()}
    return {**schema, "properties": parts}


def _property(item: Item) -> dict[str, Any]:
    if item.digits:
        return {"type": "number", "minimum": item.ends[0], "maximum": item.ends[1]}
    return {"type": "string", "enum": list(item.labels)}


def _plain(transcript: Transcript, item: Item) -> str | int | float:
    if not item.digits:
        return transcript.label(item)
    number = transcript.numbers[item.name]
    return int(number) if number.is_integer() else number


def _said(item: Item, answers: Mapping[str, Value], numbers: Mapping[str, float]) -> str:
    """An answer as it is written: in digits, or as the option's label."""
    return say_number(numbers[item.name]) if item.digits else item.labels[item.code(answers[item.name])]


def read_answer(text: str, item: Item) -> tuple[Value, float | None] | None:
    """The option that ``text`` is, and the number behind it where it is asked for in digits; None for all else."""
    if item.digits:
        number = read_number(text, percent=item.ends == (0.0, 100.0))
        found = None if number is None else item.bin_of(number)
        return None if found is None else (found, number)
    place = _places(item.labels).get(_bare(text))
    return None if place is None else (item.values[place], None)


def read_option(text: str, item: Item) -> Value | None:
    """The option whose label ``text`` is, or that the number in it falls into; None for all else.

    Case, surrounding white space, quotes and a final full stop are forgiven; nothing else is.
    """
    found = read_answer(text, item)
    return None if found is None else found[0]


@lru_cache(maxsize=4096)
def _places(labels: tuple[str, ...]) -> dict[str, int]:
    """Where a label stands, by its bare words; labels that are told apart only by what is forgiven are left out."""
    bare = [_bare(label) for label in labels]
    return {words: place for place, words in enumerate(bare) if bare.count(words) == 1}


def read(text: str, items: Sequence[Item], form: str) -> Reading:
    """Read a model's words in the forms ``lines`` and ``json``."""
    one_of("elicitation", form, ("lines", "json"))
    said, fault = _json_pairs(text) if form == "json" else (_line_pairs(text), "")
    if fault:
        return Reading({}, (fault,))
    answers: dict[str, Value] = {}
    numbers: dict[str, float] = {}
    problems = []
    for item in items:
        given = read_answer(said[item.name], item) if item.name in said else None
        if given is None:
            found = repr(said[item.name][:80]) if item.name in said else "nothing"
            problems.append(f"{item.name}: expected {wanted(item)}, found {found}")
            continue
        answers[item.name] = given[0]
        if given[1] is not None:
            numbers[item.name] = given[1]
    return Reading(answers, tuple(problems), numbers)


def wanted(item: Item) -> str:
    """What an answer can be, in words."""
    if item.digits:
        return f"a number from {say_number(item.ends[0])} to {say_number(item.ends[1])}"
    return "one of its options"


def _bare(text: str) -> str:
    return text.strip().strip("\"'`*").rstrip(".").strip().casefold()


def _line_pairs(text: str) -> dict[str, str]:
    """The first ``name: words`` line for every name."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"\s*[-*]?\s*([^:]+?)\s*:\s*(.*)", line)
        if match:
            said.setdefault(match.group(1).strip("\"'`* "), match.group(2))
    return said


def _json_pairs(text: str) -> tuple[dict[str, str], str]:
    """The pairs of the JSON object in ``text`` (a code fence around it is forgiven), or what is wrong."""
    body = re.sub(r"^\s*```(?:json)?\s*|\s*```\s*$", "", text)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON: {error}"
    if not isinstance(found, dict):
        return {}, f"expected a JSON object, found {type(found).__name__}"
    return {str(key): str(value) for key, value in found.items()}, ""
