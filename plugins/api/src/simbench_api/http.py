"""HTTP answers that are no answers: one reading of status codes and headers for all providers."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from simbench_api.wire import Trouble

__all__ = ["NOT_ALLOWED", "lost", "retry_after", "turned_down"]

NOT_ALLOWED = "the provider does not let this key or account do that: "
NO_CONNECTION = (("aiohttp", "ClientConnector"), ("httpcore", "ConnectError"))  # modules and names of exceptions
AGAIN = (408, 409, 425)
KEY = re.compile(r"\b(?:sk|pk|ak|key)[-_][\w*.-]{3,}")
TEXT_KEPT = 500  # characters of a provider's message


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait (``retry-after-ms``, ``retry-after`` in seconds or as a date), or None."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    stamp = headers.get("retry-after")
    if stamp is None:
        return None
    try:
        return max(0.0, parsedate_to_datetime(stamp).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def turned_down(
    status: int, message: str, headers: Mapping[str, str], *, quota: bool = False, unsupported: bool = False
) -> Trouble:
    """The trouble that a 4xx or 5xx means.

    ``quota``: the provider's words say that no waiting helps. ``unsupported``: they say that a setting is not
    taken. Keys that a provider quotes in its message, whole or in part, are cut out.
    """
    said = f"{KEY.sub('[key]', message[:TEXT_KEPT])} (HTTP {status})"
    wait = retry_after(headers)
    if status == 401:
        return Trouble("credentials", f"the API key was turned down: {said}", status=status)
    if status == 403:
        return Trouble("credentials", f"{NOT_ALLOWED}{said}", status=status)
    if quota or status == 402:
        return Trouble("quota", said, status=status)
    if status == 429:
        return Trouble("busy", said, status=status, retry_after=wait)
    if status in AGAIN or status >= 500:
        return Trouble("unavailable", said, status=status, retry_after=wait)
    if status == 404:
        return Trouble("no_model", said, status=status)
    return Trouble("unsupported" if unsupported else "rejected", said, status=status)


def lost(what: str, cause: BaseException | None = None) -> Trouble:
    """A connection that broke, or a body that cannot be read: worth another try.

    ``cause``: what the library for HTTP raised; it tells whether there was a connection at all, without which
    nothing can have been charged.
    """
    return Trouble("unavailable", what[:TEXT_KEPT], unsent=_never_connected(cause))


def _never_connected(error: BaseException | None) -> bool:
    """Whether an exception goes back to a connection that was never made.

    The wrappers around it do not tell: that of aiohttp's transport calls a broken connection a ConnectTimeout.
    """
    while error is not None:
        kind = type(error)
        if any(kind.__module__.startswith(home) and kind.__name__.startswith(name) for home, name in NO_CONNECTION):
            return True
        error = error.__cause__ or error.__context__
    return False
