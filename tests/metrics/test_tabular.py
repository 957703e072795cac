"""backend=tabular: the regression that a language model should beat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from simbench.backends.base import Model, Workspace
from simbench.backends.logits import PENALTIES
from simbench.backends.tabular import Tabular, TabularConfig
from simbench.design import Design, Factor, Item, People, Profile
from simbench.harness.progress import Silent
from simbench.interview import Script, Style


def asked(design: Design, frame: pd.DataFrame, **style: Any) -> tuple[list[Any], list[Any]]:
    """Transcripts and interviews of these people."""
    script = Script(design, "Hello.", lambda treatment: str(treatment), Style(**style))
    people = People.of(design, frame)
    return list(script.transcripts(people)), list(script.interviews(people))


def simulate(pilot: list[Any], interviews: list[Any], seed: int = 0, folds: int = 5) -> tuple[Model, list[Any]]:
    """Adapt, send the handle through JSON as the harness does, and answer."""
    backend, workspace = Tabular(TabularConfig(folds)), Workspace(Path(), seed, Silent())
    model = Model.from_json(json.loads(json.dumps(backend.adapt(pilot, workspace).to_json())))
    return model, list(backend.respond(model, interviews, workspace))


def test_every_answer_is_complete_and_its_probabilities_sum_to_one(study: Any) -> None:
    pilot, _ = asked(study.design, study.draw(1, 60))
    _, interviews = asked(study.design, study.draw(2, 80))
    _, answers = simulate(pilot, interviews)
    assert [answer.key for answer in answers] == [each.key for each in interviews]
    for answer in answers:
        for item in study.design.items:
            assert answer.answers[item.name] in item.values
            chances = np.array(answer.probabilities[item.name])
            assert chances.shape == (len(item.values),)
            assert (chances > 0).all()
            assert chances.sum() == pytest.approx(1)


def test_the_same_seed_gives_the_same_answers_in_any_order(study: Any) -> None:
    pilot, _ = asked(study.design, study.draw(1, 60))
    _, interviews = asked(study.design, study.draw(2, 40))
    _, answers = simulate(pilot, interviews)
    _, reversed_answers = simulate(pilot, interviews[::-1])
    assert {a.key: a.answers for a in answers} == {a.key: a.answers for a in reversed_answers}
    _, other = simulate(pilot, interviews, seed=1)
    assert [a.answers for a in answers] != [a.answers for a in other]


def test_first_item_equals_scikit_learn_with_one_made_up_person_added(study: Any) -> None:
    """A pilot of fewer than two people per fold gets the strongest penalty."""
    frame = study.draw(1, 9)
    pilot, interviews = asked(study.design, frame)
    model, answers = simulate(pilot, interviews)
    assert {item["penalty"] for item in model.parameters["items"].values()} == {PENALTIES[0]}
    columns = [frame["group"] == g for g in sorted(frame["group"].unique())]
    columns += [(frame["age"] - frame["age"].mean()) / frame["age"].std(ddof=0)]
    columns += [frame["tone"] == t for t in (0, 1)] + [frame["who"] == w for w in "ab"]
    cells = frame["tone"].astype(str) + frame["who"]
    columns += [cells == c for c in sorted(cells.unique())]
    design = np.column_stack(columns).astype(float)
    fit = LogisticRegression(C=PENALTIES[0], tol=1e-8, max_iter=5000).fit(design, frame["harm"])
    expected = np.full((9, 5), 1 / 5 / 10)
    expected[:, fit.classes_ - 1] += fit.predict_proba(design) * 9 / 10
    found = np.array([answer.probabilities["harm"] for answer in answers])
    assert found == pytest.approx(expected, abs=1e-4)


def test_it_learns_profile_treatment_and_earlier_answers(study: Any) -> None:
    """Beats the pilot's frequencies in log score on other people; the decision follows the belief drawn."""
    pilot, _ = asked(study.design, study.draw(1, 400, effect=2.0))
    frame = study.draw(2, 500, effect=2.0)
    _, interviews = asked(study.design, frame)
    _, answers = simulate(pilot, interviews)
    own = np.array([item["harm"] for item in frame.to_dict("records")]) - 1
    table = np.array([answer.probabilities["harm"] for answer in answers])
    shares = np.bincount([t.answers["harm"] - 1 for t in pilot], minlength=5) / 400
    assert np.log(table[np.arange(500), own]).mean() > np.log(shares[own]).mean() + 0.02
    drawn = pd.DataFrame([answer.answers for answer in answers])
    assert drawn.groupby(drawn["harm"] > 3)["act"].mean().diff().iloc[1] > 0.3
    effect = drawn["harm"].groupby(frame["tone"]).mean().diff().iloc[1]
    assert effect > 0.5


def test_noise_gets_a_strong_penalty(study: Any) -> None:
    rng = np.random.default_rng(0)
    frame = study.draw(1, 200)
    noise = frame.assign(harm=rng.integers(1, 6, 200))
    model, _ = simulate(asked(study.design, noise)[0], [])
    assert model.parameters["items"]["harm"]["penalty"] <= 0.03


def test_a_persona_that_is_not_told_is_not_used(study: Any) -> None:
    pilot, interviews = asked(study.design, study.draw(1, 60), persona="none")
    model, _ = simulate(pilot, interviews)
    sources = {column["source"] for column in model.parameters["items"]["harm"]["columns"]}
    assert sources == {"treatment", "condition"}


def test_options_that_a_group_is_not_offered_are_never_drawn() -> None:
    leave = Item("move", "decision", "?", ("stay", "go", "leave"), only={"leave": {"free": (1,)}}, ordered=False)
    design = Design("offers", (Factor("free", (0, 1)),), (Profile("age", bins=(40,)),), (leave,))
    rng = np.random.default_rng(0)
    free = np.arange(80) % 2
    moves = np.where(free == 1, rng.choice(["stay", "leave"], 80), rng.choice(["stay", "go"], 80))
    frame = pd.DataFrame(
        {"participant_id": [str(i) for i in range(80)], "age": rng.integers(20, 70, 80), "free": free, "move": moves}
    )
    pilot, interviews = asked(design, frame)
    _, answers = simulate(pilot, interviews)
    for interview, answer in zip(interviews, answers, strict=True):
        assert answer.answers["move"] in interview.items[0].values
        assert len(answer.probabilities["move"]) == len(interview.items[0].values)
        assert sum(answer.probabilities["move"]) == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_smallest_pilots(study: Any, n: int) -> None:
    pilot, _ = asked(study.design, study.draw(1, n))
    _, interviews = asked(study.design, study.draw(2, 20))
    _, answers = simulate(pilot, interviews)
    assert all(answer.status == "ok" for answer in answers)


def test_levels_and_values_unknown_to_the_pilot_or_missing(study: Any) -> None:
    pilot, _ = asked(study.design, study.draw(1, 60).query("group != 'z' and harm != 2"))
    strangers = study.draw(2, 40)
    strangers.loc[:9, "age"] = np.nan
    strangers.loc[5:14, "group"] = None
    _, interviews = asked(study.design, strangers)
    _, answers = simulate(pilot, interviews)
    assert all(0 < answer.probabilities["harm"][1] < 0.01 for answer in answers)
