"""From answers to scores: point estimates, intervals, ceiling and floor, in one tidy frame.

- Intervals are percentile bootstrap over respondents, stratified by treatment group (persons as clusters in
  within-subject designs). A human and the simulated participant made from the same profile are resampled
  together, so that what they share does not count as noise twice.
- ``ceiling``: the mean of the same figure between two disjoint random halves of the humans, stratified by
  treatment group; ``ceiling_same_n``: between two independent bootstrap samples of the humans, each as large
  as the humans compared. Halves are smaller, so the first is cautious; resamples share their support, so the
  second flatters sparse distributions. Both are kept.
- ``floor``: the mean of the figure for uniform-random answers of the same people.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simbench.design import PARTICIPANT, People
from simbench.harness.config import Plan
from simbench.metrics.base import Comparison, Floats, Metric, Score, Side
from simbench.stats.rng import generator

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "score"]

COLUMNS = (
    "metric",
    "item",
    "subgroup",
    "level",
    "human",
    "simulated",
    "value",
    "ci_low",
    "ci_high",
    "n_human",
    "n_simulated",
    "ceiling",
    "floor",
    "ceiling_same_n",
    "human_ci_low",
    "human_ci_high",
    "simulated_ci_low",
    "simulated_ci_high",
    "evaluated",
    "synthetic_humans",
    "reason",
)


def score(plan: Plan, people: People, responses: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every metric of the plan on the people and their simulated counterparts.

    Returns the tidy scores, and the resampled values of the whole-sample figures that have a better and a
    worse: columns ``metric``, ``item`` and ``value`` (list of R; the first is the estimate). Runs on the same
    people with the same ``scoring.seed`` share their resamples, so their differences are paired.
    """
    import pandas as pd

    comparison = compare(plan, people, responses)
    ceiling = _reference(plan, _halves(plan, people))
    same_n = _reference(plan, _bootstrap_pair(plan, people))
    floors = [_reference(plan, uniform) for uniform in _floors(plan, people)]
    rows, kept = [], []
    ranked = {name for metric in plan.metrics for name in metric.better}
    for each in _scores(plan.metrics, comparison):
        if each.subgroup is None and each.metric in ranked:
            kept.append({"metric": each.metric, "item": each.item, "value": each.value.astype(np.float32)})
        row = _row(each, plan.settings.scoring.confidence)
        row["ceiling"] = _mean(ceiling.get(each.key))
        row["ceiling_same_n"] = _mean(same_n.get(each.key))
        row["floor"] = _mean([value for floor in floors for value in floor.get(each.key, [])])
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["evaluated"] = plan.settings.evaluate
    frame["synthetic_humans"] = plan.experiment.synthetic
    return frame.reindex(columns=list(COLUMNS)), pd.DataFrame(kept, columns=["metric", "item", "value"])


def compare(plan: Plan, people: People, responses: pd.DataFrame) -> Comparison:
    """The comparison of the humans with their simulated counterparts, ok answers only."""
    from simbench.stats.resampling import bootstrap_weights

    rng = generator(plan.settings.scoring.seed, "bootstrap", people.digest)
    weights = bootstrap_weights(
        len(people), plan.settings.scoring.resamples, rng, people.condition.to_numpy(str), _clusters(people)
    )
    ok = responses[responses["status"] == "ok"].reset_index(drop=True)
    position = {name: row for row, name in enumerate(people.ids)}
    of_human = ok[PARTICIPANT].map(position).to_numpy(dtype=int)
    probabilities = {
        item.name: np.stack(ok[f"{item.name}__p"].to_list()).astype(float)
        for item in people.design.items
        if f"{item.name}__p" in ok and len(ok) and ok[f"{item.name}__p"].notna().all()
    }
    simulated = People(people.design, ok)
    return Comparison(
        Side(people, weights),
        Side(simulated, weights[:, of_human], probabilities),
        plan.experiment.coherent,
        plan.settings.scoring.alpha,
        partial(generator, plan.settings.scoring.seed, "metric", people.digest),
    )


def _scores(metrics: Iterable[Metric[Any]], comparison: Comparison) -> Iterable[Score]:
    for metric in metrics:
        yield from metric.score(comparison)


def _reference(plan: Plan, comparison: Comparison) -> dict[Any, Floats]:
    """Values (R,) of every figure of a human-human or human-uniform comparison."""
    return {each.key: each.value for each in _scores(plan.metrics, comparison)}


def _halves(plan: Plan, people: People) -> Comparison:
    """Humans against humans: disjoint halves, one split per row of weights."""
    from simbench.stats.resampling import split_halves

    rng = generator(plan.settings.scoring.seed, "halves", people.digest)
    one, other = split_halves(
        len(people), plan.settings.scoring.splits, rng, people.condition.to_numpy(str), _clusters(people)
    )
    return _humans(plan, people, one, other)


def _bootstrap_pair(plan: Plan, people: People) -> Comparison:
    """Humans against humans: two independent bootstrap samples per row of weights."""
    from simbench.stats.resampling import bootstrap_pair

    rng = generator(plan.settings.scoring.seed, "pair", people.digest)
    one, other = bootstrap_pair(
        len(people), plan.settings.scoring.splits, rng, people.condition.to_numpy(str), _clusters(people)
    )
    return _humans(plan, people, one, other)


def _humans(plan: Plan, people: People, one: Floats, other: Floats) -> Comparison:
    return Comparison(Side(people, one), Side(people, other), plan.experiment.coherent, plan.settings.scoring.alpha)


def _floors(plan: Plan, people: People) -> Iterable[Comparison]:
    """Humans against uniform-random answers of the same people."""
    once = np.ones((1, len(people)))
    for number in range(plan.settings.scoring.floors):
        rng = generator(plan.settings.scoring.seed, "floor", people.digest, number)
        drawn = {item.name: _uniform(people.offered(item.name), rng) for item in people.design.items}
        human, uniform = Side(people, once), Side(people.answering(drawn), once)
        yield Comparison(human, uniform, plan.experiment.coherent, plan.settings.scoring.alpha)


def _uniform(offered: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Codes (n,) drawn uniformly from the options (n, K) that each participant is offered."""
    drawn: NDArray[np.int64] = np.where(offered, rng.random(offered.shape), -1.0).argmax(axis=1)
    return drawn


def _clusters(people: People) -> Any:
    return people.person.to_numpy(str) if people.design.person else None


def _mean(values: Any) -> float:
    """Mean over the defined ones; NaN where fewer than half are defined."""
    if values is None or not len(values):
        return float("nan")
    found = np.asarray(values, dtype=float)
    defined = found[np.isfinite(found)]
    return float(defined.mean()) if 2 * len(defined) >= len(found) else float("nan")


def _row(each: Score, confidence: float) -> dict[str, Any]:
    """One line of ``scores.parquet``: row 0 is the estimate, the rest give the interval."""
    from simbench.stats.intervals import percentile_interval

    row: dict[str, Any] = {
        "metric": each.metric,
        "item": each.item,
        "subgroup": each.subgroup,
        "level": each.level,
        "n_human": each.n_human,
        "n_simulated": each.n_simulated,
        "reason": each.reason,
    }
    for name, prefix in (("value", ""), ("human", "human_"), ("simulated", "simulated_")):
        values = getattr(each, name)
        row[name] = float("nan") if values is None else float(values[0])
        low = high = float("nan")
        if values is not None and len(values) > 1 and np.isfinite(values[0]):
            interval = percentile_interval(values, confidence)
            low, high = float(interval.low), float(interval.high)
        row[f"{prefix}ci_low"], row[f"{prefix}ci_high"] = low, high
    if each.reason is None and not np.isfinite(row["value"]):
        row["reason"] = "not computable on these answers"
    return row
