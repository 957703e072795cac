"""A sweep on a real local Ray cluster of two worker nodes: one is killed, the driver is killed; nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="hydra-ray-launcher is not installed")
pytestmark = pytest.mark.slow

QUICK = ("scoring.resamples=10", "scoring.splits=2", "scoring.floors=1", "metric=[js_distance]")
SWEEP = ("-m", "experiment=small", "backend=slow", "sampler=random", "sampler.n=10", *QUICK, "launcher=ray_cluster")
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

small = {"object_store_memory": 80 * 1024**2}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
workers = [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "kill":
        cluster.remove_node(workers.pop(), allow_graceful=False)
        print("killed", flush=True)
cluster.shutdown()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A cluster in a process of its own; a line ``kill`` on its standard input kills a worker node at once."""
    with (tmp_path / "cluster.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    yield process
    process.communicate(timeout=120)


def start(home: Path, address: str, *words: str) -> subprocess.Popen[bytes]:
    with (home / "sweep.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "simbench", *SWEEP, f"hydra.launcher.ray.init.address='{address}'", *words],
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def line_of(cluster: subprocess.Popen[str]) -> str:
    assert cluster.stdout is not None
    return cluster.stdout.readline().strip()


def lines(home: Path) -> list[list[str]]:
    log = home / "asked.log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def wait_for(home: Path, answers: int) -> None:
    deadline = time.monotonic() + 240
    while len(lines(home)) < answers:
        assert time.monotonic() < deadline, (home / "sweep.log").read_text()[-3000:]
        time.sleep(0.1)


def done_once(home: Path, runs: int, in_flight: int) -> None:
    """Every run is done, and nobody was asked twice but whoever was being asked at a kill."""
    manifests = [json.loads(path.read_text()) for path in (home / "runs").glob("*/manifest.json")]
    assert [manifest["status"] for manifest in manifests] == ["done"] * runs
    counted = Counter((run, participant) for run, participant, _ in lines(home))
    assert len(counted) == 50 * runs
    assert sum(counted.values()) - len(counted) <= in_flight


def test_a_worker_killed_in_the_middle(home: Path, cluster: subprocess.Popen[str]) -> None:
    sweep = start(home, line_of(cluster), "seed=range(6)", "backend.pause=0.05")
    wait_for(home, 60)
    assert cluster.stdin is not None
    cluster.stdin.write("kill\n")
    cluster.stdin.flush()
    assert line_of(cluster) == "killed"
    assert sweep.wait(timeout=400) == 0, (home / "sweep.log").read_text()[-3000:]
    done_once(home, 6, 1)
    assert len({process for _, _, process in lines(home)}) >= 2


def test_the_driver_killed_at_ten_moments(home: Path, cluster: subprocess.Popen[str]) -> None:
    address, words, killed = line_of(cluster), ("seed=range(6)", "backend.pause=0.05"), 0
    for pause in np.random.default_rng(11).uniform(2.0, 14.0, size=10):
        sweep = start(home, address, *words)
        try:
            sweep.wait(timeout=float(pause))
        except subprocess.TimeoutExpired:
            os.killpg(sweep.pid, signal.SIGKILL)
            sweep.wait()
            killed += 1
    assert killed
    last = start(home, address, *words)
    assert last.wait(timeout=400) == 0, (home / "sweep.log").read_text()[-3000:]
    done_once(home, 6, 2 * killed)
