"""What identifies the code behind a plugin: its version, and where its files can be edited, their content.

A distribution installed from a wheel is what its version says. One installed in editable mode, and a file
``simbench_plugins.py``, may change under the same version; their identity holds a digest of the sources as well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from simbench.files import source_digest
from simbench.plugin.manager import CORE, Entry, core_version
from simbench.plugin.neighbours import with_neighbours

__all__ = ["identities"]

SHOWING = ("report", "cli", "testing")  # parts of the core that decide neither answers nor scores


def identities(entries: Iterable[Entry], *, scoring: bool = False) -> dict[str, str]:
    """``{distribution: identity}`` of what offers these entries, and of the core.

    An identity is the version, with ``+sources.DIGEST`` behind it where the files can be edited. The core's
    metrics count for scoring alone, and what only shows results counts for nothing.
    """
    found = {CORE: _installed(CORE, core_version(), _core(scoring))}
    packages: dict[tuple[str, str], set[Path]] = {}
    for entry in entries:
        if entry.file is not None:
            found[entry.file.name] = _identity(entry.version, tuple(sorted(with_neighbours(entry.file))))
        elif entry.distribution != CORE:
            packages.setdefault((entry.distribution, entry.version), set()).add(_package(entry.cls.__module__))
    for (name, number), places in packages.items():
        found[name] = _installed(name, number, tuple(sorted(places)))
    return dict(sorted(found.items()))


@cache
def _installed(name: str, version: str, places: tuple[Path, ...]) -> str:
    """Identity of a distribution: of the code that this process has loaded, so looked at once."""
    return _identity(version, places if _editable(name) else ())


def _identity(version: str, places: tuple[Path, ...]) -> str:
    return f"{version}+sources.{source_digest(places)[:12]}" if places else version


@cache
def _editable(name: str) -> bool:
    """Whether a distribution's files are those of a working folder."""
    try:
        told = distribution(name).read_text("direct_url.json")
    except PackageNotFoundError:  # run from a bare checkout
        return True
    return bool(told and json.loads(told).get("dir_info", {}).get("editable"))


def _package(module: str) -> Path:
    """Folder of the top package that a module belongs to, or the file of a lone module."""
    file = Path(str(sys.modules[module.partition(".")[0]].__file__))
    return file.parent if file.name == "__init__.py" else file


def _core(scoring: bool) -> tuple[Path, ...]:
    left_out = SHOWING if scoring else (*SHOWING, "metrics")
    inside = _package("simbench").iterdir()
    return tuple(sorted(each for each in inside if each.name not in left_out and not each.name.startswith("_conf")))
