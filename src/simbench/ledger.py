"""What a run pays for its requests, on disk from the moment that each is sent.

An append-only file of JSON lines in the folder that the harness lends to a backend. A request leaves two lines::

    {"n": 7, "asked": "3f2a...", "most": 0.0021}     it is sent, and may cost up to this (US dollars)
    {"n": 7, "cost": 0.0009}                         what it came to

Where the second line never came (a reply that was lost, a kill), what was set aside counts as spent: the provider
may have carried the request out. ``null`` in place of an amount: the price is unknown. A first line
``{"before": 0.5}`` holds what was spent before there was a ledger.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from simbench.files import storage

__all__ = ["SPEND", "Ledger"]

SPEND = "spend.jsonl"
ID_LENGTH = 40  # of what identifies a request


class Ledger:
    """The spending of one run, over all attempts at it. Opens no file before the first request is sent.

    ``before``: US dollars that were spent where there is no file yet. ``by_request``: remember, too, what every
    single request of earlier attempts came to.
    """

    def __init__(self, path: Path, before: float = 0.0, *, by_request: bool = False) -> None:
        self.path = path
        self.exists = path.exists()
        self.known = 0.0 if self.exists else before  # US dollars of requests whose end is known
        self.unknown = False  # whether something was paid of which the price is not known
        self._open: dict[int, tuple[str, float | None]] = {}
        self._by_request = by_request
        self._paid: dict[str, float | None] = {}
        self._unended: dict[str, int] = {}
        self._numbers = 0
        self._before = before
        self._file: IO[bytes] | None = None
        self._torn = 0  # bytes of a last line that a kill has cut
        self._lines = self._read() if self.exists else 0

    @property
    def doubtful(self) -> float:
        """US dollars set aside for requests of which nobody knows how they ended."""
        return sum(most or 0.0 for _, most in self._open.values())

    @property
    def spent(self) -> float:
        """US dollars spent, what is doubtful included; what has no known price counts as 0."""
        return self.known + self.doubtful

    @property
    def total(self) -> float | None:
        """As :attr:`spent`, or None where the price of a part is unknown."""
        return None if self.unknown or any(most is None for _, most in self._open.values()) else self.spent

    def paid_for(self, request: str) -> float | None:
        """What an earlier attempt at this run paid for the reply to a request; None where it did not, or unknown."""
        return self._paid.get(request[:ID_LENGTH])

    def has_paid_for(self, request: str) -> bool:
        """Whether an earlier attempt at this run heard the reply to a request."""
        return request[:ID_LENGTH] in self._paid

    def unended(self, request: str) -> int | None:
        """The number of an earlier attempt's latest sending of a request, if its end is not known; else None."""
        number = self._unended.get(request[:ID_LENGTH])
        return number if number in self._open else None

    def set_aside(self, number: int) -> float | None:
        """US dollars set aside for a sending whose end is not known; None where it has no known price."""
        return self._open[number][1]

    def asked(self, request: str, most: float | None) -> int:
        """Note that a request is being sent, before it is; returns the number of this sending."""
        self._numbers += 1
        self._open[self._numbers] = (request[:ID_LENGTH], most)
        self._write({"n": self._numbers, "asked": request[:ID_LENGTH], "most": most})
        return self._numbers

    def ended(self, number: int, cost: float | None) -> None:
        """Note what a sending came to (None: it has no known price)."""
        self._write({"n": number, "cost": cost})
        self._take({"n": number, "cost": cost})

    def close(self) -> None:
        """Let go of the file; what is noted later opens it again."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write(self, line: dict[str, Any]) -> None:
        with storage(self.path):
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
                if self._torn:
                    self._file.truncate(self._file.tell() - self._torn)
                    self._torn = 0
            if not self._lines and self._before:
                self._file.write(_line({"before": self._before}))
            self._file.write(_line(line))
        self._lines += 1
        self.exists = True

    def _read(self) -> int:
        """Take what is on disk; returns how many lines there are. A kill may have torn the last one."""
        count = 0
        with storage(self.path), self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    self._torn = len(line)
                    break
                count += 1
                try:
                    self._take(json.loads(line), earlier=self._by_request)
                except (ValueError, TypeError, KeyError, AttributeError):
                    self.unknown = True  # a damaged line: somebody paid something
        return count

    def _take(self, line: dict[str, Any], *, earlier: bool = False) -> None:
        if "before" in line:
            self.known += float(line["before"])
            return
        number = int(line["n"])
        if "asked" in line:
            self._numbers = max(self._numbers, number)
            self._open[number] = (str(line["asked"]), line["most"])
            if earlier:
                self._unended[str(line["asked"])] = number
            return
        request, _ = self._open.pop(number, ("", None))
        cost = line["cost"]
        self.unknown = self.unknown or cost is None
        self.known += cost or 0.0
        if earlier and (cost is None or cost > 0):
            self._paid[request] = cost


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"
