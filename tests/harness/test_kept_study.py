"""A run keeps its study: without YAML, data or plugin it is reported, compared, scored anew and exported."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import simbench
from simbench.cli import main
from simbench.errors import ConfigError, StorageError
from simbench.harness.kept import study_of
from simbench.harness.library import load_runs
from simbench.harness.run import Run
from simbench.plugin.manager import load_plugins
from simbench.report.croissant import write_croissant
from simbench.report.leaderboard import compare_runs
from simbench.report.page import write_report

FEW = {"resamples": 20, "splits": 3, "floors": 2, "baseline_resamples": 5}
STUDY: dict[str, Any] = {
    "name": "Crop insurance, Élan 1/2",
    "introduction": "A survey of growers.",
    "vignettes": "The premium is {premium}.",
    "factors": {"premium": {"L": "low as read", "H": "high as read"}},
    "profile": {"age": {"bins": [30, 50]}, "region": {}},
    "items": {
        "risk": {"role": "belief", "text": "How likely is hail?", "bins": [0, 5, 10], "top": 10},
        "buy": {"role": "decision", "text": "Do you insure?", "options": {0: "no thanks", 1: "yes please"}},
    },
    "coherence": "(risk >= 5) == (buy == 1)",
    "undefined": "risk == 5",
    "regressions": [{"formula": "buy ~ C(premium) + age", "family": "logit"}],
    "citation": "Grower (2020)",
    "license": "CC-BY-4.0",
    "data": "crop.csv",
}
PLUGIN = """
import numpy as np
import pandas as pd
from simbench import Experiment, Factor, Item, Profile, hookimpl

class Kept(Experiment):
    "Made-up people."
    name = "kept_in_python"
    synthetic = True
    factors = (Factor("stake", ("low", "high")),)
    profile = (Profile("age", bins=(30, 50)),)
    items = (
        Item("hope", "belief", "How much hope?", {0: "none", 1: "some", 2: "much"}),
        Item("act", "decision", "Do you act?", {0: "no", 1: "yes"}),
    )

    def load(self):
        rng, n = np.random.default_rng(5), 120
        hope = [None if k % 9 == 0 else k % 3 for k in rng.integers(99, size=n)]
        return pd.DataFrame({"participant_id": [f"p{i}" for i in range(n)], "stake": ["low", "high"] * 60,
            "age": rng.integers(18, 80, n), "hope": hope, "act": rng.integers(2, size=n)})

    def vignette(self, treatment):
        return f"The stake is {treatment['stake']}, in words of Python."

    def coherent(self, people):
        hope, act = people["hope"].astype("Int64"), people["act"].astype("Int64")
        return ((hope == 2) == (act == 1)).mask(hope == 1)

@hookimpl
def simbench_experiments():
    return (Kept,)
"""


def declared(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng, n = np.random.default_rng(3), 120
    frame = pd.DataFrame(
        {
            "participant_id": [f"g{i}" for i in range(n)],
            "age": rng.integers(18, 80, n),
            "region": rng.choice(["north", "south"], n),
            "premium": ["L", "H"] * 60,
            "risk": rng.integers(0, 11, n),
            "buy": rng.integers(0, 2, n),
        }
    )
    frame.to_csv(folder / "crop.csv", index=False)
    (folder / "crop.yaml").write_text(yaml.safe_dump(STUDY | changes, sort_keys=False), encoding="utf-8")
    return folder / "crop.yaml"


def two_runs(experiment: Any, out: Path) -> list[Run]:
    more: dict[str, Any] = {"evaluate": "reserved", "out": str(out), "scoring": FEW}
    return [
        simbench.run(experiment, backend, {"name": "random", "n": 20}, **more) for backend in ("uniform", "tabular")
    ]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, pd.DataFrame], Path]:
    """Scores of two runs of a YAML study, and their folders copied away from it; the study is gone."""
    path = declared(tmp_path / "mine")
    runs = two_runs({"name": "yaml", "file": str(path)}, tmp_path / "mine" / "runs")
    scores = {run.run_id: run.scores for run in runs}
    shutil.copytree(tmp_path / "mine" / "runs", tmp_path / "theirs")
    shutil.rmtree(tmp_path / "mine")
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return scores, tmp_path / "theirs"


def test_runs_are_named_after_the_study(elsewhere: tuple[dict[str, pd.DataFrame], Path]) -> None:
    runs = load_runs(elsewhere[1])
    assert all(run.run_id.startswith("Crop-insurance-Elan-1-2-") for run in runs)
    assert set(runs.table["experiment"]) == {STUDY["name"]}
    assert {Path(each).name for each in runs[0].manifest["experiment"]["sources"]} == {"crop.yaml", "crop.csv"}


def test_a_copied_run_is_reported_compared_and_exported(elsewhere: tuple[dict[str, pd.DataFrame], Path]) -> None:
    runs, registry = load_runs(elsewhere[1]), load_plugins()
    page = write_report(runs, registry, elsewhere[1].parent / "page", figures=False).read_text(encoding="utf-8")
    for words in (
        "low as read",
        "A survey of growers.",
        "Do you insure?",
        "yes please",
        "Grower (2020)",
        "CC-BY-4.0",
    ):
        assert words in page
    assert "AS IT IS NOW" not in page
    assert not compare_runs(runs, registry).differences.empty
    found = json.loads(write_croissant(runs[0]).read_text(encoding="utf-8"))
    assert found["isBasedOn"]["citation"] == "Grower (2020)"
    assert "license" not in found
    assert "design.json" in {each["name"] for each in found["distribution"]}


def test_a_copied_run_scored_anew_has_the_same_figures(elsewhere: tuple[dict[str, pd.DataFrame], Path]) -> None:
    scores, folder = elsewhere
    for run in load_runs(folder):
        pd.testing.assert_frame_equal(scores[run.run_id], simbench.rescore(run).scores, check_exact=True)
    fewer = simbench.rescore(run, metric="js_distance", scoring={"resamples": 7})
    assert "value_action_gap" not in set(fewer.scores["metric"])
    assert fewer.manifest["config"]["scoring"]["resamples"] == 7
    assert not fewer.folder.damaged()
    with pytest.raises(ConfigError, match="no metric 'js_distanse'"):
        simbench.rescore(run, metric="js_distanse")


def test_edited_labels_do_not_show_in_the_old_run(tmp_path: Path) -> None:
    path = declared(tmp_path)
    run = two_runs({"name": "yaml", "file": str(path)}, tmp_path / "runs")[0]
    items = STUDY["items"] | {"buy": STUDY["items"]["buy"] | {"options": {0: "EDITED no", 1: "EDITED yes"}}}
    declared(tmp_path, items=items)
    page = write_report(load_runs(run.folder.path), load_plugins(), tmp_path / "page", figures=False)
    assert "yes please" in page.read_text(encoding="utf-8")
    assert "EDITED" not in page.read_text(encoding="utf-8")


def test_a_moved_study_is_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = two_runs({"name": "yaml", "file": str(declared(tmp_path / "a"))}, tmp_path / "runs")
    monkeypatch.chdir(declared(tmp_path / "b").parent)
    second = two_runs({"name": "yaml", "file": "crop.yaml"}, tmp_path / "runs")
    assert [run.run_id for run in first] == [run.run_id for run in second]


@pytest.fixture
def of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, Run]:
    """Scores of a run of a Python experiment, and its folder where the plugin is not."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "simbench_plugins.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path / "mine")
    run = two_runs("kept_in_python", tmp_path / "runs")[1]
    scores = run.scores
    monkeypatch.delitem(sys.modules, "simbench_plugins")
    shutil.copytree(run.folder.path, tmp_path / "theirs")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        load_plugins().get("experiment", "kept_in_python")
    return scores, Run.at(tmp_path / "theirs")


def test_a_rule_in_python_is_kept_as_what_it_said(of_a_plugin: tuple[pd.DataFrame, Run]) -> None:
    scores, run = of_a_plugin
    again = simbench.rescore(run)
    pd.testing.assert_frame_equal(scores, again.scores, check_exact=True)
    gap = scores.set_index("metric").loc["value_action_gap"]
    assert np.isfinite(gap[["value", "floor", "ceiling", "tabular"]].astype(float)).all()
    page = write_report(load_runs(run.folder.path), load_plugins(), run.folder.path, figures=False)
    assert "in words of Python" in page.read_text(encoding="utf-8")


def test_what_a_rule_in_python_never_said_is_told(of_a_plugin: tuple[pd.DataFrame, Run]) -> None:
    again = simbench.rescore(of_a_plugin[1], metric="value_action_gap", scoring={"seed": 5})
    gap = again.scores.set_index("metric").loc["value_action_gap"]
    assert np.isfinite(float(gap["value"]))
    assert np.isnan(float(gap["floor"]))
    (fault,) = again.manifest["metric_faults"]
    assert "Python code" in fault
    assert "asked for the floor" in fault


def forget(run: Run) -> None:
    """Make of a run one from before runs kept their study."""
    products = run.manifest["products"]
    (run.folder / "design.json").unlink()
    with pytest.raises(StorageError, match="damaged"):
        study_of(run.folder, load_plugins())
    manifest = {name: value for name, value in run.manifest.items() if name not in ("products", "experiment")}
    (run.folder / "manifest.json").unlink()
    run.folder.update(**manifest, products={name: each for name, each in products.items() if name != "design.json"})


def test_an_old_run_without_a_study_is_still_read(elsewhere: tuple[dict[str, pd.DataFrame], Path]) -> None:
    run = load_runs(elsewhere[1])[0]
    forget(run)
    page = write_report(load_runs(run.folder.path), load_plugins(), run.folder.path, figures=False)
    assert "before runs kept their study: its experiment cannot be had here" in page.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be scored anew"):
        simbench.rescore(run)


def test_an_old_run_is_read_with_todays_study_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = declared(tmp_path)
    run = Run.at(two_runs({"name": "yaml", "file": str(path)}, tmp_path / "runs")[0].folder.path)
    forget(run)
    page = write_report(load_runs(run.folder.path), load_plugins(), run.folder.path, figures=False)
    assert "words and options are those of the experiment AS IT IS NOW" in page.read_text(encoding="utf-8")
    assert main(["score", str(run.folder.path), "--metric", "js_distance"]) == 0
    assert "AS IT IS NOW" in capsys.readouterr().err
    items = {"danger" if name == "risk" else name: each for name, each in STUDY["items"].items()}  # type: ignore[attr-defined]
    renamed = declared(tmp_path, items=items, coherence="buy == 1", undefined="", columns={"danger": "risk"})
    page = write_report(load_runs(run.folder.path), load_plugins(), run.folder.path, figures=False)
    assert renamed.exists()
    assert "its experiment cannot be had here" in page.read_text(encoding="utf-8")
