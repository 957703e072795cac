"""What an offered class must be like. Looked at when plugins are loaded, so that a fault is named before any run."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

from simbench.backends.base import Backend
from simbench.design import Factor, Item, Profile, Regression
from simbench.errors import PluginError
from simbench.experiments.base import Experiment
from simbench.metrics.base import DIRECTIONS, Metric
from simbench.plugin.marker import PLUGIN_API
from simbench.samplers.base import Sampler

__all__ = ["check_api", "check_class", "check_settings", "classes_of"]

BASES: Mapping[str, type[Any]] = {
    "experiment": Experiment,
    "sampler": Sampler,
    "backend": Backend,
    "metric": Metric,
}
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
LITERALS = ("null", "true", "false", "nan", "inf")
PARTS: Mapping[str, type[Any]] = {"factors": Factor, "profile": Profile, "items": Item, "regressions": Regression}
HELD = "int, float, bool, str, Path, an Enum, a dataclass, lists and dicts of these, `| None`, or Any"


def check_api(plugin: object) -> None:
    """PluginError where a plugin says it is written for other contracts than these; one that says nothing may try."""
    wanted = getattr(plugin, "PLUGIN_API", PLUGIN_API)
    if type(wanted) is not int:
        raise PluginError(f"PLUGIN_API is a whole number, such as {PLUGIN_API}; found {wanted!r:.80}")
    if wanted != PLUGIN_API:
        newer = "update simbench: pip install -U simbench-eval" if wanted > PLUGIN_API else "update the plugin"
        raise PluginError(
            f"it is written for version {wanted} of simbench's plugin API, and this is {PLUGIN_API}; {newer}"
        )


def classes_of(hook: str, returned: Any) -> list[Any]:
    """What a hook returned, as a list; PluginError where that is no collection of classes."""
    if isinstance(returned, type):
        raise PluginError(f"{hook} returned a class in place of a tuple of classes: return ({returned.__name__},)")
    if isinstance(returned, str | Mapping) or not isinstance(returned, Iterable):
        raise PluginError(f"{hook} returned {returned!r}; return a tuple of classes, () for none")
    return list(returned)


def check_class(kind: str, cls: Any) -> str:
    """The name of an offered class; PluginError where it breaks the contract of its kind."""
    base = BASES[kind]
    if not isinstance(cls, type):
        hint = f"; return the class {type(cls).__qualname__} itself" if isinstance(cls, base) else ""
        raise PluginError(f"{cls!r} is not a class{hint}")
    if not issubclass(cls, base):
        raise PluginError(f"{cls!r} is not a subclass of simbench.{base.__name__}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name) or name.lower() in LITERALS:
        raise PluginError(
            f"{cls.__qualname__}.name is a letter, then letters, digits and underscores "
            f"(none of {', '.join(LITERALS)}); found {name!r}"
        )
    if inspect.isabstract(cls):
        lacking = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{cls.__qualname__} does not implement {lacking}")
    if kind == "metric":
        _check_figures(cls)
    if kind == "experiment":
        _check_study(cls)
    return name


def _check_figures(cls: type[Metric[Any]]) -> None:
    """``better``, ``words`` and ``headline`` of a metric."""
    better: Any = cls.better
    if not isinstance(better, Mapping) or not all(isinstance(each, str) for each in better):
        raise PluginError(f"{cls.__qualname__}.better maps metric ids to a direction; found {better!r}")
    words: Any = cls.words
    if not isinstance(words, Mapping) or not all(isinstance(each, str) for pair in words.items() for each in pair):
        raise PluginError(f"{cls.__qualname__}.words maps metric ids to what they are called; found {words!r}")
    for metric, way in better.items():
        if way not in DIRECTIONS:
            raise PluginError(
                f"{cls.__qualname__}.better[{metric!r}]: expected one of {', '.join(DIRECTIONS)}; found {way!r}"
            )
    headline: Any = cls.headline
    pairs = list(headline) if isinstance(headline, Sequence) and not isinstance(headline, str) else [headline]
    for pair in pairs:
        right = isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)
        if not right or not isinstance(pair[1], str | None):
            raise PluginError(f"{cls.__qualname__}.headline holds pairs (metric id, item or None); found {pair!r}")


def _check_study(cls: type[Experiment[Any]]) -> None:
    """The parts of a study that the class itself declares; properties are left to the run."""
    for part, expected in PARTS.items():
        declared = inspect.getattr_static(cls, part, ())
        if hasattr(declared, "__get__"):
            continue
        if not isinstance(declared, Sequence) or isinstance(declared, str):
            raise PluginError(
                f"{cls.__qualname__}.{part} is a tuple of {expected.__name__}s (one: with a comma behind it); "
                f"found {declared!r}"
            )
        for each in declared:
            if not isinstance(each, expected):
                raise PluginError(f"{cls.__qualname__}.{part}: expected a {expected.__name__}; found {each!r}")


def check_settings(kind: str, cls: type[Any]) -> None:
    """PluginError, with the setting's name, where ``Config`` cannot be composed from the command line."""
    config = cls.Config
    if not isinstance(config, type) or not dataclasses.is_dataclass(config):
        raise PluginError(f"{cls.__qualname__}.Config is not a dataclass")
    declared = dataclasses.fields(config)
    if any(field.name == "name" for field in declared):
        raise PluginError(f"{cls.__qualname__}.Config has a field 'name', which simbench itself uses")
    if declared:
        for fault in _not_held(config):
            raise PluginError(f"{cls.__qualname__}.Config: {fault}")
    if kind == "metric":
        _check_default(cls)


def _not_held(config: type[Any]) -> Iterator[str]:
    """What OmegaConf cannot hold, field by field."""
    from omegaconf import OmegaConf

    try:
        OmegaConf.structured(config)
    except Exception as whole:  # noqa: BLE001 - a stranger's types and factories; named below
        hints = get_type_hints(config)
        for field in dataclasses.fields(config):
            alone = (field.name, hints[field.name], _copied(field))
            try:
                OmegaConf.structured(dataclasses.make_dataclass("Alone", [alone], frozen=True))
            except Exception as error:  # noqa: BLE001 - as above
                words = str(error).splitlines()[0]
                yield f"setting {field.name!r} cannot be held ({words}); declare it as {HELD}"
        yield str(whole).splitlines()[0]


def _copied(field: dataclasses.Field[Any]) -> Any:
    """A field like this one, to be declared elsewhere."""
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=field.default_factory)
    return dataclasses.field(default=field.default)


def _check_default(cls: type[Metric[Any]]) -> None:
    """Metrics are asked in every run that names none, so each must work with nothing set."""
    for field in dataclasses.fields(cls.Config):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise PluginError(
                f"{cls.__qualname__}.Config: setting {field.name!r} has no default, and a metric must work without "
                "settings, since runs ask all metrics"
            )
    try:
        cls(cls.Config())
    except Exception as error:
        raise PluginError(f"{cls.__qualname__} cannot be made with its defaults: {error!r}") from error
