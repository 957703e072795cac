"""A tiny study and a slow backend that writes down what it was asked, for sweeps that are killed."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGIN = '''
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from simbench import Answer, Backend, Experiment, Factor, Item, Model, Profile, hookimpl, setting
from simbench.stats.rng import generator
from dataclasses import dataclass

HOME = Path(__file__).parent


class Small(Experiment):
    """A made-up study of 60 people."""

    name = "small"
    factors = (Factor("stake", ("low", "high")),)
    profile = (Profile("age", bins=(30, 50)),)
    items = (
        Item("hope", "belief", "How much hope?", {0: "none", 1: "some", 2: "much"}),
        Item("act", "decision", "Do you act?", {0: "no", 1: "yes"}),
    )

    def load(self):
        rng = np.random.default_rng(5)
        return pd.DataFrame({
            "participant_id": [f"p{i}" for i in range(60)],
            "stake": np.array(["low", "high"])[np.arange(60) % 2],
            "age": rng.integers(18, 80, size=60),
            "hope": rng.integers(3, size=60),
            "act": rng.integers(2, size=60),
        })


@dataclass(frozen=True)
class SlowConfig:
    pause: float = setting(0.0, "seconds per answer", runtime=True)
    broken: bool = setting(False, "whether it fails")


class Slow(Backend):
    """Uniform answers; writes down which run finished answering, and who it was asked about."""

    name = "slow"
    Config = SlowConfig

    def adapt(self, pilot, workspace):
        return Model("test", "slow")

    def respond(self, model, interviews, workspace):
        if self.config.broken and not (HOME / "mended").exists():
            raise RuntimeError("it is broken")
        for each in interviews:
            time.sleep(self.config.pause)
            with (HOME / "asked.log").open("a") as log:
                log.write(f"{workspace.run_id} {each.participant_id} {os.getpid()}\\n")
            rng = generator(workspace.seed, *each.key)
            answers = {item.name: item.values[int(rng.integers(len(item.values)))] for item in each.items}
            yield Answer(*each.key, "ok", answers, usage={"input": 5})


@hookimpl
def simbench_experiments():
    return (Small,)


@hookimpl
def simbench_backends():
    return (Slow,)
'''
QUICK = ("scoring.resamples=10", "scoring.splits=2", "scoring.floors=1", "metric=js_distance")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder with the plugin."""
    (tmp_path / "simbench_plugins.py").write_text(PLUGIN)
    return tmp_path
