"""Rows that go together: persons with several answers, and clusters apart from persons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from simbench.design import Design, Factor, Item, People, Regression
from simbench.errors import DataError
from simbench.harness.comparisons import human_weights, resampled, scheme
from simbench.harness.scoring import score, scored
from simbench.metrics.recovery import CoefficientRecovery
from simbench.metrics.worth import Worth
from simbench.stats.rectified import Sample, rectified_glm

OLS = "rating ~ a + b + c + d"


def conjoint(seed: int, persons: int = 150) -> pd.DataFrame:
    """Five of sixteen profiles each; the effect of the first attribute differs from person to person."""
    rng = np.random.default_rng(seed)
    profiles = np.argsort(rng.random((persons, 16)), axis=1)[:, :5].reshape(-1)
    who = np.repeat(np.arange(persons), 5)
    levels = {name: profiles >> bit & 1 for bit, name in enumerate("abcd")}
    effect = (-0.6 + 1.5 * rng.normal(size=persons))[who]
    rating = effect * levels["a"] + 0.3 * levels["b"] + rng.normal(size=persons)[who] + rng.normal(size=who.size)
    rating = np.clip(np.round(5 + rating), 0, 10).astype(int)
    ids = {"participant_id": np.arange(who.size).astype(str), "who": who.astype(str)}
    return pd.DataFrame({**ids, **levels, "rating": rating})


@pytest.fixture
def profiles(study: Any) -> Any:
    """A conjoint experiment."""
    design = Design(
        "conjoint",
        tuple(Factor(name, (0, 1)) for name in "abcd"),
        (),
        (Item("rating", "decision", "?", range(11)),),
        (Regression(OLS),),
        person="who",
    )
    return type(study)(design)


def test_a_conjoint_interval_is_as_wide_as_statsmodels_clustered_one(profiles: Any, plan: Any) -> None:
    """It was [-0.581, -0.559], for -0.567 with a person-clustered truth of [-0.739, -0.396]."""
    frame = conjoint(1)
    people = People.of(profiles.design, frame)
    made = plan(profiles, ["coefficient_recovery"], resamples=1000, splits=2, floors=1)
    found = scored(
        made, people, conjoint(2).assign(**frame[["participant_id", "who", *"abcd"]], status="ok", replicate=0)
    )
    rows = found.scores[found.scores["metric"] == "coefficient"].set_index("item")
    fit = smf.ols(OLS, frame).fit(cov_type="cluster", cov_kwds={"groups": frame["who"].astype(int)}, use_t=True)
    for name in "abcd":
        row, (low, high) = rows.loc[f"ols: rating: {name}"], fit.conf_int().loc[name]
        width = row["human_ci_high"] - row["human_ci_low"]
        assert row["human"] == pytest.approx(fit.params[name])
        assert width == pytest.approx(high - low, rel=0.12)
    assert found.resampled == {
        "units": 150,
        "pools": 1,
        "words": "150 persons, each whole, not by treatment group, since they have answers in several",
    }


def villages(study: Any, seed: int, count: int, effect: float = 1.0) -> pd.DataFrame:
    """The made-up study's people in villages of unequal size, whose people go along with each other."""
    rng = np.random.default_rng(seed)
    village = np.repeat(np.arange(count), rng.integers(2, 16, count))
    frame = study.draw(seed, village.size, effect)
    shift = np.round(rng.normal(size=count)[village]).astype(int)
    return frame.assign(village=village.astype(str), harm=np.clip(frame["harm"] + shift, 1, 5))


@pytest.fixture
def grouped(study: Any) -> Any:
    """The made-up study with clusters."""
    return type(study)(replace(study.design, cluster="village"))


def test_villages_are_resampled_whole_and_few_of_them_are_said(study: Any, grouped: Any, plan: Any) -> None:
    frame = villages(study, 1, 16)
    people = grouped.side(frame, 0, 0).people
    weights = human_weights(plan(grouped, resamples=50), people)
    for _, rows in frame.groupby("village"):
        assert (weights[:, rows.index] == weights[:, rows.index[:1]]).all()
    assert (scheme(people).size, len(scheme(people).pools)) == (16, 1)
    words = resampled(people)["words"]
    assert words.startswith("16 clusters (village), each whole, not by treatment group")
    assert "so few that intervals are rough: they are those of t with 15 degrees of freedom" in words


def test_standard_errors_are_those_of_villages(study: Any, grouped: Any) -> None:
    """Also of a logit, with t by the number of villages."""
    frames = villages(study, 1, 40), villages(study, 2, 40)
    found = grouped.scores(CoefficientRecovery, grouped.compare(*frames, resamples=2))
    formula = "harm ~ tone * C(who) + C(group)"
    fits = [
        smf.ols(formula, f).fit(cov_type="cluster", cov_kwds={"groups": f["village"].astype(int)}, use_t=True)
        for f in frames
    ]
    names = fits[0].params.index.drop("Intercept")
    ends = fits[1].conf_int().loc[names]
    inside = (ends[0] <= fits[0].params[names]) & (fits[0].params[names] <= ends[1])
    assert grouped.value(found, "interval_coverage", "ols: harm") == pytest.approx(inside.mean())


def test_rectified_estimates_label_whole_villages(study: Any, grouped: Any) -> None:
    human = villages(study, 1, 40)
    told = human.assign(harm=np.clip(human["harm"] + np.random.default_rng(3).integers(-1, 2, len(human)), 1, 5))
    pilot = grouped.side(human[:60].assign(participant_id=[f"p{i}" for i in range(60)]), 0, 0).people
    comparison = grouped.compare(human, told, resamples=2, matched=np.arange(len(human)), pilot=pilot)
    score = grouped.scores(Worth, comparison)["rectified", "harm", None, None]
    names = np.unique(human["village"])
    labelled = round(60 / (len(human) / 40))
    chosen = comparison.generator("worth", "labelled").permutation(40)[:labelled]
    among = human["village"].isin(names[chosen]).to_numpy()

    def sample(frame: pd.DataFrame, who: Any) -> Sample:
        return Sample(
            frame["harm"].to_numpy(float)[who], np.ones((who.sum(), 1)), None, frame["village"].to_numpy(str)[who]
        )

    expected = rectified_glm("ols", sample(human, among), sample(told, among), sample(told, ~among))
    assert score.value[0] == pytest.approx(expected.estimates[0])
    assert score.interval == pytest.approx((expected.low[0], expected.high[0]))


def test_a_run_over_villages_says_everything(study: Any, grouped: Any, plan: Any) -> None:
    frame = villages(study, 1, 30)
    people = grouped.side(frame, 0, 0).people
    made = plan(grouped, resamples=20, splits=4, floors=2)
    scores, _ = score(
        made, people, people.frame.assign(status="ok", replicate=0), grouped.side(frame[:20], 0, 0).people
    )
    assert scores[scores["value"].isna()]["reason"].notna().all()
    assert np.isfinite(scores[scores["metric"] == "fpr"]["floor"]).any()


def test_a_village_is_there_for_everybody_and_one_per_person(study: Any) -> None:
    design = replace(study.design, person="who_is", cluster="village")
    frame = villages(study, 1, 5).assign(who_is="p1")
    with pytest.raises(DataError, match="one cluster per person"):
        People.of(design, frame)
    frame.loc[2, "village"] = None
    with pytest.raises(DataError, match="the cluster this row belongs to"):
        People.of(design, frame)
