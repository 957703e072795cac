"""One step of Fisher scoring of an ordered logit, for outcomes that are shares of levels and not single answers."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from simbench.stats._arrays import Floats

__all__ = ["ordered_step"]

LEAST = 1e-12


def ordered_step(shares: Floats, design: Floats, start: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Where one step from ``start`` ends (q,), and each row's influence on it (m, q); influences sum to 0.

    ``P(level k) = logistic(threshold_k - x b) - logistic(threshold_(k-1) - x b)``; the slope of a row's
    log-likelihood is the mean of the levels' slopes by its shares, its information that expected at ``start``.

    Args:
        shares: (m, K) of the levels, in order, adding up to 1.
        design: (m, p), no intercept.
        start: (p + K - 1,) coefficients, then rising thresholds.
        weights: (m,) positive; None = equal.
    """
    m, p = design.shape
    levels = shares.shape[1]
    w = np.ones(m) if weights is None else weights * m / weights.sum()
    cuts = start[p:] - (design @ start[:p])[:, None]
    below = np.column_stack([np.zeros(m), expit(cuts), np.ones(m)])
    dense = below * (1 - below)
    chance = np.maximum(np.diff(below, axis=1), LEAST)
    slopes = np.zeros((m, levels, start.size))
    slopes[:, :, :p] = -(np.diff(dense, axis=1) / chance)[:, :, None] * design[:, None, :]
    for cut in range(levels - 1):
        slopes[:, cut, p + cut] = dense[:, cut + 1] / chance[:, cut]
        slopes[:, cut + 1, p + cut] = -dense[:, cut + 1] / chance[:, cut + 1]
    score = np.einsum("mk,mkq->mq", shares, slopes)
    information = np.einsum("mk,mkq,mkr->mqr", chance, slopes, slopes)
    bread = np.linalg.inv(np.einsum("m,mqr->qr", w, information))
    move = bread @ (w @ score)
    rest = w[:, None] * (score - information @ move)
    return start + move, rest @ bread
