"""Faults the stand-in server can be told to make, drawn from a seed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Dice", "Faults", "uniform"]

TRANSPORT = (
    "rate_limit",
    "quota",
    "unauthorized",
    "server_error",
    "overloaded",
    "drop",
    "hang",
    "broken_body",
    "lost_reply",
)
CONTENT = ("broken_json", "invalid_option", "truncated")
STICKY = ("refusal", "content_filter")
BATCH = ("batch_error", "batch_expired", "batch_canceled", "batch_duplicate", "batch_lost", "batch_torn")
OTHER = ("lost_upload", "lost_creation", "job_failed")


@dataclass(frozen=True)
class Faults:
    """Rates in [0, 1] of each fault, and how it looks.

    Which request is hit depends on ``seed``, on the request's own body and on how often that same body was
    seen, never on the order in which requests happen to arrive: the same client meets the same faults at
    any concurrency. A refusal depends on the body alone: asking again does not help, as in life.
    """

    seed: int = 0
    # of an answering request; at most one of these hits
    rate_limit: float = 0.0  #: 429 with Retry-After
    quota: float = 0.0  #: 429 that no waiting mends: insufficient_quota, or a spend limit
    unauthorized: float = 0.0  #: 401
    server_error: float = 0.0  #: 500
    overloaded: float = 0.0  #: 529 (Anthropic), 503 (OpenAI)
    drop: float = 0.0  #: connection closed without an answer
    hang: float = 0.0  #: no answer for ``hang_seconds``, then the connection is closed
    broken_body: float = 0.0  #: 200, but the HTTP body is cut in the middle of its JSON
    lost_reply: float = 0.0  #: carried out and charged, but the connection is closed in place of the reply
    # of an answer
    broken_json: float = 0.0  #: the model's text is not JSON
    invalid_option: float = 0.0  #: the model's text is JSON of the right shape with a wrong option
    truncated: float = 0.0  #: the answer is cut: finish_reason length, stop_reason max_tokens
    refusal: float = 0.0
    content_filter: float = 0.0  #: OpenAI only; Anthropic answers a refusal
    # of one line of a batch
    batch_error: float = 0.0
    batch_expired: float = 0.0
    batch_canceled: float = 0.0  #: Anthropic only
    batch_duplicate: float = 0.0  #: the line comes twice
    batch_lost: float = 0.0  #: the line comes in neither file
    batch_torn: float = 0.0  #: the line is cut in the middle
    # of creations
    lost_upload: float = 0.0  #: the file is there, and the connection dropped
    lost_creation: float = 0.0  #: the job or batch is created, and the connection dropped
    job_failed: float = 0.0  #: the finetuning job ends in failed
    # how
    retry_after: float = 0.05  #: seconds, in the Retry-After header
    hang_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in (*TRANSPORT, *CONTENT, *STICKY, *BATCH, *OTHER):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: expected a rate in [0, 1], found {getattr(self, name)}")
        for group in (TRANSPORT + CONTENT, STICKY, BATCH):
            total = sum(getattr(self, name) for name in group)
            if total > 1.0 + 1e-9:
                raise ValueError(f"the rates of {', '.join(group)} sum to {total:.3g}, above 1")

    @classmethod
    def of(cls, rates: Mapping[str, Any]) -> Faults:
        """Faults from a JSON object; an unknown name is a ValueError."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(rates) - known):
            raise ValueError(f"unknown fault(s) {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return cls(**rates)


def uniform(*parts: object) -> float:
    """A number in [0, 1) that depends on ``parts`` and nothing else."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


class Dice:
    """Says which fault hits a request, and counts what it said."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.seen: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()

    def _pick(self, names: tuple[str, ...], *parts: object) -> str | None:
        point = uniform(self.faults.seed, *parts)
        for name in names:
            rate = getattr(self.faults, name)
            if point < rate:
                self.hits[name] += 1
                return name
            point -= rate
        return None

    def _occurrence(self, kind: str, digest: str) -> int:
        key = f"{kind}:{digest}"
        self.seen[key] += 1
        return self.seen[key]

    def answer(self, digest: str) -> str | None:
        """The fault of one answering request, transport or content; None for none."""
        occurrence = self._occurrence("answer", digest)
        return self._pick(TRANSPORT + CONTENT, "answer", digest, occurrence)

    def sticky(self, digest: str) -> str | None:
        """Refusal or content filter for a body, however often it is sent."""
        return self._pick(STICKY, "sticky", digest)

    def line(self, digest: str) -> str | None:
        """The fault of one line of a batch."""
        return self._pick(BATCH, "line", digest, self._occurrence("line", digest))

    def content(self, digest: str) -> str | None:
        """The fault in the answer to one line of a batch."""
        return self._pick(CONTENT, "content", digest, self._occurrence("content", digest))

    def creation(self, kind: str, digest: str) -> bool:
        """Whether the answer to this creation (of a ``file``, ``job`` or ``batch``) gets lost."""
        name = "lost_upload" if kind == "file" else "lost_creation"
        return self._pick((name,), kind, digest, self._occurrence(kind, digest)) is not None

    def job_fails(self, digest: str) -> bool:
        """Whether this finetuning job fails."""
        return self._pick(("job_failed",), "job", digest, self._occurrence("job", digest)) is not None
