"""An orthonormal basis of a design matrix, so that normal equations lose no precision.

All fits run in coordinates in which the cross product of the unweighted design is n times the identity. A
bootstrap resample is close to it, so Newton steps solve well-conditioned systems, and estimates agree with
those from a QR decomposition of the design to about 1e-12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.stats._arrays import Bools, Floats, Ints

__all__ = ["Basis", "orthonormal_basis"]

COLLINEAR = 1e-8
"""A column is taken for collinear when less than this share of its length lies outside the others' span."""

SINGULAR = 1e-9
"""A resample is rank deficient when its cross product has an eigenvalue below this share of the largest."""


@dataclass(frozen=True)
class Basis:
    """``design @ back == q`` with ``q.T @ q == n * identity``.

    Attributes:
        q: (n, p) the design in its own orthogonal coordinates.
        back: (p, p) upper triangular; coefficients of the design are ``back @ coordinates``.
        pairs: (n, p (p + 1) / 2) products of two columns of q, for weighted cross products by one matrix
            product.
        spread: (p, p) where each entry of a symmetric matrix lies in its packed form.
        size: (p,) root mean square of each column of the design.
        aliased: columns that are linear combinations of earlier ones; non-empty means the rest is unusable.
    """

    q: Floats
    back: Floats
    pairs: Floats
    spread: Ints
    size: Floats
    aliased: tuple[int, ...]

    def cross(self, weights: Floats, times: Floats | None = None) -> Floats:
        """Weighted cross products ``q' diag(w_r) q``: (R, n) -> (R, p, p); ``times`` (n,) multiplies every row."""
        pairs = self.pairs if times is None else self.pairs * times[:, None]
        return np.asarray((weights @ pairs)[:, self.spread])

    def deficient(self, weights: Floats, cross: Floats | None = None) -> Bools:
        """(R,) where the weighted design has not full rank (a level is absent, say)."""
        eigenvalues = np.linalg.eigvalsh(self.cross(weights) if cross is None else cross)
        return np.asarray(eigenvalues[:, 0] <= SINGULAR * np.maximum(eigenvalues[:, -1], 1e-300))

    def estimates(self, coordinates: Floats) -> Floats:
        """Coefficients of the original columns: (R, p) -> (R, p)."""
        return np.asarray(coordinates @ self.back.T)

    def covariance(self, coordinates: Floats) -> Floats:
        """Covariances in terms of the original columns: (R, p, p) -> (R, p, p)."""
        return np.asarray(self.back @ coordinates @ self.back.T)


def orthonormal_basis(design: Floats) -> Basis:
    """Orthogonalise the columns in order, each against all earlier ones (Gram-Schmidt, twice)."""
    n, p = design.shape
    q = np.zeros((n, p))
    aliased: list[int] = []
    for column in range(p):
        before = q[:, :column]
        rest = design[:, column].astype(np.float64)
        size = float(np.linalg.norm(rest))
        for _ in range(2):
            rest = rest - before @ (before.T @ rest)
        left = float(np.linalg.norm(rest))
        if left <= COLLINEAR * size or size == 0:
            aliased.append(column)
        else:
            q[:, column] = rest / left
    upper, lower = np.triu_indices(p)
    spread = np.zeros((p, p), dtype=np.int64)
    spread[upper, lower] = spread[lower, upper] = np.arange(upper.size)
    length = np.sqrt((design**2).mean(axis=0)) if n else np.zeros(p)
    if aliased:
        return Basis(q, np.zeros((p, p)), np.zeros((n, upper.size)), spread, length, tuple(aliased))
    scaled = q * np.sqrt(n)
    back = np.linalg.inv(np.triu(q.T @ design)) * np.sqrt(n)
    return Basis(scaled, back, scaled[:, upper] * scaled[:, lower], spread, length, ())
