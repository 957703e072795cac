"""Asks metrics for their figures. One that goes wrong costs its own figures only, and never silently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from simbench.errors import PluginError
from simbench.metrics.base import BIASES, Comparison, Metric, Score
from simbench.plugin.blame import is_own, one_at_a_time, owner, told

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HANDS", "Asked", "Key", "SideBySide"]

Key = tuple[str, str | None, str | None, str | None]
T = TypeVar("T")
HANDS = 2
"""So many comparisons are scored at the same time: each takes memory of its own."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The metrics of a run, and what went wrong with them: ``faults`` holds one line for each metric and fault."""

    metrics: Sequence[Metric[Any]]
    faults: list[str] = field(default_factory=list)

    @cached_property
    def better(self) -> dict[str, str]:
        """Which way is closer to human, by metric id."""
        return {name: way for metric in self.metrics for name, way in metric.better.items()}

    def scores(self, comparison: Comparison, of: str = "") -> list[Score]:
        """Every figure of every metric; what a metric owes and did not give is missing with the reason.

        ``of`` says what is compared where that is not the simulation, as ``ceiling``.
        """
        return self._collected(
            "score", lambda metric: metric.score(comparison), comparison.resamples, where_asked(of)
        )

    def conclusions(self, frame: pd.DataFrame) -> list[Score]:
        """What follows from all figures together."""
        return self._collected("conclude", lambda metric: metric.conclude(frame), 1, "")

    def _collected(
        self, doing: str, ask: Callable[[Metric[Any]], Iterable[Score]], rows: int, where: str
    ) -> list[Score]:
        found: dict[Key, Score] = {}
        for metric in self.metrics:
            own: dict[Key, Score] = {}
            try:
                with one_at_a_time(type(metric)):
                    for each in ask(metric):
                        score = _checked(each, rows)
                        self._refuse_foreign(score, metric)
                        if score.key in own or score.key in found:
                            raise PluginError(f"it yields the figure {_words(score)!r}, which has been given before")
                        own[score.key] = score
            except (KeyboardInterrupt, MemoryError):
                raise
            except BaseException as error:  # noqa: BLE001 - any metric may fail in any way; its figures say so
                said = f"{doing} raised {told(error, type(metric))}"
                said = str(error) if isinstance(error, PluginError) else said
                fault = f"{owner('metric', type(metric))}: {said}"
                if fault not in self.faults:  # the same one in another comparison says nothing new
                    fault += where
                    self.faults.extend([fault] if fault not in self.faults else [])
                own |= {each.key: each for each in _owed(metric, own, fault, rows) if each.key not in found}
            found |= own
        return list(found.values())

    @cached_property
    def _owners(self) -> dict[str, str]:
        return {name: each.name for each in reversed(self.metrics) for name in (*each.better, each.name)}

    def _refuse_foreign(self, score: Score, metric: Metric[Any]) -> None:
        """PluginError where a figure is announced by another metric."""
        if score.metric != metric.name and score.metric not in metric.better:
            owned_by = self._owners.get(score.metric, metric.name)
            if owned_by != metric.name:
                raise PluginError(f"it yields {_words(score)!r}, which is a figure of metric {owned_by!r}")


class SideBySide:
    """Works at the same time, in threads, each asking the metrics about a comparison of its own.

    What they give does not depend on how many cores there are, nor on which is ready first.
    """

    def __init__(self, metrics: Sequence[Metric[Any]]) -> None:
        self._metrics = metrics
        if not all(is_own(type(each)) for each in metrics):
            # What other libraries find half imported by another thread they may take for whole.
            import statsmodels.discrete.discrete_model  # noqa: F401
        self._asked: list[tuple[str, Asked]] = []
        self._hands = ThreadPoolExecutor(HANDS)

    def start(self, of: str, work: Callable[[Asked], T]) -> Future[T]:
        """Have a work done that asks for ``of``, as in :meth:`Asked.scores`; the one of no name is told of first."""
        asked = Asked(self._metrics)
        self._asked.append((of, asked))
        return self._hands.submit(work, asked)

    @property
    def faults(self) -> list[str]:
        """What went wrong, once each, those of the simulation itself first."""
        found: list[str] = []
        for of, asked in sorted(self._asked, key=lambda each: each[0] != ""):
            known = {fault for fault in asked.faults if fault.removesuffix(where_asked(of)) in found}
            found += [fault for fault in asked.faults if fault not in known and fault not in found]
        return found

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._hands.shutdown(cancel_futures=kind is not None)


def where_asked(of: str) -> str:
    """What is added to a fault that showed when metrics were asked for a reference, as the ceiling."""
    return f" (asked for the {of})" if of else ""


def _words(score: Score) -> str:
    return " ".join(part for part in score.key if part is not None)


def _owed(metric: Metric[Any], given: Mapping[Key, Score], fault: str, rows: int) -> Iterator[Score]:
    """The figures that a metric announces and has not given, as missing ones; at least one."""
    headline = {name for name, _ in metric.headline}
    announced = [*metric.headline, *((name, None) for name in metric.better if name not in headline)]
    told_of = {key[0] for key in given}
    wanted = [pair for pair in announced if (*pair, None, None) not in given and pair[0] not in told_of - headline]
    for name, item in wanted or [(metric.name, None)]:
        yield Score.missing(name, fault, rows, item=item)


def _checked(given: Any, rows: int) -> Score:
    """A figure whose parts are what they must be, numbers as floats. PluginError names what is not."""
    if not isinstance(given, Score):
        raise PluginError(f"score yields simbench.Score objects; found {type(given).__name__}")
    if not isinstance(given.metric, str) or not given.metric:
        raise PluginError(f"Score.metric is the figure's name; found {given.metric!r}")
    for name in ("item", "subgroup", "level", "reason"):
        if not isinstance(getattr(given, name), str | None):
            raise PluginError(f"{given.metric}: Score.{name} is text or None; found {getattr(given, name)!r}")
    if given.bias not in BIASES:
        raise PluginError(f"{given.metric}: Score.bias is one of {', '.join(BIASES)}; found {given.bias!r}")
    arrays: dict[str, Any] = {name: _array(given, name, rows) for name in ("value", "human", "simulated")}
    counts: dict[str, Any] = {name: _count(given, name) for name in ("n_human", "n_simulated")}
    return replace(given, **arrays, **counts, interval=_ends(given), trials=_cases(given))


def _array(given: Score, name: str, rows: int) -> Any:
    values = getattr(given, name)
    if values is None and name != "value":
        return None
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise PluginError(f"{given.metric}: Score.{name} holds numbers; found {values!r:.60}") from None
    if numbers.shape != (rows,):
        raise PluginError(
            f"{given.metric}: Score.{name} has one number per row of weights, shape ({rows},); "
            f"found shape {numbers.shape}"
        )
    return numbers


def _count(given: Score, name: str) -> int:
    number = getattr(given, name)
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise PluginError(f"{given.metric}: Score.{name} is a whole number; found {number!r}")
    return int(number)


def _ends(given: Score) -> tuple[float, float] | None:
    if given.interval is None:
        return None
    try:
        low, high = map(float, given.interval)
    except (TypeError, ValueError):
        raise PluginError(
            f"{given.metric}: Score.interval is (low, high) or None; found {given.interval!r}"
        ) from None
    return low, high


def _cases(given: Score) -> dict[str, int]:
    try:
        cases = {str(name): index(count) for name, count in given.trials.items()}
    except (AttributeError, TypeError):
        raise PluginError(
            f"{given.metric}: Score.trials maps a side to a whole number; found {given.trials!r:.60}"
        ) from None
    return {name: count for name, count in cases.items() if count > 0}
