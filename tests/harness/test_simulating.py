"""``simulate``: a run's model answers for new people; rows say that they are simulated, and what extrapolates."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import simbench
from simbench.errors import ConfigError, DataError, ModelError
from simbench.experiments.information_disclosure import InformationDisclosure
from simbench.harness.run import Run

QUICK = {"scoring": {"resamples": 20, "splits": 5, "floors": 2, "swaps": 0}, "metric": ["js_distance", "verdict"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tabular run on 60 of the reference population, who saw half of the groups."""
    sampler = {
        "name": "random",
        "n": 60,
        "groups": ["known/north", "known/silent", "unknown/north", "unknown/silent"],
    }
    out = str(tmp_path_factory.mktemp("runs"))
    return simbench.run(
        "information_disclosure", backend="tabular", sampler=sampler, out=out, study="cross_treatment", **QUICK
    )


def test_new_people_are_answered_for_and_every_row_says_simulated(run: Run, tmp_path: Path) -> None:
    done = simbench.simulate(run, n=2500, conditions=["known/north", "unknown/silent"], out=tmp_path)
    frame = done.responses
    assert len(frame) == 2500
    assert set(frame["source"]) == {"simulated"}
    assert all("simulated" in path.name for path in done.folder.path.iterdir() if path.suffix in (".parquet", ".csv"))
    assert "simulated" in done.folder.path.name
    counts = (frame["valuation"] + "/" + frame["statement"]).value_counts()
    assert counts.to_dict() == {"known/north": 1250, "unknown/silent": 1250}
    assert not frame["extrapolation"].any()
    assert done.manifest["outcomes"]["all"] == {"ok": 2500}
    design = InformationDisclosure(InformationDisclosure.Config()).design
    table = pd.read_csv(done.folder / "simulated_responses.csv")
    assert len(table) == 2500
    assert set(table["measure_north"]) <= set(design.item("measure_north").labels)
    again = simbench.simulate(run, n=2500, conditions=["known/north", "unknown/silent"], out=tmp_path / "again")
    pd.testing.assert_frame_equal(again.responses, frame)


def test_the_same_profiles_get_the_answers_that_the_run_gave_in_distribution(run: Run, tmp_path: Path) -> None:
    frame = simbench.simulate(run, n=1000, conditions=["known/north"], out=tmp_path).responses
    own = run.responses
    own = own[(own["valuation"] == "known") & (own["statement"] == "north")]
    assert frame["attack"].value_counts(normalize=True).max() == pytest.approx(
        own["attack"].value_counts(normalize=True).max(), abs=0.15
    )


def test_margins_are_met_and_impossible_ones_refused(run: Run, tmp_path: Path) -> None:
    margins = {"gender": {"woman": 0.8, "man": 0.2}, "ethnicity": {"White": 0.3, "Black": 0.5, "Asian": 0.2}}
    frame = simbench.simulate(run, n=2500, margins=margins, out=tmp_path).responses
    assert frame["gender"].value_counts(normalize=True)["woman"] == pytest.approx(0.8, abs=0.03)
    assert frame["ethnicity"].value_counts(normalize=True)["Black"] == pytest.approx(0.5, abs=0.03)
    assert set(frame["ethnicity"]) == {"White", "Black", "Asian"}
    for bad, words in (
        ({"gender": {"woman": 0.8, "mann": 0.2}}, "did you mean 'man'"),
        ({"gender": {"woman": 0.8}}, "add up to 1"),
        ({"sex": {"woman": 1}}, "no profile variable 'sex'"),
    ):
        with pytest.raises(ConfigError, match=words):
            simbench.simulate(run, n=10, margins=bad, out=tmp_path)


def test_what_was_not_seen_is_extrapolation(run: Run, tmp_path: Path) -> None:
    frame = simbench.simulate(run, n=400, out=tmp_path).responses
    seen = frame["statement"].isin(["north", "silent"])
    assert frame["extrapolation"].tolist() == (~seen).tolist()
    overlay = {"factors": {"statement": {"both": "both"}}, "vignettes": {"known/both": "Both beaches are guarded."}}
    done = simbench.simulate(run, n=50, conditions=["known/both"], overlay=overlay, out=tmp_path)
    assert done.responses["extrapolation"].all()
    assert set(done.responses["statement"]) == {"both"}
    changed = {"vignettes": {"known/north": "Other words."}}
    done = simbench.simulate(run, n=20, conditions=["known/north"], overlay=changed, out=tmp_path)
    assert done.manifest["extrapolation"] == ["known/north"]


def test_the_command_prints_the_verdict_and_what_it_allows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from simbench.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "margins.yaml").write_text("gender: {woman: 0.5, man: 0.5}\n")
    (tmp_path / "overlay.yaml").write_text("vignettes: {known/north: Other words.}\n")
    place = str(run.folder.path)
    words = [place, "n=30", "margins=margins.yaml", "overlay=overlay.yaml", "conditions=known/north"]
    assert main(["estimate", "simulate", *words]) == 0
    assert "30 interviews" in capsys.readouterr().out
    assert not (tmp_path / "simulated").exists()
    assert main(["simulate", *words]) == 0
    said = capsys.readouterr().out
    carried = "In 1 runs of the study cross_treatment with this backend, the mean distance of answers"
    for needed in ("for pretesting:", "stand in for people", "EXTRAPOLATION", carried, "SYNTHETIC"):
        assert needed in said
    assert main(["simulate", place, "conditions=nowhere"]) == 2
    assert main(["simulate", place, "m=5"]) == 2
    assert main(["simulate", str(tmp_path), "n=5"]) == 2


def test_bad_people_and_gone_models_are_one_message_and_write_nothing(run: Run, tmp_path: Path) -> None:
    pd.DataFrame({"gender": ["woman"]}).to_csv(tmp_path / "lacking.csv", index=False)
    with pytest.raises(DataError, match="'ethnicity': expected this profile variable"):
        simbench.simulate(run, people=tmp_path / "lacking.csv", out=tmp_path / "out")
    columns = ["ethnicity", "gender", "age", "education", "risk"]
    frame = run.people[columns].head(3).assign(gender=["woman", "alien", "man"])
    frame.to_csv(tmp_path / "level.csv", index=False)
    with pytest.raises(DataError, match=r"'gender', row .*found 'alien'"):
        simbench.simulate(run, people=tmp_path / "level.csv", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="no condition 'known/nort'"):
        simbench.simulate(run, n=5, conditions=["known/nort"], out=tmp_path / "out")
    with pytest.raises(ConfigError, match="already"):
        simbench.simulate(run, n=5, overlay={"factors": {"statement": {"north": "north"}}}, out=tmp_path / "out")
    copied = tmp_path / "copy"
    shutil.copytree(run.folder.path, copied)
    shutil.rmtree(copied / "backend", ignore_errors=True)
    moved = Run.at(copied)
    moved.folder.update(model={**moved.manifest["model"], "adapter": "adapter"})
    with pytest.raises(ModelError, match="the adapted model is gone"):
        simbench.simulate(moved, n=5, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_goes_on_after_the_parts_that_are_on_disk(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simbench.backends.tabular import Tabular
    from simbench.harness import simulating

    monkeypatch.setattr(simulating, "PART", 100)
    whole = simbench.simulate(run, n=250, out=tmp_path / "whole").responses
    respond, asked = Tabular.respond, []

    def breaks(self, model, interviews, workspace):  # type: ignore[no-untyped-def]
        asked.append(len(interviews))
        if len(asked) == 2:
            raise KeyboardInterrupt
        yield from respond(self, model, interviews, workspace)

    monkeypatch.setattr(Tabular, "respond", breaks)
    with pytest.raises(KeyboardInterrupt):
        simbench.simulate(run, n=250, out=tmp_path / "broken")
    done = simbench.simulate(run, n=250, out=tmp_path / "broken")
    assert asked == [100, 100, 100, 50]
    pd.testing.assert_frame_equal(done.responses, whole)
    assert not list(done.folder.path.glob("part-*"))


def test_raking_equals_iterative_proportional_fitting() -> None:
    from simbench.stats.raking import raked

    rng = np.random.default_rng(3)
    base = rng.uniform(0.5, 2, 400)
    codes = [rng.integers(0, 3, 400), rng.integers(0, 2, 400)]
    margins = [np.array([0.5, 0.3, 0.2]), np.array([0.7, 0.3])]
    w = base / base.sum()
    for _ in range(2000):
        for code, wanted in zip(codes, margins, strict=True):
            w = w * (wanted / np.bincount(code, weights=w))[code]
    assert raked(base, codes, margins) == pytest.approx(w, rel=1e-5)
    with pytest.raises(ValueError, match="no weights"):
        raked(base, [codes[1], codes[1]], [np.array([0.5, 0.5]), np.array([0.7, 0.3])])


def test_parts_in_which_everybody_failed_are_rows_like_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simbench import Answer
    from simbench.backends.tabular import Tabular
    from simbench.harness import simulating

    monkeypatch.setattr(simulating, "PART", 40)
    respond = Tabular.respond

    def fails(self, model, interviews, workspace):  # type: ignore[no-untyped-def]
        if len(interviews) == 40:
            yield from respond(self, model, interviews, workspace)
        else:
            for each in interviews:
                participant, replicate = each.key
                yield Answer(participant, replicate, "failed", error="gone")

    monkeypatch.setattr(Tabular, "respond", fails)
    done = simbench.simulate(run, n=50, out=tmp_path)
    assert done.responses["status"].value_counts().to_dict() == {"ok": 40, "failed": 10}
    assert done.responses["attack__p"].isna().sum() == 10
    table = pd.read_csv(done.folder / "simulated_responses.csv")
    assert table["status"].tolist() == done.responses["status"].tolist()
    assert table.loc[table["status"] == "failed", "attack"].isna().all()
