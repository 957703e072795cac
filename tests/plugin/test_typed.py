"""A plugin in the style of the docs passes mypy's strictest check, and says which contracts it is written for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import simbench
from simbench.plugin.manager import INLINE, load_plugins

ROOT = Path(__file__).parents[2]
OFFERING = """
from simbench import Sampler, Draw, hookimpl
PLUGIN_API = {number}
class Mine(Sampler):
    name = "mine"
    def draw(self, people, rng):
        return Draw([0])
@hookimpl
def simbench_samplers():
    return (Mine,)
"""


def test_the_example_of_the_docs_is_typed(tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text("utf-8"), flags=re.DOTALL)
    (tmp_path / "right.py").write_text(examples[0])
    (tmp_path / "wrong.py").write_text(f"{examples[0]}\n\nTrustGame(3).config.there_is_none\n")
    command = [sys.executable, "-m", "mypy", *map(str, tmp_path.iterdir())]  # strict, as pyproject.toml has it
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line and tmp_path.name in line]
    assert errors
    assert all("wrong.py" in line for line in errors), done.stdout + done.stderr
    assert "there_is_none" in done.stdout


@pytest.mark.parametrize(
    ("number", "told"), [("2", "update simbench"), ("0", "update the plugin"), ("'1'", "whole number")]
)
def test_contracts_of_another_version_are_refused_in_one_line(tmp_path: Path, number: str, told: str) -> None:
    (tmp_path / f"{INLINE}.py").write_text(OFFERING.format(number=number))
    registry = load_plugins(tmp_path)
    (lost,) = registry.broken
    assert told in str(lost)
    assert "\n" not in str(lost)
    assert ("sampler", "mine") not in registry.entries


def test_contracts_of_this_version_are_taken(tmp_path: Path) -> None:
    (tmp_path / f"{INLINE}.py").write_text(OFFERING.format(number=simbench.PLUGIN_API))
    assert ("sampler", "mine") in load_plugins(tmp_path).entries


def test_the_package_lists_its_public_names() -> None:
    names = {name for name in dir(simbench) if not name.startswith("_")}
    assert names == {*simbench.__all__, "errors"}
    assert issubclass(simbench.errors.DataError, simbench.errors.UserError)
