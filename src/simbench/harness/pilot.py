"""Who is in the pilot, and who is compared afterwards."""

from __future__ import annotations

import numpy as np

from simbench.design import People
from simbench.errors import PilotError, PluginError
from simbench.harness.config import Plan
from simbench.samplers.base import Draw
from simbench.stats.rng import generator

__all__ = ["draw_pilot", "evaluated"]


def draw_pilot(plan: Plan, people: People) -> Draw:
    """Draw the pilot: row positions within ``people``, all rows of a drawn human.

    The stream of random numbers is named by seed, experiment and sampler: every backend gets the same pilot.
    """
    first = np.flatnonzero(~people.person.duplicated().to_numpy())
    rng = generator(plan.settings.seed, "pilot", plan.experiment.name, plan.sampler.name)
    drawn = plan.sampler.draw(people.at(first), rng)
    if len(set(drawn)) != len(drawn) or not all(0 <= position < len(first) for position in drawn):
        raise PluginError(f"sampler {plan.sampler.name!r} drew a row twice or one that is not there")
    humans = set(people.person.iloc[first[list(drawn)]])
    pilot = Draw(np.flatnonzero(people.person.isin(humans).to_numpy()), drawn.notes)
    if plan.backend.needs_pilot and not pilot:
        raise PilotError(
            f"backend {plan.backend.name!r} learns from a pilot, and sampler {plan.sampler.name!r} draws none"
        )
    return pilot


def evaluated(plan: Plan, people: People, pilot: Draw) -> People:
    """The people who are simulated and compared: those outside the pilot, or all."""
    if plan.settings.evaluate == "all":
        return people
    outside = np.setdiff1d(np.arange(len(people)), np.asarray(pilot, dtype=int))
    if not len(outside):
        raise PilotError("the pilot holds everybody, so nobody is held out; draw fewer or set evaluate=all")
    return people.at(outside)
