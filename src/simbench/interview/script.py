"""How interviews are written: the same code for training, for few-shot examples and for asking.

An experiment's introduction, vignette and questions become the *shared* part; a participant's profile
becomes the *persona*. ``Style`` holds what a study may vary about the wording without changing the
experiment: how the persona is written, in which order options are shown, what is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simbench.design import PARTICIPANT, Design, Item, People, Profile, Value
from simbench.interview.interview import Interview, Transcript
from simbench.interview.numerals import say_number
from simbench.settings import one_of, setting

__all__ = ["Script", "Style"]

PERSONAS = ("list", "prose", "none")
ORDERS = ("given", "reversed")
NUMBERS = ("auto", "bins", "digits")


@dataclass(frozen=True)
class Style:
    """What may be varied about the wording of interviews."""

    persona: str = setting("list", "how the profile is told: list, prose or none (no demographics)")
    options: str = setting("given", "order in which options are shown: given or reversed")
    numbers: str = setting(
        "auto",
        "how a number is asked for: bins (options), digits, or auto: in digits where the backend writes its answers "
        "and the study has the numbers that people gave",
    )
    wording: int = setting(0, "which wording of the introduction, where an experiment has several (0: first)")

    def __post_init__(self) -> None:
        one_of("interview.persona", self.persona, PERSONAS)
        one_of("interview.options", self.options, ORDERS)
        one_of("interview.numbers", self.numbers, NUMBERS)


@dataclass(frozen=True)
class Script:
    """Writes the interviews of one experiment.

    ``introduction`` opens every interview; ``vignette`` turns a treatment (factor name to value) into text.
    ``digits`` names the items that are asked for in digits.
    """

    design: Design
    introduction: str
    vignette: Callable[[Mapping[str, Value]], str]
    style: Style = Style()
    ask: tuple[str, ...] = ()
    digits: frozenset[str] = frozenset()

    @property
    def items(self) -> tuple[Item, ...]:
        """The items asked, in order, with their options in the order shown. ``ask`` empty: all items."""
        kept = [item for item in self.design.items if not self.ask or item.name in self.ask]
        kept = [_in_digits(item) if item.name in self.digits else item for item in kept]
        if self.style.options == "reversed":
            return tuple(item if item.digits else _reversed(item) for item in kept)
        return tuple(kept)

    def items_in(self, treatment: Mapping[str, Value]) -> tuple[Item, ...]:
        """The items asked of a treatment group, with the options that this group is offered."""
        return tuple(item.within(treatment) for item in self.items)

    def interviews(self, people: People, replicates: int = 1) -> Iterator[Interview]:
        """Yield one interview per participant and replicate."""
        common: dict[str, tuple[str, tuple[Item, ...]]] = {}
        for row, condition in zip(people.frame.to_dict("records"), people.condition, strict=True):
            if condition not in common:
                treatment = self.design.treatment(row)
                common[condition] = self.shared(treatment), self.items_in(treatment)
            shared, items = common[condition]
            told = self._told(row)
            first = Interview(
                str(row[PARTICIPANT]),
                condition,
                shared,
                self._persona(row, told),
                items,
                profile={variable.name: row[variable.name] for variable in told},
                treatment=self.design.treatment(row),
                person=str(row[self.design.person]) if self.design.person else "",
            )
            yield first
            for replicate in range(1, replicates):
                yield replace(first, replicate=replicate)

    def transcripts(self, people: People) -> Iterator[Transcript]:
        """Yield a transcript of every person who answered every item asked, and with a number where it is one."""
        names = [item.name for item in self.items]
        written = [item.name for item in self.items if item.digits]
        known = people.frame[names].notna().all(axis=1)
        for name in written:
            known &= np.isfinite(people.numbers(name))
        complete = people.where(known)
        numbers = {name: complete.numbers(name) for name in written}
        answers = complete.frame[names].to_dict("records")
        for row, (interview, given) in enumerate(zip(self.interviews(complete), answers, strict=True)):
            plain = {str(name): _plain(value) for name, value in given.items()}
            yield Transcript(interview, plain, {name: float(numbers[name][row]) for name in written})

    def shared(self, treatment: Mapping[str, Value]) -> str:
        """The part of an interview that a whole treatment group has in common."""
        questions = "\n".join(_question(item) for item in self.items_in(treatment))
        parts = (self.introduction.strip(), self.vignette(treatment).strip(), f"Questions:\n{questions}")
        return "\n\n".join(part for part in parts if part)

    def persona(self, row: Mapping[Any, Any]) -> str:
        """What is told of one participant; missing profile values are left out."""
        return self._persona(row, self._told(row))

    def _persona(self, row: Mapping[Any, Any], variables: Sequence[Profile]) -> str:
        told = [(variable.title, variable.say(row[variable.name])) for variable in variables]
        if not told:
            return "You are one of the participants of this study."
        if self.style.persona == "prose":
            facts = "; ".join(f"your {title[0].lower()}{title[1:]} is {words}" for title, words in told)
            return f"You are one of the participants of this study: {facts}."
        return "About you:\n" + "\n".join(f"- {title}: {words}" for title, words in told)

    def _told(self, row: Mapping[Any, Any]) -> list[Profile]:
        """The profile variables that the persona tells."""
        if self.style.persona == "none":
            return []
        return [each for each in self.design.profile if each.in_persona and not _missing(row[each.name])]


def _question(item: Item) -> str:
    if item.digits:
        low, high = map(say_number, item.ends)
        return f"{item.name}: {item.text} Answer: a number from {low} to {high}."
    return f"{item.name}: {item.text} Options: {' | '.join(item.labels)}"


def _in_digits(item: Item) -> Item:
    return Item(item.name, item.role, item.text, item.options, item.ordered, spans=item.spans, digits=True)


def _reversed(item: Item) -> Item:
    return Item(item.name, item.role, item.text, item.options[::-1], item.ordered)


def _missing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or bool(value != value)


def _plain(value: Any) -> Value:
    return value if isinstance(value, str) else int(value)
