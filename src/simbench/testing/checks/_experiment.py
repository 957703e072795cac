"""Checks of an experiment."""

from __future__ import annotations

import json

from simbench.design import Design, People
from simbench.errors import ConfigError, UserError
from simbench.experiments.recorded import record
from simbench.interview import Script
from simbench.metrics.trial import refuse_unfit, weak_regressions
from simbench.testing.checks._check import Check, Fault, Part, Unfit, no_global_randomness, offered

__all__ = ["checks"]


def checks(part: Part) -> list[Check]:
    """All of them."""
    found = {
        "contract": offered,
        "people": _people,
        "two_loads_equal": _equal,
        "no_global_randomness": _global,
        "vignettes_differ": _vignettes,
        "options_occur": _options,
        "coherence": _coherence,
        "formulas_fit": _formulas,
        "kept_with_a_run": _kept,
    }
    return [Check(name, part, run) for name, run in found.items()]


def _people_of(part: Part) -> People:
    return part.once("people", lambda: _loaded(part))


def _loaded(part: Part) -> People:
    try:
        people = part.make().people()
    except ConfigError as error:  # no file is named, or it cannot be fetched here
        raise Unfit(str(error)) from None
    if not isinstance(people, People):
        raise Fault(f"people returns simbench.People; found {type(people).__name__}")
    return people


def _people(part: Part) -> str:
    """What load returns is as the design says: every problem is named."""
    people = _people_of(part)
    return f"{len(people)} rows of {people.person.nunique()} people"


def _equal(part: Part) -> None:
    if _people_of(part).digest != _loaded(part).digest:
        raise Fault("two loads with the same settings give different people, or another order")


def _global(part: Part) -> None:
    _people_of(part)
    no_global_randomness(lambda: _loaded(part))


def _vignettes(part: Part) -> str:
    """Every treatment group reads a text of its own."""
    people, experiment = _people_of(part), part.make()
    design: Design = experiment.design
    first = people.where(~people.condition.duplicated())
    rows = first.frame.to_dict("records")
    read = {name: experiment.vignette(design.treatment(row)) for name, row in zip(first.condition, rows, strict=True)}
    for name, text in read.items():
        if not isinstance(text, str):
            raise Fault(f"vignette returns text; of group {name!r} it returned {type(text).__name__}")
        if design.factors and not text.strip():
            raise Fault(f"the text of group {name!r} is empty")
    several: dict[str, list[str]] = {}
    for name, text in read.items():
        several.setdefault(text, []).append(name)
    alike = next((names for names in several.values() if len(names) > 1), None)
    if alike and not any(option.when for item in design.items for option in item.options):
        raise Fault(f"groups {' and '.join(alike[:3])} read the same text, so that a model cannot tell them apart")
    return f"{len(read)} groups"


def _options(part: Part) -> str:
    """Every item has at least two answers that occur; those that never occur are named."""
    people = _people_of(part)
    never = []
    for item in people.design.items:
        codes = people.codes(item.name)
        given = {int(code) for code in codes if code >= 0}
        if len(given) < 2:
            raise Fault(f"item {item.name!r}: everybody gives the same of its {len(item.options)} options")
        never += [f"{item.name} {label}" for at, label in enumerate(item.labels) if at not in given]
    return f"nobody answers {', '.join(never[:5])}{', ...' if len(never) > 5 else ''}" if never else ""


def _coherence(part: Part) -> str:
    """A boolean series of the frame's length and index, each row alone, missing where answers are."""
    import pandas as pd

    people, experiment = _people_of(part), part.make()
    frame = people.frame
    said = experiment.coherent(frame.copy())
    if not isinstance(said, pd.Series):
        raise Fault(f"coherent returns a Series; found {type(said).__name__}")
    if len(said) != len(frame) or not said.index.equals(frame.index):
        raise Fault(f"coherent says something of every row, in their order; found {len(said)} of {len(frame)}")
    if str(said.dtype) not in ("boolean", "bool"):
        raise Fault(f"coherent returns True, False or <NA> (dtype boolean); found dtype {said.dtype}")
    back = experiment.coherent(frame.iloc[::-1].copy()).reindex(frame.index)
    if not back.astype("boolean").equals(said.astype("boolean")):
        raise Fault("coherent says other things of the same rows in another order; it looks at each row alone")
    none = People(people.design, frame).answering(
        {each.name: people.codes(each.name) * 0 - 1 for each in people.design.items}
    )
    if experiment.coherent(none.frame).notna().any():
        raise Fault("coherent says something of people who answered nothing; it is <NA> there")
    known = said.dropna()
    return f"{(known == False).mean():.1%} of {len(known)} contradict it" if len(known) else "no rule"  # noqa: E712


def _formulas(part: Part) -> str:
    people = _people_of(part)
    refuse_unfit(people)
    return "; ".join(weak_regressions(people))


def _kept(part: Part) -> None:
    """A run's folder can hold the study."""
    people, experiment = _people_of(part), part.make()
    script = experiment.script()
    if not isinstance(script, Script):
        raise Fault(f"script returns a Script; found {type(script).__name__}")
    try:
        json.dumps(record(experiment, people, people.design, script), allow_nan=False)
    except (TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise Fault(f"what the study says of itself cannot be kept as JSON: {error}") from error
