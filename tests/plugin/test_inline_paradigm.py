"""A paradigm in one simbench_plugins.py of under 60 lines, run end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd

Command = Callable[..., CompletedProcess[str]]

PARADIGM = '''
from dataclasses import dataclass

import numpy as np
import pandas as pd

from simbench import Experiment, Factor, Item, Profile, Regression, hookimpl, setting


@dataclass(frozen=True)
class TrustGameConfig:
    people: int = setting(120, "how many people the toy data hold")


class TrustGame(Experiment[TrustGameConfig]):
    """Trust game with a low and a high stake; toy people."""

    name = "stake_game"
    Config = TrustGameConfig
    factors = (Factor("stake", ("low", "high")),)
    profile = (Profile("age", bins=(30, 50)), Profile("gender", levels=("woman", "man")))
    items = (
        Item("expected", "belief", "How much will come back?", ("nothing", "half", "all")),
        Item("sent", "decision", "Do you send your money?", {0: "no", 1: "yes"}),
    )
    regressions = (Regression("sent ~ C(stake) + age", family="logit"),)
    synthetic = True

    def load(self):
        rng = np.random.default_rng(1)
        n = self.config.people
        expected = rng.choice(["nothing", "half", "all"], n)
        return pd.DataFrame(
            {
                "participant_id": [f"p{i}" for i in range(n)],
                "age": rng.integers(18, 80, n),
                "gender": rng.choice(["woman", "man"], n),
                "stake": rng.choice(["low", "high"], n),
                "expected": expected,
                "sent": (rng.random(n) < np.where(expected == "all", 0.8, 0.3)).astype(int),
            }
        )

    def coherent(self, people):
        agrees = (people["expected"] == "all") == (people["sent"] == 1)
        return agrees.astype("boolean").where(people["expected"].isin(["nothing", "all"]))


@hookimpl
def simbench_experiments():
    return (TrustGame,)
'''


def test_a_paradigm_in_one_short_file(command: Command, tmp_path: Path) -> None:
    assert len(PARADIGM.strip().splitlines()) < 60
    (tmp_path / "simbench_plugins.py").write_text(PARADIGM)
    done = command(
        "experiment=stake_game", "experiment.people=80", "backend=uniform", "sampler.n=20", "scoring.resamples=50"
    )
    assert done.returncode == 0, done.stderr
    assert "SYNTHETIC" in done.stdout
    (folder,) = (tmp_path / "runs").glob("stake_game-*")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["humans"]["n"] == 80
    assert manifest["humans"]["n_evaluated"] == 60
    assert manifest["humans"]["synthetic"] is True
    scores = pd.read_parquet(folder / "scores.parquet")
    assert {"js_distance", "value_action_gap", "unique_structures", "f1_sign"} <= set(scores["metric"])
    assert len(pd.read_parquet(folder / "responses.parquet")) == 60
    shown = command("show", "experiment", "stake_game")
    assert "how many people the toy data hold" in shown.stdout
