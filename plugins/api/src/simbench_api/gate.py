"""How many requests are in flight: adaptive, with a pause for all when the provider asks for one."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

__all__ = ["Gate"]

DECREASE = 0.7


class Gate:
    """Lets at most ``limit`` requests through at once; belongs to one event loop.

    ``limit`` starts at ``most``, falls by 30 % when the provider says that it is too much (once per pause,
    since all requests of one burst are told), and grows by one for every ``limit`` answers: additive
    increase, multiplicative decrease, as TCP does. ``per_minute`` spaces the starts evenly.
    """

    def __init__(self, most: int, per_minute: float | None = None) -> None:
        self.most = most
        self.limit = float(most)
        self.in_flight = 0
        self.highest = 0
        self.pauses = 0
        self._spacing = 60.0 / per_minute if per_minute else 0.0
        self._next_start = 0.0
        self._until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        if self._waiting or not self._open():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._arrange()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()
                raise
        else:
            self._enter()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def answered(self) -> None:
        """An answer came: room for a little more."""
        self.limit = min(float(self.most), self.limit + 1.0 / max(1.0, self.limit))

    def too_much(self, pause: float) -> None:
        """The provider said 429: everybody waits ``pause`` seconds, and fewer go at once."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self.pauses += 1
            self.limit = max(1.0, self.limit * DECREASE)
        self._until = max(self._until, now + pause)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _open(self) -> bool:
        return self.in_flight < int(self.limit) and self._now() >= max(self._until, self._next_start)

    def _enter(self) -> None:
        self.in_flight += 1
        self.highest = max(self.highest, self.in_flight)
        if self._spacing:
            self._next_start = max(self._next_start, self._now()) + self._spacing

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        """Let those through whose turn it is, and arrange to look again when a pause ends."""
        while self._waiting and self._open():
            turn = self._waiting.popleft()
            if not turn.done():
                self._enter()
                turn.set_result(None)
        self._arrange()

    def _arrange(self) -> None:
        if self._timer is not None or not self._waiting:
            return
        wait = max(self._until, self._next_start) - self._now()
        if wait > 0:
            self._timer = asyncio.get_running_loop().call_later(wait, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        self._admit()
