"""The figures of the synthetic reference population, and how far other seeds are from them.

Run: ``python benchmarks/reference_population.py [seeds]``
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from simbench.design import People
from simbench.experiments.information_disclosure import InformationDisclosure, InformationDisclosureConfig
from simbench.experiments.reference_population import BELIEFS, Parameters, reference_population
from simbench.stats.regression import fit_glm, formula_designs

EXPERIMENT = InformationDisclosure(InformationDisclosureConfig())


def figures(frame: pd.DataFrame) -> dict[str, float]:
    """Distinct belief structures, value-action gap in percent, rows where it is undefined."""
    agrees = EXPERIMENT.coherent(frame)
    return {
        "structures": len(frame[list(BELIEFS)].drop_duplicates()),
        "gap": 100 * float(1 - agrees.dropna().mean()),
        "undefined": int(agrees.isna().sum()),
    }


def main(seeds: int) -> None:
    """Print the shipped draw, its regressions, and the mean over other seeds."""
    people = EXPERIMENT.people()
    shipped = figures(people.frame)
    print(f"seed {Parameters().seed}: n {len(people)}, per condition {people.condition.value_counts().tolist()}")
    print(
        f"  {shipped['structures']} distinct belief structures (published: 340); value-action gap "
        f"{shipped['gap']:.1f} % (published: 24.7 %), undefined in {shipped['undefined']} rows"
    )
    print(f"  by ethnicity: {by_ethnicity(people)}")
    for regression in people.design.regressions:
        (design,) = formula_designs(regression.formula, people.frame)
        ones = np.ones((1, len(design.rows)))
        fit = fit_glm(regression.family, design.outcome, design.matrix, ones, names=design.names)
        clear = [name for name, p in zip(design.names[1:], fit.p_values[0, 1:], strict=True) if p < 0.05]
        print(f"  {regression.title}: {len(clear)} of {len(design.names) - 1} coefficients with p < 0.05")
    drawn = pd.DataFrame([figures(reference_population(Parameters(seed=seed))) for seed in range(seeds)])
    print(f"seeds 0 to {seeds - 1}:")
    for name in ("structures", "gap"):
        print(f"  {name}: mean {drawn[name].mean():.1f}, standard deviation {drawn[name].std():.1f}")


def by_ethnicity(people: People) -> str:
    """People, mean belief in the measure at the North Beach, and share attacking it."""
    groups = people.frame.groupby("ethnicity")
    table = groups.agg(n=("attack", "size"), belief=("measure_north", "mean"), attack=("attack", "mean"))
    return "; ".join(
        f"{name} n={row.n:.0f}, belief {row.belief:.0f}, attack {row.attack:.2f}" for name, row in table.iterrows()
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
