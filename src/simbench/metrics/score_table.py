"""The one reading of scores: which rows are a figure's, what it is called, which way is closer to people."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simbench.metrics.base import Metric

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Figure", "ScoreTable", "title"]

Figure = tuple[str, "str | None"]
"""A figure of the whole sample: metric id and item, None where it has no item."""


def title(row: Any) -> str:
    """What a row with ``metric`` and ``item`` is called: ``js_distance (mean)``."""
    item = row["item"]
    return f"{row['metric']} ({item})" if isinstance(item, str) else str(row["metric"])


class ScoreTable:
    """Rows with the columns of ``scores.parquet``, of one run or of many.

    ``metrics`` are the classes whose ``headline``, ``better`` and ``words`` answer :attr:`headline`,
    :meth:`direction` and :meth:`words`.
    """

    def __init__(self, frame: pd.DataFrame, metrics: Iterable[type[Metric[Any]]] = ()) -> None:
        self.frame = frame
        self.metrics = tuple(metrics)

    @cached_property
    def whole(self) -> pd.DataFrame:
        """The rows that are about the whole sample, not about a subgroup."""
        return self.frame[self.frame["subgroup"].isna()]

    def rows(self, metric: str, item: str | None = None) -> pd.DataFrame:
        """The whole-sample rows of a figure: one for each run that has it."""
        same = self.whole["metric"] == metric
        return self.whole[same & (self.whole["item"].isna() if item is None else self.whole["item"] == item)]

    @cached_property
    def _places(self) -> dict[Figure, list[int]]:
        """Where in :attr:`whole` the rows of every figure stand."""
        found: dict[Figure, list[int]] = {}
        for place, (metric, item) in enumerate(zip(self._columns["metric"], self._columns["item"], strict=True)):
            found.setdefault((metric, item if isinstance(item, str) else None), []).append(place)
        return found

    @cached_property
    def _columns(self) -> dict[str, list[Any]]:
        """:attr:`whole` as lists: a row is read from these many times as fast as from a frame."""
        return {str(name): column.tolist() for name, column in self.whole.items()}

    def _records(self, figure: Figure) -> list[dict[str, Any]]:
        places = self._places.get(figure, [])
        return [{name: column[place] for name, column in self._columns.items()} for place in places]

    def one(self, metric: str, item: str | None = None) -> dict[str, Any] | None:
        """The whole-sample row of a figure of one run, by column; None where the run has none."""
        return next(iter(self._records((metric, item))), None)

    @cached_property
    def headline(self) -> tuple[Figure, ...]:
        """The headline figures of all metrics, in the metrics' order."""
        return tuple((name, item) for metric in self.metrics for name, item in metric.headline)

    def headline_rows(self) -> list[dict[str, Any]]:
        """The rows of the headline figures, in the metrics' order."""
        return [row for figure in self.headline for row in self._records(figure)]

    @cached_property
    def directions(self) -> dict[str, str]:
        """Which way is closer to people, by metric id: ``lower``, ``higher``, ``zero`` or ``one``."""
        return {name: way for metric in self.metrics for name, way in metric.better.items()}

    def direction(self, metric: str) -> str:
        """Which way of a figure is closer to people; empty where no metric says so."""
        return self.directions.get(metric, "")

    @cached_property
    def names(self) -> dict[str, str]:
        """What figures are called in words, by metric id."""
        return {name: words for metric in self.metrics for name, words in metric.words.items()}

    def words(self, row: Any) -> str:
        """What a row with ``metric`` and ``item`` is called where people read it; its title where no metric says."""
        return title({"metric": self.names.get(row["metric"], row["metric"]), "item": row["item"]})
