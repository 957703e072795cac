"""No pilot: the unadapted model."""

from __future__ import annotations

import numpy as np

from simbench.design import People
from simbench.samplers.base import Draw, Sampler
from simbench.settings import NoConfig

__all__ = ["NoPilot"]


class NoPilot(Sampler[NoConfig]):
    """No pilot: the model takes part unadapted."""

    name = "none"

    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """Nobody."""
        return Draw()
