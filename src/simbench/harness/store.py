"""The run folder: every product of a run, each written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from simbench.errors import LockedError, PluginError, SimbenchError, StorageError
from simbench.files import digest, file_digest, storage, write_json, write_text, write_whole
from simbench.plugin.blame import told

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ERROR_LOG", "MANIFEST", "RunFolder", "folders_at", "now"]

MANIFEST = "manifest.json"
ERROR_LOG = "error.log"
SEAL = "seal"
PATIENCE = 1.0


def now() -> str:
    """The time, UTC, to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def folders_at(path: Path) -> list[Path]:
    """The run folder at a path, or those right below it, by name; whatever stands in a manifest's place counts."""
    if os.path.lexists(path / MANIFEST):
        return [path]
    return sorted(each for each in path.iterdir() if os.path.lexists(each / MANIFEST)) if path.is_dir() else []


class RunFolder:
    """``runs/<run_id>/``: the stable folder that tools read.

    The manifest holds size and sha256 of every product, and a seal over itself (the sha256 of the rest of it).
    Nothing that differs is trusted: reading it is a StorageError that names the file, and the command that made
    the run makes the file again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: dict[str, dict[str, Any]] = {}
        self._read: tuple[bytes | None, dict[str, Any]] = (None, {})

    @property
    def run_id(self) -> str:
        """The run's identity, also where its folder was given another name."""
        return str(self.manifest.get("run_id") or self.path.name)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as it stands, or an empty one. StorageError where it is damaged."""
        path = self / MANIFEST
        if not os.path.lexists(path):
            return {}
        with storage(path):
            content = path.read_bytes()
        if content == self._read[0]:  # judged before
            return dict(self._read[1])
        try:
            stored = json.loads(content)
        except ValueError as error:
            raise _damaged(path, str(error)) from None
        if not isinstance(stored, dict):
            raise _damaged(path, f"expected an object, found {type(stored).__name__}")
        if stored.pop(SEAL, None) != digest(stored):
            raise _damaged(path, "its content is not what was written")
        self._read = content, stored
        return dict(stored)

    def set_aside_damage(self) -> str | None:
        """Move a damaged manifest out of the way; what was wrong with it, or None where nothing was."""
        try:
            _ = self.manifest
        except StorageError as error:
            path = self / MANIFEST
            if path.is_dir():
                raise
            with storage(path):
                path.replace(self / f"damaged-{MANIFEST}")
            return str(error)
        return None

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
        """Merge changes into the manifest, and the digests of the products written since."""
        kept = self.manifest
        products = {**kept.get("products", {}), **self._made}
        merged = json.loads(json.dumps({**kept, **changes, "products": products}, ensure_ascii=False, default=str))
        write_json(self / MANIFEST, {**merged, SEAL: digest(merged)})

    def damaged(self) -> list[str]:
        """Products that the manifest knows and that are gone, or not what was written."""
        return [name for name in self.manifest.get("products", {}) if self._fault(name)]

    def holds(self, name: str) -> bool:
        """Whether a product was written and is whole."""
        return name in self.manifest.get("products", {}) and not self._fault(name)

    def verify(self, name: str) -> Path:
        """The path of a product. StorageError where it is not there, or not what was written."""
        if fault := self._fault(name):
            raise _damaged(self / name, fault)
        if not (self / name).exists():
            raise StorageError(f"{self.path} holds no {name}: the run is not finished")
        return self / name

    def _fault(self, name: str) -> str | None:
        known, path = self.manifest.get("products", {}).get(name), self / name
        if known is None:
            return None
        if not path.is_file():
            return "it is gone" if not path.is_symlink() and not path.exists() else "something else is in its place"
        if path.stat().st_size != known["bytes"] or file_digest(path) != known["sha256"]:
            return "its content is not what was written"
        return None

    def made(self, name: str) -> None:
        """Take the digest of a product that stands now; the next update of the manifest holds it."""
        path = self / name
        self._made[name] = {"bytes": path.stat().st_size, "sha256": file_digest(path)}

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
        """Keep the manifest's status true while a run is carried out.

        The traceback of what nobody raised on purpose is kept as ``error.log``.
        """
        with storage(self / ERROR_LOG):
            (self / ERROR_LOG).unlink(missing_ok=True)
        first = self.manifest.get("started") or now()
        self.update(**{"run_id": self.run_id, "status": "running", "started": first, "error": None, **facts})
        try:
            yield
        except KeyboardInterrupt:
            raise  # nobody is at it any more: the state is "interrupted"
        except BaseException as error:
            problem = {"type": type(error).__name__, "message": str(error)}
            with contextlib.suppress(StorageError):  # a full disk must not hide the first error
                if not isinstance(error, SimbenchError):
                    trace = "".join(traceback.format_exception(error))
                    write_text(self / ERROR_LOG, trace)
                self.update(status="failed", finished=now(), error=problem)
            if isinstance(error, Exception):
                raise
            raise PluginError(f"a plugin ended the program: {told(error)}") from error

    def json_once(self, name: str, make: Callable[[], Any]) -> Any:
        """The JSON product of this name; made and written only where it is not there, or not whole."""
        path = self / name
        if path.is_file() and not self._fault(name):
            with contextlib.suppress(ValueError):
                return json.loads(path.read_bytes())
        self.write_json(name, make())
        return json.loads(path.read_bytes())

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON product whole."""
        write_json(self / name, content)
        self.made(name)

    def write_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write a Parquet product whole, and hand back the memory that this took."""
        import pyarrow as pa

        write_whole(self / name, lambda file: frame.to_parquet(file, index=False))
        pa.default_memory_pool().release_unused()
        self.made(name)

    def read_frame(self, name: str) -> pd.DataFrame:
        """Read a Parquet product. StorageError where it is not there, or not what was written."""
        import pandas as pd
        import pyarrow as pa

        path = self.verify(name)
        try:
            with storage(path):
                return pd.read_parquet(path)
        except (pa.ArrowException, ValueError) as error:  # a folder from before products had digests
            raise _damaged(path, str(error).splitlines()[0]) from None


def _damaged(path: Path, why: str) -> StorageError:
    return StorageError(f"{path} is damaged: {why}. The command that made the run makes it again")
