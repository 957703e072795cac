"""The run folder: every product of a run, each written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from simbench.errors import LockedError, StorageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunFolder", "now", "storage", "write_whole"]

MANIFEST = "manifest.json"
PATIENCE = 1.0


def now() -> str:
    """The time, UTC, to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a folder into a StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = "the disk is full; free some space and run the same command again, it goes on from here"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            why = "it cannot be written to"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            why = "something else is in its place"
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


class RunFolder:
    """``runs/<run_id>/``: the stable folder that tools read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as it stands, or an empty one."""
        path = self / MANIFEST
        if not path.exists():
            return {}
        try:
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StorageError(f"{path} is damaged ({error}); move the run folder away to start anew") from None
        return stored

    @property
    def status(self) -> str | None:
        """``running``, ``done``, ``failed``, or None where nothing was begun."""
        status: str | None = self.manifest.get("status")
        return status

    @property
    def state(self) -> str | None:
        """As :attr:`status`, but ``interrupted`` where it says running and nobody is at it."""
        status = self.status
        if status != "running":
            return status
        lock = FileLock(self / ".lock")
        try:
            lock.acquire(timeout=0)
        except (Timeout, PermissionError):
            return "running"
        lock.release()
        return "interrupted"

    def update(self, **changes: Any) -> None:
        """Merge changes into the manifest."""
        merged = {**self.manifest, **changes}
        text = json.dumps(merged, indent=2, ensure_ascii=False, default=str) + "\n"
        write_whole(self / MANIFEST, lambda file: file.write(text.encode()))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process. LockedError where another one has it."""
        lock = FileLock(self / ".lock")
        with storage(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=PATIENCE)  # somebody may just be looking at the lock
            except Timeout:  # an OSError too
                raise LockedError(f"another process is carrying out this run: {self.path}") from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def recording(self, facts: Mapping[str, Any]) -> Iterator[None]:
        """Keep the manifest's status true while a run is carried out."""
        first = self.manifest.get("started") or now()
        self.update(**{"run_id": self.run_id, "status": "running", "started": first, "error": None, **facts})
        try:
            yield
        except Exception as error:
            problem = {"type": type(error).__name__, "message": str(error)}
            with contextlib.suppress(StorageError):  # a full disk must not hide the first error
                self.update(status="failed", finished=now(), error=problem)
            raise

    def json_once(self, name: str, make: Callable[[], Any]) -> Any:
        """The JSON product of this name; made and written only where it is not there yet."""
        path = self / name
        if not path.exists():
            made = make()
            self.write_json(name, made)
        return json.loads(path.read_text(encoding="utf-8"))

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON product whole."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_whole(self / name, lambda file: file.write(text.encode()))

    def write_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write a Parquet product whole, and hand back the memory that this took."""
        import pyarrow as pa

        write_whole(self / name, lambda file: frame.to_parquet(file, index=False))
        pa.default_memory_pool().release_unused()

    def read_frame(self, name: str) -> pd.DataFrame:
        """Read a Parquet product. StorageError where it is not there."""
        import pandas as pd

        if not (self / name).exists():
            raise StorageError(f"{self.path} holds no {name}: the run is not finished")
        return pd.read_parquet(self / name)
