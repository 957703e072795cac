"""Finds plugins, isolates broken ones, and names duplicates.

Three sources, in this order: the built-ins, the entry-point group ``simbench``, and a file
``simbench_plugins.py`` in the current folder. ``SIMBENCH_DISABLE_PLUGINS`` (names, comma-separated) blocks
plugins by their entry-point or distribution name.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from simbench.errors import ConfigError, PluginError, closest
from simbench.plugin import hookspecs
from simbench.plugin.builtins import Builtins
from simbench.plugin.hookspecs import KINDS
from simbench.plugin.marker import PROJECT

__all__ = ["FIRST_PARTY", "INLINE", "Broken", "Entry", "Registry", "load_plugins"]

INLINE = "simbench_plugins"
CORE = "simbench-eval"
FIRST_PARTY = {
    ("backend", "local"): "simbench-local",
    ("backend", "openai"): "simbench-openai",
    ("backend", "anthropic"): "simbench-anthropic",
    ("experiment", "framing"): "simbench-framing",
    ("experiment", "voluntary_collaboration"): "simbench-public-goods",
}


@dataclass(frozen=True)
class Entry:
    """One experiment, sampler, backend or metric that is there to be used.

    ``file`` is the ``simbench_plugins.py`` it comes from, None for what a distribution offers.
    """

    kind: str
    name: str
    cls: type[Any]
    distribution: str
    version: str
    file: Path | None = None

    @property
    def summary(self) -> str:
        """First line of the class's docstring."""
        return (inspect.getdoc(self.cls) or "").strip().split("\n", 1)[0]


@dataclass(frozen=True)
class Broken:
    """A plugin that was left out, and why."""

    name: str
    distribution: str
    error: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} was left out: {self.error}"


@dataclass(frozen=True)
class Registry:
    """Everything that plugins offer, by kind and name."""

    entries: Mapping[tuple[str, str], Entry]
    broken: tuple[Broken, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self.entries.values(), key=lambda e: (KINDS.index(e.kind), e.name)))

    def of(self, kind: str) -> tuple[Entry, ...]:
        """All entries of a kind, by name."""
        if kind not in KINDS:
            raise ConfigError(f"there is no kind {kind!r}{closest(kind, KINDS)}")
        return tuple(entry for entry in self if entry.kind == kind)

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a kind and name. ConfigError names the closest one, or what to install."""
        known = [entry.name for entry in self.of(kind)]
        if name in known:
            return self.entries[kind, name]
        lost = [broken for broken in self.broken if name in (broken.name, broken.distribution)]
        if lost:
            raise ConfigError(f"there is no {kind} {name!r}: {lost[0]}")
        if (kind, name) in FIRST_PARTY:
            raise ConfigError(
                f"{kind} {name!r} is in the distribution {FIRST_PARTY[kind, name]}, which is not installed: "
                f"pip install {FIRST_PARTY[kind, name]} (or choose one of: {', '.join(known)})"
            )
        raise ConfigError(f"there is no {kind} {name!r}{closest(name, known)}")


def load_plugins(folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Registry:
    """Load every plugin and return what they offer.

    A plugin that fails to import, or whose hooks fail, is in ``registry.broken`` and leaves the others
    alone. Two plugins that offer the same name raise PluginError naming both.
    """
    environ = os.environ if environ is None else environ
    words = environ.get("SIMBENCH_DISABLE_PLUGINS", "").split(",")
    blocked = {name.strip() for name in words} - {""}
    entries: dict[tuple[str, str], Entry] = {}
    broken: list[Broken] = []
    for found in _sources(folder or Path.cwd()):
        if blocked & {found.name, found.distribution}:
            continue
        try:
            offered = list(_offers(found))
        except Exception as error:  # noqa: BLE001 - a stranger's plugin may fail in any way; it is reported
            broken.append(Broken(found.name, found.distribution, f"{type(error).__name__}: {error}"))
            continue
        for entry in offered:
            _add(entries, entry)
    return Registry(entries, tuple(broken))


@dataclass(frozen=True)
class _Source:
    name: str
    distribution: str
    version: str
    plugin: EntryPoint | Path | object

    def load(self) -> object:
        if isinstance(self.plugin, EntryPoint):
            return self.plugin.load()
        return _from_file(self.plugin) if isinstance(self.plugin, Path) else self.plugin


def _sources(folder: Path) -> Iterator[_Source]:
    yield _Source("builtins", CORE, core_version(), Builtins())
    points = {(point.name, point.value): point for point in entry_points(group=PROJECT)}
    for _, point in sorted(points.items()):
        owner = point.dist
        yield _Source(point.name, owner.name if owner else "?", owner.version if owner else "?", point)
    inline = folder / f"{INLINE}.py"
    if inline.is_file():
        yield _Source(INLINE, str(inline), "0", inline)


def core_version() -> str:
    """Version of the core distribution."""
    try:
        return version(CORE)
    except importlib.metadata.PackageNotFoundError:  # run from a bare checkout
        from simbench import __version__

        return __version__


def _from_file(path: Path) -> ModuleType:
    """Import a file under a name that follows its path, so that its classes pickle and reload."""
    spec = importlib.util.spec_from_file_location(INLINE, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[INLINE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[INLINE]
        raise
    return module


def _offers(source: _Source) -> Iterator[Entry]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(source.load(), source.name)
    manager.check_pending()
    for kind in KINDS:
        for classes in getattr(manager.hook, f"{PROJECT}_{kind}s")():
            for cls in classes:
                file = source.plugin if isinstance(source.plugin, Path) else None
                yield Entry(kind, _checked(kind, cls), cls, source.distribution, source.version, file)


def _checked(kind: str, cls: Any) -> str:
    """The name of an offered class; PluginError where it breaks the contract."""
    bases = {base.__name__.lower() for base in inspect.getmro(cls)} if isinstance(cls, type) else set()
    if kind not in bases:
        raise PluginError(f"{cls!r} is not a subclass of simbench.{kind.capitalize()}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name.replace("_", "").isalnum():
        raise PluginError(f"{cls.__qualname__}.name is letters, digits and underscores; found {name!r}")
    if not is_dataclass(cls.Config) or not isinstance(cls.Config, type):
        raise PluginError(f"{cls.__qualname__}.Config is not a dataclass")
    if inspect.isabstract(cls):
        lacking = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{cls.__qualname__} does not implement {lacking}")
    return name


def _add(entries: dict[tuple[str, str], Entry], entry: Entry) -> None:
    key = (entry.kind, entry.name)
    if key in entries:
        other = entries[key]
        raise PluginError(
            f"two plugins offer the {entry.kind} {entry.name!r}: {_where(other)} and {_where(entry)}; "
            f"block one by SIMBENCH_DISABLE_PLUGINS"
        )
    entries[key] = entry


def _where(entry: Entry) -> str:
    return f"{entry.distribution} {entry.version} ({entry.cls.__module__}.{entry.cls.__qualname__})"
