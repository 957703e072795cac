"""Creating what is paid for, once: a batch, a finetuning job.

The intention is on disk before it is sent, the provider's library does not retry, and where it is not known whether
the thing exists, the provider is asked for it, for as long as it may list a new thing late.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from simbench.errors import BackendError
from simbench_api.intents import Intent, Intents
from simbench_api.retry import Patience, persist
from simbench_api.wire import Trouble, raised

__all__ = ["create_once", "resolve_doubt"]

TRIES = 4
SURELY_LISTED = 3600.0  # seconds after an intention was sent, uploading what belongs to it included
FIRST_LOOK, LONGEST_LOOK = 1.0, 15.0  # seconds between looks for what may exist
SENT_AT = "sent_at"  # Unix time at which an intention was last sent


def create_once(
    intents: Intents,
    intent: Intent,
    create: Callable[[], str],
    find: Callable[[], str | None],
    patience: Patience,
    window: float,
    say: Callable[[str], None],
) -> Intent:
    """Send an intention and return it with the id of what was created; on doubt look before another try.

    ``window``: seconds for which a provider may not list a new thing yet. Raises what the last trouble means, and
    marks the intention as over where it is known that nothing was created.
    """
    began, failures = time.monotonic(), 0
    while True:
        intents.save(intent, state="sent", facts={**intent.facts, SENT_AT: time.time()})
        try:
            made: str | None = create()
        except Trouble as trouble:
            failures += 1
            busy = trouble.kind == "busy"
            if not trouble.again:
                intents.save(intent, state="over", facts={**intent.facts, "error": str(trouble)})
                raise raised(trouble) from None
            made = None if busy or trouble.unsent else _look(intent, find, patience, window, trouble, say)
            if made is None:
                pause = patience.pause(trouble, failures)
                if time.monotonic() - began + pause > patience.give_up_after or (not busy and failures >= TRIES):
                    words = f"{intent.name} could not be created: {trouble}. Run the same command again later"
                    raise BackendError(words) from None
                if busy and failures == 1:
                    say(f"{intent.name}: the provider has no room for it now ({trouble}); waiting")
                time.sleep(pause)
                continue
        return intents.save(intent, state="made", id=made)


def _look(
    intent: Intent,
    find: Callable[[], str | None],
    patience: Patience,
    window: float,
    trouble: Trouble,
    say: Callable[[str], None],
) -> str | None:
    say(f"{intent.name}: {trouble}; looking whether it was created, for up to {window:g} s")
    return resolve_doubt(intent, find, patience, window)


def resolve_doubt(intent: Intent, find: Callable[[], str | None], patience: Patience, window: float) -> str | None:
    """The id of what an intention that was sent has created, or None where it would surely be listed by now.

    ``window`` counts from now: when within the sending (an upload, a wait for the reply) it was created is not known.
    """
    pause = min(FIRST_LOOK, window / 4)
    sent = float(intent.facts.get(SENT_AT) or intent.since)
    until = time.monotonic() + (window if time.time() - sent < SURELY_LISTED else 0.0)
    while True:
        found = persist(patience, find)
        left = until - time.monotonic()
        if found is not None or left <= 0:
            return found
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_LOOK)
