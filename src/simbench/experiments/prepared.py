"""From the table of a declared experiment to its people: our names, our values, and what a reader must know of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simbench.design import PARTICIPANT, Design, Value
from simbench.design.numbers import as_number, spelled
from simbench.errors import DataError, Problem
from simbench.experiments.earlier import earlier_answers
from simbench.experiments.questions import Computed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Prepared", "prepare"]

FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Prepared:
    """The people under our names; ``numbers`` holds, by item, what they gave before it became an option."""

    frame: pd.DataFrame
    notes: list[str]
    numbers: dict[str, list[float]]


def prepare(
    frame: pd.DataFrame, design: Design, columns: Mapping[str, str], computed: Computed, name: str
) -> Prepared:
    """Bring a table (``name``, for messages) under our names.

    In this order: columns are renamed, filled in or computed; missing values are taken out; values are recoded and
    rounded; numbers become options. Raises DataError for columns that are not there.
    """
    notes: list[str] = []
    theirs = {each: columns.get(each, each) for each in design.columns}
    if PARTICIPANT not in columns and PARTICIPANT not in frame.columns:
        frame = frame.assign(**{PARTICIPANT: [str(row) for row in range(1, len(frame) + 1)]})
        notes.append(f"{name} has no {PARTICIPANT}: every row is taken for one, named by its number")
    made = {*computed.amounts, *computed.earlier}
    ours = _read(frame, {each: theirs[each] for each in theirs if each not in made}, name)
    used = {each for amount in computed.amounts.values() for each in amount.columns if each in frame.columns}
    clean = frame.assign(**{each: _without(frame[each], computed.missing[""]) for each in used})
    ours |= {each: amount.value(clean) for each, amount in computed.amounts.items()}
    notes += _without_missing(ours, design, computed)
    for each, values in computed.recodes.items():
        ours[each] = _recoded(ours[each], values)
    for each, digits in computed.rounds.items():
        ours[each] = _rounded(ours[each], digits)
    numbers = {}
    for each, bins in (computed.bins | computed.cuts).items():
        if each in [item.name for item in design.items]:
            numbers[each] = [as_number(value) for value in ours[each].astype(object)]
            notes += bins.loss(each, ours[each])
        ours[each] = bins.cut(ours[each])
    for each, told in computed.earlier.items():
        by = ours[told.by] if told.by in ours else _read(frame, {told.by: told.by}, name)[told.by]
        ours[each], note = earlier_answers(ours[told.answer], ours[str(design.person)], by, told, name)
        notes.append(f"{each}: {note}")
    return Prepared(frame[[]].assign(**ours), notes, numbers)


def _read(frame: pd.DataFrame, theirs: Mapping[str, str], name: str) -> dict[str, pd.Series]:
    """Columns under our names: taken as they are, or filled into a template such as ``{person}-{round}``."""
    templates = {
        ours: fields
        for ours, column in theirs.items()
        if column not in frame.columns and (fields := FIELD.findall(column))
    }
    wanted = [(ours, each) for ours, column in theirs.items() for each in templates.get(ours, [column])]
    if lost := [(ours, column) for ours, column in wanted if column not in frame.columns]:
        found = f"columns {', '.join(map(str, frame.columns))}"
        raise DataError(name, [Problem(column, f"this column, for {ours!r}", found) for ours, column in lost])
    return {
        ours: _filled(frame, column, templates[ours]) if ours in templates else frame[column]
        for ours, column in theirs.items()
    }


def _filled(frame: pd.DataFrame, template: str, fields: Collection[str]) -> pd.Series:
    """The template (n,) with every row's words; missing where one of them is."""
    import pandas as pd

    parts = {each: [spelled(value) for value in frame[each].astype(object)] for each in fields}
    rows = (dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True))
    filled = [FIELD.sub(lambda found, row=row: row[found[1]], template) for row in rows]  # type: ignore[misc]
    words = pd.Series(filled, index=frame.index, dtype=object)
    return words.mask(frame[list(fields)].isna().any(axis=1), None)


def _without_missing(ours: dict[str, pd.Series], design: Design, computed: Computed) -> list[str]:
    """Take declared missing values out; the note that says how many of which."""
    dropped = []
    numeric = {*computed.bins, *computed.cuts}
    items = (item.name for item in design.items)
    for name in (*(each.name for each in design.profile), *(each.name for each in design.factors), *items):
        declared = () if name in numeric else design.orders.get(name, ())
        kept = {*map(str, declared)} - {*computed.recodes.get(name, {})}
        gone = computed.missing.get(name, frozenset()) | (computed.missing[""] - kept)
        if not gone:
            continue
        answers, ours[name] = ours[name], _without(ours[name], gone)
        if codes := sorted({spelled(value) for value in answers[answers.notna() & ours[name].isna()]}):
            dropped.append(f"{name} {int(answers.notna().sum() - ours[name].notna().sum())} ({', '.join(codes)})")
    return [f"values declared missing are no answers: {'; '.join(dropped)}"] if dropped else []


def _recoded(column: pd.Series, values: Mapping[str, Value]) -> pd.Series:
    """The column (n,) with the table's values as ours; one that is not listed stays, for validation to name it."""
    words = column.astype(object)
    return words.map(lambda value: values.get(spelled(value), value)).where(words.notna(), None)


def _rounded(column: pd.Series, digits: int) -> pd.Series:
    """The numbers of a column (n,), rounded; what is no number stays."""
    numbers = column.astype(object).map(as_number).astype(float)
    return column.astype(object).where(numbers.isna(), numbers.round(digits))


def _without(column: pd.Series, values: frozenset[str]) -> pd.Series:
    """The column (n,) with some values, as they are spelled, missing."""
    gone = column.astype(object).map(lambda value: spelled(value) in values)
    return column.astype(object).mask(gone.astype(bool), None).infer_objects()
