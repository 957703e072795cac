"""Every error simbench raises on purpose.

::

    SimbenchError                 something went wrong; exit code 1
    +-- UserError                 something the user can mend; exit code 2
    |   +-- ConfigError           an unknown name, or a setting that cannot be
    |   +-- DataError             human data that break the contract of their experiment
    |   +-- PilotError            a pilot that cannot be drawn, or is needed and missing
    |   +-- ModelError            a model, adapter or tokenizer that cannot be used
    |   +-- UnsupportedError      a setting that this model or API version does not take
    |   +-- CredentialsError      a key that is missing or was turned down
    |   +-- StorageError          a folder that cannot be written, or a full disk
    |   +-- BudgetError           the budget was reached; the run can go on with a higher one
    |   +-- LockedError           another process is carrying out the same run
    |   +-- FailedBeforeError     a run of a sweep that failed before and is not to be tried again unasked
    +-- PluginError               a plugin that breaks its contract
    +-- BackendError              a provider or model failed in a way no retry mends

All of them pickle, so that they cross process borders under joblib, submitit and Ray.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from threading import RLock
from typing import ClassVar

__all__ = [
    "BackendError",
    "BudgetError",
    "ConfigError",
    "CredentialsError",
    "DataError",
    "FailedBeforeError",
    "LockedError",
    "ModelError",
    "PilotError",
    "PluginError",
    "Problem",
    "SimbenchError",
    "StorageError",
    "UnsupportedError",
    "UserError",
    "closest",
    "strict_reading",
]

_READING = RLock()


class SimbenchError(Exception):
    """Base of every error that simbench raises on purpose.

    ``goes_on``: what stopped the run lies outside it, so that the same command may go on with it, in sweeps too.
    """

    exit_code: ClassVar[int] = 1
    goes_on: ClassVar[bool] = False


class UserError(SimbenchError):
    """Something the user can mend."""

    exit_code = 2


class ConfigError(UserError):
    """An unknown name, or a setting that cannot be."""


class PilotError(UserError):
    """A pilot that cannot be drawn, or that is needed and missing."""


class ModelError(UserError):
    """A model, adapter or tokenizer that cannot be used."""


class UnsupportedError(UserError):
    """A setting that this model or API version does not take."""


class CredentialsError(UserError):
    """A key that is missing or was turned down. The message never holds the key."""

    goes_on = True


class StorageError(UserError):
    """A folder that cannot be written, or a full disk."""

    goes_on = True


class BudgetError(UserError):
    """The budget was reached. Nothing is lost: a higher budget goes on from here."""

    goes_on = True


class LockedError(UserError):
    """Another process is carrying out the same run."""

    goes_on = True


class FailedBeforeError(UserError):
    """A run of a sweep that failed before; it is tried again only when asked."""


class PluginError(SimbenchError):
    """A plugin that breaks its contract."""


class BackendError(SimbenchError):
    """A provider or model failed in a way that no retry mends."""

    goes_on = True


@dataclass(frozen=True)
class Problem:
    """One fault in human data: where it is, what was found, what was expected."""

    column: str
    expected: str
    found: str = ""
    row: str = ""

    def __str__(self) -> str:
        place = f"column {self.column!r}" + (f", row {self.row}" if self.row else "")
        return f"{place}: expected {self.expected}" + (f", found {self.found}" if self.found else "")


class DataError(UserError):
    """Human data that break the contract of their experiment.

    ``problems`` holds every fault; the message shows the first 20 and counts the rest.
    """

    shown: ClassVar[int] = 20

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = [f"{source}: {len(self.problems)} problem(s)"]
        lines += [f"  {problem}" for problem in self.problems[: self.shown]]
        if len(self.problems) > self.shown:
            lines.append(f"  and {len(self.problems) - self.shown} more")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[DataError], tuple[str, tuple[Problem, ...]]]:
        return (type(self), (self.source, self.problems))


def closest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant: ``"; did you mean 'x'? Known: ..."``."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.5)
    meant = f"; did you mean {near[0]!r}?" if near else "."
    return f"{meant} Known: {', '.join(names) or 'none'}."


@contextmanager
def strict_reading() -> Iterator[None]:
    """What Python's parser merely warns of is an error within.

    One thread at a time: what is done with warnings is set for the whole process.
    """
    with _READING, warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
