"""Progress for those who do not want any: notebooks, tests, other programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Silent"]


class _Task:
    def advance(self, amount: int = 1) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Nothing to show."""


class Silent:
    """A Progress that says nothing."""

    @contextmanager
    def task(self, title: str, total: int | None, unit: str = "") -> Iterator[_Task]:
        """A bar nobody sees."""
        yield _Task()

    def say(self, text: str) -> None:
        """Nothing to show."""
