"""Do cross-fitted intervals hold the truth, and are they ever wider than those of humans alone?

Populations with known truth; simulations from perfect to adversarial; n = 60, 200, 1,000 people; 1,000 repetitions.

    OMP_NUM_THREADS=1 python benchmarks/infer_coverage.py [REPETITIONS] [SIMULATIONS] [SIZES]

People have a covariate x and are put under two arms by chance. The outcome is x + 0.5 arm + noise (numbers), or that
above a cut (0/1). Estimands: mean and share (with twice as many people without answers), treatment effect
(predictions under both arms, nobody without answers), and slopes of least squares and of a logit on x and arm
(likewise). Simulations: *perfect* answers nearly as the same person asked again (correlation 0.89 of what is noise);
*good* is the expected outcome; *weak* a quarter of it, with noise; *constant*; *noise*; *flipped* says the opposite
of what is expected; *biased* is off by 2 and ignores the arm; *learner* is least squares fitted to the other folds;
*memoriser* answers as the most similar of the people of the other folds. Last, the memoriser without cross-fitting:
it repeats its pilot, and shows what folds are for; and with five splits into folds (``repeats=5``). SIMULATIONS is a
text that their names begin with.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import expit, ndtr

from simbench.stats.crossfit import (
    WORTHWHILE,
    CrossFitted,
    Evidence,
    Rows,
    crossfit_contrast,
    crossfit_glm,
    median_of_splits,
)

FOLDS = 5
SIZES = (60, 200, 1000)
SIMULATIONS = (
    *("perfect", "good", "weak", "constant", "noise", "flipped", "biased", "learner", "memoriser"),
    "memoriser, 5 splits",
    "memoriser, not cross-fitted",
)
EFFECT = 0.5


def population(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariate, arm, noise."""
    return rng.normal(size=n), rng.permutation(np.arange(n) % 2), rng.normal(size=n)


def predicted(
    kind: str, rng: np.random.Generator, mine: tuple[np.ndarray, np.ndarray, np.ndarray], others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of the labelled under both arms (n, 2), and of the unlabelled (N, 2)."""
    x, _, noise = mine
    expected = x[:, None] + EFFECT * np.array([0.0, 1.0])
    far = others[:, None] + EFFECT * np.array([0.0, 1.0])
    own_noise, far_noise = rng.normal(size=(len(x), 1)), rng.normal(size=(len(others), 1))
    again = 0.4 * rng.normal(size=(len(x), 2)), 0.4 * rng.normal(size=(len(others), 2))
    fixed = {
        "perfect": (expected + 0.8 * noise[:, None] + again[0], far + 0.8 * far_noise + again[1]),
        "good": (expected, far),
        "weak": (0.25 * expected + own_noise, 0.25 * far + far_noise),
        "constant": (0 * expected, 0 * far),
        "noise": (own_noise + 0 * expected, far_noise + 0 * far),
        "flipped": (-expected, -far),
        "biased": (np.repeat(x[:, None] + 2, 2, axis=1), np.repeat(others[:, None] + 2, 2, axis=1)),
    }
    return fixed[kind] if kind in fixed else learned(kind, rng, mine, others)


def learned(
    kind: str, rng: np.random.Generator, mine: tuple[np.ndarray, np.ndarray, np.ndarray], others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of a model that is adapted without each fold, or with everybody."""
    x, arm, noise = mine
    y = x + EFFECT * arm + noise
    fold = rng.permutation(np.arange(len(x)) % FOLDS)
    near, rest = np.empty((len(x), 2)), np.zeros((len(others), 2))
    for k in range(FOLDS):
        inside = fold == k
        train = ~inside if "not" not in kind else np.ones(len(x), dtype=bool)
        for which in (0, 1):
            at, to = (np.column_stack([np.ones(v.size), v, np.full(v.size, which)]) for v in (x[inside], others))
            if kind == "learner":
                design = np.column_stack([np.ones(train.sum()), x[train], arm[train]])
                beta = np.linalg.lstsq(design, y[train], rcond=None)[0]
                near[inside, which], rest[:, which] = at @ beta, rest[:, which] + to @ beta / FOLDS
            else:
                pool = np.flatnonzero(train & (arm == which))
                order = pool[np.argsort(x[pool])]

                def nearest(values: np.ndarray, order: np.ndarray = order) -> np.ndarray:
                    right = np.clip(np.searchsorted(x[order], values), 1, len(order) - 1)
                    left = right - 1
                    closer = np.abs(x[order[left]] - values) < np.abs(x[order[right]] - values)
                    return y[order[np.where(closer, left, right)]]

                near[inside, which], rest[:, which] = nearest(x[inside]), rest[:, which] + nearest(others) / FOLDS
    return near, rest


def rows(values: np.ndarray, unit: np.ndarray | None = None, design: np.ndarray | None = None) -> Rows:
    return Rows(
        values,
        np.ones((len(values), 1)) if design is None else design,
        np.arange(len(values)) if unit is None else unit,
    )


def designs(x: np.ndarray, arm: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x, arm])


def once(kind: str, n: int, rng: np.random.Generator) -> Iterator[tuple[str, CrossFitted, int]]:
    """Every estimand of one repetition: name, result, and which coefficient."""
    mine, others = population(rng, n), rng.normal(size=2 * n)
    base, _, splits = kind.partition(", ")
    if not splits.endswith("splits"):
        yield from estimated(kind, n, rng, mine, others)
        return
    drawn = [list(estimated(base, n, rng, mine, others)) for _ in range(int(splits.split()[0]))]
    for several in zip(*drawn, strict=True):
        yield several[0][0], together([each for _, each, _ in several]), several[0][2]


def together(found: list[CrossFitted]) -> CrossFitted:
    """Results of several splits as one, as ``infer repeats=R`` does it."""
    first = found[0]
    middle, error = median_of_splits(
        np.stack([each.estimates for each in found]), np.stack([each.standard_errors for each in found])
    )
    adds = error**2 < WORTHWHILE * first.human_errors**2
    estimate, error = np.where(adds, middle, first.human), np.where(adds, error, first.human_errors)
    half = error * (first.human_high - first.human_low) / (2 * first.human_errors)
    return replace(first, estimates=estimate, standard_errors=error, low=estimate - half, high=estimate + half)


def estimated(
    kind: str,
    n: int,
    rng: np.random.Generator,
    mine: tuple[np.ndarray, np.ndarray, np.ndarray],
    others: np.ndarray,
) -> Iterator[tuple[str, CrossFitted, int]]:
    """Every estimand of these people with one split."""
    x, arm, noise = mine
    y = x + EFFECT * arm + noise
    binary = (y > 1).astype(float)
    near, far = predicted(kind, rng, mine, others)
    own, rest = near[np.arange(n), arm], far.mean(axis=1)
    chance, rest_chance = expit(2 * (own - 1)), expit(2 * (far - 1)).mean(axis=1)
    yield "mean", crossfit_glm("ols", Evidence(rows(y), rows(own), unlabelled=rows(rest))), 0
    yield "share", crossfit_glm("ols", Evidence(rows(binary), rows(chance), unlabelled=rows(rest_chance))), 0
    sides = []
    for which in (1, 0):
        at = np.flatnonzero(arm == which)
        sides.append(Evidence(rows(y[at], at), rows(own[at], at), arms=rows(near[:, which])))
    yield "effect", crossfit_contrast(*sides), 0
    table, every = designs(x, arm), np.concatenate([designs(x, np.full(n, a)) for a in (0, 1)])
    unit = np.tile(np.arange(n), 2)
    arms = rows(near.T.reshape(-1), unit, every)
    found = crossfit_glm("ols", Evidence(rows(y, None, table), rows(own, None, table), arms))
    yield "ols: x", found, 1
    yield "ols: arm", found, 2
    arms = rows(expit(2 * (near.T.reshape(-1) - 1)), unit, every)
    found = crossfit_glm("logit", Evidence(rows(binary, None, table), rows(chance, None, table), arms))
    yield "logit: arm", found, 2


def truths() -> dict[str, float]:
    """True values; that of the logit by a fit to two million people."""
    rng = np.random.default_rng(1)
    x, arm, noise = population(rng, 2_000_000)
    binary = (x + EFFECT * arm + noise > 1).astype(float)
    from statsmodels.api import Logit

    slope = Logit(binary, designs(x, arm)).fit(disp=0).params[2]
    share = 0.5 * (1 - ndtr(1 / np.sqrt(2))) + 0.5 * (1 - ndtr((1 - EFFECT) / np.sqrt(2)))
    return {
        "mean": EFFECT / 2,
        "share": float(share),
        "effect": EFFECT,
        "ols: x": 1.0,
        "ols: arm": EFFECT,
        "logit: arm": float(slope),
    }


def main() -> None:
    """Print one Markdown table per size."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    sizes = tuple(map(int, sys.argv[3].split(","))) if len(sys.argv) > 3 else SIZES
    known = truths()
    for n in sizes:
        print(f"\n**n = {n}**: coverage in % (median ratio of widths to humans alone; largest)\n")
        print(f"| simulation | {' | '.join(known)} |\n| --- |{' ---: |' * len(known)}")
        for kind in (each for each in SIMULATIONS if each.startswith(wanted)):
            held: dict[str, list[bool]] = defaultdict(list)
            ratios: dict[str, list[float]] = defaultdict(list)
            alone: dict[str, list[bool]] = defaultdict(list)
            for repetition in range(repetitions):
                rng = np.random.default_rng([repetition, n])
                for name, found, at in once(kind, n, rng):
                    if not np.isfinite(found.estimates[at]):
                        continue
                    held[name].append(bool(found.low[at] <= known[name] <= found.high[at]))
                    alone[name].append(bool(found.human_low[at] <= known[name] <= found.human_high[at]))
                    ratios[name].append(float(found.width_ratio[at]))
            cells = [
                f"{100 * np.mean(held[name]):.1f} ({np.median(ratios[name]):.2f}; {np.max(ratios[name]):.2f})"
                for name in known
            ]
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)
            if kind == SIMULATIONS[-1]:
                print(f"| *humans alone* | {' | '.join(f'{100 * np.mean(alone[name]):.1f}' for name in known)} |")


if __name__ == "__main__":
    main()
