"""What identifies the code behind a plugin: its version and the content of its source files.

A version alone says too little: the files of an editable install change under it, so do those that are installed
again from a folder, and a ``simbench_plugins.py`` has none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from simbench.files import source_digest
from simbench.part import Part
from simbench.plugin.manager import CORE, Entry, core_version
from simbench.plugin.neighbours import with_neighbours

__all__ = ["identities"]

SHOWING = ("report", "cli", "testing")  # parts of the core that decide neither answers nor scores


def identities(entries: Iterable[Entry], *, scoring: bool = False) -> dict[str, str]:
    """``{distribution: identity}`` of what offers these entries, and of the core.

    An identity is the version and ``+sources.DIGEST``. The core's metrics count for scoring alone, and what only
    shows results counts for nothing.
    """
    found = {CORE: _loaded(core_version(), _core(scoring))}
    packages: dict[tuple[str, str], set[Path]] = {}
    for entry in entries:
        if entry.file is not None:
            found[entry.file.name] = _identity(entry.version, tuple(sorted(with_neighbours(entry.file))))
        elif entry.distribution != CORE:
            packages.setdefault((entry.distribution, entry.version), set()).update(_behind(entry.cls))
    for (name, number), places in packages.items():
        found[name] = _loaded(number, tuple(sorted(places)))
    return dict(sorted(found.items()))


@cache
def _loaded(version: str, places: tuple[Path, ...]) -> str:
    """Identity of a distribution: of the code that this process has loaded, so looked at once."""
    return _identity(version, places)


def _identity(version: str, places: tuple[Path, ...]) -> str:
    return f"{version}+sources.{source_digest(places)[:12]}"


def _behind(cls: type[Any]) -> set[Path]:
    """Packages of a part's class, and of those between it and the core's base of its kind."""
    between = (base for base in cls.__mro__ if issubclass(base, Part) and not base.__module__.startswith("simbench."))
    return {_package(each.__module__) for each in (cls, *between)}


def _package(module: str) -> Path:
    """Folder of the highest package with code that a module belongs to, or the file of a lone module."""
    names = module.split(".")
    above = (sys.modules.get(".".join(names[: number + 1])) for number in range(len(names)))
    file = next(Path(found) for each in above if (found := getattr(each, "__file__", None)))
    return file.parent if file.name == "__init__.py" else file


def _core(scoring: bool) -> tuple[Path, ...]:
    left_out = SHOWING if scoring else (*SHOWING, "metrics")
    inside = _package("simbench").iterdir()
    return tuple(sorted(each for each in inside if each.name not in left_out and not each.name.startswith("_conf")))
