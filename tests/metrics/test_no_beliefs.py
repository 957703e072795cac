"""A study of attitudes and decisions alone is scored as a whole, and what it cannot have is told truly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from statsmodels.discrete.discrete_model import MNLogit

from simbench.design import Item, People, Regression
from simbench.harness.scoring import scored
from simbench.metrics.alignment import OVER_ALL
from simbench.metrics.recovery import CoefficientRecovery
from simbench.metrics.trial import refuse_unfit


@pytest.fixture
def attitudes(study: Any) -> Any:
    """The made-up study with its beliefs asked as attitudes."""
    items = tuple(
        Item(each.name, "attitude" if each.role == "belief" else each.role, each.text, each.options, each.ordered)
        for each in study.design.items
    )
    regressions = (*study.design.regressions, Regression("colour ~ tone + age", family="multinomial"))
    return type(study)(replace(study.design, items=items, regressions=regressions))


def distance(study: Any, human: Any, simulated: Any, name: str) -> float:
    """scipy's distance of one item."""
    values = study.design.item(name).values
    shares = [[(frame[name] == value).mean() for value in values] for frame in (human, simulated)]
    return float(jensenshannon(*shares, base=2))


def test_headline_figures_are_over_all_items(attitudes: Any, plan: Any) -> None:
    human, simulated = attitudes.draw(1, 150), attitudes.draw(2, 150, 0.3)
    people = attitudes.side(human, 0, 0).people
    answers = attitudes.side(simulated, 0, 0).people.frame[[item.name for item in attitudes.design.items]]
    frame = people.frame.assign(**answers, status="ok", replicate=0)
    scores = scored(plan(attitudes, resamples=30, splits=4, floors=2), people, frame).scores
    whole = scores[scores["subgroup"].isna()].set_index(["metric", "item"])
    each = {item.name: distance(attitudes, human, frame, item.name) for item in attitudes.design.items}
    means = {
        "mean": np.mean([*each.values()]),
        "mean of attitudes": np.mean([each[name] for name in ("harm", "colour", "mood")]),
        "mean of decisions": each["act"],
    }
    for item, expected in means.items():
        assert whole.loc[("js_distance", item), "value"] == pytest.approx(expected)
    assert whole.loc[("js_distance", "mean"), "reason"] == OVER_ALL
    names = [item.name for item in attitudes.design.items]
    structures = human[names].drop_duplicates(), frame[names].drop_duplicates()
    row = scores[scores["metric"] == "unique_structures"].iloc[0]
    assert (row["human"], row["simulated"]) == tuple(map(len, structures))
    assert row["reason"] == OVER_ALL
    assert scores[scores["metric"] == "js_excess"]["value"].notna().any()
    verdict = scores[scores["metric"] == "verdict"].set_index("item")["reason"]
    assert "distance of answers" in verdict["pretesting"]
    assert "distance of answers within levels of group" in verdict["distribution by subgroup"]


def test_with_beliefs_the_mean_is_theirs_and_the_others_stand_beside_it(study: Any, plan: Any) -> None:
    people = study.side(study.draw(1, 80), 0, 0).people
    frame = study.side(study.draw(2, 80), 0, 0).people.frame.assign(
        **people.frame[["participant_id", "group", "age", "tone", "who"]], status="ok", replicate=0
    )
    scores = scored(plan(study, ["js_distance"], resamples=5, splits=2, floors=1), people, frame).scores
    value = scores[scores["subgroup"].isna()].set_index("item")["value"]
    assert value["mean"] == pytest.approx(value[["harm", "colour", "mood"]].mean())
    assert value["mean of decisions"] == value["act"]
    assert value["mean of all items"] == pytest.approx(value[["harm", "colour", "mood", "act"]].mean())
    assert "mean of attitudes" not in value


def test_why_there_is_no_distribution_by_subgroup(study: Any, plan: Any) -> None:
    """It was always 'no subgroup level with enough people'."""
    people = study.side(study.draw(1, 60), 0, 0).people.at(range(8))
    frame = people.frame.assign(status="ok", replicate=0)

    def said(made: Any, given: People) -> str:
        scores = scored(plan(made, resamples=5, splits=2, floors=1), given, frame).scores
        return str(scores[scores["metric"] == "verdict"].set_index("item").loc["distribution by subgroup", "reason"])

    assert "no level with answers of 10 people" in said(study, people)
    bare = type(study)(replace(study.design, profile=(), regressions=()))
    assert "the experiment has no subgroup variable" in said(bare, People(bare.design, people.frame))


def test_nominal_outcomes_have_a_multinomial_logit(attitudes: Any) -> None:
    human, simulated = attitudes.draw(1, 300), attitudes.draw(2, 300, 0.3)
    found = attitudes.scores(CoefficientRecovery, attitudes.compare(human, simulated, resamples=2))
    for side, frame in (("human", human), ("simulated", simulated)):
        codes = frame["colour"].map({"red": 0, "green": 1, "blue": 2}).to_numpy()
        design = np.column_stack([np.ones(len(frame)), frame["tone"], frame["age"]])
        fit = MNLogit(codes, design).fit(method="newton", disp=False)
        for number, level in enumerate(("green", "blue")):
            for column, name in ((1, "tone"), (2, "age")):
                score = found["coefficient", f"multinomial: colour: {level}: {name}", None, None]
                assert getattr(score, side)[0] == pytest.approx(fit.params[column, number], rel=1e-6)


def test_an_ordered_logit_of_names_is_told_of_the_multinomial_one(study: Any) -> None:
    design = replace(study.design, regressions=(Regression("colour ~ tone", family="ordered_logit"),))
    with pytest.raises(Exception, match="or take the family multinomial"):
        refuse_unfit(type(study)(design).side(study.draw(1, 60), 0, 0).people)
    design = replace(study.design, regressions=(Regression("colour ~ tone", family="multinomial"),))
    refuse_unfit(type(study)(design).side(study.draw(1, 60), 0, 0).people)
