"""From a table to a study that runs as it is, and what is said of it before anything is spent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import simbench
from simbench.cli import main
from simbench.drafting.draft import guess_study

FEW = {"resamples": 5, "splits": 2, "floors": 1, "baseline_resamples": 2, "swaps": 0}


def people(n: int = 120) -> pd.DataFrame:
    """A table as researchers have them: row numbers, cells and their factors, a code for no answer, words."""
    rng = np.random.default_rng(1)
    tone, who = rng.integers(0, 2, n), rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "": range(1, n + 1),
            "respondent_id": [f"r{number:03}" for number in range(n)],
            "cond": 1 + tone + 2 * who,
            "tone": tone,
            "who": np.where(who == 1, "friend", "stranger"),
            "age": rng.integers(18, 80, n),
            "gender": rng.choice(["woman", "man"], n),
            "expected return": np.where(np.arange(n) == 5, 999, rng.integers(0, 101, n)),
            "trust": rng.choice(["strongly disagree", "disagree", "agree", "strongly agree"], n),
            "sent": rng.integers(0, 2, n),
            "remarks": [f"what person number {number} had to say at some length" for number in range(n)],
        }
    )


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    people().to_csv("people.csv", index=False)
    return tmp_path / "people.csv"


def roles(path: Path, told: dict[str, str] | None = None) -> dict[str, str]:
    return {each.column.name: each.role for each in guess_study(path, told).guesses}


def test_a_draft_says_what_it_guessed_and_runs_as_it_is(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "study", "people.csv", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "simbench check study.yaml" in said
    assert all(name in said for name in people().columns)
    written = yaml.safe_load(Path("study.yaml").read_text())
    assert [*written["factors"]] == ["tone", "who"]
    assert [*written["profile"]] == ["age", "gender"]
    items = {name: item["role"] for name, item in written["items"].items()}
    assert items == {"expected_return": "belief", "trust": "attitude", "sent": "decision"}
    assert written["items"]["expected_return"]["missing"] == [999]
    assert written["items"]["trust"]["options"] == ["strongly disagree", "disagree", "agree", "strongly agree"]
    assert written["columns"] == {"participant_id": "respondent_id", "expected_return": "expected return"}
    assert "remarks" not in {*written["profile"], *written["items"]}
    experiment = {"name": "yaml", "file": "study.yaml"}
    done = simbench.run(experiment, "tabular", "random", scoring=FEW, metric=["js_distance", "treatment_effects"])
    assert done.manifest["status"] == "done"
    assert done.manifest["humans"]["n"] == 120
    assert main(["check", "study.yaml"]) == 0
    told = capsys.readouterr().out
    assert "tone 0/friend: " in told
    assert "still to be written: vignette or introduction, item expected_return, item trust, item sent" in told
    assert told.count("as a model reads it") == 3
    assert "pretesting: a perfect simulation would" in told


def test_options_say_better_than_guesses(table: Path) -> None:
    assert main(["new", "study", "people.csv", "-o", "x.yaml", "--arms", "tone", "--beliefs", "trust,sent"]) == 0
    written = yaml.safe_load(Path("x.yaml").read_text())
    assert [*written["factors"]] == ["tone"]
    assert written["items"]["sent"]["role"] == written["items"]["trust"]["role"] == "belief"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["study", "people.csv", "-o", "x.txt"], "ends in .yaml"),
        (["study", "absent.csv"], "cannot read"),
        (["study", "people.csv", "--arms", "ton"], "did you mean 'tone'"),
        (["study", "people.csv", "--arms", "age"], "an arm has at most"),
        (["study", "people.csv", "--arms", "tone", "--profile", "tone"], "both"),
        (["study", "people.csv", "--leave-out", "expected return,trust,sent"], "--decisions"),
        (["study", "people.csv", "--items", "trust"], ""),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    table: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not told:
        with pytest.raises(SystemExit):
            main(["new", *words])
    else:
        assert main(["new", *words]) == 2
        assert told in capsys.readouterr().err
    assert not Path("study.yaml").exists()
    Path("study.yaml").write_text("mine")
    assert main(["new", "study", "people.csv"]) == 2
    assert Path("study.yaml").read_text() == "mine"


def test_repeated_people_and_what_all_of_them_meet(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [(f"p{who}", thr, option) for who in range(40) for thr in (2, 4, 5) for option in "AF"]
    frame = pd.DataFrame(rows, columns=["pid", "thr", "option"])
    frame["round"] = frame.groupby("pid").cumcount() + 1
    frame = frame.assign(action=rng.choice(list("CD"), len(frame)), age=frame["pid"].map(lambda p: 20 + int(p[1:])))
    frame.to_csv(tmp_path / "rounds.csv", index=False)
    found = roles(tmp_path / "rounds.csv")
    assert found == {
        "pid": "person",
        "thr": "arm",
        "option": "arm",
        "round": "out",
        "action": "decision",
        "age": "profile",
    }


def test_rows_of_one_id_that_differ_in_sex_are_no_person(tmp_path: Path) -> None:
    frame = people().assign(respondent_id=[number % 40 for number in range(120)])
    frame.to_csv(tmp_path / "x.csv", index=False)
    assert roles(tmp_path / "x.csv")["respondent_id"] == "out"


def test_an_export_of_qualtrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    n = 40
    body = pd.DataFrame(
        {
            "StartDate": ["2026-01-01 10:00:00"] * n,
            "Status": ["IP Address"] * (n - 2) + ["Survey Preview"] * 2,
            "Finished": ["True"] * n,
            "ResponseId": [f"R_{number}" for number in range(n)],
            "condition": ["control", "treatment"] * (n // 2 - 1) + ["", ""],
            "Q1": [1 + number % 5 for number in range(n)],
            "Q2": ["Yes", "No"] * (n // 2),
        }
    ).astype(str)
    head = pd.DataFrame(
        [
            [
                "Start Date",
                "Response Type",
                "Finished",
                "Response ID",
                "condition",
                "How much will come back?",
                "Do you send?",
            ],
            [f'{{"ImportId":"{name}"}}' for name in body.columns],
        ],
        columns=body.columns,
    )
    pd.concat([head, body]).to_csv("export.csv", index=False)
    assert main(["new", "study", "export.csv", "--beliefs", "Q1", "--decisions", "Q2"]) == 0
    written = yaml.safe_load(Path("study.yaml").read_text())
    assert written["items"]["Q1"]["text"] == "How much will come back?"
    assert written["items"]["Q1"]["options"] == [1, 2, 3, 4, 5]
    assert [*written["factors"]] == ["condition_2"]  # condition is a word of our own
    assert written["columns"] == {"participant_id": "ResponseId", "condition_2": "condition"}
    assert len(pd.read_csv(written["data"])) == n - 2


def test_an_export_of_otree(tmp_path: Path) -> None:
    n = 30
    frame = pd.DataFrame(
        {
            "participant.id_in_session": range(1, n + 1),
            "participant.code": [f"c{number}" for number in range(n)],
            "participant._is_bot": 0,
            "player.id_in_group": [1, 2] * (n // 2),
            "player.treatment": ["low", "high"] * (n // 2),
            "player.expectation": [number % 4 for number in range(n)],
            "player.contribution": [5 * (number % 5) for number in range(n)],
            "player.payoff": range(n),
            "session.code": "s1",
            "subsession.round_number": 1,
        }
    )
    frame.to_csv(tmp_path / "otree.csv", index=False)
    kept = {name: role for name, role in roles(tmp_path / "otree.csv").items() if role != "out"}
    assert kept == {"code": "id", "treatment": "arm", "expectation": "belief", "contribution": "decision"}


def test_words_of_an_spss_file(tmp_path: Path) -> None:
    pyreadstat = pytest.importorskip("pyreadstat")
    frame = pd.DataFrame({"sex": [1.0, 2.0] * 20, "vote": [1.0, 2.0, 3.0, 9.0] * 10})
    pyreadstat.write_sav(
        frame,
        str(tmp_path / "survey.sav"),
        column_labels={"sex": "Sex", "vote": "Whom would you vote for?"},
        variable_value_labels={
            "sex": {1: "man", 2: "woman"},
            "vote": {1: "Left", 2: "Right", 3: "Green", 9: "No answer"},
        },
    )
    found = {each.column.name: each.column for each in guess_study(tmp_path / "survey.sav").guesses}
    assert found["vote"].words == {1: "Left", 2: "Right", 3: "Green"}
    assert found["vote"].missing == ("9",)
    assert found["vote"].label == "Whom would you vote for?"
    assert found["sex"].words == {1: "man", 2: "woman"}


def test_a_measured_number_is_no_question_and_an_outcome_no_treatment(tmp_path: Path) -> None:
    """As in a field experiment: only names tell treatment from outcome, and shares of a district were measured."""
    rng = np.random.default_rng(3)
    n = 400
    table = pd.DataFrame(
        {
            "treat_out": rng.integers(0, 2, n),
            "responded": rng.integers(0, 2, n),
            "blackpercent": rng.random(n),
            "slider": rng.integers(0, 11, n) / 10,
        }
    )
    table.to_csv(tmp_path / "mail.csv", index=False)
    assert roles(tmp_path / "mail.csv") == {
        "treat_out": "arm",
        "responded": "decision",
        "blackpercent": "out",
        "slider": "attitude",
    }
