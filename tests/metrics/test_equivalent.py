"""As good as how many people: real people, taken for the simulation, are worth as many as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.metrics.equivalent import EquivalentN
from simbench.report.formats import number

VECTORS = (("equivalent_n", "mean"), ("equivalent_n_means", None), ("equivalent_n_effects", None))
REGRESSION = ("equivalent_n_coefficients", "ols: harm")


@pytest.mark.parametrize("m", [20, 50, 100, 500])
def test_m_real_people_are_worth_m_people(study: Any, m: int) -> None:
    """Of 400 others: by the mean of 1 / n* where few are without end, by the interval in 90 to 100 % of 60 draws."""
    found: dict[Any, list[Any]] = {}
    for seed in range(60):
        simulated = study.draw(1000 * m + seed, m)
        if simulated.groupby(["tone", "who"]).size().min() < 3 or simulated["group"].nunique() < 3:
            continue
        scores = study.scores(EquivalentN, study.compare(study.draw(seed, 400), simulated))
        for name, item in (*VECTORS, REGRESSION):
            found.setdefault(name, []).append(scores[name, item, None, None])
    for name, scores in found.items():
        if name == "equivalent_n_coefficients" and m < 50:
            continue  # seven coefficients of twenty people
        covered = np.mean([each.interval[0] <= m <= each.interval[1] for each in scores])
        assert 0.9 <= covered <= 1, name
        errors = np.array([1 / each.value[0] for each in scores])
        if m <= 50:
            assert abs(errors.mean() - 1 / m) < 3.5 * errors.std() / np.sqrt(len(errors)), name


def test_a_perfect_simulation_of_the_very_people_is_worth_as_many_as_it_has_rows(study: Any) -> None:
    """Answers drawn anew given profile and treatment go with the real ones, which is no merit of the sample."""
    errors = []
    for seed in range(40):
        human = study.draw(seed, 300)
        comparison = replace(study.compare(human, study.again(human, 900 + seed)), matched=np.arange(300))
        score = study.scores(EquivalentN, comparison)["equivalent_n_means", None, None, None]
        assert score.interval[0] <= score.value[0] <= score.interval[1]
        errors.append(score.interval[0] <= 300 <= score.interval[1])
    assert np.mean(errors) > 0.85


def test_one_item_by_hand(study: Any) -> None:
    human, simulated = study.draw(1, 200), study.draw(2, 150, effect=0.2)
    found = study.scores(EquivalentN, study.compare(human, simulated))
    shares = [
        frame["harm"].value_counts(normalize=True).reindex(range(1, 6), fill_value=0) for frame in (human, simulated)
    ]
    person = (1 - (shares[0] ** 2).sum()) * 200 / 199
    error = ((shares[1] - shares[0]) ** 2).sum() - person / 200
    score = found["equivalent_n", "harm", None, None]
    assert score.value[0] == pytest.approx(person / error)
    assert score.n_human == 200
    assert f"as good as asking {person / error:.3g} people" in str(score.reason)
    inside = human[human["group"] == "y"]
    assert found["equivalent_n", "mean", "group", "y"].n_human == len(inside)


def test_who_did_not_answer_is_nobody_whose_worth_counts(study: Any) -> None:
    human, simulated = study.draw(1, 200), study.draw(2, 150, effect=0.2)
    gone = human["participant_id"].isin(human["participant_id"][:80])
    gaps = study.compare(human.assign(harm=human["harm"].astype("Int64").mask(gone)), simulated)
    found = study.scores(EquivalentN, gaps)
    alone = study.scores(EquivalentN, study.compare(human[~gone].reset_index(drop=True), simulated))
    for name in (REGRESSION, ("equivalent_n", "harm")):
        score, known = (each[*name, None, None] for each in (found, alone))
        assert score.value[0] == pytest.approx(known.value[0])
        assert (score.n_human, score.n_simulated) == (120, 150)


def test_rows_of_one_person_count_as_one_person(study: Any) -> None:
    """Every person three times over: as good as a third as many."""
    human, simulated = study.draw(1, 120), study.draw(2, 150, effect=0.2)
    thrice = pd.concat([human] * 3, ignore_index=True).assign(who_is=np.tile(human["participant_id"], 3))
    thrice["participant_id"] = [str(n) for n in range(360)]
    persons = replace(study, design=replace(study.design, person="who_is"))
    told = persons.compare(thrice, simulated.assign(who_is=simulated["participant_id"]))
    once = study.scores(EquivalentN, study.compare(human, simulated))["equivalent_n", "mean", None, None]
    again = persons.scores(EquivalentN, told)["equivalent_n", "mean", None, None]
    assert again.value[0] == pytest.approx(once.value[0])
    assert again.interval == pytest.approx(once.interval, rel=1e-6)


def test_what_there_is_no_answer_to(study: Any) -> None:
    human = study.draw(1, 100)
    found = study.scores(EquivalentN, study.compare(human.assign(harm=3, mood=0, act=0), study.draw(2, 100)))
    assert "humans gave the same answer" in found["equivalent_n", "harm", None, None].reason
    assert found["equivalent_n_means", None, None, None].reason == "no ordered item in which humans vary"
    copies = study.scores(
        EquivalentN, study.compare(human, human.assign(participant_id=[f"c{n}" for n in range(100)]))
    )
    same = copies["equivalent_n", "mean", None, None]
    assert same.value[0] == np.inf
    assert "within the noise of 100 people" in str(same.reason)
    assert number(float(same.value[0])) == "∞"
    halves = replace(study.compare(human, human), generator=None)
    assert {each.reason for each in study.scores(EquivalentN, halves).values()} == {
        "only for a simulation of the very people"
    }
