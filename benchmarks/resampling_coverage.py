"""How often do intervals hold the truth where rows go together: persons with several answers, and clusters?

Run ``python benchmarks/resampling_coverage.py --folder FOLDER`` and copy the table it prints into docs/coverage.md.
1,000 made-up studies of each design are drawn from a known population (``--designs`` picks some), a simulated
participant is drawn for each row, and the coefficients of a least squares regression and of a logit, and the share
that acts against its beliefs, are scored as in a run. The intervals that simbench reports are held against the truth,
and so are the cluster-robust intervals of statsmodels (t with G - 1 degrees of freedom) on the same data. Finished
parts are kept in the folder; ``--minutes`` stops early, and the next call goes on from there.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.discrete.discrete_model import Logit

from simbench.design import Design, Factor, Item, People, Regression
from simbench.harness.comparisons import scheme
from simbench.harness.inference import estimates
from simbench.metrics.base import Comparison, Side
from simbench.metrics.coherence import ValueActionGap
from simbench.metrics.recovery import CoefficientRecovery
from simbench.settings import NoConfig
from simbench.stats import bootstrap_weights

PART = 100
POPULATION = 40_000
"""Truths are the figures of a study of so many units."""
ITEMS = (
    Item("rating", "belief", "?", options=range(11)),
    Item("act", "decision", "?", options=(0, 1)),
)
METRICS = (CoefficientRecovery(NoConfig()), ValueActionGap(NoConfig()))
Table = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One design: its factors, what goes together, how many units a study has, and how rows are drawn."""

    words: str
    factors: tuple[Factor, ...]
    formula: str
    units: int
    rows: Callable[[np.random.Generator, int], Table]
    person: str | None = None
    cluster: str | None = None

    @property
    def design(self) -> Design:
        """The design with its regressions."""
        regressions = (Regression(f"rating ~ {self.formula}"), Regression(f"act ~ {self.formula}", family="logit"))
        return Design("rows", self.factors, (), ITEMS, regressions, person=self.person, cluster=self.cluster)


def conjoint(rng: np.random.Generator, units: int) -> Table:
    """Five of sixteen profiles each, without repetition."""
    profiles = np.argsort(rng.random((units, 16)), axis=1)[:, :5].reshape(-1)
    levels = {name: profiles >> bit & 1 for bit, name in enumerate("abcd")}
    return {"who": np.repeat(np.arange(units), 5), **levels}


def blocks(rng: np.random.Generator, units: int) -> Table:
    """Three of six treatments each, one in five persons only two."""
    treatments = np.argsort(rng.random((units, 6)), axis=1)[:, :3]
    kept = np.ones((units, 3), dtype=bool)
    kept[:, 2] = rng.random(units) > 0.2
    who = np.repeat(np.arange(units), 3).reshape(units, 3)
    return {"who": who[kept], "a": treatments[kept]}


def rounds(rng: np.random.Generator, units: int) -> Table:
    """An arm for good, and up to six rounds: one person in four drops out somewhere."""
    stays = np.where(rng.random(units) < 0.25, rng.integers(1, 6, units), 6)
    who = np.repeat(np.arange(units), stays)
    number = np.concatenate([np.arange(count) for count in stays])
    return {"who": who, "a": (np.arange(units) % 2)[who], "late": (number >= 3).astype(int)}


def villages(rng: np.random.Generator, units: int) -> Table:
    """Villages of unequal size, each in one arm."""
    sizes = 2 + np.minimum(rng.geometric(1 / 12, units), 60)
    village = np.repeat(np.arange(units), sizes)
    arm = rng.permutation(np.arange(units) % 2)
    return {"village": village, "a": arm[village], "b": rng.integers(0, 2, village.size)}


def village_rounds(rng: np.random.Generator, units: int) -> Table:
    """Villages of unequal size in one arm each, whose people answer twice."""
    once = villages(rng, units)
    people = once["village"].size
    table = {name: np.repeat(column, 2) for name, column in once.items()}
    return table | {"who": np.repeat(np.arange(people), 2), "b": np.tile([0, 1], people)}


TWO = (0, 1)
KINDS = {
    "conjoint": Kind(
        "conjoint: 150 persons, 5 of 16 profiles each",
        tuple(Factor(name, TWO) for name in "abcd"),
        "a + b + c + d",
        150,
        conjoint,
        person="who",
    ),
    "blocks": Kind(
        "incomplete blocks: 120 persons, 2 or 3 of 6 treatments each",
        (Factor("a", tuple(range(6))),),
        "C(a)",
        120,
        blocks,
        person="who",
    ),
    "rounds": Kind(
        "rounds: 100 persons in two arms, 1 to 6 rounds each",
        (Factor("a", TWO), Factor("late", TWO)),
        "a * late",
        100,
        rounds,
        person="who",
    ),
    "villages": Kind(
        "clusters: 60 villages of 3 to 62 people, treated as a whole",
        (Factor("a", TWO), Factor("b", TWO)),
        "a + b",
        60,
        villages,
        cluster="village",
    ),
    "few_villages": Kind(
        "few clusters: 20 villages of 3 to 62 people, treated as a whole",
        (Factor("a", TWO), Factor("b", TWO)),
        "a + b",
        20,
        villages,
        cluster="village",
    ),
    "village_rounds": Kind(
        "clusters over persons: 40 villages, 2 answers a person",
        (Factor("a", TWO), Factor("b", TWO)),
        "a + b",
        40,
        village_rounds,
        person="who",
        cluster="village",
    ),
}


def answers(table: Table, rng: np.random.Generator, human: bool) -> pd.DataFrame:
    """Answers with effects that differ by person and village; the simulation has weaker ones and no such units."""
    factors = [name for name in table if name not in ("who", "village")]
    n, weaker = table[factors[0]].size, 1.0 if human else 0.5
    latent, lean = np.zeros(n), np.zeros(n)
    for name in ("who", "village"):
        if name in table and human:
            unit = table[name]
            size = int(unit.max()) + 1
            latent += 1.2 * rng.normal(size=size)[unit]
            latent += 0.8 * rng.normal(size=size)[unit] * table[factors[0]]
            lean += 0.7 * rng.normal(size=size)[unit]
    for number, name in enumerate(factors):
        latent = latent + weaker * (0.5 - 0.2 * number) * table[name]
    rating = np.clip(np.round(5 + latent + 1.5 * rng.normal(size=n)), 0, 10).astype(int)
    lean = lean + 0.4 * weaker * table[factors[0]] + 0.25 * (rating - 5)
    act = (lean + rng.logistic(size=n) > 0).astype(int)
    ids = {"participant_id": np.arange(n).astype(str)}
    ids |= {name: table[name].astype(str) for name in ("who", "village") if name in table}
    return pd.DataFrame({**ids, **{name: table[name] for name in factors}, "rating": rating, "act": act})


def coherent(people: pd.DataFrame) -> pd.Series:
    """A rating above 5 goes with acting, below with not."""
    rating, act = people["rating"].astype("Int64"), people["act"].astype("Int64")
    return ((rating > 5) == (act == 1)).mask(rating == 5)


def study(kind: Kind, seed: list[int], units: int, resamples: int) -> Comparison:
    """One study: people, a simulation of each, and weights as a run draws them."""
    rng = np.random.default_rng(seed)
    table = kind.rows(rng, units)
    human, simulated = (
        People(kind.design, frame).answering({item.name: item.codes(frame[item.name]) for item in ITEMS})
        for frame in (answers(table, rng, who) for who in (True, False))
    )
    weights = np.ones((1, len(human)))
    if resamples:
        labels = human.condition.to_numpy(str), human.unit.to_numpy(str)
        weights = bootstrap_weights(len(human), resamples, rng, *labels)
    return Comparison(Side(human, weights), Side(simulated, weights), coherent)


def figures(comparison: Comparison) -> list[Any]:
    """Coefficients and value-action gap."""
    found = [each for metric in METRICS for each in metric.score(comparison)]
    return [each for each in found if each.metric in ("coefficient", "value_action_gap")]


def theirs(comparison: Comparison) -> pd.DataFrame:
    """Cluster-robust intervals of the human coefficients by statsmodels."""
    people, lines = comparison.human.people, []
    words = {"cov_type": "cluster", "use_t": True}
    groups = np.unique(people.unit.to_numpy(str), return_inverse=True)[1]
    for regression in comparison.design.regressions:
        human, _ = comparison.designs(regression.formula)
        if regression.family == "ols":
            fit = sm.OLS(human.outcome, human.matrix).fit(cov_kwds={"groups": groups}, **words)
        else:
            fit = Logit(human.outcome, human.matrix).fit(disp=0, cov_kwds={"groups": groups}, **words)
        title = comparison.regression_titles()[regression]
        for name, (low, high) in zip(human.names, fit.conf_int(), strict=True):
            lines.append({"item": f"{title}: {name}", "sm_low": low, "sm_high": high})
    return pd.DataFrame(lines)


def repeated(name: str, repetitions: range, resamples: int) -> pd.DataFrame:
    """Intervals of every figure in some of the studies."""
    kind, parts = KINDS[name], []
    for repetition in repetitions:
        comparison = study(kind, [repetition, len(name)], kind.units, resamples)
        frame = estimates(figures(comparison), {}, 0.95, resamples, scheme(comparison.human.people))
        kept = ["metric", "item", "ci_low", "ci_high", "human_ci_low", "human_ci_high"]
        parts.append(frame[kept].merge(theirs(comparison), on="item", how="left"))
    return pd.concat(parts, ignore_index=True)


def truths(name: str) -> pd.DataFrame:
    """Every figure of the population, human and simulated minus human."""
    kind = KINDS[name]
    found = figures(study(kind, [2**31], POPULATION, 0))
    return pd.DataFrame(
        [{"metric": f.metric, "item": f.item, "truth": f.value[0], "human_truth": f.human[0]} for f in found]
    )


def line(name: str, rows: pd.DataFrame) -> str:
    """One row of the table: coverage of human figures, of differences, and of statsmodels."""
    table = rows.merge(truths(name), on=["metric", "item"])
    kinds = {
        "human": ("human_ci_low", "human_ci_high", "human_truth"),
        "difference": ("ci_low", "ci_high", "truth"),
        "statsmodels": ("sm_low", "sm_high", "human_truth"),
    }
    cells, widths = [], {}
    for which, (low, high, truth) in kinds.items():
        known = table[table[low].notna()]
        inside = (known[low] <= known[truth]) & (known[truth] <= known[high])
        covered = inside.groupby([known["metric"], known["item"].fillna("")]).mean()
        cells.append(f"{covered.mean():.3f} ({covered.min():.3f} to {covered.max():.3f})")
        widths[which] = (known[high] - known[low]).where(known["metric"] == "coefficient")
    ratio = (widths["human"] / widths["statsmodels"]).median()
    given = rows["human_ci_low"].notna().mean()
    return (
        f"| {KINDS[name].words} | {len(table.groupby(['metric', 'item'], dropna=False))} | "
        + " | ".join([*cells, f"{ratio:.2f}", f"{given:.3f}"])
        + " |"
    )


def main() -> None:
    """Carry out the studies that are missing; once all of a design are there, print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--designs", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--folder", type=Path, required=True, help="for finished parts")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no further part after these minutes")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * given.minutes
    heads = ("design", "figures", "people", "simulated minus human", "statsmodels", "width / statsmodels'", "given")
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
    for name in given.designs:
        paths = []
        for start in range(0, given.repetitions, PART):
            part = range(start, min(start + PART, given.repetitions))
            paths.append(given.folder / f"{name}-{given.resamples}-{part.start}-{part.stop}.parquet")
            if not paths[-1].exists() and time.monotonic() < until:
                repeated(name, part, given.resamples).to_parquet(paths[-1])
        missing = sum(not path.exists() for path in paths)
        rows = None if missing else pd.concat(map(pd.read_parquet, paths), ignore_index=True)
        print(f"{name}: {missing} parts to go: run again" if rows is None else line(name, rows), flush=True)


if __name__ == "__main__":
    main()
