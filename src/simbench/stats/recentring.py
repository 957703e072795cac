"""Draws that stand where the estimate is: resamples shifted by the bias that resampling adds.

A resample of a sample has sampling noise twice. A figure that noise pushes one way (a distance between two
samples, the number of distinct answers) is therefore further out in the resamples than in the sample, and the
percentiles of its resamples are an interval for something else. With ``b = mean of the resamples - estimate``:

- shifted **once**, the draws stand around the estimate: an interval for the figure that studies *of this size*
  give on average, noise included (number of distinct structures; distances over sparse structures);
- shifted **twice**, they stand around the estimate less its own bias, for which b is the bootstrap's
  estimate: an interval for the figure of the *populations* (distance between two distributions).

The shift must be made on the scale where noise adds, such as the square of a distance. See docs/coverage.md
for how often such intervals hold the truth, and plain percentiles do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, ratio

__all__ = ["recentred"]


def recentred(values: ArrayLike, times: int = 1) -> Floats:
    """Shift rows 1 .. (the resamples) of ``values`` (R, ...) by ``times`` the bootstrap estimate of bias.

    Row 0, the estimate, stays as it is; NaN (not computable) stays NaN and does not enter the bias.

    Raises:
        ValueError: ``times`` is negative.
    """
    if times < 0:
        raise ValueError(f"times must be 0 or more, found {times}")
    table = np.array(values, dtype=np.float64)
    known = np.isfinite(table[1:])
    mean = ratio(np.where(known, table[1:], 0.0).sum(axis=0), known.sum(axis=0))
    table[1:] -= times * np.where(np.isfinite(mean), mean - table[0], 0.0)
    return table
