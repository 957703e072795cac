"""Firth's penalised logit: finite estimates where the data separate, and less bias in small samples.

Maximises ``log-likelihood + log det(X' W X) / 2``, Jeffreys' prior (Firth 1993; Heinze and Schemper 2002).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, expit

from simbench.stats._arrays import Floats, Ints, as_weights, inverse, row_chunks
from simbench.stats.regression.basis import Basis, orthonormal_basis
from simbench.stats.regression.glm import FAMILIES, checked, collinear, screen
from simbench.stats.regression.newton import Trace, maximise
from simbench.stats.regression.result import Fit, Status, nan_fit

__all__ = ["fit_firth"]

LOGIT = FAMILIES["logit"]
TOLERANCE = 1e-22
"""Scoring steps converge linearly here, so the iteration runs until the step itself is negligible."""


def fit_firth(
    outcome: ArrayLike,
    design: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    names: tuple[str, ...] | None = None,
    profile: bool = False,
) -> Fit:
    """Fit one Firth logit under every row of weights.

    Estimates, standard errors (from the inverse information at the estimate) and, with ``profile``,
    p-values equal those of the R package logistf.

    Args:
        outcome: (n,) 0 or 1.
        design: (n, p), intercept included, no missing values.
        weights: (R, n); None = one fit with all ones.
        names: of the p columns; default ``x0``, ``x1`` ...
        profile: compute p-values by penalised likelihood ratio tests (p further fits per row of weights),
            which hold their level where Wald's are far too large, as under separation. Otherwise Wald.

    Returns:
        A :class:`Fit`. A constant outcome, a rank deficiency or too few rows fail; so, rarely, does the
        iteration in samples of ten rows or so whose likelihood is almost flat (not converged).

    Raises:
        ValueError: as :func:`simbench.stats.fit_glm`.
    """
    _, y, x = checked("logit", outcome, design)
    labels = names or tuple(f"x{column}" for column in range(x.shape[1]))
    matrix = as_weights(weights, y.size)
    basis = orthonormal_basis(x)
    result = nan_fit(labels, matrix.shape[0])
    result.n[:] = matrix.sum(axis=1)
    if basis.aliased:
        return collinear(result, tuple(labels[column] for column in basis.aliased), y.size, x.shape[1])
    p_values = np.full(result.estimates.shape, np.nan)
    for rows in row_chunks(matrix.shape[0], 8 * y.size):
        status = screen(y, x.shape[1], basis, matrix[rows])
        good = np.flatnonzero(status == Status.OK)
        w = matrix[rows][good]
        trace = _solve(y, basis, w, np.eye(x.shape[1]))
        status[good] = trace.status
        result.status[rows] = status
        done = np.flatnonzero(trace.status == Status.OK)
        at, found = rows.start + good[done], trace.coordinates[done]
        mu = expit(found @ basis.q.T)
        result.estimates[at] = basis.estimates(found)
        result.covariance[at] = basis.covariance(inverse(basis.cross(w[done] * LOGIT.variance(mu))))
        if profile:
            p_values[at] = _profile_p(y, basis, w[done], found)
    return replace(result, tests=p_values) if profile else result


def _penalised(y: Floats, basis: Basis, weights: Floats, coordinates: Floats) -> Floats:
    """Penalised log-likelihood (R,) up to a constant."""
    eta = coordinates @ basis.q.T
    mu = expit(eta)
    information = basis.cross(weights * LOGIT.variance(mu))
    sign, log_determinant = np.linalg.slogdet(information)
    value = (weights * LOGIT.log_likelihood(y, eta)).sum(axis=1) + log_determinant / 2
    return np.where(sign > 0, value, -np.inf)


def _solve(y: Floats, basis: Basis, weights: Floats, span: Floats) -> Trace:
    """Maximise over coordinates ``span @ free``: all of them, or those under which one coefficient is 0."""
    p = basis.q.shape[1]
    upper, lower = np.triu_indices(p)
    double = np.where(upper == lower, 1.0, 2.0)

    def objective(free: Floats, active: Ints) -> Floats:
        return _penalised(y, basis, weights[active], free @ span.T)

    def derivatives(free: Floats, active: Ints) -> tuple[Floats, Floats]:
        w = weights[active]
        mu = expit(free @ span.T @ basis.q.T)
        variance = LOGIT.variance(mu)
        information = basis.cross(w * variance)
        leverage = variance * ((inverse(information)[:, upper, lower] * double) @ basis.pairs.T)
        score = (w * (y - mu + leverage * (0.5 - mu))) @ basis.q
        # The curvature with leverages held fixed: close to the true one, and never below the information.
        return score @ span, np.asarray(span.T @ basis.cross(w * variance * (1 + leverage)) @ span)

    start = np.zeros((weights.shape[0], span.shape[1]))
    return maximise(start, objective, derivatives, tolerance=TOLERANCE, finite=True)


def _profile_p(y: Floats, basis: Basis, weights: Floats, found: Floats) -> Floats:
    """Penalised likelihood ratio p-value of each coefficient: (R, p)."""
    best = _penalised(y, basis, weights, found)
    p = basis.q.shape[1]
    result = np.full((weights.shape[0], p), np.nan)
    for column in range(p):
        # An orthonormal basis of the coordinates under which this coefficient is 0.
        span = np.linalg.svd(basis.back[column : column + 1])[2][1:].T
        if p == 1:
            restricted = _penalised(y, basis, weights, np.zeros_like(found))
            converged = np.ones(weights.shape[0], dtype=bool)
        else:
            trace = _solve(y, basis, weights, span)
            restricted = _penalised(y, basis, weights, trace.coordinates @ span.T)
            converged = trace.status == Status.OK
        statistic = np.maximum(2 * (best - restricted), 0.0)
        result[:, column] = np.where(converged, chdtrc(1, statistic), np.nan)
    return result
