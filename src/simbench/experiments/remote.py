"""Files that a study is read from and does not ship: found, or downloaded once, and always checked by sha256."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from simbench.errors import ConfigError
from simbench.experiments.files import user_path

if TYPE_CHECKING:
    import logging

__all__ = ["INSTALL", "Remote", "read_checksums"]

DATA = "SIMBENCH_DATA"
INSTALL = "pip install 'simbench-eval[data]'"
TIMEOUT = 30
MOST_NAMED = 5


@dataclass(frozen=True)
class Remote:
    """A folder of published files: ``files`` maps their names, below ``url`` and the folder, to their sha256."""

    folder: str
    url: str
    files: Mapping[str, str]

    def find(self, given: str = "", environ: Mapping[str, str] | None = None) -> Path:
        """The folder that holds the files, every one of them checked.

        In this order: the folder ``given`` (``experiment.data``) or ``folder`` in it, ``folder`` in the folder that
        the environment variable SIMBENCH_DATA names, the user's cache, the public address (into that cache). Raises
        ConfigError where none has them, or where a file is not the published one.
        """
        environ = os.environ if environ is None else environ
        if given:
            place = user_path(given, "experiment.data")
            nested = place / self.folder
            return self._checked(nested if nested.is_dir() else place, "experiment.data")
        if environ.get(DATA):
            place = user_path(environ[DATA], DATA) / self.folder
            if place.is_dir():
                return self._checked(place, DATA)
        self.download(self._cache)
        return self._cache

    def at_hand(self, environ: Mapping[str, str] | None = None) -> bool:
        """Whether :meth:`find` would find the files without downloading any."""
        environ = os.environ if environ is None else environ
        named = bool(environ.get(DATA)) and (user_path(environ[DATA], DATA) / self.folder).is_dir()
        return named or not self._lacking(self._cache)

    @property
    def _cache(self) -> Path:
        from platformdirs import user_cache_path

        return user_cache_path("simbench", appauthor=False) / "data" / self.folder / self._version

    @property
    def _version(self) -> str:
        """What names these files among other versions of them."""
        listed = "\n".join(f"{digest}  {name}" for name, digest in sorted(self.files.items()))
        return hashlib.sha256(listed.encode()).hexdigest()[:12]

    def download(self, folder: Path) -> None:
        """Get the files that ``folder`` lacks. Only what has the right sha256 is ever there under its name.

        Another process that does the same is waited for. Raises ConfigError.
        """
        from filelock import FileLock

        if not self._lacking(folder):
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                lacking = self._lacking(folder)
                if lacking:
                    self._fetch(folder, lacking)
        except OSError as error:
            raise ConfigError(f"cannot write {str(folder)!r}: {error.strerror or error}. {self._by_hand}") from error

    def _fetch(self, folder: Path, lacking: Sequence[str]) -> None:
        try:
            import pooch
            from requests.exceptions import RequestException
        except ImportError as error:
            raise ConfigError(
                f"{self.folder}: downloading its data needs pooch: {INSTALL}. {self._by_hand}"
            ) from error
        store = pooch.create(folder, self.url, registry=dict(self.files), retry_if_failed=1)
        with _quiet(pooch.get_logger()), _bar(self.folder, len(lacking)) as bar:
            for name in lacking:
                try:
                    store.fetch(name, downloader=pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT))
                except RequestException as error:
                    why = _reason(error)
                    raise ConfigError(f"{self.url}{name} cannot be downloaded: {why}. {self._by_hand}") from error
                except ValueError as error:
                    raise ConfigError(
                        f"{self.url}{name} is not the published file, and was not kept: {_first_line(error)}"
                    ) from error

    @property
    def _by_hand(self) -> str:
        """What to do without a network."""
        shown = [*self.files][:MOST_NAMED]
        more = f" and {len(self.files) - len(shown)} more" if len(self.files) > len(shown) else ""
        return (
            f"Put {', '.join(shown)}{more} from {self.url} into {self.folder}/ in the folder that {DATA} names, "
            "or set experiment.data=FOLDER"
        )

    def _lacking(self, folder: Path) -> list[str]:
        return [name for name, digest in self.files.items() if _digest(folder / name) != digest]

    def _checked(self, folder: Path, setting: str) -> Path:
        for name, expected in self.files.items():
            path = folder / name
            try:
                found = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise ConfigError(
                    f"{setting}: expected the study's file {str(path)!r}: {error.strerror or error}"
                ) from error
            if found != expected:
                raise ConfigError(
                    f"{setting}: {str(path)!r} is not the published file: expected sha256 {expected}, found {found}"
                )
        return folder


def read_checksums(text: str) -> dict[str, str]:
    """``{name: sha256}`` from lines as the command ``sha256sum`` writes them. Raises ConfigError."""
    files = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        digest, _, name = line.partition(" ")
        name = name.strip().removeprefix("*").removeprefix("./")
        parts = PurePosixPath(name).parts
        whole = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        if not whole or not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name:
            raise ConfigError(f"expected lines 'sha256  name', with names below the folder; found {line[:100]!r}")
        files[name] = digest
    return files


def _digest(path: Path) -> str:
    with contextlib.suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _reason(error: Exception) -> str:
    """The innermost cause in one line: a library's wrappers say little."""
    while inner := error.__cause__ or error.__context__:
        if not isinstance(inner, Exception):
            break
        error = inner
    return _first_line(error).rstrip(".")


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    before = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(before)


class _Files:
    """What pooch tells of one file after the other, on a bar that counts files."""

    def __init__(self, bar: Any, task: Any) -> None:
        self.total = 0
        self._bar, self._task, self._done, self._seen = bar, task, 0, 0

    def update(self, amount: int) -> None:
        """So many bytes more."""
        self._seen += amount
        if self.total:
            self._bar.update(self._task, completed=self._done + min(1.0, self._seen / self.total))

    def reset(self) -> None:
        """A file is through; pooch tells its length once more."""
        self._seen = 0

    def close(self) -> None:
        """On to the next file."""
        self._done, self._seen = self._done + 1, 0
        self._bar.update(self._task, completed=self._done)


@contextmanager
def _bar(folder: str, files: int) -> Iterator[_Files]:
    """A progress bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    shown = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        yield _Files(bar, bar.add_task(f"downloading {folder}, once", total=files))
