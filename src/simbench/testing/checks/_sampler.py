"""Checks of a sampler."""

from __future__ import annotations

from typing import Any

from simbench.design import People
from simbench.errors import PilotError
from simbench.harness.pilot import checked_draw
from simbench.samplers.base import Draw
from simbench.stats.rng import generator
from simbench.testing.checks._check import Check, Fault, Part, Unfit, no_global_randomness, offered
from simbench.testing.people import small_people

__all__ = ["checks"]


def checks(part: Part) -> list[Check]:
    """All of them."""
    found = {
        "contract": offered,
        "draws_people": _draws,
        "same_seed_same_pilot": _seed,
        "no_global_randomness": _global,
        "people_unchanged": _unchanged,
        "impossible_n_refused": _impossible,
        "few_people": _few,
    }
    return [Check(name, part, run) for name, run in found.items()]


def _draw(part: Part, people: People, seed: int = 3) -> Draw:
    rng = generator(seed, "pilot", people.design.name, part.cls.name)
    return checked_draw(part.make().draw(people, rng), len(people))


def _draws(part: Part) -> str:
    """A Draw of positions of people, each at most once."""
    people = small_people()
    drawn = _draw(part, people)
    wanted = getattr(part.make().config, "n", None)
    if wanted is not None and len(drawn) != wanted:
        raise Fault(f"n={wanted} is asked for; it drew {len(drawn)}")
    return f"{len(drawn)} of {len(people)} people"


def _seed(part: Part) -> None:
    people = small_people()
    if list(_draw(part, people)) != list(_draw(part, people)):
        raise Fault("two fresh samplers with the same seed draw different pilots")


def _global(part: Part) -> None:
    no_global_randomness(lambda: _draw(part, small_people()))


def _unchanged(part: Part) -> None:
    people = small_people()
    _draw(part, people)
    if not people.frame.equals(small_people().frame):
        raise Fault("draw changes the frame of people that it is handed")


def _impossible(part: Part) -> None:
    config: Any = part.make().config
    if not hasattr(config, "n"):
        raise Unfit("it has no setting n")
    more = Part(part.kind, part.cls, {**{k: v for k, v in part.settings.items() if k != "fraction"}, "n": 1000})
    try:
        drawn = _draw(more, small_people())
    except PilotError:
        return
    raise Fault(f"n=1000 of 120 people is impossible; expected PilotError, and it drew {len(drawn)}")


def _few(part: Part) -> str:
    """Four people: a pilot of them, or a PilotError that says why not."""
    try:
        return f"{len(_draw(part, small_people(4)))} of 4"
    except PilotError as error:
        return f"refused: {error}"
