"""A crowd to ask through the whole of simbench, as a user's process would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simbench_api.testing import Faults, RemoteServer

CROWD = '''
import numpy as np
import pandas as pd
from dataclasses import dataclass
from simbench import Experiment, Factor, Item, Profile, hookimpl, setting


@dataclass(frozen=True)
class CrowdConfig:
    people: int = setting(200, "how many")


class Crowd(Experiment[CrowdConfig]):
    """A crowd that is made up."""

    name = "crowd"
    Config = CrowdConfig
    factors = (Factor("stake", ("low", "high")),)
    profile = (Profile("age", bins=(30, 50)), Profile("group", levels=("a", "b", "c")))
    items = (
        Item("expected", "belief", "How much will come back?", ("nothing", "half", "all")),
        Item("sure", "belief", "How sure are you?", {n: str(n) for n in range(1, 6)}),
        Item("sent", "decision", "Do you send your money?", {0: "no", 1: "yes"}),
    )
    synthetic = True

    def load(self):
        rng, n = np.random.default_rng(1), self.config.people
        return pd.DataFrame({
            "participant_id": [f"p{i}" for i in range(n)],
            "age": rng.integers(18, 80, n), "group": rng.choice(["a", "b", "c"], n),
            "stake": rng.choice(["low", "high"], n), "expected": rng.choice(["nothing", "half", "all"], n),
            "sure": rng.integers(1, 6, n), "sent": rng.integers(0, 2, n),
        })


@hookimpl
def simbench_experiments():
    return (Crowd,)
'''
SECRET = "sk-do-not-show-me-anywhere"
TAKES = "{json_schema: true, seed: true, batch: true, finetune: true, thinking: false}"


@pytest.fixture
def stand_in() -> Iterator[RemoteServer]:
    """The stand-in as a process of its own, so that it outlives its clients."""
    words = [sys.executable, "-m", "simbench_api.testing.server", "--latency", "0.01"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield RemoteServer(json.loads(process.stdout.readline())["port"])
        process.terminate()


@pytest.fixture
def simbench(tmp_path: Path, stand_in: RemoteServer) -> Callable[..., subprocess.Popen[str]]:
    """Start ``simbench experiment=crowd backend=openai WORDS`` against the stand-in in an own folder."""
    (tmp_path / "simbench_plugins.py").write_text(CROWD)
    stand_in.set_faults(Faults())

    def start(*words: str, log: str = "log.txt", plain: bool = False) -> subprocess.Popen[str]:
        fixed = ["experiment=crowd", "backend=openai", "backend.model=gpt-4.1", "sampler=none", "metric=js_distance"]
        fixed += [f"backend.base_url={stand_in.openai_url}", f"backend.capabilities={TAKES}"]
        fixed += ["backend.poll_seconds=0.05", "backend.give_up_after=60"]
        fixed += ["scoring.resamples=20", "scoring.splits=2", "scoring.floors=2"]
        told = {
            "OPENAI_API_KEY": SECRET,
            "ANTHROPIC_API_KEY": SECRET,
            "OPENAI_BASE_URL": stand_in.openai_url,
            "ANTHROPIC_BASE_URL": stand_in.anthropic_url,
        }
        with (tmp_path / log).open("a") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "simbench", *(() if plain else fixed), *words],
                cwd=tmp_path,
                env={**os.environ, **told},
                stdout=file,
                stderr=file,
                text=True,
            )

    return start
