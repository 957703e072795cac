"""People: a frame of participants together with the design they took part in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simbench.design.design import PARTICIPANT, Design

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RAW", "People"]

RAW = "__raw"
"""End of the name of a column that holds the number itself behind a binned answer."""


@dataclass(frozen=True, eq=False)
class People:
    """One row per participant, validated against a design.

    ``frame`` has a plain range index and the design's columns; items may be missing (NA), profile variables
    too; factors and ids may not.
    """

    design: Design
    frame: pd.DataFrame

    @classmethod
    def of(
        cls, design: Design, frame: pd.DataFrame, source: str = "", expected: Mapping[str, str] | None = None
    ) -> People:
        """Validate a frame, naming every problem in one DataError.

        ``expected`` says in words what the answers to some items can be.
        """
        from simbench.design.validate import validated

        return cls(design, validated(design, frame, source or design.name, expected))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def ids(self) -> pd.Series:
        """Participant ids (n,), strings."""
        return self.frame[PARTICIPANT]

    @cached_property
    def condition(self) -> pd.Series:
        """Treatment group (n,) of each participant."""
        return self.design.condition(self.frame)

    @cached_property
    def person(self) -> pd.Series:
        """Which human (n,) each row belongs to; the participant itself, unless within-subject."""
        return self.frame[self.design.person or PARTICIPANT]

    @cached_property
    def unit(self) -> pd.Series:
        """What each row (n,) is resampled with: its cluster where the design names one, else its human."""
        return self.frame[self.design.cluster] if self.design.cluster else self.person

    @cached_property
    def person_codes(self) -> NDArray[np.int64]:
        """The persons (n,) as 0, 1, 2 ... in the order of their names."""
        return _numbered(self.person)

    @cached_property
    def unit_codes(self) -> NDArray[np.int64]:
        """The units (n,) as 0, 1, 2 ... in the order of their names."""
        return _numbered(self.unit) if self.design.cluster else self.person_codes

    @cached_property
    def survey(self) -> NDArray[np.float64] | None:
        """Survey weights (n,), scaled to a mean of 1; None where the design names none."""
        if self.design.weight is None:
            return None
        weights = self.frame[self.design.weight].to_numpy(dtype=np.float64)
        return np.asarray(weights / weights.mean())

    def level(self, variable: str) -> pd.Series:
        """Subgroup level (n,) of each participant for a profile variable, in words; missing stays None."""
        if variable == "condition":
            return self.condition
        return self.design.variable(variable).level(self.frame[variable])

    def levels(self, variable: str) -> list[str]:
        """Level names that occur, in their natural order."""
        found = set(self.level(variable).dropna())
        known = (self.design.conditions if variable == "condition" else self.design.variable(variable).order()) or ()
        return [name for name in known if name in found] + sorted(found - set(known))

    def codes(self, item: str) -> NDArray[np.int64]:
        """Answers (n,) to an item as positions among its options; -1 where missing."""
        return self.design.item(item).codes(self.frame[item])

    def numbers(self, item: str) -> NDArray[np.float64]:
        """The numbers themselves (n,) that were given to a binned item; NaN where only the bin is known."""
        if f"{item}{RAW}" not in self.frame:
            return np.full(len(self), np.nan)
        return self.frame[f"{item}{RAW}"].to_numpy(dtype=np.float64, na_value=np.nan)

    def without_numbers(self, but: Iterable[str] = ()) -> People:
        """The same participants, of whom only the bins are known, but for some items."""
        kept = {f"{item}{RAW}" for item in but}
        gone = [name for name in self.frame if str(name).endswith(RAW) and name not in kept]
        return People(self.design, self.frame.drop(columns=gone)) if gone else self

    def formula_frame(self) -> pd.DataFrame:
        """The frame as formulas see it: a binned answer is the number given, or the middle of its bin."""
        numbers = {}
        for item in self.design.items:
            if item.spans:
                middles = np.array([*(item.numbers or ()), np.nan])[self.codes(item.name)]
                given = self.numbers(item.name)
                numbers[item.name] = np.where(np.isnan(given), middles, given)
        return self.frame.assign(**numbers) if numbers else self.frame

    def offered(self, item: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of an item's options (n, K) each participant is offered in its treatment group."""
        options = self.design.item(item).options
        offered = np.ones((len(self), len(options)), dtype=bool)
        for column, option in enumerate(options):
            for factor, values in option.when:
                offered[:, column] &= self.frame[factor].isin(values).to_numpy(dtype=bool)
        return offered

    def at(self, positions: Iterable[int]) -> People:
        """The participants at these row positions, in this order."""
        return People(self.design, self.frame.iloc[list(positions)].reset_index(drop=True))

    def where(self, keep: pd.Series | np.ndarray[Any, Any]) -> People:
        """The participants for whom ``keep`` (n,) is true."""
        return self.at(np.flatnonzero(np.asarray(keep, dtype=bool)))

    def answering(self, codes: Mapping[str, NDArray[np.int64]]) -> People:
        """The same participants with other answers: option positions (n,) by item, -1 for a missing one.

        The number behind a binned answer stays where the bin does.
        """
        import pandas as pd

        frame = self.frame.copy()
        for name, positions in codes.items():
            if f"{name}{RAW}" in frame:
                frame[f"{name}{RAW}"] = np.where(positions == self.codes(name), self.numbers(name), np.nan)
        for name, positions in codes.items():
            values = self.design.item(name).values
            kind = "Int64" if all(isinstance(value, int) for value in values) else object
            options = np.array([*values, None], dtype=object)  # position -1 is the last one: missing
            frame[name] = pd.Series(options[positions], dtype=kind)
        return People(self.design, frame)

    @cached_property
    def digest(self) -> str:
        """sha256 over the columns of the design, row by row: the identity of these people."""
        derived = {variable.name for variable in self.design.profile if variable.derived}
        table = self.frame[[name for name in self.design.columns if name not in derived]].to_csv(
            index=False, lineterminator="\n"
        )
        return hashlib.sha256(table.encode()).hexdigest()


def _numbered(names: pd.Series) -> NDArray[np.int64]:
    return np.unique(names.to_numpy(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
