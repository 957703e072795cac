"""Where the data of the study are found: a folder of the user, or the public source, checked either way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from simbench.errors import ConfigError, StorageError
from simbench.experiments.files import user_path
from simbench.files import write_whole

__all__ = ["ATTRIBUTES", "COMMIT", "FILES", "FOLDER", "RESULTS", "download", "find"]

COMMIT = "55fa1b731f43f6b6008208ba9532466f40e94232"
SOURCE = f"https://raw.githubusercontent.com/ryutau/voluntary-collaboration/{COMMIT}/data"
FOLDER = "voluntary_collaboration"
RESULTS = "main_exp_result.csv"
ATTRIBUTES = "main_participant_attributes.csv"
FILES = {
    RESULTS: "3e7d967bd58c8278bdcda00d6e74b0f9d7049e829d3ff2b2c7dccdb03292585d",
    ATTRIBUTES: "05474b8971ecb3df71535b4c63da975a40c8a89c6f2913d937d506a4e027784a",
}
SECONDS = 30


def find(given: str, environ: Mapping[str, str] | None = None) -> Path:
    """The folder that holds the study's files.

    In this order: the folder ``given`` (``experiment.data``), ``voluntary_collaboration`` in the folder named
    by the environment variable SIMBENCH_DATA, the user's cache, the public source (into that cache). Raises
    ConfigError where none has them, or where a file is not the published one.
    """
    environ = os.environ if environ is None else environ
    if given:
        folder = user_path(given, "experiment.data")
        nested = folder / FOLDER
        return _checked(nested if nested.is_dir() else folder, "experiment.data")
    if environ.get("SIMBENCH_DATA"):
        folder = user_path(environ["SIMBENCH_DATA"], "SIMBENCH_DATA") / FOLDER
        if folder.is_dir():
            return _checked(folder, "SIMBENCH_DATA")
    from platformdirs import user_cache_path

    cache = user_cache_path("simbench", appauthor=False) / FOLDER / COMMIT[:12]
    download(cache)
    return cache


def download(folder: Path, source: str = SOURCE, files: Mapping[str, str] = FILES) -> None:
    """Get the files that ``folder`` lacks from ``source``; only what has the right sha256 is kept."""
    for name, expected in files.items():
        path = folder / name
        if path.is_file() and _sha256(path.read_bytes()) == expected:
            continue
        url = f"{source}/{name}"
        try:
            with urlopen(url, timeout=SECONDS) as reply:  # noqa: S310 - a constant address
                content = reply.read()
        except (URLError, OSError) as error:
            raise ConfigError(
                f"the data of voluntary_collaboration are neither in experiment.data nor in SIMBENCH_DATA, and "
                f"{url} cannot be downloaded: {error}. Set experiment.data=FOLDER to a folder with "
                f"{' and '.join(files)}."
            ) from error
        if _sha256(content) != expected:
            raise ConfigError(f"{url}: expected sha256 {expected}, found {_sha256(content)}; nothing was kept")
        _write(path, content)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(content))
    except (OSError, StorageError) as error:
        raise ConfigError(f"cannot write {str(path)!r}: {error}. Set experiment.data=FOLDER instead.") from error


def _checked(folder: Path, setting: str) -> Path:
    for name, expected in FILES.items():
        path = folder / name
        try:
            found = _sha256(path.read_bytes())
        except OSError as error:
            raise ConfigError(
                f"{setting}: expected the study's file {str(path)!r}: {error.strerror or error}"
            ) from error
        if found != expected:
            raise ConfigError(
                f"{setting}: {str(path)!r} is not the published file: expected sha256 {expected}, found {found}"
            )
    return folder


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
