"""Ordered logit (proportional odds) for many rows of weights at once.

``P(y <= k) = logistic(threshold_k - x b)``. The log-likelihood is concave in thresholds and coefficients
together (Pratt 1981), so Newton steps with a line search that keeps the thresholds in order find the
maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Bools, Floats, Ints, as_codes, as_weights, inverse, one_hot, row_chunks
from simbench.stats.regression.basis import Basis, orthonormal_basis
from simbench.stats.regression.glm import collinear
from simbench.stats.regression.newton import Trace, maximise
from simbench.stats.regression.result import Fit, Status, nan_fit
from simbench.stats.regression.sandwich import Robust, cluster_sums

__all__ = ["fit_ordered"]

COVARIANCES = ("model", "HC0", "HC1", "cluster")


def fit_ordered(
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
    """Fit one ordered logit under every row of weights.

    Estimates equal those of statsmodels' ``OrderedModel(distr="logit")`` and R's ``MASS::polr``: a positive
    coefficient moves answers up. A level that a resample does not hold is left out of that resample;
    thresholds next to it are NaN there.

    Args:
        outcome: (n,) codes 0 .. K-1 in order.
        design: (n, p) **without** an intercept (the thresholds take its place), no missing values.
        weights: (R, n); None = one fit with all ones.
        names: of the p columns; default ``x0``, ``x1`` ...
        levels: what the K codes stand for, to name thresholds ``low|high``; default the codes up to the
            largest.
        covariance: ``model``, ``HC0``, ``HC1`` or ``cluster``, as in :func:`simbench.stats.fit_glm`.
        clusters: (n,) person of each row, for ``cluster``.
        survey: (n,) survey weights, as there.

    Returns:
        A :class:`Fit`: p coefficients, then K-1 thresholds; p-values by the normal distribution, with clusters by
        the t distribution (G - 1).

    Raises:
        ValueError: arguments that do not fit each other, or an outcome that is missing or no code.
    """
    x = np.asarray(design, dtype=np.float64)
    scale = list(levels) if levels is not None else list(range(int(np.max(outcome, initial=0)) + 1))
    y = as_codes(outcome, len(scale), "outcome")
    if x.ndim != 2 or x.shape[0] != y.size or not np.isfinite(x).all() or (y < 0).any():
        raise ValueError("outcome (n,) and design (n, p) must agree in length and have no missing values")
    robust = Robust.of(covariance, clusters, survey, y.size, COVARIANCES, "an ordered logit")
    labels = names or tuple(f"x{column}" for column in range(x.shape[1]))
    matrix = as_weights(weights, y.size)
    basis = orthonormal_basis(np.column_stack([np.ones(y.size), x]))
    result = nan_fit(labels + tuple(f"{low}|{high}" for low, high in zip(scale[:-1], scale[1:])), matrix.shape[0])
    result.n[:] = robust.drawn(matrix).sum(axis=1)
    if basis.aliased:
        found = tuple(labels[column - 1] for column in basis.aliased if column)
        return collinear(result, found, y.size, x.shape[1] + 1)
    present = matrix @ one_hot(y, len(scale)) > 0
    culprits: tuple[str, ...] = ()
    for pattern in np.unique(present, axis=0):
        rows = np.flatnonzero((present == pattern).all(axis=1))
        problem = _Problem.of(y, basis, pattern)
        for part in row_chunks(rows.size, 12 * y.size):
            step = _fit_rows(problem, matrix[rows[part]], robust, result, rows[part])
            if step is not None:
                move = np.abs(step) * basis.size[1:]
                culprits = tuple(name for name, size in zip(labels, move) if size > 1e-2)
    return replace(result, culprits=culprits)


@dataclass(frozen=True)
class _Problem:
    """The model over the levels that are present, in the basis' coordinates: coefficients, then thresholds.

    Attributes:
        y: (n,) codes among the levels present; rows of absent levels (weight 0) have code 0.
        upper: (n, q) derivative of the upper cut ``threshold_y - x b``.
        lower: (n, q) likewise of the lower cut.
        pairs: (3, n, q (q + 1) / 2) products upper-upper, upper-lower (symmetrised), lower-lower.
        spread: (q, q) where an entry lies in its packed form.
        back: (p + K - 1, q) from coordinates to coefficients and all thresholds; NaN rows for undefined
            thresholds.
        columns: (n, p) the centred design.
    """

    y: Ints
    levels: int
    upper: Floats
    lower: Floats
    pairs: Floats
    spread: Ints
    back: Floats
    columns: Floats

    @classmethod
    def of(cls, y: Ints, basis: Basis, pattern: Bools) -> _Problem:
        """Set the model up for the levels in ``pattern``."""
        held = np.flatnonzero(pattern)
        codes = np.searchsorted(held, y) * pattern[y]
        columns = basis.q[:, 1:]
        cuts = np.eye(max(held.size - 1, 0))
        edge = np.vstack([np.zeros((1, cuts.shape[1])), cuts, np.zeros((1, cuts.shape[1]))])
        upper, lower = np.hstack([-columns, edge[codes + 1]]), np.hstack([-columns, edge[codes]])
        q, p = upper.shape[1], columns.shape[1]
        one, two = np.triu_indices(q)
        spread = np.zeros((q, q), dtype=np.int64)
        spread[one, two] = spread[two, one] = np.arange(one.size)
        mixed = upper[:, one] * lower[:, two] + lower[:, one] * upper[:, two]
        pairs = np.stack([upper[:, one] * upper[:, two], mixed, lower[:, one] * lower[:, two]])
        back = np.full((p + pattern.size - 1, q), np.nan)
        back[:p] = np.hstack([basis.back[1:, 1:], np.zeros((p, q - p))])
        shift = np.linalg.inv(basis.back)[0, 1:] @ basis.back[1:, 1:]
        for at in np.flatnonzero(np.diff(held) == 1):
            back[p + held[at]] = np.concatenate([shift, cuts[at]])
        return cls(codes, held.size, upper, lower, pairs, spread, back, columns)

    def odds(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Return exp(-upper cut), exp(lower cut) (R, n) and 1 - exp(lower - upper) per level (R, K).

        Only one exponential per row of data: the rest depends on the level alone.
        """
        p = self.columns.shape[1]
        up = np.exp(np.clip(x[:, :p] @ self.columns.T, -300, 300))
        end = np.zeros((x.shape[0], 1))
        cuts = np.clip(x[:, p:], -300, 300)
        width = np.hstack([1 + end, -np.expm1(cuts[:, :-1] - cuts[:, 1:]), 1 + end])
        above, below = np.hstack([np.exp(-cuts), end]), np.hstack([end, np.exp(cuts)])
        return up * above[:, self.y], below[:, self.y] / up, width

    def log_likelihood(self, x: Floats, weights: Floats) -> Floats:
        """(R,); -inf where thresholds are out of order."""
        above, below, width = self.odds(x)
        each = np.einsum("rn,rn->r", weights, np.log((1 + above) * (1 + below)))
        ordered = (width > 0).all(axis=1)
        levels = (weights @ one_hot(self.y, self.levels)) * np.log(np.where(width > 0, width, 1.0))
        return np.where(ordered, levels.sum(axis=1) - each, -np.inf)

    def slopes(self, x: Floats) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats]]:
        """Derivatives of each row's log-likelihood by its cuts: first (2), and negative second (3)."""
        above, below, width = self.odds(x)
        width = width[:, self.y]
        a = above / (1 + above) * (1 + below) / width
        b = below / (1 + below) * (1 + above) / width
        second = (a * (a + (1 - above) / (1 + above)), -a * b, b * (b + (1 - below) / (1 + below)))
        return a, -b, second

    def packed(self, parts: tuple[Floats, Floats, Floats]) -> Floats:
        """Sum of upper-upper, upper-lower and lower-lower products with these factors: (R, q, q)."""
        total = parts[0] @ self.pairs[0] + parts[1] @ self.pairs[1] + parts[2] @ self.pairs[2]
        return np.asarray(total[:, self.spread])


def _fit_rows(problem: _Problem, weights: Floats, robust: Robust, result: Fit, rows: Ints) -> Floats | None:
    """Fit one chunk and write it into ``result``; return the last step of row 0 if it ran away."""
    q, p = problem.upper.shape[1], problem.columns.shape[1]
    distinct = (weights > 0).sum(axis=1)
    design = np.column_stack([np.ones(problem.y.size), problem.columns])
    status = np.full(rows.size, int(Status.OK), dtype=np.int64)
    status[orthonormal_basis(design).deficient(weights)] = Status.RANK_DEFICIENT
    status[problem.levels < 2] = Status.CONSTANT_OUTCOME
    status[(distinct <= q) | (weights.sum(axis=1) <= q)] = Status.TOO_FEW
    good = np.flatnonzero(status == Status.OK)
    result.status[rows] = status
    if good.size == 0:
        return None
    trace = _solve(problem, weights[good])
    status[good] = trace.status
    runaway = trace.step[0] if rows[0] == 0 and status[0] == Status.SEPARATION else None
    done = np.flatnonzero(trace.status == Status.OK)
    good, found = good[done], trace.coordinates[done]
    covariance = _variance(problem, found, weights[good], robust)
    status[good[~np.isfinite(covariance).all(axis=(1, 2))]] = Status.TOO_FEW
    fitted = status[good] == Status.OK
    result.status[rows] = status
    result.estimates[rows[good[fitted]]] = found[fitted] @ problem.back.T
    result.covariance[rows[good[fitted]]] = problem.back @ covariance[fitted] @ problem.back.T
    if robust.clusters is not None:  # few clusters: t with G - 1 degrees of freedom
        result.df[rows[good[fitted]]] = robust.groups(weights[good[fitted]]) - 1
    return None if runaway is None else (problem.back[:p, :p] @ runaway[:p])


def _solve(problem: _Problem, weights: Floats) -> Trace:
    shares = weights @ one_hot(problem.y, problem.levels)
    cumulative = np.cumsum(shares, axis=1)[:, :-1] / weights.sum(axis=1, keepdims=True)
    p = problem.columns.shape[1]
    start = np.hstack([np.zeros((weights.shape[0], p)), np.log(cumulative) - np.log1p(-cumulative)])

    def objective(x: Floats, active: Ints) -> Floats:
        return problem.log_likelihood(x, weights[active])

    def derivatives(x: Floats, active: Ints) -> tuple[Floats, Floats]:
        w = weights[active]
        upper, lower, (uu, ul, ll) = problem.slopes(x)
        gradient = (w * upper) @ problem.upper + (w * lower) @ problem.lower
        return gradient, problem.packed((w * uu, w * ul, w * ll))

    return maximise(start, objective, derivatives)


def _variance(problem: _Problem, x: Floats, weights: Floats, robust: Robust) -> Floats:
    """Covariances (R, q, q) in the problem's coordinates."""
    upper, lower, second = problem.slopes(x)
    bread = inverse(problem.packed((weights * second[0], weights * second[1], weights * second[2])))
    if robust.kind == "model":
        return bread
    weights, upper, lower = robust.drawn(weights), robust.scores(upper), robust.scores(lower)
    total, q = weights.sum(axis=1), x.shape[1]
    if robust.clusters is not None:
        meat, factor = cluster_sums([(upper, problem.upper), (lower, problem.lower)], weights, robust.clusters)
        factor = factor * (total - 1) / (total - q)
    else:
        meat = problem.packed((weights * upper**2, weights * upper * lower, weights * lower**2))
        factor = total / (total - q) if robust.kind == "HC1" else np.ones(total.size)
    return np.asarray(bread @ meat @ bread * factor[:, None, None])
