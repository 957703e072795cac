"""kill -9 at random moments: what was paid for is not paid for twice, and the results do not change."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simbench_api.testing import Faults, RemoteServer

PEOPLE, CONCURRENCY = 120, 8
MODES = {
    "live": ("backend.adapt=none",),
    "finetune": ("backend.adapt=finetune", "sampler=random", "sampler.n=30"),
    "batch": ("backend.mode=batch", "backend.adapt=none", "backend.batch_size=50"),
}
CHAT = "POST /v1/chat/completions"


def seen(server: RemoteServer) -> int:
    """Requests that this moment matters by: everything the server was sent."""
    return int(server.summary()["requests"])


def kill_at(process, server: RemoteServer, moment: int) -> bool:
    """Kill -9 once the server has seen ``moment`` requests; False where the process ended before."""
    while process.poll() is None:
        if seen(server) >= moment:
            process.kill()
            process.wait()
            return True
    assert process.returncode == 0
    return False


def results(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    (run,) = folder.glob("crowd-openai-*")
    assert json.loads((run / "manifest.json").read_text())["status"] == "done"
    frame = pd.read_parquet(run / "responses.parquet")
    return frame, pd.read_parquet(run / "scores.parquet")


def killed_run(simbench, server: RemoteServer, folder: Path, mode: str, kills: int, seed: int) -> int:
    """A run that is killed at seeded moments and started again until it is done; returns the kills."""
    rng = np.random.default_rng(seed)
    words = (f"experiment.people={PEOPLE}", f"backend.concurrency={CONCURRENCY}", *MODES[mode])
    done = 0
    while done < kills:
        step = int(rng.integers(1, 15 if mode == "live" else 5))
        if not kill_at(simbench(*words), server, seen(server) + step):
            break
        done += 1
    assert simbench(*words).wait(300) == 0, (folder / "log.txt").read_text()
    return done


def prove(simbench, server: RemoteServer, folder: Path, mode: str, kills: int, seed: int) -> int:
    server.set(job_seconds=0.6, batch_seconds=0.4)
    done = killed_run(simbench, server, folder, mode, kills, seed)
    state = server.summary()
    people = PEOPLE - (30 if mode == "finetune" else 0)
    asked = Counter(entry.body for entry in server.log if f"{entry.method} {entry.path}" == CHAT)
    if mode == "batch":
        assert len(state["batches"]) == 3
        assert not asked
    else:
        assert len(asked) == people
        assert sum(asked.values()) - people <= done * CONCURRENCY
    assert len(state["jobs"]) == (1 if mode == "finetune" else 0)
    undisturbed = (f"experiment.people={PEOPLE}", *MODES[mode], "out=undisturbed")
    assert simbench(*undisturbed).wait(300) == 0
    for one, two in zip(results(folder / "runs"), results(folder / "undisturbed"), strict=True):
        pd.testing.assert_frame_equal(one, two)
    return done


def test_a_kill_while_answering(simbench, stand_in, tmp_path) -> None:
    assert prove(simbench, stand_in, tmp_path, "live", kills=1, seed=1) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "kills", "seed"), [("live", 8, 11), ("finetune", 6, 12), ("batch", 6, 13)])
def test_twenty_kills(simbench, stand_in, tmp_path, mode, kills, seed) -> None:
    """Twenty in all; creations lose their answers on top, so that the runs must find what they made."""
    stand_in.set_faults(Faults(seed=seed, lost_creation=0.5))
    assert prove(simbench, stand_in, tmp_path, mode, kills, seed) == kills
