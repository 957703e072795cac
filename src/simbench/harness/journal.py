"""The journal of answers: append-only JSON lines, readable after a kill at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from simbench.backends.base import Answer
from simbench.errors import StorageError
from simbench.harness.store import storage

__all__ = ["Journal"]


class Journal:
    """Answers on disk, one JSON object a line, each written whole before the next is asked for.

    A torn last line (the process died while writing it) is cut off when the journal is opened for more.
    A line that is broken anywhere else means the file was damaged, and is an error.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def read(self) -> dict[tuple[str, int], Answer]:
        """All answers by interview; a later line for the same interview replaces an earlier one."""
        return {answer.key: answer for answer in map(Answer.from_json, self._lines())}

    def spent(self) -> float:
        """US dollars over every line, those replaced by later ones included; unknown costs count as 0."""
        return sum(line.get("cost") or 0.0 for line in self._lines())

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                where = f"{self.path}, line {number}"
                raise StorageError(f"{where}, is damaged ({error}); move the run folder away to start anew") from None

    def __enter__(self) -> Journal:
        with storage(self.path):
            if self.path.exists():
                content = self.path.read_bytes()
                if content and not content.endswith(b"\n"):
                    with self.path.open("r+b") as torn:
                        torn.truncate(content.rfind(b"\n") + 1)
            self._file = self.path.open("ab")
        return self

    def append(self, answer: Answer) -> None:
        """Write one answer and hand it to the operating system."""
        if self._file is None:
            raise RuntimeError("the journal is not open")
        line = json.dumps(answer.to_json(), ensure_ascii=False, separators=(",", ":"))
        with storage(self.path):
            self._file.write(line.encode("utf-8", "backslashreplace") + b"\n")
            self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            with storage(self.path), file:
                file.flush()
                os.fsync(file.fileno())
