"""What do people and a simulation of them together give on real studies? Some are "my data", everybody the truth.

Of a study (at most 3,000 people of it) n = 60, 120, 240 people are drawn, over and over; their answers are used, and
the profiles of 240 of the others, without answers. The truth is what everybody of the study answered. Who is drawn
is part of everybody: an estimate is ``V_n - V_all`` from the truth, not ``V_n`` (finite-population correction;
exact for what is unbiased given everybody, rectified or not), and by this its interval is made narrower before it is
asked whether it holds the truth. Per estimand (means, treatment effects, coefficients): the root mean squared error,
rectified and of simulation alone, over that of humans alone; how often the interval holds the truth; the median ratio
of widths; and the share of estimands that gain at least 2 %. *Taken for people*: 240 simulated people of one fold's
model, one arm each, analysed as if they were people. A second table: widths forecast from each draw of the smallest
n, as ``simbench plan`` does, against those seen in the draw of the same number of a larger n.

The tabular model chooses its penalty by two folds here, for speed. ``local`` is ``adapt=head`` of the embedded model:
what it reads of a person, an arm and the answers before does not depend on the draw, and is read once and kept
in FILE.

``none`` simulates nobody, is quick, and prints the second table alone, of humans alone.

    OMP_NUM_THREADS=1 python benchmarks/infer_shelf.py STUDY [DRAWS] [tabular | local | none] [MOST] [SIZES] [FILE]
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _shelf_local import Remembered, read_everybody
from scipy.special import stdtrit

from simbench.backends.base import Workspace
from simbench.design import People
from simbench.harness.config import assemble
from simbench.harness.estimands import Material, facts
from simbench.harness.inferring import Inference, material_of, prepare_inference
from simbench.harness.planning import forecast_width, spread
from simbench.harness.progress import Silent
from simbench.harness.responses import response_frame
from simbench.plugin.manager import load_plugins

SIZES = (60, 120, 240)
OTHERS, MOST, FOLDS = 240, 3000, 5
KEYS = ["kind", "item", "term"]


def whole_sample(people: People) -> People:
    """The people under a design without subgroups, so that only whole-sample estimands are computed."""
    profile = tuple(replace(each, subgroup=False) for each in people.design.profile)
    return People(replace(people.design, profile=profile), people.frame)


def one(plan: Any, mine: People, others: People) -> pd.DataFrame:
    """Estimates of one draw, everything in memory."""
    plan.experiment.people = lambda: mine
    inference = prepare_inference(plan, FOLDS, others)
    parts = []
    for number, fold in enumerate(inference.folds):
        with tempfile.TemporaryDirectory() as folder:
            lent = Workspace(Path(folder), number, Silent())
            adapted = type(inference.plan.backend)(inference.plan.backend.config)
            model = adapted.adapt(fold.ready.transcripts, lent)
            answers = {each.key: each for each in adapted.respond(model, fold.ready.interviews, lent)}
        parts.append(response_frame(fold.ready.asked, fold.ready.interviews, answers))
    found = facts(material_of(inference, parts)).set_index(KEYS)
    naive = alone(taken_for_people(inference, parts[0])).set_index(KEYS)
    naive = naive[naive["subgroup"].isna()][["human", "human_low", "human_high"]]
    return found.join(naive.rename(columns=lambda name: name.replace("human", "naive")))


def taken_for_people(inference: Inference, part: pd.DataFrame) -> People:
    """Simulated people without answers of their own, each under one of the arms, in turn."""
    fold, arms = inference.folds[0], len(inference.shares)
    rows = [
        at for at in np.flatnonzero(~fold.labelled) if fold.owner[at] % arms == at_arm(fold.owner, fold.labelled, at)
    ]
    return People(fold.ready.asked.design, part.iloc[rows].reset_index(drop=True))


def at_arm(owner: Any, labelled: Any, at: int) -> int:
    """Which of its person's rows this one is: people without answers come arm by arm."""
    first = int(np.flatnonzero(~labelled)[0])
    return (at - first) // int(owner[~labelled].max() + 1)


def alone(people: People) -> pd.DataFrame:
    """What these people answered, with intervals."""
    unit = np.unique(people.unit.to_numpy(str), return_inverse=True)[1].reshape(-1)
    return facts(Material(people, unit, None, None, False))


def truth(everybody: People) -> pd.DataFrame:
    """What everybody answered, with its standard error."""
    found = alone(everybody)
    found["error"] = (found["human_high"] - found["human_low"]) / 2 / 1.96
    found = found[found["subgroup"].isna()].set_index(KEYS)
    return found[["human", "error"]].rename(columns={"human": "truth"})


def main() -> None:
    """Print one row per size and kind of estimand."""
    study, *rest = sys.argv[1:]
    draws, backend, most, sizes, file = (*rest, *("200", "tabular", str(MOST), "60,120,240", "")[len(rest) :])
    warnings.simplefilter("ignore")
    config = {"experiment": study, "backend": {"name": "tabular", "folds": 2}, "sampler": "none", "metric": {}}
    plan = assemble(config, load_plugins())
    plan.experiment.given = lambda: None  # type: ignore[method-assign]  # numbers count as the middle of their bin
    everybody = whole_sample(plan.experiment.people())
    type(plan.experiment).design = property(lambda _: everybody.design)  # type: ignore[assignment]
    everybody = everybody.where(everybody.frame[[item.name for item in everybody.design.items]].notna().all(axis=1))
    kept = np.random.default_rng(0).permutation(len(everybody))[: int(most)]
    everybody = everybody.at(np.sort(kept))
    if backend == "local":
        Remembered.states = read_everybody(plan, everybody, Path(file))
        plan = replace(plan, backend=Remembered(plan.backend.config))
    known = truth(everybody)
    tables = []
    for n in map(int, sizes.split(",")):
        if n > 0.7 * len(everybody):
            continue
        rows = []
        for draw in range(int(draws)):
            order = np.random.default_rng([draw, n]).permutation(len(everybody))
            mine, some = everybody.at(order[:n]), everybody.at(order[n : n + OTHERS])
            found = alone(mine).set_index(KEYS) if backend == "none" else one(plan, mine, some)
            found = found[found["subgroup"].isna()].join(known[~known.index.duplicated()])
            there = ["estimate", "truth", *(["simulated"] if backend != "none" else [])]
            rows.append(found.dropna(subset=there).reset_index().assign(draw=draw))
        table = pd.concat(rows).assign(n=n, kind=lambda frame: frame["kind"].replace({"share": "mean"}))
        tables.append(table)
        if file or len(sys.argv) > 6:
            table.to_parquet(f"{file}-{n}.parquet")
        for kind, part in table.groupby("kind") if backend != "none" else ():
            print(f"| {study} | {n} | {backend} | {kind} | {draws} | {' | '.join(summary(part))} |", flush=True)
    for later in tables[1:]:
        for kind, part in forecasts(tables[0], later).groupby("kind"):
            off, n = part["off"], f"{part['n'].iloc[0]} to {part['n_later'].iloc[0]}"
            row = f"{off.abs().median():.1%} | {off.median():+.1%} | {(off.abs() <= 0.15).mean():.0%}"
            print(f"| {study} | {n} | {backend} | {kind} | {len(part):,} | {row} |", flush=True)


def forecasts(pilot: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Pilot draws beside later ones, with ``off``: the width forecast over the width seen, less one."""
    both = pilot.merge(later, on=[*KEYS, "draw"], suffixes=("", "_later"))
    humans = both["n_human"].to_numpy(float)
    rho2 = np.clip((1 - both["width_ratio"].fillna(1) ** 2) * (humans + OTHERS) / OTHERS, 0, 1)
    told = [
        forecast_width(sigma2, rho, n, OTHERS, spent=int(spent))
        for sigma2, rho, n, spent in zip(spread(both), rho2, both["n_human_later"], both["spent"], strict=True)
    ]
    return both.assign(off=told / (both["high_later"] - both["low_later"]) - 1)


def summary(part: pd.DataFrame) -> list[str]:
    """Figures of one kind of estimand, medians over estimands of what is over draws."""
    t = stdtrit(np.maximum(part["n_human"] - 1, 1), 0.975)
    for name, side, estimate in (("alone", "human_", "human"), ("both", "", "estimate")):
        half = (part[f"{side}high"] - part[f"{side}low"]) / 2
        reach = half * np.sqrt(np.maximum(1 - (part["error"] / (half / t)) ** 2, 0))
        part = part.assign(**{name: (part[estimate] - part["truth"]).abs() <= reach})
    reach = np.hypot((part["naive_high"] - part["naive_low"]) / 2, 1.96 * part["error"])
    part = part.assign(taken=((part["naive"] - part["truth"]).abs() <= reach).where(part["naive"].notna()))
    for name, estimate in (("e_h", "human"), ("e_r", "estimate"), ("e_s", "simulated")):
        part = part.assign(**{name: (part[estimate] - part["truth"]) ** 2})
    each = part.groupby(KEYS)[["e_h", "e_r", "e_s"]].mean() ** 0.5
    widths = part.groupby(KEYS)["width_ratio"].median()
    return [
        f"{(each['e_r'] / each['e_h']).median():.2f}",
        f"{(each['e_s'] / each['e_h']).median():.2f}",
        f"{100 * part['alone'].mean():.1f}",
        f"{100 * part['both'].mean():.1f}",
        f"{100 * part['taken'].astype(float).mean():.0f}",
        f"{widths.median():.2f} ({widths.min():.2f} to {widths.max():.2f})",
        f"{100 * (widths < 0.98).mean():.0f} %",
    ]


if __name__ == "__main__":
    main()
