"""People without answers: read from a file, drawn from a run's own people, put under conditions to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.design import PARTICIPANT, Design, People, Value
from simbench.errors import DataError, Problem
from simbench.experiments.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_profiles", "treatments", "under", "without_answers"]


def treatments(design: Design) -> dict[str, dict[str, Value]]:
    """The factor values of every condition, by its name."""
    cells = product(*(factor.words for factor in design.factors))
    names = [factor.name for factor in design.factors]
    return {name: dict(zip(names, cell, strict=True)) for name, cell in zip(design.conditions, cells, strict=True)}


def read_profiles(path: Path, design: Design, setting: str = "people") -> People:
    """People of a CSV, Parquet, Excel, SPSS or Stata file; whatever it holds of answers or conditions is not read.

    Columns: every profile variable that a persona tells; those that it does not tell may be left out, as may
    ``participant_id`` and a survey weight (1 each then).

    Raises:
        ConfigError: a file that cannot be read.
        DataError: columns that are missing, levels that the study does not have.
    """
    table = read_table(path, setting, text=(PARTICIPANT,))
    told = [variable.name for variable in design.profile if variable.in_persona]
    found = f"columns {', '.join(map(str, table.columns))}"
    if lacking := [name for name in told if name not in table.columns]:
        raise DataError(str(path), [Problem(name, "this profile variable of the study", found) for name in lacking])
    return without_answers(design, table, str(path))


def without_answers(design: Design, table: pd.DataFrame, source: str) -> People:
    """The people of a table as the design wants them, their answers missing, all in the first condition."""
    import pandas as pd

    n = len(table)
    ids = table[PARTICIPANT] if PARTICIPANT in table else pd.Series([f"new{row + 1}" for row in range(n)])
    columns: dict[str, Any] = {name: ids.to_numpy(dtype=object) for name in design.ids}
    for variable in design.profile:
        column = table[variable.name].to_numpy() if variable.name in table else [None] * n
        columns[variable.name] = pd.Series(column, dtype=None if variable.name in table else object)
    first = next(iter(treatments(design).values()))
    columns |= {name: [value] * n for name, value in first.items()}
    columns |= {item.name: [item.within(first).values[0]] * n for item in design.items}  # validation wants answers
    if design.weight:
        columns[design.weight] = table[design.weight].to_numpy() if design.weight in table else [1.0] * n
    if twice := pd.Series(columns[PARTICIPANT]).duplicated().to_numpy().nonzero()[0].tolist():
        raise DataError(source, [Problem(PARTICIPANT, "every id once", repr(ids.iloc[twice[0]]), f"{twice[0] + 1}")])
    frame = pd.DataFrame({name: columns[name] for name in design.columns})
    checked = People.of(design, frame, source).frame
    return People(design, checked.assign(**{item.name: None for item in design.items}))


def under(people: People, conditions: Sequence[str], known: Mapping[str, Mapping[str, Value]]) -> pd.DataFrame:
    """The frame of people (n,), each under the condition (n,) that stands at its place, without answers."""
    frame = people.frame.copy()
    for factor in people.design.factors:
        frame[factor.name] = [known[name][factor.name] for name in conditions]
    for item in people.design.items:
        frame[item.name] = None
    return frame
