"""Asking a finished run for other figures, from its folder alone: nobody and no file of the study is asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simbench.backends.base import Progress
from simbench.errors import ConfigError, StorageError
from simbench.files import digest
from simbench.harness.config import ScoringPlan, assemble_scoring
from simbench.harness.kept import people_of, pilots_study_of, study_of
from simbench.harness.likelihood import kept_likelihoods
from simbench.harness.run import Run
from simbench.harness.scoring import scored
from simbench.harness.store import now
from simbench.plugin.manager import Registry

__all__ = ["rescore"]

MADE_ANEW = ("scores.parquet", "resamples.parquet")


def rescore(
    run: Run,
    registry: Registry,
    metric: str | Sequence[str] | Mapping[str, Any] | None = None,
    scoring: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Score a finished run anew, with other metrics or settings of scoring; the scores it had are replaced.

    Args:
        run: a run that is done.
        registry: what is installed.
        metric: names, or ``{name: settings}``; None: the run's own metrics.
        scoring: settings of scoring that differ from the run's.
        progress: is told where it takes more than a minute.

    Raises:
        ConfigError: a run that is not done, a metric that is not installed, or a study that cannot be had.
        StorageError: a file of the run that is damaged.
    """
    folder = run.folder
    with folder.locked():
        manifest = folder.manifest
        if manifest.get("status") != "done":
            raise ConfigError(f"{folder.path}: expected a run that is done; found {manifest.get('status')}")
        for name in manifest["products"]:
            if name not in MADE_ANEW:
                folder.verify(name)
        plan = _plan(run, registry, metric, scoring)
        people = people_of(plan.experiment.design, run.people)
        if people.digest != manifest["humans"]["evaluated_sha256"]:
            raise StorageError(f"{folder.path}: people.parquet does not hold the people that the manifest speaks of")
        pilot = people_of((plan.pilot_from or plan.experiment).design.given, run.pilot)
        found = scored(plan, people, run.responses, pilot, kept_likelihoods(folder), progress)
        folder.write_frame("resamples.parquet", found.resamples)
        folder.write_frame("scores.parquet", found.scores)
        folder.update(
            config=dict(plan.config),
            environment={**manifest["environment"], "scorers": dict(plan.scorers)},
            scoring_id=digest(plan.scoring()),
            rescored=now(),
            metric_faults=list(found.faults),
            findings=list(found.findings),
            resampled=dict(found.resampled),
        )
    return Run(folder)


def _plan(
    run: Run,
    registry: Registry,
    metric: str | Sequence[str] | Mapping[str, Any] | None,
    scoring: Mapping[str, Any] | None,
) -> ScoringPlan:
    config = run.manifest["config"]
    study, others = study_of(run.folder, registry), pilots_study_of(run.folder)
    if study is None or (config.get("adapt_on") and others is None):
        raise ConfigError(
            f"{run.folder.path} was made before runs kept their study, and the experiment "
            f"{config['experiment']['name']!r} it was made with cannot be had here: it cannot be scored anew"
        )
    wanted = config["metric"] if metric is None else metric
    asked = {**config, "metric": wanted, "scoring": {**config["scoring"], **(scoring or {})}}
    return assemble_scoring(asked, registry, study, others)
