"""From answers to scores: estimates, intervals, ceiling, floor and baselines, in one tidy frame.

- Intervals are bootstrap intervals over respondents (see :mod:`simbench.harness.comparisons`), percentiles or
  BCa (``scoring.interval``). Figures that noise pushes one way say so, and get draws shifted by their bias
  (:mod:`simbench.stats.recentring`) instead: their plain percentiles would almost never hold the truth.
- ``p``: the test that nothing distinguishes people and simulation, by exchanging every person with the participants
  simulated for it (:mod:`simbench.harness.swaps`); ``p_step`` is corrected by step-down max-T over the figure's
  subgroup rows. Figures that are about something else than both sides' answers keep a bootstrap p-value.
- ``ceiling``, ``ceiling_half``, ``fresh_low``, ``fresh_high``, ``rank``: what other people would reach, at the number
  of people at hand and in halves of them (:mod:`simbench.harness.ceilings`).
- ``floor``: the mean of the figure for uniform-random answers of the same people.
- ``majority``, ``resample``, ``tabular``: the figure for these backends, learning from the same pilot;
  ``*_margin`` with its interval says by how much the simulation is closer to people than the baseline (above
  0) or less close (below 0), in paired resamples.
- ``within_low``, ``within_high``, ``chance``, ``chance_df``: what tests of equivalence take, where a metric knows it
  by theory (:class:`simbench.metrics.base.Equivalence`).
- ``generation_sd`` (``replicates`` above 1): standard deviation of the figure between replicates, each alone:
  the noise of generating answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.backends.base import Progress
from simbench.design import PARTICIPANT, People
from simbench.design.people import RAW
from simbench.harness.baselines import BASELINES, baselines
from simbench.harness.ceilings import CEILINGS, mean_of, with_ceilings
from simbench.harness.comparisons import (
    against_humans,
    each_replicate,
    human_weights,
    resampled,
    scheme,
    uniform,
)
from simbench.harness.config import ScoringPlan
from simbench.harness.figures import Asked, Key
from simbench.harness.inference import EQUIVALENCE, corrected, estimates, with_corrections
from simbench.harness.likelihood import Likelihoods, rivals_of
from simbench.harness.progress import Silent
from simbench.harness.swaps import with_swaps
from simbench.metrics.base import Comparison, Floats, Score, loss
from simbench.metrics.foretold import Foretold, uniform_tables
from simbench.metrics.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

    from simbench.stats.resampling import Scheme

__all__ = ["COLUMNS", "Scored", "score", "scored"]

LONG = 60.0  # seconds from which on scoring is announced
WORTH_TRYING = 2_000_000  # weights (resamples x people) below which it surely takes less
ENOUGH = 1000  # people, for a trial of how long scoring takes
PART = 50  # of so many resamples one is tried

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
    *CEILINGS,
    *BASELINES,
    "human_ci_low",
    "human_ci_high",
    "simulated_ci_low",
    "simulated_ci_high",
    "p",
    "p_step",
    "p_holm",
    "p_bh",
    *(f"{name}_margin{end}" for name in ("resample", "tabular") for end in ("", "_low", "_high")),
    "generation_sd",
    *EQUIVALENCE,
    "evaluated",
    "synthetic_humans",
    "reason",
)


@dataclass(frozen=True, eq=False)
class Scored:
    """What scoring gives: ``scores`` in the columns of ``scores.parquet``, and what belongs to them.

    ``resamples``: resampled values of the whole-sample figures that have a better and a worse: columns ``metric``,
    ``item`` and ``value`` (list of R; the first is the estimate). ``faults``: what went wrong with which metric.
    ``findings``: the verdict as data (:class:`simbench.metrics.verdict.Finding`), for the manifest. ``resampled``:
    what was resampled, and among what.
    """

    scores: pd.DataFrame
    resamples: pd.DataFrame
    faults: tuple[str, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = ()
    resampled: Mapping[str, Any] = field(default_factory=dict)


def score(
    plan: ScoringPlan, people: People, responses: pd.DataFrame, pilot: People | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two frames of :func:`scored` alone: scores and resamples."""
    found = scored(plan, people, responses, pilot)
    return found.scores, found.resamples


def scored(
    plan: ScoringPlan,
    people: People,
    responses: pd.DataFrame,
    pilot: People | None = None,
    likelihoods: Likelihoods | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Score every metric of the plan on the people and their simulated counterparts.

    ``likelihoods``: what the model said of people's own answers; None: it was not asked. ``progress`` is told where
    it takes more than a minute.

    Runs on the same people with the same ``scoring.seed`` share their resamples, so their differences are paired.
    A metric that raises, or yields what is no figure, leaves rows with the reason and a line in ``faults``.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # many small matrix products, for which threads mostly wait: measured in benchmarks/
        return _scored(plan, people, responses, pilot, likelihoods or Likelihoods(), progress or Silent())


def _as_told(people: People, responses: pd.DataFrame) -> People:
    """The people with the numbers they gave where the simulated ones gave numbers, too; elsewhere with bins."""
    ok = responses[responses["status"] == "ok"]
    names = (item.name for item in people.design.items if item.spans)
    told = [name for name in names if f"{name}{RAW}" in ok and ok[f"{name}{RAW}"].notna().all()]
    return people.without_numbers(but=told)


def _scored(
    plan: ScoringPlan,
    people: People,
    responses: pd.DataFrame,
    pilot: People | None,
    likelihoods: Likelihoods,
    progress: Progress,
) -> Scored:
    import pandas as pd

    settings = plan.settings.scoring
    people = _as_told(people, responses)
    weights = human_weights(plan, people)
    known = any(each.needs_likelihood for each in plan.metrics)
    learned = baselines(plan, people, pilot, known)
    told = rivals_of(people, pilot, learned["tabular"].tables if known and learned else None)
    rivals = {name: (each.answers, Foretold(each.tables or None, told)) for name, each in learned.items()}
    foretold = likelihoods.foretold(people, told)

    def at(rows: Floats) -> Comparison:
        return replace(against_humans(plan, people, responses, rows, pilot), foretold=foretold)

    _announce(plan, people, responses, weights, progress)
    comparison = at(weights)
    asked = Asked(plan.metrics)
    scores = asked.scores(comparison)
    ok = responses[responses["status"] == "ok"]
    several = ok["replicate"].nunique() > 1
    between = _generation_sd(asked, comparison, ok["replicate"].to_numpy(), scores) if several else np.nan
    del comparison
    drawn, bca = scheme(people), settings.interval == "bca"
    frame = estimates(scores, asked.better, settings.confidence, settings.resamples, drawn, bca)
    _add_baselines(frame, plan, people, pilot, weights, scores, asked, drawn, rivals)
    del weights  # of many people these are large, and so is what the comparison remembered
    with_swaps(frame, plan, people, responses, scores, asked)
    frame = with_corrections(frame)
    with_ceilings(frame, plan, people, scores, asked)
    floor = uniform(plan, people, pilot)
    floor = replace(floor, foretold=Foretold(uniform_tables(people), told))
    frame["floor"] = _means(scores, asked.scores(floor, "floor"))
    frame["generation_sd"] = between
    concluded = asked.conclusions(frame)
    if concluded:
        frame = pd.concat([frame, estimates(concluded, asked.better, settings.confidence, 0)], ignore_index=True)
    frame["evaluated"] = plan.settings.evaluate
    frame["synthetic_humans"] = plan.experiment.synthetic
    kept = [
        {"metric": each.metric, "item": each.item, "value": draws.astype(np.float32)}
        for each in scores
        if each.subgroup is None and each.metric in asked.better
        for draws in (corrected(each, resamples=settings.resamples),)
    ]
    resamples = pd.DataFrame(kept, columns=["metric", "item", "value"])
    findings = tuple(_findings(plan, frame))
    return Scored(frame.reindex(columns=list(COLUMNS)), resamples, tuple(asked.faults), findings, resampled(people))


def _announce(
    plan: ScoringPlan, people: People, responses: pd.DataFrame, weights: Floats, progress: Progress
) -> None:
    """Say what is ahead where scoring will take more than a minute, by a trial on some of the people and weights."""
    if weights.size < WORTH_TRYING:
        return
    given, seconds = plan.settings.scoring, []
    some = np.arange(0, len(people), max(1, len(people) // ENOUGH))
    few = people.at(some)
    answers = responses[responses[PARTICIPANT].isin(set(few.ids))]
    part = 2 + len(weights) // PART
    for rows in (1, 1, part):  # what is imported or worked out once counts in the first alone
        started = time.monotonic()
        Asked(plan.metrics).scores(against_humans(plan, few, answers, weights[:rows, some]))
        seconds.append(time.monotonic() - started)
    rows = len(weights) + min(given.swaps, given.resamples) + 2 * (given.splits + given.baseline_resamples)
    ahead = (seconds[2] - seconds[1]) / (part - 1) * rows * len(people) / len(few)
    if ahead > LONG:
        progress.say(
            f"scoring {weights.shape[1]} people, {given.resamples} resamples, {len(plan.metrics)} metrics: about "
            f"{ahead / 60:.1f} minutes ahead; fewer scoring.resamples or metrics take less"
        )


def _findings(plan: ScoringPlan, frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What the verdict found, from the very rows that it concluded from."""
    for metric in plan.metrics:
        if isinstance(metric, Verdict):
            yield from (each.to_json() for each in metric.findings(frame))


def _means(scores: Sequence[Score], reference: Iterable[Score]) -> list[float]:
    """For every score, the mean of the same figure over the rows of a reference comparison."""
    found = {each.key: mean_of(each.value) for each in reference}
    return [found.get(each.key, float("nan")) for each in scores]


def _add_baselines(
    frame: pd.DataFrame,
    plan: ScoringPlan,
    people: People,
    pilot: People | None,
    weights: Floats,
    scores: Sequence[Score],
    asked: Asked,
    drawn: Scheme,
    rivals: Mapping[str, tuple[pd.DataFrame, Foretold]],
) -> None:
    """Columns of the baselines' figures, and of the simulation's margin over them.

    A margin that no resample varies is an exact tie, or has no interval.
    """
    from simbench.stats.intervals import paired_difference

    settings = plan.settings.scoring
    rows = min(settings.resamples, settings.baseline_resamples)
    for name, (answers, foretold) in rivals.items():
        once = weights[: rows + 1] if f"{name}_margin" in COLUMNS else weights[:1]
        against = replace(against_humans(plan, people, answers, once, pilot), foretold=foretold)
        rival = {each.key: each for each in asked.scores(against, f"baseline {name}")}
        frame[name] = [rival[each.key].value[0] if each.key in rival else np.nan for each in scores]
        if f"{name}_margin" not in COLUMNS:
            continue
        own, other = (np.full((rows + 1, len(scores)), np.nan) for _ in range(2))
        for position, each in enumerate(scores):
            way = asked.better.get(each.metric)
            if each.key in rival and way and each.interval is None:
                own[:, position] = loss(corrected(each, resamples=rows), way)
                other[:, position] = loss(corrected(rival[each.key]), way)
        found = paired_difference(other, own, settings.confidence, units=drawn.size, pools=len(drawn.pools))
        frame[f"{name}_margin"] = found.estimate
        frame[f"{name}_margin_low"], frame[f"{name}_margin_high"] = found.low, found.high


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
