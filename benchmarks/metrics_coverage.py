"""How often do the intervals hold the truth? Repeated studies drawn from a known population.

Run ``python benchmarks/metrics_coverage.py --folder FOLDER`` (about a quarter of an hour on one core) and copy the
tables it prints into docs/coverage.md. Finished repetitions are kept in ``--folder``; ``--minutes`` stops early, and
the next call goes on from there. In every repetition as many people as asked for are drawn from the population, a
simulated participant is drawn for each, and every metric is scored; the interval that simbench reports is held
against the truth, and so are plain percentiles and BCa on the same resamples. Two simulations: one whose people
differ from real ones, and one that draws from the very same distribution (the null check: intervals should hold 0
and tests should be silent).
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from simbench.design import Design, Factor, Item, People, Profile, Regression
from simbench.harness.comparisons import scheme
from simbench.harness.inference import SHIFTS, estimates
from simbench.metrics.base import Comparison, Metric, Score, Side
from simbench.metrics.worth import Worth, WorthConfig
from simbench.plugin.manager import load_plugins
from simbench.stats import acceleration, bca_interval, bootstrap_weights, jackknife_weights, percentile_interval
from simbench.stats.recentring import recentred
from simbench.stats.rng import generator

LABELLED = 60
KEY = ("metric", "item", "subgroup", "level")
KINDS = ("reported", "percentile", "bca", "once", "twice")
OF_SAMPLES = (
    *("f1_sign", "fpr", "fnr", "type_s", "type_m", "interval_coverage", "compatible_share"),
    "treatment_effect_correlation",
)
"""Rates of significance and raw correlations depend on n, so their intervals are for samples of this size."""
GOAL = (0.93, 0.97)
COUNTS = ("tp", "fp", "fn", "tn", "flipped", "undefined", "joint_test")
PART = 25
POPULATION = 200_000
PRECISION = 1e-3
"""The truths are figures of that many people, so an interval of one point is held to them no more closely."""
DESIGN = Design(
    "coverage",
    factors=(Factor("tone", (0, 1)), Factor("who", ("a", "b"))),
    profile=(Profile("group", levels=("x", "y", "z")),),
    items=(
        Item("harm", "belief", "?", options=range(1, 6)),
        Item("mood", "belief", "?", options=range(1, 5)),
        Item("colour", "belief", "?", options=("red", "green", "blue"), ordered=False),
        Item("act", "decision", "?", options=(0, 1)),
    ),
    regressions=(
        Regression("act ~ tone + harm + C(group)", family="logit"),
        Regression("harm ~ tone * C(who) + C(group)", family="ols"),
    ),
)


def profiles(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Who takes part: profile, treatment, and a trait that nobody sees."""
    return pd.DataFrame(
        {
            "participant_id": np.arange(n).astype(str),
            "group": rng.choice(list("xyz"), n, p=[0.5, 0.3, 0.2]),
            "tone": rng.integers(0, 2, n),
            "who": rng.choice(list("ab"), n),
            "trait": rng.normal(size=n),
        }
    )


def answers(who: pd.DataFrame, rng: np.random.Generator, different: bool) -> pd.DataFrame:
    """Answers of people, or of a simulation that has weaker effects, less spread and other habits."""
    n, effect, spread = len(who), (0.5 if different else 1.0), (0.7 if different else 1.0)
    latent = effect * (0.6 * who["tone"] + 0.5 * (who["group"] == "y") + 0.3 * (who["who"] == "b"))
    latent = latent + 0.6 * who["trait"] + spread * rng.normal(size=n)
    harm = np.clip(np.round(latent + (2.9 if different else 2.5)), 1, 5).astype(int)
    mood = np.clip(np.round(latent / 2 + spread * rng.normal(size=n) + 2.4), 1, 4).astype(int)
    red = 0.35 if different else 0.5
    colour = rng.choice(["red", "green", "blue"], n, p=[red, 0.3, 0.7 - red])
    act = ((0.4 if different else 0.8) * (harm - 3) + 0.3 * who["tone"] + rng.logistic(size=n) > 0).astype(int)
    return who.drop(columns="trait").assign(harm=harm, mood=mood, colour=colour, act=act)


def coherent(people: pd.DataFrame) -> pd.Series:
    """Harm above 3 goes with acting, below with not."""
    harm, act = people["harm"].astype("Int64"), people["act"].astype("Int64")
    return ((harm > 3) == (act == 1)).mask(harm == 3)


def study(rng: np.random.Generator, n: int, resamples: int, different: bool) -> Comparison:
    """One study: people, a simulation of each, weights (ones, bootstrap, leave-one-out)."""
    who = profiles(rng, n)
    frames = answers(who, rng, False), answers(who, rng, different)
    human, simulated = (
        People(DESIGN, frame).answering({item.name: item.codes(frame[item.name]) for item in DESIGN.items})
        for frame in frames
    )
    weights = np.ones((1, n))
    if resamples:
        drawn = bootstrap_weights(n, resamples, rng, human.condition.to_numpy(str))
        weights = np.vstack([drawn, jackknife_weights(n)])
    seed = int(rng.integers(2**31))
    return Comparison(
        Side(human, weights), Side(simulated, weights), coherent, 0.05, partial(generator, seed), np.arange(n)
    )


def figures(metrics: list[Metric[Any]], comparison: Comparison) -> Iterator[Score]:
    """Every figure that has a value in this study."""
    for metric in metrics:
        for each in metric.score(comparison):
            if np.isfinite(each.value[0]) and each.metric not in COUNTS:
                yield each


def truths(metrics: list[Metric[Any]], different: bool, people: int) -> dict[Any, float]:
    """Every figure of the populations themselves, but for the chance in 200,000 people."""
    comparison = study(np.random.default_rng(0), POPULATION, 0, different)
    found = {}
    for each in figures(metrics, replace(comparison, generator=None)):
        value = float(each.value[0])
        if each.metric == "n_effective":
            many, few = POPULATION - LABELLED, people - LABELLED
            explained = (1 - LABELLED / value) * (LABELLED + many) / many
            value = LABELLED / (1 - explained * few / (LABELLED + few))
            found["rectified", *each.key[1:]] = _human_estimate(comparison, metrics, each)
        found[each.key] = value
    return found


def _human_estimate(comparison: Comparison, metrics: list[Metric[Any]], each: Score) -> float:
    """The populations' own mean or coefficient, which the rectified estimate is for."""
    if each.item in [item.name for item in DESIGN.items]:
        return float(np.mean(comparison.human.numbers(DESIGN.item(str(each.item)))))
    if "=" in str(each.item):
        name, value = str(each.item).split("=")
        return float((comparison.human.people.frame[name] == value).mean())
    for other in figures([m for m in metrics if m.name == "coefficient_recovery"], comparison):
        if other.metric == "coefficient" and other.item == each.item and other.human is not None:
            return float(other.human[0])
    raise KeyError(each.item)


def held(found: list[Score], resamples: int, people: People, better: dict[str, str]) -> pd.DataFrame:
    """The ends of every kind of interval of every figure, and its p-value."""
    given = [replace(each, value=each.value[: resamples + 1]) for each in found]
    frame = estimates(given, better, 0.95, resamples, scheme(people))
    strata = people.condition.to_list()
    whole = np.stack([each.value for each in found], axis=1)
    drawn, accelerations = whole[: resamples + 1], acceleration(whole[resamples + 1 :], strata)
    kinds = {"percentile": percentile_interval(drawn), "bca": bca_interval(drawn, accelerations)}
    for times in (1, 2):
        shifted = [each.scale.back(recentred(each.scale.there(each.value[: resamples + 1]), times)) for each in found]
        kinds[("once", "twice")[times - 1]] = percentile_interval(np.stack(shifted, axis=1))
    table = frame[list(KEY)].assign(bias=[each.bias for each in found], estimate=whole[0], p=frame["p"])
    table["reported_low"], table["reported_high"] = frame["ci_low"], frame["ci_high"]
    by_theory = np.array([each.interval is not None for each in found])
    for kind, ends in kinds.items():
        table[f"{kind}_low"] = np.where(by_theory, np.nan, ends.low)
        table[f"{kind}_high"] = np.where(by_theory, np.nan, ends.high)
    return table


def battery() -> list[Metric[Any]]:
    """Every metric that has intervals."""
    left_out = ("trusted_size", "verdict", "worth")
    classes = [entry.cls for entry in load_plugins().of("metric") if entry.name not in left_out]
    return [*(cls(cls.Config()) for cls in classes), Worth(WorthConfig(labelled=LABELLED))]


def repeated(
    metrics: list[Metric[Any]], different: bool, repetitions: range, people: int, resamples: int
) -> pd.DataFrame:
    """Intervals of every figure in some of the studies."""
    better = {name: way for metric in metrics for name, way in metric.better.items()}
    parts = []
    for repetition in repetitions:
        comparison = study(np.random.default_rng([repetition, different]), people, resamples, different)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts.append(held(list(figures(metrics, comparison)), resamples, comparison.human.people, better))
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Carry out the studies that are missing; once all are there, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--folder", type=Path, required=True, help="for finished parts")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no further part after these minutes")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    until, metrics = time.monotonic() + 60 * given.minutes, battery()
    parts: dict[bool, list[Path]] = {True: [], False: []}
    for different, kept in parts.items():
        for start in range(0, given.repetitions, PART):
            part = range(start, min(start + PART, given.repetitions))
            path = given.folder / f"{given.people}-{given.resamples}-{different}-{part.start}-{part.stop}.parquet"
            kept.append(path)
            if not path.exists() and time.monotonic() < until:
                repeated(metrics, different, part, given.people, given.resamples).to_parquet(path)
    if missing := [path.name for kept in parts.values() for path in kept if not path.exists()]:
        print(f"{len(missing)} parts of {PART} repetitions to go: run again")
        return
    for different, kept in parts.items():
        rows = pd.concat([pd.read_parquet(path) for path in kept], ignore_index=True)
        report(
            rows,
            truths(metrics, different, given.people),
            different,
            (given.repetitions, given.people, given.resamples),
        )


def coverage(rows: pd.DataFrame, truth: dict[Any, float], repetitions: int) -> pd.DataFrame:
    """One line per figure: how often each kind of interval holds what it is for."""
    lines = []
    for at, each in rows.groupby(list(KEY), sort=False, dropna=False):
        key = tuple(None if pd.isna(part) else part for part in at)
        sample = SHIFTS[each["bias"].iloc[0]] == 1 or key[0] in OF_SAMPLES or not np.isfinite(truth.get(key, np.nan))
        about = each["estimate"].mean() if sample else truth[key]
        line = dict(zip(KEY, key, strict=True)) | {"of": "samples" if sample else "populations", "about": about}
        slack = 1e-9 + (0.0 if sample else PRECISION * abs(about))
        line["given"] = each["reported_low"].notna().sum() / repetitions
        line["p"] = (each["p"] < 0.05).mean() if each["p"].notna().any() else np.nan
        for kind in KINDS:
            low, high = each[f"{kind}_low"], each[f"{kind}_high"]
            known = low.notna() & high.notna()
            inside = (low <= about + slack) & (about <= high + slack)
            line[kind] = inside[known].mean() if known.any() else np.nan
        lines.append(line)
    return pd.DataFrame(lines)


def report(rows: pd.DataFrame, truth: dict[Any, float], different: bool, size: tuple[int, int, int]) -> None:
    """One line per metric id: coverage over its figures (items, levels, coefficients)."""
    which = "whose answers differ from people's" if different else "drawn from people's own distribution"
    print(f"\n### A simulation {which}: {size[0]} studies of {size[1]} people, {size[2]} resamples\n")
    table = coverage(rows, truth, size[0])
    heads = (
        "figure",
        "interval for",
        "figures",
        "below 93 %",
        "above 97 %",
        "lowest",
        "highest",
        "least often given",
    )
    print("| " + " | ".join((*heads, *KINDS, "p < 0.05")) + " |")
    print("| --- " * (len(heads) + len(KINDS) + 1) + "|")
    for (name, of), each in table.groupby(["metric", "of"], sort=False):
        found = each["reported"]
        if found.notna().any():
            counts = [len(each), (found < GOAL[0]).sum(), (found > GOAL[1]).sum()]
            cells = [found.min(), found.max(), each["given"].min(), *(each[kind].mean() for kind in KINDS)]
            words = ["" if np.isnan(cell) else f"{cell:.3f}" for cell in (*cells, each["p"].mean())]
            print(f"| {name} | {of} | " + " | ".join([*map(str, counts), *words]) + " |", flush=True)


if __name__ == "__main__":
    main()
