"""The command line as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pytest

Command = Callable[..., CompletedProcess[str]]
QUICK = ("experiment=information_disclosure", "scoring.resamples=20", "scoring.splits=5", "scoring.floors=2")


def manifests(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*/manifest.json"))]


def test_a_run_prints_its_table_and_folder(command: Command, tmp_path: Path) -> None:
    done = command(*QUICK, "backend=uniform", "sampler.n=40")
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("run folder: runs/information_disclosure-uniform-balanced-")
    folder = tmp_path / last.removeprefix("run folder: ")
    names = {path.name for path in folder.iterdir()}
    products = {
        "manifest.json",
        "people.parquet",
        "pilot.parquet",
        "responses.jsonl",
        "responses.parquet",
        "scores.parquet",
    }
    assert products <= names
    for word in (
        "floor",
        "ceiling",
        "humans (SYNTHETIC)",
        "js_distance (mean)",
        "889 ok, 0 invalid, 0 refused, 0 failed",
    ):
        assert word in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    again = command(*QUICK, "backend=uniform", "sampler.n=40")
    assert again.stdout == done.stdout


def test_a_sweep_has_one_done_run_per_combination(command: Command, tmp_path: Path) -> None:
    done = command("-m", *QUICK, "backend=uniform,majority", "sampler=random,balanced", "sampler.n=40")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 runs done" in done.stdout
    found = manifests(tmp_path)
    assert [each["status"] for each in found] == ["done"] * 4
    assert len({each["run_id"] for each in found}) == 4


def test_the_sweeps_flag_stands_anywhere(command: Command) -> None:
    done = command("backend=uniform,majority", "--multirun", *QUICK, "sampler.n=40", "metric=[js_distance]")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs done" in done.stdout


def test_a_failing_cell_does_not_stop_the_sweep(command: Command, tmp_path: Path) -> None:
    done = command("-m", *QUICK, "backend=majority,uniform", "sampler=none")
    assert done.returncode == 2
    assert "1 of 2 runs done" in done.stdout
    assert "failed: #0" in done.stderr
    assert "learns from a pilot" in done.stderr
    assert [each["status"] for each in manifests(tmp_path)] == ["done"]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["experiment=framng"], "there is no experiment 'framng'; did you mean 'framing'?"),
        (["experimnt=framing"], "there is no setting 'experimnt'; did you mean 'experiment'?"),
        (
            ["backend=uniform", "sampler.fractoin=0.2"],
            "there is no setting 'sampler.fractoin'; did you mean 'fraction'?",
        ),
        (
            ["backend=uniform", "sampler.n=abc"],
            "sampler.n: Value 'abc' of type 'str' could not be converted to Integer",
        ),
        (["backend=uniform", "sampler.fraction=1.5"], "sampler.fraction: expected a number in (0, 1]; found 1.5"),
        (["backend=uniform", "sampler.fraction=0"], "sampler.fraction: expected a number in (0, 1]; found 0.0"),
        (["backend=uniform", "sampler.n=5", "sampler.fraction=0.5"], "give n or fraction, not both"),
        (["backend=uniform", "sampler.n=5000"], "sampler.n=5000 is more than the 929 people"),
        (["backend=uniform", "sampler=random", "sampler.groups=9"], "expected 1 to 8 groups; found 9"),
        (["backend=uniform", "sampler=random", "sampler.fraction=1"], "nobody is held out"),
        (["backend=majority", "sampler=none"], "learns from a pilot"),
        (["backend=uniform", "evaluate=some"], "evaluate: expected one of heldout, reserved, all; found 'some'"),
        (["backend=uniform", "out=/dev/null/x"], "something else is in its place"),
        (["plugns"], "there is no verb 'plugns'; did you mean 'plugins'?"),
        (["show", "sampler", "balancd"], "did you mean 'balanced'?"),
    ],
)
def test_a_slip_is_answered_in_one_line(command: Command, tmp_path: Path, words: list[str], answer: str) -> None:
    done = command(*words)
    assert done.returncode == 2, done.stderr
    assert answer in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert manifests(tmp_path) == []


def test_hydra_users_find_what_they_expect(command: Command) -> None:
    shown = command("backend=uniform", "--cfg", "job")
    assert shown.returncode == 0
    assert "name: information_disclosure" in shown.stdout
    assert "evaluate: heldout" in shown.stdout
    helped = command("--help")
    assert helped.returncode == 0
    assert "simbench -m" in helped.stdout
    assert "balanced" in helped.stdout
    completion = command("-sc", "install=bash")
    assert completion.returncode == 0
    assert "complete" in completion.stdout


def test_show_tells_every_setting(command: Command) -> None:
    shown = command("show", "sampler", "balanced")
    for word in (
        "sampler.n: int | None = none",
        "sampler.by",
        "profile variable to balance over",
        "simbench sampler=balanced",
    ):
        assert word in shown.stdout


def test_the_table_says_with_whom_was_compared(command: Command) -> None:
    for evaluate, words in (("reserved", "people reserved from every pilot"), ("heldout", "held-out people")):
        told = command(*QUICK, "backend=uniform", f"evaluate={evaluate}").stdout
        assert f"compared ({words})" in " ".join(told.split())


def test_other_scoring_rescores_without_asking_again(command: Command, tmp_path: Path) -> None:
    command(*QUICK, "backend=uniform", "sampler.n=40")
    (folder,) = (tmp_path / "runs").glob("information*")
    journal = (folder / "responses.jsonl").read_bytes()
    done = command(*QUICK, "backend=uniform", "sampler.n=40", "metric=[js_distance]")
    assert done.returncode == 0, done.stderr
    assert (folder / "responses.jsonl").read_bytes() == journal
    metrics = set(pd.read_parquet(folder / "scores.parquet")["metric"])
    assert {"js_distance", "js_distance_joint"} <= metrics
    assert all(name.startswith("js_distance") for name in metrics)
