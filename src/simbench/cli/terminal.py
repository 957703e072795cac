"""What the person at the terminal sees: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from simbench.backends.base import Progress, Task

__all__ = ["progress", "show"]

EVERY = 5.0
WIDTH = 120


def show(content: RenderableType) -> None:
    """Print a table or text; as wide as the terminal, and plain where there is none."""
    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else WIDTH, highlight=False, emoji=False).print(content)


def progress() -> AbstractContextManager[Progress]:
    """Bars on a terminal, a line every few seconds elsewhere."""
    return _bars() if sys.stderr.isatty() else _lines()


class _BarTask:
    def __init__(self, bars: RichProgress, title: str, total: int | None, unit: str) -> None:
        self._bars, self._unit = bars, unit
        self._id = bars.add_task(title, total=total, note="")
        self._started, self._done = time.monotonic(), 0

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._id, amount)

    def note(self, text: str) -> None:
        self._bars.update(self._id, note=text)


class _Bars:
    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars

    @contextmanager
    def task(self, title: str, total: int | None, unit: str = "") -> Iterator[Task]:
        yield _BarTask(self._bars, title, total, unit)

    def say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


@contextmanager
def _bars() -> Iterator[Progress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bars:
        yield _Bars(bars)


class _LineTask:
    def __init__(self, title: str, total: int | None, unit: str) -> None:
        self._title, self._total, self._unit, self._note = title, total, unit, ""
        self._done, self._started = 0, time.monotonic()
        self._said = self._started

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if time.monotonic() - self._said >= EVERY:
            self.print()

    def note(self, text: str) -> None:
        self._note = text

    def print(self) -> None:
        self._said = time.monotonic()
        rate = self._done / max(self._said - self._started, 1e-9)
        of = f"/{self._total}" if self._total else ""
        left = ""
        if self._total and self._done and self._done < self._total:
            left = f", {(self._total - self._done) / rate:.0f} s left"
        words = f"{self._title}: {self._done}{of} {self._unit}".rstrip()
        note = f" ({self._note})" if self._note else ""
        _say(f"{words}, {rate:.1f}/s{left}{note}")


class _Lines:
    @contextmanager
    def task(self, title: str, total: int | None, unit: str = "") -> Iterator[Task]:
        each = _LineTask(title, total, unit)
        try:
            yield each
        finally:
            each.print()

    def say(self, text: str) -> None:
        _say(text)


@contextmanager
def _lines() -> Iterator[Progress]:
    yield _Lines()


def _say(text: Any) -> None:
    print(text, file=sys.stderr, flush=True)
