"""voluntary_collaboration against the published data and the study's own payoffs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from simbench.design import People
from simbench.errors import ConfigError, DataError
from simbench.experiments.studies import Study
from simbench_studies.game import expected_payoffs

Shelf = Callable[..., Study]


@pytest.fixture
def experiment(shelf: Shelf) -> Study:
    return shelf("voluntary_collaboration")


@pytest.fixture
def people(experiment: Study) -> People:
    return experiment.people()


def test_it_has_the_published_people(people: People) -> None:
    assert len(people) == 1146
    assert people.person.nunique() == 191
    assert people.condition.value_counts().to_dict() == dict.fromkeys(people.design.conditions, 191)
    actions = people.frame.groupby(["p_option", "action"]).size().to_dict()
    assert actions == {("A", "C"): 385, ("A", "D"): 188, ("F", "C"): 306, ("F", "D"): 45, ("F", "L"): 222}
    assert (people.frame["belief_c"] == 30).sum() == 132
    assert not people.frame.isna().any().any()


def test_its_rule_is_the_best_response_of_the_studys_own_payoffs(experiment: Study, people: People) -> None:
    """Recomputed from the raw file with scipy's binomial."""
    raw = pd.read_csv(Path(os.environ["SIMBENCH_DATA"]) / "voluntary_collaboration" / "main_exp_result.csv")
    middle = {0: 2, 1: 7, 2: 12, 3: 17, 4: 22, 5: 27, 6: 30}
    cooperate, keep = (raw[name].floordiv(5).map(middle) for name in ("belief_c", "belief_d"))
    share = (cooperate / (cooperate + keep)).to_numpy()
    points = np.stack(
        [
            30 * binom.sf(raw["thr"] - 2, 4, share),
            10 + 30 * binom.sf(raw["thr"] - 1, 4, share),
            np.where(raw["p_option"] == "F", 20.0, -np.inf),
        ],
        axis=1,
    )
    np.testing.assert_allclose(expected_payoffs(people.frame), points, atol=1e-12)
    top = np.sort(points, axis=1)
    clear = top[:, 2] - top[:, 1] >= 1
    agrees = experiment.coherent(people.frame)
    assert agrees.notna().tolist() == clear.tolist()
    chosen = raw["action"].map({"C": 0, "D": 1, "L": 2}).to_numpy()
    assert agrees.dropna().tolist() == (points.argmax(axis=1) == chosen)[clear].tolist()
    assert round(100 * (1 - agrees.dropna().mean()), 1) == 38.8
    assert clear.sum() == 1009


def test_leaving_is_offered_in_voluntary_rounds_only(experiment: Study, people: People) -> None:
    shown = {each.condition: each.items[-1].labels for each in experiment.script().interviews(people)}
    assert {condition: "leave" in labels for condition, labels in shown.items()} == {
        condition: condition.startswith("voluntary") for condition in people.design.conditions
    }
    assert len(list(experiment.script().transcripts(people))) == 1146
    frame = people.frame.copy()
    row = int(np.flatnonzero(frame["p_option"] == "A")[0])
    frame.loc[row, "action"] = "L"
    with pytest.raises(DataError, match="this answer with p_option 'F' only"):
        People.of(people.design, frame)


def test_the_rule_by_hand(experiment: Study) -> None:
    """Nobody cooperates: keep, or leave where one can. All do: threshold 2 keep, threshold 5 cooperate."""
    rows = pd.DataFrame(
        {
            "p_option": ["A", "A", "F", "F", "A", "A", "F", "F"],
            "thr": [5, 5, 5, 5, 2, 5, 2, 2],
            "belief_c": pd.array([0, 0, 0, 0, 30, 30, 30, None], dtype="Int64"),
            "belief_d": pd.array([30, 30, 30, 30, 0, 0, 0, 0], dtype="Int64"),
            "action": ["C", "D", "D", "L", "D", "C", "L", "C"],
        }
    )
    agrees = experiment.coherent(rows)
    assert agrees.tolist() == [False, True, False, True, True, True, False, pd.NA]
    rows["action"] = None
    assert experiment.coherent(rows).isna().all()


def test_folders_without_the_published_files(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.data: expected the study's file .*main_exp_result\.csv"):
        shelf("voluntary_collaboration", str(tmp_path)).people()
    for name in ("main_exp_result.csv", "main_participant_attributes.csv"):
        (tmp_path / name).write_text("pid\n1\n")
    with pytest.raises(ConfigError, match="is not the published file"):
        shelf("voluntary_collaboration", str(tmp_path)).people()
