"""Robust covariances of weighted fits: heteroscedasticity-consistent and clustered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, Ints, ratio, row_chunks
from simbench.stats.regression.basis import Basis

__all__ = ["COVARIANCES", "Clusters", "Robust", "cluster_sums", "cluster_weights", "robust_covariance"]

COVARIANCES = ("model", "HC0", "HC1", "HC3", "cluster")


@dataclass(frozen=True)
class Clusters:
    """Rows sorted by cluster: ``order`` (n,) sorts them, ``starts`` (G,) begins each cluster."""

    order: Ints
    starts: Ints


@dataclass(frozen=True)
class Robust:
    """How the covariance of a fit is made.

    With survey weights s, a row of weights is multiplicity times s: a row drawn m times is m rows of weight s. The
    estimates need the product alone; the sandwich sums ``m (s u)(s u)'`` over rows of score u, after Huber (1967) and
    Binder (1983).

    Attributes:
        kind: one of :data:`COVARIANCES`.
        clusters: for ``cluster``.
        survey: (n,) survey weights, above 0; None = every row counts alike.
    """

    kind: str
    clusters: Clusters | None = None
    survey: Floats | None = None

    @classmethod
    def of(
        cls, kind: str, clusters: ArrayLike | None, survey: ArrayLike | None, n: int, known: Sequence[str], what: str
    ) -> Robust:
        """What is asked for, of n rows and a fit called ``what``. ValueError for what there is not."""
        if kind not in known:
            raise ValueError(f"covariance of {what} must be one of {list(known)}, found {kind!r}")
        groups = cluster_index(clusters, n) if kind == "cluster" else None
        if survey is None:
            return cls(kind, groups)
        given = np.asarray(survey, dtype=np.float64)
        if given.shape != (n,) or not (np.isfinite(given).all() and (given > 0).all()):
            raise ValueError(f"survey weights must be finite and above 0, one per row ({n}), found {given.shape}")
        if kind not in ("HC0", "HC1", "cluster"):
            raise ValueError(f"survey weights need a covariance HC0, HC1 or cluster, found {kind!r}")
        return cls(kind, groups, given)

    def drawn(self, weights: Floats) -> Floats:
        """How often every row is in every fit (R, n)."""
        return weights if self.survey is None else np.rint(weights / self.survey)

    def scores(self, factor: Floats) -> Floats:
        """Scores (R, n) as they enter the sandwich."""
        return factor if self.survey is None else factor * self.survey

    def groups(self, weights: Floats) -> Floats:
        """Number of clusters drawn (R,)."""
        assert self.clusters is not None  # noqa: S101 - only asked where there are clusters
        times: Floats = cluster_weights(self.drawn(weights), self.clusters)
        return np.asarray(times.sum(axis=1))


def cluster_index(clusters: ArrayLike | None, n: int) -> Clusters:
    """Index the clusters of n rows.

    Raises:
        ValueError: no clusters, or not one per row.
    """
    labels = np.asarray(clusters)
    if clusters is None or labels.shape != (n,):
        raise ValueError(f"covariance 'cluster' needs clusters, one per row ({n}), found shape {labels.shape}")
    codes = np.unique(labels, return_inverse=True)[1].reshape(-1)
    order = np.argsort(codes, kind="stable")
    return Clusters(order, np.flatnonzero(np.diff(codes[order], prepend=-1)))


def robust_covariance(
    robust: Robust, basis: Basis, bread: Floats, weights: Floats, residuals: Floats
) -> tuple[Floats, Floats]:
    """Sandwich covariances in the basis' coordinates.

    Args:
        robust: of any kind but ``model``.
        basis: of the design.
        bread: (R, p, p) inverse information.
        weights: (R, n).
        residuals: (R, n) outcome minus fitted mean.

    Returns:
        Covariances (R, p, p) and the degrees of freedom for a t distribution (R,). A covariance is NaN where
        it is not defined: one cluster, or under HC3 a row that alone decides its fitted value.
    """
    p, kind = basis.q.shape[1], robust.kind
    weights, residuals = robust.drawn(weights), robust.scores(residuals)
    total = weights.sum(axis=1)
    df = total - p
    if robust.clusters is not None:
        meat, factor = cluster_sums([(residuals, basis.q)], weights, robust.clusters)
        small = factor * (total - 1) / (total - p)
        return bread @ meat @ bread * small[:, None, None], cluster_weights(weights, robust.clusters).sum(axis=1) - 1
    if kind == "HC3":
        upper, lower = np.triu_indices(p)
        leverage, double = bread[:, upper, lower], np.where(upper == lower, 1.0, 2.0)
        free = 1 - (leverage * double) @ basis.pairs.T
        residuals = ratio(residuals, np.where(free > 1e-10, free, np.where(weights > 0, np.nan, 1.0)))
    covariance = bread @ basis.cross(weights * residuals**2) @ bread
    return covariance * ((total / df)[:, None, None] if kind == "HC1" else 1.0), df


def cluster_weights(weights: Floats, clusters: Clusters) -> Floats:
    """How often each cluster is in each fit (R, G), from the weights (R, n) of its rows.

    Rows of a cluster are all in a fit as often as each other, or not at all: a fit may be of a part of a cluster.

    Raises:
        ValueError: weights above 0 that vary within a cluster.
    """
    placed = weights[:, clusters.order]
    times: Floats = np.maximum.reduceat(placed, clusters.starts, axis=1)
    sizes = np.diff(np.append(clusters.starts, clusters.order.size))
    if not ((placed == 0) | (placed == np.repeat(times, sizes, axis=1))).all():
        raise ValueError("covariance 'cluster' needs weights that are constant within a cluster, or 0")
    return times


def cluster_sums(
    parts: Sequence[tuple[Floats, Floats]], weights: Floats, clusters: Clusters
) -> tuple[Floats, Floats]:
    """Sum over clusters of the outer product of their summed scores.

    Args:
        parts: the score of a row is the sum over parts of factor (R, n) times vector (n, p).
        weights: (R, n), see :func:`cluster_weights`.
        clusters: where they lie.

    Returns:
        (R, p, p), and the small-sample factor G / (G - 1) (R,) with G clusters drawn; NaN for G = 1.

    Raises:
        ValueError: weights that vary within a cluster.
    """
    from scipy.sparse import csr_array

    times = cluster_weights(weights, clusters)
    n, p = parts[0][1].shape
    meat = np.empty((weights.shape[0], p, p))
    ends = np.append(clusters.starts, clusters.order.size)
    for rows in row_chunks(weights.shape[0], 2 * (n + p * times.shape[1])):
        sums = np.zeros((rows.stop - rows.start, times.shape[1], p))
        for factor, vector in parts:
            turned = np.ascontiguousarray(np.where(weights[rows] > 0, factor[rows], 0.0).T)
            for column in np.flatnonzero(vector.any(axis=0)):
                held = csr_array((vector[clusters.order, column], clusters.order, ends), shape=(len(ends) - 1, n))
                sums[:, :, column] += (held @ turned).T
        meat[rows] = (sums * times[rows][..., None]).transpose(0, 2, 1) @ sums
    groups = times.sum(axis=1)
    return meat, ratio(groups, groups - 1)
