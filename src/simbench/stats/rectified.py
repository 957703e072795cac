"""Rectified estimates: a few human answers and many simulated ones, with intervals that stay valid.

Prediction-powered inference (Angelopoulos et al. 2023, Science 382; power tuning: Angelopoulos, Duchi and Zrnic
2023, arXiv 2311.01453). The labelled people (a pilot) have real and simulated answers, the unlabelled ones simulated
answers only. Each coefficient is

    ``rectified = human + lambda (simulated on the unlabelled - simulated on the labelled)``

The bracket has mean zero whatever the simulation is like, so the estimate is right also for a bad simulation; lambda
is chosen per coefficient to make the variance smallest, and goes to 0 when the simulation tells nothing.

**Two conditions are on the caller.** Labelled and unlabelled people must be draws from one population (weight a
pilot drawn with unequal chances), and the simulated answers of the labelled must be made as those of the unlabelled
are: a model that was *trained* on the pilot repeats the pilot's answers and makes the correction look too good. Such
a model needs cross-fitting, or a labelled sample it has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from simbench.stats._arrays import Floats, ratio
from simbench.stats.regression.basis import orthonormal_basis
from simbench.stats.regression.glm import FAMILIES, Family, fit_glm

__all__ = ["Rectified", "Sample", "newton_step", "rectified_glm", "rectified_mean"]


@dataclass(frozen=True)
class Sample:
    """Rows of one kind of people.

    Attributes:
        outcome: (n,) answers, or predictions of them (simulated answers may be means or probabilities).
        design: (n, p) design matrix. For simulated answers it holds the *simulated* values of predictors that are
            answers themselves.
        weights: (n,) positive survey weights, proportional to 1 / chance of being drawn; None = equal.
        clusters: (n,) person of each row where a person has several; None = each row is its own.
    """

    outcome: Floats
    design: Floats
    weights: Floats | None = None
    clusters: NDArray[np.generic] | None = None


@dataclass(frozen=True)
class Rectified:
    """Rectified coefficients (p,) beside the classical ones from the labelled people alone.

    All NaN where they cannot be computed; ``reason`` then says why, and is empty otherwise.

    Attributes:
        names: of the coefficients.
        estimates: rectified.
        standard_errors: of the rectified.
        low: lower end of the interval.
        high: upper end.
        power: lambda of each coefficient, in [0, 1] when tuned.
        classical: from human answers alone.
        classical_errors: their standard errors, by the same sandwich formula.
        n_labelled: people (clusters) with human answers.
        n_effective: how many labelled people alone would give the rectified standard error,
            ``n_labelled (classical error / rectified error)^2``.
        n_differing: labelled rows whose prediction is not their answer; below 10, do not trust the interval.
        reason: why nothing could be computed.
    """

    names: tuple[str, ...]
    estimates: Floats
    standard_errors: Floats
    low: Floats
    high: Floats
    power: Floats
    classical: Floats
    classical_errors: Floats
    n_labelled: int
    n_effective: Floats
    n_differing: int
    reason: str = ""


def rectified_mean(
    answers: ArrayLike,
    predicted: ArrayLike,
    unlabelled: ArrayLike,
    *,
    level: float = 0.95,
    power: float | None = None,
) -> Rectified:
    """Rectify the mean of an answer: :func:`rectified_glm` with nothing but an intercept.

    Args:
        answers: (n,) human answers of the labelled.
        predicted: (n,) simulated answers of the same people.
        unlabelled: (N,) simulated answers of the others.
        level: nominal coverage.
        power: fix lambda; None = tune it.
    """
    samples = [np.asarray(part, dtype=np.float64) for part in (answers, predicted, unlabelled)]
    human, simulated, rest = (Sample(part, np.ones((part.size, 1))) for part in samples)
    return rectified_glm("ols", human, simulated, rest, names=("mean",), level=level, power=power)


def rectified_glm(
    family: str,
    labelled: Sample,
    predicted: Sample,
    unlabelled: Sample,
    *,
    names: tuple[str, ...] | None = None,
    level: float = 0.95,
    power: float | None = None,
) -> Rectified:
    """Rectify the coefficients of a regression (``ols``, ``logit`` or ``poisson``).

    The simulated coefficients of both groups are one Newton step away from the human ones. For least squares that
    step is exact, and the estimate is that of ``ppi_py.ppi_ols_pointestimate``; for the others it is equivalent in
    large samples, and needs no maximum to exist in the simulated answers, which may separate. Standard errors are
    HC3 sandwich errors of the influence functions, clustered ones with the factor ``G/(G-1) (n-1)/(n-p)``; intervals
    use the t distribution with n - p degrees of freedom (clusters: G - 1).

    In simulations with 30 to 116 labelled people and four coefficients, 95 % intervals covered 94 to 98 %, with one
    exception: where fewer than about ten of the labelled differ from their prediction (``n_differing``), the
    correction rests on a handful of people, and coverage fell to 86 % (logit, 30 people, 3 of them differing).

    Args:
        family: of the regression.
        labelled: human answers of the labelled people.
        predicted: simulated answers of the same people, row by row.
        unlabelled: simulated answers of the unlabelled.
        names: of the p coefficients; default ``x0``, ``x1`` ...
        level: nominal coverage.
        power: fix lambda (0 = human answers only, 1 = plain prediction-powered inference); None = tune it.

    Raises:
        ValueError: samples that do not fit each other, or an unknown family.
    """
    p = labelled.design.shape[1]
    labels = names or tuple(f"x{column}" for column in range(p))
    if (
        labelled.outcome.size != predicted.outcome.size
        or not p == predicted.design.shape[1] == unlabelled.design.shape[1]
    ):
        raise ValueError("labelled and predicted must be the same people, and all designs have the same columns")
    weights = None if labelled.weights is None else labelled.weights * labelled.outcome.size / labelled.weights.sum()
    fit = fit_glm(family, labelled.outcome, labelled.design, weights, names=labels)
    clusters = labelled.clusters if labelled.clusters is not None else np.arange(labelled.outcome.size)
    n, free = np.unique(clusters).size, labelled.outcome.size - p
    if labelled.clusters is not None:
        free = n - 1
    reason = "labelled people: " + fit.reason() if fit.reason() else ""
    for who, sample in (("predicted", predicted), ("unlabelled", unlabelled)):
        if not reason and (orthonormal_basis(sample.design).aliased or sample.outcome.size <= p):
            reason = f"simulated answers of the {who}: predictors are constant or collinear, or rows are too few"
    if not reason and free < 1:
        reason = "labelled people: too few"
    if reason:
        return _nothing(labels, n, _differing(labelled, predicted), reason)
    kind, start = FAMILIES[family], fit.estimates[0]
    _, human = newton_step(kind, labelled, start, labelled.weights)
    near, simulated = newton_step(kind, predicted, start, labelled.weights)
    far, rest = newton_step(kind, unlabelled, start, unlabelled.weights)
    human, simulated = _by_cluster(human, clusters), _by_cluster(simulated, clusters)
    rest = _by_cluster(rest, unlabelled.clusters)
    human_scale, rest_scale = _scale(labelled, p), _scale(unlabelled, p)
    together, noise = human_scale * (human * simulated).sum(0), human_scale * (simulated**2).sum(0)
    noise = noise + rest_scale * (rest**2).sum(0)
    tuned = np.clip(np.nan_to_num(ratio(together, noise)), 0.0, 1.0)
    strength = tuned if power is None else np.full(p, float(power))
    variance = human_scale * ((human - strength * simulated) ** 2).sum(0) + strength**2 * rest_scale * (rest**2).sum(
        0
    )
    errors, classical_errors = np.sqrt(variance), np.sqrt(human_scale * (human**2).sum(0))
    estimates = start + strength * (far - near)
    reach = stdtrit(free, (1 + level) / 2) * errors
    return Rectified(
        names=labels,
        estimates=estimates,
        standard_errors=errors,
        low=estimates - reach,
        high=estimates + reach,
        power=strength,
        classical=start,
        classical_errors=classical_errors,
        n_labelled=n,
        n_effective=n * ratio(classical_errors, errors) ** 2,
        n_differing=_differing(labelled, predicted),
    )


def newton_step(kind: Family, sample: Sample, start: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """One Newton step from ``start``, and each row's influence on where it ends (rows sum to 0): (p,), (n, p).

    Influences are those of HC3. LinAlgError where the columns of the design are constant or collinear.
    """
    x, n = sample.design, sample.outcome.size
    w = np.ones(n) if weights is None else weights * n / weights.sum()
    mu = kind.mean(x @ start)
    variance = kind.variance(mu)
    bread = np.linalg.inv((x * (w * variance)[:, None]).T @ x)
    move = bread @ (x.T @ (w * (sample.outcome - mu)))
    residual = sample.outcome - mu - variance * (x @ move)
    # HC3: a row that pulls the fit towards itself leaves too small a residual.
    leverage = w * variance * ((x @ bread) * x).sum(axis=1)
    return start + move, (x * (w * residual / np.maximum(1 - leverage, 1e-3))[:, None]) @ bread


def _by_cluster(influence: Floats, clusters: NDArray[np.generic] | None) -> Floats:
    if clusters is None:
        return influence
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    sums = np.zeros((codes.max() + 1, influence.shape[1]))
    np.add.at(sums, codes, influence)
    return sums


def _scale(sample: Sample, p: int) -> float:
    """Small-sample factor of a sandwich variance."""
    n = sample.outcome.size
    if sample.clusters is None:
        return 1.0
    groups = np.unique(sample.clusters).size
    return groups / (groups - 1) * (n - 1) / (n - p) if groups > 1 else float("nan")


def _differing(labelled: Sample, predicted: Sample) -> int:
    return int((labelled.outcome != predicted.outcome).sum())


def _nothing(names: tuple[str, ...], n: int, differing: int, reason: str) -> Rectified:
    empty = np.full(len(names), np.nan)
    return Rectified(names, empty, empty, empty, empty, empty, empty, empty, n, empty, differing, reason)
