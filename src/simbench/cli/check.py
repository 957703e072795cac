"""Looks at the words of a run before Hydra does, to answer a slip in one line with the closest right name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from simbench.errors import ConfigError, closest
from simbench.harness.config import DEFAULTS, RunSettings, typed
from simbench.plugin.manager import Registry
from simbench.settings import settings_of

__all__ = ["check_words", "only_shows"]

HYDRAS = ("--config", "-cd", "-cn", "-cp", "-sc", "--shell", "hydra.searchpath")
ONE_RUN = ("--cfg", "-c", "--info", "-i")
SHOWING = ("-h", "--help", "--hydra-help", "--version", *ONE_RUN)


def check_words(
    words: Sequence[str], registry: Registry, presets: Path, cells: Sequence[Mapping[str, Any]] = ({},)
) -> None:
    """Raise ConfigError for a group, name or setting that does not exist.

    ``cells`` is what the cells of a study set beside the words. Hydra's own groups, words with Hydra's flags, and
    folders named by ``--config-dir`` are left to Hydra.
    """
    asked = {word.partition("=")[0] for word in words}
    if {"-m", "--multirun"} & asked and asked.intersection(ONE_RUN):
        raise ConfigError(f"{asked.intersection(ONE_RUN).pop()} shows one run; leave out -m, and give no study")
    if any(word.startswith(HYDRAS) for word in words):
        return
    given = [word for word in words if not word.startswith("-") and "=" in word.lstrip("+~")]
    overrides = [parsed for word in given if (parsed := _parsed(word)) is not None]
    groups = {path.name for path in presets.iterdir() if path.is_dir()} if presets.is_dir() else set()
    names = {kind: [*registry_names(registry, kind), *_files(presets / kind)] for kind in (*DEFAULTS, "metric")}
    chosen = {kind: [name] for kind, name in DEFAULTS.items()}
    for each in overrides:
        key = str(each.key_or_group)
        if key in names:
            chosen[key] = _choices(each)
            for name in chosen[key]:
                if name not in names[key]:
                    registry.get(key, name)
        elif key in groups:
            for name in _choices(each):
                if name not in (known := _files(presets / key)):
                    raise ConfigError(f"there is no {key} {name!r}{closest(name, known)}")
    if not only_shows(words):
        _check_used(cells, {str(each.key_or_group) for each in overrides}, names, registry)
    for each in overrides:
        _check_setting(each, chosen, registry, {*names, *groups})


def only_shows(words: Sequence[str]) -> bool:
    """Whether the words ask for Hydra's help or the configuration, and nothing is to be run."""
    return any(word.partition("=")[0] in SHOWING for word in words)


def _check_used(
    cells: Sequence[Mapping[str, Any]], given: set[str], names: Mapping[str, Sequence[str]], registry: Registry
) -> None:
    """Raise ConfigError where a run would use what a study's cell names, or a default, and it is not there."""
    for cell in cells:
        for kind, default in DEFAULTS.items():
            part = cell.get(kind, default)
            name = str(part.get("name", default) if isinstance(part, Mapping) else part)
            if kind not in given and name not in names[kind]:
                registry.get(kind, name)


def registry_names(registry: Registry, kind: str) -> list[str]:
    """Names of a kind."""
    return [entry.name for entry in registry.of(kind)]


def _parsed(word: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as error:
        raise ConfigError(f"{word}: {str(error).splitlines()[0]}") from None


def _files(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder.is_dir() else []


def _choices(override: Override) -> list[str]:
    """The names an override of a group asks for, over a whole sweep."""
    value = override.value()
    if override.is_sweep_override():
        if not override.is_choice_sweep():
            return []
        value = [each for choice in override.sweep_iterator() for each in [choice]]
    found = value if isinstance(value, list) else [value]
    return [str(name) for name in found if name is not None]


def _values(override: Override) -> list[Any]:
    """The values an override gives to a setting, over a whole sweep; none where only Hydra can tell."""
    if override.is_delete():
        return []
    if not override.is_sweep_override():
        return [override.value()]
    listed = override.is_choice_sweep() or override.is_range_sweep()
    return list(override.sweep_iterator()) if listed else []


def _check_setting(override: Override, chosen: dict[str, list[str]], registry: Registry, groups: set[str]) -> None:
    key = str(override.key_or_group)
    first, *rest = key.split("@")[0].split(".")
    own = {each.name for each in settings_of(RunSettings)}
    if first == "hydra" or "/" in first or key in groups:
        return
    if first not in own and first not in (*DEFAULTS, "metric"):
        raise ConfigError(f"there is no setting {first!r}{closest(first, {*own, *groups, *DEFAULTS, 'metric'})}")
    if first in own:
        _fits(RunSettings, [first, *rest], override, "")
    elif first == "metric" and len(rest) > 1:
        _fits(registry.get("metric", rest[0]).cls.Config, rest[1:], override, f"metric.{rest[0]}.")
    elif first != "metric" and rest and rest != ["name"]:
        for name in chosen[first]:
            if (first, name) in registry.entries:
                _fits(registry.get(first, name).cls.Config, rest, override, f"{first}.")


def _fits(config: type[Any], path: list[str], override: Override, prefix: str) -> None:
    """Raise ConfigError where the setting does not exist or a value does not fit it."""
    for value in _values(override) or [None]:
        if isinstance(value, str) and "${" in value:
            continue
        nested: Any = value.text if isinstance(value, QuotedString) else value
        for name in reversed(path[1:]):
            nested = {name: nested}
        typed(config, {path[0]: nested}, prefix)
