"""Files and what identifies their content: the ground floor that every product on disk stands on.

A file is written whole or not at all, also after a kill or a power cut; what the operating system says of it becomes
a StorageError; content is identified by sha256, and values by the sha256 of their canonical JSON.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from simbench.errors import StorageError

__all__ = [
    "as_path",
    "canonical",
    "digest",
    "file_digest",
    "read_object",
    "source_digest",
    "storage",
    "write_json",
    "write_text",
    "write_whole",
]

CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
SOURCES = (".py", ".yaml", ".yml", ".json", ".toml", ".j2", ".csv", ".txt")


def canonical(content: Any) -> str:
    """Canonical JSON: sorted keys, no white space, plain ASCII."""
    return CANONICAL.encode(content)


def digest(content: Any) -> str:
    """sha256 of the canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's content, hexadecimal. StorageError where it cannot be read."""
    with storage(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digest(places: Iterator[Path] | tuple[Path, ...]) -> str:
    """sha256 over files and, in folders, every source file below: names relative to their place, and content."""
    total = hashlib.sha256()
    for place in places:
        inside = place.rglob("*") if place.is_dir() else (place,)
        for path in sorted(each for each in inside if each.is_file() and each.suffix in SOURCES):
            name = path.relative_to(place if place.is_dir() else place.parent).as_posix()
            total.update(canonical([place.name, name, file_digest(path)]).encode())
    return total.hexdigest()


def as_path(text: str) -> Path:
    """The path that somebody's text names, ``~`` expanded. StorageError where it can be the name of nothing."""
    try:
        path = Path(text).expanduser()
        path.lstat()
    except (RuntimeError, ValueError) as error:
        raise StorageError(f"{text[:100]!r} is no path: {error}") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise StorageError(f"'{text[:100]}...' is no path: {error.strerror}") from None
    return path


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a file or folder into a StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = "the disk is full; free some space and run the same command again, it goes on from here"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            why = "it cannot be written to" if not path.is_file() else "it cannot be read or written"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            why = "something else is in its place"
        elif error.errno == errno.ENOENT:
            why = "it is not there"
        else:
            why = "it cannot be used"
        raise StorageError(f"{path}: {why} ({error.strerror})") from error


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file so that it is there whole or not at all, also after a kill or a power cut."""
    with storage(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, see :func:`write_whole`; what is no text in it becomes a question mark."""
    write_whole(path, lambda file: file.write(text.encode("utf-8", "replace")))


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON whole."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    write_whole(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no file, or something else is in it."""
    try:
        with storage(path):
            found = json.loads(path.read_bytes()) if path.exists() else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
