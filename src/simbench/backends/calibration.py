"""Calibration: each item's log-probabilities are scaled and its options get biases, fitted to a pilot.

Option o of an item is drawn with probability proportional to exp(scale * log p(o) + bias(o)), scale >= 0
(the inverse of a temperature; Platt 1999). Scale and biases are fitted by maximum likelihood, each item given the
person's own earlier answers, with a weak normal prior on the biases so that an option nobody in the pilot chose keeps
a chance. Whatever the model knows beyond the pilot's frequencies comes in by the scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.design import Item

__all__ = ["Row", "calibrated", "fit", "fit_item", "out_of_fold", "scaled"]

Row = tuple[Item, Floats, int]
"""An item as one person was asked it, log-probabilities (k,) of its options, the position of the chosen one."""

PRIOR = 0.1  # precision of the biases' normal prior: a bias of 4.5 costs one nat


def fit_item(rows: Sequence[Row]) -> dict[str, Any]:
    """Fit one item over all who were asked it, whichever of its options they were offered.

    Returns ``values`` (k,), ``scale`` and ``bias`` (k,).
    """
    values = list(dict.fromkeys(value for item, _, _ in rows for value in item.values))
    logprobs = np.full((len(rows), len(values)), -np.inf)
    chosen = np.empty(len(rows), dtype=np.int64)
    for row, (item, own, code) in enumerate(rows):
        logprobs[row, [values.index(value) for value in item.values]] = own
        chosen[row] = values.index(item.values[code])
    return {"values": values, **fit(logprobs, chosen)}


def fit(logprobs: Floats, chosen: NDArray[np.int64], prior: float = PRIOR) -> dict[str, Any]:
    """Scale and biases (k,) for log-probabilities (n, k) and choices (n,): the maximum of a concave function.

    An option that was not offered has log-probability minus infinity.
    """
    from scipy.optimize import minimize

    n, k = logprobs.shape
    offered = np.isfinite(logprobs)
    centred = np.where(offered, logprobs - logprobs.max(axis=1, keepdims=True), 0.0)
    hit = np.eye(k)[chosen]

    def loss(theta: Floats) -> tuple[float, Floats]:
        scores = np.where(offered, theta[0] * centred + theta[1:], -np.inf)
        norm = np.logaddexp.reduce(scores, axis=1)
        rest = np.exp(scores - norm[:, None]) - hit
        value = float((norm - scores[np.arange(n), chosen]).sum() + 0.5 * prior * theta[1:] @ theta[1:])
        return value, np.concatenate(([float((rest * centred).sum())], rest.sum(axis=0) + prior * theta[1:]))

    start, bounds = np.concatenate(([1.0], np.zeros(k))), [(0.0, None)] + [(None, None)] * k
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8})
    return {"scale": float(found.x[0]), "bias": [float(b) for b in found.x[1:]]}


def scaled(fitted: Mapping[str, Any], item: Item, logprobs: Floats) -> Floats:
    """Log-probabilities (k,), up to a constant, of the options; one that was not offered to the pilot has bias 0."""
    bias = dict(zip(fitted["values"], fitted["bias"], strict=True))
    return np.asarray(fitted["scale"] * logprobs + np.array([bias.get(value, 0.0) for value in item.values]))


def calibrated(fitted: Mapping[str, Any], item: Item, logprobs: Floats) -> Floats:
    """Probabilities (k,) of the options."""
    scores = scaled(fitted, item, logprobs)
    return np.asarray(np.exp(scores - np.logaddexp.reduce(scores)))


def out_of_fold(rows: Sequence[Row], values: Sequence[Any], folds: NDArray[np.int64]) -> Floats:
    """Probabilities (n, K) of all ``values`` of an item, calibrated on the other folds (one fold: on itself)."""
    table = np.zeros((len(rows), len(values)))
    numbers = np.unique(folds)
    for number in numbers:
        fitted = fit_item([row for row, fold in zip(rows, folds, strict=True) if fold != number or len(numbers) == 1])
        for at in map(int, np.flatnonzero(folds == number)):
            item, logprobs, _ = rows[at]
            table[at, [values.index(value) for value in item.values]] = calibrated(fitted, item, logprobs)
    return table
