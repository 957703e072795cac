"""The response cache: every answer that was paid for is found again, and never asked for twice.

A cache is a folder::

    answers.sqlite        merged answers; written under a lock, by one process at a time
    shards/               one SQLite file per running process, merged when it ends

SQLite's write-ahead log does not work between machines on a network file system. So no two processes ever
write to one file: each has a shard of its own (exclusively locked, which needs no shared memory), and merges
it into ``answers.sqlite`` under a file lock. Shards that a killed process left are merged by the next one.

The key is the sha256 of the canonical JSON of what determines an answer; the value is JSON. Nothing is
pickled, and messages are not stored, only their hash.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from simbench.errors import ConfigError, StorageError
from simbench.files import digest, storage
from simbench.harness.store import now

__all__ = ["CacheLine", "ResponseCache"]

SCHEMA = 1
TABLE = (
    "CREATE TABLE IF NOT EXISTS answers "
    "(key TEXT PRIMARY KEY, value TEXT NOT NULL, backend TEXT, model TEXT, made TEXT NOT NULL) WITHOUT ROWID"
)
COPY = "INSERT OR IGNORE INTO answers SELECT key, value, backend, model, made FROM other.answers"


@dataclass(frozen=True)
class CacheLine:
    """Answers of one backend and model in a cache."""

    backend: str
    model: str
    answers: int
    bytes: int
    first: str
    last: str


class ResponseCache:
    """Answers by what determines them. Opens no file before the first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._main: sqlite3.Connection | None = None
        self._shard: sqlite3.Connection | None = None
        self._shard_path: Path | None = None
        self._shard_lock: FileLock | None = None

    def get(self, key: Mapping[str, Any]) -> Any | None:
        """The value stored under a key, or None."""
        hashed = _hash(key)
        for connection in filter(None, (self._shard, self._merged())):
            row = connection.execute("SELECT value FROM answers WHERE key = ?", (hashed,)).fetchone()
            if row is not None:
                return json.loads(row[0])
        return None

    def put(self, key: Mapping[str, Any], value: Any) -> None:
        """Store a value. It survives a kill of this process from here on."""
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        row = (_hash(key), text, _label(key, "backend"), _label(key, "model"), now())
        with self._storage():
            self._own_shard().execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Merge this process's answers into the common file and let go of everything."""
        if self._main is not None:
            self._main.close()
            self._main = None
        if self._shard is None or self._shard_path is None or self._shard_lock is None:
            return
        self._shard.close()
        self._shard = None
        with self._storage(), self._locked():
            self._take(self._shard_path)
        self._shard_lock.release()
        _remove(self._shard_path)

    def __enter__(self) -> ResponseCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lines(self) -> list[CacheLine]:
        """What is in the cache, by backend and model."""
        query = (
            "SELECT backend, model, COUNT(*), SUM(LENGTH(value)), MIN(made), MAX(made) FROM answers "
            "GROUP BY backend, model ORDER BY backend, model"
        )
        return [CacheLine(*row) for row in self._merged().execute(query)]

    def prune(self, before: str = "9999", backend: str = "", model: str = "") -> int:
        """Remove answers made before a time (ISO 8601), of a backend or model; returns how many."""
        query, values = "DELETE FROM answers WHERE made < ?", [before]
        for column, wanted in (("backend", backend), ("model", model)):
            if wanted:
                query, values = f"{query} AND {column} = ?", [*values, wanted]
        with self._storage(), self._locked(), closing(_open(self.folder / "answers.sqlite")) as connection:
            removed = connection.execute(query, values).rowcount
            connection.execute("VACUUM")
        return removed

    def merge(self, other: Path) -> int:
        """Take over the answers of another cache folder or file that are not here yet; returns how many."""
        path = other / "answers.sqlite" if other.is_dir() else other
        if not path.is_file():
            raise ConfigError(f"there is no response cache at {other}")
        with self._storage(), self._locked():
            return self._take(path)

    def _merged(self) -> sqlite3.Connection:
        """The common file, with what killed processes left merged in."""
        if self._main is None:
            with self._storage():
                self.folder.mkdir(parents=True, exist_ok=True)
                with self._locked():
                    self._take_orphans()
                    _open(self.folder / "answers.sqlite").close()
                self._main = sqlite3.connect(f"file:{self.folder / 'answers.sqlite'}?mode=ro", uri=True)
        return self._main

    def _own_shard(self) -> sqlite3.Connection:
        if self._shard is None:
            name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.sqlite"
            self._shard_path = self.folder / "shards" / name
            with self._storage():
                self._shard_path.parent.mkdir(parents=True, exist_ok=True)
                self._shard_lock = FileLock(self._shard_path.with_suffix(".lock"))
                self._shard_lock.acquire()
                self._shard = _open(self._shard_path, exclusive=True)
        return self._shard

    def _take(self, path: Path) -> int:
        """Copy what another file holds and the common one does not."""
        with closing(_open(self.folder / "answers.sqlite")) as connection:
            connection.execute("ATTACH DATABASE ? AS other", (str(path),))
            return connection.execute(COPY).rowcount

    def _take_orphans(self) -> None:
        for path in sorted((self.folder / "shards").glob("*.sqlite")):
            if path == self._shard_path:
                continue
            lock = FileLock(path.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:  # its process is alive
                continue
            _open(path).close()  # its process may have been killed before it had made the table
            self._take(path)
            lock.release()
            _remove(path)

    def _locked(self) -> FileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock", timeout=60)

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            with storage(self.folder):
                yield
        except sqlite3.Error as error:
            raise StorageError(f"the response cache {self.folder} cannot be used: {error}") from error


def _open(path: Path, exclusive: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode with the table in place."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    if exclusive:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(TABLE)
    return connection


def _hash(key: Mapping[str, Any]) -> str:
    return digest({"schema": SCHEMA, **key})


def _label(key: Mapping[str, Any], name: str) -> str:
    """A short label for listings; a model handle is shown by its base."""
    found = key.get(name, "")
    return str(found.get("base", "")) if isinstance(found, Mapping) else str(found)


def _remove(shard: Path) -> None:
    for path in shard.parent.glob(f"{shard.stem}.*"):
        path.unlink(missing_ok=True)
