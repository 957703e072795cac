"""Do people act on what they believe? Gap, agreement and association of beliefs and decisions.

Flags are (n,) codes: 1 = yes, 0 = no, -1 = undefined (a tie, a missing answer). Results are (R,) under
weights (R, n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, as_codes, as_weights, one_hot, ratio

__all__ = ["Information", "action_distance", "action_f1", "flag_share", "mutual_information"]


def flag_share(flags: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Share of the defined flags that are 1: (R,). NaN where none is defined.

    With a flag for "contradicts the own beliefs" this is the value-action gap.
    """
    counts = as_weights(weights, np.size(flags)) @ one_hot(as_codes(flags, 2, "flags"), 2)
    return ratio(counts[:, 1], counts.sum(axis=1))


def action_f1(inclined: ArrayLike, acted: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """F1 of the decision as a classification by the belief, after Shen et al. (2025): (R,), higher is better.

    ``2 TP / (2 TP + FP + FN)`` with TP = inclined and acted, FP = acted though not inclined, FN = inclined
    and did not act. Rows where either flag is undefined are left out. Acting for everyone gives an F1 of
    ``2 q / (1 + q)`` with q the share inclined, so compare with humans, not with 1. NaN where nobody is
    inclined or acts.

    Args:
        inclined: (n,) flags: the beliefs speak for the action.
        acted: (n,) flags: the decision is the action.
        weights: (R, n).
    """
    belief, action = as_codes(inclined, 2, "inclined"), as_codes(acted, 2, "acted")
    cells = np.where((belief < 0) | (action < 0), -1, 2 * belief + action)
    counts = as_weights(weights, cells.size) @ one_hot(cells, 4)
    return ratio(2 * counts[:, 3], 2 * counts[:, 3] + counts[:, 1] + counts[:, 2])


def action_distance(inclination: ArrayLike, action: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean absolute difference between belief and action, both scaled to [0, 1]: (R,), lower is closer.

    The distance version of the value-action gap (Shen et al. 2025 take the L1 distance of normalised
    ratings of values and actions). Rows with NaN on either side are left out; NaN where none is left.

    Args:
        inclination: (n,) how far the beliefs speak for the action, in [0, 1].
        action: (n,) the decision on its scale, in [0, 1].
        weights: (R, n).

    Raises:
        ValueError: a value outside [0, 1].
    """
    belief, done = np.asarray(inclination, dtype=np.float64), np.asarray(action, dtype=np.float64)
    gap = np.abs(belief - done)
    known = ~np.isnan(gap)
    both = np.concatenate([belief[known], done[known]])
    if ((both < 0) | (both > 1)).any():
        raise ValueError("inclination and action must be scaled to [0, 1]")
    matrix = as_weights(weights, gap.size)
    return ratio(matrix @ np.where(known, gap, 0.0), matrix @ known.astype(np.float64))


@dataclass(frozen=True)
class Information:
    """Mutual information of two answers in bits; arrays (R,).

    Attributes:
        bits: plug-in estimate, never below 0, and **too high in small samples**: independent answers show
            about ``(A - 1)(B - 1) / (2 n ln 2)`` bits, with A and B options in use.
        corrected: ``bits`` minus that amount (Miller 1955; Roulston 1999); can fall below 0.
        uncertainty: ``bits`` / entropy of the second answer (Theil's uncertainty coefficient), in [0, 1];
            NaN where the second answer does not vary.
    """

    bits: Floats
    corrected: Floats
    uncertainty: Floats


def mutual_information(
    first: ArrayLike, n_first: int, second: ArrayLike, n_second: int, weights: ArrayLike | None = None
) -> Information:
    """Mutual information of two items, rows with both answers only.

    Args:
        first: (n,) option codes (a belief), -1 = missing.
        n_first: A.
        second: (n,) option codes (the decision), -1 = missing.
        n_second: B.
        weights: (R, n).
    """
    one, two = as_codes(first, n_first, "first"), as_codes(second, n_second, "second")
    cells = np.where((one < 0) | (two < 0), -1, one * n_second + two)
    table = as_weights(weights, cells.size) @ one_hot(cells, n_first * n_second)
    counts = table.reshape(-1, n_first, n_second)
    n = counts.sum(axis=(1, 2))
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    expected = ratio(rows[:, :, None] * columns[:, None, :], n[:, None, None])
    held = counts > 0
    logs = np.log2(ratio(np.where(held, counts, 1.0), np.where(held, expected, 1.0)))
    bits = np.maximum(ratio(np.where(held, counts * logs, 0.0).sum(axis=(1, 2)), n), 0.0)
    used = ((rows > 0).sum(axis=1) - 1) * ((columns > 0).sum(axis=1) - 1)
    shares = ratio(columns, n[:, None])
    spread = -np.where(columns > 0, shares * np.log2(np.where(columns > 0, shares, 1.0)), 0.0).sum(axis=1)
    spread = np.where((columns > 0).sum(axis=1) > 1, spread, 0.0)
    return Information(bits, bits - ratio(used, 2 * n * np.log(2)), np.minimum(ratio(bits, spread), 1.0))
