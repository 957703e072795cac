"""``simbench show KIND NAME``: what a plugin is, its settings, an example; of an experiment also who took part."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Sequence

from simbench.errors import ConfigError
from simbench.plugin.hookspecs import KINDS
from simbench.plugin.manager import Entry, load_plugins
from simbench.settings import Setting, settings_of

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Print what a plugin is, every setting with type, default and meaning, and an example.

    Of an experiment also its design, people, missing answers, citation and licence; settings are written as for a run
    (experiment.data=PATH).
    """
    parser = argparse.ArgumentParser(prog="simbench show", description=main.__doc__)
    parser.add_argument("kind", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("name", metavar="NAME", help="a name that `simbench plugins` lists")
    parser.add_argument(
        "settings", metavar="KEY=VALUE", nargs="*", help="settings of an experiment: experiment.data=PATH"
    )
    parser.add_argument(
        "--interview", action="store_true", help="print one interview of every treatment group instead"
    )
    asked = parser.parse_args(words)
    entry = load_plugins().get(asked.kind, asked.name)
    if entry.kind != "experiment":
        if asked.interview or asked.settings:
            raise ConfigError("show: --interview and settings are for experiments: simbench show experiment NAME")
        print(describe(entry))
        return 0
    from simbench.cli.study import built, interviews, study

    if asked.interview:
        print(interviews(built(entry, asked.settings)))
    else:
        print(describe(entry), study(entry, asked.settings), sep="\n\n")
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
