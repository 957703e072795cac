"""``simbench show experiment NAME``: who took part and what was asked, before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from simbench.cli import main
from simbench.plugin.manager import load_plugins

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "immigration.yaml"


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the verb prints."""
    assert main(["show", "experiment", *words]) == 0
    return capsys.readouterr().out


def test_a_study_says_who_took_part(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """People per arm, missing answers, weights, rule, licence, citation; real and synthetic in so many words."""
    text = EXAMPLE.read_text() + "weight: w\nlicense: CC0\n"
    (tmp_path / "study.yaml").write_text(text)
    rows = (EXAMPLE.parent / "immigration.csv").read_text().splitlines()
    lines = [f"{rows[0]},w", *(f"{row},{1 + at % 3}" for at, row in enumerate(rows[1:]))]
    (tmp_path / "immigration.csv").write_text("\n".join(lines))
    told = shown(capsys, "yaml", f"experiment.file={tmp_path / 'study.yaml'}")
    people = load_plugins().get("experiment", "yaml").cls
    made = people(people.Config(file=str(EXAMPLE))).people()
    counts = made.condition.value_counts()
    for words in (
        "SYNTHETIC people, not real ones",
        f"{len(made)} people, weighted (w): for a mean as good as",
        f"in 4 treatment groups: positive/European {counts['positive/European']}; ",
        "decision cong_mesg: no | yes",
        "coherent: (p_harm > 5) == (cong_mesg == 1), undefined where p_harm == 5",
        "licence: CC0",
        "cite: Invented for this example",
    ):
        assert words in told
    gone = int((made.codes("share") < 0).sum())
    assert (f"share: 0-24 | 25-49 | 50-74 | 75-100 (missing: {gone}," in told) == (gone > 0)


def test_an_interview_of_every_arm_is_what_a_model_reads(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, "yaml", f"experiment.file={EXAMPLE}", "--interview")
    parts = told.split("--- ")[1:]
    assert {part.splitlines()[0] for part in parts} == {
        f"{t}/{e}" for t in ("positive", "negative") for e in ("European", "Latino")
    }
    entry = load_plugins().get("experiment", "yaml").cls
    study = entry(entry.Config(file=str(EXAMPLE)))
    for part in parts:
        wanted = next(
            each for each in study.script().interviews(study.people()) if each.condition == part.splitlines()[0]
        )
        assert wanted.shared in part
        assert wanted.persona in part


def test_what_cannot_be_had_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without a file the class is still described; a table that is not there leaves the design."""
    assert "not known without its settings: experiment.file" in shown(capsys, "yaml")
    told = shown(capsys, "yaml", f"experiment.file={EXAMPLE}", f"experiment.data={tmp_path / 'none.csv'}")
    assert "they cannot be had here: experiment.data: cannot read" in told
    assert "factor tone: positive, negative" in told
    assert "real people" not in told


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["experiment", "yaml", "experiment.fil=x"], "experiment.fil"),
        (["experiment", "yaml", "nonsense"], "expected experiment.KEY=VALUE"),
        (["metric", "js_distance", "--interview"], "for experiments"),
    ],
)
def test_a_slip_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], answer: str) -> None:
    assert main(["show", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert answer in said
    assert len(said.splitlines()) == 1
