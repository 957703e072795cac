"""What do people and a simulation of them together give on real studies? Some are "my data", the rest the truth.

Of every study (at most 3,000 people of it) n = 60, 120, 240 people are drawn, over and over; their answers are
used, and the profiles of at most 500 of the others, without answers. The truth is what all others answered
(everybody, where n is at most a tenth of them). Per estimand (means, treatment effects, coefficients): the root
mean squared error, rectified and of simulation alone, over that of humans alone; how often the 95 % interval of
the difference from the truth (the truth's own error counted) holds 0; the median ratio of widths; and the share
of estimands that gain at least 2 %. The tabular model chooses its penalty by two folds here, for speed.

    OMP_NUM_THREADS=1 python benchmarks/infer_shelf.py STUDY [DRAWS] [BACKEND]
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from simbench.backends.base import Workspace
from simbench.design import People
from simbench.harness.config import assemble
from simbench.harness.estimands import Material, estimates
from simbench.harness.inferring import material_of, prepare_inference
from simbench.harness.progress import Silent
from simbench.harness.responses import response_frame
from simbench.plugin.manager import load_plugins

SIZES = (60, 120, 240)
OTHERS, MOST, FOLDS, REPLICATES = 500, 3000, 5, 2
KEYS = ["kind", "item", "term"]


def whole_sample(people: People) -> People:
    """The people under a design without subgroups, so that only whole-sample estimands are computed."""
    profile = tuple(replace(each, subgroup=False) for each in people.design.profile)
    return People(replace(people.design, profile=profile), people.frame)


def one(plan: object, mine: People, others: People) -> pd.DataFrame:
    """Estimates of one draw, everything in memory."""
    experiment = plan.experiment  # type: ignore[attr-defined]
    experiment.people = lambda: mine
    inference = prepare_inference(plan, FOLDS, others)  # type: ignore[arg-type]
    parts = []
    for number, fold in enumerate(inference.folds):
        with tempfile.TemporaryDirectory() as folder:
            lent = Workspace(Path(folder), number, Silent())
            adapted = type(inference.plan.backend)(inference.plan.backend.config)
            model = adapted.adapt(fold.ready.transcripts, lent)
            answers = {each.key: each for each in adapted.respond(model, fold.ready.interviews, lent)}
        parts.append(response_frame(fold.ready.asked, fold.ready.interviews, answers))
    return estimates(material_of(inference, parts))


def truth(others: People) -> pd.DataFrame:
    """What the others answered, with its standard error."""
    unit = np.unique(others.unit.to_numpy(str), return_inverse=True)[1].reshape(-1)
    found = estimates(Material(others, unit, None, None, False))
    found["error"] = (found["human_high"] - found["human_low"]) / 2 / 1.96
    return found.set_index(KEYS)[["human", "error"]].rename(columns={"human": "truth"})


def main() -> None:
    """Print one row per size and kind of estimand."""
    study, draws = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
    backend = sys.argv[3] if len(sys.argv) > 3 else "tabular"
    warnings.simplefilter("ignore")
    learner = {"name": "tabular", "folds": 2} if backend == "tabular" else backend
    config = {"experiment": study, "backend": learner, "sampler": "none", "metric": {}, "replicates": REPLICATES}
    plan = assemble(config, load_plugins())
    everybody = whole_sample(plan.experiment.people())
    type(plan.experiment).design = property(lambda _: everybody.design)  # type: ignore[assignment]
    complete = everybody.frame[[item.name for item in everybody.design.items]].notna().all(axis=1)
    everybody = everybody.where(complete)
    kept = np.random.default_rng(0).permutation(len(everybody))[:MOST]
    everybody = everybody.at(np.sort(kept))
    head = "study | n | estimands | draws | error rectified | error simulated | cover alone | cover rectified | width"
    print(f"| {head} | gain 2 % |\n|{' --- |' * 10}")
    for n in SIZES:
        if n > 0.7 * len(everybody):
            continue
        rows = []
        whole = truth(everybody) if len(everybody) >= 10 * n else None  # whoever is drawn is few of so many
        for draw in range(draws):
            rng = np.random.default_rng([draw, n])
            order = rng.permutation(len(everybody))
            mine, rest = everybody.at(order[:n]), everybody.at(order[n:])
            some = rest.at(range(min(OTHERS, len(rest))))
            found = one(plan, mine, some).set_index(KEYS)
            known = truth(rest) if whole is None else whole
            found = found[found["subgroup"].isna()].join(known[~known.index.duplicated()])
            rows.append(found.dropna(subset=["estimate", "truth", "simulated"]).reset_index())
        table = pd.concat(rows)
        table["half"] = (table["high"] - table["low"]) / 2
        for kind, part in table.groupby(table["kind"].replace({"share": "mean"})):
            print(f"| {study} | {n} | {kind} | {draws} | {' | '.join(summary(part))} |", flush=True)


def summary(part: pd.DataFrame) -> list[str]:
    """Figures of one kind of estimand, medians over estimands of what is over draws."""
    own = (part["human_high"] - part["human_low"]) / 2
    for name, half, estimate in (("alone", own, "human"), ("both", part["half"], "estimate")):
        reach = np.hypot(half, 1.96 * part["error"])
        part = part.assign(**{name: (part[estimate] - part["truth"]).abs() <= reach})
    for name, estimate in (("e_h", "human"), ("e_r", "estimate"), ("e_s", "simulated")):
        part = part.assign(**{name: (part[estimate] - part["truth"]) ** 2})
    each = part.groupby(KEYS)[["e_h", "e_r", "e_s"]].mean() ** 0.5
    widths = part.groupby(KEYS)["width_ratio"].median()
    return [
        f"{(each['e_r'] / each['e_h']).median():.2f}",
        f"{(each['e_s'] / each['e_h']).median():.2f}",
        f"{100 * part['alone'].mean():.1f} %",
        f"{100 * part['both'].mean():.1f} %",
        f"{widths.median():.2f} ({widths.min():.2f} to {widths.max():.2f})",
        f"{100 * (widths < 0.98).mean():.0f} %",
    ]


if __name__ == "__main__":
    main()
