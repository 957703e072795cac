"""The modules that a ``simbench_plugins.py`` imports from beside it: part of what it is, and loaded with it anew."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from simbench.files import source_digest

__all__ = ["forget_changed", "with_neighbours"]

MARK = "__simbench_sources__"


def with_neighbours(file: Path) -> set[Path]:
    """A file, and the modules and packages in its folder that it imports, directly or by way of others."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in _imported(path):
            beside = (file.parent / f"{name}.py", file.parent / name)
            waiting += [each for each in beside if each.is_file() or (each / "__init__.py").is_file()]
    return found


def forget_changed(file: Path, loaded: object) -> dict[str, str]:
    """Have neighbours imported anew where any source is not what it was when ``loaded`` was made of this file.

    A process that lives long (a notebook) would otherwise compute with the old code what is filed under the new.
    Returns what to keep on the module that is now made of the file, so that it can be ``loaded`` next time.
    """
    places = with_neighbours(file)
    kept = {MARK: source_digest(tuple(sorted(places)))}
    if getattr(loaded, MARK, None) != kept[MARK]:
        for place in places - {file}:
            for name in [name for name in sys.modules if name.partition(".")[0] == place.stem != "simbench"]:
                home = getattr(sys.modules[name], "__file__", None)
                if home and (Path(home) == place or place in Path(home).parents):
                    del sys.modules[name]
    return kept


def _imported(path: Path) -> Iterator[str]:
    """Top names that a module, or any module of a package, imports."""
    for each in path.rglob("*.py") if path.is_dir() else (path,):
        try:
            tree = ast.parse(each.read_bytes())
        except (SyntaxError, ValueError):  # whoever imports it will hear of it
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]
