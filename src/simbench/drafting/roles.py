"""Roles that a column of a table can have in a study, and what columns say of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simbench.arrays import Ints
from simbench.drafting.columns import Column
from simbench.drafting.names import BELIEF, DECISION

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ITEMS", "ROLES", "Guess", "answered", "follows"]

ROLES = ("id", "person", "cluster", "weight", "arm", "profile", "belief", "attitude", "decision", "out")
ITEMS = ("belief", "attitude", "decision")
A_LOOK = 300


@dataclass(frozen=True)
class Guess:
    """What a column is taken for, and why."""

    column: Column
    role: str
    why: str


def answered(name: str) -> bool:
    """Whether a column is named like something that people do or believe."""
    return bool(DECISION.search(name) or BELIEF.search(name))


def follows(frame: pd.DataFrame, cause: Column, effect: Column) -> bool:
    """Whether the value of one column is known from that of another, in every row that has both."""
    one, other = _codes(frame, cause.source), _codes(frame, effect.source)
    for rows in (A_LOOK, len(frame)):  # most pairs are told apart by a look at the first rows
        both = (one[:rows] >= 0) & (other[:rows] >= 0)
        first, second = one[:rows][both], other[:rows][both]
        if not len(first) or len(np.unique(first * (second.max() + 1) + second)) > len(np.unique(first)):
            return False
    return True


def _codes(frame: pd.DataFrame, source: str) -> Ints:
    """The values of a column (n,) as whole numbers, -1 where missing; worked out once."""
    import pandas as pd

    kept: dict[str, Ints] = frame.attrs.setdefault("codes", {})
    if source not in kept:
        kept[source] = pd.factorize(frame[source])[0].astype(np.int64)
    return kept[source]
