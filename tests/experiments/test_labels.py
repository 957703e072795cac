"""Value labels of SPSS and Stata files are the words of what a study does not word itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from simbench.errors import ConfigError, DataError
from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment

pyreadstat = pytest.importorskip("pyreadstat")

LABELS: dict[str, dict[Any, str]] = {
    "q1": {1: "Not at all", 2: "Somewhat", 3: "Very much", 8: "Don't know", 9: "Refused"},
    "q2": {1: "Not at all", 2: "Somewhat", 3: "Very much"},
    "sex": {1: "woman", 2: "man"},
    "age": {99: "99 or older"},
    "vote": {0: "No", 1: "Yes"},
}


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "participant_id": [f"p{number}" for number in range(n)],
            "q1": rng.choice([1.0, 2.0, 3.0, 8.0, 9.0], n),
            "q2": rng.integers(1, 4, n).astype(float),
            "sex": rng.integers(1, 3, n).astype(float),
            "age": rng.integers(18, 90, n).astype(float),
            "vote": rng.integers(0, 2, n).astype(float),
        }
    )


def written(folder: Path, ending: str) -> Path:
    path = folder / f"people.{ending}"
    if ending == "sav":
        pyreadstat.write_sav(
            table(), str(path), variable_value_labels=LABELS, missing_ranges={"q1": [9, {"lo": 8, "hi": 8}]}
        )
    else:
        given = table().astype({"q1": object})
        given["q1"] = given["q1"].replace({8.0: "a", 9.0: "b"})
        labels = {**LABELS, "q1": {1: "Not at all", 2: "Somewhat", 3: "Very much", "a": "Don't know"}}
        pyreadstat.write_dta(given, str(path), variable_value_labels=labels, missing_user_values={"q1": ["a", "b"]})
    return path


def study(folder: Path, **more: Any) -> DeclaredExperiment:
    content = {
        "name": "labelled",
        "introduction": "A survey.",
        "profile": {"sex": None, "age": None},
        "items": {
            "first": {"role": "attitude", "text": "Do you like it?"},
            "q2": {"role": "attitude", "text": "And this?", "battery": {"q2": "really?"}},
            "vote": {"role": "decision", "text": "Vote?", "options": {0: "stays home", 1: "votes"}},
        },
        "columns": {"first": "q1"},
        **more,
    }
    path = folder / "labelled.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return DeclaredExperiment(DeclaredConfig(str(path)))


@pytest.mark.parametrize("ending", ["sav", "dta"])
def test_labels_are_the_words_where_the_study_gives_none(tmp_path: Path, ending: str) -> None:
    made = study(tmp_path, data=str(written(tmp_path, ending)))
    design = made.design
    scale = {1: "Not at all", 2: "Somewhat", 3: "Very much"}  # without what the file declares missing
    for name in ("first", "q2"):
        item = design.item(name)
        assert dict(zip(item.values, item.labels, strict=True)) == scale
    assert design.item("vote").labels == ("stays home", "votes")  # the study's words come first
    assert design.variable("sex").words == {1: "woman", 2: "man"}
    assert design.variable("age").words is None  # one label is no list of levels
    frame = made.people().frame
    assert frame["first"].isna().sum() == (table()["q1"] > 3).sum() > 0
    told = next(made.script().interviews(made.people()))
    assert "Not at all | Somewhat | Very much" in told.shared
    assert "Sex: woman" in told.persona or "Sex: man" in told.persona


def test_what_the_study_declares_missing_is_no_option(tmp_path: Path) -> None:
    path = tmp_path / "people.sav"
    pyreadstat.write_sav(table(), str(path), variable_value_labels=LABELS)
    made = study(tmp_path, data=str(path), missing=[8, 9])
    assert made.design.item("first").values == (1, 2, 3)
    assert made.people().frame["first"].isna().sum() == (table()["q1"] > 3).sum()
    assert study(tmp_path, data=str(path)).design.item("first").labels[-2:] == ("Don't know", "Refused")


def test_a_value_without_a_label_is_named(tmp_path: Path) -> None:
    path = tmp_path / "people.sav"
    pyreadstat.write_sav(table(), str(path), variable_value_labels={**LABELS, "q2": {1: "No", 3: "Yes"}})
    with pytest.raises(DataError, match=r"q2.*found 2"):
        study(tmp_path, data=str(path), missing=[8, 9]).people()


def test_a_table_without_labels_needs_options(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "people.csv", index=False)
    with pytest.raises(ConfigError, match="has no options"):
        _ = study(tmp_path, data="people.csv").design
