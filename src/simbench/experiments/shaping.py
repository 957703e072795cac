"""Bringing a table to one row per participant and condition: rows kept, counted, and spread from long to wide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simbench.design.numbers import spelled
from simbench.errors import ConfigError, closest
from simbench.experiments.expressions import Amount
from simbench.experiments.sections import Section

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Shape", "Spread", "read_shape"]

MOST_COLUMNS = 1000


@dataclass(frozen=True)
class Spread:
    """Several rows of the table that make one.

    The columns ``rows`` say whose a row is. ``names`` is the column whose words become the names of new columns,
    each with the cell of the column ``values`` beside it; or it is a list, ``[a, b]``: every two rows that follow
    each other among those of the same ``rows`` make one, with columns ``a_x`` and ``b_x`` for every column x of
    ``values``. Of the other columns those stay that are the same in all rows that make one.
    """

    rows: tuple[str, ...]
    names: str | tuple[str, ...]
    values: tuple[str, ...]

    def apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The wider table, in order of first appearance. Raises ConfigError."""
        named = (self.names,) if isinstance(self.names, str) else ()
        _known(frame, (*self.rows, *named, *self.values), "spread")
        whose = frame.groupby(list(self.rows), sort=False, dropna=False, observed=True)
        group, nth = whose.ngroup(), whose.cumcount()
        if isinstance(self.names, str):
            slot = frame[self.names].astype(object).map(spelled)
        else:
            size = len(self.names)
            lengths = whose[self.rows[0]].transform("size")
            if (lengths % size).any():
                raise ConfigError(f"spread: expected a multiple of {size} rows for each {' and '.join(self.rows)}")
            group = group * (int(nth.max()) // size + 1) + nth // size
            slot = (nth % size).map(dict(enumerate(self.names)))
        slots = list(dict.fromkeys(slot))
        if len(slots) * len(self.values) > MOST_COLUMNS:
            raise ConfigError(f"spread: {self.names!r} would make more than {MOST_COLUMNS} columns")
        if frame.assign(**{"_group": group, "_slot": slot}).duplicated(["_group", "_slot"]).any():
            raise ConfigError(
                f"spread: several rows of the same {' and '.join(self.rows)} have the same {self.names}; expected "
                "one of each (rows that are repeated can be told apart by 'number')"
            )
        first = ~group.duplicated()
        wide = frame[first][[name for name in map(str, frame) if self._stays(frame, name, group)]]
        wide.index = group[first]
        parts: dict[str, pd.Series] = {}
        for each in slots:
            rows = frame[slot == each].set_axis(group[slot == each])
            alone = isinstance(self.names, str) and len(self.values) == 1
            parts |= {(each if alone else f"{each}_{name}"): rows[name] for name in self.values}
        clash = sorted(set(parts) & set(wide.columns))
        if clash:
            raise ConfigError(f"spread: there is a column {clash[0]!r} already")
        wider: pd.DataFrame = wide.assign(**{name: part.reindex(wide.index) for name, part in parts.items()})
        return wider.reset_index(drop=True)

    def _stays(self, frame: pd.DataFrame, name: str, group: pd.Series) -> bool:
        if name in self.values or name == self.names:
            return False
        import pandas as pd

        codes = pd.Series(pd.factorize(frame[name], use_na_sentinel=False)[0], index=frame.index)
        return bool((codes.groupby(group).transform("first") == codes).all())


@dataclass(frozen=True)
class Shape:
    """What is done to a table before its columns are read, in this order: ``number``, ``keep``, ``spread``."""

    number: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keep: Amount | None = None
    spread: Spread | None = None

    def apply(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The table so shaped, and what a reader must know of it."""
        notes = []
        for name, among in self.number.items():
            _known(frame, among, "number")
            counted = frame.groupby(list(among), sort=False, dropna=False, observed=True).cumcount() + 1
            frame = frame.assign(**{name: counted})
        if self.keep is not None:
            kept = frame[self.keep.value(frame) == 1]
            notes.append(f"{len(kept)} of {len(frame)} rows are kept: {self.keep.text}")
            frame = kept.reset_index(drop=True)
        if self.spread is not None and len(frame):
            frame = self.spread.apply(frame)
        return frame, notes


def read_shape(section: Section) -> Shape:
    """``number``, ``keep`` and ``spread`` of a section; faults are written down."""
    number = section.take("number", dict, {})
    counted = {str(name): _names(section, f"number.{name}", among) for name, among in number.items()}
    text, keep = section.take("keep", str, ""), None
    if text:
        try:
            keep = Amount.parse(text, truth=True)
        except ConfigError as error:
            section.note("keep", str(error))
    spread = None
    if "spread" in section.content:
        part = Section(section.take("spread", dict, {}), f"{section.where}.spread", section.problems)
        given = part.any("names")
        names = given if isinstance(given, str) else _names(part, "names", given)
        rows, values = (_names(part, key, part.any(key)) for key in ("rows", "values"))
        part.done()
        spread = Spread(rows, names, values)
    return Shape(counted, keep, spread)


def _names(section: Section, key: str, found: Any) -> tuple[str, ...]:
    """One name, or a list of names."""
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        section.note(key, "expected the name of a column, or a list of names")
        return ("",)
    return tuple(names)


def _known(frame: pd.DataFrame, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if name not in frame.columns:
            raise ConfigError(f"{what}: no column {name!r}{closest(name, map(str, frame.columns))}")
