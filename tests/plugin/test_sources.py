"""Code that changed makes another run, or scores anew; code that did not leaves both as they are."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

import pytest

import simbench
from simbench.harness.run import Run
from simbench.plugin.manager import Entry, load_plugins
from simbench.plugin.sources import identities

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
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "helper", raising=False)
    yield tmp_path
    sys.modules.pop("helper", None)


def carried_out(home: Path, plugin: str = PLUGIN, helper: str = HELPER) -> Run:
    (home / "simbench_plugins.py").write_text(plugin)
    (home / "helper.py").write_text(helper)
    importlib.invalidate_caches()
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
    """In one process, as in a notebook: the answers are of the code that the run is filed under."""
    first = carried_out(home)
    changed = carried_out(home, helper="FIRST = 1\n")
    assert changed.run_id != first.run_id
    assert (changed.responses["attack"] != first.responses["attack"]).all()
    (home / "unrelated.py").write_text("X = 1\n")
    assert carried_out(home, helper="FIRST = 1\n").run_id == changed.run_id


def test_unchanged_neighbours_are_loaded_once(home: Path) -> None:
    carried_out(home)
    loaded = sys.modules["helper"]
    carried_out(home)
    assert sys.modules["helper"] is loaded


def test_an_identity_is_of_the_code_that_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two packages of an editable distribution both count, and later edits are not what this process runs."""
    offered = []
    for name in ("lab_a", "lab_b"):
        (tmp_path / f"{name}.py").write_text(EDITABLE.replace('"lab"', f'"{name}"'))
        module = ModuleType(name)
        module.__file__ = str(tmp_path / f"{name}.py")
        monkeypatch.setitem(sys.modules, name, module)
        offered.append(Entry("metric", name, type("Lab", (), {"__module__": name}), "not-installed", "0.1"))
    first = identities(offered)["not-installed"]
    assert first.startswith("0.1+sources.")
    assert first not in {identities([each])["not-installed"] for each in offered}
    (tmp_path / "lab_a.py").write_text("X = 1\n")
    assert identities(offered)["not-installed"] == first


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


@pytest.mark.parametrize("package", ["simbench_lab", "lab/space"], ids=["a package", "in a namespace"])
def test_a_changed_metric_of_an_installed_distribution_scores_anew(
    command: Command, tmp_path: Path, package: str
) -> None:
    """Under the same version, as when it is installed again from a folder. Nobody is asked again."""
    import pandas as pd

    site = tmp_path / "site"
    info = site / "simbench_lab-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: simbench-lab\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[simbench]\nlab = {package.replace('/', '.')}\n")
    (site / package).mkdir(parents=True)
    words = ("experiment=information_disclosure", "backend=uniform", "sampler=none", "metric=[lab]")
    quick = [f"scoring.{name}={value}" for name, value in QUICK.items()]
    found = []
    for number in ("7.0", "7.0", "8.0"):
        (site / package / "__init__.py").write_text(EDITABLE.replace("7.0", number))
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


def test_what_a_part_inherits_from_another_distribution_decides_too() -> None:
    """Answers of an API backend are made by simbench-api as much as by the provider's plugin."""
    from simbench.plugin.sources import _behind

    cls = load_plugins().get("backend", "openai").cls
    assert {path.name for path in _behind(cls)} == {"simbench_openai", "simbench_api"}
