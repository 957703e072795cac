"""Calibration: no weight changes; each item's log-probabilities are scaled and its options get biases.

Option o of an item is drawn with probability proportional to exp(scale * log p(o) + bias(o)), scale >= 0
(the inverse of a temperature). Scale and biases are fitted to the pilot by maximum likelihood, each item
given the person's own earlier answers, with a weak normal prior on the biases so that an option nobody in
the pilot chose keeps a chance. Whatever the model knows beyond the pilot's frequencies comes in by the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.backends.base import Workspace
from simbench.design import Item
from simbench.interview import Transcript
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.lookup import look_up
from simbench_local.scoring import Scored

__all__ = ["calibrate", "fit", "fit_item", "told_by"]

Row = tuple[Item, Floats, int]

PRIOR = 0.1  # precision of the biases' normal prior: a bias of 4.5 costs one nat


def calibrate(
    loaded: Loaded, encoder: Encoder, pilot: Sequence[Transcript], workspace: Workspace, batch_size: int = 0
) -> dict[str, dict[str, Any]]:
    """Fit every item to the pilot. Returns ``{item: {"values": [k], "scale": float, "bias": [k floats]}}``."""
    said = look_up(loaded, encoder, pilot, workspace, "calibrating", batch_size)
    return {name: fit_item(rows) for name, rows in told_by(pilot, said).items()}


def told_by(pilot: Sequence[Transcript], said: Sequence[Scored]) -> dict[str, list[Row]]:
    """Per item, for everybody: the item as asked, log-probabilities (k,) of its options, and which was chosen."""
    rows: dict[str, list[Row]] = {}
    for one, transcript in zip(said, pilot, strict=True):
        for item, logprobs, chosen in zip(transcript.interview.items, one.logprobs, one.chosen, strict=True):
            rows.setdefault(item.name, []).append((item, logprobs, chosen))
    return rows


def fit_item(rows: Sequence[Row]) -> dict[str, Any]:
    """Fit one item over all who were asked it, whichever of its options they were offered."""
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
