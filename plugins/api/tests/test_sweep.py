"""Two providers times three samplers, against the stand-in: one comparison table."""

from __future__ import annotations

import json

SWEEP = (
    "-m",
    "experiment=crowd",
    "experiment.people=60",
    "backend=openai,anthropic",
    "sampler=none,random,balanced",
    "metric=js_distance",
    "scoring.resamples=20",
    "scoring.splits=2",
    "scoring.floors=2",
)


def test_one_table_of_two_providers_and_three_samplers(simbench, tmp_path) -> None:
    assert simbench(*SWEEP, plain=True).wait(300) == 0, (tmp_path / "log.txt").read_text()
    runs = sorted((tmp_path / "runs").glob("crowd-*"))
    cells = {tuple(run.name.split("-")[1:3]) for run in runs}
    assert cells == {(b, s) for b in ("openai", "anthropic") for s in ("none", "random", "balanced")}
    for run in runs:
        manifest = json.loads((run / "manifest.json").read_text())
        assert manifest["status"] == "done"
        assert manifest["outcomes"]["all"]["ok"] > 0
        assert manifest["model"]["parameters"]["adapt"] == ("none" if "-none-" in run.name else "few_shot")
    words = ("compare", "runs", "--format", "csv", "--different-humans")
    assert simbench(*words, plain=True, log="table.csv").wait(120) == 0
    table = (tmp_path / "table.csv").read_text()
    for backend, sampler in cells:
        assert any(backend in line and sampler in line for line in table.splitlines()), table
