"""Which small-sample correction lets the sandwich error of a pilot's regression foretell that of a larger study?

Known truth: samples of n and of n' of one population. *Off* is the width forecast over the width then seen, less one,
for every slope. Least squares, logit, Poisson, ordered logit; normal and mixed predictors (rare 0/1, heavy tails);
spread alike and not (``het``: with a predictor; Poisson: gamma-mixed). Candidates for the variance at n', with
p coefficients and g(n) = n / ((n - p)(n - p - 1)):

    plain    HC3 n / n', t with n' - 1 degrees of freedom (what ``plan`` did until November 2026)
    df       HC3 (n - p) / (n' - p)
    counting HC3 ((n - p)^2 / n) / ((n' - p)^2 / n')
    wishart  HC3 g(n') / g(n)
    plug     n HC0 g(n')
    between  HC0 (HC3 / HC0)^(n / n') n / n'
    loo      leave-one-out leverages and residuals, row by row, rescaled to n'
    informed inverse information (least squares, Poisson: times the residual dispersion) (n - p - 1) g(n')
    half     geometric mean of counting and informed
    chosen   informed for logit and ordered logit, whose mean settles the variance; else counting

The rule written down before the first run was the smallest mean over rows of the median |off|, which is *informed*.
It is taken where the mean settles the variance, and not for least squares and Poisson: there it does not come true in
pilots of any size where the spread differs between people (``het``), and neither does *half*. Of the others that do,
*counting* is as good as any, and the simplest.

    OMP_NUM_THREADS=1 python benchmarks/plan_forecast.py [REPETITIONS]
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator

import numpy as np
from scipy.special import expit, stdtrit

from simbench.stats.allocation import counting
from simbench.stats.regression.glm import FAMILIES, fit_glm
from simbench.stats.regression.ordered import fit_ordered
from simbench.stats.stepping import ordered_step

CANDIDATES = ("plain", "df", "counting", "wishart", "plug", "between", "loo", "informed", "half", "chosen")
SETTLED = ("logit", "ordered")
SHAPES = ((4, 60, 120), (10, 60, 120), (10, 60, 240), (14, 60, 240), (10, 150, 600))
LEVELS = (-1.5, -0.3, 0.5, 1.6)


def populations() -> Iterator[tuple[str, str, str]]:
    """Family, predictors, spread."""
    for family in ("ols", "logit", "poisson", "ordered"):
        yield family, "normal", "alike"
        yield family, "mixed", "alike"
        if family not in SETTLED:
            yield family, "mixed", "het"


def drawn(family: str, kind: str, spread: str, n: int, p: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Outcome and design of n people."""
    x = rng.normal(size=(n, p - 1))
    if kind == "normal":
        x = x @ np.linalg.cholesky(0.5 + 0.5 * np.eye(p - 1)).T
    else:
        for at in range((p - 1) // 2):
            x[:, at] = rng.random(n) < (0.5, 0.25, 0.12)[at % 3]
        x[:, -1] = rng.standard_t(5, size=n)
    eta = x[:, :3] @ np.array([0.5, -0.3, 0.2])
    design = np.column_stack([np.ones(n), x])
    if family == "ols":
        scale = 1.0 if spread == "alike" else 0.4 + np.abs(x[:, -1])
        return eta + scale * rng.normal(size=n), design
    if family == "logit":
        return (rng.random(n) < expit(eta - 0.3)).astype(float), design
    if family == "poisson":
        rate = np.exp(0.5 + 0.5 * eta) * (1.0 if spread == "alike" else rng.gamma(2, 0.5, size=n))
        return rng.poisson(rate).astype(float), design
    return np.searchsorted(LEVELS, eta + rng.logistic(size=n)), design


def told(family: str, y: np.ndarray, x: np.ndarray, later: int) -> tuple[dict[str, np.ndarray], np.ndarray] | None:
    """Variance of every slope at ``later`` people by every candidate, and the variance here; None without a fit."""
    if family == "ordered":
        return told_ordered(y, x, later)
    fit = fit_glm(family, y, x)
    if fit.reason():
        return None
    (n, p), kind, m = x.shape, FAMILIES[family], later
    mu = kind.mean(x @ fit.estimates[0])
    v, e = kind.variance(mu), y - mu
    bread = np.linalg.inv((x * v[:, None]).T @ x)
    c, h = x @ bread, np.minimum(v * ((x @ bread) * x).sum(axis=1), 0.999)
    deleted = e / (1 - h)
    hc0, hc3 = ((c * e[:, None]) ** 2).sum(axis=0), ((c * deleted[:, None]) ** 2).sum(axis=0)
    phi = 1.0 if family == "logit" else (e**2 / v).sum() / (n - p)

    def g(size: int) -> float:
        return size / ((size - p) * (size - p - 1))

    def second(size: int) -> float:
        return (size - 1) / ((size - p) * (size - p - 1) * (size - p - 3))

    apart = h / (1 - h) * (n - p - 2) / (m - p - 2)
    rows = deleted**2 * (1 - h) / (1 + apart)
    found = {
        "plain": hc3 * n / m,
        "df": hc3 * (n - p) / (m - p),
        "counting": hc3 * counting(n, p) / counting(m, p),
        "wishart": hc3 * g(m) / g(n),
        "plug": n * hc0 * g(m),
        "between": hc0 * (hc3 / hc0) ** (n / m) * n / m,
        "loo": m / n * ((c / (1 - h)[:, None]) ** 2 * rows[:, None]).sum(axis=0) * second(m - 1) / second(n - 1),
        "informed": phi * np.diag(bread) * (n - p - 1) * g(m),
    }
    found["half"] = np.sqrt(found["counting"] * found["informed"])
    found["chosen"] = np.diag(bread) * (n - p) / counting(m, p) if family == "logit" else found["counting"]
    return {name: each[1:] for name, each in found.items()}, hc3[1:]


def told_ordered(y: np.ndarray, x: np.ndarray, m: int) -> tuple[dict[str, np.ndarray], np.ndarray] | None:
    """The same for an ordered logit, whose sandwich is HC0 n / (n - q), q with the thresholds."""
    fit = fit_ordered(y, x[:, 1:], levels=range(len(LEVELS) + 1))
    if fit.reason():
        return None
    start, n, slopes = fit.estimates[0], len(y), x.shape[1] - 1
    influence = ordered_step(np.eye(len(LEVELS) + 1)[y], x[:, 1:], start, None)[1][:, :slopes]
    q, hc0 = start.size, (influence**2).sum(axis=0)
    here, error2 = hc0 * n / (n - q), fit.standard_errors[0, :slopes] ** 2
    found = {
        "plain": here * n / m,
        "df": here * (n - q) / (m - q),
        "counting": here * counting(n, q) / counting(m, q),
        "wishart": here * (n - q - 1) / (m - q - 1),
        "plug": n * hc0 / (m - q - 1),
        "informed": error2 * (n - q - 1) / (m - q - 1),
        "chosen": error2 * (n - q) / counting(m, q),
    }
    found["half"] = np.sqrt(found["counting"] * found["informed"])
    return found, here


def off(family: str, kind: str, spread: str, shape: tuple[int, int, int], seed: int) -> dict[str, np.ndarray] | None:
    """How far every candidate is off, for every slope of one pair of samples."""
    (p, n, later), rng = shape, np.random.default_rng([seed, *shape])
    pilot, study = (drawn(family, kind, spread, size, p, rng) for size in (n, later))
    try:
        first, second = told(family, *pilot, later), told(family, *study, later)
    except np.linalg.LinAlgError:
        return None
    spent = p + (len(LEVELS) - 1 if family == "ordered" else 0)
    reach = stdtrit(later - 1, 0.975) / stdtrit(later - spent, 0.975)  # plain took n' - 1 degrees of freedom
    if first is None or second is None:
        return None
    ratios = {name: np.sqrt(each / second[1]) for name, each in first[0].items()}
    return {name: each * (reach if name == "plain" else 1) - 1 for name, each in ratios.items()}


def main() -> None:
    """Print a row per population and shape: median |off| and median off in %; then the summary by family."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    warnings.simplefilter("ignore")
    print(f"| family | predictors | p | n to n' | fits | {' | '.join(CANDIDATES)} |")
    print(f"|{' --- |' * (5 + len(CANDIDATES))}")
    kept: dict[str, list[dict[str, float]]] = {}
    for family, kind, spread in populations():
        for shape in SHAPES:
            found = [off(family, kind, spread, shape, seed) for seed in range(repetitions)]
            known = [each for each in found if each is not None]
            all_off = {name: np.concatenate([each[name] for each in known]) for name in known[0]}
            medians = {name: 100 * float(np.median(np.abs(each))) for name, each in all_off.items()}
            kept.setdefault(family, []).append(medians)
            cells = [
                f"{medians[name]:.0f} ({100 * np.median(all_off[name]):+.0f})" if name in medians else "-"
                for name in CANDIDATES
            ]
            p, n, later = shape
            where = f"{family} | {kind}, {spread} | {p} | {n} to {later} | {len(known)}"
            print(f"| {where} | {' | '.join(cells)} |", flush=True)
    print(f"\n| mean (worst) of the medians | {' | '.join(CANDIDATES)} |\n|{' --- |' * (1 + len(CANDIDATES))}")
    for family, rows in [*kept.items(), ("all", [row for each in kept.values() for row in each])]:
        values = {name: [row[name] for row in rows if name in row] for name in CANDIDATES}
        cells = [f"{np.mean(each):.1f} ({max(each):.0f})" if each else "-" for each in values.values()]
        print(f"| {family} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
