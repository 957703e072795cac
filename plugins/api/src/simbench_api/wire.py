"""What passes between a provider's plugin and the machinery around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simbench.design import Item
from simbench.errors import BackendError, CredentialsError, ModelError, SimbenchError, UnsupportedError
from simbench.interview import Message

__all__ = ["Ask", "BatchLine", "BatchState", "Found", "Provider", "Reply", "Token", "Trouble", "raised"]

AGAIN = ("busy", "unavailable")
NO_WORD = (None, 408, 502, 504, 520, 524)  # statuses, also of gateways, that do not say whether it was carried out
FATAL = ("credentials", "quota", "unsupported", "no_model")


class Trouble(Exception):
    """A request that was not answered.

    ``kind`` decides what happens next: ``busy`` (429) and ``unavailable`` (timeouts, 5xx, lost connections,
    bodies that cannot be read) are tried again; ``rejected`` ends this one request; ``credentials``,
    ``quota``, ``unsupported`` and ``no_model`` end the run, since no other request can fare better. ``unsent``:
    it is known that the request never reached the provider.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        unsent: bool = False,
    ) -> None:
        self.kind = kind
        self.unsent = unsent
        self.status = status
        self.retry_after = retry_after
        super().__init__(message)

    @property
    def again(self) -> bool:
        """Worth another try."""
        return self.kind in AGAIN

    @property
    def doubtful(self) -> bool:
        """The provider may have carried the request out, and charge for it."""
        return self.kind == "unavailable" and self.status in NO_WORD and not self.unsent

    @property
    def fatal(self) -> bool:
        """Nothing further can work."""
        return self.kind in FATAL


def raised(trouble: Trouble) -> SimbenchError:
    """The error a user sees for a trouble that could not be waited out."""
    kinds: dict[str, type[SimbenchError]] = {
        "credentials": CredentialsError,
        "unsupported": UnsupportedError,
        "no_model": ModelError,
    }
    error = kinds.get(trouble.kind, BackendError)
    again = trouble.again or trouble.kind in ("credentials", "quota")
    return error(f"{trouble}. Run the same command again to go on from here" if again else str(trouble))


@dataclass(frozen=True)
class Ask:
    """One request to a model, in no provider's terms.

    ``items`` are those whose answers the reply should hold; ``schema`` is the JSON schema to enforce, or
    None. ``settings`` holds ``temperature``, ``top_p``, ``max_tokens``, ``logprobs``, ``seed``: those sent.
    ``shared`` counts the leading messages that many requests have in common. With ``before``, the lines that the
    model is taken to have answered so far, no answer is asked for but the exact probabilities of the one item's
    labels as its next line.
    """

    model: str
    messages: Sequence[Message]
    items: tuple[Item, ...]
    settings: Mapping[str, Any]
    schema: Mapping[str, Any] | None = None
    shared: int = 1
    before: tuple[str, ...] | None = None


Token = tuple[str, float, Sequence[tuple[str, float]]]
"""A token, its log probability, and the likeliest tokens at its place with theirs."""


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    ``status`` is ``ok`` (there is a text to read), ``refused``, ``content_filter``, ``truncated``, or, where
    no answer could be had, ``failed`` or ``expired``. ``usage`` counts ``input`` (all of the prompt),
    ``cached`` and ``cache_write`` (parts of it), ``output``, and ``reasoning`` (part of the output). ``doubtful``:
    there was no answer, but it may have been charged. ``rejected``: the request itself was turned down, so that
    sending it again does not help.
    """

    status: str
    text: str = ""
    error: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    tokens: Sequence[Token] | None = None
    model: str | None = None
    cost: float | None = None
    retries: int = 0
    cached: bool = False
    chances: Mapping[str, Any] = field(default_factory=dict)
    doubtful: bool = False
    rejected: bool = False


@dataclass(frozen=True)
class Found:
    """What a provider says of one of its models, free of charge.

    ``exists`` None: the provider does not say. ``shutdown`` is an ISO date. ``capabilities`` as far as told.
    """

    exists: bool | None
    shutdown: str | None = None
    capabilities: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchLine:
    """One request of a batch: its id, and the body as the provider wants it."""

    custom_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class BatchState:
    """How a batch stands. ``failed`` tells why all of it was turned down.

    ``crowded``: since more would be waiting than the account may have at once. ``cancelled``: somebody stopped it.
    """

    ended: bool
    done: int = 0
    failed: str | None = None
    crowded: bool = False
    cancelled: bool = False


class Provider(ABC):
    """One API as the machinery sees it. Every method may raise :class:`Trouble`, and nothing else.

    Retries, concurrency, money, caching and resumption are the machinery's: a provider sends one request
    once. The methods on batches are needed only where the capability ``batch`` is declared. What the methods
    return and raise is cleaned of the key by the machinery; ``redact`` does so for texts that come another way.
    """

    name: str
    batch_bytes: int = 100_000_000  # of the requests of one batch, at most; no provider takes less
    redact: Callable[[str], str] = str

    @abstractmethod
    async def send(self, body: Mapping[str, Any]) -> Reply:
        """Send one request, once."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections that :meth:`send` opened."""

    @abstractmethod
    def look_up(self, model: str) -> Found:
        """What is known of a model, free of charge."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections that the other methods opened."""

    def batch_create(self, lines: Sequence[BatchLine], intent: str, run_id: str) -> str:
        """Submit a batch, marked with ``intent``, and return its id."""
        raise NotImplementedError

    def batch_find(self, intent: str, since: float, ids: frozenset[str]) -> str | None:
        """The id of the batch submitted under ``intent`` at or after ``since`` (Unix time), or None."""
        raise NotImplementedError

    def batch_state(self, batch: str) -> BatchState:
        """How a batch stands."""
        raise NotImplementedError

    def batch_results(self, batch: str) -> Iterator[tuple[str, Reply]]:
        """Pairs of custom id and reply of an ended batch, in any order. ``expired`` and ``failed`` are replies."""
        raise NotImplementedError
