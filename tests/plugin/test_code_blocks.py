"""Blocks of code in docs and READMEs: Python compiles, YAML and TOML load, commands name what is there."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from simbench.cli.launch import compose
from simbench.cli.verbs import VERBS
from simbench.errors import ConfigError
from simbench.plugin.manager import Registry, load_plugins

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "plugins/*/README.md")
    for page in ROOT.glob(pattern)
    if not {"_build", "reference"} & set(page.parts)
)
NESTED = ("cache", "new")
"""Verbs whose options are those of the word after them."""
GROUPS = ("experiment", "sampler", "backend")


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of every fenced block."""
    yield from re.findall(r"^```([\w{}]*)\n(.*?)^```", page.read_text("utf-8"), flags=re.M | re.S)


def commands() -> list[tuple[str, str]]:
    """Where, and the words after ``simbench`` of every command in a block without a language."""
    return [
        (str(page.relative_to(ROOT)), line.split("simbench ", 1)[1].partition(" #")[0].strip())
        for page in PAGES
        for language, text in blocks(page)
        if language in ("", "bash", "sh")
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith("simbench ") and line.partition(" #")[0].split()[1:]
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_are_of_their_language(page: Path) -> None:
    for language, text in blocks(page):
        if language in ("python", "py"):
            compile(text, str(page), "exec")
        elif language == "yaml":
            assert yaml.safe_load(text)
        elif language == "toml":
            assert tomllib.loads(text)
        else:
            assert language in ("", "text", "{toctree}", "bash", "sh", "json", "{mermaid}"), language


def test_commands_name_what_is_there() -> None:
    """Verbs are verbs with the options they have, and parts of a run are installed."""
    found = commands()
    assert len(found) > 30
    registry = load_plugins()
    helps: dict[str, str] = {}
    wrong: list[str] = []
    for page, line in found:
        words = shlex.split(line)
        verb = words[0]
        if "=" not in verb and not verb.startswith(("-", "+")):
            module = VERBS.get(verb, (None, ""))[0]
            if verb not in VERBS:
                wrong.append(f"{page}: {line}: no verb {verb}")
                continue
            inner = words[1:2] if verb in NESTED else []
            verb = " ".join([verb, *inner])
            if module and verb not in helps:
                helps[verb] = helped(module, inner)
            options = [word.partition("=")[0] for word in words[1:] if word.startswith("--") and word != "--help"]
            wrong += [f"{page}: {line}: {each}" for each in options if each not in helps.get(verb, "")]
            words = words[1:]
        for kind in GROUPS:
            chosen = [word.partition("=")[2].split(",") for word in words if word.startswith(f"{kind}=")]
            names = [name for each in chosen for name in each if re.fullmatch("[a-z_]+", name)]
            wrong += [f"{page}: {line}: {kind} {name}" for name in names if not known(registry, kind, name)]
    assert not wrong


def test_words_of_runs_compose() -> None:
    """Every run and the first run of every sweep is one that Hydra composes: settings are there and of their type."""
    wrong: list[str] = []
    for page, line in commands():
        words = shlex.split(line)
        if words[0] in VERBS or "neighbours" in line:  # made by the walk itself, in a file beside it
            continue
        first = [
            re.sub(r"^([\w.]+=)(?:range\((\d)\)|([^,\[{]*),.*)", r"\1\2\3", word) for word in words if "=" in word
        ]
        try:
            compose([word for word in first if not re.match("[+]study=|cell=", word)])
        except ConfigError as refused:
            wrong.append(f"{page}: {line}: {refused}")
    assert not wrong


def known(registry: Registry, kind: str, name: str) -> bool:
    """Whether it is installed, or an example's own."""
    return (kind, name) in registry.entries or name in ("stake_game", "neighbours", "mine")


def helped(module: str, inner: list[str]) -> str:
    """What ``--help`` prints."""
    from importlib import import_module

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        import_module(module).main([*inner, "--help"])
    return said.getvalue()
