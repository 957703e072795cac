"""Who is in the pilot, what of them is learned from, and who is compared afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from simbench.design import People, Profile
from simbench.errors import ConfigError, PilotError, PluginError
from simbench.experiments.base import Experiment
from simbench.harness.config import Plan, ScoringPlan
from simbench.interview import Script, Style
from simbench.plugin.blame import blamed
from simbench.samplers.base import Draw
from simbench.samplers.none import NoPilot
from simbench.stats.rng import generator

__all__ = [
    "SEEN",
    "asking_script",
    "checked_draw",
    "draw_pilot",
    "evaluated",
    "refuse_bins_alone",
    "style_without",
    "training_script",
]

SEEN = "treatment_group"
ROLE_OF = {"beliefs": "belief", "attitudes": "attitude", "decisions": "decision"}


def draw_pilot(plan: Plan, people: People) -> Draw:
    """Draw the pilot: row positions within ``people``, all rows of a drawn human.

    The stream of random numbers is named by seed, experiment and sampler: every backend gets the same pilot.
    """
    free = np.ones(len(people), dtype=bool)
    if plan.settings.evaluate == "reserved" and plan.pilot_from is None:
        free = ~reserved(people, plan.settings.reserve)
    first = np.flatnonzero(~people.person.duplicated().to_numpy() & free)
    rng = generator(plan.settings.seed, "pilot", people.design.name, plan.sampler.name)
    with blamed("sampler", plan.sampler, "draw"):
        drawn = checked_draw(plan.sampler.draw(people.at(first), rng), len(first))
    humans = set(people.person.iloc[first[list(drawn)]])
    pilot = Draw(np.flatnonzero(people.person.isin(humans).to_numpy()), drawn.notes)
    if plan.backend.needs_pilot and not pilot:
        raise PilotError(
            f"backend {plan.backend.name!r} learns from a pilot, and sampler {plan.sampler.name!r} draws none"
        )
    return pilot


def checked_draw(drawn: object, people: int) -> Draw:
    """What a sampler returned, where that can be a pilot of some of so many people."""
    if not isinstance(drawn, Draw):
        raise PluginError(f"draw returns a simbench.Draw(positions); found {type(drawn).__name__}")
    twice = [position for position, next_one in pairwise(drawn) if position == next_one]
    if twice:
        raise PluginError(f"draw returned row {twice[0]} twice; a person is in the pilot once")
    outside = [position for position in drawn if not 0 <= position < people]
    if outside:
        raise PluginError(f"draw returned row {outside[0]}; there are {people} people, rows 0 to {people - 1}")
    return drawn


def reserved(people: People, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Who (n,) is kept out of every pilot: ``share`` of each treatment group, whole humans.

    The choice depends on the people alone, not on the run's seed: all runs on these people reserve the same.
    """
    rng = generator(0, "reserve", people.digest)
    first = people.at(np.flatnonzero(~people.person.duplicated().to_numpy()))
    humans: set[str] = set()
    for group in first.levels("condition"):
        members = first.person[(first.condition == group).to_numpy()].to_numpy()
        humans |= set(rng.permutation(members)[: round(share * len(members))])
    return people.person.isin(humans).to_numpy(dtype=bool)


def evaluated(plan: Plan, people: People, pilot: People) -> People:
    """The people who are simulated and compared; none of the pilot's, unless ``evaluate=all``."""
    if plan.settings.evaluate == "reserved":
        chosen = people.where(reserved(people, plan.settings.reserve))
    elif plan.settings.evaluate == "all" or plan.pilot_from is not None:
        chosen = people
    else:
        chosen = people.where(~people.ids.isin(set(pilot.ids)))
    if not len(chosen):
        raise PilotError("the pilot holds everybody, so nobody is held out; draw fewer or set evaluate=all")
    return chosen if plan.pilot_from is not None else _with_seen(chosen, pilot)


def training_script(plan: Plan) -> Script:
    """What writes the transcripts that are learned from: the pilot's experiment, less what is left out."""
    experiment = plan.pilot_from or plan.experiment
    without = set(plan.settings.train_without)
    roles = {ROLE_OF[part] for part in without & set(ROLE_OF)}
    kept = [item.name for item in experiment.design.items if item.role not in roles]
    if not kept:
        raise PilotError("train_without leaves no question in the training transcripts")
    script = experiment.script(style_without(plan.settings.interview, without), kept if roles else ())
    return replace(script, digits=in_digits(plan, experiment))


def asking_script(plan: ScoringPlan) -> Script:
    """What writes the interviews of simulated participants."""
    script = plan.experiment.script(style_without(plan.settings.interview, plan.settings.ask_without))
    return replace(script, digits=in_digits(plan, plan.experiment)) if isinstance(plan, Plan) else script


def in_digits(plan: Plan, experiment: Experiment[Any]) -> frozenset[str]:
    """The items that are asked for in digits, as ``interview.numbers`` says.

    Where it is left open, those are the numbers of which the study has what people gave, if the backend writes its
    answers and nobody wants the probabilities of options. ConfigError where digits are wanted and cannot be.
    """
    how, items = plan.settings.interview.numbers, {item.name for item in experiment.design.items if item.spans}
    if how == "digits" and not items:
        raise ConfigError("interview.numbers=digits: no item of the study is a number in bins; leave it out")
    if how == "bins" or not items:
        return frozenset()
    if how == "digits" and not plan.backend.writes:
        raise ConfigError(
            f"interview.numbers=digits: backend {plan.backend.name!r} chooses among options as it is set, and writes "
            "no digits; leave it out, or set backend.decoding=generate (local), backend.logprobs=false (APIs)"
        )
    if how == "digits":
        if plan.sampler.name != NoPilot.name:
            refuse_bins_alone(experiment)
        return frozenset(items)
    known = items & _numbered(experiment)
    return frozenset(known if plan.backend.writes and not plan.settings.likelihood else ())


def refuse_bins_alone(experiment: Experiment[Any]) -> None:
    """ConfigError where people's answers are to be learned from in digits, and the study has only bins of some."""
    items = {item.name for item in experiment.design.items if item.spans}
    if lacking := sorted(items - _numbered(experiment)):
        raise ConfigError(
            f"interview.numbers=digits: the study has no numbers of {', '.join(lacking)}, only bins, so nobody's "
            "answers can be learned from in digits; leave it out, or let nobody be learned from (sampler=none)"
        )


def _numbered(experiment: Experiment[Any]) -> frozenset[str]:
    """The items of which the study has the numbers that people gave."""
    given = experiment.given()
    return frozenset([] if given is None else given.columns)


def style_without(given: Style, without: Collection[str]) -> Style:
    """How interviews are worded once parts are left out."""
    return replace(given, persona="none") if "demographics" in without else given


def _with_seen(people: People, pilot: People) -> People:
    """Tell apart whose treatment group the pilot has seen, where it has seen some and not others."""
    seen = people.condition.isin(set(pilot.condition))
    if seen.all() or not seen.any():
        return people
    variable = Profile(SEEN, "Treatment group", ("seen", "unseen"), in_persona=False, derived=True)
    design = replace(people.design, profile=(*people.design.profile, variable))
    words = np.where(seen.to_numpy(dtype=bool), "seen", "unseen").astype(object)
    return People(design, people.frame.assign(**{SEEN: words}))
