"""simbench.run and what it leaves on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import simbench
from simbench.errors import ConfigError, DataError, LockedError
from simbench.harness.run import Run
from simbench.harness.store import RunFolder

QUICK = {"resamples": 20, "splits": 5, "floors": 2}


def quick(tmp_path: Path, **settings: Any) -> Run:
    given = {"experiment": "information_disclosure", "backend": "uniform", "sampler": {"name": "balanced", "n": 40}}
    return simbench.run(**{**given, "scoring": QUICK, "out": str(tmp_path), **settings})


def test_scores_are_a_data_frame(tmp_path: Path) -> None:
    run = quick(tmp_path)
    assert isinstance(run.scores, pd.DataFrame)
    documented = [
        *("metric", "item", "subgroup", "level", "human", "simulated", "value", "ci_low", "ci_high"),
        *("n_human", "n_simulated", "ceiling", "floor"),
    ]
    assert list(run.scores.columns[: len(documented)]) == documented
    assert run.manifest["status"] == "done"


def test_the_run_folder_holds_what_is_documented(tmp_path: Path) -> None:
    run = quick(tmp_path, replicates=2)
    frame = run.responses
    assert len(frame) == 2 * 889
    assert {"participant_id", "replicate", "status"} <= set(frame.columns)
    assert not frame.duplicated(["participant_id", "replicate"]).any()
    chances = np.stack(frame[next(name for name in frame if name.endswith("__p"))].to_list())
    assert np.allclose(chances.sum(axis=1), 1)
    manifest = run.manifest
    for name in ("config", "environment", "humans", "seed", "model", "outcomes", "usage", "started", "finished"):
        assert name in manifest
    assert manifest["humans"]["synthetic"] is True
    assert manifest["outcomes"]["all"] == {"ok": 2 * 889}
    assert sum(cell["ok"] for cell in manifest["outcomes"]["condition"].values()) == 2 * 889
    assert bool(run.scores["synthetic_humans"].all())


def test_pilot_and_held_out_are_disjoint(tmp_path: Path) -> None:
    run = quick(tmp_path)
    assert len(run.pilot) == 40
    assert not set(run.pilot["participant_id"]) & set(run.people["participant_id"])
    assert len(run.pilot) + len(run.people) == 929
    whole = quick(tmp_path, evaluate="all")
    assert len(whole.people) == 929
    assert set(whole.scores["evaluated"]) == {"all"}


def test_the_same_configuration_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = quick(tmp_path / "a"), quick(tmp_path / "b")
    assert one.run_id == other.run_id
    for name in ("responses.jsonl", "responses.parquet", "scores.parquet", "pilot.parquet"):
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_identity_follows_what_decides_the_answers(tmp_path: Path) -> None:
    first = quick(tmp_path)
    assert quick(tmp_path, seed=1).run_id != first.run_id
    assert quick(tmp_path, backend="majority").run_id != first.run_id
    assert quick(tmp_path, interview={"persona": "none"}).run_id != first.run_id
    assert quick(tmp_path, budget=3.0).run_id == first.run_id
    assert quick(tmp_path, metric=["js_distance"]).run_id == first.run_id


def test_every_backend_gets_the_same_pilot(tmp_path: Path) -> None:
    pilots = [quick(tmp_path, backend=name).pilot for name in ("uniform", "majority", "resample")]
    for pilot in pilots[1:]:
        pd.testing.assert_frame_equal(pilot, pilots[0])


def test_majority_and_resample_learn_from_the_pilot_alone(tmp_path: Path) -> None:
    modes, resampled = (quick(tmp_path, backend=name) for name in ("majority", "resample"))
    items = list(resampled.manifest["model"]["parameters"]["rows"][0])
    rows = {tuple(row) for row in resampled.pilot[items].astype(str).to_numpy()}
    assert {tuple(row) for row in resampled.responses[items].astype(str).to_numpy()} <= rows
    for item in items:
        counts = modes.pilot[item].value_counts()
        (answer,) = modes.responses[item].unique()
        assert counts[answer] == counts.max()


def test_a_locked_run_is_left_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.locked(), pytest.raises(LockedError, match="another process"), RunFolder(tmp_path / "run").locked():
        raise AssertionError("two processes hold one run")


def test_a_failed_run_says_why_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simbench.backends.uniform import Uniform

    def broken(*_: Any) -> Any:
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr(Uniform, "adapt", broken)
        with pytest.raises(RuntimeError):
            quick(tmp_path)
    (path,) = tmp_path.glob("*/manifest.json")
    manifest = json.loads(path.read_text())
    assert (manifest["status"], manifest["error"]["message"]) == ("failed", "out of luck")
    run = quick(tmp_path)
    assert (run.manifest["status"], run.manifest["error"]) == ("done", None)


def test_interviews_that_failed_are_asked_again_when_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a provider had been down for half of the people; the others keep their answers."""
    from simbench.backends.uniform import Uniform

    respond = Uniform.respond
    with monkeypatch.context() as patch:
        patch.setattr(Uniform, "respond", lambda self, model, asked, space: respond(self, model, asked[::2], space))
        half = quick(tmp_path).responses
    failed = half["status"] == "failed"
    assert failed.mean() == pytest.approx(0.5, abs=0.01)
    assert quick(tmp_path).manifest["outcomes"]["all"]["failed"] == failed.sum()
    whole = quick(tmp_path, retry_failed=True)
    assert whole.manifest["outcomes"]["all"] == {"ok": len(failed)}
    assert whole.scores["n_simulated"].max() == len(failed)
    kept = [frame[~failed].drop(columns="error") for frame in (whole.responses, half)]
    pd.testing.assert_frame_equal(*kept, check_dtype=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "unifrm"}, "did you mean 'uniform'"),
        ({"sampler": {"name": "balanced", "m": 3}}, "there is no setting 'sampler.m'"),
        ({"scoring": {"resample": 3}}, "did you mean 'resamples'"),
        ({"sampler": {"n": 3}}, "expected a name"),
        ({"replicates": 0}, "replicates: expected 1 to 1000"),
        ({"budget": -1.0}, "more than 0"),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quick(tmp_path, **settings)
    assert not list(tmp_path.iterdir())


def test_a_bad_data_file_names_every_problem(tmp_path: Path) -> None:
    good = simbench.run(
        "information_disclosure", "uniform", {"name": "random", "n": 40}, out=str(tmp_path / "x"), scoring=QUICK
    ).people
    good.loc[3, "participant_id"] = good.loc[2, "participant_id"]
    item = "measure_north"
    good[item] = good[item].astype(object)
    good.loc[7, item] = "a lot"
    path = tmp_path / "people.csv"
    good.to_csv(path, index=False)
    with pytest.raises(DataError) as caught:
        quick(tmp_path / "y", experiment={"name": "information_disclosure", "data": str(path)})
    assert len(caught.value.problems) == 2
    assert "row 4" in str(caught.value)
    assert "'a lot'" in str(caught.value)
    assert not (tmp_path / "y").exists()
