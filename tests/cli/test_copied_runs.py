"""The command line on run folders that were copied away from their study."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

DOCS = Path(__file__).parents[2] / "docs" / "examples"
FEW = ("sampler=random", "sampler.n=30", "evaluate=reserved", "scoring.resamples=10", "scoring.splits=3")


def test_copied_runs_are_reported_compared_scored_and_exported(
    command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    for name in ("values.yaml", "values.csv"):
        shutil.copy(DOCS / name, mine)
    made = command("-m", "experiment=yaml", "experiment.file=values.yaml", "backend=uniform,majority", *FEW, cwd=mine)
    assert made.returncode == 0, made.stderr
    shutil.copytree(mine / "runs", theirs / "copied")
    shutil.rmtree(mine)
    for words in (
        ("report", "copied", "-o", "page", "--no-figures"),
        ("compare", "copied"),
        ("score", "copied", "--metric", "js_distance", "--set", "scoring.resamples=5"),
        ("export", "copied"),
    ):
        done = command(*words, cwd=theirs)
        assert done.returncode == 0, (words, done.stderr)
    assert "Invented for this example" in (theirs / "page" / "report.html").read_text(encoding="utf-8")
    refused = command("score", "copied", "--set", "resample=5", cwd=theirs)
    assert refused.returncode == 2
    assert "resamples" in refused.stderr
    assert "Traceback" not in refused.stderr
