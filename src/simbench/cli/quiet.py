"""Keeps warnings that libraries make for programmers off the user's screen."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

LOGGER = "simbench.warnings"


@contextmanager
def quiet() -> Iterator[None]:
    """Send Python's warnings to the logger ``simbench.warnings``, which writes nothing unless somebody listens.

    What simbench itself has to say is never a warning of Python's; it goes through progress, table and report.
    ``PYTHONWARNINGS=default simbench ...`` shows all warnings as Python does.
    """
    if sys.warnoptions:
        yield
        return
    logger = logging.getLogger(LOGGER)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())

    def tell(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
        logger.warning("%s:%s: %s: %s", filename, lineno, category.__name__, message)

    with warnings.catch_warnings():
        warnings.showwarning = tell  # type: ignore[assignment]
        yield
