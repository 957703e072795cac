"""Where talks get their replies booked: keys, cache, money, and the count of who served them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from simbench.backends.base import Answer, Cache
from simbench.files import digest
from simbench_api.budget import Claim, Purse
from simbench_api.notices import Notices
from simbench_api.prices import Price
from simbench_api.talk import Talk, chances_of
from simbench_api.tokens import message_tokens, readings, text_tokens
from simbench_api.wire import Ask, Reply

__all__ = ["Desk", "Pending"]

SCHEMA = 1
KEPT = ("ok", "refused", "content_filter", "truncated")  # replies that were paid for


@dataclass(eq=False)
class Pending:
    """A talk that waits for a reply that the cache does not have."""

    talk: Talk
    key: dict[str, Any]
    body: dict[str, Any]
    claim: Claim

    @property
    def digest(self) -> str:
        """What identifies the request: sha256 of its key, hexadecimal."""
        return self.claim.request


@dataclass
class Desk:
    """What all replies of one run pass through.

    ``source`` names where answers come from in cache keys (backend, base URL, API version); ``seed`` is the
    run's. ``price`` None: unknown. ``served`` counts the model names that replies bore.
    """

    body: Callable[[Ask], dict[str, Any]]
    source: Mapping[str, Any]
    form: str
    seed: int
    price: Price | None
    purse: Purse
    cache: Cache | None
    served: dict[str, int] = field(default_factory=dict)
    from_cache: int = 0
    notices: Notices | None = None
    most_per_piece: float = 1.0  # tokens that the model makes of a piece, at most
    batched: bool = False  # asked in batches, which have a price of their own
    _schemas: dict[int, tuple[Mapping[str, Any], int]] = field(default_factory=dict, repr=False)

    def begin(self, talks: Iterable[Talk]) -> Iterator[Answer | Pending]:
        """Carry every talk as far as the cache reaches: its Answer, or what it waits for."""
        for talk in talks:
            yield self._advance(talk)

    def hear(self, pending: Pending, reply: Reply, *, batch: bool = False) -> Answer | Pending:
        """Book a reply, keep it in the cache, and carry the talk on."""
        if self.notices is not None:
            self.notices.look(pending.talk.ask, reply)
        chances = chances_of(reply, pending.talk.ask, self.form)
        reply = replace(reply, cost=self._cost(pending, reply, batch=batch), chances=chances)
        self.purse.settle(pending.claim, reply.cost)
        if reply.model:
            self.served[reply.model] = self.served.get(reply.model, 0) + 1
        if self.cache is not None and reply.status in KEPT:
            self.cache.put(pending.key, _stored(reply))
        answer = pending.talk.hear(reply)
        return answer or self._advance(pending.talk)

    def _cost(self, pending: Pending, reply: Reply, *, batch: bool) -> float | None:
        """US dollars of a reply; the most it can be where the server does not say what it used."""
        if reply.status in ("failed", "expired"):
            return 0.0
        if self.price is None:
            return None
        if not reply.usage and reply.text:
            return pending.claim.most
        return self.price.cost(reply.usage, batch=batch)

    def _advance(self, talk: Talk) -> Answer | Pending:
        while True:
            body = self.body(talk.ask)
            key = self._key(talk, body)
            hit = self.cache.get(key) if self.cache is not None else None
            if hit is None:
                return Pending(talk, key, body, Claim(digest(key), self._most(talk.ask)))
            self.from_cache += 1
            answer = talk.hear(self._known(hit, key))
            if answer is not None:
                return answer

    def _known(self, hit: Mapping[str, Any], key: Mapping[str, Any]) -> Reply:
        """A reply from the cache, with its tokens and cost where an earlier attempt at this run paid for it."""
        ledger = self.purse.ledger
        if ledger is not None and ledger.has_paid_for(request := digest(key)):
            return Reply(**hit, cost=ledger.paid_for(request), cached=True)
        return Reply(**{**hit, "usage": {}}, cost=0.0, cached=True)

    def _key(self, talk: Talk, body: Mapping[str, Any]) -> dict[str, Any]:
        """What determines a reply. The participant is in it: two people with one profile are two draws.

        Exact probabilities are no draw: whoever is asked the same gets the same.
        """
        exact = talk.ask.before is not None
        draw = ["exact"] if exact else [*talk.interview.key, talk.attempt, self.seed]
        return {"schema": SCHEMA, **self.source, "model": talk.ask.model, "body": body, "draw": draw}

    def _most(self, ask: Ask) -> float | None:
        """The most a request can cost, in US dollars."""
        if self.price is None:
            return None
        return self.price.most(self.most_prompt(ask), int(ask.settings["max_tokens"]), batch=self.batched)

    def most_prompt(self, ask: Ask) -> int:
        """The most tokens that the prompt of a request is likely to be, schema included."""
        own = message_tokens(ask.messages)[1] + sum(text_tokens(line)[1] for line in ask.before or ())
        times = 1 if ask.before is None else readings(ask.items[0])[1]
        return math.ceil((own + self._of_schema(ask)) * self.most_per_piece) * times

    def _of_schema(self, ask: Ask) -> int:
        """Most tokens of the schema that answers must keep to; one is shared by many requests."""
        if ask.schema is None:
            return 0
        known = self._schemas.get(id(ask.schema))
        if known is None or known[0] is not ask.schema:
            known = self._schemas[id(ask.schema)] = (ask.schema, text_tokens(json.dumps(ask.schema))[1])
        return known[1]


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
