"""How fast the metrics are: 929 + 929 people, 5 items, 12 subgroup levels, two regressions, 2,000 resamples.

Run with ``python benchmarks/metrics_speed.py [resamples]``. Prints seconds (wall and processor) and peak memory of
every metric and of the whole battery with its intervals, then the distribution part (Jensen-Shannon distance of
every item among everybody and in every subgroup level, every resample) against plain loops over scipy's function
and against popfidelity, which has the distance in Rust.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from popfidelity import Cells, metrics, uncertainty
from scipy.spatial.distance import jensenshannon
from threadpoolctl import threadpool_limits

from simbench.design import Design, Factor, Item, People, Profile, Regression
from simbench.harness.inference import estimates
from simbench.metrics.base import Comparison, Side
from simbench.plugin.manager import load_plugins
from simbench.stats import bootstrap_weights, js_distance
from simbench.stats.rng import generator

PEOPLE, OPTIONS = 929, 11
BELIEFS = ("one", "two", "three", "four")
DESIGN = Design(
    "speed",
    factors=(Factor("known", (0, 1)), Factor("said", ("a", "b", "c", "d"))),
    profile=(
        Profile("ethnicity", levels=("v", "w", "x", "y", "z")),
        Profile("gender", levels=("woman", "man")),
        Profile("education", levels=(1, 2, 3, 4, 5)),
    ),
    items=(
        *(Item(name, "belief", "?", options=range(OPTIONS)) for name in BELIEFS),
        Item("act", "decision", "?", options=(0, 1)),
    ),
    regressions=(
        Regression("act ~ known * C(said) + one + two + C(gender) + education", family="logit"),
        Regression("one ~ known * C(said) + C(ethnicity) + C(gender) + education", family="ols"),
    ),
)


def profiles(rng: np.random.Generator) -> pd.DataFrame:
    """Who takes part."""
    n = PEOPLE
    return pd.DataFrame(
        {
            "participant_id": np.arange(n).astype(str),
            "ethnicity": rng.choice(list("vwxyz"), n, p=[0.6, 0.13, 0.12, 0.1, 0.05]),
            "gender": rng.choice(["woman", "man"], n),
            "education": rng.integers(1, 6, n),
            "known": np.arange(n) % 2,
            "said": np.array(list("abcd"))[np.arange(n) // 2 % 4],
        }
    )


def people(who: pd.DataFrame, rng: np.random.Generator, spread: float) -> People:
    """Answers; the smaller the spread, the more alike."""
    frame, n = who.copy(), len(who)
    shift = frame["known"] + 0.3 * frame["education"]
    for name in BELIEFS:
        frame[name] = np.clip(np.round(4 + shift + spread * rng.normal(size=n)), 0, OPTIONS - 1).astype(int)
    frame["act"] = (0.4 * (frame["one"] - 5) + rng.logistic(size=n) > 0).astype(int)
    return People(DESIGN, frame).answering({item.name: item.codes(frame[item.name]) for item in DESIGN.items})


def coherent(frame: pd.DataFrame) -> pd.Series:
    """Landing where one believes more."""
    one, two = frame["one"].astype("Int64"), frame["two"].astype("Int64")
    return ((frame["act"].astype("Int64") == 1) == (one > two)).mask(one == two)


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the clock and of processor time, and what came out."""
    clock, processor = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - clock, time.process_time() - processor, found


def best(work: Callable[[], Any]) -> tuple[float, Any]:
    """Shortest of five times, for what takes a fraction of a second, and what came out."""
    runs = [timed(work) for _ in range(5)]
    return min(clock for clock, _, _ in runs), runs[0][2]


def battery(comparison: Comparison, resamples: int) -> None:
    """Every metric by itself, then intervals of all figures."""
    print(f"{'metric':24}{'seconds':>9}{'processor':>11}{'figures':>9}")
    scores, total = [], np.zeros(2)
    better: dict[str, str] = {}
    for entry in load_plugins().of("metric"):
        metric = entry.cls(entry.cls.Config())
        better |= metric.better
        clock, processor, found = timed(partial(_all, metric, comparison))
        scores += found
        total += clock, processor
        print(f"{metric.name:24}{clock:9.2f}{processor:11.2f}{len(found):9}")
    clock, processor, frame = timed(lambda: estimates(scores, better, 0.95, resamples))
    total += clock, processor
    print(f"{'intervals, p-values':24}{clock:9.2f}{processor:11.2f}{len(frame):9}")
    print(f"{'the whole battery':24}{total[0]:9.2f}{total[1]:11.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak memory {peak:.0f} MB")


def _all(metric: Any, comparison: Comparison) -> list[Any]:
    return list(metric.score(comparison))


def distributions(human: People, simulated: People, resamples: int) -> None:
    """The same distances by others: from answers and resamples (what an analyst would write), and from counts."""
    weights = bootstrap_weights(PEOPLE, resamples, np.random.default_rng(1), human.condition.to_numpy(str))
    metric = next(entry.cls for entry in load_plugins().of("metric") if entry.name == "js_distance")(None)

    def ours() -> Any:
        comparison = Comparison(Side(human, weights), Side(simulated, weights), coherent)
        return {each.key[1:]: each.value for each in metric.tables(comparison, "js_distance", expected=False)}

    tables = counted(Comparison(Side(human, weights), Side(simulated, weights), coherent))
    some = min(200, resamples)
    seconds, found = best(ours)
    print(f"\nJensen-Shannon distance: {len(DESIGN.items)} items x 13 groups x {resamples + 1} resamples")
    print(f"{'from answers: simbench':44}{seconds:9.2f} s")
    clock, _, naive = timed(lambda: plain_loop(human, simulated, weights[:some]))
    clock *= (resamples + 1) / some
    told(f"plain loop, counting and scipy (from {some})", clock, seconds, found, naive)
    seconds, _ = best(lambda: {key: js_distance(*pair) for key, pair in tables.items()})
    print(f"{'from counts: simbench':44}{seconds:9.2f} s")
    clock, _, scipys = timed(
        lambda: {k: [jensenshannon(p, q, base=2) for p, q in zip(*pair, strict=True)] for k, pair in tables.items()}
    )
    told("plain loop over scipy", clock, seconds, found, scipys)
    shares = {key: [side / side.sum(axis=1, keepdims=True) for side in pair] for key, pair in tables.items()}
    clock, rust = best(lambda: {k: metrics.distance(*pair, "js_distance", base=2.0) for k, pair in shares.items()})
    told("popfidelity (Rust), from shares", clock, seconds, found, rust)
    beliefs = [key for key in shares if key[0] in BELIEFS]
    options, labels = tuple(map(str, range(OPTIONS))), tuple(map(str, beliefs))
    cells = [Cells(labels, options, np.stack([shares[key][side][0] for key in beliefs])) for side in (0, 1)]
    clock, _, _ = timed(lambda: uncertainty.bootstrap(*cells, draws=resamples))
    print(f"popfidelity's own bootstrap of the {len(beliefs)} belief cells: {clock:.2f} s (of cells, not people)")


def told(name: str, clock: float, ours: float, found: Any, theirs: Any) -> None:
    """One contestant's line; results must agree."""
    worst = max(float(np.nanmax(np.abs(found[key][: len(each)] - np.asarray(each)))) for key, each in theirs.items())
    print(f"    {name:40}{clock:9.2f} s  {clock / ours:7.1f} times as long; largest difference {worst:.1g}")


def counted(comparison: Comparison) -> dict[Any, tuple[Any, Any]]:
    """Counts (R, K) of both sides for every item among everybody and in every subgroup level."""
    tables: dict[Any, tuple[Any, Any]] = {}
    human, simulated = comparison.sides
    for item in DESIGN.items:
        tables[item.name, None, None] = (human.counts(item.name), simulated.counts(item.name))
        for variable, levels in comparison.levels.items():
            one, other = (side.by_level(item.name, variable, levels) for side in comparison.sides)
            tables |= {(item.name, variable, level): (one[:, g], other[:, g]) for g, level in enumerate(levels)}
    return tables


def plain_loop(human: People, simulated: People, weights: Any) -> dict[Any, list[float]]:
    """Resample by resample, group by group, item by item: pick rows, count answers, call scipy."""
    groups: list[tuple[Any, Any, Any]] = [(None, None, np.ones(PEOPLE, dtype=bool))]
    groups += [
        (variable.name, level, (human.level(variable.name) == level).to_numpy(dtype=bool))
        for variable in DESIGN.subgroups
        for level in human.levels(variable.name)
    ]
    codes = {item.name: (human.codes(item.name), simulated.codes(item.name)) for item in DESIGN.items}
    found: dict[Any, list[float]] = {}
    for row in weights:
        drawn = np.repeat(np.arange(PEOPLE), row.astype(int))
        for variable, level, inside in groups:
            rows = drawn[inside[drawn]]
            for item in DESIGN.items:
                p, q = (np.bincount(each[rows], minlength=len(item.values)) for each in codes[item.name])
                found.setdefault((item.name, variable, level), []).append(jensenshannon(p, q, base=2))
    return found


def main() -> None:
    """Print everything."""
    resamples = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = np.random.default_rng(0)
    who = profiles(rng)
    human, simulated = people(who, rng, 2.5), people(who, rng, 1.8)
    weights = bootstrap_weights(PEOPLE, resamples, rng, human.condition.to_numpy(str))
    chances = {item.name: rng.dirichlet(np.ones(len(item.values)), PEOPLE) for item in DESIGN.items}
    comparison = Comparison(
        Side(human, weights),
        Side(simulated, weights, chances),
        coherent,
        0.05,
        partial(generator, 0),
        np.arange(PEOPLE),
        people(who.assign(participant_id=who["participant_id"] + "p"), rng, 2.5).at(range(200)),
    )
    with threadpool_limits(1):  # as in a run
        battery(comparison, resamples)
        distributions(human, simulated, resamples)


if __name__ == "__main__":
    main()
