"""What the stand-in server remembers: requests, files, jobs, batches. In memory, for one test."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simbench_api.testing._answers import Knowledge
from simbench_api.testing._faults import Dice, Faults

__all__ = ["SETTINGS", "ApiError", "BatchRecord", "FileRecord", "JobRecord", "LoggedRequest", "ModelSpec", "State"]

SETTINGS = ("latency", "job_seconds", "batch_seconds", "list_lag", "batch_bytes", "enqueued_tokens")


class ApiError(Exception):
    """An error answer in the provider's own shape: HTTP status and the fields of the error object."""

    def __init__(self, status: int, message: str, kind: str, *, code: str | None = None, param: str | None = None):
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        super().__init__(message)


@dataclass(frozen=True)
class ModelSpec:
    """A model the stand-in offers, and the rules it is held to.

    ``sampling``: takes temperature, top_p (OpenAI protocol) and, under Anthropic's version 2023-06-01, a
    temperature. ``reasoning``: spends ``reasoning`` hidden tokens before each answer.
    """

    id: str
    provider: str = "openai"
    sampling: bool = True
    logprobs: bool = True
    finetunable: bool = False
    reasoning: int = 0
    shutdown_date: str | None = None
    created: int = 1_750_000_000
    max_output: int = 16_384
    context: int = 128_000


@dataclass
class LoggedRequest:
    """One request as it arrived; ``status`` 0 where no answer was given."""

    number: int
    time: float
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int = 0
    fault: str | None = None
    seconds: float = 0.0


@dataclass
class FileRecord:
    """An uploaded or produced file."""

    id: str
    filename: str
    purpose: str
    data: bytes
    created_at: int


@dataclass
class JobRecord:
    """A finetuning job; its status follows from the clock."""

    id: str
    model: str
    training_file: str
    created: float
    seconds: float
    body: Mapping[str, Any]
    error: dict[str, Any] | None
    trained_tokens: int
    n_epochs: int
    fine_tuned_model: str
    cancelled_at: float | None = None
    paused_at: float | None = None
    paused_for: float = 0.0

    def progress(self, now: float) -> float:
        """Share of the job done at ``now``, in [0, 1]."""
        end = self.cancelled_at or self.paused_at or now
        elapsed = end - self.created - self.paused_for
        return min(1.0, elapsed / self.seconds) if self.seconds > 0 else 1.0

    def status(self, now: float) -> str:
        """The provider's word for where the job stands."""
        done = self.progress(now)
        if self.cancelled_at is not None:
            return "cancelled"
        if self.paused_at is not None:
            return "paused"
        if self.error is not None and done >= 0.15:
            return "failed"
        for limit, word in ((0.15, "validating_files"), (0.3, "queued"), (1.0, "running")):
            if done < limit:
                return word
        return "succeeded"


@dataclass
class BatchRecord:
    """A batch of either provider: its requests, and results that exist once it has ended."""

    id: str
    created: float
    seconds: float
    body: Mapping[str, Any]
    requests: list[dict[str, Any]]
    error: dict[str, Any] | None = None
    cancelled_at: float | None = None
    results: list[dict[str, Any]] | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def ended(self, now: float) -> bool:
        """Whether processing is over at ``now``."""
        return self.cancelled_at is not None or now >= self.created + self.seconds


class State:
    """Everything one server holds. Only its own event loop touches it, except for reading the log."""

    def __init__(self, models: Mapping[str, ModelSpec], faults: Faults, *, keys: frozenset[str] | None) -> None:
        self.models = dict(models)
        self.keys = keys
        self.dice = Dice(faults)
        self.latency = 0.0
        self.job_seconds = 0.3
        self.batch_seconds = 0.3
        self.list_lag = 0.0
        self.batch_bytes = 200_000_000.0
        self.enqueued_tokens = float("inf")
        self.charged: Counter[str] = Counter()
        self.log: list[LoggedRequest] = []
        self.files: dict[str, FileRecord] = {}
        self.jobs: dict[str, JobRecord] = {}
        self.batches: dict[str, BatchRecord] = {}
        self.message_batches: dict[str, BatchRecord] = {}
        self.knowledge: dict[str, Knowledge] = {}
        self.prefixes: set[str] = set()
        self.in_flight = 0
        self.most_in_flight = 0
        self._numbers: dict[str, Iterator[int]] = {}

    def charge(self, prompt: int, cached: int, output: int) -> None:
        """Count what was carried out and would be charged, whether the reply arrives or not."""
        self.charged.update({"requests": 1, "input": prompt, "cached": cached, "output": output})

    def listed(self, records: Mapping[str, Any]) -> list[Any]:
        """Those jobs or batches that lists hold by now: a new one shows after ``list_lag`` seconds."""
        return [each for each in records.values() if time.time() >= each.created + self.list_lag]

    def new_id(self, prefix: str) -> str:
        """The next identifier of a kind: ``file-000001``, ``ftjob-000001``."""
        return f"{prefix}{next(self._numbers.setdefault(prefix, itertools.count(1))):06d}"

    def cached_tokens(self, provider: str, model: str, text: str) -> int:
        """Tokens of the longest prefix seen before, in steps of 128 from 1,024; remembers this prefix too."""
        longest, known = 0, True
        running = hashlib.sha256(f"{provider}:{model}:".encode())
        for end in range(512, len(text) + 1, 512):
            running.update(text[end - 512 : end].encode())
            key = running.hexdigest()
            known = known and key in self.prefixes
            if known:
                longest = end // 4
            self.prefixes.add(key)
        return longest if longest >= 1024 else 0

    def summary(self) -> dict[str, Any]:
        """Counts for assertions: requests by path and status, faults made, jobs, batches, in flight."""
        now = time.time()
        return {
            "requests": len(self.log),
            "by_path": dict(Counter(f"{r.method} {r.path}" for r in self.log)),
            "by_status": {str(k): v for k, v in Counter(r.status for r in self.log).items()},
            "faults": dict(self.dice.hits),
            "jobs": {job.id: job.status(now) for job in self.jobs.values()},
            "batches": sorted(self.batches),
            "message_batches": sorted(self.message_batches),
            "files": {file.id: file.purpose for file in self.files.values()},
            "charged": dict(self.charged),
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
        }
