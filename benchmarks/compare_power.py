"""Does `simbench compare` tell runs apart that differ, and keep quiet about those that do not?

Run ``python benchmarks/compare_power.py [studies]`` (about two minutes a hundred studies on one core). In every study
people of the population of ``metrics_coverage.py`` are drawn, and runs made for them: two perfect ones (fresh draws
from the people's own distribution) and uniform answers. Told apart: p <= 0.05 in the mean Jensen-Shannon distance.
Ways: resampled people as before (difference of the reported draws), exchanges (``p``), these corrected for every
figure of the pair at once (``p_step``), and the test of equal closeness (``p_closer``).

Run ``python benchmarks/compare_power.py null [studies]`` for the size of ``p_closer``: pairs of runs that differ from
each other and err equally in the population, so that p_closer <= 0.05 should come in 5 % of the studies. *Up and
down*: one moves half of the answers to two beliefs a step up, the other a share of them a step down. *Other items*:
one errs in these two, the other in the third. *Much and little*: one errs in one belief, the other less in two. The
second run's share is set so that the mean distance of 200,000 people is that of the first. Written anew in numpy, for
speed, and held against ``compare`` itself in the first ten studies (whose random draws are others).
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from metrics_coverage import DESIGN, answers, coherent, profiles
from scipy.optimize import brentq
from scipy.spatial.distance import jensenshannon

from simbench.design import People
from simbench.harness.config import RunSettings, ScoringPlan, ScoringSettings
from simbench.harness.contest import Contest, measured
from simbench.harness.likelihood import Likelihoods
from simbench.plugin.manager import load_plugins
from simbench.report.contestants import Contestant
from simbench.report.differences import differences
from simbench.stats.recentring import recentred
from simbench.stats.resampling import bootstrap_weights
from simbench.stats.swaps import guarded, swap_p

FIGURE = ("js_distance", "mean")
METRICS = ("js_distance", "value_action_gap", "unique_structures", "effect_sizes")
SIZES = (100, 200)
NULL_SIZES = (60, 200)
MANY = 200_000
WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "up and down": (("harm+", "mood+"), ("harm-", "mood-")),
    "other items": (("harm+", "mood+"), ("colour+",)),
    "much and little": (("harm+",), ("mood+", "colour+")),
}
RESAMPLES = 499
CHECKED = 10
ERRING = 0.5
"""Share of answers that the first run of a pair moves."""


class Population:
    """What scoring needs of a study."""

    synthetic, name, design = True, "coverage", DESIGN

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """The population's rule."""
        return coherent(people)


def contest(seed: int, n: int) -> Contest:
    """People and three runs: ``perfect``, ``again`` and ``uniform``."""
    rng = np.random.default_rng(seed)
    who = profiles(rng, n)
    frame = answers(who, rng, different=False)
    anew = [answers(who.assign(trait=rng.normal(size=n)), rng, different=False) for _ in range(2)]
    anyhow = frame.assign(**{item.name: rng.choice(np.array(item.values), n) for item in DESIGN.items})
    return entered(frame, dict(zip(("perfect", "again", "uniform"), [*anew, anyhow], strict=True)), seed, METRICS)


def entered(frame: pd.DataFrame, runs: dict[str, pd.DataFrame], seed: int, wanted: tuple[str, ...]) -> Contest:
    """The contest of these people's answers and those of runs, by these metrics."""
    people = People(DESIGN, frame).answering({item.name: item.codes(frame[item.name]) for item in DESIGN.items})
    entrants: Any = {
        name: SimpleNamespace(
            responses=told.assign(replicate=0, status="ok"), likelihoods=Likelihoods(), pilot=None, learned=""
        )
        for name, told in runs.items()
    }
    classes = [entry.cls for entry in load_plugins().of("metric") if entry.name in wanted]
    plan: Any = ScoringPlan(
        experiment=Population(),  # type: ignore[arg-type]
        metrics=tuple(cls(cls.Config()) for cls in classes),
        settings=RunSettings(
            scoring=ScoringSettings(resamples=RESAMPLES, swaps=RESAMPLES, splits=1, floors=1, seed=seed)
        ),
        config={},
        scorers={},
    )
    return Contest(plan, people, entrants, outside=True)


def erring(who: pd.DataFrame, rng: np.random.Generator, moved: tuple[str, ...], share: float) -> pd.DataFrame:
    """Fresh draws from the people's own distribution, of which a share is moved a step up (+) or down (-)."""
    frame = answers(who.assign(trait=rng.normal(size=len(who))), rng, different=False)
    for name, sign in ((each[:-1], each[-1]) for each in moved):
        item = DESIGN.item(name)
        codes = item.codes(frame[name]).astype(int)
        step = (rng.random(len(who)) < share) * (1 if sign == "+" else -1)
        frame[name] = np.array(item.values)[np.clip(codes + step, 0, len(item.values) - 1)]
    return frame


def distances(human: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distances (...) between tables of counts (..., K)."""
    h, t = (each / each.sum(axis=-1, keepdims=True) for each in (human, simulated))
    return np.asarray(jensenshannon(h, t, base=2, axis=-1))


def tables(frame: pd.DataFrame) -> list[np.ndarray]:
    """(n, K) of zeros and ones for every belief."""
    return [np.eye(len(item.values))[item.codes(frame[item.name]).astype(int)] for item in DESIGN.main_items]


def distance(frame: pd.DataFrame, other: pd.DataFrame) -> float:
    """Mean distance over beliefs."""
    each = zip(tables(frame), tables(other), strict=True)
    return float(np.mean([distances(h.sum(axis=0), t.sum(axis=0)) for h, t in each]))


def equal_share(moved: tuple[str, ...], wished: float) -> float:
    """The share at which these moves are as far from 200,000 people as is wished (the same draws throughout)."""
    who = profiles(np.random.default_rng(0), MANY)
    people = answers(who, np.random.default_rng(1), different=False)

    def beyond(share: float) -> float:
        return distance(people, erring(who, np.random.default_rng(2), moved, share)) - wished

    return float(brentq(beyond, 0.01, 0.99, xtol=1e-3))


def by_hand(frame: pd.DataFrame, runs: dict[str, pd.DataFrame], rng: np.random.Generator) -> tuple[float, float]:
    """``p`` and ``p_closer`` of the mean distance of two runs, written anew but for the last steps."""
    human, (one, other) = tables(frame), [tables(each) for each in runs.values()]
    strata = (frame["tone"].astype(str) + frame["who"]).to_numpy(str)
    drawn = bootstrap_weights(len(frame), RESAMPLES, rng, strata)
    corrected_ones = []
    for told in (one, other):
        found = np.mean([distances(drawn @ h, drawn @ t) for h, t in zip(human, told, strict=True)], axis=0)
        corrected_ones.append(np.sqrt(np.maximum(recentred(found**2, 2), 0)))
    apart = float((corrected_ones[0] - corrected_ones[1])[1:].std(ddof=1))
    mask = np.vstack([np.ones(len(frame)), rng.integers(0, 2, (RESAMPLES, len(frame)))])
    differences_ = np.mean(
        [
            distances(h.sum(axis=0)[None], mask @ a + (1 - mask) @ b)
            - distances(h.sum(axis=0)[None], mask @ b + (1 - mask) @ a)
            for h, a, b in zip(human, one, other, strict=True)
        ],
        axis=0,
    )
    return float(swap_p(np.abs(differences_))), float(swap_p(np.abs(guarded(differences_, apart))))


def by_product(frame: pd.DataFrame, runs: dict[str, pd.DataFrame], seed: int) -> tuple[float, float]:
    """The same two from ``compare``."""
    held = entered(frame, runs, seed, FIGURE[:1])
    _, losses, _ = measured(held)
    own = {figure: {name: {name: each[name]} for name in runs} for figure, each in losses.items()}
    found = differences(own, [Contestant(name, (name,), ("",)) for name in runs], None, (0, 1), held)[0]
    row = found[(found["metric"] == FIGURE[0]) & (found["item"] == FIGURE[1])].iloc[0]
    return float(row["p"]), float(row["p_closer"])


def null(studies: int) -> None:
    """Print the share of studies, in %, in which a pair that errs equally is told apart."""
    who = profiles(np.random.default_rng(0), MANY)
    people = answers(who, np.random.default_rng(1), different=False)
    print("| runs | distance | n | p | p_closer | p_closer of compare, less by hand |\n|" + " --- |" * 6, flush=True)
    for title, (first, second) in WAYS.items():
        wished = distance(people, erring(who, np.random.default_rng(2), first, ERRING))
        share = equal_share(second, wished)
        for n in NULL_SIZES:
            found, off = [], []
            for seed in range(studies):
                rng = np.random.default_rng([seed, n, len(title)])
                mine = profiles(rng, n)
                runs = {"a": erring(mine, rng, first, ERRING), "b": erring(mine, rng, second, share)}
                frame = answers(mine, rng, different=False)
                found.append(by_hand(frame, runs, rng))
                if seed < CHECKED:
                    off.append(by_product(frame, runs, seed)[1] - found[-1][1])
            shares = " | ".join(f"{100 * each:.1f}" for each in (np.array(found) <= 0.05).mean(axis=0))
            checked = f"{np.mean(off):+.3f} ({np.abs(off).max():.3f} at most)"
            print(f"| {title} | {wished:.3f} | {n} | {shares} | {checked} |", flush=True)


def main(studies: int) -> None:
    """Print the share of studies in which each pair is told apart, in %."""
    print("| n | runs | resampled people | exchanges | the same, corrected | equally close |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for n in SIZES:
        told: dict[tuple[str, str], list[list[bool]]] = {("perfect", "uniform"): [], ("perfect", "again"): []}
        for seed in range(studies):
            held = contest(1000 * n + seed, n)
            _, losses, _ = measured(held)
            for pair, found in told.items():
                one, other = (Contestant(name, (name,), ("",)) for name in pair)
                own = {figure: {name: {name: each[name]} for name in pair} for figure, each in losses.items()}
                tables = [differences(own, (one, other), None, (0, 1), way)[0] for way in (None, held)]
                rows = [t[(t["metric"] == FIGURE[0]) & (t["item"] == FIGURE[1])].iloc[0] for t in tables]
                ps = [rows[0]["p"], *(rows[1][name] for name in ("p", "p_step", "p_closer"))]
                found.append([p <= 0.05 for p in ps])
        for pair, found in told.items():
            shares = " | ".join(f"{100 * share:.0f}" for share in np.mean(found, axis=0))
            print(f"| {n} | {' and '.join(pair)} | {shares} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["null"]:
        null(int(sys.argv[2]) if len(sys.argv) > 2 else 400)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
