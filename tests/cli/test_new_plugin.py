"""Plugins as they are generated: they type, lint, are found, pass their checks, and take part in a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import simbench
from simbench.cli import main
from simbench.plugin.hookspecs import KINDS
from simbench.plugin.manager import INLINE, load_plugins

ROOT = Path(__file__).parents[2]
FEW = {"resamples": 5, "splits": 2, "floors": 1, "baseline_resamples": 2, "swaps": 0}


def test_parts_in_one_file_pass_their_checks_and_run_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in KINDS:
        assert main(["new", "plugin", f"my_{kind}", "--kind", kind]) == 0
    assert not load_plugins().broken
    for kind in KINDS:
        assert main(["check", kind, f"my_{kind}"]) == 0, capsys.readouterr().out
    done = simbench.run("my_experiment", "my_backend", "my_sampler", metric=["my_metric"], scoring=FEW)
    assert done.manifest["status"] == "done"
    assert not done.manifest["metric_faults"]
    assert set(done.scores["metric"]) == {"my_metric"}
    before = Path(f"{INLINE}.py").read_text()
    assert main(["new", "plugin", "another", "--kind", "sampler"]) == 2
    assert "has a function simbench_samplers already" in capsys.readouterr().err
    assert Path(f"{INLINE}.py").read_text() == before


def test_distributions_type_lint_and_test_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in KINDS:
        assert main(["new", "plugin", f"our_{kind}", "--kind", kind, "--package", f"simbench-our-{kind}"]) == 0
    folders = sorted(tmp_path.glob("simbench-our-*"))
    assert len(folders) == len(KINDS)
    sources = os.pathsep.join(str(folder / "src") for folder in folders)
    found = {**os.environ, "MYPYPATH": sources, "PYTHONPATH": sources}
    files = [str(file) for folder in folders for file in folder.rglob("*.py")]

    def carried_out(*words: str, cwd: Path = ROOT) -> CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", *words], cwd=cwd, env=found, capture_output=True, text=True)

    typed = carried_out("mypy", *files)  # with the strict settings of this repository, whose cache it shares
    assert not [line for line in typed.stdout.splitlines() if "our_" in line], typed.stdout + typed.stderr
    for folder in folders:
        for words in (("ruff", "check", "."), ("ruff", "format", "--check", ".")):
            linted = carried_out(*words, cwd=folder)
            assert linted.returncode == 0, linted.stdout
    tests = [str(folder / "tests") for folder in folders]
    tested = carried_out("pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *tests, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout


def test_a_distribution_is_found_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "plugin", "ours", "--kind", "sampler", "--package", "simbench-lab"]) == 0
    command = ["pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", "there", "./simbench-lab"]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    code = (
        "from simbench.plugin.manager import load_plugins; print(load_plugins().get('sampler', 'ours').distribution)"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "simbench-lab"


@pytest.mark.parametrize(
    "words", [["1st", "--kind", "sampler"], ["x-y", "--kind", "metric"], ["class", "--kind", "metric"]]
)
def test_names_that_cannot_be(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "plugin", *words]) == 2
    assert "a name is a letter" in capsys.readouterr().err
