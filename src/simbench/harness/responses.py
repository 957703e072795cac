"""From interviews to answers on disk, and from there to a frame of simulated participants."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.backends.base import STATUSES, Answer, Model, Workspace
from simbench.design import PARTICIPANT, Design, Item, People
from simbench.design.people import RAW
from simbench.errors import PluginError
from simbench.harness.config import Plan
from simbench.harness.journal import Journal
from simbench.harness.store import RunFolder
from simbench.interview import Interview
from simbench.plugin.blame import returned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JOURNAL", "ask", "journaled", "outcome_counts", "response_frame", "usage_totals", "valid_mass"]

JOURNAL = "responses.jsonl"
AGAIN = ("failed", "expired")
SUM_TOLERANCE = 1e-6


def ask(
    plan: Plan, folder: RunFolder, model: Model, interviews: Sequence[Interview], workspace: Workspace
) -> dict[tuple[str, int], Answer]:
    """Ask what is not yet answered, journal every answer as it arrives, return them all.

    Interviews that failed in an earlier attempt at this run are asked again; refused or invalid ones are not.
    The backend is a fresh one, as it is after a kill: what it needs is in its folder and in the model's handle.
    """
    return journaled(
        folder / JOURNAL,
        interviews,
        lambda open_ones: returned(
            "backend", plan.backend, "respond", plan.backend.respond(model, open_ones, workspace), Iterable
        ),
        plan.backend.name,
        workspace.progress.say,
    )


def journaled(
    path: Path,
    interviews: Sequence[Interview],
    asking: Callable[[Sequence[Interview]], Iterator[Answer]],
    name: str,
    say: Callable[[str], None],
) -> dict[tuple[str, int], Answer]:
    """The answers to interviews: those in the journal, and of the backend ``name`` by ``asking`` for the others."""
    journal, asked = Journal(path), {each.key: each for each in interviews}
    if words := journal.set_aside_damage():
        say(words)
    found = {key: checked(answer, asked[key]) for key, answer in journal.read().items() if key in asked}
    answers = {key: answer for key, answer in found.items() if answer.status not in AGAIN}
    open_ones = {key: each for key, each in asked.items() if key not in answers}
    if not open_ones:
        return answers
    arriving = asking(list(open_ones.values()))
    with journal:
        for answer in arriving:
            if not isinstance(answer, Answer) or (interview := open_ones.pop(answer.key, None)) is None:
                what = f"interview {answer.key}" if isinstance(answer, Answer) else f"with {answer!r:.80}"
                raise PluginError(f"backend {name!r} answered {what} twice or unasked")
            answers[answer.key] = checked(answer, interview)
            journal.append(answers[answer.key])
        for key in open_ones:
            answers[key] = Answer(*key, "failed", error=f"backend {name!r} gave no answer")
            journal.append(answers[key])
    return answers


def checked(answer: Answer, interview: Interview) -> Answer:
    """The answer in plain values; one that breaks the contract of an Answer becomes an outcome with the reason.

    Answers that are no option of their item make it ``invalid``. What no model but only a faulty backend can do
    (probabilities that are none, values that JSON does not hold) makes it ``failed``, so that it is asked again.
    """
    if answer.status == "ok":
        wrong = [item.name for item in interview.items if not _is_option(answer.answers.get(item.name), item)]
        if wrong:
            found = ", ".join(f"{name}={answer.answers.get(name)!r:.200}" for name in wrong)
            return replace(answer, status="invalid", error=f"no option of its item: {found}", probabilities={})
    try:
        plain = replace(
            answer,
            probabilities={name: _chances(name, p, interview) for name, p in answer.probabilities.items()},
            valid_mass={name: _share(name, mass) for name, mass in answer.valid_mass.items()},
            cost=None if answer.cost is None else _amount("cost", answer.cost),
            numbers={name: _number(name, number, answer, interview) for name, number in answer.numbers.items()},
            usage={kind: int(_amount(f"usage of {kind}", count)) for kind, count in answer.usage.items()},
        )
        json.dumps(plain.to_json(), allow_nan=False)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        known = Answer(answer.participant_id, answer.replicate, "failed", text=str(answer.text or "")[:10_000])
        return replace(known, error=f"the backend broke its contract: {error}")
    return plain


def _is_option(value: Any, item: Item) -> bool:
    """Whether this is an option of the item, in the option's own plain type (1 is neither True nor 1.0)."""
    try:
        code = item.code(value)
    except (TypeError, ValueError):  # an array
        return False
    return code >= 0 and type(value) is type(item.values[code])


def _chances(name: str, given: Sequence[float], interview: Interview) -> list[float]:
    """Probabilities of an item's options as plain numbers; ValueError where they are none."""
    item = next((each for each in interview.items if each.name == name), None)
    if item is None:
        raise ValueError(f"probabilities of {name!r}, which was not asked")
    chances = [_amount(f"a probability of {name!r}", each) for each in given]
    if len(chances) != len(item.options):
        raise ValueError(f"{len(chances)} probabilities of {name!r}, which has {len(item.options)} options here")
    if abs(math.fsum(chances) - 1) > SUM_TOLERANCE:
        raise ValueError(f"probabilities of {name!r} sum to {math.fsum(chances):.8g}, not to 1")
    return chances


def _share(name: str, mass: float) -> float:
    share = _amount(f"the valid mass of {name!r}", mass)
    if share > 1 + SUM_TOLERANCE:
        raise ValueError(f"the valid mass of {name!r} is {share:.8g}, above 1")
    return share


def _number(name: str, number: float, answer: Answer, interview: Interview) -> float:
    """A number as it was given; ValueError where the answer is not the bin it falls into."""
    item = next((each for each in interview.items if each.name == name and each.digits), None)
    if item is None or item.bin_of(float(number)) != answer.answers.get(name):
        raise ValueError(f"the number {number!r:.80} is not of the answer to {name!r}")
    return float(number)


def _amount(what: str, value: Any) -> float:
    """A number of 0 or more, plain and finite; ValueError elsewhere."""
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{what} is {value!r:.80}")
    return number


def response_frame(
    people: People, interviews: Iterable[Interview], answers: Mapping[tuple[str, int], Answer]
) -> pd.DataFrame:
    """One row per simulated participant and replicate.

    Columns: ``participant_id``, ``replicate``, (person, cluster), profile, factors, items, ``status``, ``error``, and
    ``<item>__p`` (option probabilities in the design's order of options) and ``<item>__valid_mass`` where
    any answer has them; ``<item>__raw`` is the number itself where it was asked for in digits. Items of rows that are
    not ok are missing.
    """
    import numpy as np
    import pandas as pd

    design = people.design
    keys = [each.key for each in interviews]
    by_name = {items: {item.name: item for item in items} for items in {each.items for each in interviews}}
    shown = [by_name[each.items] for each in interviews]
    table = people.without_numbers().frame
    rows = table.set_index(PARTICIPANT, drop=False).loc[[key[0] for key in keys]].reset_index(drop=True)
    rows.insert(1, "replicate", [key[1] for key in keys])
    given = [answers[key] for key in keys]
    codes = {}
    for item in design.items:
        at: dict[Any, int] = {value: code for code, value in enumerate(item.values)}
        codes[item.name] = np.array([at.get(a.answers.get(item.name), -1) if a.status == "ok" else -1 for a in given])
    rows = People(design, rows).answering(codes).frame
    rows["status"] = [a.status for a in given]
    rows["error"] = pd.Series([a.error for a in given], dtype=object)
    for item in design.items:
        chances = [
            _in_order(a.probabilities.get(item.name), asked.get(item.name), item)
            for a, asked in zip(given, shown, strict=True)
        ]
        if any(chance is not None for chance in chances):
            rows[f"{item.name}__p"] = pd.Series(chances, dtype=object)
        numbers = [a.numbers.get(item.name) if a.status == "ok" else None for a in given]
        if any(number is not None for number in numbers):
            rows[f"{item.name}{RAW}"] = pd.Series(numbers, dtype=float)
        mass = [a.valid_mass.get(item.name) for a in given]
        if any(share is not None for share in mass):
            rows[f"{item.name}__valid_mass"] = pd.Series(mass, dtype=float)
    return rows


def _in_order(chances: Sequence[float] | None, shown: Any, item: Any) -> list[float] | None:
    """Probabilities in the design's order, whatever options were shown and in which order; 0 if not shown."""
    if chances is None or shown is None:
        return None
    if shown.values == item.values:
        return list(map(float, chances))
    by_value = dict(zip(shown.values, chances, strict=True))
    return [float(by_value.get(value, 0.0)) for value in item.values]


def outcome_counts(people: People, frame: pd.DataFrame) -> dict[str, Any]:
    """How many interviews ended how: in all, by condition, and by subgroup level (statuses that occur)."""

    statuses = frame["status"].to_list()

    def tally(found: Mapping[str, int]) -> dict[str, int]:
        return {status: found[status] for status in STATUSES if found[status] or status == "ok"}

    def by(level: pd.Series, names: Iterable[str]) -> dict[str, dict[str, int]]:
        found: dict[str, Counter[str]] = {name: Counter() for name in names}
        for name, status in zip(level.to_list(), statuses, strict=True):
            if name in found:
                found[name][status] += 1
        return {str(name): tally(counted) for name, counted in found.items()}

    by_subgroup = {
        variable.name: by(variable.level(frame[variable.name]), people.levels(variable.name))
        for variable in people.design.subgroups
    }
    by_condition = by(people.design.condition(frame), people.levels("condition"))
    return {"all": tally(Counter(statuses)), "condition": by_condition, "subgroup": by_subgroup}


def valid_mass(design: Design, frame: pd.DataFrame) -> dict[str, float]:
    """Mean share of the model's own probability on valid answers, per item, where the backend knows it."""
    columns = {item.name: f"{item.name}__valid_mass" for item in design.items}
    return {name: float(frame[column].mean()) for name, column in columns.items() if column in frame}


def usage_totals(model: Model, answers: Iterable[Answer]) -> dict[str, Any]:
    """Tokens by kind and US dollars, of adapting and of answering; no cost where a part of it is unknown."""
    tokens: Counter[str] = Counter(model.parameters.get("usage") or {})
    costs = [model.parameters["cost"]] if "cost" in model.parameters else []
    for answer in answers:
        tokens.update(answer.usage)
        costs.append(answer.cost)
    known = [cost for cost in costs if cost is not None]
    return {"tokens": dict(tokens), "cost": round(sum(known), 6) if len(known) == len(costs) else None}
