"""What counts as a number in people's data."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

__all__ = ["LARGEST", "as_number", "spelled"]

LARGEST = 1e15
PLAIN = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


def as_number(value: Any) -> float:
    """The number that a cell holds or spells, up to 10^15 in size; NaN for all else.

    A truth value, a date and a duration are no numbers, though Python can count with them.
    """
    if isinstance(value, str):
        if len(value) > 400 or not PLAIN.fullmatch(value):
            return float("nan")
        value = float(value)
    if isinstance(value, bool | np.bool_ | np.timedelta64 | np.datetime64):
        return float("nan")
    if not isinstance(value, int | float | np.integer | np.floating):
        return float("nan")
    return float(value) if -LARGEST <= value <= LARGEST else float("nan")


def spelled(value: Any) -> str:
    """How a value would be written, ``3`` for 3.0; a very long number as nothing that anything is called."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if isinstance(value, int) and abs(value) > LARGEST else str(value)
