"""``infer`` on a study with numbers: estimates of humans alone are those of the numbers that farmers gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import statsmodels.formula.api as smf

import simbench
from simbench.experiments.studies import Study


def test_humans_alone_are_the_numbers_that_people_gave(shelf: Callable[..., Study], tmp_path: Path) -> None:
    study = shelf("crop_insurance")
    given = study.given()
    assert given is not None
    people = study.people().frame.assign(disaster_prob=given["disaster_prob"].to_numpy())
    names = ["default", "intensive", "male", "literacy", "takeup_survey"]
    people[names] = people[names].astype(float)
    found = simbench.infer("crop_insurance", backend="resample", folds=2, out=tmp_path).estimates
    rows = found[found["subgroup"].isna()].set_index(["kind", "item", "term"])
    assert rows.loc[("mean", "disaster_prob", ""), "human"] == pytest.approx(people["disaster_prob"].mean())
    formula = "disaster_prob ~ default * intensive + male + age + agpop + ricearea_2010 + literacy"
    risk = smf.ols(formula, people).fit()
    own = rows.loc[[key for key in rows.index if key[:2] == ("coefficient", "perceived risk")]]
    assert len(own) == 8
    for (_, _, term), row in own.iterrows():
        named = [name for name in risk.params.index if name.replace(" ", "") == term.replace(" ", "")]
        assert row["human"] == pytest.approx(risk.params[named[0]], rel=1e-6)
    logit = smf.logit(
        "takeup_survey ~ default * intensive + male + age + agpop + ricearea_2010 + literacy + risk_averse"
        " + disaster_prob",
        people,
    ).fit(disp=0)
    row = rows.loc[("coefficient", "takes the insurance", "disaster_prob")]
    assert row["human"] == pytest.approx(logit.params["disaster_prob"], rel=1e-5)
