"""Raking: weights that make a sample's margins those of a population (Deming and Stephan 1940)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from simbench.stats._arrays import Floats, Ints

__all__ = ["raked"]

CLOSE = 1e-6


def raked(base: Floats, codes: Sequence[Ints], margins: Sequence[Floats]) -> Floats:
    """Weights (n,), adding up to 1, closest to ``base`` (relative entropy) with these margins.

    Of all weights with the margins they change the base weights least (minimum discrimination information, which
    iterative proportional fitting converges to: Ireland and Kullback 1968). The dual problem is convex and smooth and
    solved by BFGS: minimise ``log sum base exp(sum of lambda of a person's levels) - sum margin lambda``.

    Args:
        base: (n,) positive.
        codes: of each variable, the level (n,) of every person.
        margins: of each variable, the wanted shares (K,), positive, adding up to 1.

    Raises:
        ValueError: margins that no weights of these people have together.
    """
    sizes = [len(each) for each in margins]
    ends = np.cumsum([0, *sizes])
    target = np.concatenate(margins)
    start = np.log(base / base.sum())

    def weights(free: Floats) -> tuple[Floats, float]:
        tilt = start + sum(free[ends[at] : ends[at + 1]][code] for at, code in enumerate(codes))
        top = tilt.max()
        each = np.exp(tilt - top)
        return each / each.sum(), float(top + np.log(each.sum()))

    def found(w: Floats) -> Floats:
        return np.concatenate(
            [np.bincount(code, weights=w, minlength=k) for code, k in zip(codes, sizes, strict=True)]
        )

    def objective(free: Floats) -> tuple[float, Floats]:
        w, total = weights(free)
        return total - float(target @ free), found(w) - target

    solved = minimize(
        objective, np.zeros(target.size), jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 5000}
    )
    w, _ = weights(solved.x)
    if np.abs(found(w) - target).max() > CLOSE:
        raise ValueError("no weights of these people have all these margins together")
    return w
