"""How fast the statistics are: the whole battery on 929 + 929 people, and distances against other packages.

Run with ``python benchmarks/statistics_speed.py [resamples]`` (default 2,000). One BLAS thread is used unless
``OPENBLAS_NUM_THREADS`` says otherwise: with more, threads of jobs that share a machine spin against each other.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from simbench import stats

DISTANCES: tuple[Callable[..., Any], ...] = (
    stats.js_distance,
    stats.total_variation,
    stats.wasserstein_ordered,
    stats.kl_divergence,
)
N, ITEMS, OPTIONS, LEVELS, CELLS = 929, 5, 7, 12, 8


def people(rng: np.random.Generator) -> dict[str, Any]:
    """One sample: five belief items, a decision, a subgroup variable, a treatment group, a design matrix."""
    levels, cells = rng.integers(0, LEVELS, N), np.arange(N) % CELLS
    trait = rng.normal(size=N)
    scores = trait[:, None] + 0.1 * levels[:, None] + rng.normal(size=(N, ITEMS))
    answers = np.clip(np.round(scores + 3), 0, OPTIONS - 1).astype(np.int64)
    design = np.column_stack([np.ones(N), cells[:, None] == np.arange(1, CELLS), trait, rng.normal(size=(N, 3))])
    decision = (rng.random(N) < 1 / (1 + np.exp(-trait))).astype(np.int64)
    return {"answers": answers, "levels": levels, "design": design, "decision": decision, "cells": cells}


def distances(human: dict[str, Any], simulated: dict[str, Any], w: Any, v: Any) -> None:
    """All distances per item, overall and per level, with intervals."""
    for item in range(ITEMS):
        for groups in ((None, None), (LEVELS, LEVELS)):
            sides = [
                stats.option_counts(
                    one["answers"][:, item], OPTIONS, weights, one["levels"] if groups[0] else None, groups[1]
                )
                for one, weights in ((human, w), (simulated, v))
            ]
            for measure in DISTANCES:
                stats.percentile_interval(measure(*sides))


def structures(human: dict[str, Any], simulated: dict[str, Any], w: Any, v: Any) -> None:
    """Distinct structures, raw and rarefied, entropy, joint distance."""
    (one, other), number = stats.code_structures(human["answers"], simulated["answers"])
    p, q = stats.option_counts(one, number, w), stats.option_counts(other, number, v)
    stats.js_distance(p, q)
    for counts in (p, q):
        stats.unique_count(counts)
        stats.rarefied_count(counts, N // 2)
        stats.entropy(counts)
        stats.mode_share(counts)


def spread(human: dict[str, Any], simulated: dict[str, Any], w: Any, v: Any) -> None:
    """Variance within and between groups, correlations, alpha, information."""
    for one, weights in ((human, w), (simulated, v)):
        for item in range(ITEMS):
            stats.variance_parts(one["answers"][:, item], one["levels"], LEVELS, weights)
            stats.mutual_information(one["answers"][:, item], OPTIONS, one["decision"], 2, weights)
        stats.correlation_matrices(one["answers"], weights)
        stats.cronbach_alpha(one["answers"], weights)


def regressions(human: dict[str, Any], simulated: dict[str, Any], w: Any, v: Any) -> None:
    """A logit and a least squares regression on both sides, and what they recover."""
    for family in ("logit", "ols"):
        fits = [
            stats.fit_glm(family, one["decision" if family == "logit" else "trait"], one["design"], weights)
            for one, weights in ((human, w), (simulated, v))
        ]
        stats.sign_recovery(fits[0].estimates, fits[0].p_values, fits[1].estimates, fits[1].p_values)
        stats.equal_coefficients(fits[0].estimates, fits[0].covariance, fits[1].estimates, fits[1].covariance)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of the second of two runs."""
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def battery(resamples: int) -> None:
    """Print seconds per part."""
    rng = stats.generator(0, "benchmark")
    human, simulated = people(rng), people(rng)
    for one in (human, simulated):
        one["trait"] = one["answers"].sum(axis=1).astype(float)
    start = time.perf_counter()
    w, v = (stats.bootstrap_weights(N, resamples, rng, human["cells"]) for _ in range(2))
    print(f"{'part':<28} seconds   ({resamples} resamples, {N} + {N} people)")
    print(f"{'resampling weights':<28} {time.perf_counter() - start:7.2f}")
    for part in (distances, structures, spread, regressions):
        begin = time.perf_counter()
        part(human, simulated, w, v)
        print(f"{part.__name__:<28} {time.perf_counter() - begin:7.2f}")
    print(f"{'all':<28} {time.perf_counter() - start:7.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def against_others(resamples: int) -> None:
    """Print the Jensen-Shannon distance of 5 items in 12 levels, per way of computing it."""
    from popfidelity import metrics
    from scipy.spatial.distance import jensenshannon

    rng = stats.generator(0, "benchmark")
    human, simulated = people(rng), people(rng)
    w, v = (stats.bootstrap_weights(N, resamples, rng, human["cells"]) for _ in range(2))
    tables = [
        [
            stats.option_counts(one["answers"][:, item], OPTIONS, weights, one["levels"], LEVELS).reshape(-1, OPTIONS)
            for item in range(ITEMS)
        ]
        for one, weights in ((human, w), (simulated, v))
    ]
    rows = [np.concatenate(side) for side in tables]
    known = (rows[0].sum(axis=1) > 0) & (rows[1].sum(axis=1) > 0)
    p, q = (stats.normalise(side[known]) for side in rows)
    few = slice(0, len(p) // 50)

    def loop() -> None:
        for one, other in zip(p[few], q[few]):
            jensenshannon(one, other, base=2)

    ours = timed(lambda: stats.js_distance(p, q))
    scipys = timed(loop) * len(p) / len(p[few])
    rust = timed(lambda: metrics.distance(p, q, "js_distance", base=2))
    print(f"\nJensen-Shannon distance of {len(p):,} pairs of distributions over {OPTIONS} options")
    for name, seconds in (("simbench", ours), ("popfidelity (Rust)", rust), ("loop over scipy", scipys)):
        print(f"{name:<28} {seconds:7.3f} s   {seconds / ours:6.1f} x")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    battery(count)
    against_others(count)
