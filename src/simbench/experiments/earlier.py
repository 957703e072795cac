"""Earlier answers told in the persona: what a person really answered in its row before, by round or order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from simbench.design import Item, Profile
from simbench.design.numbers import as_number
from simbench.errors import DataError, Problem, closest
from simbench.experiments.sections import Section

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Earlier", "earlier_answers", "read_earlier", "worded"]


@dataclass(frozen=True)
class Earlier:
    """A profile variable that is the person's own answer to an item in the row before, by a column of numbers."""

    answer: str
    by: str


def read_earlier(section: Section, name: str) -> dict[str, Earlier]:
    """``earlier: {answer: ITEM, by: COLUMN}`` of a profile variable, by its name; empty where there is none."""
    found = section.take("earlier", dict, {})
    if not found:
        return {}
    inner = Section(found, f"{section.where}.earlier", section.problems)
    earlier = Earlier(inner.take("answer", str), inner.take("by", str))
    inner.done()
    for key in ("levels", "bins", "from", "missing"):
        if key in section.content:
            section.note(key, "is not said of an earlier answer, which has the item's options")
    return {name: earlier}


def worded(
    top: Section, profile: Sequence[Profile], items: Sequence[Item], earlier: Mapping[str, Earlier]
) -> tuple[Profile, ...]:
    """The profile with the items' options as the levels of earlier answers to them."""
    known = {item.name: item for item in items}
    found = []
    for variable in profile:
        told = earlier.get(variable.name)
        if told is not None and told.answer not in known:
            top.note(f"profile.{variable.name}.earlier", f"no item {told.answer!r}{closest(told.answer, known)}")
        elif told is not None:
            item = known[told.answer]
            variable = replace(variable, levels=dict(zip(item.values, item.labels, strict=True)))
        found.append(variable)
    if earlier and not top.content.get("person"):
        top.note("profile", "an earlier answer is of a person with several rows: say who in 'person'")
    return tuple(found)


def earlier_answers(
    answers: pd.Series, person: pd.Series, by: pd.Series, told: Earlier, name: str
) -> tuple[pd.Series, str]:
    """Every row's answer (n,) in the same person's row before, missing in its first; and the note that says so.

    Raises DataError (of the table ``name``) for rows without a number in ``by``, or of a person with equal ones.
    """
    import pandas as pd

    order = np.array([as_number(value) for value in by.astype(object)])
    codes = np.unique(person.astype(str).to_numpy(str), return_inverse=True)[1].reshape(-1)
    if lost := np.flatnonzero(np.isnan(order)).tolist():
        wanted = "a number, by which earlier answers are known"
        raise DataError(name, [Problem(told.by, wanted, repr(by.iloc[lost[0]]), str(lost[0] + 1))])
    rows = np.lexsort((order, codes))
    same = codes[rows][1:] == codes[rows][:-1]
    if (ties := np.flatnonzero(same & (order[rows][1:] == order[rows][:-1]))).size:
        row = int(rows[ties[0] + 1])
        wanted = "another number in every row of a person, by which earlier answers are known"
        raise DataError(name, [Problem(told.by, wanted, repr(by.iloc[row]), str(row + 1))])
    found = np.full(len(rows), None, dtype=object)
    found[rows[1:][same]] = answers.astype(object).to_numpy()[rows[:-1][same]]
    note = (
        f"the persona tells what the person REALLY answered to {told.answer} in its row before (by {told.by}); "
        "simulated participants are told people's own earlier answers, not simulated ones"
    )
    return pd.Series(found, index=answers.index, dtype=object), note
