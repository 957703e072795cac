"""Does `simbench compare` tell runs apart that differ, and keep quiet about those that do not?

Run ``python benchmarks/compare_power.py [studies]`` (about two minutes a hundred studies on one core). In every study
people of the population of ``metrics_coverage.py`` are drawn, and runs made for them: two perfect ones (fresh draws
from the people's own distribution) and uniform answers. Told apart: p <= 0.05 in the mean Jensen-Shannon distance.
Ways: resampled people as before (difference of the reported draws), exchanges (``p``), these corrected for every
figure of the pair at once (``p_step``), and the test of equal closeness (``p_closer``).
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from metrics_coverage import DESIGN, answers, coherent, profiles

from simbench.design import People
from simbench.harness.config import RunSettings, ScoringPlan, ScoringSettings
from simbench.harness.contest import Contest, Entrant, measured
from simbench.harness.likelihood import Likelihoods
from simbench.plugin.manager import load_plugins
from simbench.report.contestants import Contestant
from simbench.report.differences import differences

FIGURE = ("js_distance", "mean")
METRICS = ("js_distance", "value_action_gap", "unique_structures", "effect_sizes")
SIZES = (100, 200)


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
    people = People(DESIGN, frame).answering({item.name: item.codes(frame[item.name]) for item in DESIGN.items})
    anew = [answers(who.assign(trait=rng.normal(size=n)), rng, different=False) for _ in range(2)]
    anyhow = frame.assign(**{item.name: rng.choice(np.array(item.values), n) for item in DESIGN.items})
    runs = dict(zip(("perfect", "again", "uniform"), [*anew, anyhow], strict=True))
    entrants = {
        name: Entrant(told.assign(replicate=0, status="ok"), Likelihoods(), None, "") for name, told in runs.items()
    }
    classes = [entry.cls for entry in load_plugins().of("metric") if entry.name in METRICS]
    plan: Any = ScoringPlan(
        experiment=Population(),  # type: ignore[arg-type]
        metrics=tuple(cls(cls.Config()) for cls in classes),
        settings=RunSettings(scoring=ScoringSettings(resamples=499, swaps=499, splits=1, floors=1, seed=seed)),
        config={},
        scorers={},
    )
    return Contest(plan, people, entrants, outside=True)


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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
