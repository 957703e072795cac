"""A faulty plugin is named with what to do, and every run that does not need it goes on."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest

import simbench
from simbench.cli.launch import compose
from simbench.errors import ConfigError, PluginError, UserError
from simbench.harness.config import assemble
from simbench.plugin.manager import INLINE, load_plugins

HEAD = """
import datetime, enum, sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
import numpy as np
from simbench import Draw, Experiment, Item, Metric, Sampler, Score, hookimpl, setting

class Good(Sampler):
    "Works."
    name = "good"
    def draw(self, people, rng):
        return Draw(range(5))
"""
TINY = """
import pandas as pd

class Tiny(Experiment):
    "Sixty made-up people."
    name = "tiny"
    synthetic = True
    items = (Item("a", "belief", "A?", (1, 2, 3)), Item("b", "decision", "B?", (1, 2)))

    def load(self):
        n = range(60)
        rows = {"participant_id": [f"p{i}" for i in n], "a": [1 + i % 3 for i in n], "b": [1 + i % 2 for i in n]}
        return pd.DataFrame(rows)

@hookimpl
def simbench_experiments():
    return (Tiny,)
"""
OFFER = """
@hookimpl
def simbench_{kind}s():
    return {what}
"""
QUICK = {"resamples": 10, "splits": 3, "floors": 2, "baseline_resamples": 5}
SMALL = "tiny"


def config_of(field: str, default: str, more: str = "") -> str:
    """A sampler with one setting."""
    return (
        f"\n@dataclass(frozen=True)\nclass C:\n    {field} = {default}\n{more}\n\n"
        "class Mine(Sampler):\n    name = 'mine'\n    Config = C\n    def draw(self, people, rng):\n"
        "        return Draw(range(self.config.n if hasattr(self.config, 'n') else 3))\n"
        + OFFER.format(kind="sampler", what="(Mine, Good)")
    )


def metric(body: str, attributes: str = "", config: str = "", what: str = "(Mine,)") -> str:
    """A metric."""
    return (
        f"{config}\nclass Mine(Metric):\n    'Mine.'\n    name = 'mine'\n    {attributes}\n"
        f"    def score(self, comparison):\n        {body}\n" + OFFER.format(kind="metric", what=what)
    )


FINE = "yield Score('mine', np.zeros(comparison.resamples))"
AT_LOAD = {
    "import": ("import a_module_that_is_not_there", "a_module_that_is_not_there"),
    "syntax": ("def simbench_samplers(:", "SyntaxError"),
    "exit": ("sys.exit(3)", "SystemExit"),
    "exit in a hook": ("@hookimpl\ndef simbench_samplers():\n    sys.exit(0)", "SystemExit"),
    "hook raises": ("@hookimpl\ndef simbench_samplers():\n    return 1 / 0", "ZeroDivisionError.*line"),
    "hook returns a class": (OFFER.format(kind="sampler", what="Good"), r"return \(Good,\)"),
    "hook returns None": (OFFER.format(kind="sampler", what="None"), "returned None; return a tuple"),
    "hook returns text": (OFFER.format(kind="sampler", what="'Good'"), "returned 'Good'; return a tuple"),
    "hook returns an object": (OFFER.format(kind="sampler", what="(Good(None),)"), "return the class Good itself"),
    "hook of another kind": (OFFER.format(kind="metric", what="(Good,)"), "not a subclass of simbench.Metric"),
    "same class names": (
        "class Sampler:\n    name = 'fake'\n" + OFFER.format(kind="sampler", what="(Sampler,)"),
        "not a subclass of simbench.Sampler",
    ),
    "no mark": ("def simbench_samplers():\n    return (Good,)", "lacks its mark.*@hookimpl"),
    "no hook": ("", "offers nothing.*@hookimpl"),
    "slip in a hook": ("@hookimpl\ndef simbench_smplers():\n    return (Good,)", "simbench_smplers"),
    "unhashable name": (
        "class Mine(Good):\n    name = ['mine']\n" + OFFER.format(kind="sampler", what="(Mine,)"),
        "letters, digits",
    ),
    "a literal as name": (
        "class Mine(Good):\n    name = 'null'\n" + OFFER.format(kind="sampler", what="(Mine,)"),
        "found 'null'",
    ),
    "Literal": (config_of("how: Literal['a', 'b']", "setting('a')"), "sampler 'mine'.*setting 'how'"),
    "set": (config_of("these: set[int]", "setting(set)"), "setting 'these'"),
    "date": (config_of("day: datetime.date", "setting(datetime.date(2020, 1, 1))"), "setting 'day'"),
    "Sequence": (config_of("of: Sequence[int]", "setting(tuple)"), "setting 'of'"),
    "an object as default": (config_of("any: Any", "setting(object(), 'x')"), "setting 'any'"),
    "mutable default": (config_of("a: list[int]", "field(default=[])"), "mutable default"),
    "a setting called name": (config_of("name: str", "setting('x')"), "field 'name'"),
    "no dataclass": (
        "class Mine(Good):\n    name = 'mine'\n    Config = dict\n" + OFFER.format(kind="sampler", what="(Mine,)"),
        "not a dataclass",
    ),
    "unknown better": (metric(FINE, "better = {'mine': 'more'}"), "better.*lower, higher.*'more'"),
    "headline of text": (metric(FINE, "headline = ('mine',)"), "headline holds pairs"),
    "a metric that cannot be made": (
        metric(FINE, "def __init__(self, config): raise ValueError('no')"),
        "cannot be made with its defaults.*no",
    ),
    "a metric with a setting without default": (
        metric(FINE, "Config = C", "@dataclass(frozen=True)\nclass C:\n    n: int\n"),
        "'n' has no default",
    ),
    "one item without a comma": (
        "class Study(Experiment):\n    name = 'study'\n    items = (Item('a', 'belief', 'A?', (1, 2)))\n"
        "    def load(self): ...\n" + OFFER.format(kind="experiment", what="(Study,)"),
        "tuple of Items.*comma",
    ),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plant(home: Path, source: str, study: str = "") -> None:
    (home / f"{INLINE}.py").write_text(HEAD + study + source)


@pytest.mark.parametrize("case", AT_LOAD)
def test_a_fault_at_load_is_named_and_leaves_runs_alone(home: Path, case: str) -> None:
    source, words = AT_LOAD[case]
    plant(home, source)
    registry = load_plugins()
    (lost,) = registry.broken
    assert f"plugin {INLINE!r} of {home / INLINE}.py was left out: " in str(lost)
    assert _found(words, str(lost))
    plan = assemble(compose(["backend=uniform", "sampler=random", "sampler.n=5"]), registry)
    assert (plan.backend.name, plan.left_out) == ("uniform", (str(lost),))
    if "(Mine, Good)" in source and case != "mutable default":
        assert registry.get("sampler", "good")  # what is in order is used, whatever stands beside it
        with pytest.raises(ConfigError, match="left out"):
            registry.get("sampler", "mine")


@pytest.mark.parametrize("verb", [(), ("estimate",), ("infer",)])
def test_an_unknown_word_is_told_with_the_plugins_that_were_left_out(
    home: Path, capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]
) -> None:
    (home / f"{INLINE}.py").write_text("raise ValueError('not today')\n")
    from simbench.cli import main

    assert main([*verb, "experiment=mine", "backend=uniform"]) == 2
    told = capsys.readouterr().err
    assert "was left out: ValueError: not today" in told
    assert "no experiment 'mine'" in told


def _found(pattern: str, text: str) -> bool:
    assert re.search(pattern, text), text
    assert "\n" not in text
    return True


def test_a_clash_is_named_and_only_that_name_is_lost(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(home, "class Mine(Good):\n    name = 'balanced'\n" + OFFER.format(kind="sampler", what="(Mine, Good)"))
    registry = load_plugins()
    with pytest.raises(ConfigError, match=r"2 plugins offer the sampler 'balanced': simbench-eval .*Mine\).*DISABLE"):
        registry.get("sampler", "balanced")
    assert registry.get("sampler", "good")
    from simbench.cli import main

    assert main(["plugins"]) == 0
    shown = capsys.readouterr()
    assert "2 plugins offer the sampler 'balanced'" in shown.err
    assert "uniform" in shown.out
    plan = assemble(compose(["backend=uniform", "sampler=random", "experiment=information_disclosure"]), registry)
    assert plan.sampler.name == "random"


def test_a_figure_of_another_metric_cannot_be_announced(home: Path) -> None:
    plant(home, metric(FINE, "better = {'js_distance': 'higher'}"))
    registry = load_plugins()
    assert _found("'js_distance', which is of simbench-eval", str(registry.broken[0]))
    plan = assemble(compose(["backend=uniform", "sampler=random"]), registry)
    assert {name: way for each in plan.metrics for name, way in each.better.items()}["js_distance"] == "lower"
    with pytest.raises(ConfigError, match="left out"):
        registry.get("metric", "mine")


RAISING = {
    "raises": ("raise ValueError('boom')", "score raised ValueError: boom .*line"),
    "exits": ("sys.exit(1); yield", "SystemExit"),
    "twice": (f"{FINE}; {FINE}", "'mine', which has been given before"),
    "foreign": ("yield Score('js_distance', np.zeros(comparison.resamples), item='other')", "metric 'js_distance'"),
    "shape": ("yield Score('mine', np.zeros(3))", r"shape \(11,\); found shape \(3,\)"),
    "a number": ("yield Score('mine', 0.5)", r"found shape \(\)"),
    "words": ("yield Score('mine', ['a'] * comparison.resamples)", "holds numbers"),
    "human": ("yield Score('mine', np.zeros(comparison.resamples), human=np.zeros(2))", "Score.human"),
    "bias": ("yield Score('mine', np.zeros(comparison.resamples), bias='up')", "bias is one of.*'up'"),
    "count": ("yield Score('mine', np.zeros(comparison.resamples), n_human='3')", "n_human is a whole number"),
    "interval": ("yield Score('mine', np.zeros(comparison.resamples), interval=(1,))", "interval is"),
    "item": ("yield Score('mine', np.zeros(comparison.resamples), item=3)", "Score.item is text"),
    "no score": ("yield 0.5", "yields simbench.Score objects; found float"),
    "nothing": ("return None", "TypeError"),
}


@pytest.mark.parametrize("case", RAISING)
def test_a_metric_that_goes_wrong_costs_its_own_figures(home: Path, case: str) -> None:
    body, words = RAISING[case]
    plant(home, metric(body, "headline = (('mine', None),)"), TINY)
    done = simbench.run(
        SMALL,
        "uniform",
        {"name": "random", "n": 10},
        scoring=QUICK,
        metric=["js_distance", "mine"],
    )
    scores = done.scores
    own = scores[(scores["metric"] == "mine") & scores["item"].isna()].iloc[0]
    (fault, *_) = done.manifest["metric_faults"]
    assert _found(words, fault)
    assert fault.startswith(f"metric 'mine' ({INLINE}.Mine): ")
    if case != "twice":
        assert own["value"] != own["value"]
        assert own["reason"] == fault
    assert scores.loc[(scores["metric"] == "js_distance") & scores["subgroup"].isna(), "value"].notna().all()


def test_a_fault_of_a_metric_reaches_terminal_and_page(home: Path) -> None:
    from rich.console import Console

    from simbench.harness.library import load_runs
    from simbench.report.page import write_report
    from simbench.report.table import run_table

    plant(home, metric("raise ValueError('boom')", "headline = (('mine', None),)"), TINY)
    done = simbench.run(SMALL, "uniform", "random", scoring=QUICK, metric=["js_distance", "mine"])
    assert len(done.manifest["metric_faults"]) == 1
    console = Console(width=400, record=True, file=StringIO())
    console.print(run_table(done, load_plugins()))
    shown = console.export_text()
    assert "warning: metric 'mine'" in shown
    assert "not computable: metric 'mine'" in shown
    page = write_report(load_runs("runs"), load_plugins(), home, figures=False).read_text()
    assert "FIGURES ARE MISSING: metric &#39;mine&#39;" in page


def test_a_metric_that_fails_beside_the_simulation_keeps_its_estimate(home: Path) -> None:
    body = "if comparison.generator is None: raise ValueError('only the simulation')\n        " + FINE
    plant(home, metric(body, "better = {'mine': 'lower'}"), TINY)
    done = simbench.run(SMALL, "uniform", {"name": "none"}, scoring=QUICK, metric=["mine"])
    (row,) = done.scores.to_dict("records")
    assert row["value"] == 0
    assert row["ceiling"] != row["ceiling"]
    assert any("asked for the ceiling" in fault for fault in done.manifest["metric_faults"])


DRAWS = {
    "twice": ("Draw([1, 1])", "row 1 twice"),
    "labels": ("Draw(['p1', 'p2'])", "whole numbers from 0; found 'p1'"),
    "floats": ("Draw([1.5])", "found 1.5"),
    "a mask": ("Draw(np.ones(len(people), dtype=bool))", "found .*True"),
    "too many": ("Draw(range(len(people) + 1))", "row 60; there are 60 people"),
    "below 0": ("Draw([-1])", "row -1"),
    "a list": ("[1, 2]", "returns a simbench.Draw.*list"),
    "nothing": ("None", "NoneType"),
    "raises": ("people.nothing", "draw raised AttributeError.*line"),
    "exits": ("sys.exit(0)", "draw raised SystemExit"),
}


@pytest.mark.parametrize("case", DRAWS)
def test_a_sampler_that_draws_no_pilot_is_named(home: Path, case: str) -> None:
    returned, words = DRAWS[case]
    plant(
        home,
        "class Mine(Sampler):\n    name = 'mine'\n    def draw(self, people, rng):\n"
        f"        return {returned}\n" + OFFER.format(kind="sampler", what="(Mine,)"),
        TINY,
    )
    with pytest.raises(PluginError, match=words) as refused:
        simbench.run(SMALL, "uniform", "mine")
    assert f"sampler 'mine' ({INLINE}.Mine): " in str(refused.value)
    assert not (home / "runs").exists()


BACKEND = """
from simbench import Answer, Backend, Model

class Mine(Backend):
    "Wrong in one place."
    name = "mine"

    def adapt(self, pilot, workspace):
        return {adapted}

    def respond(self, model, interviews, workspace):
        return {answers}

    def record(self):
        return {record}
"""
BACKEND_FINE = {
    "adapted": "Model('test', 'mine')",
    "record": "{}",
    "answers": "(Answer(*e.key, 'ok', {i.name: i.values[0] for i in e.items}) for e in interviews)",
}


@pytest.mark.parametrize(
    ("part", "wrong", "words"),
    [
        ("adapted", "None", "adapt returns Model; found None"),
        ("adapted", "{'base': 'x'}", "adapt returns Model; found {'base': 'x'}"),
        ("answers", "None", "respond returns Iterable; found None"),
        ("record", "None", "record returns Mapping; found None"),
        ("record", "{}", ""),
    ],
)
def test_a_backend_that_returns_something_else_is_named(home: Path, part: str, wrong: str, words: str) -> None:
    made = BACKEND.format(**{**BACKEND_FINE, part: wrong})
    plant(home, made + OFFER.format(kind="backend", what="(Mine,)"), TINY)
    if not words:
        simbench.run(SMALL, "mine", "none", metric=["js_distance"], scoring=QUICK)
        return
    with pytest.raises(PluginError, match=re.escape(f"backend 'mine' (simbench_plugins.Mine): {words}")):
        simbench.run(SMALL, "mine", "none", metric=["js_distance"], scoring=QUICK)


def test_notes_may_be_one_text() -> None:
    assert simbench.Draw([3, 1], "by hand").notes == ("by hand",)
    assert simbench.Draw([3, 1], ["by", "hand"]).notes == ("by", "hand")


STUDY = (
    "class Study(Experiment):\n    name = 'study'\n    items = (Item('a', 'belief', 'A?', (1, 2)),)\n"
    "    def load(self):\n        {body}\n" + OFFER.format(kind="experiment", what="(Study,)")
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('no table')", "people raised RuntimeError: no table .*in load"),
        ("return None", "people raised"),
        ("sys.exit(0)", "SystemExit"),
        ("open('trust.csv')", "FileNotFoundError.*trust.csv"),
    ],
)
def test_an_experiment_that_raises_is_named(home: Path, body: str, words: str) -> None:
    plant(home, STUDY.format(body=body))
    with pytest.raises((PluginError, UserError), match=words) as refused:
        simbench.run("study", "uniform", "none")
    assert f"experiment 'study' ({INLINE}.Study)" in str(refused.value)


def test_a_setting_without_default_is_asked_for(home: Path) -> None:
    plant(home, config_of("n: int", "field()"))
    registry = load_plugins()
    assert not registry.broken
    with pytest.raises(ConfigError, match=r"sampler\.n has no default: give sampler\.n=VALUE"):
        assemble(compose(["backend=uniform", "sampler=mine"]), registry)
    plan = assemble(compose(["backend=uniform", "sampler=mine", "sampler.n=4"]), registry)
    assert plan.sampler.config.n == 4
    assert assemble(compose(["backend=uniform", "sampler=random"]), registry).sampler.name == "random"


def test_what_a_config_refuses_is_a_line(home: Path) -> None:
    refusal = "    def __post_init__(self):\n        if self.n < 1: raise ValueError('n: at least 1')"
    plant(home, config_of("n: int", "setting(2)", refusal))
    with pytest.raises(ConfigError, match=r"sampler: n: at least 1"):
        assemble(compose(["backend=uniform", "sampler=mine", "sampler.n=0"]), load_plugins())


def test_an_enumeration_is_set_by_its_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(
        home,
        "class How(enum.Enum):\n    fast = 1\n    slow = 2\n"
        + config_of("how: How", "setting(How.fast, 'which way')"),
        TINY,
    )
    from simbench.cli import main

    assert main(["show", "sampler", "mine"]) == 0
    shown = capsys.readouterr().out
    assert "sampler.how: fast | slow = 'fast'" in shown
    for name in ("fast", "slow"):
        done = simbench.run(SMALL, "uniform", {"name": "mine", "how": name}, scoring=QUICK, metric=["js_distance"])
        stored = json.loads((done.folder.path / "manifest.json").read_text())
        assert stored["config"]["sampler"]["how"] == name
    words = (f"experiment={SMALL}", "backend=uniform", "report=false", "metric=[js_distance]", "sampler=mine")
    small = [f"scoring.{name}={value}" for name, value in QUICK.items()]
    for how in ([], ["sampler.how=slow"]):
        assert main([*words, *small, *how]) == 0


PROPERTIES = """
class Study(Experiment):
    "A study whose items follow from its settings."
    name = "study"
    @property
    def items(self): return (Item("a", "belief", "A?", (1, 2)), Item("b", "decision", "B?", (1, 2)))
    def load(self):
        n = range(40)
        rows = {"participant_id": [f"p{i}" for i in n], "a": [1 + i % 2 for i in n], "b": [1 + i // 2 % 2 for i in n]}
        return __import__("pandas").DataFrame(rows)
"""


def test_a_vignette_that_raises_is_the_experiments(home: Path) -> None:
    broken = PROPERTIES + "    def vignette(self, treatment): raise KeyError('arm')\n"
    plant(home, broken + OFFER.format(kind="experiment", what="(Study,)"))
    with pytest.raises(PluginError, match=r"experiment 'study' .*interviews raised KeyError: 'arm' .*in vignette"):
        simbench.run("study", "uniform", "none")


def test_a_rule_that_raises_is_the_experiments(home: Path) -> None:
    broken = PROPERTIES + "    def coherent(self, people): raise KeyError('arm')\n"
    plant(home, broken + OFFER.format(kind="experiment", what="(Study,)"))
    done = simbench.run("study", "uniform", "none", scoring=QUICK, metric=["js_distance", "value_action_gap"])
    (fault,) = done.manifest["metric_faults"]
    assert _found(r"^metric 'value_action_gap' .*experiment 'study' .*coherent raised KeyError: 'arm'", fault)
    assert done.scores.loc[done.scores["metric"] == "js_distance", "value"].notna().any()


def test_a_study_of_properties_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(home, PROPERTIES + OFFER.format(kind="experiment", what="(Study,)"))
    from simbench.cli import main

    assert main(["show", "experiment", "study"]) == 0
    assert "A study whose items follow from its settings." in capsys.readouterr().out
