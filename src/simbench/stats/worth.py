"""How many humans a few labelled people and many simulated ones are worth, per estimand.

Power-tuned prediction-powered inference (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453) with n labelled and N
simulated people has, at its best lambda, the variance of the human estimate times ``1 - rho^2 N / (n + N)``, where
rho is the correlation between what an answer and what its simulation does to the estimate (their influences). So
n labelled people and the simulation are worth

    ``n_effective = n / (1 - rho^2 N / (n + N))``

labelled people: n where the simulation tells nothing person by person, n + N where it is never wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats, Ints, as_weights, ratio
from simbench.stats.regression.glm import FAMILIES

__all__ = ["effective_size", "influences"]


def influences(
    family: str, outcome: ArrayLike, design: ArrayLike, start: ArrayLike, survey: ArrayLike | None = None
) -> Floats:
    """Influence (n, p) of every row on the coefficients one Newton step from ``start``; rows sum to 0.

    Args:
        family: ``ols``, ``logit`` or ``poisson``.
        outcome: (n,), answers or predictions of them.
        design: (n, p).
        start: (p,) coefficients at which both human and simulated influences are taken.
        survey: (n,) survey weights; None = all rows count alike.

    Raises:
        numpy.linalg.LinAlgError: columns that are constant or collinear.
    """
    kind = FAMILIES[family]
    x, y, beta = (np.asarray(part, dtype=np.float64) for part in (design, outcome, start))
    mean = kind.mean(x @ beta)
    variance, rest = kind.variance(mean), y - mean
    if survey is not None:
        variance, rest = variance * np.asarray(survey), rest * np.asarray(survey)
    bread = np.linalg.inv((x * variance[:, None]).T @ x)
    move = bread @ (x.T @ rest)
    residual = rest - variance * (x @ move)
    return np.asarray((x * residual[:, None]) @ bread)


def effective_size(
    human: ArrayLike,
    simulated: ArrayLike,
    n_labelled: int,
    n_simulated: int,
    weights: ArrayLike | None = None,
    among: Ints | None = None,
) -> Floats:
    """Effective number of labelled people under every row of weights: (R, p).

    Simulated influences that do not vary tell nothing: n_labelled. A negative correlation counts as none, as the
    power is tuned within [0, 1]. NaN where the human influences do not vary.

    Args:
        human: (n, p) influences of human answers.
        simulated: (n, p) influences of the same people's simulated answers.
        n_labelled: people with human answers.
        n_simulated: people with simulated answers only.
        weights: (R, n).
        among: (n,) which columns of ``weights`` (R, N) are those of these people, where it has more.
    """
    h, s = np.asarray(human, dtype=np.float64), np.asarray(simulated, dtype=np.float64)
    w = as_weights(weights, h.shape[0] if weights is None or among is None else np.shape(weights)[-1])
    parts = np.hstack([h, s, h**2, s**2, h * s, np.ones((len(h), 1))])
    if among is not None:
        parts, here = np.zeros((w.shape[1], parts.shape[1])), parts
        parts[among] = here
    sums = w @ parts  # the weights are read once: of many people they are large
    mean_h, mean_s, square_h, square_s, product = np.split(ratio(sums[:, :-1], sums[:, -1:]), 5, axis=1)
    spread_h, spread_s = square_h - mean_h**2, square_s - mean_s**2
    # A spread at rounding level is none.
    still_h, still_s = spread_h <= 1e-12 * square_h, spread_s <= 1e-12 * square_s
    together = product - mean_h * mean_s
    scale = np.sqrt(np.where(still_h | still_s, np.nan, np.maximum(spread_h * spread_s, 0.0)))
    explained = np.where(still_s & ~still_h, 0.0, np.clip(ratio(together, scale), 0.0, 1.0) ** 2)
    return n_labelled / (1 - explained * n_simulated / (n_labelled + n_simulated))
