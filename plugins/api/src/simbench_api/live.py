"""Live asking: as many requests at once as the limits allow, answers as they come."""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterator

from simbench.backends.base import Answer, Task
from simbench.errors import BackendError, BudgetError, SimbenchError
from simbench_api.desk import Desk, Pending
from simbench_api.engine import Engine, Limits, Traffic
from simbench_api.wire import Provider, Reply, Trouble, raised

__all__ = ["Live"]

SAME = 10  # so many first requests that are turned down the same way end the run


class Live:
    """Carries out what the cache lacks. ``provider`` is called when the first request is to be sent."""

    def __init__(
        self, desk: Desk, provider: Callable[[], Provider], limits: Limits, task: Task, say: Callable[[str], None]
    ) -> None:
        self.desk = desk
        self.provider = provider
        self.limits = limits
        self.task = task
        self.say = say
        self.traffic = Traffic()
        self._queue: deque[Pending] = deque()
        self._stop: SimbenchError | None = None
        self._lost = 0
        self._refused: list[int | None] = []  # statuses of the first requests, while all are turned down

    def answers(self, outcomes: Iterator[Answer | Pending]) -> Iterator[Answer]:
        """Yield the answers that ``outcomes`` holds, and those to what it waits for.

        Talks are begun as there is room for them, so that few are under way when the process is killed.
        Raises BudgetError after every request in flight has come back and what it answered was yielded. Raises the
        error of a trouble after which nothing further can work, once what was on the wire had a few seconds to come
        back; the rest is given up.
        """
        yield from self._begin(outcomes, room=1)
        if not self._queue:
            return
        with Engine(self.provider(), self.limits, self.desk.purse, self.say) as engine:
            self.traffic = engine.traffic
            while self._stop is None or engine.outstanding:
                if self._stop is None:
                    yield from self._begin(outcomes, room=self.limits.concurrency - engine.outstanding)
                    self._submit(engine)
                if not engine.outstanding:
                    break
                yield from self._take(engine)
        if self._stop is not None:
            raise self._stop

    def _begin(self, outcomes: Iterator[Answer | Pending], room: int) -> Iterator[Answer]:
        """Fill the queue up to ``room``, yielding the answers that need no asking."""
        while len(self._queue) < room:
            outcome = next(outcomes, None)
            if outcome is None:
                return
            if isinstance(outcome, Pending):
                self._queue.append(outcome)
            else:
                yield outcome

    def _submit(self, engine: Engine) -> None:
        """Send what the budget allows; where it allows nothing and nothing is under way, that is the end."""
        while self._queue and self.desk.purse.hold(self._queue[0].claim):
            pending = self._queue.popleft()
            engine.submit(pending, pending.body, pending.claim)
        if self._queue and not engine.outstanding:
            self._stop = self.desk.purse.stop("the next request", self._queue[0].claim.most)

    def _take(self, engine: Engine) -> Iterator[Answer]:
        """Hear what has come back."""
        for pending, outcome in engine.take():
            error = self._ends(outcome)
            if error is not None:
                if self._stop is None and not isinstance(error, BudgetError):
                    engine.wind_down()
                self._stop = self._stop or error
            if error is not None or isinstance(outcome, CancelledError):
                self.desk.purse.settle(pending.claim, 0.0)  # what was lost is in the books as lost
                continue
            heard = self.desk.hear(pending, _reply(outcome))
            if isinstance(heard, Pending):
                self._queue.appendleft(heard)
            else:
                self.task.note(str(self.desk.purse))
                yield heard

    def _ends(self, outcome: Reply | BaseException) -> SimbenchError | None:
        """The error that ends the run: nothing further can work, or the provider is gone."""
        if isinstance(outcome, BudgetError):
            return outcome
        if isinstance(outcome, Trouble) and outcome.fatal:
            return raised(outcome)
        if (error := self._all_refused(outcome)) is not None:
            return error
        self._lost = self._lost + 1 if isinstance(outcome, Trouble) and outcome.again else 0
        if self._lost < max(10, self.limits.concurrency):
            return None
        return BackendError(
            f"{self._lost} requests in a row were lost, the last: {outcome}. Run the same command again to go on"
        )

    def _all_refused(self, outcome: Reply | BaseException) -> BackendError | None:
        """The error where the first requests were all turned down the same way: no other will fare better."""
        if isinstance(outcome, Reply):
            self._refused = [0]  # some are answered
        elif isinstance(outcome, Trouble) and outcome.kind == "rejected":
            self._refused.append(outcome.status)
        if len(self._refused) < SAME or len(set(self._refused)) > 1:
            return None
        return BackendError(
            f"the first {len(self._refused)} requests were all turned down: {outcome}. Nobody else was asked; mend "
            f"the cause and run the same command again"
        )


def _reply(outcome: Reply | BaseException) -> Reply:
    """The reply an outcome amounts to; what is no trouble of the provider's is raised."""
    if isinstance(outcome, Reply):
        return outcome
    if isinstance(outcome, Trouble):
        return Reply("failed", error=str(outcome), rejected=outcome.kind == "rejected")
    raise outcome
