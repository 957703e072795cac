"""Studies: named sweeps whose grid is irregular, written as YAML.

A study says what all its runs share (``settings``), the runs that differ (``cells``, each written as for
``simbench.run``), and what every cell is repeated over (``sweep``, written as on the command line)::

    about: One line.
    settings: {evaluate: reserved}
    cells:
      unadapted: {sampler: none}
      pilot_30: {sampler: {name: random, n: 30}}
    sweep: {seed: "0,1,2"}

``simbench -m +study=NAME`` finds ``NAME.yaml`` in the folder ``studies`` of the current folder, else among
simbench's own. Each cell becomes one choice ``NAME/CELL`` of Hydra's group ``cell``, so that words on the
command line win over what a study says, and ``cell=CELL,CELL`` picks some of its cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simbench.errors import ConfigError, closest
from simbench.experiments.sections import read_yaml
from simbench.harness.config import DEFAULTS, RunSettings
from simbench.settings import settings_of

__all__ = ["OWN", "Study", "expand", "find_study", "nodes", "study_files"]

OWN = "studies"
NOT_FOR_STUDIES = ("study", "cell", "out")  # its own names, and where the user keeps runs
KEYS = ("about", "settings", "cells", "sweep")


@dataclass(frozen=True)
class Study:
    """A named sweep."""

    name: str
    about: str
    settings: Mapping[str, Any]
    cells: Mapping[str, Mapping[str, Any]]
    sweep: Mapping[str, Any]

    def configs(self) -> dict[str, dict[str, Any]]:
        """What every cell sets, by its name: a configuration as ``simbench.run`` takes it."""
        return {name: _merged(_merged({}, self.settings), cell) for name, cell in self.cells.items()}


def study_files(presets: Path) -> dict[str, Path]:
    """Every study there is by name; the user's own come before simbench's."""
    folders = (presets / "study", Path(OWN))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def find_study(words: Sequence[str], presets: Path) -> Study | None:
    """The study that the words ask for, or None. ConfigError where it does not exist or is not well written."""
    asked = [_value(word) for word in words if _key(word) == "study"]
    if not asked:
        return None
    files = study_files(presets)
    if len(asked) > 1 or asked[0] not in files:
        raise ConfigError(f"study: expected one name; found {' '.join(asked)!r}{closest(asked[0], files)}")
    return _read(asked[0], files[asked[0]])


def _read(name: str, path: Path) -> Study:
    """A study may come from anybody: it can set what runs have, and nothing of Hydra's, which would run code."""
    content = read_yaml(path, "study")
    for key in content:
        if key not in KEYS:
            raise ConfigError(f"{path}: there is no key {key!r}{closest(str(key), KEYS)}")
    cells = content.get("cells") or {name: {}}
    parts = {"settings": content.get("settings") or {}, "cells": cells, "sweep": content.get("sweep") or {}}
    for key, part in parts.items():
        _refuse_but_mapping(path, key, part)
    for place, part in [("settings", parts["settings"]), *((f"cells.{cell}", each) for cell, each in cells.items())]:
        _refuse_but_mapping(path, place, part)
        for key, value in part.items():
            _check_key(path, place, key)
            _check_part(path, f"{place}.{key}", key, value)
    for cell in cells:
        if not isinstance(cell, str) or not re.fullmatch(r"\w[\w.-]*", cell):
            raise ConfigError(f"{path}: cells: expected names of letters, digits, '_', '-' and '.'; found {cell!r}")
    for key, value in parts["sweep"].items():
        _check_key(path, "sweep", key)
        if isinstance(value, list | dict) or value is None:
            raise ConfigError(f'{path}: sweep.{key}: expected text as on the command line, "0,1,2"; found {value!r}')
    return Study(name, str(content.get("about", "")), **parts)


def _refuse_but_mapping(path: Path, place: str, part: Any) -> None:
    if not isinstance(part, dict):
        raise ConfigError(f"{path}: {place}: expected a mapping; found {part!r}")


def _check_key(path: Path, place: str, key: Any) -> None:
    own = [each.name for each in settings_of(RunSettings) if each.name not in NOT_FOR_STUDIES]
    known = [*own, *DEFAULTS, "metric"]
    first = str(key).split(".")[0] if place == "sweep" else key
    if first not in known:
        raise ConfigError(f"{path}: {place}: there is no setting {key!r}{closest(str(key), known)}")


def _check_part(path: Path, place: str, kind: str, value: Any) -> None:
    """Raise ConfigError for a plugin that is neither a name nor a mapping, metrics that are no names."""
    if kind in DEFAULTS:
        name = value.get("name", "") if isinstance(value, dict) else value
        if not isinstance(name, str):
            raise ConfigError(f"{path}: {place}: expected a name or a mapping; found {value!r}")
    if kind == "metric" and not (isinstance(value, dict) or _are_names(value)):
        raise ConfigError(f"{path}: {place}: expected a list of names, or a mapping of them; found {value!r}")


def _are_names(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def expand(words: Sequence[str], study: Study) -> list[str]:
    """The words with the study put in: ``-m``, its cells, and its sweep where the words do not say otherwise."""
    kept = [word for word in words if _key(word) not in ("study", "cell")]
    picked = [name for word in words if _key(word) == "cell" for name in _value(word).split(",")]
    for name in picked:
        if name not in study.cells:
            raise ConfigError(f"study {study.name!r} has no cell {name!r}{closest(name, study.cells)}")
    given = {_key(word) for word in kept}
    multirun = [] if {"-m", "--multirun"} & set(kept) else ["-m"]
    sweep = [f"{key}={value}" for key, value in study.sweep.items() if key not in given]
    cells = ",".join(f"{study.name}/{name}" for name in picked or study.cells)
    return [*multirun, *kept, f"+cell={cells}", *sweep]


def nodes(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each cell as a configuration of Hydra: a defaults list of plugins by name, and the settings."""
    for name, body in study.configs().items():
        chosen = {kind: body[kind] for kind in DEFAULTS if kind in body}
        names = {kind: part if isinstance(part, str) else part.get("name") for kind, part in chosen.items()}
        for kind, part in chosen.items():
            body[kind] = {} if isinstance(part, str) else {key: value for key, value in part.items() if key != "name"}
        defaults: list[Any] = [{f"override /{kind}": plugin} for kind, plugin in names.items() if plugin]
        if _are_names(body.get("metric")):
            metrics = body.pop("metric")
            defaults.append({"override /metric": [metrics] if isinstance(metrics, str) else metrics})
        yield name, {"defaults": [*defaults, "_self_"], **body, "study": study.name, "cell": name}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` over ``below``. A plugin named anew starts from its own defaults."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping) and "name" not in value
        merged[key] = _merged(old, value) if nested else value  # type: ignore[arg-type]
    return merged


def _key(word: str) -> str:
    return word.lstrip("+").partition("=")[0] if "=" in word else ""


def _value(word: str) -> str:
    return word.partition("=")[2]
