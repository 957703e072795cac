"""Multinomial logit, for outcomes that are names without order, for many rows of weights at once.

``log P(y = k) / P(y = 0) = x b_k``. The log-likelihood is concave in all coefficients together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, Ints, as_codes, as_weights, inverse, one_hot, row_chunks
from simbench.stats.regression.basis import Basis, orthonormal_basis
from simbench.stats.regression.glm import collinear, screen
from simbench.stats.regression.newton import maximise
from simbench.stats.regression.result import Fit, Status, nan_fit
from simbench.stats.regression.sandwich import Robust, cluster_sums

__all__ = ["fit_multinomial"]

COVARIANCES = ("model", "HC0", "HC1", "cluster")


def fit_multinomial(
    outcome: ArrayLike,
    design: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    names: tuple[str, ...] | None = None,
    levels: Sequence[object] | None = None,
    covariance: str = "model",
    clusters: ArrayLike | None = None,
    survey: ArrayLike | None = None,
) -> Fit:
    """Fit one multinomial logit under every row of weights.

    Estimates and standard errors equal those of statsmodels' ``MNLogit``. An answer that nobody gives under a row of
    weights has infinite coefficients: that row fails (separation).

    Args:
        outcome: (n,) codes 0 .. K-1; 0 is the reference.
        design: (n, p), intercept included if one is wanted, no missing values.
        weights: (R, n); None = one fit with all ones.
        names: of the p columns; default ``x0``, ``x1`` ...
        levels: what the K codes stand for; default the codes up to the largest.
        covariance: ``model``, ``HC0``, ``HC1`` or ``cluster``, as in :func:`simbench.stats.fit_glm`.
        clusters: (n,) cluster of each row, for ``cluster``.
        survey: (n,) survey weights, as there.

    Returns:
        A :class:`Fit` with the p coefficients of level 1, then of level 2 ..., named ``level: column``; p-values by
        the normal distribution, with clusters by the t distribution (G - 1).

    Raises:
        ValueError: arguments that do not fit each other, or an outcome that is missing or no code.
    """
    x = np.asarray(design, dtype=np.float64)
    scale = list(levels) if levels is not None else list(range(int(np.max(outcome, initial=0)) + 1))
    y = as_codes(outcome, len(scale), "outcome")
    if x.ndim != 2 or x.shape[0] != y.size or not x.shape[1] or not np.isfinite(x).all() or (y < 0).any():
        raise ValueError("outcome (n,) and design (n, p) must agree in length and have no missing values")
    if len(scale) < 2:
        raise ValueError(f"a multinomial outcome has at least two levels, found {scale}")
    robust = Robust.of(covariance, clusters, survey, y.size, COVARIANCES, "a multinomial logit")
    columns = names or tuple(f"x{column}" for column in range(x.shape[1]))
    labels = tuple(f"{level}: {column}" for level in scale[1:] for column in columns)
    matrix = as_weights(weights, y.size)
    basis = orthonormal_basis(x)
    result = nan_fit(labels, matrix.shape[0])
    result.n[:] = robust.drawn(matrix).sum(axis=1)
    if basis.aliased:
        return collinear(result, tuple(columns[column] for column in basis.aliased), y.size, x.shape[1])
    problem = _Problem(one_hot(y, len(scale)), basis)
    lost = [level for level, count in zip(scale, problem.answers.sum(axis=0), strict=True) if not count]
    for rows in row_chunks(matrix.shape[0], 6 * y.size * len(scale)):
        _fit_rows(problem, y, matrix[rows], robust, result, rows)
    return replace(result, culprits=tuple(f"nobody answers {level}" for level in lost))


@dataclass(frozen=True)
class _Problem:
    """Answers (n, K) as 0 and 1, and the basis of the design; coordinates (R, (K - 1) p) level by level."""

    answers: Floats
    basis: Basis

    def chances(self, x: Floats) -> Floats:
        """Probabilities (R, n, K)."""
        p = self.basis.q.shape[1]
        eta = x.reshape(len(x), x.shape[1] // p, p) @ self.basis.q.T  # (R, K - 1, n)
        eta = np.concatenate([np.zeros((len(x), 1, eta.shape[2])), eta], axis=1)
        eta -= eta.max(axis=1, keepdims=True)
        odds = np.exp(eta)
        return np.asarray((odds / odds.sum(axis=1, keepdims=True)).transpose(0, 2, 1))

    def log_likelihood(self, x: Floats, weights: Floats) -> Floats:
        """Weighted log-likelihoods (R,)."""
        own = (self.chances(x) * self.answers).sum(axis=2)
        return np.asarray((weights * np.log(np.maximum(own, 1e-300))).sum(axis=1))

    def derivatives(self, x: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Gradients (R, q) and negative Hessians (R, q, q)."""
        chances, p = self.chances(x)[:, :, 1:], self.basis.q.shape[1]
        residual = weights[:, :, None] * (self.answers[:, 1:] - chances)
        gradient = (residual.transpose(0, 2, 1) @ self.basis.q).reshape(x.shape)
        free = chances.shape[2]
        curvature = np.empty((len(x), free * p, free * p))
        for one in range(free):
            for two in range(one + 1):
                inner = weights * chances[:, :, one] * (float(one == two) - chances[:, :, two])
                block = self.basis.cross(inner)
                curvature[:, one * p : (one + 1) * p, two * p : (two + 1) * p] = block
                curvature[:, two * p : (two + 1) * p, one * p : (one + 1) * p] = block
        return gradient, curvature

    def scores(self, x: Floats) -> list[tuple[Floats, Floats]]:
        """The score of each row as parts (factor (R, n), vector (n, q))."""
        residual = self.answers[:, 1:] - self.chances(x)[:, :, 1:]
        p, free = self.basis.q.shape[1], residual.shape[2]
        parts = []
        for level in range(free):
            vector = np.zeros((len(self.answers), free * p))
            vector[:, level * p : (level + 1) * p] = self.basis.q
            parts.append((residual[:, :, level], vector))
        return parts


def _fit_rows(problem: _Problem, y: Ints, weights: Floats, robust: Robust, result: Fit, rows: slice) -> None:
    """Fit one chunk and write it into ``result``."""
    levels, p = problem.answers.shape[1], problem.basis.q.shape[1]
    q = (levels - 1) * p
    status = screen(y.astype(np.float64), p, problem.basis, weights)
    total = weights.sum(axis=1)
    status[(status == Status.OK) & ((weights @ problem.answers) == 0).any(axis=1)] = Status.SEPARATION
    status[total <= q] = Status.TOO_FEW
    good = np.flatnonzero(status == Status.OK)
    if good.size:
        kept = weights[good]
        trace = maximise(
            np.zeros((good.size, q)),
            lambda x, active: problem.log_likelihood(x, kept[active]),
            lambda x, active: problem.derivatives(x, kept[active]),
        )
        status[good] = trace.status
        done = np.flatnonzero(trace.status == Status.OK)
        good, found, kept = good[done], trace.coordinates[done], kept[done]
        covariance = _variance(problem, found, kept, robust)
        status[good[~np.isfinite(covariance).all(axis=(1, 2))]] = Status.TOO_FEW
        fitted = status[good] == Status.OK
        at, back = rows.start + good[fitted], np.kron(np.eye(levels - 1), problem.basis.back)
        result.estimates[at] = found[fitted] @ back.T
        result.covariance[at] = back @ covariance[fitted] @ back.T
        if robust.clusters is not None:  # few clusters: t with G - 1 degrees of freedom
            result.df[at] = robust.groups(kept[fitted]) - 1
    result.status[rows] = status


def _variance(problem: _Problem, x: Floats, weights: Floats, robust: Robust) -> Floats:
    """Covariances (R, q, q) in the basis' coordinates."""
    bread = inverse(problem.derivatives(x, weights)[1])
    if robust.kind == "model":
        return bread
    parts = [(robust.scores(factor), vector) for factor, vector in problem.scores(x)]
    weights = robust.drawn(weights)
    total, q = weights.sum(axis=1), x.shape[1]
    if robust.clusters is not None:
        meat, factor = cluster_sums(parts, weights, robust.clusters)
        factor = factor * (total - 1) / (total - q)
    else:
        each = np.asarray(sum(factor[:, :, None] * vector for factor, vector in parts))
        meat = (each * weights[:, :, None]).transpose(0, 2, 1) @ each
        factor = total / (total - q) if robust.kind == "HC1" else np.ones(total.size)
    return np.asarray(bread @ meat @ bread * factor[:, None, None])
