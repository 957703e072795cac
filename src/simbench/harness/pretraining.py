"""Learning from other studies first: one adapter from the people of every study of the shelf but those left out.

Every study gives equally many transcripts, of as many different people as it has. A run that starts from such an
adapter is refused where the study that it evaluates was among those learned from, by name or by where its people come
from (see :func:`refuse_known`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simbench.backends.base import Backend, Estimate, Progress, Workspace
from simbench.design import People
from simbench.errors import ConfigError, SimbenchError, StorageError
from simbench.experiments.base import Experiment
from simbench.files import digest, file_digest, storage
from simbench.harness.config import typed
from simbench.harness.provenance import environment, interviews_digest
from simbench.harness.store import MANIFEST, RunFolder, now
from simbench.interview import Transcript
from simbench.plugin.blame import blamed
from simbench.plugin.manager import Entry, Registry
from simbench.plugin.sources import identities
from simbench.settings import settings_of
from simbench.stats.rng import generator

__all__ = ["KIND", "Lesson", "Pretraining", "cost_of", "prepare_pretraining", "pretrain", "refuse_known"]

SCHEMA = 1
KIND = "pretraining"
FROM = "adapter"  # the setting of a backend that can start from what was learned


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned of one study: ``facts`` say which study it is and of whom, for the manifest."""

    facts: Mapping[str, Any]
    transcripts: list[Transcript]


@dataclass(frozen=True, eq=False)
class Pretraining:
    """Everything that is known before anything is spent; ``skipped`` says of other studies why they are."""

    backend: Backend[Any]
    lessons: tuple[Lesson, ...]
    skipped: Mapping[str, str]
    facts: Mapping[str, Any]
    folder: RunFolder

    @property
    def transcripts(self) -> list[Transcript]:
        """All that is learned from, study after study."""
        return [each for lesson in self.lessons for each in lesson.transcripts]


def prepare_pretraining(
    registry: Registry,
    leave_out: Sequence[str],
    out: Path,
    backend: str = "local",
    settings: Mapping[str, Any] | None = None,
    n: int = 30,
    seed: int = 0,
) -> Pretraining:
    """Draw ``n`` transcripts of every real study that is at hand and write them. Spends nothing, writes nothing.

    Raises:
        ConfigError: settings that cannot be; no study to learn from; a backend that starts from no adapter.
        StorageError: ``out`` holds anything else than this very pretraining.
    """
    if n < 1:
        raise ConfigError(f"n: expected 1 or more transcripts per study; found {n}")
    if seed < 0:
        raise ConfigError(f"seed: expected 0 or more; found {seed}")
    entry = registry.get("backend", backend)
    learner = _learner(entry, settings or {})
    kept_out = [_made(registry.get("experiment", name)) for name in leave_out]
    for each in kept_out:
        refuse_known(learner, each)
    lessons, skipped = _lessons(registry, kept_out, n, seed)
    if not lessons:
        reasons = "; ".join(f"{name}: {why}" for name, why in skipped.items())
        raise ConfigError(f"pretrain: there is no study to learn from ({reasons})")
    transcripts = [each for lesson in lessons for each in lesson.transcripts]
    with blamed("backend", learner, "check"):
        learner.check(transcripts, [])
    plugins = identities([entry])
    told = {
        "schema": SCHEMA,
        "kind": KIND,
        "left_out": list(leave_out),
        "studies": [*(dict(lesson.facts) for lesson in lessons), *map(dict, learner.learned_before())],
        "n": n,
        "seed": seed,
        "backend": {"name": entry.name, **_deciding(learner)},
        "transcripts": digest(
            [interviews_digest(each.interview for each in transcripts), [dict(each.answers) for each in transcripts]]
        ),
        "plugins": dict(plugins),
    }
    prepared = Pretraining(learner, tuple(lessons), skipped, told, RunFolder(out))
    _refuse_others(prepared)
    return prepared


def cost_of(prepared: Pretraining) -> Estimate:
    """Tokens, seconds and memory."""
    return prepared.backend.estimate(prepared.transcripts, [])


def pretrain(prepared: Pretraining, progress: Progress) -> Path:
    """Train, going on from what an earlier attempt left; the adapter's folder, for ``backend.adapter``."""
    folder, started = prepared.folder, time.monotonic()
    if folder.status == "done":
        return _adapter(folder)
    with storage(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    with folder.locked(), folder.recording({**prepared.facts, "skipped": dict(prepared.skipped)}):
        workspace = Workspace(folder.path, int(prepared.facts["seed"]), progress)
        model = prepared.backend.adapt(prepared.transcripts, workspace)
        if model.adapter is None:
            raise ConfigError(f"backend {prepared.backend.name!r} made no adapter with these settings")
        folder.update(
            status="done",
            finished=now(),
            model=model.to_json(),
            seconds=round(time.monotonic() - started),
            environment=environment(prepared.facts["plugins"], {}),
        )
    adapter = _adapter(folder)
    RunFolder(adapter).update(**folder.manifest)  # so that whoever has the adapter has what it was learned from
    return adapter


def refuse_known(backend: Backend[Any], experiment: Experiment[Any]) -> None:
    """Raise ConfigError where what the backend starts from has learned from this study, under whatever name."""
    known = backend.learned_before()
    if not known:
        return
    own = _marks(experiment)
    for study in known:
        if shared := own & _marks_of(study):
            raise ConfigError(
                f"backend.{FROM}: it has learned from {study.get('rows', 'some')} answers of people of "
                f"{study.get('name')!r}, the study that is asked about ({sorted(shared)[0]}): nothing that it says "
                f"would be a forecast. Train one without: simbench pretrain --leave-out {experiment.design.name}"
            )


def _learner(entry: Entry, settings: Mapping[str, Any]) -> Backend[Any]:
    """The backend; ConfigError where no run could start from what it learns here."""
    if FROM not in {each.name for each in settings_of(entry.cls.Config)}:
        raise ConfigError(
            f"pretrain: backend {entry.name!r} has no setting {FROM!r} to start from; use backend=local"
        )
    config = typed(entry.cls.Config, settings, "backend.")
    if getattr(config, "adapt", "finetune") != "finetune":
        raise ConfigError(f"pretrain: expected backend.adapt=finetune, the default; found {config.adapt!r}")
    if getattr(config, "epochs", 1) == 0:
        raise ConfigError("pretrain: backend.epochs: expected 1 or more; 0 is chosen inside the pilot of one study")
    with blamed("backend", entry.cls, "__init__"):
        made: Backend[Any] = entry.cls(config)
        return made


def _deciding(backend: Backend[Any]) -> dict[str, Any]:
    return {
        each.name: getattr(backend.config, each.name)
        for each in settings_of(type(backend.config))
        if not each.runtime
    }


def _made(entry: Entry) -> Experiment[Any]:
    with blamed("experiment", entry.cls, "__init__"):
        made: Experiment[Any] = entry.cls(typed(entry.cls.Config, {}, "experiment."))
        return made


def _lessons(
    registry: Registry, kept_out: Sequence[Experiment[Any]], n: int, seed: int
) -> tuple[list[Lesson], dict[str, str]]:
    names = {each.name for each in kept_out}
    hidden = set[str]().union(*(_marks(each) for each in kept_out))
    lessons, skipped = [], {}
    for entry in registry.of("experiment"):
        if entry.name in names:
            skipped[entry.name] = "left out"
        elif entry.cls.people_are() != "real":
            skipped[entry.name] = "its people are synthetic, or settings decide who they are"
        else:
            try:
                experiment = _made(entry)
                if lacking := experiment.lacking():
                    skipped[entry.name] = f"its data are not at hand: {lacking}"
                elif hidden & _marks(experiment):
                    skipped[entry.name] = "its people are those of a study that is left out"
                else:
                    lessons.append(_lesson(experiment, n, seed))
            except SimbenchError as error:
                skipped[entry.name] = f"its people cannot be had: {error}"
    return lessons, skipped


def _lesson(experiment: Experiment[Any], n: int, seed: int) -> Lesson:
    with blamed("experiment", experiment, "people"):
        people = experiment.people()
    drawn = _drawn(people, n, seed)
    with blamed("experiment", experiment, "writing its transcripts"):
        transcripts = list(experiment.script().transcripts(drawn))
    facts = {
        "name": experiment.design.name,
        "people": int(drawn.person.nunique()),
        "rows": len(transcripts),
        "source": experiment.source,
        "sources": _files(experiment),
        "people_sha256": drawn.digest,
        "citation": experiment.citation,
        "license": experiment.license,
    }
    return Lesson(facts, transcripts)


def _drawn(people: People, n: int, seed: int) -> People:
    """``n`` rows without a gap, or all there are: nobody a second time while there is somebody new."""
    whole = people.where(people.frame[[item.name for item in people.design.items]].notna().all(axis=1))
    lots = generator(seed, KIND, people.design.name).permutation(len(whole))
    humans = whole.person.iloc[lots]
    again = humans.groupby(humans.to_numpy()).cumcount().to_numpy()
    return whole.at(np.sort(lots[np.argsort(again, kind="stable")[:n]]))


def _files(experiment: Experiment[Any]) -> dict[str, str]:
    """The files that it is read from, by name, and their sha256; none of what would have to be downloaded."""
    return {} if experiment.lacking() else {path.name: file_digest(path) for path in experiment.sources}


def _marks(experiment: Experiment[Any]) -> set[str]:
    """What tells that two studies are one: the name, where the people come from, the files with their digests."""
    return _marks_of({"name": experiment.design.name, "source": experiment.source, "sources": _files(experiment)})


def _marks_of(study: Mapping[str, Any]) -> set[str]:
    files = {f"the same {name}, sha256 {found[:12]}" for name, found in dict(study.get("sources") or {}).items()}
    return {f"of the name {study.get('name')}", f"people from {study.get('source')}", *files}


def _adapter(folder: RunFolder) -> Path:
    return folder.path / str(folder.manifest["model"]["adapter"])


def _refuse_others(prepared: Pretraining) -> None:
    """Raise StorageError where the folder is not empty and holds anything but this very pretraining."""
    folder = prepared.folder
    with storage(folder.path):
        if not folder.path.exists() or not any(folder.path.iterdir()):
            return
    if not (folder / MANIFEST).is_file():
        raise StorageError(
            f"out={folder.path}: holds something else, and nothing is written over; choose another out"
        )
    found = folder.manifest
    changed = [name for name, value in prepared.facts.items() if found.get(name) != _as_json(value)]
    if changed:
        raise StorageError(
            f"out={folder.path}: holds another {found.get('kind', 'run')} (other {', '.join(changed)}), and nothing "
            "is written over; choose another out"
        )


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
