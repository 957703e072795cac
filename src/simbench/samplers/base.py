"""The contract of a sampler: who is in the pilot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from simbench.design import People
from simbench.settings import NoSettings

__all__ = ["Draw", "Sampler"]

C = TypeVar("C")
Positions = np.ndarray[Any, np.dtype[np.int64]]


class Draw(list[int]):
    """Row positions of the pilot, with ``notes``: what the reader must know of how they were drawn."""

    def __init__(self, positions: Any = (), notes: tuple[str, ...] = ()) -> None:
        super().__init__(sorted(int(position) for position in positions))
        self.notes = notes


class Sampler(ABC, Generic[C]):
    """Draws the pilot. Knows nothing of models.

    ``people`` has one row per human who could be drawn: in within-subject designs the harness hands in each
    human once and puts all rows of a drawn human into the pilot.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any]] = NoSettings

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """Row positions of the pilot within ``people``, without repetition.

        Raises PilotError where the pilot asked for is impossible.
        """
