"""A pilot with equal shares of every level of a profile variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.design import People
from simbench.errors import ConfigError, PilotError, closest
from simbench.samplers.base import Draw, Sampler
from simbench.samplers.pool import SizeConfig, pool
from simbench.settings import setting

__all__ = ["Balanced", "BalancedConfig", "equal_shares", "subgroup_variable"]

FRACTION = 0.25


@dataclass(frozen=True)
class BalancedConfig(SizeConfig):
    """Size of the pilot, and the profile variable whose levels get equal shares."""

    by: str | None = setting(None, "profile variable to balance over; empty: the experiment's main subgroup")


class Balanced(Sampler[BalancedConfig]):
    """Equal shares over the levels of a profile variable, 25 % by default.

    A level with too few people gives all it has, and the rest is shared out among the others.
    """

    name = "balanced"
    Config = BalancedConfig

    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """Equal shares over levels, at random within each."""
        variable = subgroup_variable(self.config.by, people)
        chosen = pool(self.config, people, rng, FRACTION)
        level = people.level(variable).to_numpy(dtype=object)[chosen.positions]
        names = [name for name in people.levels(variable) if (level == name).any()]
        have = np.array([(level == name).sum() for name in names])
        if have.sum() < chosen.n:
            raise PilotError(
                f"sampler.n={chosen.n}: only {have.sum()} people have a known {variable!r} to balance over"
            )
        shares = equal_shares(have, chosen.n, rng)
        drawn = [
            rng.choice(chosen.positions[level == name], size=share, replace=False)
            for name, share in zip(names, shares, strict=True)
        ]
        equal = chosen.n / len(names)
        short = [
            f"{name} ({share})"
            for name, share, there in zip(names, shares, have, strict=True)
            if there <= share and there < equal
        ]
        notes = (f"balanced over {variable}",) + (
            (f"levels with too few people gave all they have: {', '.join(short)}",) if short else ()
        )
        return Draw(np.concatenate(drawn), (*chosen.notes, *notes))


def subgroup_variable(wanted: str | None, people: People) -> str:
    """The profile variable to sample over: the one asked for, else the experiment's main subgroup."""
    known = [variable.name for variable in people.design.profile]
    variable = wanted or people.design.default_subgroup
    if variable is None:
        raise ConfigError(f"experiment {people.design.name!r} has no profile variable to sample over")
    if variable not in known:
        raise ConfigError(f"sampler.by: there is no profile variable {variable!r}{closest(variable, known)}")
    return variable


def equal_shares(have: np.ndarray[Any, Any], n: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Share ``n`` seats (K,) as equally as capacities ``have`` (K,) allow.

    Seats left over when ``n`` does not divide evenly go to levels picked at random. Needs
    ``have.sum() >= n``.
    """
    shares = np.zeros(len(have), dtype=np.int64)
    while (left := n - shares.sum()) > 0:
        open_levels = np.flatnonzero(have > shares)
        each = left // len(open_levels)
        if each == 0:
            shares[rng.choice(open_levels, size=left, replace=False)] += 1
        else:
            shares[open_levels] += np.minimum(each, (have - shares)[open_levels])
    return shares
