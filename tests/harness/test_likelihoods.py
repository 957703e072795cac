"""Runs ask how likely the model finds real people's answers, keep what it says, and ask nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import simbench
from simbench.errors import UnsupportedError
from simbench.harness.run import Run

SEER = '''
from dataclasses import dataclass
from pathlib import Path

from simbench import Answer, Backend, Model, hookimpl, setting


@dataclass(frozen=True)
class SeerSettings:
    fail_at: int = setting(0, "dies before it has said so many", runtime=True)


class Seer(Backend[SeerSettings]):
    """Gives half of the chance to what is true, and writes down what it was asked."""

    name = "seer"
    Config = SeerSettings

    def adapt(self, pilot, workspace):
        return Model("test", "seer")

    def respond(self, model, interviews, workspace):
        for each in interviews:
            yield Answer(*each.key, "ok", {item.name: item.values[0] for item in each.items})

    def score(self, model, transcripts, workspace):
        for count, each in enumerate(transcripts):
            if self.config.fail_at and count == self.config.fail_at:
                raise RuntimeError("struck by lightning")
            with Path("asked.log").open("a") as log:
                log.write(f"{each.interview.participant_id}\\n")
            chances = {}
            for item in each.interview.items:
                rest = 0.5 / (len(item.values) - 1)
                chances[item.name] = [0.5 if value == each.answers[item.name] else rest for value in item.values]
            yield Answer(*each.interview.key, "ok", each.answers, chances)


class Merchant(Seer):
    """The same, for money."""

    name = "merchant"
    scores_for_money = True


class Mute(Backend):
    """Says nothing of the kind."""

    name = "mute"
    adapt, respond = Seer.adapt, Seer.respond


@hookimpl
def simbench_backends():
    return (Seer, Merchant, Mute)
'''
MEAN = "metric == 'log_likelihood' and item == 'mean'"


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a backend of the plugin file on the reference people."""
    (tmp_path / "simbench_plugins.py").write_text(SEER)
    monkeypatch.chdir(tmp_path)

    def run(backend: Any, **settings: Any) -> Run:
        given = {"scoring": {"resamples": 20, "splits": 5, "floors": 2}, "metric": ["log_likelihood"]}
        given |= {"evaluate": "reserved", "reserve": 0.1}
        return simbench.run("information_disclosure", backend, {"name": "random", "n": 9}, **{**given, **settings})

    return run


def asked(folder: Path) -> list[str]:
    return (folder / "asked.log").read_text().split()


def test_everybody_outside_the_pilot_is_looked_up_once_and_kept(go: Any, tmp_path: Path) -> None:
    run = go("seer")
    assert run.scores.query(MEAN)["value"].item() == pytest.approx(-1)
    kept = pd.read_parquet(run.folder / "likelihoods.parquet")
    assert set(kept["participant_id"]) == set(run.people["participant_id"])
    assert "likelihoods.parquet" in run.manifest["products"]
    assert run.manifest["likelihood"]["outcomes"] == {"ok": len(run.people)}
    go("seer", scoring={"resamples": 30, "splits": 5, "floors": 2})  # scored anew: nobody is asked again
    simbench.rescore(run, "log_likelihood")
    assert len(asked(tmp_path)) == len(run.people)
    assert run.scores.query(MEAN)["value"].item() == pytest.approx(-1)


def test_what_was_said_before_a_failure_is_not_asked_again(go: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="lightning"):
        go({"name": "seer", "fail_at": 40})
    assert len(asked(tmp_path)) == 40
    run = go("seer")
    assert len(asked(tmp_path)) == len(set(asked(tmp_path))) == len(run.people)


def test_a_damaged_product_is_made_again_from_the_journal(go: Any, tmp_path: Path) -> None:
    run = go("seer")
    path = run.folder / "likelihoods.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert go("seer").run_id == run.run_id
    assert path.read_bytes() == whole
    assert len(asked(tmp_path)) == len(run.people)


def test_the_pilot_is_never_looked_up(go: Any, tmp_path: Path) -> None:
    run = go("seer", evaluate="all")
    assert len(run.people) == 929
    assert not set(asked(tmp_path)) & set(run.pilot["participant_id"])
    assert run.scores.query(MEAN)["n_human"].item() == 929 - 9


def test_nobody_is_asked_where_no_metric_wants_it(go: Any, tmp_path: Path) -> None:
    run = go("seer", metric=["value_action_gap"])
    assert not (tmp_path / "asked.log").exists()
    assert "likelihood=true asks" in run.manifest["likelihood"]["reason"]
    later = simbench.rescore(run, "log_likelihood")
    assert "was not asked" in later.scores.query(MEAN)["reason"].item()


def test_money_is_spent_on_it_only_where_the_user_says_so(go: Any, tmp_path: Path) -> None:
    run = go("merchant")
    assert "costs money: likelihood=true asks" in run.scores.query(MEAN)["reason"].item()
    assert not (tmp_path / "asked.log").exists()
    same = go("merchant", likelihood=True)
    assert same.run_id == run.run_id
    assert same.scores.query(MEAN)["value"].item() == pytest.approx(-1)


def test_a_backend_that_cannot_say_gives_a_missing_figure_with_the_reason(go: Any) -> None:
    run = go("mute")
    assert run.manifest["status"] == "done"
    assert go("mute", retry_failed=True, seed=1).manifest["status"] == "done"
    reason = run.scores.query(MEAN)["reason"].item()
    assert reason == "backend 'mute' does not say how likely it finds an answer"
    assert issubclass(UnsupportedError, simbench.errors.UserError)
