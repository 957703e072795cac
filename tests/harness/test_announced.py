"""What takes more than a minute says so first, with what would shorten it; everything else is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from simbench.cli import main

RUN = (
    "experiment=framing",
    "backend=uniform",
    "sampler=none",
    "report=false",
    "metric=[js_distance,total_variation]",
)
SMALL = ("scoring.resamples=20", "scoring.splits=2", "scoring.floors=2", "scoring.baseline_resamples=5")


@pytest.mark.parametrize("long", [-3600.0, 3600.0])
def test_long_scoring_is_announced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], long: float
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simbench.harness.scoring.LONG", long)
    monkeypatch.setattr("simbench.harness.scoring.WORTH_TRYING", 0)
    for words, resamples in (([*RUN, *SMALL], 20), (["score", "runs", "--set", "resamples=30"], 30)):
        assert main(words) == 0
        told = [line.replace("-0.0", "0.0") for line in capfd.readouterr().err.splitlines() if "ahead" in line]
        said = f"scoring 265 people, {resamples} resamples, 2 metrics: about 0.0 minutes ahead; "
        assert told == ([] if long > 0 else [f"{said}fewer scoring.resamples or metrics take less"])
