"""What a language model has to beat: the model-free backends, learning from the same pilot."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.backends.base import Backend, Workspace
from simbench.design import People
from simbench.harness.config import ScoringPlan
from simbench.harness.likelihood import heldout, likelihood_frame, tables_of
from simbench.harness.pilot import asking_script
from simbench.harness.progress import Silent
from simbench.harness.responses import response_frame

if TYPE_CHECKING:
    import pandas as pd

    from simbench.metrics.foretold import Tables

__all__ = ["BASELINES", "Baseline", "baseline_answers", "baselines"]

BASELINES = ("majority", "resample", "tabular")


@dataclass(frozen=True, eq=False)
class Baseline:
    """What one of them answered, and foretold of people's own answers (empty where that was not asked)."""

    answers: pd.DataFrame
    tables: Tables


def baseline_answers(plan: ScoringPlan, people: People, pilot: People | None) -> dict[str, pd.DataFrame]:
    """The answers of :func:`baselines` alone."""
    return {name: each.answers for name, each in baselines(plan, people, pilot).items()}


def baselines(
    plan: ScoringPlan, people: People, pilot: People | None, likelihoods: bool = False
) -> dict[str, Baseline]:
    """Answers of every baseline for the people evaluated, as frames like ``responses.parquet``; and likelihoods.

    They learn from the whole pilot (``train_without`` is for the model), ask with the personas that the model
    is asked with, as often, and draw from the run's seed: where the run's own backend is one of them, it gives the
    same answers. Empty without a pilot, or with a pilot of another experiment.
    """
    if pilot is None or not len(pilot) or plan.pilot_from is not None:
        return {}
    script = asking_script(plan)
    transcripts = list(script.transcripts(pilot))
    if not transcripts:
        return {}
    interviews = list(script.interviews(people, plan.settings.replicates))
    outside = heldout(plan, people, pilot)
    own = list(script.transcripts(outside)) if likelihoods else []
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), plan.settings.seed, Silent())
        for backend in _backends():
            model = backend.adapt(transcripts, workspace)
            # They are the core's own, and their answers need no check against the contract.
            answers = {answer.key: answer for answer in backend.respond(model, interviews, workspace)}
            told = {each.key: each for each in backend.score(model, own, workspace)} if likelihoods else {}
            tables = tables_of(people, likelihood_frame(outside, own, told)) if likelihoods else {}
            found[backend.name] = Baseline(response_frame(people, interviews, answers), tables)
    return found


def _backends() -> tuple[Backend[Any], ...]:
    from simbench.backends.majority import Majority
    from simbench.backends.resample import Resample
    from simbench.backends.tabular import Tabular

    kinds: tuple[type[Backend[Any]], ...] = (Majority, Resample, Tabular)
    return tuple(kind(kind.Config()) for kind in kinds)
