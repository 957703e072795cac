"""Declared experiments: the example in the docs, and a clear word for every fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from simbench.errors import ConfigError, DataError
from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "immigration.yaml"


def table(n: int = 80) -> pd.DataFrame:
    """People like those of the framing experiment, with the columns the example names."""
    rng = np.random.default_rng(5)
    harm = rng.integers(2, 9, n)
    return pd.DataFrame(
        {
            "case": [f"{number:03d}" for number in range(n)],
            "tone": np.arange(n) % 2,
            "eth": np.arange(n) // 2 % 2,
            "gender": rng.choice(["female", "male"], n),
            "education": rng.integers(1, 5, n),
            "age": rng.integers(18, 90, n),
            "region": rng.choice(["north", "south"], n),
            "p_harm": harm,
            "share": rng.uniform(0, 100, n).round(1),
            "immigr": rng.integers(1, 5, n),
            "cong_mesg": (harm + rng.normal(0, 2, n) > 6).astype(int),
            "not_needed": 0,
        }
    )


@pytest.fixture
def people_file(tmp_path: Path) -> Path:
    path = tmp_path / "immigration.csv"
    table().to_csv(path, index=False)
    return path


def declared(folder: Path, **changes: Any) -> DeclaredExperiment:
    """The example with some keys changed (None: left out), written to a file of its own."""
    content = yaml.safe_load(EXAMPLE.read_text()) | changes
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}, sort_keys=False))
    return DeclaredExperiment(DeclaredConfig(str(path)))


def test_the_example_of_the_docs(people_file: Path) -> None:
    experiment = DeclaredExperiment(DeclaredConfig(str(EXAMPLE), str(people_file)))
    people, given = experiment.people(), table()
    assert experiment.design.name == "immigration"
    assert experiment.design.default_subgroup == "education"
    assert experiment.synthetic
    assert experiment.source == str(people_file)
    assert people.ids.tolist() == given["case"].tolist()
    assert people.frame["share"].tolist() == (given["share"] // 25 * 25).clip(upper=75).astype(int).tolist()
    assert people.condition[1] == "negative/European"
    assert people.levels("education")[0] == "no high school diploma"
    agrees = experiment.coherent(people.frame)
    expected = [None if h == 5 else (h > 5) == (c == 1) for h, c in zip(given["p_harm"], given["cong_mesg"])]
    assert [None if pd.isna(each) else bool(each) for each in agrees] == expected
    first = next(experiment.script().interviews(people))
    assert "news story about a European immigrant. Its tone was positive." in first.shared
    assert "share: What share" in first.shared
    assert "0-24 | 25-49 | 50-74 | 75-100" in first.shared
    assert "- Home: " in first.persona
    assert [r.family for r in experiment.design.regressions] == ["ols", "logit"]


def test_the_table_lies_beside_the_file(tmp_path: Path, people_file: Path) -> None:
    experiment = declared(tmp_path)
    assert experiment.source == str(people_file)
    assert len(experiment.people()) == 80


def test_texts_by_condition_and_no_factors(tmp_path: Path, people_file: Path) -> None:
    cells = {
        f"{tone}/{eth}": f"{eth}: {tone}!" for tone in ("positive", "negative") for eth in ("European", "Latino")
    }
    script = declared(tmp_path, vignettes=cells).script()
    assert "Latino: negative!" in script.shared({"tone": 1, "eth": 1})
    plain = declared(tmp_path, factors=None, vignettes="A {{story}}.", regressions=None)
    assert "A {story}." in next(plain.script().interviews(plain.people())).shared


def test_options_for_some_conditions_only(tmp_path: Path, people_file: Path) -> None:
    items = yaml.safe_load(EXAMPLE.read_text())["items"]
    items["immigr"]["only"] = {4: {"tone": [1]}}
    experiment = declared(tmp_path, items=items)
    script = experiment.script()
    assert "doubt | oppose" in script.shared({"tone": 1, "eth": 0})
    assert "accept | doubt\n" in script.shared({"tone": 0, "eth": 0})
    with pytest.raises(DataError, match="expected this answer with tone 1 only, found 4"):
        experiment.people()


def test_without_a_rule_nothing_is_coherent_or_not(tmp_path: Path, people_file: Path) -> None:
    experiment = declared(tmp_path, coherence=None, undefined=None)
    assert experiment.coherent(experiment.people().frame).isna().all()


def test_all_faults_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    items = yaml.safe_load(EXAMPLE.read_text())["items"]
    items["cong_mesg"]["options"] = {0: False, 1: True}
    items["immigr"]["rolle"] = items["immigr"].pop("role")
    items["share"]["top"] = None
    experiment = declared(
        tmp_path,
        items=items,
        introduction=None,
        regresions=[],
        regressions=[{"formula": "p_harm ~ tone", "family": "ls"}],
    )
    with pytest.raises(ConfigError) as caught:
        experiment.people()
    told = str(caught.value)
    for fault in (
        "introduction: expected a text",
        "items.cong_mesg.options: expected text or a number, found False; put yes and no in quotes",
        "items.immigr.role: expected text, found nothing",
        "items.immigr.rolle: there is no such key; did you mean 'role'?",
        "items.share.bins: expected whole numbers",
        "regresions: there is no such key; did you mean 'regressions'?",
        "family is one of ols, logit",
    ):
        assert fault in told


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"vignettes": "A {tone.__class__} story"}, "is no factor"),
        ({"vignettes": "A {tome} story"}, r"\{tome\} is no factor"),
        ({"vignettes": "A {tone!r} story"}, "is no factor"),
        ({"vignettes": "A {tone"}, "vignettes"),
        ({"vignettes": {"positive/Latino": "x"}}, "one text for each of 'positive/European'"),
        ({"coherence": "__import__('os')"}, "coherence"),
        ({"coherence": "p_harm > 5 and cong_mesg == 2"}, "cong_mesg is never 2"),
        ({"coherence": None}, "there is no 'coherence'"),
        ({"regressions": ["p_harm ~ I(open('x'))"]}, "regressions"),
        ({"regressions": ["p_harm ~ tonne"]}, "did you mean 'tone'"),
        ({"regressions": ["p_harm ~ tone.__class__"]}, "regressions"),
        ({"regressions": ["tone * eth"]}, "one outcome"),
        ({"main_subgroup": "region2"}, "main_subgroup"),
        ({"columns": {"participant": "case"}}, "'participant' is no column"),
        ({"items": {}}, "no items"),
        ({"items": {"p harm": {"role": "belief", "text": "?", "options": [1, 2]}}}, "found 'p harm'"),
        ({"name": 3}, "name: expected text, found a whole number"),
    ],
)
def test_one_fault(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        _ = declared(tmp_path, **changes).design


def test_a_rule_that_does_not_fit_the_data_fails_before_anything_is_asked(tmp_path: Path, people_file: Path) -> None:
    with pytest.raises(ConfigError, match="region > 3"):
        declared(tmp_path, coherence="region > 3 or p_harm > 5").people()


def test_faults_of_the_table_are_named_as_the_table_has_them(tmp_path: Path) -> None:
    bad = table()
    bad.loc[4, "share"] = 120.0
    bad.loc[5, "p_harm"] = 9
    bad.to_csv(tmp_path / "immigration.csv", index=False)
    with pytest.raises(DataError) as caught:
        declared(tmp_path).people()
    assert {(p.column, p.row, p.found) for p in caught.value.problems} == {
        ("share", "5", "120.0"),
        ("p_harm", "6", "9"),
    }
    bad.drop(columns="case").to_csv(tmp_path / "immigration.csv", index=False)
    with pytest.raises(DataError, match="column 'case': expected this column, for 'participant_id'"):
        declared(tmp_path).people()


def test_files_that_are_no_declaration(tmp_path: Path) -> None:
    cases = {
        "twice.yaml": "name: a\nname: b\n",
        "list.yaml": "- 1\n",
        "broken.yaml": "name: [a\n",
        "tag.yaml": "name: !!python/object/apply:os.system ['true']\n",
    }
    for name, text in cases.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=name):
            _ = DeclaredExperiment(DeclaredConfig(str(tmp_path / name))).design
    with pytest.raises(ConfigError, match="No such file"):
        _ = DeclaredExperiment(DeclaredConfig(str(tmp_path / "gone.yaml"))).design
    with pytest.raises(ConfigError, match=r"experiment\.file"):
        _ = DeclaredExperiment(DeclaredConfig()).design
