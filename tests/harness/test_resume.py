"""A run that is killed goes on from what is on disk, asks nothing twice but what was in flight, and ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SLOW = '''
import time
from pathlib import Path

from simbench import Answer, Backend, Model, hookimpl
from simbench.stats.rng import generator


class Slow(Backend):
    """Uniform answers, slowly; writes down what it was asked."""

    name = "slow"

    def adapt(self, pilot, workspace):
        with Path("adapted.log").open("a") as log:
            log.write("begun\\n")
        time.sleep(0.3)
        return Model("test", "slow")

    def respond(self, model, interviews, workspace):
        for each in interviews:
            with Path("asked.log").open("a") as log:
                log.write(f"{each.participant_id}\\n")
            time.sleep(0.002)
            rng = generator(workspace.seed, *each.key)
            answers = {item.name: item.values[int(rng.integers(len(item.values)))] for item in each.items}
            yield Answer(*each.key, "ok", answers)


@hookimpl
def simbench_backends():
    return (Slow,)
'''
WORDS = ("experiment=information_disclosure", "backend=slow", "sampler=random", "sampler.n=400")
QUICK = ("scoring.resamples=20", "scoring.splits=5", "scoring.floors=2")


def start(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "simbench_plugins.py").write_text(SLOW)
    return subprocess.Popen(
        [sys.executable, "-m", "simbench", *WORDS, *QUICK],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def finished(folder: Path) -> Path:
    process = start(folder)
    assert process.wait(timeout=240) == 0
    (run,) = (folder / "runs").glob("information*")
    return run


@pytest.mark.slow
def test_kill_at_random_moments(tmp_path: Path) -> None:
    (calm := tmp_path / "calm").mkdir()
    (rough := tmp_path / "rough").mkdir()
    undisturbed = finished(calm)
    kills = 0
    for pause in np.random.default_rng(3).uniform(0.6, 3.5, size=6):
        process = start(rough)
        try:
            process.wait(timeout=float(pause))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    disturbed = finished(rough)
    assert kills >= 3
    assert json.loads((disturbed / "manifest.json").read_text())["status"] == "done"
    for name in ("responses.parquet", "scores.parquet", "people.parquet", "pilot.parquet"):
        pd.testing.assert_frame_equal(pd.read_parquet(disturbed / name), pd.read_parquet(undisturbed / name))
    asked = Counter((rough / "asked.log").read_text().split())
    assert len(asked) == 529
    assert sum(asked.values()) - len(asked) <= kills  # one answer at a time is in flight
    assert not list(disturbed.glob(".*.tmp")) or (disturbed / "scores.parquet").exists()


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    run = finished(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir() if path.is_file()}
    asked = (tmp_path / "asked.log").read_text()
    time.sleep(0.01)
    assert finished(tmp_path) == run
    assert (tmp_path / "asked.log").read_text() == asked
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir() if path.is_file()} == before
