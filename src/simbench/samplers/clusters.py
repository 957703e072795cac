"""A pilot of whole clusters, such as villages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.design import People
from simbench.errors import ConfigError, PilotError
from simbench.samplers.base import Draw, Sampler
from simbench.samplers.pool import SizeConfig, pool
from simbench.settings import setting

__all__ = ["Clusters", "ClustersConfig"]

FRACTION = 0.25


@dataclass(frozen=True)
class ClustersConfig(SizeConfig):
    """Size of the pilot in people, or in clusters."""

    clusters: int | None = setting(None, "clusters in the pilot; give this, n or fraction")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clusters is not None and (self.n is not None or self.fraction is not None):
            raise ConfigError("sampler: give clusters, n or fraction, only one of them")
        if self.clusters is not None and self.clusters < 1:
            raise ConfigError(f"sampler.clusters: expected at least 1; found {self.clusters}")


class Clusters(Sampler[ClustersConfig]):
    """Whole clusters (villages, classes) at random, about 25 % of the people by default.

    Clusters are drawn one after the other for as long as that brings the number of people nearer to what was asked
    for. People outside the pilot then share no cluster with it, as those of another place would not.
    """

    name = "clusters"
    Config = ClustersConfig

    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """Whole clusters without replacement."""
        design = people.design
        if design.cluster is None:
            raise ConfigError(
                f"sampler=clusters: experiment {design.name!r} names no cluster; sampler=random draws people"
            )
        chosen = pool(self.config, people, rng, FRACTION)
        cluster = people.unit.to_numpy(dtype=object)[chosen.positions]
        names, sizes = np.unique(cluster.astype(str), return_counts=True)
        order = rng.permutation(len(names))
        total = sizes[order].cumsum()
        taken = self.config.clusters or 1 + int(np.argmin(np.abs(total - chosen.n)))
        if taken > len(names):
            raise PilotError(f"sampler.clusters={taken} is more than the {len(names)} there are to draw from")
        drawn = np.isin(cluster.astype(str), names[order[:taken]])
        note = f"{taken} of {len(names)} whole clusters ({design.cluster}), {int(drawn.sum())} people"
        return Draw(chosen.positions[drawn], (*chosen.notes, note))
