"""A small made-up study, a workspace and a cache, to try a backend without a harness."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simbench.backends.base import Task, Workspace
from simbench.design import Item
from simbench.interview import Interview, Transcript

__all__ = ["ITEMS", "Lent", "MemoryCache", "Told", "interviews", "transcripts", "workspace"]

ITEMS = (
    Item("expected", "belief", "How much will come back?", {0: "Nothing", 1: "Half of it", 2: "All of it"}),
    Item("trust", "attitude", "Most people can be trusted.", ("Never", "Sometimes", "Always")),
    Item("sent", "decision", "How much do you send?", {n: str(n) for n in range(11)}),
)
CONDITIONS = ("low stake", "high stake")


def interviews(people: int, *, replicates: int = 1, first: int = 0) -> list[Interview]:
    """Interviews with made-up people, alternating between two conditions."""
    questions = "\n".join(f"{item.name}: {item.text} Options: {' | '.join(item.labels)}" for item in ITEMS)
    return [
        Interview(
            f"p{number}",
            CONDITIONS[number % 2],
            f"A game of trust, {CONDITIONS[number % 2]}.\n\nQuestions:\n{questions}",
            f"About you:\n- Age: {18 + number % 60}\n- Number: {number}",
            ITEMS,
            replicate,
        )
        for number in range(first, first + people)
        for replicate in range(replicates)
    ]


def transcripts(people: int, *, first: int = 100_000) -> list[Transcript]:
    """Made-up people with answers: a pilot that shares nobody with :func:`interviews`."""
    return [
        Transcript(each, {"expected": n % 3, "trust": ("Never", "Always")[n % 2], "sent": n % 11})
        for n, each in enumerate(interviews(people, first=first))
    ]


class Told:
    """A Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.notes: list[str] = []
        self.done = 0

    @contextmanager
    def task(self, title: str, total: int | None, unit: str = "") -> Iterator[Task]:
        """A bar that only counts."""
        yield self

    def advance(self, amount: int = 1) -> None:
        """Count."""
        self.done += amount

    def note(self, text: str) -> None:
        """Remember."""
        self.notes.append(text)

    def say(self, text: str) -> None:
        """Remember."""
        self.said.append(text)


class MemoryCache:
    """A Cache in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, str] = {}

    def get(self, key: Mapping[str, Any]) -> Any | None:
        """The value stored under a key, or None."""
        found = self.stored.get(json.dumps(key, sort_keys=True))
        return None if found is None else json.loads(found)

    def put(self, key: Mapping[str, Any], value: Any) -> None:
        """Store a value."""
        self.stored[json.dumps(key, sort_keys=True)] = json.dumps(value)


@dataclass(frozen=True)
class Lent(Workspace):
    """A workspace whose progress can be asked what it was told."""

    progress: Told


def workspace(folder: Path, **changes: Any) -> Lent:
    """A workspace in a folder, with a run's id, a progress that remembers, and no cache."""
    return Lent(**{"folder": folder, "seed": 7, "progress": Told(), "run_id": "study-1", **changes})
