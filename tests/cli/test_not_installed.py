"""A default or a study's part that is not installed matters only to who uses it, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Command = Callable[..., CompletedProcess[str]]
QUICK = ("scoring.resamples=10", "scoring.splits=2", "scoring.floors=1", "metric=js_distance", "sampler.n=40")
INSTALL = "backend 'local' is in the distribution simbench-local, which is not installed: pip install simbench-local"


@pytest.fixture(autouse=True)
def core_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no model backend and no study of the shelf were there."""
    left_out = ("local", "openai", "anthropic", "studies")
    monkeypatch.setenv("SIMBENCH_DISABLE_PLUGINS", ",".join(f"simbench-{name}" for name in left_out))


@pytest.mark.parametrize(
    "words", [(), ("--help",), ("-m", "--help"), ("--cfg", "job"), ("estimate", "backend=uniform")], ids=str
)
def test_what_does_not_use_the_default_works(command: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "words",
    ["backend.rank=3", "estimate", "-m seed=0,1", "-m backend=uniform,local", "+study=ablation"],
)
def test_what_uses_it_says_what_to_install(command: Command, tmp_path: Path, words: str) -> None:
    done = command(*words.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"simbench: {INSTALL}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_sweep_over_backends_and_the_cells_of_a_study_run(command: Command, tmp_path: Path) -> None:
    swept = command("-m", *QUICK, "backend=uniform,majority")
    assert "2 of 2 runs done" in swept.stdout, swept.stderr
    cell = command("+study=ablation", "cell=unadapted", *QUICK[:4], "backend=uniform,uniform")
    assert "2 of 2 runs done" in cell.stdout, cell.stderr
    assert json.loads(command("status", "--json").stdout)["missing"] == []


def test_a_cell_that_needs_another_study_is_refused_before_any_runs(command: Command, tmp_path: Path) -> None:
    done = command("+study=cross_paradigm", "backend=uniform")
    assert done.returncode == 2
    assert "pip install simbench-studies" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_what_hydra_refuses_leaves_no_plan(command: Command, tmp_path: Path) -> None:
    done = command("-m", *QUICK, "backend=uniform,majority", "hydra/launcher=nowhere")
    assert done.returncode == 2
    assert json.loads(command("status", "--json", str(tmp_path)).stdout)["missing"] == []
    assert not list(tmp_path.rglob("plan.json"))


@pytest.mark.parametrize("out", ["out='a b'", "++out=a b", "out=${oc.env:FOLDER}"])
def test_a_sweep_and_its_runs_are_noted_in_one_folder(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.setenv("FOLDER", "a b")
    done = command("-m", *QUICK, "backend=uniform,majority", out)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a b"]
    counts = json.loads(command("status", "--json", "a b").stdout)["counts"]
    assert counts == {"done": 2, "failed": 0, "running": 0, "interrupted": 0, "missing": 0}


@pytest.mark.parametrize("out", ["out=a,b", "out=x_${seed}", "++out=choice(a,b)"])
def test_a_sweep_has_one_folder_of_runs(command: Command, tmp_path: Path, out: str) -> None:
    done = command("-m", *QUICK, "backend=uniform", "seed=0,1", out)
    assert done.returncode == 2
    assert "all runs of a sweep go to one folder" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_configuration_is_shown_of_one_run(command: Command, tmp_path: Path) -> None:
    done = command("-m", *QUICK, "backend=uniform,majority", "--cfg", "job")
    assert (done.returncode, done.stderr) == (2, "simbench: --cfg shows one run; leave out -m, and give no study\n")
    assert not list(tmp_path.iterdir())
