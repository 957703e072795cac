"""What the metrics are asked of besides people's halves and exchanges: the simulation, uniform answers, baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import People
from simbench.harness.baselines import Baseline, baselines
from simbench.harness.ceilings import mean_of
from simbench.harness.comparisons import against_humans, each_replicate, uniform
from simbench.harness.config import ScoringPlan
from simbench.harness.figures import Asked, Key
from simbench.harness.likelihood import rivals_of
from simbench.metrics.base import Comparison, Floats, Score
from simbench.metrics.foretold import Foretold, Tables, uniform_tables

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MARGINS", "learned", "of_baseline", "of_simulation", "of_uniform", "paired_rows"]

MARGINS = ("resample", "tabular")
"""The baselines that the simulation is held against in paired resamples."""


def learned(plan: ScoringPlan, people: People, pilot: People | None) -> tuple[dict[str, Baseline], dict[str, Tables]]:
    """What the baselines answer, and what a model's likelihood is held against."""
    known = any(each.needs_likelihood for each in plan.metrics)
    found = baselines(plan, people, pilot, known)
    return found, rivals_of(people, pilot, found["tabular"].tables if known and found else None)


def of_simulation(
    asked: Asked,
    plan: ScoringPlan,
    people: People,
    responses: pd.DataFrame,
    weights: Floats,
    pilot: People | None,
    foretold: Foretold,
) -> tuple[list[Score], list[float] | float]:
    """Every figure of the simulation, and how much each varies between replicates."""
    comparison = replace(against_humans(plan, people, responses, weights, pilot), foretold=foretold)
    scores = asked.scores(comparison)
    replicates = responses.loc[responses["status"] == "ok", "replicate"].to_numpy()
    several = len(np.unique(replicates)) > 1
    return scores, _generation_sd(asked, comparison, replicates, scores) if several else np.nan


def of_uniform(
    asked: Asked, plan: ScoringPlan, people: People, pilot: People | None, told: Mapping[str, Tables]
) -> dict[Key, float]:
    """The mean of every figure over draws of uniform answers."""
    floor = replace(uniform(plan, people, pilot), foretold=Foretold(uniform_tables(people), told))
    return {each.key: mean_of(each.value) for each in asked.scores(floor, "floor")}


def of_baseline(
    name: str,
    baseline: Baseline,
    plan: ScoringPlan,
    people: People,
    weights: Floats,
    pilot: People | None,
    told: Mapping[str, Tables],
    asked: Asked,
) -> dict[Key, Score]:
    """Every figure of one baseline, in the first resamples where there is a margin over it."""
    rows = 1 + paired_rows(plan) if name in MARGINS else 1
    against = against_humans(plan, people, baseline.answers, weights[:rows], pilot)
    against = replace(against, foretold=Foretold(baseline.tables or None, told))
    return {each.key: each for each in asked.scores(against, f"baseline {name}")}


def paired_rows(plan: ScoringPlan) -> int:
    """In how many resamples the simulation is held against a baseline."""
    return min(plan.settings.scoring.resamples, plan.settings.scoring.baseline_resamples)


def _generation_sd(asked: Asked, comparison: Comparison, replicates: Any, scores: Sequence[Score]) -> list[float]:
    """Standard deviation of every figure between replicates; NaN where one of them has none."""
    values: dict[Key, list[float]] = {}
    for each in each_replicate(comparison, replicates):
        for found in asked.scores(each, "single replicates"):
            values.setdefault(found.key, []).append(float(found.value[0]))
    return [_deviation(values.get(each.key, [])) for each in scores]


def _deviation(values: Sequence[float]) -> float:
    """Standard deviation; NaN of fewer than two values, and where one is not finite (as many people as you like)."""
    return float(np.std(values, ddof=1)) if len(values) > 1 and np.isfinite(values).all() else float("nan")
