"""Batch mode: submit, wait, import by custom id, and send again only what is missing.

A batch is never submitted twice: an intention is on disk before it is sent, the provider's library does not
retry, and where it is not known whether a batch was created, the provider is asked for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from simbench.backends.base import Answer, Progress
from simbench.errors import BackendError, SimbenchError
from simbench_api.desk import Desk, Pending
from simbench_api.intents import Intent, Intents
from simbench_api.retry import Patience, persist
from simbench_api.wire import BatchLine, Provider, Reply, Trouble, raised

__all__ = ["Batches", "resolve_doubt"]

ID_LENGTH = 40  # of a custom id: a sha256, cut to what every provider takes
DOUBT_LOOKS = 4  # how often a provider is asked for something that may exist
LOST = ("expired", "failed")


def custom_id(pending: Pending) -> str:
    """The id of a request within batches: a hash of all that determines its answer."""
    return pending.digest[:ID_LENGTH]


def resolve_doubt(find: Callable[[], str | None], patience: Patience, pause: float) -> str | None:
    """Look repeatedly for what may have been created: providers may list a new thing late."""
    for look in range(DOUBT_LOOKS):
        if look:
            time.sleep(pause * look)
        found = persist(patience, find)
        if found is not None:
            return found
    return None


@dataclass
class Batches:
    """The batches of one run. ``waiting`` maps custom ids to what still wants a reply."""

    desk: Desk
    provider: Provider
    intents: Intents
    run_id: str
    progress: Progress
    patience: Patience
    size: int
    rounds: int
    poll_seconds: float
    doubt_seconds: float = 5.0
    waiting: dict[str, Pending] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)

    def answers(self, waiting: Sequence[Pending]) -> Iterator[Answer]:
        """Yield the answers of all that is waiting. Raises BudgetError as live asking does."""
        self.waiting = {custom_id(pending): pending for pending in waiting}
        for intent in list(self.intents):
            if intent.name.startswith("batch-") and intent.state in ("sent", "made"):
                yield from self._import(intent, self._id_of(intent))
        while self.waiting:
            chunk, stop = self._affordable()
            if not chunk:
                raise stop or BackendError("nothing could be submitted")
            intent = self._submit(chunk)
            yield from self._import(intent, intent.id or "")

    def _affordable(self) -> tuple[list[str], SimbenchError | None]:
        """Ids of the next batch: as many as fit into its size and the budget, and the error if none do."""
        chunk: list[str] = []
        for identifier, pending in self.waiting.items():
            if len(chunk) == self.size:
                break
            if not self.desk.purse.reserve(pending.most):
                return chunk, self.desk.purse.stop("the next batch", pending.most)
            chunk.append(identifier)
        return chunk, None

    def _submit(self, chunk: Sequence[str]) -> Intent:
        number = sum(1 for intent in self.intents if intent.name.startswith("batch-"))
        intent = Intent(f"batch-{number:04d}", facts={"ids": list(chunk)})
        self.intents.save(intent, facts={**intent.facts, "mark": f"{self.run_id}-{intent.name}"})
        return self._create(intent)

    def _create(self, intent: Intent) -> Intent:
        """Send an intention, whose requests are all waiting; on doubt look before another try."""
        lines = [BatchLine(each, self.waiting[each].body) for each in intent.facts["ids"]]
        for _ in range(DOUBT_LOOKS):
            self.intents.save(intent, state="sent")
            try:
                made = self.provider.batch_create(lines, intent.facts["mark"], self.run_id)
            except Trouble as trouble:
                if not trouble.again:
                    self.intents.save(intent, state="over", facts={**intent.facts, "error": str(trouble)})
                    raise raised(trouble) from None
                self.progress.say(f"batch {intent.name}: {trouble}; looking whether it was created")
                made = self._find(intent) or ""
                if not made:
                    time.sleep(self.patience.pause(trouble, 1))
                    continue
            return self.intents.save(intent, state="made", id=made)
        raise BackendError(f"the batch {intent.name} could not be created; run the same command again")

    def _find(self, intent: Intent) -> str | None:
        mark, ids = intent.facts["mark"], frozenset(intent.facts["ids"])
        look = lambda: self.provider.batch_find(mark, intent.since, ids)  # noqa: E731
        return resolve_doubt(look, self.patience, self.doubt_seconds)

    def _id_of(self, intent: Intent) -> str | None:
        """The id of a batch that an earlier attempt at this run sent; None where it does not exist."""
        if intent.id is not None:
            return intent.id
        found = self._find(intent)
        if found is None:
            self.intents.save(intent, state="over", facts={**intent.facts, "error": "never created"})
            return None
        self.intents.save(intent, state="made", id=found)
        return found

    def _import(self, intent: Intent, batch: str | None) -> Iterator[Answer]:
        """Wait for a batch and yield the answers it brings; what it lost stays in ``waiting``."""
        if batch is None:
            return
        failed = self._wait(intent, batch)
        if failed is not None:
            self.intents.save(intent, state="over", facts={**intent.facts, "error": failed})
            raise BackendError(f"the batch {batch} was turned down: {failed}")
        seen = set()
        for identifier, reply in persist(self.patience, lambda: list(self.provider.batch_results(batch))):
            if identifier not in seen:
                seen.add(identifier)
                yield from self._hear(identifier, reply)
        for identifier in intent.facts["ids"]:
            if identifier not in seen:
                yield from self._hear(identifier, Reply("expired", error=f"not in the results of {batch}"))
        self.intents.save(intent, state="over")

    def _hear(self, identifier: str, reply: Reply) -> Iterator[Answer]:
        """One line of a batch, or what stands for one that did not come."""
        pending = self.waiting.get(identifier)
        if pending is None:
            return
        if reply.status in LOST and self.tried.get(identifier, 1) < self.rounds:
            self.tried[identifier] = self.tried.get(identifier, 1) + 1
            self.desk.purse.settle(pending.most, 0.0)
            return
        del self.waiting[identifier]
        heard = self.desk.hear(pending, reply, batch=True)
        if isinstance(heard, Pending):
            self.waiting[custom_id(heard)] = heard
        else:
            yield heard

    def _wait(self, intent: Intent, batch: str) -> str | None:
        """Wait until a batch has ended; returns why it failed as a whole, or None."""
        total = len(intent.facts["ids"])
        with self.progress.task(f"waiting for batch {batch}", total) as task:
            done = 0
            while True:
                state = persist(self.patience, lambda: self.provider.batch_state(batch))
                task.advance(max(0, state.done - done))
                done = max(done, state.done)
                if state.failed is not None or state.ended:
                    return state.failed
                time.sleep(self.poll_seconds)
