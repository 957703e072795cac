"""A word to the person at the terminal where nothing is heard of a provider."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from simbench_api.wire import Trouble

__all__ = ["Silence"]

AFTER, THEN = 10.0, 60.0  # seconds without an answer before the first word, and between words


class Silence:
    """Tells what is retried or waited for whenever nothing was heard for 10 seconds, and then every minute.

    A context manager; ``heard`` and ``trouble`` may be called from any thread. ``waiting`` says what is waited for.
    """

    def __init__(self, say: Callable[[str], None], waiting: Callable[[], str]) -> None:
        self._say, self._waiting = say, waiting
        self._faults: Counter[str] = Counter()
        self._last = ""
        self._since = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="simbench-silence", daemon=True)

    def heard(self) -> None:
        """There was an answer."""
        self._since = time.monotonic()
        self._faults.clear()
        self._last = ""

    def trouble(self, trouble: Trouble) -> None:
        """An attempt failed, and will be made again."""
        self._faults[str(trouble.status or "no answer")] += 1
        self._last = str(trouble)

    def __enter__(self) -> Silence:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        told = 0.0
        while not self._over.wait(max(0.01, self._due(told) - time.monotonic())):
            if time.monotonic() >= self._due(told):
                told = time.monotonic()
                self._say(self._words())

    def _due(self, told: float) -> float:
        return max(self._since + AFTER, told + THEN if told > self._since else 0.0)

    def _words(self) -> str:
        faults = ", ".join(f"{count} x {fault}" for fault, count in self._faults.copy().items())
        seconds = time.monotonic() - self._since
        last = f" (the last: {self._last})" if self._last else ""
        return f"no answer for {seconds:.0f} s: {faults or 'no word'}{last}; {self._waiting()}"
