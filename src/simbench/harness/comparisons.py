"""What the metrics are run on: humans against the simulation, other humans, uniform answers, baselines.

Bootstrap weights are drawn over humans, or over clusters where the design names them, within treatment groups as
far as these part them (:func:`scheme`). The rows simulated for a human, all replicates of them, get the human's
weight, so what the two share does not count as noise twice, and the noise of generating answers is in the interval
without being counted twice either (respondents drawn with replacement, their replicates kept whole: Davison and
Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import PARTICIPANT, People
from simbench.harness.config import ScoringPlan
from simbench.metrics.base import Comparison, Floats, Ints, Side
from simbench.plugin.blame import blamed, one_at_a_time
from simbench.stats.resampling import FEWEST
from simbench.stats.rng import generator
from simbench.stats.survey import equal_people

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from simbench.stats.resampling import Scheme

__all__ = [
    "against_humans",
    "answered_alike",
    "each_replicate",
    "human_halves",
    "human_quarters",
    "human_weights",
    "resampled",
    "rule_of",
    "scheme",
    "uniform",
]


ROUGH = 30
"""Below so many degrees of freedom intervals are rough (Cameron, Gelbach and Miller 2008: 5 to 30 clusters)."""


def scheme(people: People) -> Scheme:
    """What of these people is resampled: clusters, persons or participants, and among which."""
    from simbench.stats.resampling import resampling_scheme

    return resampling_scheme(len(people), *_labels(people))


def resampled(people: People) -> dict[str, Any]:
    """What is resampled, for the manifest: ``units``, the ``pools`` they are drawn within, and both in ``words``."""
    found, design = scheme(people), people.design
    unit = f"clusters ({design.cluster})" if design.cluster else "persons" if design.person else "participants"
    if found.crossed:
        how = ", not by treatment group, since they have answers in several"
        if len(found.pools) > 1:
            how = f" within {len(found.pools)} sets of treatment groups, since they have answers in several"
    else:
        how = " within treatment groups" if len(found.pools) > 1 else ""
    if found.together:
        how += f"; {found.together} of these with fewer than {FEWEST} {unit} each are drawn together"
    free = found.size - len(found.pools)
    if free < ROUGH:
        how += f"; so few that intervals are rough: they are those of t with {free} degrees of freedom"
    words = f"{found.size} {unit}, each whole{how}" if found.size < len(people) else f"{found.size} {unit}{how}"
    if people.survey is not None:
        alike = equal_people(people.survey)
        words += f"; weighted ({design.weight}): for a mean as good as {alike:.0f} rows of equal weight"
    return {"units": found.size, "pools": len(found.pools), "words": words}


def _labels(people: People) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Treatment group and unit (n,) of every row."""
    return people.condition.to_numpy(str), people.unit.to_numpy(str)


def human_weights(plan: ScoringPlan, people: People) -> Floats:
    """Rows of weights over humans: one of ones, the resamples, and where BCa needs them the leave-one-outs.

    Runs on the same people with the same ``scoring.seed`` share them, so that their differences are paired.
    """
    from simbench.stats.resampling import bootstrap_weights, jackknife_weights

    settings = plan.settings.scoring
    rng = generator(settings.seed, "bootstrap", people.digest)
    strata, units = _labels(people)
    drawn = bootstrap_weights(len(people), settings.resamples, rng, strata, units)
    if settings.interval == "bca":
        drawn = np.vstack([drawn, jackknife_weights(len(people), units)])
    return _weighted(drawn, people.survey)


def _weighted(weights: Floats, survey: Floats | None) -> Floats:
    """Multiplicities (R, n) times survey weights (n,), in place."""
    return weights if survey is None else np.multiply(weights, survey, out=weights)


def against_humans(
    plan: ScoringPlan, people: People, responses: pd.DataFrame, weights: Floats, pilot: People | None = None
) -> Comparison:
    """The humans against what was simulated for them, ok answers only."""
    simulated, matched = answered_alike(people, responses)
    ok = simulated.frame
    probabilities = {
        item.name: np.stack(ok[f"{item.name}__p"].to_list()).astype(float)
        for item in people.design.items
        if f"{item.name}__p" in ok and len(ok) and ok[f"{item.name}__p"].notna().all()
    }
    told = None if people.survey is None else people.survey[matched]
    everybody = np.array_equal(matched, np.arange(len(people)))  # the same weights, and not a copy of them
    return Comparison(
        Side(people, weights, survey=people.survey),
        Side(simulated, weights if everybody else weights[:, matched], probabilities, told),
        rule_of(plan),
        plan.settings.scoring.alpha,
        partial(generator, plan.settings.scoring.seed, "metric", people.digest),
        matched,
        pilot,
    )


def answered_alike(people: People, responses: pd.DataFrame) -> tuple[People, Ints]:
    """The simulated participants with ok answers, and the row (n_s,) of the human that each stands for.

    What a human left unanswered is missing in the simulated ones too, so that every figure is of the same persons:
    who does not answer is no random part of the people.
    """
    ok = responses[responses["status"] == "ok"].reset_index(drop=True)
    position = {name: row for row, name in enumerate(people.ids)}
    matched: Ints = ok[PARTICIPANT].map(position).to_numpy(dtype=np.int64)
    return _alike(people, People(people.design, ok), matched), matched


def _alike(people: People, simulated: People, matched: Ints) -> People:
    """The simulated participants without answers where the humans (row ``matched`` (n_s,)) gave none."""
    unanswered = {item.name: people.codes(item.name)[matched] < 0 for item in people.design.items}
    return simulated.answering(
        {name: np.where(gone, -1, simulated.codes(name)) for name, gone in unanswered.items() if gone.any()}
    )


def each_replicate(comparison: Comparison, replicates: Ints) -> Iterator[Comparison]:
    """The same comparison as a point estimate with the answers of one replicate only, one by one."""
    once = np.ones((1, len(comparison.human)))
    survey = comparison.human.survey
    human = Side(comparison.human.people, _weighted(once, survey), survey=survey)
    for replicate in np.unique(replicates):
        rows = np.flatnonzero(replicates == replicate)
        told = None if comparison.simulated.survey is None else comparison.simulated.survey[rows]
        side = Side(
            comparison.simulated.people.at(rows),
            _weighted(np.ones((1, len(rows))), told),
            {item: table[rows] for item, table in comparison.simulated.probabilities.items()},
            told,
        )
        matched = None if comparison.matched is None else comparison.matched[rows]
        yield replace(comparison, human=human, simulated=side, matched=matched, generator=None)


def human_halves(plan: ScoringPlan, people: People) -> Comparison:
    """Humans against humans: disjoint halves, one split per row of weights."""
    from simbench.stats.resampling import split_halves

    rng = generator(plan.settings.scoring.seed, "halves", people.digest)
    one, other = split_halves(len(people), plan.settings.scoring.splits, rng, *_labels(people))
    return _humans(plan, people, one, other)


def human_quarters(plan: ScoringPlan, people: People) -> Comparison:
    """Humans against humans: disjoint quarters, two of them per row of weights."""
    from simbench.stats.ceilings import split_quarters

    rng = generator(plan.settings.scoring.seed, "quarters", people.digest)
    one, other = split_quarters(len(people), plan.settings.scoring.splits, rng, *_labels(people))
    return _humans(plan, people, one, other)


def uniform(plan: ScoringPlan, people: People, pilot: People | None = None) -> Comparison:
    """Humans against uniform-random answers of the same people, one draw of everybody per row of weights.

    All draws are rows of one side, and each row of weights holds one of them.
    """
    import pandas as pd

    draws, n = plan.settings.scoring.floors, len(people)
    rng = generator(plan.settings.scoring.seed, "floor", people.digest)
    frame = pd.concat([people.without_numbers().frame] * draws, ignore_index=True)
    block = np.repeat(np.arange(draws), n)
    for name in people.design.ids:
        frame[name] = [f"{number}:{who}" for number, who in zip(block, frame[name], strict=True)]
    codes, chances = {}, {}
    for item in people.design.items:
        offered = np.tile(people.offered(item.name), (draws, 1))
        codes[item.name] = np.where(offered, rng.random(offered.shape), -1.0).argmax(axis=1)
        chances[item.name] = offered / offered.sum(axis=1, keepdims=True)
    matched = np.tile(np.arange(n), draws)
    answers = _alike(people, People(people.design, frame).answering(codes), matched)
    own = (np.arange(draws)[:, None] == block[None, :]).astype(np.float64)
    survey = None if people.survey is None else np.tile(people.survey, draws)
    return Comparison(
        Side(people, _weighted(np.ones((draws, n)), people.survey), survey=people.survey),
        Side(answers, _weighted(own, survey), chances, survey),
        rule_of(plan),
        plan.settings.scoring.alpha,
        matched=matched,
        pilot=pilot,
    )


def _humans(plan: ScoringPlan, people: People, one: Floats, other: Floats) -> Comparison:
    survey = people.survey
    first, second = (Side(people, _weighted(each, survey), survey=survey) for each in (one, other))
    return Comparison(first, second, rule_of(plan), plan.settings.scoring.alpha)


def rule_of(plan: ScoringPlan) -> Callable[[pd.DataFrame], pd.Series]:
    """The experiment's rule of coherence; what goes wrong in it is the experiment's."""

    def rule(people: pd.DataFrame) -> pd.Series:
        with one_at_a_time(type(plan.experiment)), blamed("experiment", plan.experiment, "coherent"):
            return plan.experiment.coherent(people)

    return rule
