"""A small study with a backend that misbehaves, and a few runs of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

import simbench
from simbench.harness.library import Runs, load_runs

PLUGIN = '''
import numpy as np
import pandas as pd

from simbench import Answer, Backend, Experiment, Factor, Item, Model, Profile, Regression, hookimpl
from simbench.stats.rng import generator

SCRIPT = "<script>document.title = 'taken over'</script><img src=x onerror=alert(1)>"


class Tiny(Experiment):
    """A made-up study of 160 people."""

    name = "tiny"
    factors = (Factor("stake", ("low", "high")),)
    profile = (Profile("age", bins=(30, 50)), Profile("gender", levels=("woman", "man")))
    items = (
        Item("hope", "belief", "How much <b>hope</b>?", {0: "none", 1: "some & more", 2: "much"}),
        Item("fear", "belief", "How much fear?", {0: "none", 1: "some", 2: "much"}),
        Item("act", "decision", "Do you act?", {0: "no", 1: "yes"}),
    )
    regressions = (Regression("act ~ C(stake) + hope + age", family="logit"),)

    def load(self):
        rng = np.random.default_rng(5)
        n = 160
        stake, age = rng.integers(2, size=n), rng.integers(18, 80, size=n)
        hope = np.clip(rng.integers(3, size=n) + (age > 45), 0, 2)
        return pd.DataFrame({
            "participant_id": [f"p{i}" for i in range(n)],
            "stake": np.array(["low", "high"])[stake],
            "age": age,
            "gender": np.array(["woman", "man"])[rng.integers(2, size=n)],
            "hope": hope,
            "fear": rng.integers(3, size=n),
            "act": (rng.random(n) < 0.2 + 0.25 * hope).astype(int),
        })

    def coherent(self, people):
        hope, fear, act = (people[name].astype("Int64") for name in ("hope", "fear", "act"))
        return ((hope > fear) == (act == 1)).mask(hope == fear)


class Odd(Backend):
    """Answers at random, writes markup, refuses sometimes."""

    name = "odd"

    def adapt(self, pilot, workspace):
        return Model("test", "odd")

    def respond(self, model, interviews, workspace):
        for each in interviews:
            rng = generator(workspace.seed, "odd", *each.key)
            answers = {item.name: item.values[int(rng.integers(len(item.values)))] for item in each.items}
            if rng.random() < 0.1:
                yield Answer(*each.key, "refused", text="I would rather not. " + SCRIPT, usage={"input": 7})
            else:
                yield Answer(*each.key, "ok", answers, text=SCRIPT, usage={"input": 7, "output": 3}, cost=0.001)


@hookimpl
def simbench_experiments():
    return (Tiny,)


@hookimpl
def simbench_backends():
    return (Odd,)
'''
QUICK = {"resamples": 60, "splits": 8, "floors": 3}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin and four runs of the study on the same people, and one on others."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "simbench_plugins.py").write_text(PLUGIN)
    with contextlib.chdir(folder):
        common = {"scoring": QUICK, "evaluate": "reserved", "out": "runs"}
        for backend, n in (("odd", 20), ("uniform", 20), ("resample", 20), ("resample", 60)):
            simbench.run("tiny", backend, {"name": "random", "n": n}, **common)
        simbench.run("tiny", "uniform", {"name": "random", "n": 30}, scoring=QUICK, out="other")
    return folder


@pytest.fixture
def runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The four runs on the same people, with the study's folder as the current one."""
    monkeypatch.chdir(home)
    return load_runs("runs")
