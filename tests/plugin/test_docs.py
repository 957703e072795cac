"""The page for plugin authors runs as it is written."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import simbench
from simbench.cli.verbs import VERBS
from simbench.plugin import hookspecs
from simbench.plugin.hookspecs import KINDS
from simbench.plugin.manager import INLINE, load_plugins

DOCS = Path(__file__).parents[2] / "docs"
FEW = {"resamples": 20, "splits": 3, "floors": 2, "baseline_resamples": 5}


def test_the_trust_game_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = re.findall(r"```python\n(.*?)```", (DOCS / "plugins.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / f"{INLINE}.py").write_text("\n\n".join(examples))
    shutil.copy(DOCS / "examples" / "trust.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    done = simbench.run("stake_game", "uniform", scoring=FEW)
    assert done.manifest["humans"]["n"] == 120
    assert done.manifest["humans"]["synthetic"] is True
    assert not done.manifest["metric_faults"]
    assert {"js_distance", "value_action_gap", "f1_sign"} <= set(done.scores["metric"])


WARNING = """
import warnings
import pandas as pd
from simbench import Experiment, Item, hookimpl

class Loud(Experiment):
    "Made-up people and a warning."
    name = "loud"
    synthetic = True
    items = (Item("a", "belief", "A?", (1, 2)),)

    def load(self):
        warnings.warn("of a library, for its programmers", FutureWarning)
        return pd.DataFrame({"participant_id": [f"p{i}" for i in range(20)], "a": [1, 2] * 10})

@hookimpl
def simbench_experiments():
    return (Loud,)
"""


def test_no_librarys_warning_reaches_the_screen(
    command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / f"{INLINE}.py").write_text(WARNING)
    words = ("experiment=loud", "backend=uniform", "sampler=none", "metric=[js_distance]", "scoring.resamples=5")
    done = command(*words, env={"PYTHONWARNINGS": ""})
    assert done.returncode == 0, done.stderr
    assert "for its programmers" not in done.stdout + done.stderr
    shown = command(*words, "seed=1", env={"PYTHONWARNINGS": "default"})
    assert "for its programmers" in shown.stderr


def test_the_readers_table_opens_files_that_are_there() -> None:
    """Every row of "I want to change ... -> open ..." names a file or folder of this repository."""
    root = DOCS.parent
    code = root / "src" / "simbench"
    text = (DOCS / "design.md").read_text(encoding="utf-8")
    rows = [line for line in text.split("### I want to change ...")[1].split("###")[0].splitlines() if "`" in line]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`([\w./]+(?:\.py|/))`", row.split("|")[2])
        assert named, row
        assert any("..." in each or any((place / each).exists() for place in (root, code)) for each in named)


def test_the_reference_has_words_for_everything() -> None:
    """What the documentation site writes of itself: no setting, verb, class or hook without a sentence."""
    spec = importlib.util.spec_from_file_location("reference_pages", DOCS / "reference_pages.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    pages = reference.pages()
    wordless = [
        line for text in pages.values() for line in text.splitlines() if line.startswith("| `") and "|  |" in line
    ]
    assert not wordless
    registry = load_plugins()
    for kind in KINDS:
        for entry in registry.of(kind):
            assert f"## {entry.name}\n" in pages[f"{kind}s"]
            assert entry.summary, f"{kind} {entry.name} has no docstring"
    for verb, (module, what) in VERBS.items():
        assert what
        assert f"## simbench {verb}\n" in pages["verbs"]
        assert not module or f"usage: simbench {verb}" in pages["verbs"]
    for name in simbench.__all__:
        assert f"## {name}\n" in pages["python"]
    hooks = {name for name in dir(hookspecs) if name.startswith("simbench_")}
    assert {f"simbench_{kind}s" for kind in KINDS} <= hooks
    written = (DOCS / "plugins.md").read_text(encoding="utf-8")
    assert not [name for name in hooks if name not in pages["hooks"] or name not in written]
    assert all(getattr(hookspecs, name).__doc__ for name in hooks)


def test_every_figure_is_explained() -> None:
    """A figure that a metric announces is named in its docstring or on the page of metrics."""
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    announced = [
        (figure, page + (entry.cls.__doc__ or ""))
        for entry in load_plugins().of("metric")
        for figure in {*entry.cls.better, *(name for name, _ in entry.cls.headline)}
    ]
    assert len(announced) > 30
    assert not [figure for figure, text in announced if f"`{figure}" not in text]
