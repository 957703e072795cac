"""Within-pair swaps: the test that two matched samples do not differ, exact whatever the figure.

Every unit (a person, or a cluster of them) has one row, or set of rows, on the first side and one or more matched
ones on the second: the answers of a person and those simulated for that person. If nothing distinguishes the sides,
then which of a unit's rows is the first side's is a matter of chance, and every figure is as likely under any
exchange within units as it is as observed. Exchanges are 0/1 weights on the rows of both sides together, so whatever
takes weights takes exchanges, at equal n.

Exact under exchangeability given the unit; where only what the figure measures is the same on both sides, valid in
large samples for figures that are studentised or smooth in means (Chung and Romano 2013, Ann. Stat. 41; Hemerik and
Goeman 2018, TEST 27, for random exchanges with the observed one among them).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simbench.stats._arrays import Floats, row_chunks

__all__ = ["Roles", "guarded", "step_down_p", "swap_p", "swap_roles", "swap_weights"]

Roles: TypeAlias = NDArray[np.integer[Any]]
"""Which set of a unit stands on the first side: (R, units), in a byte each where there are few sets."""
TIE = 1e-9
"""Figures that differ by less, as a share of their spread, are ties: sums taken in another order."""


def swap_roles(others: ArrayLike, draws: int, rng: np.random.Generator) -> Roles:
    """Which of a unit's sets of rows stands on the first side: (1 + draws, units), row 0 as observed (0).

    Every set of a unit is as likely as any other. Where there are no more than 1 + ``draws`` different exchanges in
    all, they are all of them, each once, and the p-value is that of the exact test.

    Args:
        others: (units,) number of second-side sets of every unit, at least 1 (replicates).
        draws: number of random exchanges.
        rng: source of randomness.
    """
    choices = np.asarray(others, dtype=np.int64) + 1
    if choices.size and np.log(choices).sum() <= np.log(1 + draws) + 1e-9:
        grids = np.meshgrid(*[np.arange(each) for each in choices], indexing="ij")
        return np.stack([each.reshape(-1) for each in grids], axis=1).astype(np.int64)
    roles = np.zeros((1 + draws, choices.size), dtype=np.int64 if choices.max(initial=0) > 127 else np.int8)
    for rows in row_chunks(draws, 2 * choices.size):
        roles[1 + rows.start : 1 + rows.stop] = rng.random((rows.stop - rows.start, choices.size)) * choices
    return roles


def swap_weights(roles: Roles, units: ArrayLike, sets: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """0/1 weights (R, n) of the first and of the second side, on the rows of both together, in four bytes each.

    Args:
        roles: (R, units) from :func:`swap_roles`.
        units: (n,) unit of each row.
        sets: (n,) which of its unit's sets a row belongs to; 0: the first side's, as observed.
    """
    unit, place = np.asarray(units, dtype=np.int64), np.asarray(sets, dtype=np.int64)
    first = np.empty((len(roles), unit.size), dtype=np.float32)
    for rows in row_chunks(len(roles), 3 * unit.size):
        first[rows] = roles[rows][:, unit] == place
    return first, np.float32(1.0) - first


def swap_p(values: ArrayLike) -> Floats:
    """Share of the exchanges, the observed one included, with a figure at least as large: (1 + B, ...) -> (...).

    Larger must mean more different. Row 0 is as observed. NaN (not computable) under an exchange counts as larger; a
    figure that is NaN as observed has no p-value.
    """
    table = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        smaller = table < table[0] - _tie(table)
    return np.where(np.isnan(table[0]), np.nan, (~smaller).mean(axis=0))


def step_down_p(values: ArrayLike) -> Floats:
    """Step-down max-T p-values of a family of figures under the same exchanges: (1 + B, m) -> (m,).

    After Westfall and Young (1993, algorithm 4.1): figures in the order of their size, each held against the largest
    of those that are not larger than it. Controls the chance of one false alarm in the family whatever their
    dependence, and can reach 1 / (1 + B) however many there are. Figures are put on one scale by mean and standard
    deviation over the exchanges, the observed one included, which no exchange changes. NaN as in :func:`swap_p`; a
    figure that no exchange changes has p = 1.
    """
    table = np.asarray(values, dtype=np.float64)
    adjusted = np.full(table.shape[1], np.nan)
    known = np.flatnonzero(~np.isnan(table[0]))
    if not known.size:
        return adjusted
    table = np.where(np.isinf(table[:, known]), np.nan, table[:, known])  # beyond all others, like what has no value
    centre, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    moves = spread > TIE * np.maximum(1.0, np.abs(centre))
    scaled = np.where(moves, (table - centre) / np.where(moves, spread, 1.0), 0.0)
    scaled[np.isnan(scaled)] = np.inf
    order = np.argsort(scaled[0], kind="stable")
    largest = np.maximum.accumulate(scaled[:, order], axis=1)
    p = (largest >= scaled[0, order] - TIE).mean(axis=0)
    adjusted[known[order]] = np.maximum.accumulate(p[::-1])[::-1]
    return adjusted


def guarded(values: ArrayLike, error: float) -> Floats:
    """Differences (1 + B,) under exchanges whose p-value may be read as one of *equal figures*, not of equal answers.

    Two sides whose answers are nothing alike may be equally far off, one too high and one too low. Exchanges mix them
    to something near the truth, where differences hardly vary, and the observed one then looks large although it is
    within its own error. As studentising does (Chung and Romano 2013), the observed difference is therefore measured
    in its own standard error, those under exchanges in theirs: row 0 is scaled by their ratio, never up, so that the
    p-value is at least the exact one.

    Args:
        values: row 0 as observed, then under exchanges.
        error: standard error of the observed difference, of the bootstrap.
    """
    table = np.array(values, dtype=np.float64)
    drawn = table[1:][np.isfinite(table[1:])]
    if len(drawn) > 1 and np.isfinite(error) and error > drawn.std() > 0:
        table[0] *= drawn.std() / error
    return table


def _tie(table: Floats) -> Floats:
    known = np.where(np.isfinite(table), table, 0.0)
    return np.asarray(TIE * np.maximum(known.std(axis=0), np.abs(known).max(axis=0) * 1e-3))
