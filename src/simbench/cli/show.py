"""``simbench show KIND NAME``: what a plugin is, its settings, an example."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Sequence

from simbench.plugin.hookspecs import KINDS
from simbench.plugin.manager import Entry, load_plugins
from simbench.settings import Setting, settings_of

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Print what a plugin is, every setting with type, default and meaning, and an example."""
    parser = argparse.ArgumentParser(prog="simbench show", description=main.__doc__)
    parser.add_argument("kind", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("name", metavar="NAME", help="a name that `simbench plugins` lists")
    asked = parser.parse_args(words)
    print(describe(load_plugins().get(asked.kind, asked.name)))
    return 0


def describe(entry: Entry) -> str:
    """The whole page about one plugin."""
    prefix = f"metric.{entry.name}." if entry.kind == "metric" else f"{entry.kind}."
    parts = [
        f"{entry.kind} {entry.name} ({entry.distribution} {entry.version})",
        inspect.getdoc(entry.cls) or "",
    ]
    settings = list(settings_of(entry.cls.Config))
    lines = list(_lines(prefix, settings))
    parts.append("Settings:\n" + "\n".join(lines) if lines else "No settings.")
    parts.append(f"Example:\n  {_example(entry, prefix, settings[0].name if settings else '')}")
    if entry.kind == "experiment":
        parts.insert(2, _study(entry))
    return "\n\n".join(part for part in parts if part)


def _lines(prefix: str, settings: Iterable[Setting]) -> Iterator[str]:
    """A setting in two lines; one that is a group of settings is followed by them."""
    for each in settings:
        meaning = each.help or "(no description)"
        if dataclasses.is_dataclass(each.default):
            yield f"  {prefix}{each.name}: {meaning}"
            yield from _lines(f"{prefix}{each.name}.", settings_of(type(each.default)))
        else:
            yield f"  {prefix}{each.name}: {each.type} = {_shown(each.default)}\n      {meaning}"


def _shown(default: object) -> str:
    return "none" if default is None else repr(default) if isinstance(default, str) else str(default)


def _example(entry: Entry, prefix: str, first: str) -> str:
    chosen = f"metric=[{entry.name}]" if entry.kind == "metric" else f"{entry.kind}={entry.name}"
    examples = {"n": "30", "fraction": "0.25", "model": "NAME", "data": "PATH", "file": "study.yaml"}
    setting = f" {prefix}{first}={examples[first]}" if first in examples else ""
    return f"simbench {chosen}{setting}"


def _study(entry: Entry) -> str:
    """Conditions, items and regressions of an experiment class."""
    factors, profile, items, regressions = (
        () if hasattr(part := inspect.getattr_static(entry.cls, name, ()), "__get__") else part
        for name in ("factors", "profile", "items", "regressions")
    )  # what is a property is known of an experiment with its settings only
    lines = [f"  factor {each.name}: {', '.join(each.words.values())}" for each in factors]
    lines += [f"  profile {each.name}" + (" (subgroups)" if each.subgroup else "") for each in profile]
    lines += [f"  {each.role} {each.name}: {' | '.join(each.labels)}" for each in items]
    lines += [f"  regression {each.family}: {each.formula}" for each in regressions]
    return "Study:\n" + "\n".join(lines) if lines else ""
