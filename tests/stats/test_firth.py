"""Firth's logit against the published worked example of the R package logistf.

The data are the 239 women of Foxman et al. (1997) on urinary tract infection, as the package's ``sex2``; the
results are those of its documentation.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from simbench.stats import Status, bootstrap_weights, fit_firth, fit_glm, generator

Floats = NDArray[np.float64]
NAMES = ("(Intercept)", "age", "oc", "vic", "vicl", "vis", "dia")
SEX2 = (
    # case, age, oc, vic, vicl, vis, dia, women
    (1, 0, 0, 0, 0, 1, 0, 1),
    (1, 0, 0, 1, 0, 0, 0, 14),
    (1, 0, 0, 1, 0, 1, 0, 3),
    (1, 0, 0, 1, 1, 0, 0, 10),
    (1, 0, 0, 1, 1, 1, 0, 12),
    (1, 0, 0, 1, 1, 1, 1, 1),
    (1, 0, 1, 0, 0, 0, 0, 44),
    (1, 0, 1, 0, 0, 0, 1, 3),
    (1, 0, 1, 1, 0, 0, 0, 15),
    (1, 0, 1, 1, 0, 0, 1, 1),
    (1, 0, 1, 1, 0, 1, 0, 2),
    (1, 0, 1, 1, 1, 0, 0, 7),
    (1, 0, 1, 1, 1, 1, 0, 3),
    (1, 1, 0, 1, 0, 0, 0, 2),
    (1, 1, 0, 1, 0, 1, 0, 1),
    (1, 1, 0, 1, 0, 1, 1, 1),
    (1, 1, 0, 1, 1, 0, 0, 1),
    (1, 1, 0, 1, 1, 1, 1, 1),
    (1, 1, 1, 0, 0, 0, 0, 5),
    (1, 1, 1, 1, 0, 0, 0, 3),
    (0, 0, 0, 0, 0, 1, 0, 1),
    (0, 0, 0, 1, 0, 0, 0, 2),
    (0, 0, 0, 1, 0, 1, 0, 1),
    (0, 0, 0, 1, 1, 0, 0, 8),
    (0, 0, 0, 1, 1, 1, 0, 18),
    (0, 0, 1, 0, 0, 0, 0, 42),
    (0, 0, 1, 0, 0, 1, 0, 1),
    (0, 0, 1, 1, 0, 0, 0, 1),
    (0, 0, 1, 1, 1, 0, 0, 5),
    (0, 0, 1, 1, 1, 1, 0, 6),
    (0, 1, 0, 1, 1, 0, 0, 2),
    (0, 1, 0, 1, 1, 1, 0, 4),
    (0, 1, 1, 0, 0, 0, 0, 14),
    (0, 1, 1, 0, 0, 1, 0, 1),
    (0, 1, 1, 1, 0, 0, 0, 1),
    (0, 1, 1, 1, 1, 1, 0, 2),
)
COEFFICIENTS = [0.12025404, -1.10598130, -0.06881673, 2.26887464, -2.11140816, -0.78831694, 3.09601166]
STANDARD_ERRORS = [0.4855415, 0.4236601, 0.4437934, 0.5484160, 0.5430823, 0.4173676, 1.6750220]
P_VALUES = [0.8020268, 0.006143472, 0.8751911, 1.678877e-06, 1.237805e-05, 0.05449701, 0.004951873]


def sex2() -> tuple[Floats, Floats, Floats]:
    table = np.array(SEX2, dtype=float)
    return table[:, 0], np.column_stack([np.ones(len(table)), table[:, 1:7]]), table[:, 7]


def test_the_published_example() -> None:
    y, x, count = sex2()
    assert count.sum() == 239
    fit = fit_firth(y, x, count, names=NAMES, profile=True)
    assert fit.estimates[0] == pytest.approx(COEFFICIENTS, abs=1e-6)
    assert fit.standard_errors[0] == pytest.approx(STANDARD_ERRORS, rel=1e-5)
    assert fit.p_values[0] == pytest.approx(P_VALUES, rel=1e-5)
    # Without the penalty the coefficient of dia is infinite.
    assert fit_glm("logit", y, x, count, names=NAMES).reason().endswith(": dia")


STEPS = 1e-4 * np.eye(3)


def penalised(beta: Floats, y: Floats, x: Floats, w: Floats) -> float:
    eta = x @ beta
    mu = 1 / (1 + np.exp(-eta))
    information = (x * (w * mu * (1 - mu))[:, None]).T @ x
    return float(-(w @ (y * eta - np.logaddexp(0, eta)) + np.linalg.slogdet(information)[1] / 2))


# Under (133, 10) plain scoring steps overshoot by a factor of two, for ever.
@pytest.mark.parametrize(("seed", "n"), [(133, 10), *((seed, 8 + seed % 30) for seed in range(60))])
def test_estimates_maximise_the_penalised_likelihood(seed: int, n: int) -> None:
    rng = generator(seed)
    x = np.column_stack([np.ones(n), rng.integers(0, 2, n), rng.normal(size=n)])
    y = (rng.random(n) < 0.35).astype(float)
    w = rng.integers(0, 3, n).astype(float)
    fit = fit_firth(y, x, w)
    if fit.status[0] in (Status.CONSTANT_OUTCOME, Status.RANK_DEFICIENT, Status.TOO_FEW):
        return
    assert fit.status[0] == Status.OK
    direct = minimize(penalised, np.zeros(3), (y, x, w), method="BFGS", options={"gtol": 1e-7})
    assert penalised(fit.estimates[0], y, x, w) <= direct.fun + 1e-10
    slope = [
        penalised(fit.estimates[0] + step, y, x, w) - penalised(fit.estimates[0] - step, y, x, w) for step in STEPS
    ]
    assert slope == pytest.approx(np.zeros(3), abs=1e-9)


def test_one_group_has_the_closed_form() -> None:
    # With an intercept alone, Firth adds half a success and half a failure.
    fit = fit_firth([1.0] * 3 + [0.0] * 9, np.ones((12, 1)), profile=True)
    assert fit.estimates[0, 0] == pytest.approx(np.log(3.5 / 9.5), abs=1e-12)
    assert 0 < fit.p_values[0, 0] < 1


def test_resamples_that_separate_are_fitted_too() -> None:
    rng = generator(4)
    x = np.column_stack([np.ones(40), np.arange(40) % 2])
    y = np.where(x[:, 1] == 1, rng.random(40) < 0.95, rng.random(40) < 0.4).astype(float)
    weights = bootstrap_weights(40, 200, rng)
    plain, firth = fit_glm("logit", y, x, weights), fit_firth(y, x, weights)
    assert (plain.status == Status.SEPARATION).sum() > 20
    assert firth.ok.all()
    assert np.abs(firth.estimates).max() < 12
    row = int(np.flatnonzero(plain.status == Status.SEPARATION)[0])
    assert firth.estimates[row] == pytest.approx(fit_firth(y, x, weights[row]).estimates[0], abs=1e-9)


def test_what_cannot_be_fitted_says_why() -> None:
    x = np.column_stack([np.ones(6), np.arange(6.0)])
    assert fit_firth(np.ones(6), x).status[0] == Status.CONSTANT_OUTCOME
    assert fit_firth([0, 1, 0, 1, 0, 1], np.column_stack([x, x[:, 1]])).status[0] == Status.RANK_DEFICIENT
    assert fit_firth([0, 1], x[:2]).status[0] == Status.TOO_FEW
    with pytest.raises(ValueError, match="only 0 and 1"):
        fit_firth([0, 1, 2, 0, 1, 2], x)
