"""Ordinary least squares, logit and Poisson regression for many rows of weights at once.

All three have their canonical link, so one Newton iteration serves them: with ``mu = mean(X b)`` the score is
``X' W (y - mu)`` and the information ``X' W V(mu) X``. Both are matrix products over all resamples together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from simbench.stats._arrays import Floats, Ints, as_weights, at_once, inverse, row_chunks, solve
from simbench.stats.regression.basis import Basis, orthonormal_basis
from simbench.stats.regression.newton import Trace, maximise
from simbench.stats.regression.result import Fit, Status, nan_fit
from simbench.stats.regression.sandwich import COVARIANCES, Robust, robust_covariance

__all__ = ["FAMILIES", "Family", "checked", "collinear", "fit_glm", "screen"]


@dataclass(frozen=True)
class Family:
    """An exponential family with its canonical link.

    Attributes:
        name: how users call it.
        mean: linear predictor -> expected outcome.
        variance: expected outcome -> variance function.
        log_likelihood: (outcome, linear predictor) -> contribution of each row, up to a constant.
        admits: whether these outcomes can come from the family.
        wants: the same in words.
    """

    name: str
    mean: Callable[[Floats], Floats]
    variance: Callable[[Floats], Floats]
    log_likelihood: Callable[[Floats, Floats], Floats]
    admits: Callable[[Floats], bool]
    wants: str


def _logit_log_likelihood(y: Floats, eta: Floats) -> Floats:
    return np.asarray(y * eta - np.maximum(eta, 0) - np.log1p(np.exp(-np.abs(eta))))


FAMILIES = {
    "ols": Family(
        "ols",
        lambda eta: eta,
        np.ones_like,
        lambda y, eta: -((y - eta) ** 2) / 2,
        lambda y: y.ndim == 1,
        "numbers",
    ),
    "logit": Family(
        "logit",
        expit,
        lambda mu: mu * (1 - mu),
        _logit_log_likelihood,
        lambda y: bool(np.isin(y, (0.0, 1.0)).all()),
        "only 0 and 1",
    ),
    "poisson": Family(
        "poisson",
        lambda eta: np.exp(np.minimum(eta, 500.0)),
        lambda mu: mu,
        lambda y, eta: y * eta - np.exp(np.minimum(eta, 500.0)),
        lambda y: bool((y >= 0).all()),
        "numbers of 0 or more",
    ),
}


def fit_glm(
    family: str,
    outcome: ArrayLike,
    design: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    names: tuple[str, ...] | None = None,
    covariance: str = "model",
    clusters: ArrayLike | None = None,
    survey: ArrayLike | None = None,
    among: Ints | None = None,
) -> Fit:
    """Fit one model under every row of weights.

    A weight is a frequency: weight 2 is the same as the row twice. Estimates, standard errors and p-values
    equal those of statsmodels (``OLS``, ``Logit``, ``Poisson``) on the expanded data. With ``survey`` a weight is a
    frequency times the row's survey weight, and the sandwich is that of a weighted sample.

    Args:
        family: ``ols``, ``logit`` or ``poisson``.
        outcome: (n,). For logit 0 and 1; for Poisson 0 or more.
        design: (n, p), intercept included if one is wanted, no missing values.
        weights: (R, n); None = one fit with all ones.
        names: of the p columns; default ``x0``, ``x1`` ...
        covariance: ``model`` (inverse information; for OLS times the residual variance), ``HC0``, ``HC1``
            (sandwich, times n / (n - p)), ``HC3`` (OLS only) or ``cluster``.
        clusters: (n,) person of each row, for ``cluster``. A person drawn twice is two persons, so weights
            must be constant within a person, or 0. Small-sample factor ``G/(G-1) (n-1)/(n-p)``.
        survey: (n,) survey weights, above 0, for ``HC0``, ``HC1`` and ``cluster``: see
            :class:`simbench.stats.regression.sandwich.Robust`.
        among: (n,) which columns of ``weights`` (R, N) are those of these rows, where it has more: they are then not
            copied as a whole.

    Returns:
        A :class:`Fit`. p-values use the t distribution for OLS (n - p degrees of freedom) and with ``cluster``
        (G - 1, whatever the family), and the normal one otherwise. A fit that cannot be made has a status with words.

    Raises:
        ValueError: arguments that do not fit each other, or outcomes the family cannot have.
    """
    kind, y, x = checked(family, outcome, design)
    labels = names or tuple(f"x{column}" for column in range(x.shape[1]))
    known = [name for name in COVARIANCES if name != "HC3" or family == "ols"]
    robust = Robust.of(covariance, clusters, survey, y.size, known, repr(family))
    matrix = as_weights(weights, y.size if weights is None or among is None else np.shape(weights)[-1])
    basis = orthonormal_basis(x)
    result = nan_fit(labels, matrix.shape[0])
    if basis.aliased:
        result.n[:] = (matrix if among is None else matrix[:, among]).sum(axis=1)
        return collinear(result, tuple(labels[column] for column in basis.aliased), y.size, x.shape[1])

    def fit(rows: slice) -> Floats | None:
        part = matrix[rows] if among is None else matrix[rows][:, among]
        return _fit_rows(kind, y, basis, part.astype(np.float64, copy=False), robust, result, rows)

    for runaway in at_once(fit, row_chunks(matrix.shape[0], 6 * y.size)):  # each writes its own rows of the result
        if runaway is not None:
            move = np.abs(basis.estimates(runaway[None])[0]) * basis.size
            moving = (name for name, size in zip(labels, move) if size > 1e-2 and name != "Intercept")
            result = replace(result, culprits=tuple(moving))
    return result


def checked(family: str, outcome: ArrayLike, design: ArrayLike) -> tuple[Family, Floats, Floats]:
    """Return the family and the arrays, or raise ValueError."""
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {sorted(FAMILIES)}, found {family!r}")
    kind = FAMILIES[family]
    y, x = np.asarray(outcome, dtype=np.float64), np.asarray(design, dtype=np.float64)
    if y.ndim != 1 or x.ndim != 2 or x.shape[0] != y.size or not x.shape[1]:
        raise ValueError(f"outcome (n,) and design (n, p) must agree, p at least 1, found {y.shape} and {x.shape}")
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise ValueError("outcome and design must have no missing or infinite values")
    if not kind.admits(y):
        raise ValueError(f"a {family} outcome must hold {kind.wants}, found {np.unique(y)[:5].tolist()} ...")
    return kind, y, x


def collinear(result: Fit, culprits: tuple[str, ...], rows: int, columns: int) -> Fit:
    """Give every fit of a design without full rank its status: too few rows, or predictors at fault."""
    if rows <= columns:
        result.status[:] = Status.TOO_FEW
        return result
    result.status[:] = Status.RANK_DEFICIENT
    return replace(result, culprits=culprits)


def screen(y: Floats, p: int, basis: Basis, weights: Floats, cross: Floats | None = None) -> Ints:
    """The status (R,) that shows before any fitting. ``cross``: ``basis.cross(weights)``, where it is known."""
    total = weights.sum(axis=1)
    distinct = (weights > 0).sum(axis=1)
    centred = y - y.mean() if y.size else y
    square = weights @ centred**2
    scatter = square - (weights @ centred) ** 2 / np.maximum(total, 1e-300)
    status = np.full(total.size, int(Status.OK), dtype=np.int64)
    status[basis.deficient(weights, cross)] = Status.RANK_DEFICIENT
    status[scatter <= 1e-12 * square] = Status.CONSTANT_OUTCOME
    status[(distinct <= p) | (total <= p)] = Status.TOO_FEW
    return status


def _fit_rows(
    kind: Family,
    y: Floats,
    basis: Basis,
    weights: Floats,
    robust: Robust,
    result: Fit,
    rows: slice,
) -> Floats | None:
    """Fit one chunk and write it into ``result``; return the last step of row 0 if it ran away."""
    total = robust.drawn(weights).sum(axis=1)
    cross = basis.cross(weights)
    status = screen(y, basis.q.shape[1], basis, weights, cross)
    good = np.flatnonzero(status == Status.OK)
    trace = _solve(kind, y, basis, weights[good], cross[good])
    status[good] = trace.status
    first = rows.start == 0 and status[0] == Status.SEPARATION
    done = np.flatnonzero(trace.status == Status.OK)
    good, coordinates = good[done], trace.coordinates[done]
    w = weights[good]
    mu = kind.mean(coordinates @ basis.q.T)
    variance, df = _variance(kind, y, basis, w, mu, robust)
    if kind.name == "ols":
        residual, spread = (w * (y - mu) ** 2).sum(axis=1), (w * (y - _mean(w, y)) ** 2).sum(axis=1)
        status[good[residual <= 1e-20 * y.size * spread]] = Status.PERFECT_FIT
    status[good[~np.isfinite(variance).all(axis=(1, 2))]] = Status.TOO_FEW
    fitted = status[good] == Status.OK
    at = rows.start + good[fitted]
    result.status[rows], result.n[rows] = status, total
    result.estimates[at] = basis.estimates(coordinates[fitted])
    result.covariance[at] = basis.covariance(variance[fitted])
    result.df[at] = df[fitted] if kind.name == "ols" or robust.kind == "cluster" else np.inf
    return trace.step[0] if first else None


def _mean(weights: Floats, y: Floats) -> Floats:
    return np.asarray((weights @ y / weights.sum(axis=1))[:, None])


def _variance(
    kind: Family, y: Floats, basis: Basis, weights: Floats, mu: Floats, robust: Robust
) -> tuple[Floats, Floats]:
    """Covariances in the basis' coordinates (R, p, p), and degrees of freedom (R,)."""
    bread = inverse(basis.cross(weights * kind.variance(mu)))
    if robust.kind != "model":
        return robust_covariance(robust, basis, bread, weights, y - mu)
    df = weights.sum(axis=1) - basis.q.shape[1]
    if kind.name == "ols":
        bread = bread * ((weights * (y - mu) ** 2).sum(axis=1) / df)[:, None, None]
    return bread, df


def _solve(kind: Family, y: Floats, basis: Basis, weights: Floats, cross: Floats) -> Trace:
    """Maximise the likelihood; least squares needs one step."""
    if kind.name == "ols":
        score = (weights * y) @ basis.q
        solution = solve(cross, score)
        # One refinement removes the rounding of the normal equations.
        rest = (weights * (y - solution @ basis.q.T)) @ basis.q
        solution = solution + solve(cross, rest)
        status = np.zeros(weights.shape[0], dtype=np.int64)
        return Trace(solution, np.zeros_like(solution), status)

    def log_likelihood(coordinates: Floats, active: Ints) -> Floats:
        w = _among(weights, active)
        if _same(coordinates):  # as where all start from one fit
            return np.asarray(w @ kind.log_likelihood(y, basis.q @ coordinates[0]))
        return np.asarray(np.einsum("rn,rn->r", w, kind.log_likelihood(y, coordinates @ basis.q.T)))

    def derivatives(coordinates: Floats, active: Ints) -> tuple[Floats, Floats]:
        w = _among(weights, active)
        if _same(coordinates):
            mu = kind.mean(basis.q @ coordinates[0])
            return w @ ((y - mu)[:, None] * basis.q), basis.cross(w, kind.variance(mu))
        mu = kind.mean(coordinates @ basis.q.T)
        return (w * (y - mu)) @ basis.q, basis.cross(w * kind.variance(mu))

    start = np.zeros((weights.shape[0], basis.q.shape[1]))
    if kind.name == "poisson":
        # Least squares on log counts; the Newton iteration from 0 can overflow where counts are large.
        score = (weights * np.log(y + 0.5)) @ basis.q
        start = solve(cross, score)
    return maximise(start, log_likelihood, derivatives)


def _among(weights: Floats, active: Ints) -> Floats:
    return weights if active.size == len(weights) else weights[active]


def _same(coordinates: Floats) -> bool:
    return len(coordinates) > 1 and bool((coordinates == coordinates[0]).all())
