"""Bins: how a number that people gave becomes one of a closed list of options."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simbench.design import Value
from simbench.design.numbers import as_number
from simbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PERCENT", "Bins", "Cuts"]


@dataclass(frozen=True)
class Bins:
    """Bins of whole numbers from ``edges[0]`` to ``top``, both included.

    ``edges`` are the lower edges, rising. A bin is known by its lower edge, which stands in the data, and
    labelled with its range: ``Bins((0, 5, 10), 10)`` has the options 0 ("0-4"), 5 ("5-9") and 10 ("10").
    """

    edges: tuple[int, ...]
    top: int

    def __post_init__(self) -> None:
        ends = (*self.edges, self.top + 1)
        if not self.edges or any(low >= high for low, high in zip(ends, ends[1:], strict=False)):
            raise ConfigError(f"bins: expected rising lower edges up to {self.top}; found {list(self.edges)}")

    @property
    def options(self) -> dict[Value, str]:
        """``{lower edge: label}``, as an item takes them."""
        lasts = [*(edge - 1 for edge in self.edges[1:]), self.top]
        ranges = zip(self.edges, lasts, strict=True)
        return {low: str(low) if low == last else f"{low}-{last}" for low, last in ranges}

    @property
    def midpoints(self) -> dict[Value, float]:
        """``{lower edge: middle of the bin}``."""
        lasts = [*(edge - 1 for edge in self.edges[1:]), self.top]
        return {low: (low + last) / 2 for low, last in zip(self.edges, lasts, strict=True)}

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Lowest and highest number of every bin."""
        lasts = [*(edge - 1 for edge in self.edges[1:]), self.top]
        return tuple(zip(self.edges, lasts, strict=True))

    @property
    def expected(self) -> str:
        """What people can have answered, in words."""
        return f"a number from {self.edges[0]} to {self.top}"

    def cut(self, numbers: pd.Series) -> pd.Series:
        """Lower edge of the bin (n,) of each number (n,), text that spells a number included.

        Missing stays missing. What is no number from ``edges[0]`` to ``top`` stays as it is, so that
        validation names it. Cutting twice changes nothing.
        """
        import numpy as np

        found = np.array([as_number(value) for value in numbers.astype(object)], dtype=float)
        inside = (found >= self.edges[0]) & (found <= self.top)
        position = np.searchsorted(np.asarray(self.edges, dtype=float), found, side="right") - 1
        cut = numbers.astype(object)
        cut[inside] = self._values(position[inside])
        return cut

    def loss(self, name: str, numbers: pd.Series) -> list[str]:
        """What becomes of the mean when every number (n,) counts as the middle of its bin, in a sentence, if any."""
        import numpy as np

        given = np.array([as_number(value) for value in numbers.astype(object)], dtype=float)
        given = given[(given >= self.edges[0]) & (given <= self.top)]
        if not given.size:
            return []
        at = np.searchsorted(np.asarray(self.edges, dtype=float), given, side="right") - 1
        counted = np.array([*self.midpoints.values()])[at]
        if np.array_equal(given, counted):
            return []
        return [
            f"{name}: binned; where a simulation answers in bins, a bin counts as its middle, in formulas too, and "
            f"the mean of {given.mean():.4g} becomes {counted.mean():.4g} (the family interval takes bins for what "
            "they are)"
        ]

    def _values(self, positions: Iterable[Any]) -> list[int]:
        return [self.edges[int(position)] for position in positions]


@dataclass(frozen=True)
class Cuts:
    """Numbers that people gave, told as the option whose lower edge they reach: a mean of six answers, a share.

    ``edges`` are rising, one for each of ``options``. Numbers below the first edge or above ``top`` are none of them.
    """

    edges: tuple[float, ...]
    options: tuple[Value, ...]
    top: float = float("inf")

    def __post_init__(self) -> None:
        if any(low >= high for low, high in zip(self.edges, (*self.edges[1:], self.top), strict=True)):
            raise ConfigError(f"cut: expected rising lower edges up to {self.top:g}; found {list(self.edges)}")

    @property
    def expected(self) -> str:
        """What people can have answered, in words."""
        return f"a number from {self.edges[0]:g}" + ("" if self.top == float("inf") else f" to {self.top:g}")

    def cut(self, numbers: pd.Series) -> pd.Series:
        """The option (n,) of each number (n,). Missing stays missing, and what is outside stays as it is."""
        import numpy as np

        found, inside, position = self._placed(numbers)
        cut = numbers.astype(object)
        cut[inside] = [self.options[each] for each in position[inside]]
        return cut.where(~np.isnan(found) | numbers.notna(), None)

    def loss(self, name: str, numbers: pd.Series) -> list[str]:
        """What becomes of the mean when every number (n,) counts as its option, in a sentence, if any."""
        found, inside, position = self._placed(numbers)
        if not inside.any() or not all(isinstance(option, int) for option in self.options):
            return []
        counted = [self.options[each] for each in position[inside]]
        mean = sum(map(int, counted)) / len(counted)
        return [
            f"{name}: told as {len(self.options)} options; the mean of {found[inside].mean():.4g} becomes {mean:.4g}"
        ]

    def _placed(self, numbers: pd.Series) -> tuple[Any, Any, Any]:
        """The numbers (n,), whether they are in reach (n,), and the position (n,) of their option."""
        import numpy as np

        found = np.array([as_number(value) for value in numbers.astype(object)], dtype=float)
        inside = (found >= self.edges[0]) & (found <= self.top)
        return found, inside, np.searchsorted(np.asarray(self.edges), found, side="right") - 1


PERCENT = Bins((0, 10, 20, 30, 40, 50, 60, 70, 80, 90), 100)
