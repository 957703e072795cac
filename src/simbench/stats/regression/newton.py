"""Newton's method for many concave problems at once, which knows when there is no maximum.

At a finite maximum Newton converges quadratically. Where the likelihood only approaches its supremum at
infinity (separation in a logit, a group of zeros in a Poisson model), every step moves the linear predictor
by about one and the squared Newton decrement falls by the constant factor 1/e. That difference, which
depends on no scale, tells the two apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from simbench.stats._arrays import Floats, Ints, solve
from simbench.stats.regression.result import Status

__all__ = ["Trace", "maximise"]

MAX_ITERATIONS = 60
TOLERANCE = 1e-16
"""Squared decrement at which the next quadratic step reaches machine precision."""
SLOW = 0.2
SLOW_STEPS = 15
"""So many slow steps in a row mean fitted probabilities beyond about exp(-15): no finite maximum in
practice."""
MAX_HALVINGS = 30
WARM = 8
"""From this many problems on, all start where the first one ended."""

Objective: TypeAlias = Callable[[Floats, Ints], Floats]
Derivatives: TypeAlias = Callable[[Floats, Ints], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Trace:
    """Where the iteration ended.

    Attributes:
        coordinates: (R, p) the maximiser (meaningless where the status is not OK).
        step: (R, p) the last Newton step.
        status: (R,) OK, SEPARATION or NOT_CONVERGED.
    """

    coordinates: Floats
    step: Floats
    status: Ints


def maximise(
    start: Floats, objective: Objective, derivatives: Derivatives, tolerance: float = TOLERANCE, finite: bool = False
) -> Trace:
    """Maximise R concave functions of p variables each.

    Args:
        start: (R, p), each with a finite objective.
        objective: (coordinates of some problems, their indices) -> values; -inf outside the domain.
        derivatives: likewise -> gradients (r, p) and negative Hessians (r, p, p).
        tolerance: squared decrement at which to stop.
        finite: the maximum is known to exist, and the "Hessian" may be an approximation: converge at any
            rate.
    """
    rows = start.shape[0]
    x, steps = start.copy(), np.zeros_like(start)
    status = np.full(rows, int(Status.NOT_CONVERGED), dtype=np.int64)
    active = np.arange(rows)
    if rows > WARM:  # resamples of one sample have their maxima near each other
        first = maximise(start[:1], objective, derivatives, tolerance, finite)
        x[:] = first.coordinates if first.status[0] == Status.OK else start
    value = objective(x, active)
    far = np.flatnonzero(~np.isfinite(value))
    x[far], value[far] = start[far], objective(start[far], far)
    previous, slow = np.full(rows, np.inf), np.zeros(rows, dtype=np.int64)
    for _ in range(MAX_ITERATIONS * (5 if finite else 1)):
        gradient, curvature = derivatives(x[active], active)
        step, decrement = _newton_step(gradient, curvature)
        steps[active] = step
        factor = decrement / previous[active]
        slow[active] = np.where(factor > SLOW, slow[active] + 1, 0)
        previous[active] = np.maximum(decrement, 1e-300)
        near = decrement < tolerance
        # At machine precision the decrement is noise, and says nothing about the rate any more.
        flat = near & (factor > SLOW) & (decrement > 1e-26)
        diverging = (flat | ((slow[active] >= SLOW_STEPS) & (decrement < 1e-2))) & (not finite)
        length, value[active] = _line_search(x[active], step, value[active], decrement, objective, active)
        stuck = (length == 0) & ~near
        x[active] += length[:, None] * step
        status[active[near & ~diverging]] = Status.OK
        status[active[diverging]] = Status.SEPARATION
        active = active[~(near | diverging | stuck)]
        if active.size == 0:
            break
    return Trace(x, steps, status)


def _newton_step(gradient: Floats, curvature: Floats) -> tuple[Floats, Floats]:
    """Solve for the step; the ridge, at rounding level, only keeps a vanishing curvature invertible."""
    p = gradient.shape[1]
    ridge = 1e-14 * np.trace(curvature, axis1=1, axis2=2) / p + 1e-300
    step = solve(curvature + ridge[:, None, None] * np.eye(p), gradient)
    return step, np.einsum("rp,rp->r", step, gradient)


def _line_search(
    x: Floats, step: Floats, value: Floats, decrement: Floats, objective: Objective, active: Ints
) -> tuple[Floats, Floats]:
    """Halve each step until the objective rises enough (Armijo); length 0 = no length helps.

    Returns the lengths and the objective there. Near the maximum the gain is below the rounding of the
    objective: full steps are safe, and the objective is not computed again.
    """
    length, reached = np.ones(active.size), value.copy()
    trial = np.flatnonzero(decrement > 1e-9 * (1 + np.abs(value)))
    for _ in range(MAX_HALVINGS):
        if trial.size == 0:
            return length, reached
        moved = x[trial] + length[trial, None] * step[trial]
        found = objective(moved, active[trial])
        enough = found - value[trial] >= 1e-4 * length[trial] * decrement[trial]
        reached[trial[enough]] = found[enough]
        trial = trial[~enough]
        length[trial] /= 2
    length[trial] = 0.0
    return length, reached
