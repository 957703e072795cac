"""What torch, transformers, peft and the hub's client say of themselves does not reach the user's screen."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["quiet", "quietly"]

T = TypeVar("T")
LIBRARIES = ("torch", "transformers", "peft", "huggingface_hub", "accelerate", "bitsandbytes", "gguf")


@contextmanager
def quiet() -> Iterator[None]:
    """Hand warnings to the log ``simbench.local`` and keep loggers and bars of the libraries still for the while.

    A warning that is turned into an error, as in tests, is raised all the same.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read when torch is first imported
    log = logging.getLogger("simbench.local")

    def tell(message: Warning | str, category: type[Warning], filename: str, line: int, *_: Any) -> None:
        log.debug("%s:%d: %s: %s", filename, line, category.__name__, message)

    with warnings.catch_warnings():
        warnings.showwarning = tell  # type: ignore[assignment]
        import transformers  # noqa: F401 - sets up its logger, and the hub's, when it is imported

        libraries = [logging.getLogger(name) for name in LIBRARIES]
        levels = [library.level for library in libraries]
        for library in libraries:
            library.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for library, level in zip(libraries, levels, strict=True):
                library.setLevel(level)


def quietly(made: Iterator[T]) -> Generator[T, None, None]:
    """The same values, each made in :func:`quiet`; between them everything is as the caller has it."""
    try:
        while True:
            with quiet():
                try:
                    value = next(made)
                except StopIteration:
                    return
            yield value
    finally:
        if isinstance(made, Generator):
            made.close()
