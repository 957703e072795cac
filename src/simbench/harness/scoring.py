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

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.backends.base import Progress
from simbench.design import PARTICIPANT, People
from simbench.design.people import RAW
from simbench.harness.asking import MARGINS, learned, of_baseline, of_simulation, of_uniform, paired_rows
from simbench.harness.baselines import BASELINES
from simbench.harness.ceilings import CEILINGS, Parted, with_ceilings
from simbench.harness.comparisons import (
    against_humans,
    human_halves,
    human_quarters,
    human_weights,
    resampled,
    scheme,
)
from simbench.harness.config import ScoringPlan
from simbench.harness.figures import HANDS, Asked, Key, SideBySide
from simbench.harness.inference import EQUIVALENCE, corrected, estimates, with_corrections
from simbench.harness.likelihood import Likelihoods
from simbench.harness.progress import Silent
from simbench.harness.swaps import swap_figures, with_swaps
from simbench.metrics.base import Score, loss
from simbench.metrics.verdict import Verdict
from simbench.stats.rng import generator

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
    *(f"{name}_margin{end}" for name in MARGINS for end in ("", "_low", "_high")),
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
    _announce(plan, people, responses, progress)
    drawn, bca, asked = scheme(people), settings.interval == "bca", Asked(plan.metrics)
    rivals, told = learned(plan, people, pilot)
    weights, foretold = human_weights(plan, people), likelihoods.foretold(people, told)
    with SideBySide(plan.metrics) as hands:  # in this order what takes most memory is not asked for together
        uniformly = hands.start("floor", lambda own: of_uniform(own, plan, people, pilot, told))
        halves = hands.start("ceiling", lambda own: Parted.of(own, human_halves(plan, people)))
        quarters = hands.start("ceiling", lambda own: Parted.of(own, human_quarters(plan, people)))
        against = {
            name: hands.start(
                f"baseline {name}", partial(of_baseline, name, each, plan, people, weights, pilot, told)
            )
            for name, each in rivals.items()
        }
        simulated = hands.start("", lambda own: of_simulation(own, plan, people, responses, weights, pilot, foretold))
        exchanged = hands.start("swaps", lambda own: swap_figures(plan, people, responses, own))
        scores, between = simulated.result()
        frame = estimates(scores, asked.better, settings.confidence, settings.resamples, drawn, bca)
        for name, figures in against.items():
            _add_baseline(frame, plan, name, scores, figures.result(), asked.better, drawn)
        with_swaps(frame, scores, asked.better, exchanged.result())
        frame = with_corrections(frame)
        with_ceilings(frame, people, scores, asked.better, halves.result(), quarters.result())
        reference = uniformly.result()
        frame["floor"] = [reference.get(each.key, float("nan")) for each in scores]
        frame["generation_sd"] = between
    asked.faults.extend(hands.faults)
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


def _announce(plan: ScoringPlan, people: People, responses: pd.DataFrame, progress: Progress) -> None:
    """Say what is ahead where scoring will take more than a minute, by a trial on some of the people and weights."""
    from simbench.stats.resampling import bootstrap_weights

    given, seconds = plan.settings.scoring, []
    if given.resamples * len(people) < WORTH_TRYING:
        return
    few = people.at(np.arange(0, len(people), max(1, len(people) // ENOUGH)))
    answers = responses[responses[PARTICIPANT].isin(set(few.ids))]
    part = 2 + given.resamples // PART
    weights = bootstrap_weights(len(few), part - 1, generator(given.seed, "trial", people.digest))
    for rows in (1, 1, part):  # what is imported or worked out once counts in the first alone
        started = time.thread_time()
        Asked(plan.metrics).scores(against_humans(plan, few, answers, weights[:rows]))
        seconds.append(time.thread_time() - started)
    rows = given.resamples + (len(people) if given.interval == "bca" else 0)
    rows += min(given.swaps, given.resamples) + 2 * (given.splits + given.baseline_resamples)
    each = max(0.0, seconds[2] - seconds[1]) / (part - 1) / min(HANDS, os.cpu_count() or 1)
    ahead = each * rows * len(people) / len(few)
    if ahead > LONG:
        progress.say(
            f"scoring {len(people)} people, {given.resamples} resamples, {len(plan.metrics)} metrics: about "
            f"{ahead / 60:.1f} minutes ahead; fewer scoring.resamples or metrics take less"
        )


def _findings(plan: ScoringPlan, frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What the verdict found, from the very rows that it concluded from."""
    for metric in plan.metrics:
        if isinstance(metric, Verdict):
            yield from (each.to_json() for each in metric.findings(frame))


def _add_baseline(
    frame: pd.DataFrame,
    plan: ScoringPlan,
    name: str,
    scores: Sequence[Score],
    rival: Mapping[Key, Score],
    better: Mapping[str, str],
    drawn: Scheme,
) -> None:
    """Columns of a baseline's figures, and of the simulation's margin over it.

    A margin that no resample varies is an exact tie, or has no interval.
    """
    from simbench.stats.intervals import paired_difference

    rows, confidence = paired_rows(plan), plan.settings.scoring.confidence
    frame[name] = [rival[each.key].value[0] if each.key in rival else np.nan for each in scores]
    if name not in MARGINS:
        return
    own, other = (np.full((rows + 1, len(scores)), np.nan) for _ in range(2))
    for position, each in enumerate(scores):
        way = better.get(each.metric)
        if each.key in rival and way and each.interval is None:
            own[:, position] = loss(corrected(each, resamples=rows), way)
            other[:, position] = loss(corrected(rival[each.key]), way)
    found = paired_difference(other, own, confidence, units=drawn.size, pools=len(drawn.pools))
    frame[f"{name}_margin"] = found.estimate
    frame[f"{name}_margin_low"], frame[f"{name}_margin_high"] = found.low, found.high
