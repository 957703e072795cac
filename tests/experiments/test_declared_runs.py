"""A declared experiment run end to end: within-subject, with an option that some conditions do not offer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import simbench
from simbench.harness.kept import study_of
from simbench.harness.rescoring import rescore
from simbench.plugin.manager import load_plugins

STUDY = {
    "name": "exit",
    "introduction": "A game.",
    "vignettes": "Taking part is {part}.",
    "factors": {"part": {"A": "mandatory", "F": "voluntary"}},
    "profile": {"trust": {"levels": [1, 2, 3]}},
    "items": {
        "hope": {"role": "belief", "text": "How many join?", "bins": [0, 5, 10], "top": 10},
        "action": {
            "role": "decision",
            "text": "What do you do?",
            "options": {"C": "cooperate", "D": "keep", "L": "leave"},
            "ordered": False,
            "only": {"L": {"part": ["F"]}},
        },
    },
    "person": "pid",
    "coherence": "(hope >= 5) == (action == 'C')",
    "regressions": ["hope ~ C(part) + trust"],
    "data": "exit.csv",
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """60 people in two conditions each; leaving is the most frequent action where it is offered."""
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(60), 2)
    part = np.tile(["A", "F"], 60)
    frame = pd.DataFrame(
        {
            "participant_id": [f"{pid}{how}" for pid, how in zip(people, part, strict=True)],
            "pid": people,
            "trust": np.repeat(rng.integers(1, 4, 60), 2),
            "part": part,
            "hope": rng.integers(0, 11, 120),
            "action": np.where(part == "F", rng.choice(["C", *"LLLLLLLLL"], 120), rng.choice(["C", "D"], 120)),
        }
    )
    frame.to_csv(tmp_path / "exit.csv", index=False)
    path = tmp_path / "exit.yaml"
    path.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    return path


def run(study: Path, backend: str) -> simbench.harness.run.Run:
    return simbench.run(
        {"name": "yaml", "file": str(study)},
        backend,
        "random",
        out=str(study.parent / "runs"),
        scoring={"resamples": 20, "splits": 5, "floors": 5},
    )


@pytest.mark.parametrize("backend", ["uniform", "majority", "resample"])
def test_nobody_leaves_who_cannot(study: Path, backend: str) -> None:
    done = run(study, backend)
    assert (done.responses["status"] == "ok").all()
    stay = done.responses[done.responses["part"] == "A"]
    assert set(stay["action"]) <= {"C", "D"}
    assert "L" in set(done.responses["action"])
    if backend == "uniform":
        assert {tuple(p) for p in stay["action__p"]} == {(0.5, 0.5, 0.0)}
    assert not set(done.pilot["pid"]) & set(done.people["pid"])
    gap = done.scores.set_index("metric").loc["value_action_gap"]
    assert np.isfinite(np.atleast_1d(gap["human"])).all()


def test_an_edited_rule_scores_the_finished_run_anew(study: Path) -> None:
    before = run(study, "uniform")
    gap_before = before.scores.set_index("metric").loc["value_action_gap", "human"]
    study.write_text(yaml.safe_dump(STUDY | {"coherence": "(hope < 5) == (action == 'C')"}, sort_keys=False))
    after = run(study, "uniform")
    assert after.run_id == before.run_id
    assert after.scores.set_index("metric").loc["value_action_gap", "human"] == pytest.approx(1 - gap_before)


def test_a_study_of_villages_from_the_yaml_to_the_folder_and_back(study: Path, tmp_path: Path) -> None:
    """`cluster` and numbers in bins: in pilot, intervals and the kept design, from which it is scored anew alike."""
    told = yaml.safe_load(study.read_text()) | {"cluster": "village"}
    told["regressions"] = [{"formula": "hope ~ C(part) + trust", "family": "interval"}]
    study.write_text(yaml.safe_dump(told, sort_keys=False))
    frame = pd.read_csv(study.parent / "exit.csv")
    frame.assign(village=frame["pid"] % 15).to_csv(study.parent / "exit.csv", index=False)
    run = simbench.run(
        {"name": "yaml", "file": str(study)},
        "tabular",
        {"name": "clusters", "clusters": 3},
        scoring={"resamples": 20, "splits": 2, "floors": 1, "baseline_resamples": 5},
        out=str(tmp_path / "runs"),
    )
    assert run.manifest["pilot_notes"] == ["3 of 15 whole clusters (village), 12 people"]
    assert set(run.pilot["village"]).isdisjoint(run.people["village"])
    assert run.manifest["resampled"]["units"] == 12
    assert "12 clusters (village), each whole" in run.manifest["resampled"]["words"]
    assert "t with 11 degrees of freedom" in run.manifest["resampled"]["words"]
    before = run.scores
    study.unlink()
    again = rescore(run, load_plugins()).scores
    pd.testing.assert_frame_equal(before, again)
    kept = study_of(run.folder, load_plugins())
    assert kept is not None
    assert kept.design.cluster == "village"
    assert kept.design.item("hope").spans == ((0, 4), (5, 9), (10, 10))
    row = before[(before["metric"] == "coefficient") & (before["item"] == "interval: hope: trust")].iloc[0]
    assert np.isfinite([row["human"], row["simulated"]]).all()
