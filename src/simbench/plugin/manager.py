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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from simbench.errors import ConfigError, PluginError, closest
from simbench.plugin import hookspecs
from simbench.plugin.blame import told
from simbench.plugin.builtins import Builtins
from simbench.plugin.contract import check_api, check_class, check_settings, classes_of
from simbench.plugin.hookspecs import KINDS
from simbench.plugin.marker import PROJECT
from simbench.plugin.neighbours import forget_changed

__all__ = ["FIRST_PARTY", "INLINE", "Broken", "Entry", "Registry", "load_plugins"]

INLINE = "simbench_plugins"
CORE = "simbench-eval"
SHELF = (
    "conditional_cooperation",
    "crop_insurance",
    "framing",
    "job_training",
    "tax_plans",
    "trust_game",
    "verbal_aggression",
    "voluntary_collaboration",
    "welfare_wording",
)
FIRST_PARTY = {
    ("backend", "local"): "simbench-local",
    ("backend", "openai"): "simbench-openai",
    ("backend", "anthropic"): "simbench-anthropic",
    **dict.fromkeys([("experiment", name) for name in SHELF], "simbench-studies"),
}

TRUSTED = frozenset({CORE, *FIRST_PARTY.values()})
"""Their settings are tried by their own tests, not at every start."""


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
    """What was left out, and why: a whole plugin, or one part (``kind``, ``offered``) of it or of several."""

    name: str
    distribution: str
    error: str
    kind: str = ""
    offered: str = ""

    def __str__(self) -> str:
        plugin = f"plugin {self.name!r} of {self.distribution}" if self.name else ""
        part = f"{self.kind} {self.offered!r}" if self.offered else ""
        return f"{' of '.join(filter(None, (part, plugin)))} was left out: {self.error}"

    def concerns(self, kind: str, name: str) -> bool:
        """Whether who asks for this name should hear of it."""
        return name in (self.name, self.distribution) or (kind, name) == (self.kind, self.offered)


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

    def classes(self, kind: str) -> tuple[type[Any], ...]:
        """The classes of a kind, by name."""
        return tuple(entry.cls for entry in self.of(kind))

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a kind and name. ConfigError names the closest one, or what to install."""
        known = [entry.name for entry in self.of(kind)]
        if name in known:
            return self.entries[kind, name]
        lost = [broken for broken in self.broken if broken.concerns(kind, name)]
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

    What cannot be used is in ``registry.broken`` and leaves everything else alone: a plugin that fails to import,
    a hook that fails, a class that breaks the contract of its kind, and a name that two plugins offer (then
    neither has it).
    """
    environ = os.environ if environ is None else environ
    words = environ.get("SIMBENCH_DISABLE_PLUGINS", "").split(",")
    blocked = {name.strip() for name in words} - {""}
    entries: dict[tuple[str, str], list[Entry]] = {}
    broken: list[Broken] = []
    manager = _manager()
    for found in _sources(folder or Path.cwd()):
        if blocked & {found.name, found.distribution}:
            continue
        for entry in _offers(found, manager, broken):
            entries.setdefault((entry.kind, entry.name), []).append(entry)
    clashes = {key: several for key, several in entries.items() if len(several) > 1}
    broken += [_clash(several) for several in clashes.values()]
    usable = {key: several[0] for key, several in entries.items() if key not in clashes}
    for entry, fault in _foreign_figures(usable.values()):
        broken.append(Broken("", entry.distribution, fault, entry.kind, entry.name))
        del usable[entry.kind, entry.name]
    return Registry(usable, tuple(broken))


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
    kept = forget_changed(path, sys.modules.get(INLINE))
    module = importlib.util.module_from_spec(spec)
    vars(module).update(kept)
    sys.modules[INLINE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[INLINE]
        raise
    return module


def _offers(source: _Source, manager: pluggy.PluginManager, broken: list[Broken]) -> list[Entry]:
    """What a plugin offers and may be used; what may not is added to ``broken``."""
    hooks: dict[str, Callable[[], Any]] = {}
    with _noted(source, broken):
        hooks = _hooks(source, manager)
    entries: list[Entry] = []
    for kind, hook in hooks.items():
        classes: list[Any] = []
        with _noted(source, broken, kind):
            classes = classes_of(_hook(kind), hook())
        for cls in classes:
            with _noted(source, broken, kind, cls):
                name = check_class(kind, cls)
                if source.distribution not in TRUSTED:
                    check_settings(kind, cls)
                file = source.plugin if isinstance(source.plugin, Path) else None
                entries.append(Entry(kind, name, cls, source.distribution, source.version, file))
    return entries


@contextmanager
def _noted(source: _Source, broken: list[Broken], kind: str = "", cls: Any = None) -> Iterator[None]:
    """Keep whatever goes wrong with a plugin, or with one class of it, as words: a stranger may fail in any way."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit too
        name = getattr(cls, "name", None)
        words = str(error) if isinstance(error, PluginError) else told(error)
        offered = name if isinstance(name, str) else ""
        broken.append(Broken(source.name, source.distribution, words, kind, offered))


def _hooks(source: _Source, manager: pluggy.PluginManager) -> dict[str, Callable[[], Any]]:
    """The hooks that a plugin implements, by kind. PluginError where one cannot have been meant like this."""
    plugin = source.load()
    check_api(plugin)
    manager.register(plugin, f"{source.distribution} {source.name}")
    try:
        manager.check_pending()
        found = {}
        for kind in KINDS:
            offered = getattr(manager.hook, _hook(kind)).get_hookimpls()
            own = [each.function for each in offered if each.plugin is plugin]
            if own:
                found[kind] = own[0]
            elif callable(getattr(plugin, _hook(kind), None)):
                raise PluginError(f"{_hook(kind)} lacks its mark: write @hookimpl (from simbench) above it")
        if not found:
            raise PluginError(f"it offers nothing: expected a function {', '.join(map(_hook, KINDS))} with @hookimpl")
    except BaseException:
        manager.unregister(plugin)
        raise
    return found


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _hook(kind: str) -> str:
    return f"{PROJECT}_{kind}s"


def _clash(several: Sequence[Entry]) -> Broken:
    """A name that more than one plugin offers, which nobody then has."""
    first = several[0]
    return Broken(
        "",
        " and ".join(entry.distribution for entry in several),
        f"{len(several)} plugins offer the {first.kind} {first.name!r}: {' and '.join(map(_where, several))}; "
        "neither is used; rename one, or block one by SIMBENCH_DISABLE_PLUGINS",
        first.kind,
        first.name,
    )


def _foreign_figures(entries: Iterable[Entry]) -> list[tuple[Entry, str]]:
    """Metrics that announce a figure which one before them announces: its direction must stay what it is."""
    owners: dict[str, Entry] = {}
    found = []
    for entry in (each for each in entries if each.kind == "metric"):
        ids = {entry.name, *entry.cls.better, *(name for name, _ in entry.cls.headline)}
        taken = sorted(ids & set(owners)) if entry.distribution != CORE else []
        if taken:
            found.append(
                (entry, f"{_where(entry)} announces the figure {taken[0]!r}, which is of {_where(owners[taken[0]])}")
            )
        else:
            owners = dict.fromkeys(ids, entry) | owners
    return found


def _where(entry: Entry) -> str:
    return f"{entry.distribution} {entry.version} ({entry.cls.__module__}.{entry.cls.__qualname__})"
