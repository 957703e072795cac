"""load_runs: tidy frames over many runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import simbench
from simbench.errors import ConfigError, StorageError
from simbench.harness.kept import people_of, study_of
from simbench.harness.library import Runs
from simbench.harness.store import RunFolder
from simbench.plugin.manager import load_plugins


def test_frames_hold_every_row_of_every_run(runs: Runs) -> None:
    for name in ("scores", "responses", "people", "pilot", "resamples"):
        whole = getattr(runs, name)
        parts = {run.run_id: pd.read_parquet(run.folder / f"{name}.parquet") for run in runs}
        assert whole["run_id"].value_counts().to_dict() == {run: len(part) for run, part in parts.items()}
        for run, part in parts.items():
            mine = whole[whole["run_id"] == run].reset_index(drop=True)
            column = part.columns[-2]
            pd.testing.assert_series_equal(mine[column], part[column], check_dtype=False)


def test_table_tells_runs_apart(runs: Runs) -> None:
    table = runs.table.set_index("run_id")
    assert sorted(table["backend"]) == ["odd", "resample", "resample", "uniform"]
    odd = table[table["backend"] == "odd"].iloc[0]
    assert odd["ok"] + odd["not_ok"] == odd["n_evaluated"]
    assert odd["tokens"] == odd["ok"] * 10 + odd["not_ok"] * 7
    assert sorted(table["sampler.n"]) == [20, 20, 20, 60]


def test_the_manifest_names_the_pilot_by_its_people(runs: Runs) -> None:
    for run in runs:
        study = study_of(run.folder, load_plugins())
        assert study is not None
        assert run.manifest["humans"]["pilot_sha256"] == people_of(study.design.given, run.pilot).digest


def test_a_manifest_that_was_read_is_read_again_when_it_changes(runs: Runs, tmp_path: Path) -> None:
    shutil.copytree(runs[0].folder.path, tmp_path / "copy")
    folder = RunFolder(tmp_path / "copy")
    folder.manifest["status"] = "altered"
    assert folder.manifest["status"] == "done"
    RunFolder(folder.path).update(status="failed")
    assert folder.manifest["status"] == "failed"
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"failed"', b'"dunked"'))
    with pytest.raises(StorageError, match="is damaged"):
        _ = folder.manifest
    manifest.write_bytes(b"")
    with pytest.raises(StorageError, match="is damaged"):
        _ = folder.manifest


def test_filters_and_globs(home: Path, runs: Runs) -> None:
    assert len(runs.where(backend="resample")) == 2
    assert len(simbench.load_runs("runs/*resample*", "sampler.n=60")) == 1
    assert len(simbench.load_runs("runs", "other")) == 5
    with pytest.raises(ConfigError, match="did you mean 'backend'"):
        runs.where(backnd="odd")
    with pytest.raises(ConfigError, match=r"no manifest\.json"):
        simbench.load_runs("nowhere")


def test_sql_sees_the_frames(runs: Runs) -> None:
    counted = runs.sql("select backend, count(*) as n from responses join runs using (run_id) group by backend")
    assert counted.set_index("backend")["n"].to_dict() == {"odd": 80, "uniform": 80, "resample": 160}


def test_a_run_shows_its_figures(runs: Runs) -> None:
    (run,) = runs.where(backend="odd")
    html = run._repr_html_()
    assert "js_distance" in html
    assert run.run_id in html


def test_shown_in_a_notebook_without_markup_of_others(runs: Runs) -> None:
    html = runs._repr_html_()
    assert html.count("<tr") == 1 + 1 + len(runs)
    assert "resample" in html
