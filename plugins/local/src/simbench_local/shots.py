"""Few-shot prompts: people of the pilot and their answers, as earlier turns of the conversation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simbench.errors import ModelError
from simbench.files import write_whole
from simbench.interview import Interview, Message, Transcript, transcript_messages
from simbench.stats.rng import generator
from simbench_local.reading import reading

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

    def save(self, path: Path) -> str:
        """Write as JSON, whole or not at all; the sha256 of what was written."""
        content = json.dumps({"count": self.count, "examples": self.examples}, ensure_ascii=False).encode()
        write_whole(path, lambda file: file.write(content))
        return hashlib.sha256(content).hexdigest()

    @classmethod
    def load(cls, path: Path, sha256: str | None) -> Shots:
        """Read what :meth:`save` wrote; ModelError where it is anything else."""
        with reading(f"{path} (the examples of the few-shot prompt) cannot be read"):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ModelError(
                    f"{path} (the examples of the few-shot prompt) is not what this run was begun with. Move the "
                    "run's folder away to start anew."
                )
            stored: dict[str, Any] = json.loads(content)
            return cls(tuple((condition, turns) for condition, turns in stored["examples"]), stored["count"])
