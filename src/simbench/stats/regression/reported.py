"""The fit that is reported: by statsmodels, in place of row 0 of a batch of fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from simbench.stats._arrays import Floats
from simbench.stats.regression.result import Fit, Status

__all__ = ["REPORTED", "reported"]

REPORTED = ("ols", "logit", "poisson")
"""Families that statsmodels fits here. Its ordered logit stops short of the maximum (BFGS), and it has neither
Firth's penalty nor intervals as outcomes, so those are our own throughout."""


def reported(
    fit: Fit, family: str, outcome: Floats, design: Floats, weights: Floats, clusters: ArrayLike | None = None
) -> Fit:
    """Replace row 0 of the fits, that of the data as they are, by statsmodels' estimates and covariance.

    Resamples stay what the batched code made of them; on the same rows both agree to rounding.

    Args:
        fit: of R rows of weights.
        family: one of :data:`REPORTED`; any other comes back as it is.
        outcome: (n,).
        design: (n, p).
        weights: (n,) of row 0. Only rows that count once or not at all are handed to statsmodels.
        clusters: (n,) for the clustered sandwich; None = the model's covariance.
    """
    if family not in REPORTED or fit.status[0] != Status.OK or not np.isin(weights, (0.0, 1.0)).all():
        return fit
    used = weights > 0
    among = None if clusters is None else np.asarray(clusters)[used]
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):  # of this thread alone, unlike warnings
            result = _fitted(family, outcome[used], design[used], among)
    except (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError):
        return fit  # a fit that statsmodels doubts stays our own
    estimates, covariance = fit.estimates.copy(), fit.covariance.copy()
    estimates[0], covariance[0] = result.params, result.cov_params()
    return replace(fit, estimates=estimates, covariance=covariance)


def _fitted(family: str, outcome: Floats, design: Floats, clusters: Any) -> Any:
    """Let statsmodels fit one sample."""
    from statsmodels.discrete.discrete_model import Logit, Poisson
    from statsmodels.regression.linear_model import OLS

    robust: dict[str, Any] = {}
    if clusters is not None:
        codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
        robust = {"cov_type": "cluster", "cov_kwds": {"groups": codes}}
    if family == "ols":
        return OLS(outcome, design).fit(**robust)
    model = (Logit if family == "logit" else Poisson)(outcome, design)
    model.raise_on_perfect_prediction = True
    result = model.fit(disp=0, maxiter=100, tol=1e-10, warn_convergence=False, **robust)
    if not result.mle_retvals["converged"]:
        raise ArithmeticError("no maximum was found")
    return result
