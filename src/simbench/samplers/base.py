"""The contract of a sampler: who is in the pilot."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

import numpy as np

from simbench.design import People
from simbench.errors import PluginError
from simbench.part import C, Part

__all__ = ["Draw", "Sampler"]

Positions = np.ndarray[Any, np.dtype[np.int64]]


class Draw(list[int]):
    """Row positions of the pilot, with ``notes``: what the reader must know of how they were drawn.

    Raises PluginError where a position is no whole number: ids, labels and masks are not positions.
    """

    def __init__(self, positions: Iterable[Any] = (), notes: str | Sequence[str] = ()) -> None:
        super().__init__(sorted(map(_position, positions)))
        self.notes = (notes,) if isinstance(notes, str) else tuple(map(str, notes))


def _position(given: Any) -> int:
    try:
        if not isinstance(given, bool | np.bool_):
            return index(given)
    except TypeError:
        pass
    raise PluginError(f"Draw: expected row positions, whole numbers from 0; found {given!r}")


class Sampler(Part[C]):
    """Draws the pilot. Knows nothing of models.

    ``people`` has one row per human who could be drawn: in within-subject designs the harness hands in each
    human once and puts all rows of a drawn human into the pilot.
    """

    @abstractmethod
    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """Row positions of the pilot within ``people``, without repetition.

        Raises PilotError where the pilot asked for is impossible.
        """
