"""Files of models and adapters: libraries fail on a damaged one in many ways, the user gets one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simbench.errors import ModelError, SimbenchError

__all__ = ["brief", "reading"]

TELLING = (OSError, ValueError, RuntimeError)  # their message says what is wrong without their name


@contextmanager
def reading(fault: str) -> Iterator[None]:
    """Turn whatever a library raises over a file into a ModelError that begins with ``fault``."""
    try:
        yield
    except SimbenchError:
        raise
    except Exception as error:
        raise ModelError(f"{fault}: {brief(error)}") from error


def brief(error: BaseException) -> str:
    """An error's message on one line, with the error's name where the message alone says little."""
    words = " ".join(str(error).split())[:300]
    return words if words and isinstance(error, TELLING) else f"{type(error).__name__} {words}".strip()
