"""A pilot that mirrors the people: proportional over treatment group by profile level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.design import People
from simbench.samplers.balanced import subgroup_variable
from simbench.samplers.base import Draw, Sampler
from simbench.samplers.pool import SizeConfig, largest_remainder, pool
from simbench.settings import setting

__all__ = ["Stratified", "StratifiedConfig"]

FRACTION = 0.25


@dataclass(frozen=True)
class StratifiedConfig(SizeConfig):
    """Size of the pilot, and the profile variable that forms strata with the treatment group."""

    by: str | None = setting(None, "profile variable; empty: the experiment's main subgroup")


class Stratified(Sampler[StratifiedConfig]):
    """Proportional over treatment group x a profile variable (largest remainder), 25 % by default."""

    name = "stratified"
    Config = StratifiedConfig

    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """Strata in proportion to their size, at random within each."""
        variable = subgroup_variable(self.config.by, people)
        chosen = pool(self.config, people, rng, FRACTION)
        level = people.level(variable).fillna("(missing)").to_numpy(dtype=object)
        stratum = (people.condition.astype(str) + "\0" + level).to_numpy(dtype=object)[chosen.positions]
        names, sizes = np.unique(stratum.astype(str), return_counts=True)
        seats = largest_remainder(sizes.astype(float), chosen.n)
        drawn = [
            rng.choice(chosen.positions[stratum == name], size=seat, replace=False)
            for name, seat in zip(names, seats, strict=True)
        ]
        return Draw(np.concatenate(drawn), (*chosen.notes, f"proportional over treatment group x {variable}"))
