"""Interval regression: a normal outcome of which only the bin is known, for many rows of weights at once.

``y* = x b + s e`` with e standard normal, and ``cut_k <= y* < cut_{k+1}``; the lowest and the highest bin are open. A
lowest bin of one value is a tobit's left-censoring, a highest one its right-censoring. With ``t = b / s`` and
``g = 1 / s`` the log-likelihood is concave (Olsen 1978, Econometrica 46; Burridge 1981, J. R. Stat. Soc. B 43).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from simbench.stats._arrays import Floats, Ints, as_codes, as_weights, inverse, row_chunks
from simbench.stats.regression.basis import Basis, orthonormal_basis
from simbench.stats.regression.glm import collinear, screen
from simbench.stats.regression.newton import maximise
from simbench.stats.regression.result import Fit, Status, nan_fit
from simbench.stats.regression.sandwich import Robust, cluster_sums

__all__ = ["SIGMA", "fit_interval"]

SIGMA = "sigma"
FAR = 1e3
"""Stands for an infinite bound, in standard deviations: densities there are 0 in double precision."""
COVARIANCES = ("model", "HC1", "cluster")


def fit_interval(
    outcome: ArrayLike,
    cuts: ArrayLike,
    design: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    names: tuple[str, ...] | None = None,
    covariance: str = "model",
    clusters: ArrayLike | None = None,
    survey: ArrayLike | None = None,
) -> Fit:
    """Fit one interval regression under every row of weights.

    Args:
        outcome: (n,) bins 0 .. K-1, lowest first.
        cuts: (K-1,) rising bounds between the bins.
        design: (n, p), intercept included, no missing values.
        weights: (R, n); None = one fit with all ones.
        names: of the p columns; default ``x0``, ``x1`` ...
        covariance: ``model`` (inverse of the observed information), ``HC1`` or ``cluster``, as in
            :func:`simbench.stats.fit_glm`.
        clusters: (n,) cluster of each row, for ``cluster``.
        survey: (n,) survey weights, as there.

    Returns:
        A :class:`Fit` with the p coefficients, in units of the cuts, then ``sigma``; p-values by the normal
        distribution, with clusters by the t distribution (G - 1). Fewer than three bins that occur leave sigma
        unknown: too few.

    Raises:
        ValueError: arguments that do not fit each other, or an outcome that is missing or no bin.
    """
    x, bounds = np.asarray(design, dtype=np.float64), np.asarray(cuts, dtype=np.float64)
    y = as_codes(outcome, bounds.size + 1, "outcome")
    if x.ndim != 2 or x.shape[0] != y.size or not x.shape[1] or not np.isfinite(x).all() or (y < 0).any():
        raise ValueError("outcome (n,) and design (n, p) must agree in length and have no missing values")
    if bounds.ndim != 1 or bounds.size < 2 or not np.isfinite(bounds).all() or (np.diff(bounds) <= 0).any():
        raise ValueError(f"cuts must be at least two rising numbers, found {bounds.tolist()}")
    robust = Robust.of(covariance, clusters, survey, y.size, COVARIANCES, "an interval regression")
    labels = names or tuple(f"x{column}" for column in range(x.shape[1]))
    matrix, basis = as_weights(weights, y.size), orthonormal_basis(x)
    result = nan_fit((*labels, SIGMA), matrix.shape[0])
    result.n[:] = robust.drawn(matrix).sum(axis=1)
    if basis.aliased:
        return collinear(result, tuple(labels[column] for column in basis.aliased), y.size, x.shape[1])
    scale = float(np.ptp(bounds)) / 2
    constant = x @ (basis.back @ (basis.q.T @ np.ones(y.size) / y.size))
    centre = float(bounds.mean()) if np.allclose(constant, 1.0) else 0.0  # only a constant can take up a shift
    problem = _Problem(
        basis, np.r_[-np.inf, (bounds - centre) / scale][y], np.r_[(bounds - centre) / scale, np.inf][y]
    )
    for rows in row_chunks(matrix.shape[0], 12 * y.size):
        _fit_rows(problem, y, matrix[rows], robust, result, rows, (centre, scale))
    return result


@dataclass(frozen=True)
class _Problem:
    """Bounds (n,) of every row, scaled, and the basis of the design; coordinates (R, p + 1): t, then g."""

    basis: Basis
    low: Floats
    high: Floats

    def ends(self, x: Floats) -> tuple[Floats, Floats]:
        """Standardised bounds (R, n)."""
        mean, g = x[:, :-1] @ self.basis.q.T, x[:, -1:]
        low = np.where(np.isfinite(self.low), g * np.where(np.isfinite(self.low), self.low, 0.0) - mean, -FAR)
        high = np.where(np.isfinite(self.high), g * np.where(np.isfinite(self.high), self.high, 0.0) - mean, FAR)
        return low, high

    def log_chance(self, x: Floats) -> Floats:
        """Log-probability (R, n) of the bin that was given, precise in both tails; -inf where g is not positive."""
        low, high = self.ends(x)
        flip = low > 0
        low, high = np.where(flip, -high, low), np.where(flip, -low, high)
        with np.errstate(all="ignore"):
            upper = log_ndtr(high)
            inside = upper + np.log(-np.expm1(np.minimum(log_ndtr(low) - upper, 0.0)))
        return np.where(x[:, -1:] > 0, inside, -np.inf)

    def slopes(self, x: Floats) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats]]:
        """Derivatives of each row's log-likelihood by its upper and lower end, and the negative second ones."""
        low, high = self.ends(x)
        chance = self.log_chance(x)
        with np.errstate(all="ignore"):
            a = np.exp(-(high**2) / 2 - np.log(2 * np.pi) / 2 - chance)
            b = np.exp(-(low**2) / 2 - np.log(2 * np.pi) / 2 - chance)
        return a, -b, (a * (high + a), -a * b, b * (b - low))

    @property
    def vectors(self) -> tuple[Floats, Floats]:
        """How the upper and the lower end (n, p + 1) move with the coordinates; 0 where an end is infinite."""
        found = []
        for bound in (self.high, self.low):
            held = np.isfinite(bound)
            found.append(np.column_stack([-self.basis.q, np.where(held, bound, 0.0)]) * held[:, None])
        return found[0], found[1]

    def derivatives(self, x: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Gradients (R, q) and negative Hessians (R, q, q)."""
        upper, lower, (uu, ul, ll) = self.slopes(x)
        one, two = self.vectors
        gradient = (weights * upper) @ one + (weights * lower) @ two
        curvature = np.einsum("rn,np,nq->rpq", weights * uu, one, one, optimize=True)
        curvature += np.einsum("rn,np,nq->rpq", weights * ll, two, two, optimize=True)
        mixed = np.einsum("rn,np,nq->rpq", weights * ul, one, two, optimize=True)
        return gradient, curvature + mixed + mixed.transpose(0, 2, 1)


def _fit_rows(
    problem: _Problem,
    y: Ints,
    weights: Floats,
    robust: Robust,
    result: Fit,
    rows: slice,
    unit: tuple[float, float],
) -> None:
    """Fit one chunk and write it into ``result``."""
    p = problem.basis.q.shape[1]
    status = screen(y.astype(np.float64), p, problem.basis, weights)
    held = np.stack([(weights * (y == code)).any(axis=1) for code in np.unique(y)], axis=1).sum(axis=1)
    status[(status == Status.OK) & (held < 3)] = Status.TOO_FEW
    good = np.flatnonzero(status == Status.OK)
    if good.size:
        kept = weights[good]
        start = np.zeros((good.size, p + 1))
        start[:, -1] = 1.0
        trace = maximise(
            start,
            lambda x, active: np.asarray((kept[active] * problem.log_chance(x)).sum(axis=1)),
            lambda x, active: problem.derivatives(x, kept[active]),
        )
        status[good] = trace.status
        done = np.flatnonzero(trace.status == Status.OK)
        good, found, kept = good[done], trace.coordinates[done], kept[done]
        covariance = _variance(problem, found, kept, robust)
        status[good[~np.isfinite(covariance).all(axis=(1, 2))]] = Status.TOO_FEW
        fitted = status[good] == Status.OK
        at = rows.start + good[fitted]
        estimates, jacobian = _in_units(problem.basis, found[fitted], unit)
        result.estimates[at] = estimates
        result.covariance[at] = jacobian @ covariance[fitted] @ jacobian.transpose(0, 2, 1)
        if robust.clusters is not None:  # few clusters: t with G - 1 degrees of freedom
            result.df[at] = robust.groups(kept[fitted]) - 1
    result.status[rows] = status


def _in_units(basis: Basis, x: Floats, unit: tuple[float, float]) -> tuple[Floats, Floats]:
    """Coefficients and sigma (R, p + 1) in units of the cuts, and their derivatives by the coordinates."""
    centre, scale = unit
    t, g = x[:, :-1], x[:, -1:]
    p = t.shape[1]
    # What a shift of the outcome does to the coefficients: the constant in the design's own columns, if it has one.
    constant = basis.back @ (basis.q.T @ np.ones(len(basis.q)) / len(basis.q))
    estimates = np.hstack([scale * (t / g) @ basis.back.T + centre * constant, scale / g])
    jacobian = np.zeros((len(x), p + 1, p + 1))
    jacobian[:, :p, :p] = scale * basis.back[None] / g[:, :, None]
    jacobian[:, :p, p] = -scale * (t @ basis.back.T) / g**2
    jacobian[:, p, p] = (-scale / g**2)[:, 0]
    return estimates, jacobian


def _variance(problem: _Problem, x: Floats, weights: Floats, robust: Robust) -> Floats:
    """Covariances (R, p + 1, p + 1) of the coordinates."""
    bread = inverse(problem.derivatives(x, weights)[1])
    if robust.kind == "model":
        return bread
    upper, lower = map(robust.scores, problem.slopes(x)[:2])
    (one, two), weights = problem.vectors, robust.drawn(weights)
    total, q = weights.sum(axis=1), x.shape[1]
    if robust.clusters is None:
        each = upper[:, :, None] * one + lower[:, :, None] * two
        meat = (each * weights[:, :, None]).transpose(0, 2, 1) @ each
        return np.asarray(bread @ meat @ bread * (total / (total - q))[:, None, None])
    meat, factor = cluster_sums([(upper, one), (lower, two)], weights, robust.clusters)
    return np.asarray(bread @ meat @ bread * (factor * (total - 1) / (total - q))[:, None, None])
