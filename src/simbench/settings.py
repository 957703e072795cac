"""Settings of a plugin: frozen dataclass fields that carry their meaning.

``setting(0.25, "share of the people drawn")`` declares one; ``simbench show KIND NAME`` prints it.
A setting that changes how a run is carried out but not what comes out of it (batch size, number of
connections) is declared with ``runtime=True`` and is left out of the run's identity.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from simbench.errors import ConfigError

__all__ = ["NoConfig", "Setting", "one_of", "refuse_beyond_numbers", "setting", "settings_of"]

LARGEST = 2**63 - 1


def setting(default: Any = dataclasses.MISSING, help: str = "", *, runtime: bool = False) -> Any:
    """Declare one setting: a dataclass field with its meaning.

    ``default`` may be a callable without arguments for a mutable default. ``runtime=True``: the setting
    cannot change the result, only how it is reached.
    """
    metadata = {"help": help, "runtime": runtime}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NoConfig:
    """For what has nothing to set."""


@dataclass(frozen=True)
class Setting:
    """One setting, as ``simbench show`` prints it; ``default`` is ``dataclasses.MISSING`` where there is none."""

    name: str
    type: str
    default: Any
    help: str
    runtime: bool


def settings_of(config: type[Any]) -> Iterator[Setting]:
    """Yield the settings of a Config dataclass in their order."""
    for field in dataclasses.fields(config):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        if isinstance(default, Enum):  # set by the names of its members
            kind, default = " | ".join(type(default).__members__), default.name
        yield Setting(field.name, kind, default, field.metadata.get("help", ""), field.metadata.get("runtime", False))


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ConfigError unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise ConfigError(f"{name}: expected one of {', '.join(allowed)}; found {value!r}")


def refuse_beyond_numbers(config: Any, given: Mapping[str, Any], prefix: str = "") -> None:
    """Raise ConfigError where a setting that was given came out as NaN, infinite or beyond 64 bits.

    No setting can be meant so, whatever the plugin; what a plugin has for a default is its own affair.
    """
    for name, value in given.items():
        found = getattr(config, name)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(found):
            refuse_beyond_numbers(found, value, f"{prefix}{name}.")
        elif isinstance(found, float) and not math.isfinite(found):
            raise ConfigError(f"{prefix}{name}: expected a finite number; found {found}")
        elif isinstance(found, int) and abs(found) > LARGEST:
            raise ConfigError(f"{prefix}{name}: expected a whole number of up to {LARGEST}; found {found}")
