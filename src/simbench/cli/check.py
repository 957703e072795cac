"""Looks at the words of a run before Hydra does, to answer a slip in one line with the closest right name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import accumulate, islice
from math import prod
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, QuotedString
from hydra.errors import HydraException

from simbench.errors import ConfigError, closest
from simbench.harness.config import DEFAULTS, RunSettings, typed
from simbench.plugin.manager import Registry
from simbench.settings import settings_of

__all__ = ["check_words", "only_shows"]

HYDRAS = ("--config", "-cd", "-cn", "-cp", "-sc", "--shell", "hydra.searchpath")
VALUED = ("--cfg", "-c", "--info", "-i", "--package", "-p")
ONE_RUN = ("--cfg", "-c", "--info", "-i")
LAUNCHERS = {  # what Hydra's launchers are in, by the first part of their names
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit": ("hydra_plugins.hydra_submitit_launcher", "submitit"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "ray"),
}
MOST_JOBS = 10_000
LONGEST_WORD, BRIEF = 10_000, 200
DEEPEST = 20
NOT_HERE = {  # words of Hydra's that would have runs done in one place and looked for in another
    "hydra.mode": "-m asks for a sweep",
    "hydra.sweeper.params": "write what is swept over as key=value,value",
}
SHOWING = ("-h", "--help", "--hydra-help", "--version", *ONE_RUN)


def check_words(
    words: Sequence[str], registry: Registry, presets: Path, cells: Sequence[Mapping[str, Any]] = ({},)
) -> dict[str, list[str]]:
    """The plugins that each kind gets, over a whole sweep. ConfigError for a group, name or setting that is none.

    ``cells`` is what the cells of a study set beside the words. Hydra's own groups, words with Hydra's flags, and
    folders named by ``--config-dir`` are left to Hydra.
    """
    asked = {word.partition("=")[0] for word in words}
    if any(len(word) > 2 and "--experimental-rerun".startswith(word) for word in asked):
        raise ConfigError("--experimental-rerun reads a pickle, which can run code; give the words of the run again")
    if bare := asked.intersection(("-", "--")):
        raise ConfigError(f"expected key=value; found {bare.pop()!r}")
    if {"-m", "--multirun"} & asked and asked.intersection(ONE_RUN):
        raise ConfigError(f"{asked.intersection(ONE_RUN).pop()} shows one run; leave out -m, and give no study")
    if any(word.startswith(HYDRAS) for word in words):
        return {}
    given = [word for before, word in zip(["", *words], words) if not word.startswith("-") and before not in VALUED]
    if odd := [word for word in given if "=" not in word and not word.startswith("~")]:
        raise ConfigError(f"expected key=value; found {odd[0]!r}")
    overrides = [parsed for word in given if (parsed := _parsed(word)) is not None]
    groups = {path.name for path in presets.iterdir() if path.is_dir()} if presets.is_dir() else set()
    names = {kind: [*registry_names(registry, kind), *_files(presets / kind)] for kind in (*DEFAULTS, "metric")}
    chosen = _chosen(overrides, names, groups, registry, presets)
    if not only_shows(words):
        _check_used(cells, {str(each.key_or_group) for each in overrides}, names, registry)
    _check_size(overrides)
    for each in overrides:
        _check_setting(each, chosen, registry, {*names, *groups})
    return chosen


def _chosen(
    overrides: Sequence[Override],
    names: Mapping[str, Sequence[str]],
    groups: set[str],
    registry: Registry,
    presets: Path,
) -> dict[str, list[str]]:
    """The plugins that each kind gets, over a whole sweep. ConfigError for a choice that does not exist."""
    chosen = {kind: [name] for kind, name in DEFAULTS.items()}
    for each in overrides:
        key = str(each.key_or_group)
        if key in NOT_HERE:
            raise ConfigError(f"{key} cannot be set: {NOT_HERE[key]}")
        if key in names:
            chosen[key] = _names(each, key)
            for name in chosen[key]:
                if name not in names[key]:
                    registry.get(key, name)
        elif key in groups:
            for name in _choices(each):
                if name not in (known := _files(presets / key)):
                    raise ConfigError(f"there is no {key} {name!r}{closest(name, known)}")
        if key in ("launcher", "hydra/launcher"):
            _check_launchers(_choices(each))
    return chosen


def _check_size(overrides: Sequence[Override]) -> None:
    jobs = prod(len(_values(each)) for each in overrides if each.is_sweep_override())
    if jobs > MOST_JOBS:
        raise ConfigError(f"expected a sweep of at most {MOST_JOBS} runs; found {jobs}")


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
    brief = word if len(word) <= BRIEF and word.isprintable() else f"{ascii(word[:BRIEF])[1:-1]}..."
    if len(word) > LONGEST_WORD:
        raise ConfigError(f"{brief}: expected at most {LONGEST_WORD} characters; found {len(word)}")
    if _depth(word) > DEEPEST:
        raise ConfigError(f"{brief}: expected brackets at most {DEEPEST} deep; found {_depth(word)}")
    try:
        return OverridesParser.create().parse_override(word)
    except (HydraException, ValueError) as error:
        raise ConfigError(f"{brief}: {str(error).splitlines()[0]}{_quoted(word)}") from None


def _depth(word: str) -> int:
    """How deep the brackets of a word are nested."""
    return max(accumulate((char in "[{(") - (char in "]})") for char in word), default=0)


def _quoted(word: str) -> str:
    """The word as it can be read, where quotes around its value are all that it lacks."""
    key, _, value = word.partition("=")
    plain = (
        re.fullmatch(r"\+{0,2}\w+([./]\w+)*", key) and value.isprintable() and not set(value) & set("'\"\\\\()[]{}$")
    )
    return f"; a value with special characters takes two pairs of quotes: \"{key}='{value}'\"" if plain else ""


def _files(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder.is_dir() else []


def _check_launchers(names: Sequence[str]) -> None:
    """Raise ConfigError for a launcher whose package is not installed."""
    for name in names:
        module, extra = LAUNCHERS.get(name.partition("_")[0], ("", ""))
        if module and find_spec(module) is None:
            raise ConfigError(
                f"launcher {name!r} is in a package that is not installed: pip install 'simbench-eval[{extra}]'"
            )


def _names(override: Override, kind: str) -> list[str]:
    """The names of plugins that an override asks for, over a whole sweep; a run may have several metrics."""
    for value in [None] if override.is_delete() else _values(override):
        names = value if kind == "metric" and isinstance(value, list) else [value]
        if not all(isinstance(name, str | QuotedString) for name in names):
            raise ConfigError(f"{override.input_line}: expected the name of {kind}, as `simbench plugins` lists them")
    return _choices(override)


def _choices(override: Override) -> list[str]:
    """The names an override of a group asks for, over a whole sweep."""
    value = override.value()
    if override.is_sweep_override():
        if not override.is_choice_sweep():
            return []
        value = _values(override)
    found = value if isinstance(value, list) else [value]
    flat = [name for each in found for name in (each if isinstance(each, list) else [each])]
    return [name.text if isinstance(name, QuotedString) else str(name) for name in flat if name is not None]


def _values(override: Override) -> list[Any]:
    """The values an override gives to a setting, over a whole sweep; none where only Hydra can tell."""
    if override.is_delete():
        return []
    if not override.is_sweep_override():
        return [override.value()]
    listed = (override.is_choice_sweep() and not isinstance(override.value(), Glob)) or override.is_range_sweep()
    if not listed:
        raise ConfigError(f"{override.input_line}: write the values out, with commas between them")
    try:
        values = list(islice(override.sweep_iterator(), MOST_JOBS + 1))
    except ValueError as error:  # a range without a step
        raise ConfigError(f"{override.input_line}: {error}") from None
    if not 0 < len(values) <= MOST_JOBS:
        raise ConfigError(f"{override.input_line}: expected 1 to {MOST_JOBS} values; found {len(values) or 'none'}")
    return values


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
        there = [name for name in chosen[first] if (first, name) in registry.entries]
        configs = {name: registry.get(first, name).cls.Config for name in there}
        have = {name: rest[0] in {each.name for each in settings_of(config)} for name, config in configs.items()}
        if any(have.values()) and not all(have.values()):
            without, with_it = ([name for name in there if have[name] is known] for known in (False, True))
            raise ConfigError(
                f"{key}: {first} {', '.join(without)} has no such setting, {', '.join(with_it)} has. A setting goes "
                f"to all that a sweep chooses: start two, one with {first}={','.join(without)} and without {key}"
            )
        for config in configs.values():
            _fits(config, rest, override, f"{first}.")


def _fits(config: type[Any], path: list[str], override: Override, prefix: str) -> None:
    """Raise ConfigError where the setting does not exist or a value does not fit it."""
    values = _values(override)
    if override.is_delete():
        raise ConfigError(f"{override.input_line}: a setting cannot be taken away; give it another value")
    for value in (values[0], values[-1]) if override.is_range_sweep() else values:
        if isinstance(value, str) and "${" in value:
            continue
        nested: Any = value.text if isinstance(value, QuotedString) else value
        for name in reversed(path[1:]):
            nested = {name: nested}
        typed(config, {path[0]: nested}, prefix)
