"""What a model, and those it is held against, foretold of real people's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from simbench.design import People

__all__ = ["NOT_ASKED", "Foretold", "Tables", "shares_of", "uniform_tables"]

Tables = Mapping[str, NDArray[np.float64]]
NOT_ASKED = "the model was not asked how likely it finds people's own answers"


@dataclass(frozen=True, eq=False)
class Foretold:
    """Probabilities of every item's options, each given the person's own real answers to the items before.

    ``tables`` maps items to (n, K), a row for each human of the comparison, NaN where nothing is known; None: there
    are none, and ``reason`` says why. ``rivals`` holds the same for ``shares`` (:func:`shares_of`) and ``tabular``.
    """

    tables: Tables | None
    rivals: Mapping[str, Tables] = field(default_factory=dict)
    reason: str = NOT_ASKED


def shares_of(pilot: People, people: People) -> dict[str, NDArray[np.float64]]:
    """The pilot's shares as a forecast for everybody: (n, K) per item, the same whoever is asked.

    Half a person is added to every option (Krichevsky and Trofimov 1981), so that none is impossible; options that
    a treatment group is not offered have no chance there.
    """
    found = {}
    for item in people.design.items:
        codes = pilot.codes(item.name)
        known = codes >= 0
        each = None if pilot.survey is None else pilot.survey[known]
        counts = np.bincount(codes[known], each, minlength=len(item.options)) + 0.5
        table = counts * people.offered(item.name)
        found[item.name] = table / table.sum(axis=1, keepdims=True)
    return found


def uniform_tables(people: People) -> dict[str, NDArray[np.float64]]:
    """The forecast of somebody who knows nothing: every option that is offered alike, (n, K) per item."""
    offered = {item.name: people.offered(item.name) for item in people.design.items}
    return {name: table / table.sum(axis=1, keepdims=True) for name, table in offered.items()}
