"""Reading tables: one clear error for every way a file can be wrong."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from simbench.errors import ConfigError, DataError, UserError
from simbench.experiments.tables import read_table


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
def test_it_reads_what_pandas_writes(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"participant_id": ["001", "002"], "x": [1, 2], "y": ["None", "b"]})
    path = tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if name.endswith("tsv") else ",")
    read = read_table(path, "experiment.data", text=("participant_id",))
    assert read.to_dict("list") == table.to_dict("list")


def test_missing_means_empty_or_na(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", b"\xef\xbb\xbfa,b\n,None\nNA,null\nNaN,x\n")
    read = read_table(path, "experiment.data")
    assert read["a"].isna().all()
    assert read["b"].tolist() == ["None", "null", "x"]


BROKEN = {
    "binary.csv": b"a,b\n\xff\xfe\x00\n",
    "ragged.csv": b"a,b\n1,2\n1,2,3,4\n",
    "quote.csv": b'a,b\n1,"2\n',
    "text.parquet": b"this is no parquet",
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, BROKEN[name])
    with pytest.raises(UserError, match=name) as caught:
        read_table(path, "experiment.data")
    assert caught.value.exit_code == 2


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.data: cannot read .*No such file"):
        read_table(tmp_path / "gone.csv", "experiment.data")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match=r"experiment\.data"):
        read_table(tmp_path / "folder.csv", "experiment.data")
    with pytest.raises(ConfigError, match=r"ends in \.csv, \.tsv, \.parquet"):
        read_table(tmp_path / "people.ods", "experiment.data")


def test_empty_files_and_repeated_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="an empty file"):
        read_table(written(tmp_path, "empty.csv", b""), "experiment.data")
    with pytest.raises(DataError, match="empty"):
        read_table(written(tmp_path, "blank.csv", b"\n\n"), "experiment.data")
    with pytest.raises(DataError) as caught:
        read_table(written(tmp_path, "twice.csv", b"a,b,a\n1,2,3\n"), "experiment.data")
    assert [problem.column for problem in caught.value.problems] == ["a"]
