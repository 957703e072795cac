"""From interviews to answers on disk, and from there to a frame of simulated participants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simbench.backends.base import STATUSES, Answer, Model, Workspace
from simbench.design import PARTICIPANT, Design, People
from simbench.errors import PluginError
from simbench.harness.config import Plan
from simbench.harness.journal import Journal
from simbench.harness.store import RunFolder
from simbench.interview import Interview

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JOURNAL", "ask", "outcome_counts", "response_frame", "usage_totals", "valid_mass"]

JOURNAL = "responses.jsonl"
AGAIN = ("failed", "expired")


def ask(
    plan: Plan, folder: RunFolder, model: Model, interviews: Sequence[Interview], workspace: Workspace
) -> dict[tuple[str, int], Answer]:
    """Ask what is not yet answered, journal every answer as it arrives, return them all.

    Interviews that failed in an earlier attempt at this run are asked again; refused or invalid ones are not.
    """
    journal = Journal(folder / JOURNAL)
    answers = {key: a for key, a in journal.read().items() if a.status not in AGAIN}
    open_ones = {each.key: each for each in interviews if each.key not in answers}
    if not open_ones:
        return answers
    with journal:
        for answer in plan.backend.respond(model, list(open_ones.values()), workspace):
            interview = open_ones.pop(answer.key, None)
            if interview is None:
                raise PluginError(f"backend {plan.backend.name!r} answered interview {answer.key} twice or unasked")
            answers[answer.key] = checked(answer, interview)
            journal.append(answers[answer.key])
        for key in open_ones:
            answers[key] = Answer(*key, "failed", error=f"backend {plan.backend.name!r} gave no answer")
            journal.append(answers[key])
    return answers


def checked(answer: Answer, interview: Interview) -> Answer:
    """The answer, or an invalid one where it claims to be ok and is not complete."""
    if answer.status != "ok":
        return answer
    wrong = [item.name for item in interview.items if answer.answers.get(item.name) not in item.values]
    if not wrong:
        return answer
    found = ", ".join(f"{name}={answer.answers.get(name)!r}" for name in wrong)
    return replace(answer, status="invalid", error=f"no option of its item: {found}")


def response_frame(
    people: People, interviews: Iterable[Interview], answers: Mapping[tuple[str, int], Answer]
) -> pd.DataFrame:
    """One row per simulated participant and replicate.

    Columns: ``participant_id``, ``replicate``, (person), profile, factors, items, ``status``, ``error``, and
    ``<item>__p`` (option probabilities in the design's order of options) and ``<item>__valid_mass`` where
    any answer has them. Items of rows that are not ok are missing.
    """
    import numpy as np
    import pandas as pd

    design = people.design
    keys = [each.key for each in interviews]
    shown = [{item.name: item for item in each.items} for each in interviews]
    rows = people.frame.set_index(PARTICIPANT, drop=False).loc[[key[0] for key in keys]].reset_index(drop=True)
    rows.insert(1, "replicate", [key[1] for key in keys])
    given = [answers[key] for key in keys]
    codes = {
        item.name: np.array([item.code(a.answers.get(item.name)) if a.status == "ok" else -1 for a in given])
        for item in design.items
    }
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
        mass = [a.valid_mass.get(item.name) for a in given]
        if any(share is not None for share in mass):
            rows[f"{item.name}__valid_mass"] = pd.Series(mass, dtype=float)
    return rows


def _in_order(chances: Sequence[float] | None, shown: Any, item: Any) -> list[float] | None:
    """Probabilities in the design's order, whatever options were shown and in which order; 0 if not shown."""
    if chances is None or shown is None:
        return None
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
