"""A check, what it says, and the part that it is of."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest import SkipTest

import numpy as np

from simbench.errors import ConfigError, CredentialsError, SimbenchError, closest
from simbench.plugin.blame import told
from simbench.plugin.contract import BASES, check_class, check_settings

__all__ = ["Check", "Fault", "Part", "Unfit", "no_global_randomness", "offered"]

T = TypeVar("T")


class Fault(AssertionError):
    """The part breaks its contract; the message says how."""


class Unfit(SkipTest):
    """The check does not apply to this part, and why. pytest counts it as skipped."""


@dataclass(frozen=True)
class Part:
    """A class and its settings: whoever checks it makes fresh instances."""

    kind: str
    cls: type[Any]
    settings: Mapping[str, Any]
    memory: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What ``make`` returned when it was first asked for: checks of one part share it."""
        if key not in self.memory:
            self.memory[key] = make()
        found: T = self.memory[key]
        return found

    @classmethod
    def of(cls, kind: str, part: str | type[Any], settings: Mapping[str, Any]) -> Part:
        """The part of this name, or this class."""
        from simbench.plugin.manager import load_plugins

        if kind not in BASES:
            raise ConfigError(f"there is no kind {kind!r}{closest(kind, BASES)}")
        found = load_plugins().get(kind, part).cls if isinstance(part, str) else part
        made = cls(kind, found, settings)
        if settings:  # a slip in them is the caller's; without any, what is wrong with the class is for its checks
            made.settled()
        return made

    def settled(self) -> Any:
        """The settings, typed as a run types them. ConfigError for one that does not exist or does not fit."""
        from simbench.harness.config import typed

        return typed(self.cls.Config, self.settings, f"{self.kind}.")

    def make(self) -> Any:
        """A fresh instance."""
        return self.cls(self.settled())


@dataclass(frozen=True)
class Check:
    """One check of a part. Calling it raises Fault where it fails, and Unfit where it does not apply."""

    name: str
    part: Part
    run: Callable[[Part], str | None]

    def __call__(self) -> str:
        """Carry it out; returns a remark, empty where there is none."""
        try:
            return self.run(self.part) or ""
        except (Fault, Unfit, KeyboardInterrupt, MemoryError):
            raise
        except CredentialsError as error:
            raise Unfit(f"it cannot be used here: {error}") from None
        except SimbenchError as error:
            raise Fault(str(error)) from error
        except BaseException as error:
            raise Fault(f"it raised {told(error, self.part.cls)}") from error

    def outcome(self) -> str:
        """What came of it, in a line: ``ok``, ``skipped: ...`` or ``FAILED: ...``."""
        try:
            remark = self()
        except Unfit as error:
            return f"skipped: {error}"
        except Fault as error:
            return f"FAILED: {error}"
        return f"ok: {remark}" if remark else "ok"


def offered(part: Part) -> None:
    """The class keeps what its kind asks for, and its settings can be set on the command line."""
    check_class(part.kind, part.cls)
    check_settings(part.kind, part.cls)
    if not (part.cls.__doc__ or "").strip():
        raise Fault(f"{part.cls.__qualname__} has no docstring, and it is what `simbench show` prints")


def no_global_randomness(act: Callable[[], Any]) -> None:
    """Raise Fault where something draws from, or seeds, the generators that everybody shares."""
    kept = _states()
    try:
        np.random.seed(11)  # noqa: NPY002
        random.seed(11)
        before = _states()
        act()
        after = _states()
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        random.setstate(kept[1])
    if repr(before) != repr(after) or not np.array_equal(before[0][1], after[0][1]):
        raise Fault("it draws from or seeds the global generators of numpy or random; take the one handed in")


def _states() -> tuple[Any, Any]:
    """The states of the two global generators."""
    return np.random.get_state(), random.getstate()  # noqa: NPY002 - the very thing that must not be used
