"""Sweeps: plan and status, failures retried only when asked, one process per run, no waste after kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

QUICK = ("scoring.resamples=10", "scoring.splits=2", "scoring.floors=1", "metric=[js_distance]")
COMMON = ("experiment=small", "backend=slow", "sampler=random", "sampler.n=10", *QUICK)


def simbench(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simbench", *words], cwd=home, capture_output=True, text=True, timeout=300, check=False
    )


def status(home: Path) -> dict[str, Any]:
    found = simbench(home, "status", "--json")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def start(home: Path, *words: str) -> subprocess.Popen[bytes]:
    with (home / "stderr.log").open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "simbench", *words],
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )


def asked(home: Path) -> Counter[tuple[str, str]]:
    """How often each participant of each run was asked about."""
    lines = (home / "asked.log").read_text().splitlines()
    return Counter((line.split()[0], line.split()[1]) for line in lines)


def test_failures_are_listed_with_their_reason_and_retried_when_asked(home: Path) -> None:
    sweep = ("-m", *COMMON, "seed=0,1", "backend.broken=false,true")
    first = simbench(home, *sweep)
    assert first.returncode == 1
    assert "2 of 4 runs done" in first.stdout
    found = status(home)
    assert found["counts"] == {"done": 2, "failed": 2, "running": 0, "interrupted": 0, "missing": 0}
    assert {each["reason"] for each in found["failed"]} == {"RuntimeError: it is broken"}
    assert found["spend"]["tokens"] == {"input": 2 * 50 * 5}
    (home / "mended").touch()
    again = simbench(home, *sweep)
    assert again.returncode != 0
    assert "retry_failed=true" in again.stderr
    assert status(home)["counts"]["failed"] == 2
    retried = simbench(home, *sweep, "retry_failed=true")
    assert retried.returncode == 0, retried.stderr
    assert status(home)["counts"] == {"done": 4, "failed": 0, "running": 0, "interrupted": 0, "missing": 0}
    assert set(asked(home).values()) == {1}


def test_a_single_run_that_failed_goes_on_unasked(home: Path) -> None:
    words = (*COMMON, "backend.broken=true", "report=false")
    assert simbench(home, *words).returncode == 1
    (home / "mended").touch()
    assert simbench(home, *words).returncode == 0


def test_two_processes_never_do_the_same_run(home: Path) -> None:
    both = [start(home, *COMMON, "backend.pause=0.02", "report=false") for _ in range(3)]
    codes = sorted(process.wait(timeout=240) for process in both)
    assert codes[0] == 0
    assert set(codes) <= {0, 2}
    assert set(asked(home).values()) == {1}


def test_status_tells_running_from_interrupted_and_missing(home: Path) -> None:
    process = start(home, "-m", *COMMON, "seed=0,1,2", "backend.pause=0.2")
    deadline = time.monotonic() + 120
    while not (home / "asked.log").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    counts = status(home)["counts"]
    assert counts["running"] == 1
    assert counts["missing"] == 2
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    counts = status(home)["counts"]
    assert (counts["running"], counts["interrupted"], counts["missing"]) == (0, 1, 2)


LAUNCHER = """
import signal, sys
from simbench.cli import main

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
sys.exit(main())
"""


def test_a_worker_that_its_launcher_ends_is_interrupted_and_has_not_failed(home: Path) -> None:
    words = ("-m", *COMMON, "backend.pause=0.05")
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, *words], cwd=home, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (home / "asked.log").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode != 0
    counts = status(home)["counts"]
    assert (counts["interrupted"], counts["failed"]) == (1, 0)
    again = simbench(home, *words)
    assert again.returncode == 0, again.stderr
    assert sum(asked(home).values()) <= 51


def killed(home: Path, sweep: tuple[str, ...], kills: int, seed: int, longest: float) -> None:
    """Kill the sweep's whole process group at random moments, then let it end; every run is done exactly once."""
    happened = 0
    for pause in np.random.default_rng(seed).uniform(1.5, longest, size=kills):
        process = start(home, *sweep)
        try:
            process.wait(timeout=float(pause))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            happened += 1
    assert happened
    last = simbench(home, *sweep)
    assert last.returncode == 0, last.stderr[-2000:]
    runs = [path for path in (home / "runs").iterdir() if (path / "manifest.json").exists()]
    manifests = [json.loads((run / "manifest.json").read_text()) for run in runs]
    assert [manifest["status"] for manifest in manifests] == ["done"] * len(runs)
    counted = asked(home)
    for run in runs:
        people = [participant for name, participant in counted if name == run.name]
        assert len(people) == 50
        lines = [json.loads(line) for line in (run / "responses.jsonl").read_text().splitlines()]
        assert len({line["participant_id"] for line in lines}) == len(lines) == 50
    wasted = sum(counted.values()) - len(counted)
    assert wasted <= happened * 2  # at most what was in flight in each of two workers
    assert status(home)["counts"]["done"] == len(runs)


@pytest.mark.slow
def test_kill_9_at_ten_moments_under_joblib(home: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed")
    sweep = ("-m", *COMMON, "seed=range(6)", "backend.pause=0.03", "launcher=joblib", "hydra.launcher.n_jobs=2")
    killed(home, sweep, 10, 7, 12.0)


@pytest.mark.slow
def test_submitits_local_executor(home: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="hydra-submitit-launcher is not installed")
    sweep = ("-m", *COMMON, "seed=0,1,2", "launcher=submitit_local", "hydra.launcher.timeout_min=5")
    done = simbench(home, *sweep)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "3 of 3 runs done" in done.stdout
    assert status(home)["counts"]["done"] == 3
    assert len({line.split()[2] for line in (home / "asked.log").read_text().splitlines()}) == 3


def test_a_cell_without_a_pilot_is_left_out_for_a_backend_that_needs_one(home: Path) -> None:
    """`+study=sample_size backend=tabular` failed in 3 of 27 cells."""
    words = ("experiment=small", *QUICK, "+study=sample_size", "cell=unadapted,random_15", "seed=0")
    found = simbench(home, *words, "backend=majority")
    assert found.returncode == 0, found.stderr
    assert "1 of 1 runs done" in found.stdout
    assert "left out: backend 'majority' learns from a pilot, and the cell 'unadapted' draws none" in found.stdout
    assert simbench(home, "experiment=small", "backend=majority", "sampler=none").returncode != 0
    assert status(home)["counts"]["failed"] == 0
