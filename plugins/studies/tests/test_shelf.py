"""Every study of the shelf: published or countable facts by pandas alone, and one run from end to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import simbench
from simbench.experiments.declared import DeclaredExperiment
from simbench.experiments.studies import Study
from simbench_studies import simbench_experiments

Shelf = Callable[..., Study]
Fact = tuple[Any, Any]
NAMES = sorted(cls.name for cls in simbench_experiments())
PERSONS = {
    "conditional_cooperation": 50,
    "tax_plans": 60,
    "trust_game": 12,
    "verbal_aggression": 50,
    "voluntary_collaboration": 80,
}
PEOPLE = 300


def shares(frame: pd.DataFrame, by: list[str], yes: pd.Series) -> dict[Any, float]:
    return (100 * yes.astype(float)).groupby([frame[name] for name in by]).mean().round(1).to_dict()


def framing(people: pd.DataFrame) -> list[Fact]:
    return [
        (people.groupby(["tone", "eth"]).size().tolist(), [63, 67, 67, 68]),
        ((people["p_harm"] == 8).sum(), 71),
        (people.groupby("anx")["cong_mesg"].mean().mul(100).round().tolist(), [15, 23, 46, 56]),
    ]


def crop_insurance(people: pd.DataFrame) -> list[Fact]:
    taken = shares(people, ["default"], people["takeup_survey"] == 1)
    return [
        (people.groupby(["default", "intensive"]).size().tolist(), [370, 357, 347, 336]),
        (people["village"].nunique(), 166),
        (round(people["takeup_survey"].astype(float).mean(), 4), 0.4638),
        (taken, {0: 41.3, 1: 51.8}),
    ]


def job_training(people: pd.DataFrame) -> list[Fact]:
    return [
        (people["treat"].value_counts().to_dict(), {1: 600, 0: 299}),
        (people["job_seek"].value_counts().sort_index().tolist(), [24, 138, 438, 299]),
        (people.groupby("treat")["work1"].sum().to_dict(), {0: 86, 1: 207}),
    ]


def verbal_aggression(people: pd.DataFrame) -> list[Fact]:
    persons = people.drop_duplicates("id")
    wants, does = (shares(people, ["behaviour"], people[name] > 0) for name in ("want", "do"))
    return [
        (persons["gender"].value_counts().to_dict(), {"F": 243, "M": 73}),
        (people.groupby(["situation", "behaviour"]).size().unique().tolist(), [316]),
        ((people["want"] == 0).sum() + (people["do"] == 0).sum(), 3973),
        ((wants["shout"], does["shout"]), (39.2, 21.5)),
    ]


def welfare_wording(people: pd.DataFrame) -> list[Fact]:
    asked = people[["racdif1", "racdif2", "racdif3", "racdif4"]]
    return [
        (people["w"].value_counts().to_dict(), {1: 19453, 0: 17048}),
        (shares(people, ["w"], people["y"] == 1), {0: 42.9, 1: 9.1}),
        (asked.notna().sum().tolist(), [12090 + 7997, 17737 + 2665, 10414 + 9990, 9400 + 10464]),
        (people.loc[people["year"] == 1987, "racdif1"].notna().sum(), 0),
    ]


def tax_plans(people: pd.DataFrame) -> list[Fact]:
    rates = people.filter(regex=r"^rate\d_[ab]$").astype(float)
    top = (people["rate6_a"] - people["rate6_b"]).astype(float)
    chosen = (people["choice"] == "A").astype(float)
    return [
        (people.groupby("person").size().unique().tolist(), [8]),
        (people.drop_duplicates("person")["partyid"].value_counts().to_dict(),
         {"Democrat": 885, "Republican": 647, "Independent": 393}),
        ((rates["rate1_a"] == 0).sum() + (rates["rate1_b"] == 0).sum(), 7917),
        (sorted(rates.max()), [25.0, 25.0, 35.0, 35.0, 35.0, 35.0, 35.0, 35.0, 45.0, 45.0, 55.0, 55.0]),
        (bool(np.corrcoef(top, chosen)[0, 1] > 0), True),
    ]  # fmt: skip


def conditional_cooperation(people: pd.DataFrame) -> list[Fact]:
    answers = people[["ccL", "ccM", "ccH"]].astype(int)
    rising = answers["ccL"].le(answers["ccM"]) & answers["ccM"].le(answers["ccH"]) & answers["ccL"].lt(answers["ccH"])
    first = people.groupby("period")["uc"].mean().round(1)
    return [
        (people.drop_duplicates("person")["treatment"].value_counts().to_dict(), {"NoCondInfo": 68, "CondInfo": 66}),
        (int((answers == 0).all(axis=1).sum()), 529),  # "selfish" in the published classes
        (int(rising.sum()), 697),  # conditional co-operators in the published classes
        ((first[1], first[10]), (51.5, 28.7)),
    ]


def voluntary_collaboration(people: pd.DataFrame) -> list[Fact]:
    actions = people.groupby(["p_option", "action"]).size().to_dict()
    return [
        (people["pid"].nunique(), 191),
        (actions, {("A", "C"): 385, ("A", "D"): 188, ("F", "C"): 306, ("F", "D"): 45, ("F", "L"): 222}),
        ((people["belief_c"] == 30).sum(), 132),
    ]


def trust_game(people: pd.DataFrame) -> list[Fact]:
    persons = people.drop_duplicates("person")
    sent = people["sent"].astype(float).groupby(people["partner"]).mean().round(2)
    return [
        (persons["age_group"].value_counts().to_dict(), {"younger": 26, "older": 24}),
        (people["partner"].value_counts().to_dict(), {"friend": 2524, "stranger": 2514, "computer": 2509}),
        (sent.to_dict(), {"computer": 3.68, "friend": 4.35, "stranger": 3.99}),
        (int(people.groupby(["person", "partner"])["tries"].max().max()), 59),
    ]


FACTS: dict[str, Callable[[pd.DataFrame], list[Fact]]] = {
    each.__name__: each
    for each in (
        conditional_cooperation,
        crop_insurance,
        framing,
        job_training,
        tax_plans,
        trust_game,
        verbal_aggression,
        voluntary_collaboration,
        welfare_wording,
    )
}


@pytest.mark.parametrize("name", NAMES)
def test_its_people_are_the_published_ones(shelf: Shelf, name: str) -> None:
    facts = FACTS[name](shelf(name).people().frame)
    assert len(facts) >= 3
    for found, expected in facts:
        assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_every_study_says_of_itself(shelf: Shelf, name: str) -> None:
    study = shelf(name)
    assert study.citation
    assert study.license
    assert not study.synthetic
    assert len(study.introductions if "introductions" in vars(study) else study.declaration.introductions) == 2
    assert len(study.design.regressions) >= 2
    assert len(study.design.profile) >= 2
    assert study.design.roles("decision")


@pytest.mark.parametrize("name", NAMES)
def test_a_run_from_end_to_end(shelf: Shelf, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On some of its people, so that it is fast; every figure is computed or has a reason in words."""
    shelf(name)
    whole = DeclaredExperiment.load

    def some(study: DeclaredExperiment) -> pd.DataFrame:
        frame = whole(study)
        persons = frame[study.design.person or "participant_id"]
        chosen = pd.Series(persons.unique()).sample(min(PERSONS.get(name, PEOPLE), persons.nunique()), random_state=1)
        return frame[persons.isin(chosen)].reset_index(drop=True)

    monkeypatch.setattr(DeclaredExperiment, "load", some)
    few = {"resamples": 20, "splits": 3, "floors": 2, "baseline_resamples": 5}
    done = simbench.run(name, "tabular", "random", out=str(tmp_path), scoring=few)
    assert done.manifest["status"] == "done"
    assert not done.manifest["metric_faults"]
    assert done.manifest["humans"]["synthetic"] is False
    scores = done.scores
    assert {"js_distance", "value_action_gap", "f1_sign", "log_likelihood"} <= set(scores["metric"])
    assert scores.loc[scores["value"].isna(), "reason"].str.len().gt(10).all()
    gap = scores[scores["metric"].eq("value_action_gap") & scores["subgroup"].isna()]
    assert gap["human"].notna().all()
