"""``earlier``: the persona tells what a person really answered in its row before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from simbench.errors import ConfigError, DataError
from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment

STUDY: dict[str, Any] = {
    "name": "dilemma",
    "introduction": "A game in rounds.",
    "profile": {
        "before": {"label": "Your choice in the round before", "earlier": {"answer": "act", "by": "round"}},
        "age": {"bins": [30]},
    },
    "items": {
        "act": {"role": "decision", "text": "What do you do?", "options": {"c": "cooperate", "d": "defect"}},
    },
    "person": "who",
    "data": "rounds.csv",
}
ROWS = [("b", 2, "c", 40), ("a", 3, "d", 20), ("a", 1, "c", 20), ("b", 1, "d", 40), ("a", 2, None, 20)]


def study(folder: Path, rows: list[Any] = ROWS, **changes: Any) -> DeclaredExperiment:
    """Two people, their rounds in mixed order, one of them unanswered."""
    pd.DataFrame(rows, columns=["who", "round", "act", "age"]).to_csv(folder / "rounds.csv", index=False)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | changes))
    return DeclaredExperiment(DeclaredConfig(file=str(folder / "study.yaml")))


def test_the_persona_tells_the_answer_of_the_round_before(tmp_path: Path) -> None:
    """By the number of the round and not by the order of the table; nothing in the first, or after no answer."""
    made = study(tmp_path)
    people = made.people()
    told = people.frame["before"]
    assert [None if pd.isna(each) else each for each in told] == ["d", None, None, None, "c"]
    personas = [each.persona for each in made.script().interviews(people)]
    assert "- Your choice in the round before: defect" in personas[0]
    assert "- Your choice in the round before: cooperate" in personas[4]
    assert all("round before" not in personas[row] for row in (1, 2, 3))
    assert any("REALLY answered to act in its row before (by round)" in note for note in made.notes)
    assert people.levels("before") == ["cooperate", "defect"]


def test_rounds_that_cannot_be_ordered_are_refused(tmp_path: Path) -> None:
    twice = [*ROWS, ("b", 2, "d", 40)]
    with pytest.raises(DataError, match="column 'round', row 6: expected another number in every row of a person"):
        study(tmp_path, twice).people()
    with pytest.raises(DataError, match="column 'round', row 6: expected a number"):
        study(tmp_path, [*ROWS, ("b", "last", "d", 40)]).people()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"person": ""}, "say who in 'person'"),
        ({"profile": {"before": {"earlier": {"answer": "acts", "by": "round"}}}}, "no item 'acts'"),
        ({"profile": {"before": {"earlier": {"answer": "act"}}}}, "profile.before.earlier.by: expected text"),
        ({"profile": {"before": {"levels": ["c"], "earlier": {"answer": "act", "by": "round"}}}}, "has the item's"),
    ],
)
def test_what_is_said_wrongly_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        study(tmp_path, **changes).people()


def test_a_column_of_rounds_that_is_not_there_is_named(tmp_path: Path) -> None:
    changes = {"profile": {"before": {"earlier": {"answer": "act", "by": "rond"}}}}
    with pytest.raises(DataError, match="rond"):
        study(tmp_path, **changes).people()
