"""Finetuning through the API: one job per pilot and settings, never a second one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from simbench.backends.base import Model, Workspace
from simbench.errors import ModelError
from simbench.interview import Transcript, transcript_messages
from simbench_api import (
    Intent,
    Intents,
    Purse,
    Terms,
    Trouble,
    automatic_epochs,
    create_once,
    message_tokens,
    persist,
    resolve_doubt,
    training_tokens,
)
from simbench_api.http import NOT_ALLOWED
from simbench_openai.client import OpenAIProvider, named_errors

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

    from simbench_openai.config import OpenAIConfig

__all__ = ["Finetuning", "training_file", "training_problems"]

LEAST_EXAMPLES = 10
MOST_TOKENS = 65_536  # of one training example
MOST_BYTES = 512 * 2**20
GONE = ("failed", "cancelled")
FULL = ("maximum", "limit", "too many", "active")
ROOM_PAUSE = 60.0  # seconds before another look whether there is room for a job
TUNABLE = (  # https://developers.openai.com/api/docs/guides/supervised-fine-tuning: by their dated names
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano-2025-04-14",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
)


def training_file(pilot: Sequence[Transcript], form: str) -> bytes:
    """The pilot as chat JSONL, one example per transcript."""
    rows = ({"messages": transcript_messages(each, form)} for each in pilot)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def training_problems(pilot: Sequence[Transcript], form: str) -> list[tuple[str, str]]:
    """What OpenAI would refuse: pairs of what is expected and what was found."""
    problems = []
    if len(pilot) < LEAST_EXAMPLES:
        problems.append((f"at least {LEAST_EXAMPLES} examples to finetune on", str(len(pilot))))
    for transcript in pilot:
        told = transcript_messages(transcript, form)
        who = transcript.interview.participant_id
        roles = [message["role"] for message in told]
        if roles[:2] != ["system", "user"] or roles[-1] != "assistant":
            problems.append(("roles system, user, ..., assistant", f"{roles} ({who})"))
        if not all(message["content"].strip() for message in told):
            problems.append(("no empty message", f"one of {who}"))
        if message_tokens(told)[0] > MOST_TOKENS:
            problems.append(
                (f"at most {MOST_TOKENS} tokens per example", f"{message_tokens(told)[0]} or more ({who})")
            )
    size = len(training_file(pilot, form))
    if size > MOST_BYTES:
        problems.append((f"a file of at most {MOST_BYTES} bytes", str(size)))
    return problems


class Finetuning:
    """One pilot's way through upload, job and waiting, resumable at every step."""

    def __init__(self, config: OpenAIConfig, terms: Terms, provider: OpenAIProvider, workspace: Workspace) -> None:
        self.config = config
        self.patience = terms.patience(workspace.progress.say)
        self.price = terms.price(f"ft:{config.model}:")
        self.jobs = provider.client.fine_tuning.jobs
        self.files = provider.client.files
        self.workspace = workspace
        self.intents = Intents(workspace.folder, provider.redact)

    def run(self, pilot: Sequence[Transcript]) -> Model:
        """The handle of the model finetuned on the pilot."""
        data = training_file(pilot, self.config.form)
        mark = self._mark(data)
        intent = self.intents.get("finetune")
        if intent is None or intent.state == "over":
            intent = Intent("finetune", facts={"mark": mark})
        job = self._job(intent, data, pilot)
        return self._handle(self._wait(intent, job), data)

    def _mark(self, data: bytes) -> str:
        """What identifies the job: run, training data, model and settings."""
        content = [self.workspace.run_id, hashlib.sha256(data).hexdigest(), self._request("")]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:40]

    def _request(self, file: str) -> dict[str, Any]:
        config = self.config
        hyper = {
            "n_epochs": config.n_epochs,
            "batch_size": config.train_batch_size,
            "learning_rate_multiplier": config.learning_rate_multiplier,
        }
        chosen = {name: value for name, value in hyper.items() if value is not None}
        return {
            "model": config.model,
            "training_file": file,
            "seed": self.workspace.seed % 2**31,
            "suffix": config.suffix,
            "method": {"type": "supervised", "supervised": {"hyperparameters": chosen}},
        }

    def _job(self, intent: Intent, data: bytes, pilot: Sequence[Transcript]) -> FineTuningJob:
        """The job of this intention: the one that exists, or else a new one."""
        known = intent.id
        if known is None:
            known = self._existing(intent)
        if known is None:
            self._afford(pilot)
            known = self._create(intent, data)
        elif intent.id is None:
            self.intents.save(intent, state="made", id=known)
        return persist(self.patience, partial(self._retrieve, known))

    def _existing(self, intent: Intent) -> str | None:
        """The job that an earlier attempt, or a folder that is lost, has created for this pilot and settings."""
        find = partial(self._find, intent)
        if intent.state == "sent":
            return resolve_doubt(intent, find, self.patience, self.config.doubt_seconds)
        return persist(self.patience, find)

    def _afford(self, pilot: Sequence[Transcript]) -> None:
        """Raise BudgetError where training could pass the budget."""
        epochs = self.config.n_epochs or automatic_epochs(len(pilot))
        most = training_tokens(pilot, self.config.form, epochs)[1]
        cost = None if self.price is None else self.price.training_cost(most)
        purse = Purse(self.workspace.budget, self.workspace.spent)
        if not purse.reserve(cost):
            raise purse.stop("finetuning", cost)

    def _create(self, intent: Intent, data: bytes) -> str:
        if "file" not in intent.facts:
            file = persist(self.patience, lambda: self._upload(intent, data))
            self.intents.save(intent, facts={**intent.facts, "file": file})
        metadata = {"simbench_run": self.workspace.run_id[:512], "simbench_intent": intent.facts["mark"]}

        def create() -> str:
            try:
                with named_errors():
                    return self.jobs.create(**self._request(intent.facts["file"]), metadata=metadata).id
            except Trouble as trouble:
                raise _explained(trouble, self.config.model) from None

        find, say = partial(self._find, intent), self.workspace.progress.say
        create_once(self.intents, intent, create, find, self.patience, self.config.doubt_seconds, say)
        return intent.id or ""

    def _upload(self, intent: Intent, data: bytes) -> str:
        with named_errors():
            name = f"simbench-{intent.facts['mark'][:16]}.jsonl"
            return self.files.create(file=(name, data), purpose="fine-tune").id

    def _find(self, intent: Intent) -> str | None:
        """The id of the oldest living job with this intention in its metadata, or on its training file."""
        mark, file = intent.facts["mark"], intent.facts.get("file")
        with named_errors():
            listed = [
                job
                for job in self.jobs.list(limit=100, metadata={"simbench_intent": mark})
                if ((job.metadata or {}).get("simbench_intent") == mark or job.training_file == file)
                and job.status not in GONE
            ]
        if len(listed) > 1:
            ids = ", ".join(job.id for job in listed)
            self.workspace.progress.say(f"finetuning: several jobs for this pilot exist ({ids}); using the oldest")
        return min(listed, key=lambda job: job.created_at).id if listed else None

    def _retrieve(self, job: str) -> FineTuningJob:
        with named_errors():
            return self.jobs.retrieve(job)

    def _wait(self, intent: Intent, job: FineTuningJob) -> FineTuningJob:
        """Wait for the end of a job, showing its events. Unknown states mean that it goes on."""
        told: set[str] = set()
        with self.workspace.progress.task(f"finetuning {self.config.model} ({job.id})", None) as task:
            while True:
                task.note(job.status)
                self._tell(job.id, told)
                if job.status == "succeeded" and job.fine_tuned_model:
                    return job
                if job.status in GONE:
                    why = job.error.message if job.error is not None and job.error.message else "no reason given"
                    self.intents.save(intent, state="over", facts={**intent.facts, "error": why})
                    raise ModelError(f"finetuning job {job.id} {job.status}: {why}")
                time.sleep(self.config.poll_seconds)
                job = persist(self.patience, partial(self._retrieve, job.id))

    def _tell(self, job: str, told: set[str]) -> None:
        """Show the events not shown yet, oldest first."""

        def events() -> list[Any]:
            with named_errors():
                return self.jobs.list_events(job, limit=50).data

        for event in reversed(persist(self.patience, events)):
            if event.id not in told:
                told.add(event.id)
                self.workspace.progress.say(f"finetuning: {event.message}")

    def _handle(self, job: FineTuningJob, data: bytes) -> Model:
        """The handle: the model, how it was made, its checkpoints, and what it cost."""

        def checkpoints() -> list[Any]:
            with named_errors():
                return list(self.jobs.checkpoints.list(job.id))

        kept = [
            {"model": each.fine_tuned_model_checkpoint, "step": each.step_number, "loss": each.metrics.train_loss}
            for each in persist(self.patience, checkpoints)
        ]
        trained = job.trained_tokens or 0
        cost = None if self.price is None else self.price.training_cost(trained)
        parameters = {
            "adapt": "finetune",
            "base_url": self.config.base_url,
            "job": job.id,
            "training_file": job.training_file,
            "hyperparameters": job.hyperparameters.to_dict(),
            "seed": job.seed,
            "checkpoints": sorted(kept, key=lambda each: int(each["step"])),
            "usage": {"training": trained},
            "cost": cost,
        }
        return Model("openai", job.model, job.fine_tuned_model, hashlib.sha256(data).hexdigest(), parameters)


def _explained(trouble: Trouble, model: str) -> Trouble:
    """What a refused job means: no room for another, or a model that cannot be finetuned; else as it is."""
    said = str(trouble)
    words = said.lower()
    if trouble.status in (400, 403, 409, 429) and "job" in words and any(each in words for each in FULL):
        return Trouble("busy", said, status=trouble.status, retry_after=trouble.retry_after or ROOM_PAUSE)
    if trouble.status in (400, 403, 404) and any(each in words for each in ("fine-tun", "finetun", "model")):
        plain = said.removeprefix(NOT_ALLOWED)
        names = ", ".join(TUNABLE)
        return Trouble(
            "no_model",
            f"{model!r} cannot be finetuned, or not by your organization: {plain}. OpenAI finetunes {names} for "
            f"organizations that may (backend.model)",
            status=trouble.status,
        )
    return trouble
