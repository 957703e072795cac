"""Keeps a key out of every text that comes from outside.

Servers quote the key they were sent, whole, in part or masked, in errors of any status, in the lines of a batch
and in events of a job. :class:`Redactor` knows the very value that was sent, whatever its shape, and
:func:`guarded` puts it at the door of a provider: what is raised, returned or told there is clean.
"""

from __future__ import annotations

import functools
import html
import inspect
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from simbench.backends.base import Progress, Task
from simbench.errors import SimbenchError
from simbench_api.wire import BatchState, Found, Provider, Reply, Trouble

__all__ = ["Redactor", "guarded", "shown_url"]

P = TypeVar("P", bound=Provider)
CUT = "[key]"
PART = 8  # a stretch of this many characters of a key is cut out; a key shorter than this only as a whole word
MASK = r"[*•·.…xX#_-]{2,}"
DOORS = ("send", "look_up", "batch_create", "batch_find", "batch_state", "batch_results")


class Redactor:
    """Cuts one secret out of texts: the value, its encodings, its parts, and masked forms of it."""

    def __init__(self, secret: str) -> None:
        self._forms = sorted(
            {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], html.escape(secret), repr(secret)[1:-1]},
            key=len,
            reverse=True,
        )
        whole = "|".join(map(re.escape, self._forms))
        self._long = len(secret) >= PART
        self._whole = re.compile(whole if self._long else rf"(?<!\w)(?:{whole})(?!\w)")
        self._masked = _masked(secret) if self._long else None
        self._parts = {secret[at : at + PART] for at in range(len(secret) - PART + 1)}

    def __call__(self, text: str) -> str:
        """An error or a message without the secret, its parts of 8 characters or more, and its masked forms."""
        text = self._whole.sub(CUT, text)
        if self._masked is not None:
            text = self._masked.sub(CUT, text)
        return self._without_parts(text)

    def answer(self, text: str) -> str:
        """A model's answer without the secret; a short secret may be a word of an answer, and stays."""
        if not self._long or not any(form in text for form in self._forms):
            return text
        return self(text)

    def _without_parts(self, text: str) -> str:
        hit = [at for at in range(len(text) - PART + 1) if text[at : at + PART] in self._parts]
        kept, at = [], 0
        while hit:
            start = hit.pop(0)
            end = start + PART
            while hit and hit[0] <= end:
                end = hit.pop(0) + PART
            kept += [text[at:start], CUT]
            at = end
        return "".join([*kept, text[at:]])

    def clean(self, found: Any) -> Any:
        """What a provider returned, without the secret."""
        if isinstance(found, Reply):
            text = self.answer(found.text)
            error = None if found.error is None else self(found.error)
            model = None if found.model is None else self(found.model)
            if (text, error, model) == (found.text, found.error, found.model):
                return found
            return replace(found, text=text, error=error, model=model, tokens=None)
        if isinstance(found, BatchState) and found.failed is not None:
            return replace(found, failed=self(found.failed))
        if isinstance(found, Found) and found.shutdown is not None:
            return replace(found, shutdown=self(found.shutdown))
        if isinstance(found, tuple):
            return tuple(self.clean(each) for each in found)
        return found

    def progress(self, progress: Progress) -> Progress:
        """The same way to tell the person at the terminal, without the secret."""
        return _Told(progress, self)

    @contextmanager
    def cleaning(self) -> Iterator[None]:
        """Troubles and errors raised inside leave without the secret."""
        try:
            yield
        except (Trouble, SimbenchError) as error:
            error.args = tuple(self(each) if isinstance(each, str) else each for each in error.args)
            raise


@dataclass(frozen=True)
class _Told:
    """A Progress whose lines are cleaned."""

    inner: Progress
    redact: Redactor

    def task(self, title: str, total: int | None, unit: str = "") -> AbstractContextManager[Task]:
        return self.inner.task(title, total, unit)

    def say(self, text: str) -> None:
        self.inner.say(self.redact(text))


def _masked(secret: str) -> re.Pattern[str]:
    """Beginnings (of 2 characters or more) and ends of a secret on the two sides of a mask, or "ends in abcd"."""
    begins = "|".join(re.escape(secret[:length]) for length in range(min(24, len(secret)), 1, -1))
    ends = "|".join(re.escape(secret[-length:]) for length in range(min(24, len(secret)), 1, -1))
    said = r"\b(?:end(?:s|ing)?|begin(?:s|ning)?|start(?:s|ing)?)\s+(?:in|with)[\s:'\"`]+"
    return re.compile(
        rf"(?<!\w)(?:{begins}){MASK}(?:{ends})?|{MASK}(?:{ends})(?!\w)|(?:(?<=\s)|^){said}(?:{ends}|{begins})(?!\w)"
    )


def guarded(provider: P, redact: Redactor) -> P:
    """The same provider, with nothing coming through its methods that holds the secret."""
    provider.redact = redact
    for name in DOORS:
        setattr(provider, name, _door(getattr(provider, name), redact))
    return provider


def _door(method: Callable[..., Any], redact: Redactor) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def awaited(*given: Any, **named: Any) -> Any:
            with redact.cleaning():
                return redact.clean(await method(*given, **named))

        return awaited

    def each(lines: Iterator[Any]) -> Iterator[Any]:
        with redact.cleaning():
            for line in lines:
                yield redact.clean(line)

    @functools.wraps(method)
    def called(*given: Any, **named: Any) -> Any:
        with redact.cleaning():
            found = method(*given, **named)
        return each(found) if isinstance(found, Iterator) else redact.clean(found)

    return called


def shown_url(url: str) -> str:
    """A URL as it may be shown: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return "[a URL that cannot be read]"
    if not parts.scheme or not host:
        return re.sub(r"[?#].*$|^.*@", "[...]", url, flags=re.DOTALL)
    hidden = "[user]@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{hidden}{host}{port}{parts.path}" + ("?[...]" if parts.query or parts.fragment else "")
