"""export: Croissant metadata that tells the truth about the files."""

from __future__ import annotations

import hashlib
import json

import pandas as pd
import pytest

from simbench.cli import main
from simbench.harness.library import Runs


def test_files_and_columns(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "runs", "backend=odd", "--license", "https://example.org/licence"]) == 0
    (run,) = runs.where(backend="odd")
    described = json.loads((run.folder / "croissant.json").read_text())
    files = {each["@id"]: each for each in described["distribution"]}
    assert {"manifest.json", "people.parquet", "responses.parquet", "responses.jsonl", "scores.parquet"} <= set(files)
    for name, each in files.items():
        assert each["sha256"] == hashlib.sha256((run.folder / name).read_bytes()).hexdigest()
    for records in described["recordSet"]:
        columns = list(pd.read_parquet(run.folder / f"{records['@id']}.parquet").columns)
        assert [field["name"] for field in records["field"]] == columns


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_croissants_own_reader_accepts_it(runs: Runs) -> None:
    import mlcroissant as reader

    assert main(["export", "runs", "backend=odd"]) == 0
    (run,) = runs.where(backend="odd")
    records = list(reader.Dataset(str(run.folder / "croissant.json")).records("scores"))
    assert len(records) == len(run.scores)
