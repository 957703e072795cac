"""Answers person by person: how well the simulation of a profile foretells that person's own answer.

Only meaningful where profiles match one to one. All scores are means over the persons with an answer (and a
prediction), under every row of weights: (R,). NaN where there is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Bools, Floats, Ints, as_codes, as_weights, one_hot, ratio

__all__ = ["accuracy", "brier_score", "calibration_error", "log_score"]


def accuracy(answers: ArrayLike, predicted: ArrayLike, n_options: int, weights: ArrayLike | None = None) -> Floats:
    """Share of persons whose simulated answer is their own, in [0, 1].

    Args:
        answers: (n,) the persons' option codes, -1 = missing.
        predicted: (n,) simulated option codes, -1 = missing.
        n_options: K.
        weights: (R, n).
    """
    own, simulated = as_codes(answers, n_options, "answers"), as_codes(predicted, n_options, "predicted")
    return _mean(own == simulated, (own >= 0) & (simulated >= 0), weights)


def log_score(
    answers: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike | None = None,
    floor: float = 0.0,
    variance: ArrayLike | None = None,
) -> Floats:
    """Mean log2 of the probability given to the person's own answer; at most 0, higher is better.

    -inf where an own answer had probability 0, unless ``floor`` lifts small probabilities (say so where you
    use it: the floor then decides what an impossible answer costs).

    Args:
        answers: (n,) option codes, -1 = missing.
        probabilities: (n, K) of the options; a row with NaN is a missing prediction.
        weights: (R, n).
        floor: smallest probability counted.
        variance: (n, K) of each probability's estimate, where these are means over simulated paths: the log of a mean
            is too low by variance / (2 mean^2) nats (Taylor, second order), which is added.
    """
    own, table, known = _checked(answers, probabilities)
    given = np.maximum(table[np.arange(own.size), own], floor)
    with np.errstate(divide="ignore"):
        bits = np.where(known, np.log2(np.where(known, given, 1.0)), 0.0)
    if variance is not None:
        noise = np.asarray(variance, dtype=np.float64)[np.arange(own.size), own]
        square = np.where(given > 0, given, 1.0) ** 2
        bits = bits + np.where(known & (given > 0), noise / (2 * np.log(2) * square), 0.0)
    impossible = np.isneginf(bits)
    hit = as_weights(weights, own.size) @ impossible.astype(np.float64) > 0
    return np.where(hit, -np.inf, _mean(np.where(impossible, 0.0, bits), known, weights))


def brier_score(
    answers: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike | None = None,
    variance: ArrayLike | None = None,
) -> Floats:
    """Mean over persons of ``sum_k (p_k - 1[own answer is k])^2`` (Brier 1950), in [0, 2], lower is better.

    For two options this is twice the one-sided score of some packages.

    Args:
        answers: (n,) option codes, -1 = missing.
        probabilities: (n, K); a row with NaN is a missing prediction.
        weights: (R, n).
        variance: (n, K) of each probability's estimate, where these are means over simulated paths: their sum is what
            the noise of the paths adds on average, and is taken off.
    """
    own, table, known = _checked(answers, probabilities)
    each = ((table - one_hot(own, table.shape[1])) ** 2).sum(axis=1)
    if variance is not None:
        each = each - np.asarray(variance, dtype=np.float64).sum(axis=1)
    return _mean(each, known, weights)


def calibration_error(
    answers: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None, bins: int = 10
) -> Floats:
    """Expected calibration error of the most probable option (Guo et al. 2017), in [0, 1], lower is better.

    Predictions are sorted into ``bins`` equal bins (low, high] by the probability of their most probable
    option; the error is the mean over bins, weighted by size, of |share right - mean probability|. It is
    above 0 by chance in small samples, and depends on the bins. Ties go to the first option.

    Args:
        answers: (n,) option codes, -1 = missing.
        probabilities: (n, K); a row with NaN is a missing prediction.
        weights: (R, n).
        bins: number of bins.
    """
    own, table, known = _checked(answers, probabilities)
    confidence = table.max(axis=1)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    member = one_hot(np.where(known, place, -1), bins)
    gap = (table.argmax(axis=1) == own) - confidence
    matrix = as_weights(weights, own.size)
    return ratio(np.abs(matrix @ (member * gap[:, None])).sum(axis=1), matrix @ known.astype(np.float64))


def _checked(answers: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats, Bools]:
    """Codes, probabilities with missing rows set to 0, and where both are known."""
    table = np.asarray(probabilities, dtype=np.float64)
    own = as_codes(answers, table.shape[1], "answers")
    if table.ndim != 2 or table.shape[0] != own.size:
        raise ValueError(f"probabilities must have shape ({own.size}, K), found {table.shape}")
    predicted: Bools = np.asarray(~np.isnan(table).any(axis=1))
    if (table[predicted] < 0).any() or not np.allclose(table[predicted].sum(axis=1), 1.0, rtol=0, atol=1e-6):
        raise ValueError("each row of probabilities must be non-negative and sum to 1 (to 1e-6)")
    return own, np.where(predicted[:, None], table, 0.0), np.asarray(predicted & (own >= 0))


def _mean(values: ArrayLike, known: Bools, weights: ArrayLike | None) -> Floats:
    each = np.where(known, np.asarray(values, dtype=np.float64), 0.0)
    matrix = as_weights(weights, each.size)
    return ratio(matrix @ each, matrix @ known.astype(np.float64))
