"""A simple random pilot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.design import People
from simbench.samplers.base import Draw, Sampler
from simbench.samplers.pool import SizeConfig, pool

__all__ = ["Random", "RandomConfig"]

FRACTION = 0.25


@dataclass(frozen=True)
class RandomConfig(SizeConfig):
    """Size of the pilot and the groups it is drawn from."""


class Random(Sampler[RandomConfig]):
    """Simple random sample, 25 % by default."""

    name = "random"
    Config = RandomConfig

    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """A simple random sample without replacement."""
        chosen = pool(self.config, people, rng, FRACTION)
        return Draw(rng.choice(chosen.positions, size=chosen.n, replace=False), chosen.notes)
