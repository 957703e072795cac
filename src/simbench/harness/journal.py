"""The journal of answers: append-only JSON lines, readable after a kill at any moment."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from simbench.backends.base import Answer
from simbench.files import storage, write_whole

__all__ = ["Journal"]

CHECK = b',"crc":"'


class Journal:
    """Answers on disk, one JSON object a line, each written whole before the next is asked for.

    Every line ends in a checksum (``crc``, CRC-32 of the rest of it). A torn last line (the process died while
    writing it) is cut off when the journal is opened for more. Lines that are broken in any other way count as
    not there, so that their interviews are asked again; the file as it was found is kept beside the new one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def read(self) -> dict[tuple[str, int], Answer]:
        """All answers by interview; a later line for the same interview replaces an earlier one."""
        return {answer.key: answer for _, answer in self._lines() if answer is not None}

    def spent(self) -> float:
        """US dollars over every line, those replaced by later ones included; unknown costs count as 0."""
        return sum(answer.cost or 0.0 for _, answer in self._lines() if answer is not None)

    def set_aside_damage(self) -> str | None:
        """Leave the whole lines only; what was wrong, in words, or None where nothing was."""
        lines = list(self._lines())
        broken = [number for number, (_, answer) in enumerate(lines, 1) if answer is None]
        if not broken:
            return None
        kept = self.path.with_name(f"damaged-{self.path.name}")
        with storage(kept):
            shutil.copyfile(self.path, kept)
        whole = b"".join(line + b"\n" for line, answer in lines if answer is not None)
        write_whole(self.path, lambda file: file.write(whole))
        return f"{self.path} is damaged in {len(broken)} line(s), first line {broken[0]}; kept as {kept.name}"

    def _lines(self) -> Iterator[tuple[bytes, Answer | None]]:
        """Every whole line, and its answer; None where the line is not what was written."""
        if not self.path.exists():
            return
        with storage(self.path):
            whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        for line in whole.split(b"\n") if whole else ():
            yield line, _answer(line)

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
        text = json.dumps(answer.to_json(), ensure_ascii=False, separators=(",", ":"))
        line = text.encode("utf-8", "backslashreplace")
        with storage(self.path):
            self._file.write(line[:-1] + CHECK + b"%08x" % zlib.crc32(line) + b'"}\n')
            self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            with storage(self.path), file:
                file.flush()
                os.fsync(file.fileno())


def _answer(line: bytes) -> Answer | None:
    content, found, check = line.rpartition(CHECK)
    content += b"}"
    if not found or check != b'%08x"}' % zlib.crc32(content):
        return None
    return Answer.from_json(json.loads(content))
