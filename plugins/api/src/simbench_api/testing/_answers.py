"""What the stand-in answers: not a model, but something with the statistics a test needs.

An answer is a function of (model, messages, seed, temperature) alone. For every closed choice there is a
distribution over the options, narrow for a model nobody adapted, and drawn towards the answers shown in
training files and in the prompt's earlier turns. ``logprobs`` are those of that very distribution.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simbench_api.testing._faults import uniform

__all__ = ["Knowledge", "Piece", "Reply", "compose", "count_tokens", "flatten", "tokens_of"]

BASE_WEIGHT = 4.0  # how many examples the unadapted answer counts for
_QUESTION = re.compile(r"^([^\s:]+): .*Options: (.+)$", re.MULTILINE)  # as simbench writes questions
_IN_DIGITS = re.compile(r"^([^\s:]+): .*Answer: a number from (\d+) to (\d+)\.$", re.MULTILINE)
_ASKED = re.compile(r"([^\s:]+)\?\s*$")  # one question in a conversation: its name and a question mark
_TOKEN = re.compile(r"\s?\w+|[^\w\s]+|\s+")


def count_tokens(text: str) -> int:
    """Tokens of a text as the stand-in bills them: about as many as the tokenizers of the providers make."""
    return len(tokens_of(text))


def tokens_of(text: str) -> list[str]:
    """The text cut into the stand-in's tokens; joined they are the text again."""
    return _TOKEN.findall(text)


def flatten(content: Any) -> str:
    """The text of a message's content, given as a string or as a list of blocks."""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content or ())


@dataclass
class Knowledge:
    """Answers seen in training, counted per question."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def learn(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Count the answers of every assistant turn in a transcript."""
        question = ""
        for message in messages:
            text = flatten(message.get("content"))
            if message.get("role") == "assistant":
                for name, answer in _answers_in(text, question):
                    self.counts.setdefault(name, Counter())[answer] += 1
            else:
                question = text

    def of(self, name: str) -> Counter[str]:
        """Counts by answer for one question."""
        return self.counts.get(name, Counter())


def _answers_in(text: str, question: str) -> list[tuple[str, str]]:
    """Pairs of question and answer in an assistant turn: a JSON object, lines, or one bare answer."""
    if asked := _ASKED.search(question):
        return [(asked.group(1), text.strip())]
    try:
        found = json.loads(text)
    except ValueError:
        pairs = (line.split(": ", 1) for line in text.splitlines())
        return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    return [(str(name), str(value)) for name, value in found.items()] if isinstance(found, dict) else []


@dataclass(frozen=True)
class Piece:
    """A stretch of the answer's text; for a choice, the options and their probabilities."""

    text: str
    options: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reply:
    """An answer as the pieces it is made of."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(piece.text for piece in self.pieces)


def _distribution(
    options: Sequence[str], name: str, persona: str, seen: Counter[str], temperature: float
) -> list[float]:
    """Probabilities (k,) of k options: a bump whose place depends on the persona, plus what was shown."""
    k = len(options)
    centre = 0.25 + 0.5 * uniform("trait", persona, name)
    bump = [math.exp(-0.5 * (((i + 0.5) / k - centre) / 0.12) ** 2) + 1e-4 for i in range(k)]
    total = sum(bump)
    weight = BASE_WEIGHT if seen else 1.0
    mass = [weight * b / total + seen[option] for b, option in zip(bump, options)]
    if temperature <= 0.0:
        best = max(range(k), key=mass.__getitem__)
        return [float(i == best) for i in range(k)]
    sharp = [m ** (1.0 / temperature) for m in mass]
    return [s / sum(sharp) for s in sharp]


def _draw(probabilities: Sequence[float], point: float) -> int:
    for index, probability in enumerate(probabilities):
        if point < probability:
            return index
        point -= probability
    return max(range(len(probabilities)), key=probabilities.__getitem__)


@dataclass(frozen=True)
class _Voice:
    """Everything an answer depends on."""

    persona: str
    seed: object
    temperature: float
    trained: Knowledge
    shown: Knowledge

    def choose(self, options: Sequence[str], name: str) -> Piece:
        """One option, drawn."""
        seen = self.trained.of(name) + self.shown.of(name)
        probabilities = _distribution(options, name, self.persona, seen, self.temperature)
        index = _draw(probabilities, uniform("draw", self.persona, name, self.seed))
        return Piece(options[index], tuple(options), tuple(probabilities))


def compose(
    messages: Sequence[Mapping[str, Any]],
    schema: Mapping[str, Any] | None,
    *,
    seed: object = None,
    temperature: float = 1.0,
    trained: Knowledge | None = None,
) -> Reply:
    """The answer to a conversation: JSON under ``schema``, else to the questions found in the text.

    A question is a line ``name: words Options: a | b | c``, or
    ``name: words Answer: a number from 0 to 9.``. If the last turn ends in ``name?``, that one is
    answered with the bare option; otherwise all are, one line each.
    """
    shown = Knowledge()
    shown.learn(messages)
    last = flatten(messages[-1].get("content")) if messages else ""
    persona = hashlib.sha256(
        "\x1e".join(flatten(m.get("content")) for m in messages if m.get("role") != "assistant").encode()
    ).hexdigest()
    voice = _Voice(persona, seed, temperature, trained or Knowledge(), shown)
    if schema is not None:
        return Reply(tuple(_fill(schema, "", voice)))
    questions = {
        name: options.split(" | ")
        for message in messages
        for name, options in _QUESTION.findall(flatten(message.get("content")))
    }
    for message in messages:
        for name, low, high in _IN_DIGITS.findall(flatten(message.get("content"))):
            questions[name] = [str(number) for number in range(int(low), int(high) + 1)]
    asked = _ASKED.search(last)
    if asked and asked.group(1) in questions:
        return Reply((voice.choose(questions[asked.group(1)], asked.group(1)),))
    lines = [
        piece
        for name, options in questions.items()
        for piece in (Piece(f"{name}: "), voice.choose(options, name), Piece("\n"))
    ]
    return Reply(tuple(lines[:-1]) or (Piece("I am a stand-in server, not a language model."),))


def _fill(schema: Mapping[str, Any], name: str, voice: _Voice) -> list[Piece]:
    """Pieces of a JSON value that fits the schema."""
    if "const" in schema:
        return [Piece(json.dumps(schema["const"], ensure_ascii=False))]
    if "enum" in schema:
        return _choice(schema["enum"], name, voice)
    kind = schema.get("type")
    if kind == "object":
        pieces = [Piece("{")]
        for position, (key, inner) in enumerate(schema.get("properties", {}).items()):
            comma = "," if position else ""
            pieces.append(Piece(f"{comma}{json.dumps(key, ensure_ascii=False)}:"))
            pieces += _fill(inner, key, voice)
        return [*pieces, Piece("}")]
    if kind == "array":
        return [Piece("["), *_fill(schema.get("items", {}), name, voice), Piece("]")]
    if kind == "boolean":
        return _choice([True, False], name, voice)
    if kind in ("integer", "number"):
        low = int(schema.get("minimum", 0))
        return _choice(list(range(low, int(schema.get("maximum", low + 10)) + 1)), name, voice)
    return [Piece(json.dumps("a word from the stand-in"))]


def _choice(options: Sequence[Any], name: str, voice: _Voice) -> list[Piece]:
    chosen = voice.choose([str(option) for option in options], name)
    if not all(isinstance(option, str) for option in options):
        written = [json.dumps(option) for option in options]
        return [Piece(written[chosen.options.index(chosen.text)], tuple(written), chosen.probabilities)]
    escaped = tuple(json.dumps(option, ensure_ascii=False)[1:-1] for option in options)
    text = escaped[chosen.options.index(chosen.text)]
    return [Piece('"'), Piece(text, escaped, chosen.probabilities), Piece('"')]
