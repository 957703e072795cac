"""``infer`` and ``simulate`` with a model on this machine: said first, done once, gone on with, labelled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from simbench.cli import main

QUICK = ("metric=js_distance", "scoring.resamples=20", "scoring.splits=2", "scoring.floors=2")


@pytest.fixture
def words(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A small study and the tiny model, and the current folder."""
    monkeypatch.chdir(tmp_path)
    rng, n = np.random.default_rng(3), 40
    arm = np.arange(n) % 2
    hope = np.clip(rng.integers(1, 4, n) + arm, 1, 3)
    table = pd.DataFrame({"participant_id": [f"p{i}" for i in range(n)], "arm": arm, "age": rng.integers(18, 80, n)})
    table.assign(hope=hope, gives=np.where(hope + rng.random(n) > 2.5, "yes", "no")).to_csv("people.csv", index=False)
    content = {
        "name": "giving",
        "introduction": "A survey.",
        "vignettes": "You see offer {arm}.",
        "factors": {"arm": {0: "plain", 1: "rich"}},
        "profile": {"age": {"bins": [40]}},
        "items": {
            "hope": {"role": "belief", "text": "How much?", "options": {1: "little", 2: "some", 3: "much"}},
            "gives": {"role": "decision", "text": "Do you give?", "options": ["no", "yes"]},
        },
        "data": "people.csv",
        "regressions": ["hope ~ arm"],
    }
    Path("giving.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return ["experiment=yaml", "experiment.file=giving.yaml", "backend=local", f"backend.model={tiny}"]


@pytest.mark.parametrize("how", ["head", "blend"])
def test_infer_says_first_does_once_and_goes_on(
    words: list[str], how: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simbench_local.backend import Local

    words = [*words, f"backend.adapt={how}", "folds=2"]
    assert main(["estimate", "infer", *words]) == 0
    assert "2 adaptations, 80 interviews" in capsys.readouterr().out
    assert not Path("inferred").exists()

    adapt, respond, asked = Local.adapt, Local.respond, []

    def breaks(self, model, interviews, workspace):  # type: ignore[no-untyped-def]
        asked.append(len(interviews))
        for number, answer in enumerate(respond(self, model, interviews, workspace)):
            if len(asked) == 2 and number == 10:
                raise KeyboardInterrupt
            yield answer

    learned = []
    monkeypatch.setattr(Local, "respond", breaks)
    monkeypatch.setattr(Local, "adapt", lambda self, *given: learned.append(1) or adapt(self, *given))
    assert main(["infer", *words]) == 130
    assert main(["infer", *words]) == 0
    assert asked == [40, 40, 30], "what was answered is not asked again"
    assert len(learned) == 2
    (folder,) = Path("inferred").glob("giving-local-*")
    frame = pd.read_parquet(folder / "estimates.parquet")
    assert (frame["width_ratio"].dropna() <= 1 + 1e-12).all()
    told = pd.read_parquet(folder / "fold-1" / "responses.parquet")
    assert told["hope__p"].map(sum).to_numpy(float) == pytest.approx(1)


def test_simulate_goes_on_from_the_learned_head_and_says_simulated(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simbench.harness import simulating
    from simbench_local.backend import Local

    assert main([*words, "backend.adapt=blend", "sampler=random", "sampler.n=20", *QUICK]) == 0
    (run,) = Path("runs").glob("giving-local-*")
    monkeypatch.setattr(simulating, "PART", 10)
    monkeypatch.setattr(Local, "adapt", None)
    assert main(["estimate", "simulate", str(run), "n=25"]) == 0
    assert "25 interviews" in capsys.readouterr().out
    respond, asked = Local.respond, []

    def breaks(self, model, interviews, workspace):  # type: ignore[no-untyped-def]
        asked.append(len(interviews))
        if len(asked) == 2:
            raise KeyboardInterrupt
        yield from respond(self, model, interviews, workspace)

    monkeypatch.setattr(Local, "respond", breaks)
    assert main(["simulate", str(run), "n=25"]) == 130
    assert main(["simulate", str(run), "n=25"]) == 0
    assert asked == [10, 10, 10, 5]
    said = capsys.readouterr().out
    assert "SIMULATED" in said
    (folder,) = Path("simulated").glob("giving-local-*simulated*")
    frame = pd.read_parquet(folder / "simulated_responses.parquet")
    assert set(frame["source"]) == {"simulated"}
    assert frame["gives__p"].map(sum).to_numpy(float) == pytest.approx(1)
    assert json.loads((folder / "manifest.json").read_text())["outcomes"]["all"] == {"ok": 25}
