"""The page about one experiment in the terminal: design and people, or its interviews as a model will read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from simbench.design import Item, People
from simbench.errors import ConfigError, SimbenchError
from simbench.experiments.base import Experiment
from simbench.harness.config import typed
from simbench.plugin.blame import blamed
from simbench.plugin.manager import Entry
from simbench.stats.survey import equal_people

__all__ = ["built", "interviews", "study"]


def built(entry: Entry, words: Sequence[str]) -> Experiment[Any]:
    """The experiment with the settings in ``experiment.KEY=VALUE``. ConfigError for words that are none."""
    given = {}
    for word in words:
        name, found, value = word.removeprefix("experiment.").partition("=")
        if not found:
            raise ConfigError(f"expected experiment.KEY=VALUE, such as experiment.data=PATH; found {word!r}")
        given[name] = value
    with blamed("experiment", entry.cls, "__init__"):
        made: Experiment[Any] = entry.cls(typed(entry.cls.Config, given, "experiment."))
        return made


def study(entry: Entry, words: Sequence[str]) -> str:
    """Design, people, missing answers, licence and citation; why people cannot be had, where they cannot."""
    experiment = built(entry, words)
    try:
        with blamed("experiment", experiment, "design"):
            design = experiment.design
    except SimbenchError as error:
        return f"Study: not known without its settings: {error}"
    lines = [f"  {'SYNTHETIC people, not real ones' if experiment.synthetic else 'real people'}: {experiment.source}"]
    people: People | None = None
    try:
        with blamed("experiment", experiment, "people"):
            people = experiment.people()
        lines += _who(people)
    except SimbenchError as error:
        lines.append(f"  they cannot be had here: {error}")
    lines += [f"  factor {each.name}: {', '.join(each.words.values())}" for each in design.factors]
    for variable in design.profile:
        told = "" if variable.in_persona else ", not told"
        missing = "" if people is None else _missing(int(people.frame[variable.name].isna().sum()), len(people))
        lines.append(f"  profile {variable.name}{' (subgroups)' if variable.subgroup else ''}{told}{missing}")
    lines += [f"  {item.role} {item.name}: {_options(item)}{_unanswered(people, item)}" for item in design.items]
    rule = experiment.coherence
    if rule is None or rule["rule"]:
        undefined = f", undefined where {rule['undefined']}" if rule and rule["undefined"] else ""
        lines.append(f"  coherent: {rule['rule'] if rule else 'a rule in Python'}{undefined}")
    lines += [f"  regression {each.family}: {each.formula}" for each in design.regressions]
    if people is not None:
        lines += [f"  note: {each}" for each in experiment.notes]
    lines.append(f"  licence: {experiment.license or 'not said'}")
    lines.append(f"  cite: {experiment.citation or 'not said'}")
    return "Study:\n" + "\n".join(lines)


def interviews(experiment: Experiment[Any]) -> str:
    """One interview of every treatment group, of the first of its people, as a model will read it."""
    with blamed("experiment", experiment, "people"):
        people = experiment.people()
    first = people.where(~people.condition.duplicated().to_numpy())
    shown = [
        f"--- {each.condition}\n{each.shared}\n\n{each.persona}" for each in experiment.script().interviews(first)
    ]
    return "\n\n".join(shown)


def _who(people: People) -> Iterator[str]:
    """How many, in which groups, with which weights."""
    design, rows = people.design, len(people)
    humans = int(people.person.nunique())
    words = f"{rows:,} rows of {humans:,} people ({design.person})" if design.person else f"{rows:,} people"
    if design.cluster:
        words += f" in {people.unit.nunique():,} clusters ({design.cluster})"
    if people.survey is not None:
        alike = equal_people(people.survey)
        words += f", weighted ({design.weight}): for a mean as good as {alike:,.0f} of equal weight"
    yield f"  {words}"
    counts = people.condition.value_counts()
    if len(design.conditions) > 1:
        named = [f"{name} {counts.get(name, 0):,}" for name in design.conditions]
        more = f" and {len(named) - MOST} more" if len(named) > MOST else ""
        yield f"  in {len(named)} treatment groups: {'; '.join(named[:MOST])}{more}"


MOST = 24
"""So many treatment groups, and options, are named."""


def _options(item: Item) -> str:
    labels = item.labels if len(item.labels) <= MOST else (*item.labels[: MOST - 1], "...", item.labels[-1])
    return " | ".join(labels)


def _unanswered(people: People | None, item: Item) -> str:
    return "" if people is None else _missing(int((people.codes(item.name) < 0).sum()), len(people))


def _missing(gone: int, rows: int) -> str:
    return f" (missing: {gone:,}, {gone / rows:.1%})" if gone else ""
