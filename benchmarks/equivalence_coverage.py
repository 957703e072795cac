"""How often do the intervals that the verdict rests on hold the truth, and how often do they hold their own value?

Run ``python benchmarks/equivalence_coverage.py`` and copy the table it prints into docs/coverage.md. Studies are
those of ``metrics_coverage.py``: so many people, and a simulation that differs from them or is drawn from their own
distribution. Truths are the figures of 200,000 people. Intervals are by theory, so nothing is resampled.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from metrics_coverage import POPULATION, study

from simbench.metrics.effects import EffectSizes
from simbench.metrics.share_distance import ShareDistance

METRICS = (ShareDistance(ShareDistance.Config()), EffectSizes(EffectSizes.Config()))
TRUTH = {"share_distance": 0.0, "effect_distance": 0.0, "effect_slope": 1.0}
"""What figures are where people and simulation do not differ."""


def figures(seed: list[int], people: int, different: bool) -> pd.DataFrame:
    """Value and ends of every figure of one study that has an interval."""
    comparison = study(np.random.default_rng(seed), people, 0, different)
    rows = []
    for metric in METRICS:
        for each in metric.score(comparison):
            if each.metric in TRUTH:
                kind = f"{each.metric} {_which(each)}"
                key = f"{each.metric} {each.item} {each.subgroup} {each.level}"
                low, high = each.interval or (np.nan, np.nan)
                rows.append({"kind": kind, "key": key, "value": each.value[0], "low": low, "high": high})
    return pd.DataFrame(rows)


def _which(score: object) -> str:
    item, subgroup, level = (getattr(score, name) for name in ("item", "subgroup", "level"))
    if subgroup:
        return "of subgroup levels (together)" if level else "pooled over levels"
    if item in ("mean", "treatments", "covariates"):
        return item
    return "of single items" if getattr(score, "metric", "") == "share_distance" else "of regressions (together)"


def covered(people: int, studies: int, different: bool) -> pd.DataFrame:
    """Per kind of figure: coverage, share whose interval holds its value, share that has one, median width."""
    found = pd.concat([figures([seed, different], people, different) for seed in range(studies)], ignore_index=True)
    truth = figures([0, different, 1], POPULATION, different).set_index("key")["value"]
    found["truth"] = found["key"].map(truth) if different else found["key"].str.split().str[0].map(TRUTH)
    known = found[found["low"].notna()].copy()
    slack = 1e-9 + 1e-2 * known["truth"].abs()  # the truth is a figure of 200,000 people
    known["holds"] = (known["low"] <= known["truth"] + slack) & (known["truth"] - slack <= known["high"])
    known["own"] = (known["low"] <= known["value"]) & (known["value"] <= known["high"])
    known["width"] = known["high"] - known["low"]
    table = known.groupby("kind", sort=False)[["holds", "own"]].mean()
    table["width"] = known.groupby("kind", sort=False)["width"].median()
    table["given"] = known.groupby("kind", sort=False).size() / found.groupby("kind", sort=False).size()
    return table


def main() -> None:
    """Print one table: a simulation that differs, and one that does not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--people", type=int, default=400)
    given = parser.parse_args()
    sides = [covered(given.people, given.studies, different) for different in (True, False)]
    heads = ("figure", *(f"{what}, {which}" for which in ("differs", "same") for what in sides[0].columns))
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
    for kind in sides[0].index:
        cells = [f"{side.loc[kind, column]:.3f}" for side in sides for column in side.columns]
        print(f"| {kind} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
