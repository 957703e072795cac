"""One run, from people to report. Each product is on disk before the next is begun."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench import errors
from simbench.backends.base import Model, Progress, Workspace
from simbench.design import People
from simbench.design.people import RAW
from simbench.errors import FailedBeforeError, PilotError, PluginError
from simbench.experiments.base import Experiment
from simbench.files import digest, storage
from simbench.harness.cache import ResponseCache
from simbench.harness.config import Plan
from simbench.harness.damage import accept_loss, answered, damage
from simbench.harness.kept import DESIGN, GIVEN, keep_verdicts, kept_study
from simbench.harness.likelihood import LIKELIHOODS, Likelihoods, kept_likelihoods, look_up
from simbench.harness.pilot import asking_script, draw_pilot, evaluated, training_script
from simbench.harness.pretraining import refuse_known
from simbench.harness.provenance import environment, interviews_digest
from simbench.harness.responses import AGAIN, JOURNAL, ask, outcome_counts, response_frame, usage_totals, valid_mass
from simbench.harness.sampled import sample_words, sampled
from simbench.harness.scoring import scored
from simbench.harness.spending import BACKEND, booked, spent_before
from simbench.harness.store import RunFolder, now
from simbench.metrics.score_table import ScoreTable
from simbench.metrics.trial import refuse_unfit, weak_regressions
from simbench.plugin.blame import blamed, returned

if TYPE_CHECKING:
    import pandas as pd

    from simbench.interview import Interview, Transcript

__all__ = ["Run", "run"]

SCHEMA = 1
CACHE = ".cache"
LONGEST_NAME = 40


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: its folder and what is in it."""

    folder: RunFolder

    @property
    def run_id(self) -> str:
        """The run's identity: a hash of what determines its result."""
        return self.folder.run_id

    @property
    def manifest(self) -> dict[str, Any]:
        """What was run, on what, and how it ended."""
        return self.folder.manifest

    @property
    def scores(self) -> pd.DataFrame:
        """One row per figure."""
        return self.folder.read_frame("scores.parquet")

    @property
    def responses(self) -> pd.DataFrame:
        """One row per simulated participant and replicate."""
        return self.folder.read_frame("responses.parquet")

    @property
    def people(self) -> pd.DataFrame:
        """The humans compared against."""
        return self.folder.read_frame("people.parquet")

    @property
    def pilot(self) -> pd.DataFrame:
        """The humans learned from."""
        return self.folder.read_frame("pilot.parquet")

    @classmethod
    def at(cls, path: Path) -> Run:
        """The run in an existing folder."""
        return cls(RunFolder(path))

    def _repr_html_(self) -> str:
        if self.folder.status != "done":
            return f"<code>{escape(repr(self))}</code>"
        whole = ScoreTable(self.scores).whole
        whole = whole[whole["item"].isna() | (whole["item"] == "mean")]
        shown = whole[["metric", "human", "simulated", "value", "ci_low", "ci_high", "floor", "ceiling"]]
        table: str = shown.dropna(subset="value").round(3).to_html(index=False, na_rep="", border=0)
        return f"<code>{escape(repr(self))}</code>{table}"

    def __repr__(self) -> str:
        return f"Run({self.run_id!r}, status={self.folder.status!r}, folder={str(self.folder.path)!r})"


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything about a run that is known before anything is spent."""

    plan: Plan
    humans: People
    pilot: People
    notes: tuple[str, ...]
    asked: People
    transcripts: list[Transcript]
    interviews: list[Interview]
    run_id: str
    sample: str = ""


def run(plan: Plan, progress: Progress, begun: Callable[[RunFolder], None] | None = None) -> Run:
    """Carry out a plan, going on from whatever an earlier attempt left in the run's folder.

    ``begun`` is told the folder as soon as the run's identity is known.
    """
    ready = prepare(plan)
    folder = RunFolder(plan.out / ready.run_id)
    if begun:
        begun(folder)
    if not damage(folder) and is_done(folder, plan):
        return Run(folder)
    refuse(ready)
    with folder.locked():
        found = damage(folder)
        if JOURNAL in found and answered(folder, plan, found):
            accept_loss(folder, progress)
            found.remove(JOURNAL)
        if found:
            folder.set_aside_damage()
            progress.say(f"damaged, and made again from the rest: {', '.join(found)} of {folder.path}")
        if found or not is_done(folder, plan):  # another process may have finished it while this one waited
            refuse_failed(folder, plan)
            carry_out(ready, folder, progress, answered(folder, plan, found))
    return Run(folder)


def refuse(ready: Prepared) -> None:
    """Raise for what cannot work, before the run has a folder: regressions of the study, settings of the backend."""
    refuse_unfit(ready.humans)
    refuse_known(ready.plan.backend, ready.plan.experiment)
    with blamed("backend", ready.plan.backend, "check"):
        ready.plan.backend.check(ready.transcripts, ready.interviews)


def notes_before(ready: Prepared) -> Iterator[str]:
    """What is to be said before anything is spent: of the table of people, the pilot, the regressions."""
    yield from ready.plan.experiment.notes
    yield from _unused(ready)
    yield from weak_regressions(ready.humans)


def carry_out(ready: Prepared, folder: RunFolder, progress: Progress, answers_stand: bool) -> None:
    """Every step that is not on disk yet, each product written before the next step begins.

    ``answers_stand``: a finished run, whose answers are taken as they are.
    """
    plan = ready.plan
    for words in notes_before(ready):
        progress.say(f"note: {words}")
    study = kept_study(plan, ready.humans, ready.asked, ready.pilot)
    with folder.recording(facts(ready, study)):
        folder.write_json(DESIGN, study)
        folder.write_frame("pilot.parquet", with_given(ready.pilot))
        folder.write_frame("people.parquet", with_given(ready.asked))
        model = adapt(ready, folder, progress)
        if answers_stand:
            responses = folder.read_frame("responses.parquet")
        else:
            responses = respond(ready, folder, model, progress)
        likelihoods = foretell(ready, folder, model, progress)
        keep_verdicts(folder, plan, ready.asked, responses, ready.pilot)
        found = scored(plan, ready.asked, responses, ready.pilot, likelihoods, progress)
        folder.write_frame("resamples.parquet", found.resamples)
        folder.write_frame("scores.parquet", found.scores)
        told = {
            "metric_faults": list(found.faults),
            "findings": list(found.findings),
            "resampled": dict(found.resampled),
        }
        folder.update(status="done", finished=now(), scoring_id=digest(plan.scoring()), **told)


def _unused(ready: Prepared) -> Iterator[str]:
    """What is said before anything is spent of people of the pilot that cannot be learned from."""
    drawn, used = len(ready.pilot), len(ready.transcripts)
    if used < drawn:
        yield f"pilot of {drawn}: {used} are learned from, since {drawn - used} left questions unanswered"


def with_given(people: People) -> pd.DataFrame:
    """The people, and beside every binned answer the number that was given, as ``<item>__given``."""
    names = {f"{item.name}{RAW}": f"{item.name}{GIVEN}" for item in people.design.items}
    return people.frame.rename(columns=names)


def prepare(plan: Plan) -> Prepared:
    """Load the people, draw the pilot, write the interviews. Spends nothing, writes nothing."""
    people = everybody(plan.experiment)
    others = everybody(plan.pilot_from) if plan.pilot_from else people
    pilot = draw_pilot(plan, others)
    learned_from = others.at(pilot)
    compared = evaluated(plan, people, learned_from)
    asked = sampled(compared, plan.settings.evaluate_n, people)
    sample = sample_words(compared, asked, plan.settings.evaluate_n)
    with blamed("experiment", plan.pilot_from or plan.experiment, "writing its transcripts"):
        transcripts = list(training_script(plan).transcripts(learned_from))
    if plan.backend.needs_pilot and not transcripts:
        raise PilotError(
            f"backend {plan.backend.name!r} learns from people who answered every question, and none of the "
            f"{len(learned_from)} drawn did; draw more, or leave out questions that few were asked"
        )
    with blamed("experiment", plan.experiment, "writing its interviews"):
        interviews = list(asking_script(plan).interviews(asked, plan.settings.replicates))
    identity = {
        "schema": SCHEMA,
        "config": plan.deciding(),
        "people": people.digest,
        "pilot": learned_from.digest,
        "interviews": interviews_digest([*(each.interview for each in transcripts), *interviews]),
        "plugins": dict(plan.plugins),
    }
    if written := sorted(asking_script(plan).digits):
        told = [repr(asked.numbers(name).tolist()) for name in written]
        identity["numbers"] = digest([told, [dict(each.numbers) for each in transcripts]])
    run_id = f"{slug(people.design.name)}-{plan.backend.name}-{plan.sampler.name}-{digest(identity)[:12]}"
    return Prepared(plan, people, learned_from, pilot.notes, asked, transcripts, interviews, run_id, sample)


def slug(name: str) -> str:
    """A study's name as part of a folder's name: plain letters, digits and ``_``; ``study`` where none is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "-", plain).strip("-")[:LONGEST_NAME].rstrip("-") or "study"


def everybody(experiment: Experiment[Any]) -> People:
    """The people of an experiment, with the numbers that they gave to binned items, where these are known."""
    with blamed("experiment", experiment, "people"):
        found = experiment.people()
        if not isinstance(found, People):
            raise PluginError(f"people returns simbench.People; found {type(found).__name__}")
        given = experiment.given()
    if given is None:
        return found
    return People(found.design, found.frame.join(given.reindex(found.ids).add_suffix(RAW).reset_index(drop=True)))


def is_done(folder: RunFolder, plan: Plan) -> bool:
    """Whether the folder holds this run, finished and scored the way the plan asks for.

    With ``retry_failed=true``, interviews that failed leave it open: they are asked again.
    """
    manifest = folder.manifest
    missing = sum(manifest.get("outcomes", {}).get("all", {}).get(status, 0) for status in AGAIN)
    if plan.settings.retry_failed and (missing or unforetold(folder)):
        return False
    if plan.settings.likelihood and not manifest.get("likelihood", {}).get("asked"):
        return False
    return manifest.get("status") == "done" and manifest.get("scoring_id") == digest(plan.scoring())


def unforetold(folder: RunFolder) -> int:
    """How many real people the backend could not be asked about, though it may be possible."""
    outcomes = folder.manifest.get("likelihood", {}).get("outcomes", {})
    return sum(outcomes.get(status, 0) for status in AGAIN)


def refuse_failed(folder: RunFolder, plan: Plan) -> None:
    """Raise FailedBeforeError where an attempt failed by a fault of its own, and nobody asked to try again."""
    manifest = folder.manifest
    error = manifest.get("error") or {}
    if getattr(getattr(errors, str(error.get("type")), None), "goes_on", False):
        return
    if manifest.get("status") == "failed" and plan.settings.retry_failed is False:
        raise FailedBeforeError(
            f"failed before ({error.get('type')}: {error.get('message')}); retry_failed=true tries again: "
            f"{folder.path}"
        )


def facts(ready: Prepared, study: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says from the start."""
    plan = ready.plan
    return {
        "schema": SCHEMA,
        "config": plan.config,
        "experiment": {
            "name": ready.humans.design.name,
            **{name: study[name] for name in ("citation", "license", "sources")},
        },
        "seed": plan.settings.seed,
        "evaluated": plan.settings.evaluate,
        "in_digits": sorted(asking_script(plan).digits),
        "humans": {
            "source": plan.experiment.source,
            "notes": list(plan.experiment.notes),
            "synthetic": plan.experiment.synthetic,
            "sha256": ready.humans.digest,
            "evaluated_sha256": ready.asked.digest,
            "pilot_sha256": ready.pilot.digest,
            "n": len(ready.humans),
            "n_pilot": len(ready.pilot),
            "n_transcripts": len(ready.transcripts),
            "n_evaluated": len(ready.asked),
            "sample": ready.sample,
            "unanswered": {name: gone for name, gone in unanswered(ready.asked).items() if gone},
        },
        "pilot_notes": list(ready.notes),
        "plugins_left_out": list(plan.left_out),
        "environment": environment(plan.plugins, plan.scorers),
    }


def unanswered(people: People) -> dict[str, int]:
    """How many of the people gave no answer, by item."""
    return {item.name: int((people.codes(item.name) < 0).sum()) for item in people.design.items}


def adapt(ready: Prepared, folder: RunFolder, progress: Progress) -> Model:
    """Adapt the backend to the pilot, or read the handle of the model adapted before."""
    started = time.monotonic()

    def make() -> dict[str, Any]:
        known = folder.manifest.get("model")
        if known:
            return dict(known)
        backend = ready.plan.backend
        given = backend.adapt(ready.transcripts, _workspace(ready, folder, progress))
        model: Model = returned("backend", backend, "adapt", given, Model)
        folder.update(adapt_seconds=round(time.monotonic() - started, 3))
        return model.to_json()

    model = Model.from_json(folder.json_once("model.json", make))
    folder.update(model=model.to_json())
    return model


def respond(ready: Prepared, folder: RunFolder, model: Model, progress: Progress) -> pd.DataFrame:
    """Let the model take part as every participant, and keep the answers as a frame."""
    started = time.monotonic()
    adapted = ready.plan.backend
    backend = type(adapted)(adapted.config)  # what it learned is in its folder and the handle, or lost after a kill
    with ResponseCache(ready.plan.out / CACHE) as cache:
        workspace = _workspace(ready, folder, progress, cache)
        try:
            answers = ask(replace(ready.plan, backend=backend), folder, model, ready.interviews, workspace)
        finally:  # also of an attempt that stops, and never less than an earlier attempt told
            told = [returned("backend", each, "record", each.record(), Mapping) for each in (adapted, backend)]
            folder.update(backend={**folder.manifest.get("backend", {}), **told[0], **told[1]})
    frame = response_frame(ready.asked, ready.interviews, answers)
    folder.write_frame("responses.parquet", frame)
    folder.made(JOURNAL)
    folder.update(
        outcomes=outcome_counts(ready.asked, frame),
        usage=usage_totals(model, answers.values()) | booked(folder, model.parameters),
        valid_mass=valid_mass(ready.asked.design, frame),
        respond_seconds=round(time.monotonic() - started, 3),
    )
    return frame


def foretell(ready: Prepared, folder: RunFolder, model: Model, progress: Progress) -> Likelihoods:
    """Ask how likely the model finds what people outside the pilot really answered, unless that is known."""
    if folder.holds(LIKELIHOODS) and not (ready.plan.settings.retry_failed and unforetold(folder)):
        return kept_likelihoods(folder)
    started, backend = time.monotonic(), type(ready.plan.backend)(ready.plan.backend.config)
    with ResponseCache(ready.plan.out / CACHE) as cache:
        workspace = _workspace(ready, folder, progress, cache)
        try:
            likelihoods, told = look_up(ready.plan, backend, folder, model, (ready.asked, ready.pilot), workspace)
        finally:
            folder.update(backend={**backend.record(), **folder.manifest.get("backend", {})})
    usage = {**folder.manifest.get("usage", {}), **booked(folder, model.parameters)}
    folder.update(likelihood={**told, "seconds": round(time.monotonic() - started, 3)}, usage=usage)
    return likelihoods


def _workspace(
    ready: Prepared, folder: RunFolder, progress: Progress, cache: ResponseCache | None = None
) -> Workspace:
    settings = ready.plan.settings
    own = folder / BACKEND
    with storage(own):
        own.mkdir(exist_ok=True)
    spent = spent_before(folder)
    return Workspace(own, settings.seed, progress, ready.run_id, cache, settings.budget, spent)
