"""When a request is tried again, and how long to wait before: one rule for all providers.

tenacity carries it out; what is ours is to obey the provider's own word (Retry-After, up to a cap), and to
bound the time of a request by attempts and waits alone: time spent queueing behind other requests does not
count, or a long pause for all would make requests fail that were never sent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import tenacity

from simbench_api.silence import Silence
from simbench_api.wire import Trouble, raised

__all__ = ["Patience", "Tries", "persist"]

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0


@dataclass(frozen=True)
class Patience:
    """``give_up_after``: seconds of attempts and waits; ``retry_after_cap``: longest wait that is obeyed.

    ``say`` tells the person at the terminal what takes long.
    """

    give_up_after: float
    retry_after_cap: float
    say: Callable[[str], None] = field(default=lambda _: None, compare=False)

    def pause(self, trouble: Trouble, failures: int) -> float:
        """Seconds before the next attempt after the given number of failures (1, 2, ...)."""
        if trouble.retry_after is not None:
            asked = min(max(0.0, trouble.retry_after), self.retry_after_cap)
            return asked * random.uniform(1.0, 1.1)  # jitter decides no result
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20)) * random.uniform(0.5, 1.0)


@dataclass
class Tries:
    """The attempts at one request: how many failed, how, and how long they took themselves."""

    patience: Patience
    busy: float = 0.0
    faults: list[str] = field(default_factory=list)

    def policy(self) -> dict[str, Any]:
        """Arguments for tenacity's ``Retrying`` and ``AsyncRetrying``."""
        return {"retry": self._again, "wait": self._wait, "stop": self._stop, "reraise": True}

    def _again(self, state: tenacity.RetryCallState) -> bool:
        error = _trouble(state)
        if error is not None:
            self.faults.append(str(error.status or error.kind))
        return error is not None and error.again

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = _trouble(state)
        return 0.0 if error is None else self.patience.pause(error, state.attempt_number)

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        return self.busy + state.idle_for + state.upcoming_sleep >= self.patience.give_up_after


def _trouble(state: tenacity.RetryCallState) -> Trouble | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, Trouble) else None


def persist(patience: Patience, call: Callable[[], T]) -> T:
    """Call until it succeeds, in this thread; raises the SimbenchError of the last Trouble when it does not.

    Only for what may be done twice: looking things up, uploading. Never for a creation that is paid for.
    """
    tries = Tries(patience)

    def timed() -> T:
        began = time.monotonic()
        try:
            return call()
        except Trouble as trouble:
            silence.trouble(trouble)
            raise
        finally:
            tries.busy += time.monotonic() - began

    silence = Silence(patience.say, lambda: f"trying for {patience.give_up_after:g} s in all")
    try:
        with silence:
            return tenacity.Retrying(**tries.policy())(timed)
    except Trouble as trouble:
        raise raised(trouble) from None
