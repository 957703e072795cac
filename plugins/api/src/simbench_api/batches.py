"""Batch mode: submit, wait, import by custom id, and send again only what is missing.

A batch is never submitted twice: see :mod:`simbench_api.creation`. As many batches are under way at once as the
requests need by their number, bytes and tokens, since each may take a day.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from simbench.backends.base import Answer, Progress, Task
from simbench.errors import BackendError, SimbenchError
from simbench_api.creation import create_once, resolve_doubt
from simbench_api.desk import Desk, Pending
from simbench_api.intents import Intent, Intents
from simbench_api.retry import Patience, persist
from simbench_api.wire import BatchLine, BatchState, Provider, Reply

__all__ = ["BatchLimits", "Batches"]

ID_LENGTH = 40  # of a custom id: a sha256, cut to what every provider takes
AROUND = 150  # bytes of a line around its body, at most
LOST = ("expired", "failed")


def custom_id(pending: Pending) -> str:
    """The id of a request within batches: a hash of all that determines its answer."""
    return pending.digest[:ID_LENGTH]


@dataclass
class BatchLimits:
    """What bounds the batches; see the settings of the same names. ``tokens`` falls where a provider says so."""

    size: int
    tokens: int | None
    rounds: int
    poll_seconds: float
    doubt_seconds: float


@dataclass
class Batches:
    """The batches of one run. ``waiting`` maps custom ids to what still wants a reply, ``open`` holds the batches
    under way by the names of their intentions."""

    desk: Desk
    provider: Provider
    intents: Intents
    run_id: str
    progress: Progress
    patience: Patience
    limits: BatchLimits
    waiting: dict[str, Pending] = field(default_factory=dict)
    open: dict[str, Intent] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)

    def answers(self, waiting: Sequence[Pending]) -> Iterator[Answer]:
        """Yield the answers of all that is waiting. Raises BudgetError as live asking does."""
        self.waiting = {custom_id(pending): pending for pending in waiting}
        self._resume()
        with self.progress.task("waiting for batches", len(self.waiting), "requests") as task:
            while self.waiting:
                stop = self._submit_what_fits()
                task.note(f"{len(self.open)} under way, {self.desk.purse}")
                if not self.open:
                    raise stop or BackendError("nothing could be submitted")
                ended = self._ended(task)
                for intent, state in ended:
                    yield from self._close(intent, state)
                if not ended:
                    time.sleep(self.limits.poll_seconds)

    def _resume(self) -> None:
        """Take over the batches that an earlier attempt at this run has sent."""
        for intent in list(self.intents):
            if not intent.name.startswith("batch-") or intent.state not in ("sent", "made"):
                continue
            own = [self.waiting[each] for each in intent.facts["ids"] if each in self.waiting]
            for pending in own:
                self.desk.purse.adopt(pending.claim)
            if intent.id is None:
                found = resolve_doubt(intent, lambda: self._find(intent), self.patience, self.limits.doubt_seconds)  # noqa: B023
                if found is None:
                    self.intents.save(intent, state="over", facts={**intent.facts, "error": "never created"})
                    for pending in own:
                        self.desk.purse.settle(pending.claim, 0.0)
                    continue
                self.intents.save(intent, state="made", id=found)
            self.open[intent.name] = intent

    def _find(self, intent: Intent) -> str | None:
        return self.provider.batch_find(intent.facts["mark"], intent.since, frozenset(intent.facts["ids"]))

    def _submit_what_fits(self) -> SimbenchError | None:
        """Submit batches of what is in none, as tokens and budget allow; the error where the budget allows none."""
        taken = {each for intent in self.open.values() for each in intent.facts["ids"]}
        queue = [each for each in self.waiting if each not in taken]
        room = None if self.limits.tokens is None else self.limits.tokens - sum(map(self._tokens, taken))
        while queue:
            chunk, stop = self._chunk(queue, room)
            if not chunk:
                return stop
            self._submit(chunk)
            queue = queue[len(chunk) :]
            room = None if room is None else room - sum(map(self._tokens, chunk))
        return None

    def _chunk(self, queue: Sequence[str], room: int | None) -> tuple[list[str], SimbenchError | None]:
        """Ids of the next batch, and the error if the budget allows for none; empty, too, where it has to wait."""
        chunk: list[str] = []
        size = 0
        for identifier in queue:
            pending = self.waiting[identifier]
            size += len(json.dumps(pending.body).encode()) + AROUND
            room = None if room is None else room - self._tokens(identifier)
            full = len(chunk) == self.limits.size or size > self.provider.batch_bytes
            if chunk and (full or (room is not None and room < 0)):
                break
            if room is not None and room < 0 and self.open:
                break
            if not self.desk.purse.hold(pending.claim):
                return chunk, self.desk.purse.stop("the next batch", pending.claim.most)
            chunk.append(identifier)
        return chunk, None

    def _tokens(self, identifier: str) -> int:
        """Tokens of a request that are enqueued, at most; 0 of one that has been answered."""
        pending = self.waiting.get(identifier)
        return 0 if pending is None else self.desk.most_prompt(pending.talk.ask)

    def _submit(self, chunk: Sequence[str]) -> None:
        """Create a batch of these requests, whose money is promised."""
        number = sum(1 for intent in self.intents if intent.name.startswith("batch-"))
        intent = Intent(f"batch-{number:04d}", facts={"ids": list(chunk)})
        intent.facts["mark"] = f"{self.run_id}-{intent.name}"
        lines = [BatchLine(each, self.waiting[each].body) for each in chunk]
        for identifier in chunk:
            self.desk.purse.sent(self.waiting[identifier].claim)
        try:
            create_once(
                self.intents,
                intent,
                lambda: self.provider.batch_create(lines, intent.facts["mark"], self.run_id),
                lambda: self._find(intent),
                self.patience,
                self.limits.doubt_seconds,
                self.progress.say,
            )
        except SimbenchError:
            if intent.state == "over":  # surely not created
                for identifier in chunk:
                    self.desk.purse.settle(self.waiting[identifier].claim, 0.0)
            raise
        self.open[intent.name] = intent

    def _ended(self, task: Task) -> list[tuple[Intent, BatchState]]:
        """Those of the open batches that have ended, and how."""
        ended = []
        for intent in list(self.open.values()):
            state = persist(self.patience, lambda: self.provider.batch_state(intent.id or ""))  # noqa: B023
            task.advance(max(0, state.done - self._done.get(intent.name, 0)))
            self._done[intent.name] = max(state.done, self._done.get(intent.name, 0))
            if state.failed is not None or state.ended:
                ended.append((intent, state))
        return ended

    def _close(self, intent: Intent, state: BatchState) -> Iterator[Answer]:
        """Take a batch that has ended from the open ones, and yield the answers that it brings."""
        del self.open[intent.name]
        if state.failed is not None:
            self._turned_down(intent, state)
            return
        yield from self._import(intent)
        if state.cancelled and (left := sum(each in self.waiting for each in intent.facts["ids"])):
            raise BackendError(
                f"the batch {intent.id} was cancelled at the provider, and {left} of its requests are not answered. "
                f"Run the same command again to send them anew"
            )

    def _turned_down(self, intent: Intent, state: BatchState) -> None:
        """Nothing of a batch was carried out: wait for room where there was none, else say why."""
        tokens = sum(map(self._tokens, intent.facts["ids"]))
        for identifier in intent.facts["ids"]:
            if identifier in self.waiting:
                self.desk.purse.settle(self.waiting[identifier].claim, 0.0)
        self.intents.save(intent, state="over", facts={**intent.facts, "error": state.failed})
        if not state.crowded or (not self.open and len(intent.facts["ids"]) == 1):
            raise BackendError(f"the batch {intent.id} was turned down: {state.failed}")
        under_way = sum(self._tokens(each) for other in self.open.values() for each in other.facts["ids"])
        self.limits.tokens = under_way or tokens // 2
        self.progress.say(
            f"batch {intent.id}: {state.failed}. From here on, about {self.limits.tokens} tokens are under "
            f"way at once (backend.batch_tokens says so from the start)"
        )

    def _import(self, intent: Intent) -> Iterator[Answer]:
        """The answers that a batch brings; what it lost stays in ``waiting``."""
        batch, seen, refused, why = intent.id or "", set(), 0, None
        for identifier, reply in persist(self.patience, lambda: list(self.provider.batch_results(batch))):
            if identifier not in seen:
                seen.add(identifier)
                refused += reply.rejected
                why = reply.error
                yield from self._hear(identifier, reply)
        for identifier in intent.facts["ids"]:
            if identifier not in seen:
                gone = Reply("expired", error=f"not in the results of {batch}", doubtful=True)
                yield from self._hear(identifier, gone)
        self.intents.save(intent, state="over")
        if refused == len(intent.facts["ids"]) and not self.desk.served:
            raise BackendError(
                f"all {refused} requests of the batch {batch} were turned down: {why}. Nobody else was asked; mend "
                f"the cause and run the same command again"
            )

    def _hear(self, identifier: str, reply: Reply) -> Iterator[Answer]:
        """One line of a batch, or what stands for one that did not come."""
        pending = self.waiting.get(identifier)
        if pending is None:
            return
        if reply.status in LOST and reply.doubtful:
            self.desk.purse.lost(pending.claim)
        again = reply.status in LOST and not reply.rejected
        if again and self.tried.get(identifier, 1) < self.limits.rounds:
            self.tried[identifier] = self.tried.get(identifier, 1) + 1
            self.desk.purse.settle(pending.claim, 0.0)
            return
        del self.waiting[identifier]
        heard = self.desk.hear(pending, reply, batch=True)
        if isinstance(heard, Pending):
            self.waiting[custom_id(heard)] = heard
        else:
            yield heard
