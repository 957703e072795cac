"""Runs of one study before the same people, from their folders alone.

Runs whose people are the same meet them as they did. Runs with other pilots were compared with other people, each
with those outside its own; they meet the people who are outside *all* of these pilots, and are scored on these anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import PARTICIPANT, Design, People
from simbench.errors import ConfigError
from simbench.harness.baselines import baselines
from simbench.harness.comparisons import against_humans, human_halves, human_weights, scheme, uniform
from simbench.harness.config import RunSettings, ScoringPlan, assemble_scoring
from simbench.harness.figures import Asked, Key
from simbench.harness.inference import corrected, estimates
from simbench.harness.kept import people_of, pilots_study_of, shared_study
from simbench.harness.library import Runs
from simbench.harness.likelihood import Likelihoods, kept_likelihoods, rivals_of
from simbench.harness.run import Run
from simbench.metrics.base import Comparison, Floats, Score, loss
from simbench.metrics.foretold import Foretold, Tables, uniform_tables
from simbench.metrics.score_table import Figure
from simbench.plugin.manager import Registry
from simbench.settings import settings_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Contest", "Entrant", "contest_of", "measured", "same_people", "settings_alike"]

FEWEST = 10
"""People below which no figure says anything."""


@dataclass(frozen=True, eq=False)
class Entrant:
    """One run: answers and likelihoods for the people of the contest, and the people it learned from.

    ``learned`` identifies the pilot. The rest is read from the run's folder when it is first asked for: most
    comparisons rest on figures that are there already.
    """

    run: Run
    design: Design
    kept: Set[str]
    learned: str

    @cached_property
    def responses(self) -> pd.DataFrame:
        """Its answers for the people of the contest."""
        return _among(self.run.responses, self.kept)

    @cached_property
    def likelihoods(self) -> Likelihoods:
        """How likely it finds their own."""
        said = kept_likelihoods(self.run.folder)
        return said if said.frame is None else Likelihoods(_among(said.frame, self.kept), said.reason)

    @cached_property
    def pilot(self) -> People | None:
        """The people it learned from; None where they are of another study."""
        return _pilot(self.run, self.design)


@dataclass(frozen=True, eq=False)
class Contest:
    """The people that all runs are held against, and what every run has for them, by run id.

    ``outside``: they are those outside all pilots rather than the people the runs were scored with. ``every``: all
    metrics are asked, not only those that have headline figures.
    """

    plan: ScoringPlan
    people: People
    entrants: Mapping[str, Entrant]
    outside: bool
    every: bool = False

    def comparison(self, run: str, weights: Floats) -> Comparison:
        """A run against the people, under rows of weights over them."""
        entrant = self.entrants[run]
        found = against_humans(self.plan, self.people, entrant.responses, weights, entrant.pilot)
        return replace(found, foretold=entrant.likelihoods.foretold(self.people, self._rivals(entrant)))

    def _rivals(self, entrant: Entrant) -> Mapping[str, Tables]:
        """What likelihoods are held against, where a figure wants it that is not a headline."""
        wanted = any(each.needs_likelihood for each in self.plan.metrics) and self.every
        if not wanted or entrant.pilot is None or not len(entrant.pilot):
            return {}
        learned = baselines(self.plan, self.people, entrant.pilot, likelihoods=True)
        return rivals_of(self.people, entrant.pilot, learned["tabular"].tables if learned else None)


def same_people(runs: Runs) -> bool:
    """Whether all runs were scored with the same people of one study, and by the same resamples."""
    keys = {
        (
            (manifest.get("experiment") or manifest["config"]["experiment"])["name"],
            manifest["humans"].get("evaluated_sha256") or manifest["run_id"],
            manifest["config"]["scoring"].get("seed"),
        )
        for manifest in runs.manifests
    }
    return len(keys) == 1


def settings_alike(manifest: Mapping[str, Any]) -> str:
    """What two runs share that differ in nothing but their seed: every setting that decides answers, and the code."""
    config = manifest["config"]
    left = {each.name for each in settings_of(RunSettings) if each.runtime} | {"metric", "scoring", "seed"}
    kept = {name: value for name, value in config.items() if name not in left}
    return json.dumps([kept, manifest["environment"].get("plugins")], sort_keys=True, default=str)


def contest_of(runs: Runs, registry: Registry, every: bool = False) -> Contest:
    """The contest of runs that are done; ``every``: with all metrics, not only those that have headline figures.

    Raises:
        ConfigError: runs of different studies, or of one whose people or answers differ, or without common people.
        StorageError: a file of a run that is damaged.
    """
    study = shared_study([run.folder for run in runs], registry)
    outside = not same_people(runs)
    if outside:
        humans = {run.run_id: people_of(study.design, run.people) for run in runs}
        people = _outside(humans, {run.run_id: _pilot(run, study.design) for run in runs})
    else:
        people = people_of(study.design, runs[0].people)
    kept = frozenset(people.ids)
    learned = _learned(runs, study.design)
    entrants = {run.run_id: Entrant(run, study.design, kept, learned[run.run_id]) for run in runs}
    return Contest(_plan(runs.manifests, registry, study, every), people, entrants, outside, every)


def _learned(runs: Runs, design: Design) -> dict[str, str]:
    """What identifies the pilot of every run: the digest of its people, which runs of before must be asked for."""
    found: dict[str, str] = {}
    same_file: dict[str, str] = {}
    for run in runs:
        humans, file = run.manifest["humans"], run.manifest["products"].get("pilot.parquet")
        known = humans.get("pilot_sha256") or same_file.get(str(file))
        if known is None:
            pilot = _pilot(run, design)
            known = str(file) if pilot is None else pilot.digest
        found[run.run_id] = known
        if file:
            same_file[str(file)] = known
    return found


def _pilot(run: Run, design: Design) -> People | None:
    return None if pilots_study_of(run.folder) is not None else people_of(design.given, run.pilot)


def _among(frame: pd.DataFrame, kept: Set[str]) -> pd.DataFrame:
    return frame[frame[PARTICIPANT].isin(kept)].reset_index(drop=True)


def _outside(humans: Mapping[str, People], pilots: Mapping[str, People | None]) -> People:
    """Whom all runs were compared with and none learned from, the same in all. ConfigError where there is nobody."""
    first, *others = humans.values()
    everywhere = first.ids.isin(set.intersection(*[set(each.ids) for each in humans.values()])).to_numpy()
    learned = set().union(*[set(each.person) for each in pilots.values() if each is not None])
    people = first.where(everywhere & ~first.person.isin(learned).to_numpy())
    if len(people) < FEWEST:
        raise ConfigError(
            f"these runs have {len(people) or 'no'} people in common whom all were compared with and none learned "
            f"from (at least {FEWEST}): {int(everywhere.sum())} were compared with all runs, and "
            f"{len(learned)} are in a pilot of one of them. Name fewer runs, runs with smaller pilots, or runs with "
            "evaluate=reserved, whose people no pilot is drawn from"
        )
    for run, each in zip(list(humans)[1:], others, strict=True):
        place = {name: row for row, name in enumerate(each.ids)}
        if each.at([place[name] for name in people.ids]).digest != people.digest:
            raise ConfigError(
                f"{run} and {next(iter(humans))} hold other answers of people of the same name: the study's data "
                "were changed in between. Runs on the same data can be compared"
            )
    return people


def _plan(manifests: Sequence[Mapping[str, Any]], registry: Registry, study: Any, every: bool) -> ScoringPlan:
    """How all are scored: by the first run's settings, with every metric that any run has."""
    known = {each.name: each for each in registry.classes("metric")}
    settings: dict[str, Any] = {}
    for manifest in manifests:
        for name, given in manifest["config"]["metric"].items():
            if name in known and (every or known[name].headline):
                settings.setdefault(name, given)
    own = {field.name for field in fields(RunSettings)}
    config = {name: value for name, value in manifests[0]["config"].items() if name in own}
    return assemble_scoring({**config, "metric": settings, "adapt_on": None}, registry, study)


def measured(contest: Contest) -> tuple[pd.DataFrame, dict[Figure, dict[str, Floats]], list[str]]:
    """Every run's whole-sample figures for the people of the contest, as of :func:`simbench.harness.scoring.scored`.

    Rows with the columns of ``scores.parquet`` and ``run_id``, without baselines; losses (R,) by figure and run id,
    the first the estimate; and what went wrong with which metric. All runs share resamples, floor and ceiling.
    """
    import pandas as pd

    plan, people, asked = contest.plan, contest.people, Asked(contest.plan.metrics)
    given, weights = plan.settings.scoring, human_weights(plan, people)
    others = Asked(plan.metrics)
    references = {
        "ceiling": _means(others.scores(human_halves(plan, people))),
        "floor": _means(others.scores(_uniform(plan, people))),
    }
    frames, losses = [], defaultdict[Figure, dict[str, Floats]](dict)
    for run in contest.entrants:
        scores = [each for each in asked.scores(contest.comparison(run, weights)) if each.subgroup is None]
        frame = estimates(
            scores, asked.better, given.confidence, given.resamples, scheme(people), given.interval == "bca"
        )
        for name, reference in references.items():
            frame[name] = [reference.get(each.key, float("nan")) for each in scores]
        frames.append(frame.assign(run_id=run))
        for each in scores:
            if way := asked.better.get(each.metric):
                losses[each.metric, each.item][run] = loss(corrected(each, resamples=given.resamples), way)
    lost = [f"without floor or ceiling, which could not be had on these people: {each}" for each in others.faults]
    return pd.concat(frames, ignore_index=True), dict(losses), [*asked.faults, *lost]


def _uniform(plan: ScoringPlan, people: People) -> Comparison:
    return replace(uniform(plan, people), foretold=Foretold(uniform_tables(people)))


def _means(scores: Sequence[Score]) -> dict[Key, float]:
    """The mean of every figure over the rows of a reference; missing where fewer than half are defined."""
    defined = {each.key: each.value[np.isfinite(each.value)] for each in scores}
    return {
        each.key: float(defined[each.key].mean())
        for each in scores
        if 2 * len(defined[each.key]) >= len(each.value) > 0
    }
