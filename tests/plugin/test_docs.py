"""The page for plugin authors runs as it is written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import simbench
from simbench.plugin.manager import INLINE

DOCS = Path(__file__).parents[2] / "docs"
FEW = {"resamples": 20, "splits": 3, "floors": 2, "baseline_resamples": 5}


def test_the_trust_game_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = re.findall(r"```python\n(.*?)```", (DOCS / "plugins.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / f"{INLINE}.py").write_text("\n\n".join(examples))
    shutil.copy(DOCS / "examples" / "trust.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    done = simbench.run("trust_game", "uniform", scoring=FEW)
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
