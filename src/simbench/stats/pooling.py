"""Log-linear pools of forecasts: how far each one's departure from a base forecast is to be believed.

For an item with options o, a base forecast f and forecasts p_1 ... p_M,

    log p(o) = log f(o) + sum over m of w_m (log p_m(o) - log f(o)) + constant,   w_m >= 0.

Weights of 0 give the base, (1, 0, ..) the first forecast, (1, 1, ..) what two forecasts with independent evidence say
together. Logarithmic pools: Genest and Zidek 1986, Statistical Science 1; stacking: Yao, Vehtari, Simpson and Gelman
2018, Bayesian Analysis 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats

__all__ = ["Stack", "Weights", "fit_weights", "pooled"]


@dataclass(frozen=True)
class Stack:
    """One item: the base forecast (n, K), others (M, n, K), what was answered (n,). Options not offered have 0."""

    base: Floats
    others: Floats
    chosen: NDArray[np.int64]

    def rows(self, kept: NDArray[np.bool_]) -> Stack:
        """Some of the people."""
        return Stack(self.base[kept], self.others[:, kept], self.chosen[kept])


@dataclass(frozen=True)
class Weights:
    """Per item and forecast (items, M): the likeliest weight, and its deviation (Laplace's approximation)."""

    value: Floats
    deviation: Floats


def pooled(base: Floats, others: Floats, weights: Floats) -> Floats:
    """The pool (n, K) of a base forecast (n, K) and others (M, n, K); weights (M,)."""
    scores = _scores(*_logs(base, others), weights)
    table = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def fit_weights(stacks: Sequence[Stack], common: float, own: float) -> Weights:
    """The weights (items, M) that make the answers likeliest, penalised.

    Minus the log-likelihood is minimised plus ``common / 2 * |c|^2 + own / 2 * sum over items |w - c|^2``, where c
    (M,) are weights that the items have in common: without evidence all are 0 (the base forecast), and an item with
    little evidence of its own follows the others. Convex.
    """
    from scipy.optimize import minimize

    made = [(*_logs(each.base, each.others), each.chosen) for each in stacks]
    items, members = len(stacks), len(stacks[0].others)

    def loss(theta: Floats) -> tuple[float, Floats]:
        shared, weights = theta[:members], theta[members:].reshape(items, members)
        value = 0.5 * common * float(shared @ shared) + 0.5 * own * float(((weights - shared) ** 2).sum())
        slope = own * (weights - shared)
        top = common * shared - slope.sum(axis=0)
        for at, (log_base, ratios, chosen) in enumerate(made):
            lost, gradient = _lost(log_base, ratios, chosen, weights[at])
            value += lost
            slope[at] += gradient
        return value, np.concatenate((top, slope.ravel()))

    start = np.zeros(members * (items + 1))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start), options={"ftol": 1e-12}
    )
    weights = found.x[members:].reshape(items, members)
    return Weights(weights, _deviations(made, weights, common, own))


def _logs(base: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Log base (n, K), minus infinity where not offered, and log ratios to it (M, n, K), 0 where not offered."""
    with np.errstate(divide="ignore"):
        log_base = np.log(base)
        ratios = np.where(base > 0, np.log(others) - np.where(base > 0, log_base, 0.0), 0.0)
    return log_base, np.asarray(ratios)


def _scores(log_base: Floats, ratios: Floats, weights: Floats) -> Floats:
    return np.asarray(log_base + np.tensordot(weights, ratios, axes=1))


def _lost(log_base: Floats, ratios: Floats, chosen: NDArray[np.int64], weights: Floats) -> tuple[float, Floats]:
    """Minus the log-likelihood (nats), and its gradient (M,)."""
    scores = _scores(log_base, ratios, weights)
    norm = np.logaddexp.reduce(scores, axis=1)
    rows = np.arange(len(chosen))
    chances = np.exp(scores - norm[:, None])
    gradient = (chances * ratios).sum(axis=(1, 2)) - ratios[:, rows, chosen].sum(axis=1)
    return float((norm - scores[rows, chosen]).sum()), gradient


def _deviations(
    made: Sequence[tuple[Floats, Floats, NDArray[np.int64]]], weights: Floats, common: float, own: float
) -> Floats:
    """Standard deviations (items, M) from the whole curvature of the penalised loss."""
    items, members = weights.shape
    size = members * (items + 1)
    curvature = np.zeros((size, size))
    eye = np.eye(members)
    curvature[:members, :members] = (common + items * own) * eye
    for at, (log_base, ratios, _) in enumerate(made):
        scores = _scores(log_base, ratios, weights[at])
        chances = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
        centred = ratios - (chances * ratios).sum(axis=2, keepdims=True)
        here = slice(members * (at + 1), members * (at + 2))
        curvature[here, here] = np.einsum("nk,ank,bnk->ab", chances, centred, centred) + own * eye
        curvature[here, :members] = curvature[:members, here] = -own * eye
    return np.sqrt(np.diag(np.linalg.inv(curvature)))[members:].reshape(items, members)
