"""Code that changed makes another run, or scores anew; code that did not leaves both as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import simbench
from simbench.harness.run import Run

Command = Callable[..., CompletedProcess[str]]

PLUGIN = """
from dataclasses import dataclass

from helper import FIRST
from simbench import Answer, Backend, Metric, Model, Score, hookimpl, setting


@dataclass(frozen=True)
class Settings:
    option: int = setting(0, "position of the option that everybody takes")


class Same(Backend):
    \"\"\"Everybody answers alike.\"\"\"

    name = "same"
    Config = Settings

    def adapt(self, pilot, workspace):
        return Model("test", "same")

    def respond(self, model, interviews, workspace):
        for each in interviews:
            answers = {item.name: item.values[self.config.option + FIRST] for item in each.items}
            yield Answer(*each.key, "ok", answers)


class Constant(Metric):
    \"\"\"A number.\"\"\"

    name = "constant"

    def score(self, comparison):
        import numpy as np

        yield Score("constant", np.full(comparison.resamples, 7.0))


@hookimpl
def simbench_backends():
    return (Same,)


@hookimpl
def simbench_metrics():
    return (Constant,)
"""
HELPER = "FIRST = 0\n"
QUICK = {"resamples": 5, "splits": 2, "floors": 2, "baseline_resamples": 2}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def carried_out(home: Path, plugin: str = PLUGIN, helper: str = HELPER) -> Run:
    import sys

    (home / "simbench_plugins.py").write_text(plugin)
    (home / "helper.py").write_text(helper)
    sys.modules.pop("helper", None)
    return simbench.run("information_disclosure", "same", "none", metric=["constant"], scoring=QUICK, out="runs")


def test_the_same_code_is_the_same_run(home: Path) -> None:
    first = carried_out(home)
    finished = first.manifest["finished"], (first.folder / "scores.parquet").stat().st_mtime_ns
    again = carried_out(home)
    assert again.run_id == first.run_id
    assert (again.manifest["finished"], (again.folder / "scores.parquet").stat().st_mtime_ns) == finished
    assert again.manifest["environment"]["plugins"]["simbench_plugins.py"].startswith("0+sources.")


def test_a_changed_default_is_another_run(home: Path) -> None:
    first = carried_out(home)
    changed = carried_out(home, PLUGIN.replace("setting(0,", "setting(1,"))
    assert changed.run_id != first.run_id
    assert (changed.responses["attack"] != first.responses["attack"]).all()


def test_changed_code_is_another_run(home: Path) -> None:
    first = carried_out(home)
    changed = carried_out(home, PLUGIN.replace("self.config.option + FIRST", "self.config.option + 1"))
    assert changed.run_id != first.run_id
    assert (changed.responses["attack"] != first.responses["attack"]).all()


def test_so_is_changed_code_that_it_imports_from_beside_it(home: Path) -> None:
    import sys

    first = carried_out(home)
    changed = carried_out(home, helper="FIRST = 1\n")
    sys.modules.pop("helper", None)
    assert changed.run_id != first.run_id
    (home / "unrelated.py").write_text("X = 1\n")
    assert carried_out(home, helper="FIRST = 1\n").run_id == changed.run_id
    sys.modules.pop("helper", None)


EDITABLE = """
from simbench import Metric, Score, hookimpl


class Lab(Metric):
    \"\"\"A number.\"\"\"

    name = "lab"

    def score(self, comparison):
        import numpy as np

        yield Score("lab", np.full(comparison.resamples, 7.0))


@hookimpl
def simbench_metrics():
    return (Lab,)
"""


def test_a_changed_metric_of_an_editable_distribution_scores_anew(command: Command, tmp_path: Path) -> None:
    """The answers stay: nobody is asked again."""
    import pandas as pd

    site = tmp_path / "site"
    info = site / "simbench_lab-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: simbench-lab\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[simbench]\nlab = simbench_lab\n")
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///lab", "dir_info": {"editable": True}}))
    package = site / "simbench_lab"
    package.mkdir()
    words = ("experiment=information_disclosure", "backend=uniform", "sampler=none", "metric=[lab]")
    quick = [f"scoring.{name}={value}" for name, value in QUICK.items()]
    found = []
    for number in ("7.0", "7.0", "8.0"):
        (package / "__init__.py").write_text(EDITABLE.replace("7.0", number))
        done = command(*words, *quick, env={"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"})
        assert done.returncode == 0, done.stderr
        (folder,) = (tmp_path / "runs").glob("information*")
        scores = pd.read_parquet(folder / "scores.parquet")
        answered = (folder / "responses.jsonl").stat().st_mtime_ns
        found.append((scores["value"].tolist(), (folder / "scores.parquet").stat().st_mtime_ns, answered))
    assert [values for values, _, _ in found] == [[7.0], [7.0], [8.0]]
    assert found[0][1] == found[1][1] != found[2][1]
    assert len({answered for _, _, answered in found}) == 1
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["environment"]["scorers"]["simbench-lab"].startswith("0.1+sources.")
