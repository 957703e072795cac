"""A backend that breaks down: one line on the screen, the traceback in the run's folder, the type in Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import simbench

BACKENDS = """
from simbench import Answer, Backend, Model, hookimpl
from simbench.errors import UnsupportedError

class Breaks(Backend):
    "Divides by nothing."
    name = "breaks"
    def adapt(self, pilot, workspace):
        return Model(self.name, "m")
    def respond(self, model, interviews, workspace):
        yield from (1 / 0 for each in interviews)

class Refuses(Breaks):
    "Takes no setting."
    name = "refuses"
    def check(self, pilot, interviews):
        raise UnsupportedError("not with these settings")

class Stumbles(Breaks):
    "Falls over its own check."
    name = "stumbles"
    def check(self, pilot, interviews):
        return {}["nothing"]

@hookimpl
def simbench_backends():
    return (Breaks, Refuses, Stumbles)
"""
QUICK = ("experiment=information_disclosure", "scoring.resamples=10", "scoring.splits=3", "scoring.floors=2")


@pytest.fixture(autouse=True)
def inline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "simbench_plugins.py").write_text(BACKENDS)
    monkeypatch.chdir(tmp_path)


def test_a_broken_backend_is_one_line_and_its_traceback_is_kept(
    command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    done = command(*QUICK, "backend=breaks")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("simbench: ZeroDivisionError: division by zero (file ")
    (folder,) = (tmp_path / "runs").glob("information*")
    assert line.endswith(f"its traceback is in runs/{folder.name}/error.log")
    assert "yield from (1 / 0 for each in interviews)" in (folder / "error.log").read_text()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "failed"


def test_in_python_its_own_type_comes_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        simbench.run(backend="breaks", scoring={"resamples": 10})


@pytest.mark.parametrize(
    ("name", "words"), [("refuses", "not with these settings"), ("stumbles", "check raised KeyError: 'nothing'")]
)
def test_what_the_backends_check_refuses_leaves_no_folder(
    command: Callable[..., CompletedProcess[str]], tmp_path: Path, name: str, words: str
) -> None:
    done = command(*QUICK, f"backend={name}")
    assert done.returncode == (2 if name == "refuses" else 1)
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in (tmp_path / "runs").glob("information*")] == []
