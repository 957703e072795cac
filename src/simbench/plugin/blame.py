"""Says whose code went wrong: an exception out of a plugin becomes one line that names it, its file and its line."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import Any

from simbench.errors import PluginError, SimbenchError

__all__ = ["blamed", "is_own", "one_at_a_time", "owner", "returned", "told"]

_ALONE = RLock()


@contextmanager
def blamed(kind: str, part: Any, doing: str) -> Iterator[None]:
    """Turn what a plugin's code raises into a PluginError; what simbench raises on purpose goes through as it is.

    ``part`` is the object, or its class, that is asked to do something; ``doing`` says what, as ``load``.
    """
    cls = part if isinstance(part, type) else type(part)
    try:
        yield
    except PluginError as error:
        raise PluginError(f"{owner(kind, cls)}: {error}") from error
    except (SimbenchError, KeyboardInterrupt, GeneratorExit, MemoryError):
        raise
    except BaseException as error:  # SystemExit too: a plugin does not end the program
        raise PluginError(f"{owner(kind, cls)}: {doing} raised {told(error, cls)}") from error


@contextmanager
def one_at_a_time(cls: type[Any]) -> Iterator[None]:
    """No two threads run plugins' code within; simbench's own needs no such care."""
    with nullcontext() if is_own(cls) else _ALONE:
        yield


def is_own(cls: type[Any]) -> bool:
    """Whether a class is of simbench itself."""
    return cls.__module__.startswith("simbench.")


def returned(kind: str, part: Any, doing: str, value: Any, expected: Any) -> Any:
    """What a plugin's method gave back; PluginError where that is nothing of the expected kind."""
    if not isinstance(value, expected):
        words = f"{doing} returns {expected.__name__}; found {value!r:.80}"
        raise PluginError(f"{owner(kind, type(part))}: {words}")
    return value


def owner(kind: str, cls: type[Any]) -> str:
    """``sampler 'mine' (simbench_plugins.Mine)``."""
    return f"{kind} {getattr(cls, 'name', '?')!r} ({cls.__module__}.{cls.__qualname__})"


def told(error: BaseException, cls: type[Any] | None = None) -> str:
    """An exception in a line, with the place in the plugin's own file where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    file = _file(cls)
    own = [frame for frame in frames if frame.filename == file] or list(frames)[-1:]
    place = f" (file {own[-1].filename}, line {own[-1].lineno}, in {own[-1].name})" if own else ""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' + words if words else ''}{place}"


def _file(cls: type[Any] | None) -> str | None:
    if cls is None:
        return None
    try:
        return str(Path(inspect.getfile(cls)))
    except (TypeError, OSError):
        return getattr(sys.modules.get(cls.__module__), "__file__", None)
