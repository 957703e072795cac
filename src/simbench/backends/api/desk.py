"""Where interviews are carried out: cache first, then live requests; batches have their own module."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from simbench.backends.api.budget import Purse
from simbench.backends.api.engine import Engine, Limits, Traffic
from simbench.backends.api.prices import Price
from simbench.backends.api.talk import Talk, chances_of
from simbench.backends.api.tokens import message_tokens
from simbench.backends.api.wire import Ask, Provider, Reply, Trouble, raised
from simbench.backends.base import Answer, Cache, Task
from simbench.errors import BackendError, SimbenchError

__all__ = ["Desk", "Pending"]

SCHEMA = 1
KEPT = ("ok", "refused", "content_filter", "truncated")  # replies that were paid for


@dataclass(eq=False)
class Pending:
    """A talk that waits for a reply that the cache does not have."""

    talk: Talk
    key: dict[str, Any]
    body: dict[str, Any]
    most: float | None

    @property
    def digest(self) -> str:
        """What identifies the request: sha256 of its key, hexadecimal."""
        text = json.dumps(self.key, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Desk:
    """Everything that carrying out the interviews of one run needs.

    ``source`` names where answers come from in cache keys (backend, base URL, API version); ``seed`` is the
    run's. ``price`` None: unknown. ``served`` counts the model names that replies bore.
    """

    provider: Callable[[], Provider]
    body: Callable[[Ask], dict[str, Any]]
    source: Mapping[str, Any]
    form: str
    seed: int
    price: Price | None
    purse: Purse
    cache: Cache | None
    task: Task
    traffic: Traffic = field(default_factory=Traffic)
    served: dict[str, int] = field(default_factory=dict)
    from_cache: int = 0

    def begin(self, talks: Iterable[Talk]) -> Iterator[Answer | Pending]:
        """Carry every talk as far as the cache reaches: its Answer, or what it waits for."""
        for talk in talks:
            yield self._advance(talk)

    def hear(self, pending: Pending, reply: Reply, *, batch: bool = False) -> Answer | Pending:
        """Book a reply, keep it in the cache, and carry the talk on."""
        chances = chances_of(reply, pending.talk.ask, self.form)
        cost = None if self.price is None else self.price.cost(reply.usage, batch=batch)
        reply = replace(reply, cost=0.0 if reply.status in ("failed", "expired") else cost, chances=chances)
        self.purse.settle(pending.most, reply.cost)
        if reply.model:
            self.served[reply.model] = self.served.get(reply.model, 0) + 1
        if self.cache is not None and reply.status in KEPT:
            self.cache.put(pending.key, _stored(reply))
        answer = pending.talk.hear(reply)
        return answer or self._advance(pending.talk)

    def _advance(self, talk: Talk) -> Answer | Pending:
        while True:
            body = self.body(talk.ask)
            key = self._key(talk, body)
            hit = self.cache.get(key) if self.cache is not None else None
            if hit is None:
                return Pending(talk, key, body, self._most(talk.ask))
            self.from_cache += 1
            answer = talk.hear(Reply(**{**hit, "usage": {}}, cost=0.0, cached=True))
            if answer is not None:
                return answer

    def _key(self, talk: Talk, body: Mapping[str, Any]) -> dict[str, Any]:
        """What determines a reply. The participant is in it: two people with one profile are two draws."""
        draw = [*talk.interview.key, talk.attempt, self.seed]
        return {"schema": SCHEMA, **self.source, "model": talk.ask.model, "body": body, "draw": draw}

    def _most(self, ask: Ask) -> float | None:
        """The most a request can cost, in US dollars."""
        if self.price is None:
            return None
        return self.price.most(message_tokens(ask.messages)[1], int(ask.settings["max_tokens"]))

    def live(self, outcomes: Iterator[Answer | Pending], limits: Limits) -> Iterator[Answer]:
        """Yield answers from the cache, and send what it lacks, as many requests at once as the limits allow.

        Talks are begun as there is room for them. Nothing is connected to before the cache lacks something.
        Raises BudgetError, or the error of a trouble that ends the run, after every request in flight has
        come back and what it answered was yielded.
        """
        queue: deque[Pending] = deque()
        for outcome in outcomes:
            if isinstance(outcome, Pending):
                queue.append(outcome)
                break
            yield outcome
        if not queue:
            return
        stop: SimbenchError | None = None
        with Engine(self.provider(), limits) as engine:
            self.traffic = engine.traffic
            lost = _Streak(max(10, limits.concurrency))
            while stop is None or engine.outstanding:
                while stop is None and len(queue) + engine.outstanding < limits.concurrency:
                    outcome_or_end = next(outcomes, None)
                    if outcome_or_end is None:
                        break
                    if isinstance(outcome_or_end, Pending):
                        queue.append(outcome_or_end)
                    else:
                        yield outcome_or_end
                while stop is None and queue and self.purse.reserve(queue[0].most):
                    pending = queue.popleft()
                    engine.submit(pending, pending.body)
                if not engine.outstanding:
                    if queue and stop is None:
                        stop = self.purse.stop("the next request", queue[0].most)
                    break
                for pending, outcome_of in engine.take():
                    reply, end = _heard(outcome_of)
                    end = end or lost.count(outcome_of)
                    if end is not None:
                        stop = stop or end
                        self.purse.settle(pending.most, 0.0)
                        continue
                    heard = self.hear(pending, reply)
                    if isinstance(heard, Pending):
                        queue.appendleft(heard)
                    else:
                        self.task.note(str(self.purse))
                        yield heard
        if stop is not None:
            raise stop


class _Streak:
    """Counts requests lost in a row: a provider that is gone should end the run, not fail everybody."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.number = 0

    def count(self, outcome: Reply | BaseException) -> SimbenchError | None:
        """The error that ends the run where too many were lost in a row."""
        self.number = self.number + 1 if isinstance(outcome, Trouble) and outcome.again else 0
        if self.number < self.most:
            return None
        return BackendError(
            f"{self.number} requests in a row were lost, the last: {outcome}. Run the same command again to go on"
        )


def _stored(reply: Reply) -> dict[str, Any]:
    """A reply as the cache keeps it: what it is, without what was paid."""
    kept = {
        "status": reply.status,
        "text": reply.text,
        "error": reply.error,
        "usage": dict(reply.usage),
        "model": reply.model,
        "chances": dict(reply.chances),
    }
    return {name: value for name, value in kept.items() if value}


def _heard(outcome: Reply | BaseException) -> tuple[Reply, SimbenchError | None]:
    """The reply an outcome amounts to, and the error that ends the run if it does."""
    if isinstance(outcome, Reply):
        return outcome, None
    if not isinstance(outcome, Trouble):
        raise outcome
    reply = Reply("failed", error=str(outcome))
    return reply, raised(outcome) if outcome.fatal else None
