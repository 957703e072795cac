"""People outside the pilot whose real and simulated answers can be held against each other, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.metrics.comparison import Comparison, Floats, Ints

__all__ = ["UNMATCHED", "Matched", "once", "unmatched"]

UNMATCHED = "the two sides are not matched person by person"


@dataclass(frozen=True, eq=False)
class Matched:
    """People outside the pilot with real and simulated answers, row by row: rows (m,) of the humans.

    ``first`` (m,) is the simulated row of everybody's first replicate; ``replicates`` lists all their simulated
    rows, ``owner`` (the same length) whose they are; ``unit`` (m,) codes what varies independently: clusters where
    the design names them, else persons. ``people`` counts the persons.
    """

    rows: Ints
    first: Ints
    replicates: Ints
    owner: Ints
    unit: Ints
    people: int

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.unit.max(initial=-1)) + 1

    @property
    def per_unit(self) -> float:
        """Persons per unit: 1 without clusters."""
        return self.people / self.units if self.units else 1.0

    @classmethod
    def of(cls, comparison: Comparison) -> Matched:
        """Leave out the pilot and those whose simulation failed."""
        matched = comparison.matched if comparison.matched is not None else np.array([], dtype=np.int64)
        humans = comparison.human.people
        pilot = set(comparison.pilot.ids) if comparison.pilot is not None else set()
        fresh = ~humans.ids.isin(pilot).to_numpy(dtype=bool)
        rows = np.unique(matched)
        rows = rows[fresh[rows]]
        place = np.full(len(humans), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        replicates = np.flatnonzero(place[matched] >= 0)
        owner = place[matched[replicates]]
        first = np.unique(owner, return_index=True)[1]
        return cls(
            rows,
            replicates[first],
            replicates,
            owner,
            np.unique(humans.unit_codes[rows], return_inverse=True)[1].reshape(-1).astype(np.int64),
            int(humans.person.iloc[rows].nunique()),
        )

    def predictions(self, numbers: Floats) -> Floats:
        """Mean (m,) over each person's replicates of simulated numbers (n_s,); NaN where one is missing."""
        each = numbers[self.replicates]
        total = np.bincount(self.owner, weights=each, minlength=len(self.rows))
        return np.asarray(total / np.bincount(self.owner, minlength=len(self.rows)))


def unmatched(comparison: Comparison) -> str | None:
    """Why nobody can be held against their own simulation, if so."""
    if comparison.matched is None:
        return UNMATCHED
    return None if len(comparison.simulated) else "no ok simulated answers"


def once(value: float, resamples: int) -> Floats:
    """An estimate without resamples (R,)."""
    return np.concatenate([[value], np.full(resamples - 1, np.nan)])
