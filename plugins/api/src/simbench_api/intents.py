"""Intentions written to disk before anything is created that costs money.

A file per intended creation, replaced whole at every step, so that after a kill at any moment it is known
what may exist at the provider: ``meant`` (nothing was sent), ``sent`` (it may exist), ``made`` (it exists,
under ``id``), ``over``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simbench.errors import StorageError
from simbench.files import write_json

__all__ = ["Intent", "Intents"]


@dataclass
class Intent:
    """One intended creation. ``since`` is the Unix time at which it was first sent, 0 before."""

    name: str
    state: str = "meant"
    since: float = 0.0
    id: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Intents:
    """The intentions of one run, in its folder."""

    def __init__(self, folder: Path, redact: Callable[[str], str] = str) -> None:
        self.folder = folder
        self.redact = redact

    def __iter__(self) -> Iterator[Intent]:
        """All intentions, oldest first."""
        for path in sorted(self.folder.glob("intent-*.json"), key=lambda each: each.name):
            yield self._read(path)

    def get(self, name: str) -> Intent | None:
        """The intention of this name, or None."""
        path = self._path(name)
        return self._read(path) if path.exists() else None

    def save(self, intent: Intent, **changes: Any) -> Intent:
        """Change an intention and write it, whole or not at all, through to the disk."""
        for name, value in changes.items():
            setattr(intent, name, value)
        if "error" in intent.facts:
            intent.facts = {**intent.facts, "error": self.redact(str(intent.facts["error"]))}
        if intent.state == "sent" and not intent.since:
            intent.since = time.time()
        write_json(self._path(intent.name), vars(intent))
        return intent

    def _path(self, name: str) -> Path:
        return self.folder / f"intent-{name}.json"

    def _read(self, path: Path) -> Intent:
        try:
            return Intent(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise StorageError(
                f"{path} is damaged ({error}). It says what may have been created and paid for at the provider: "
                f"look there before you remove it"
            ) from None
