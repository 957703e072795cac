"""The reference, written from what is installed: every plugin, setting, verb, hook and public name.

``make docs`` writes the pages into ``docs/reference`` before Sphinx reads them; they are not kept in the repository.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import simbench
from simbench.cli.verbs import VERBS
from simbench.harness.config import RunSettings
from simbench.plugin import hookspecs
from simbench.plugin.manager import Entry, load_plugins
from simbench.settings import Setting, settings_of

KINDS = {
    "experiment": "Experiments",
    "sampler": "Samplers",
    "backend": "Backends",
    "metric": "Metrics",
}


def pages() -> dict[str, str]:
    """Every page by its name, as Markdown."""
    registry = load_plugins()
    made = {f"{kind}s": _kind(kind, registry.of(kind)) for kind in KINDS}
    made["settings"] = _settings_page()
    made["verbs"] = _verbs()
    made["hooks"] = _hooks()
    made["python"] = _python()
    made["index"] = "# Reference\n\nWritten from what is installed.\n\n" + _tree([*made])
    return made


def write(folder: Path) -> None:
    """Write the pages that have changed."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        file = folder / f"{name}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def _tree(names: Iterable[str]) -> str:
    return "```{toctree}\n" + "\n".join(names) + "\n```\n"


def _kind(kind: str, entries: Iterable[Entry]) -> str:
    parts = [f"# {KINDS[kind]}"]
    for entry in sorted(entries, key=lambda each: each.name):
        prefix = f"metric.{entry.name}." if kind == "metric" else f"{kind}."
        chosen = f"metric=[{entry.name}]" if kind == "metric" else f"{kind}={entry.name}"
        parts.append(f"## {entry.name}")
        parts.append(f"`{chosen}`, of the distribution `{entry.distribution}`.")
        parts.append(_rst(inspect.getdoc(entry.cls) or ""))
        parts.append(_table(prefix, settings_of(entry.cls.Config)))
    return "\n\n".join(filter(None, parts)) + "\n"


def _rst(text: str) -> str:
    """A docstring, which is reStructuredText, within a page of Markdown; bars in its formulas are bars."""
    parts = re.split(r"(``.*?``)", text, flags=re.DOTALL)
    escaped = "".join(part if part.startswith("``") else part.replace("|", "\\|") for part in parts)
    return f"````{{eval-rst}}\n{escaped}\n````"


def _table(prefix: str, settings: Iterable[Setting]) -> str:
    rows = list(_rows(prefix, settings))
    return "\n".join(["| setting | type | default | meaning |", "| --- | --- | --- | --- |", *rows]) if rows else ""


def _rows(prefix: str, settings: Iterable[Setting]) -> Iterator[str]:
    for each in settings:
        if dataclasses.is_dataclass(each.default):
            yield from _rows(f"{prefix}{each.name}.", settings_of(type(each.default)))
            continue
        shown = "none" if each.default is None else str(each.default) or "empty"
        cells = (f"`{prefix}{each.name}`", f"`{each.type}`", f"`{shown}`", each.help or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _settings_page() -> str:
    return "# Settings of every run\n\n" + _table("", settings_of(RunSettings)) + "\n"


def _verbs() -> str:
    parts = ["# Verbs", "`simbench WORD=VALUE ...` without a verb is a run, with `-m` a sweep."]
    for verb, (module, what) in VERBS.items():
        parts.append(f"## simbench {verb}\n\n{what[:1].upper()}{what[1:]}.")
        if module:
            parts.append(f"```text\n{_help(module)}\n```")
    return "\n\n".join(parts) + "\n"


def _help(module: str) -> str:
    """What ``--help`` prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        import_module(module).main(["--help"])
    return said.getvalue().strip()


def _hooks() -> str:
    parts = ["# Hooks", "A plugin gives classes to these; see [how to write one](../plugins.md)."]
    hooks = sorted(name for name in hookspecs.__all__ if name.startswith("simbench_"))
    parts += [f"```{{eval-rst}}\n.. autofunction:: simbench.plugin.hookspecs.{name}\n```" for name in hooks]
    return "\n\n".join(parts) + "\n"


def _python() -> str:
    parts = ["# Python", "What `import simbench` offers; nothing is imported before it is asked for."]
    for name in simbench.__all__:
        what = getattr(simbench, name)
        home = f"{what.__module__}.{what.__qualname__}" if hasattr(what, "__qualname__") else ""
        kind = "autoclass" if inspect.isclass(what) else "autofunction"
        if home and callable(what) and (inspect.isclass(what) or inspect.isfunction(what)):
            members = "\n   :members:" if inspect.isclass(what) else ""
            parts.append(f"## {name}\n\n```{{eval-rst}}\n.. {kind}:: {home}{members}\n```")
        else:
            parts.append(f"## {name}\n\n`{what!r}`")
    return "\n\n".join(parts) + "\n"
