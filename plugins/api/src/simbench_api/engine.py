"""Sends requests from a thread with an event loop of its own, as many at once as the gate lets through.

The caller stays synchronous (and may itself run inside an event loop, as in a notebook): it submits bodies
under tickets and takes outcomes as they come. Conversations, money, cache and journal are the caller's;
nothing here is remembered, so nothing here can be lost.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import tenacity

from simbench_api.budget import Claim, Purse
from simbench_api.gate import Gate
from simbench_api.retry import Patience, Tries
from simbench_api.silence import Silence
from simbench_api.wire import Provider, Reply, Trouble

__all__ = ["Engine", "Limits", "Traffic"]

Outcome = Reply | BaseException
GRACE = 5.0  # seconds that what is on the wire gets to come back, once nothing further can work


@dataclass(frozen=True)
class Limits:
    """What bounds the traffic; see the settings of the same names."""

    concurrency: int
    requests_per_minute: float | None
    request_timeout: float
    give_up_after: float
    retry_after_cap: float


@dataclass
class Traffic:
    """What happened on the wire, for the manifest."""

    sent: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    most_in_flight: int = 0
    pauses: int = 0

    def to_json(self) -> dict[str, Any]:
        """As recorded in the manifest."""
        return {**vars(self), "faults": dict(sorted(self.faults.items()))}


class Engine:
    """Use as a context manager. ``provider`` is called in the engine's thread only.

    After :meth:`wind_down` outcomes may be CancelledErrors: of requests that were given up, or never sent.

    Every attempt is booked in ``purse`` before it is sent: what becomes of its cost where no reply comes is
    decided there; what a reply came to is the caller's to settle.
    """

    def __init__(self, provider: Provider, limits: Limits, purse: Purse, say: Callable[[str], None]) -> None:
        self.provider = provider
        self.limits = limits
        self.purse = purse
        self.traffic = Traffic()
        self.outstanding = 0
        self._silence = Silence(say, self._waiting)
        self._patience = Patience(limits.give_up_after, limits.retry_after_cap)
        self._gate = Gate(limits.concurrency, limits.requests_per_minute)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_the_wire: set[asyncio.Task[Any] | None] = set()
        self._outcomes: queue.SimpleQueue[tuple[Any, Outcome]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simbench-api", daemon=True)

    def __enter__(self) -> Engine:
        self._thread.start()
        self._silence.__enter__()
        return self

    def _waiting(self) -> str:
        return f"{self.outstanding} requests are under way, each given up after {self.limits.give_up_after:g} s"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._silence.__exit__(kind, error, trace)
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.traffic.most_in_flight = max(self.traffic.most_in_flight, self._gate.highest)
        self.traffic.pauses += self._gate.pauses

    def submit(self, ticket: Any, body: Mapping[str, Any], claim: Claim) -> None:
        """Have a request sent; its outcome will be taken under ``ticket``."""
        self.outstanding += 1
        self._loop.call_soon_threadsafe(self._begin, ticket, body, claim)

    def wind_down(self) -> None:
        """Send nothing more, and give what is on the wire a few seconds: its reply may have been paid for.

        What is given up may have been carried out, so what was set aside for it counts as spent.
        """
        self._loop.call_soon_threadsafe(self._cancel)
        self._loop.call_soon_threadsafe(self._loop.call_later, GRACE, self._cancel, True)

    def _cancel(self, all_of_them: bool = False) -> None:
        for task in list(self._tasks):
            if all_of_them or task not in self._on_the_wire:
                task.cancel()

    def take(self) -> list[tuple[Any, Outcome]]:
        """Wait for at least one outcome and return all that are there: replies, and what was raised."""
        taken = [self._outcomes.get()]
        while not self._outcomes.empty():
            taken.append(self._outcomes.get())
        self.outstanding -= len(taken)
        return taken

    def _begin(self, ticket: Any, body: Mapping[str, Any], claim: Claim) -> None:
        task = self._loop.create_task(self._carry_out(ticket, body, claim))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ticket, ended))

    def _ended(self, ticket: Any, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._outcomes.put((ticket, asyncio.CancelledError()))

    async def _carry_out(self, ticket: Any, body: Mapping[str, Any], claim: Claim) -> None:
        tries = Tries(self._patience)
        try:
            retrying = tenacity.AsyncRetrying(sleep=asyncio.sleep, **tries.policy())
            reply: Outcome = await retrying(self._attempt, tries, body, claim)
            if tries.faults and isinstance(reply, Reply):
                reply = replace(reply, retries=len(tries.faults))
        except asyncio.CancelledError:
            raise  # told by :meth:`_ended`, also of what never began
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            reply = error
        self.traffic.faults.update(tries.faults)
        self._outcomes.put((ticket, reply))

    async def _attempt(self, tries: Tries, body: Mapping[str, Any], claim: Claim) -> Reply:
        async with self._gate:
            self.purse.sent(claim)
            self.traffic.sent += 1
            began, task = self._loop.time(), asyncio.current_task()
            self._on_the_wire.add(task)
            try:
                reply = await self._send(body)
            except Trouble as trouble:
                self._silence.trouble(trouble)
                (self.purse.lost if trouble.doubtful else self.purse.free)(claim)
                if trouble.kind == "busy":
                    self._gate.too_much(self._patience.pause(trouble, 1))
                raise
            except BaseException:  # the run is being stopped, or the provider's code is broken
                self.purse.lost(claim)
                raise
            finally:
                self._on_the_wire.discard(task)
                tries.busy += self._loop.time() - began
            self._gate.answered()
            self._silence.heard()
            return reply

    async def _send(self, body: Mapping[str, Any]) -> Reply:
        try:
            async with asyncio.timeout(self.limits.request_timeout):
                return await self.provider.send(body)
        except TimeoutError:
            raise Trouble("unavailable", f"no answer within {self.limits.request_timeout:g} s") from None

    async def _finish(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.provider.aclose()
