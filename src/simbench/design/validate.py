"""Validation of human data: every problem named with column, row and value, before anything is spent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from simbench.design.design import PARTICIPANT, Design
from simbench.design.numbers import LARGEST, as_number, spelled
from simbench.design.words import Item, Value
from simbench.errors import DataError, Problem

__all__ = ["validated"]

MOST_PER_COLUMN = 10


def validated(
    design: Design, frame: pd.DataFrame, source: str, expected: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return the design's columns of ``frame`` in canonical types, or raise DataError with all problems.

    Ids become strings; whole numbers stored as floats or as text become integers where options or levels
    are integers; empty text in such columns is missing; rows keep their order and get a range index. A truth
    value is no number, nor is a date; an id is text or a number. ``expected`` says in words what items' answers can
    be, where the list of options does not (bins).
    """
    if not len(frame):
        raise DataError(source, [Problem("(all)", "at least one row", "an empty table")])
    counts = frame.columns.value_counts()
    wrong = [name for name in design.columns if counts.get(name, 0) != 1]
    if wrong:
        found = f"columns {', '.join(map(str, frame.columns))}"
        raise DataError(source, [Problem(name, "this column, once", found) for name in wrong])
    clean = frame[list(design.columns)].reset_index(drop=True).copy()
    allowed: dict[str, dict[Value, str]] = {factor.name: factor.words for factor in design.factors}
    allowed |= {item.name: dict(zip(item.values, item.labels, strict=True)) for item in design.items}
    allowed |= {variable.name: variable.words for variable in design.profile if variable.words}
    for name, words in allowed.items():
        clean[name] = _canonical(clean[name], words)
    for name in design.ids:
        clean[name] = clean[name].astype(object).map(_id)
    problems = [*_unknown(design, clean), *_problems(design, clean, expected or {})]
    if problems:
        raise DataError(source, problems)
    for variable in design.profile:
        if variable.bins and variable.words is None:
            clean[variable.name] = pd.to_numeric(clean[variable.name])
    if design.weight:
        clean[design.weight] = [as_number(value) for value in clean[design.weight]]
    return clean


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and (pd.isna(value) or (isinstance(value, str) and not value)))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _id(value: Any) -> Any:
    """An id as text; what can be none stays, to be named."""
    if _missing(value):
        return None
    if isinstance(value, str) or as_number(value) == as_number(value):
        return str(_plain(value))
    return value


def _each(column: pd.Series, judge: Callable[[Any], Any]) -> pd.Series:
    """What ``judge`` says of every value, asked once for equal values of one type."""
    known: dict[tuple[type, Any], Any] = {}

    def once(value: Any) -> Any:
        if not isinstance(value, Hashable):
            return judge(value)
        key = type(value), value
        if key not in known:
            known[key] = judge(value)
        return known[key]

    return column.map(once)


def _canonical(column: pd.Series, words: dict[Value, str]) -> pd.Series:
    """Bring values to the declared ones where they only differ in type (``3.0`` or ``"3"`` for 3)."""
    known = {str(value): value for value in words}

    def canonical(value: Any) -> Any:
        return None if _missing(value) else known.get(spelled(value), value)

    mapped = _each(column, canonical)
    fits, _ = _among(words)
    if all(isinstance(v, int) for v in words) and _each(mapped, lambda v: _missing(v) or fits(v)).all():
        return mapped.astype("Int64")
    return mapped.astype(object).where(mapped.notna(), None)


def _unknown(design: Design, frame: pd.DataFrame) -> Iterator[Problem]:
    """Rows of which it is not known who they are, where, and how much they count."""
    ids = frame[PARTICIPANT]
    for name in design.ids:
        yield from _outside(frame[name], lambda value: isinstance(value, str), "text or a number as an id")
    yield from _bad(ids, ids.isna(), "an id for every participant", PARTICIPANT)
    twice = ids.map(str).duplicated(keep="first")
    yield from _bad(ids, ids.notna() & twice, "ids that occur once", PARTICIPANT)
    if design.person:
        column = frame[design.person]
        yield from _bad(column, column.isna(), "the person this row belongs to", design.person)
    if design.cluster:
        column = frame[design.cluster]
        yield from _bad(column, column.isna(), "the cluster this row belongs to", design.cluster)
        if design.person:
            elsewhere = column.map(str) != column.map(str).groupby(frame[design.person].map(str)).transform("first")
            yield from _bad(column, elsewhere, "one cluster per person", design.cluster)
    if design.weight:
        yield from _outside(frame[design.weight], _is_weight, "a weight: a finite number above 0", missing=False)


def _problems(design: Design, frame: pd.DataFrame, expected: Mapping[str, str]) -> Iterator[Problem]:
    for factor in design.factors:
        yield from _outside(frame[factor.name], *_among(factor.words), missing=False)
    for variable in design.profile:
        if variable.words is not None:
            yield from _outside(frame[variable.name], *_among(variable.words))
        if variable.bins:
            yield from _outside(frame[variable.name], _is_number, "a number")
        elif variable.words is None:
            yield from _outside(frame[variable.name], _is_word, "text or a number")
    for item in design.items:
        fits, words = _among(item.values)
        yield from _outside(frame[item.name], fits, expected.get(item.name, words))
        yield from _not_offered(design, item, frame)
        if frame[item.name].isna().all():
            yield Problem(item.name, "at least one answer", "none")


def _not_offered(design: Design, item: Item, frame: pd.DataFrame) -> Iterator[Problem]:
    """Answers that the row's treatment group could not give."""
    column = frame[item.name]
    elsewhere = {factor.name: set(factor.words) for factor in design.factors}
    for option in item.options:
        for factor, values in option.when:
            wrong = (column == option.value).fillna(False) & frame[factor].isin(elsewhere[factor] - set(values))
            where = f"{factor} {' or '.join(map(repr, values))}"
            yield from _bad(column, wrong, f"this answer with {where} only", item.name)


def _among(values: Collection[Value]) -> tuple[Callable[[Any], bool], str]:
    allowed = frozenset(values)
    expected = f"one of {', '.join(map(repr, list(values)))}"
    return lambda value: isinstance(value, Hashable) and not _is_truth(value) and value in allowed, expected


def _is_number(value: Any) -> bool:
    number = as_number(value)
    return number == number


def _is_weight(value: Any) -> bool:
    return as_number(value) > 0


def _is_word(value: Any) -> bool:
    return isinstance(value, str) or _is_truth(value) or _is_number(value)


def _outside(
    column: pd.Series, fits: Callable[[Any], bool], expected: str, missing: bool = True
) -> Iterator[Problem]:
    wrong = ~_each(column, lambda value: missing if _missing(value) else fits(value)).astype(bool)
    yield from _bad(column, wrong, expected, str(column.name))


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a whole number beyond 1e+15"
    words = repr(value).replace("\n", " ")
    return words if len(words) <= 80 else f"{words[:77]}..."


def _bad(column: pd.Series, wrong: pd.Series, expected: str, name: str) -> Iterator[Problem]:
    rows = list(column.index[wrong.to_numpy()])
    for row in rows[:MOST_PER_COLUMN]:
        value = column[row]
        found = _shown(value.item() if isinstance(value, np.generic) else value)
        yield Problem(name, expected, "nothing" if _missing(value) else found, str(row + 1))
    if len(rows) > MOST_PER_COLUMN:
        yield Problem(name, expected, f"{len(rows) - MOST_PER_COLUMN} more such rows")
