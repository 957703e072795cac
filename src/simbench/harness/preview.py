"""What a study can show, from its people alone: before any model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simbench.design import People
from simbench.experiments.base import Experiment
from simbench.harness.baselines import baselines
from simbench.harness.config import assemble
from simbench.harness.run import prepare
from simbench.harness.scoring import scored
from simbench.interview import Interview
from simbench.metrics.score_table import ScoreTable
from simbench.metrics.trial import refuse_unfit, weak_regressions
from simbench.plugin.manager import Registry

__all__ = ["Preview", "preview"]

METRICS = ("effect_sizes", "share_distance", "value_action_gap", "verdict")
FEW = {"resamples": 50, "splits": 1, "floors": 1, "baseline_resamples": 1, "swaps": 0}
"""The power of a verdict goes by the people, not by resamples."""


@dataclass(frozen=True, eq=False)
class Preview:
    """A study before any model is asked.

    ``people``: everybody; ``pilot``, ``asked``: how many a default pilot would hold, and how many would be compared
    with; ``interviews``: one of up to three treatment groups; ``gap``: share of people whose decision contradicts
    their own beliefs, None where no rule says so, and ``gap_people``, of how many; ``findings``: criteria of the
    verdict with their power; ``notes``: what a run would say first.
    """

    experiment: Experiment[Any]
    people: People
    pilot: int
    asked: int
    interviews: tuple[Interview, ...]
    gap: float | None
    gap_people: int
    findings: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


def preview(experiment: Mapping[str, Any], registry: Registry) -> Preview:
    """Look at a study (its name and settings) as a run would, with a pilot of a quarter and answers drawn from it.

    The simulation is of no account: the power is that of a perfect one, and depends on the people alone.

    Raises UserError subclasses, each with all problems of its kind: the declaration's, then the people's, then those
    of regressions.
    """
    config = {"experiment": dict(experiment), "backend": "resample", "sampler": "random"}
    plan = assemble({**config, "metric": list(METRICS), "scoring": FEW}, registry)
    ready = prepare(plan)
    refuse_unfit(ready.humans)
    first = dict.fromkeys(ready.asked.condition)
    by_group = {each.condition: each for each in reversed(ready.interviews)}
    shown = [by_group[name] for name in list(first)[:3]]
    learned = baselines(plan, ready.asked, ready.pilot)
    scores: ScoreTable | None = None
    findings: tuple[Mapping[str, Any], ...] = ()
    if learned:
        found = scored(plan, ready.asked, learned["resample"].answers, ready.pilot)
        scores, findings = ScoreTable(found.scores), found.findings
    gap = scores.one("value_action_gap") if scores else None
    known = gap is not None and gap["human"] == gap["human"]
    return Preview(
        plan.experiment,
        ready.humans,
        len(ready.pilot),
        len(ready.asked),
        tuple(shown),
        float(gap["human"]) if gap is not None and known else None,
        int(gap["n_human"]) if gap is not None and known else 0,
        findings,
        (*plan.experiment.notes, *weak_regressions(ready.humans)),
    )
