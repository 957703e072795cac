"""Few-shot prompts: people of the pilot and their answers, as earlier turns of the conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simbench.interview import Interview, Message, Transcript, transcript_messages
from simbench.stats.rng import generator

__all__ = ["Shots"]


@dataclass(frozen=True)
class Shots:
    """Examples in a drawn order: the same ones, in the same order, for everybody of a condition.

    So they are part of what a condition shares, and are computed once.
    """

    examples: tuple[tuple[str, list[Message]], ...]  # condition and turns
    count: int

    @classmethod
    def of(cls, pilot: Sequence[Transcript], count: int, seed: int) -> Shots:
        """Draw the order in which the pilot's people are taken."""
        order = generator(seed, "local", "shots").permutation(len(pilot))
        drawn = [pilot[int(i)] for i in order]
        return cls(tuple((t.interview.condition, transcript_messages(t, "lines")) for t in drawn), count)

    def before(self, interview: Interview) -> list[Message]:
        """The turns before an interview: people of its own condition first, others where these run out."""
        own = [turns for condition, turns in self.examples if condition == interview.condition]
        others = [turns for condition, turns in self.examples if condition != interview.condition]
        taken = (own + others)[: self.count]
        return [turn for turns in reversed(taken) for turn in turns]

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps({"count": self.count, "examples": self.examples}, ensure_ascii=False))
        scratch.replace(path)

    @classmethod
    def load(cls, path: Path) -> Shots:
        """Read what :meth:`save` wrote."""
        stored: dict[str, Any] = json.loads(path.read_text())
        return cls(tuple((condition, turns) for condition, turns in stored["examples"]), stored["count"])
