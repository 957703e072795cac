"""What unequal weights cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["equal_people"]


def equal_people(weights: ArrayLike) -> float:
    """How many people counted alike give a mean of the same variance: ``(sum w)^2 / sum w^2`` (Kish 1965).

    n where all weights are the same, 0 of nobody.

    Args:
        weights: (n,) positive survey weights, on any scale.
    """
    w = np.asarray(weights, dtype=np.float64)
    return float(w.sum() ** 2 / (w**2).sum()) if w.size else 0.0
