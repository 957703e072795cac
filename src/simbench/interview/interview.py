"""An interview: what one participant is asked. A transcript: an interview with its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simbench.design import Item, Value
from simbench.errors import DataError, Problem
from simbench.interview.numerals import say_number

__all__ = ["Interview", "Transcript"]


@dataclass(frozen=True)
class Interview:
    """What one simulated participant is asked.

    ``shared`` is the same for everybody in a treatment group: introduction, vignette, questions. It comes
    first in every prompt, so that prompt caches and shared-prefix inference can use it; ``persona`` is what
    is told of this one participant. ``replicate`` counts independent draws for the same participant.
    ``profile`` holds the profile values that the persona tells, ``treatment`` the factor values behind the
    vignette: what a model that reads numbers instead of words goes by. ``person`` is the
    human behind it, of whom a pilot may hold several rows (empty: nobody else's row is of the same human).
    """

    participant_id: str
    condition: str
    shared: str
    persona: str
    items: tuple[Item, ...]
    replicate: int = 0
    profile: Mapping[str, Value] = field(default_factory=dict)
    treatment: Mapping[str, Value] = field(default_factory=dict)
    person: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """What identifies this interview within a run."""
        return (self.participant_id, self.replicate)

    @property
    def human(self) -> str:
        """Whose it is: all interviews of one human have the same."""
        return self.person or self.participant_id


@dataclass(frozen=True)
class Transcript:
    """An interview with a real person's answers: a training example, and a few-shot example.

    ``answers`` maps every item's name to one of its option values; ``numbers`` holds the numbers themselves of those
    that are asked for in digits.
    """

    interview: Interview
    answers: Mapping[str, Value]
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [
            Problem(item.name, "one of its options", repr(self.answers.get(item.name)))
            for item in self.interview.items
            if self.answers.get(item.name) not in item.values
        ]
        wrong += [
            Problem(item.name, "the number that was given", "none")
            for item in self.interview.items
            if item.digits and item.name not in self.numbers
        ]
        if wrong:
            raise DataError(f"transcript of {self.interview.participant_id}", wrong)

    def label(self, item: Item) -> str:
        """This person's answer to an item, in words, or in digits where it is asked for in digits."""
        if item.digits:
            return say_number(self.numbers[item.name])
        return item.labels[item.code(self.answers[item.name])]
