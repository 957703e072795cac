"""Survey weights: what a row stands for enters every figure, its resamples and its errors."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
import svy

from simbench.design import People
from simbench.errors import DataError
from simbench.harness.comparisons import against_humans, human_halves, human_weights, resampled, uniform
from simbench.harness.scoring import scored
from simbench.harness.swaps import swapped
from simbench.metrics.alignment import JSDistance, TotalVariation, Wasserstein
from simbench.metrics.base import Comparison, Side
from simbench.metrics.coherence import ValueActionGap
from simbench.metrics.comparison import UNWEIGHTED
from simbench.metrics.dispersion import IdentityFlattening, JointStructure
from simbench.metrics.diversity import Diversity
from simbench.metrics.equivalent import EquivalentN
from simbench.metrics.individual import Individual
from simbench.metrics.worth import Worth
from simbench.report.figures import distributions
from simbench.stats.rectified import Sample, rectified_glm
from simbench.stats.rng import generator

FORMULA = "harm ~ tone * C(who) + C(group)"
SHARES = {
    JSDistance: {"js_distance", "js_distance_joint"},
    TotalVariation: {"total_variation", "total_variation_joint"},
    Wasserstein: {"wasserstein", "mean_difference"},
    ValueActionGap: {"value_action_gap", "value_action_undefined", "value_action_f1", "value_action_distance"},
    JointStructure: {"correlation_distance", "cronbach_alpha"},
    Diversity: {"unseen_share"},
    IdentityFlattening: {"between_share"},
    Individual: {"accuracy", "accuracy_lift"},
}


@pytest.fixture
def weighted(study: Any) -> Any:
    """The made-up study with survey weights."""
    return type(study)(replace(study.design, weight="w"))


def drawn(study: Any, seed: int, n: int) -> pd.DataFrame:
    """People with weights of 1 to 4, larger for those who see more harm, in villages."""
    frame, rng = study.draw(seed, n), np.random.default_rng(seed)
    heavy = np.clip(frame["harm"] - rng.integers(0, 3, n), 1, 4).astype(float)
    return frame.assign(w=heavy, village=rng.integers(0, 40, n).astype(str))


def compared(study: Any, plan: Any, human: pd.DataFrame, told: pd.DataFrame, **scoring: Any) -> Any:
    """People against what was simulated for them, as the harness compares them."""
    people = People.of(study.design, human)
    made = plan(study, **scoring)
    answers = told.assign(participant_id=human["participant_id"], replicate=0, status="ok")
    return against_humans(made, people, answers, human_weights(made, people))


def test_a_weight_of_three_is_three_people(study: Any, weighted: Any, plan: Any) -> None:
    """Figures that know nothing of n are those of the rows repeated; with weights, other than without."""
    human = drawn(study, 1, 150)
    told = study.again(human, 2)
    ours = compared(weighted, plan, human, told, resamples=1)
    rows = np.repeat(np.arange(150), human["w"].astype(int))
    names = [f"{row}" for row in range(len(rows))]
    many, others = (frame.iloc[rows].reset_index(drop=True).assign(participant_id=names) for frame in (human, told))
    theirs, plain = compared(study, plan, many, others, resamples=1), compared(study, plan, human, told, resamples=1)
    moved = 0
    for metric, ids in SHARES.items():
        found, wanted, without = (study.scores(metric, each) for each in (ours, theirs, plain))
        for key in [key for key in found if key[0] in ids]:
            for part in ("value", "human", "simulated"):
                one, two = getattr(found[key], part), getattr(wanted[key], part)
                assert (one is None) == (two is None)
                if one is not None:
                    assert one[0] == pytest.approx(two[0], abs=1e-9, nan_ok=True), key
            moved += abs(found[key].value[0] - without[key].value[0]) > 1e-3
    assert moved > 20


def test_coefficients_and_their_errors_are_those_of_statsmodels(study: Any, weighted: Any, plan: Any) -> None:
    """Weighted least squares with the sandwich, by row and by village."""
    from simbench.metrics.fitting import fit_both

    human = drawn(study, 1, 300)
    for design, robust in (
        (weighted.design, {"cov_type": "HC1"}),
        (
            replace(weighted.design, cluster="village"),
            {"cov_type": "cluster", "cov_kwds": {"groups": human["village"].astype(int)}},
        ),
    ):
        made = type(study)(design)
        comparison = compared(made, plan, human, study.again(human, 2), resamples=1)
        fitted = fit_both(comparison, design.regressions[1]).human
        assert fitted is not None
        other = smf.wls(FORMULA, human, weights=human["w"] / human["w"].mean()).fit(**robust)
        names = [name for name in other.params.index if name != "Intercept"]
        assert fitted.estimates[0] == pytest.approx(other.params[names].to_numpy())
        assert fitted.standard_errors[0] == pytest.approx(other.bse[names].to_numpy())


@pytest.mark.parametrize("cluster", [None, "village"])
def test_a_mean_has_the_interval_of_survey_statistics(
    study: Any, weighted: Any, plan: Any, cluster: str | None
) -> None:
    """Mean and Taylor interval of the library svy, which also takes villages for the units drawn."""
    human = drawn(study, 3, 500)
    made = type(study)(replace(weighted.design, cluster=cluster))
    told = study.again(human, 4).assign(participant_id=human["participant_id"], replicate=0, status="ok")
    found = scored(
        plan(made, ["wasserstein"], resamples=2000, splits=2, floors=1), People.of(made.design, human), told
    )
    rows = found.scores[found.scores["metric"] == "mean_difference"].set_index("item")
    table = pl.DataFrame(
        {"y": human["harm"].astype(float).tolist(), **{n: human[n].tolist() for n in ("w", "village")}}
    )
    sample = svy.Sample(table, svy.Design(wgt="w", psu=cluster))
    estimate = sample.estimation.mean("y")
    assert isinstance(estimate, svy.Estimate)
    (wanted,) = estimate.to_dicts()
    row = rows.loc["harm"]
    assert row["human"] == pytest.approx(wanted["est"])
    assert row["human_ci_high"] - row["human_ci_low"] == pytest.approx(wanted["uci"] - wanted["lci"], rel=0.1)
    assert row["human"] > human["harm"].mean() + 0.2
    assert "weighted (w)" in found.resampled["words"]


def test_every_comparison_carries_the_same_weights(study: Any, weighted: Any, plan: Any) -> None:
    """Row 0 of both sides, ceiling, floor and exchanges; the simulated participant has its human's."""
    human = drawn(study, 1, 80)
    people, made = People.of(weighted.design, human), plan(weighted, resamples=20, splits=3, floors=2)
    told = study.again(human, 2).assign(participant_id=human["participant_id"], replicate=0, status="ok")
    told = told.iloc[::-1].drop(index=5)
    survey = (human["w"] / human["w"].mean()).to_numpy()
    assert people.survey == pytest.approx(survey)
    sides = against_humans(made, people, told, human_weights(made, people)).sides
    assert sides[0].weights[0] == pytest.approx(survey)
    assert sides[1].weights[0] == pytest.approx(np.delete(survey, 5)[::-1])
    halves = human_halves(made, people)
    assert halves.human.weights + halves.simulated.weights == pytest.approx(np.tile(survey, (3, 1)))
    assert uniform(made, people).simulated.weights.sum(axis=1) == pytest.approx([80, 80])
    exchanged = swapped(made, people, told)
    assert exchanged is not None
    whole = exchanged.human.weights + exchanged.simulated.weights
    both = pd.concat([human.drop(index=5), told])["w"].to_numpy() / human["w"].mean()
    assert whole == pytest.approx(np.tile(both, (len(whole), 1)))


def test_unweighted_figures_say_so_and_are_those_without_weights(study: Any, weighted: Any, plan: Any) -> None:
    """Numbers of distinct structures: people are counted, not what they stand for."""
    human = drawn(study, 1, 120)
    told = study.again(human, 2).assign(participant_id=human["participant_id"], replicate=0, status="ok")
    names = ["unique_structures", "diversity", "trusted_size", "subgroup_bias"]
    made = plan(weighted, names, resamples=50, splits=2, floors=1)
    with_weights = scored(made, People.of(weighted.design, human), told).scores
    without = scored(
        plan(study, names, resamples=50, splits=2, floors=1), People.of(study.design, human), told
    ).scores
    for name in ("unique_structures", "unique_structures_rarefied"):
        one, other = (frame[frame["metric"] == name].iloc[0] for frame in (with_weights, without))
        assert one["value"] == other["value"]
        assert UNWEIGHTED in one["reason"]
        assert UNWEIGHTED not in str(other["reason"])
    excess = with_weights[with_weights["metric"] == "js_excess"]
    assert excess["reason"].str.contains("effective sample sizes").all()
    assert with_weights.loc[with_weights["metric"] == "js_excess_gap", "value"].notna().all()


def test_people_of_equal_chances_are_what_n_star_counts(study: Any, weighted: Any, plan: Any) -> None:
    """Another sample of the same population and weights is worth its effective size (Kish), not its rows."""
    found, words = [], ""
    for seed in range(12):
        sides = []
        for each in (2 * seed, 2 * seed + 1):
            people = People.of(weighted.design, drawn(study, each, 400))
            assert people.survey is not None
            sides.append(Side(people, np.tile(people.survey, (2, 1)), survey=people.survey))
        scores = study.scores(
            EquivalentN, Comparison(sides[0], sides[1], study.rule, generator=partial(generator, 0))
        )
        found.append(1 / scores["equivalent_n", "mean", None, None].value[0])
        words = scores["equivalent_n", "mean", None, None].reason
    human = drawn(study, 22, 400)
    weights = human["w"]
    kish = weights.sum() ** 2 / (weights**2).sum()
    assert f"count as {kish:.0f}" in words
    assert 0.5 * kish < 1 / np.mean(found) < 2 * kish


def test_rectified_estimates_are_weighted(study: Any, weighted: Any, plan: Any) -> None:
    """The same as the estimator given the weights directly."""
    human = drawn(study, 1, 200)
    told = study.again(human, 2)
    pilot = People.of(weighted.design, drawn(study, 9, 50).assign(participant_id=[f"p{i}" for i in range(50)]))
    comparison = replace(compared(weighted, plan, human, told, resamples=3), pilot=pilot)
    score = study.scores(Worth, comparison)["rectified", "harm", None, None]
    names = np.unique(human["participant_id"])
    chosen = comparison.generator("worth", "labelled").permutation(200)[:50]
    among = human["participant_id"].isin(names[chosen]).to_numpy()

    def sample(frame: pd.DataFrame, who: Any) -> Sample:
        return Sample(frame["harm"].to_numpy(float)[who], np.ones((who.sum(), 1)), human["w"].to_numpy()[who])

    wanted = rectified_glm("ols", sample(human, among), sample(told, among), sample(told, ~among))
    assert score.value[0] == pytest.approx(wanted.estimates[0])
    assert score.interval == pytest.approx((wanted.low[0], wanted.high[0]))
    assert score.human is not None
    assert score.human[0] == pytest.approx(np.average(human["harm"], weights=human["w"]))


def test_equal_weights_change_nothing_but_the_errors(study: Any, weighted: Any, plan: Any) -> None:
    """Weights of 7 throughout: every estimate as without weights."""
    human = drawn(study, 1, 120).assign(w=7.0)
    told = study.again(human, 2).assign(participant_id=human["participant_id"], replicate=0, status="ok")
    frames = []
    for each in (weighted, study):
        made = plan(
            each,
            ["js_distance", "belief_decision", "subgroup_bias", "equivalent_n"],
            resamples=30,
            splits=2,
            floors=1,
        )
        frames.append(
            scored(made, People.of(each.design, human), told).scores.set_index(
                ["metric", "item", "subgroup", "level"]
            )
        )
    kept = [name for name in ("human", "simulated", "value") if name in frames[0]]
    rows = frames[1].index[frames[1].index.get_level_values(0) != "equivalent_n_coefficients"]
    pd.testing.assert_frame_equal(frames[0].loc[rows, kept], frames[1].loc[rows, kept], rtol=1e-9)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf"), "much", True, 1e16])
def test_a_weight_that_can_be_none_is_refused_by_row(study: Any, weighted: Any, wrong: Any) -> None:
    human = drawn(study, 1, 10).astype({"w": object})
    human.loc[3, "w"] = wrong
    with pytest.raises(DataError, match=r"column 'w', row 4: expected a weight: a finite number above 0"):
        People.of(weighted.design, human)


def test_weights_written_as_text_are_numbers(study: Any, weighted: Any) -> None:
    """As they come from a table of text."""
    human = drawn(study, 1, 10).assign(w=["2.5"] * 10)
    assert People.of(weighted.design, human).survey == pytest.approx(np.ones(10))
    assert resampled(People.of(weighted.design, human))["words"].endswith(
        "weighted (w): for a mean as good as 10 rows of equal weight"
    )


def test_the_figure_of_answers_is_weighted(study: Any, weighted: Any) -> None:
    """Shares by weight, and whiskers of as many answers as these are worth."""
    human = drawn(study, 1, 300)
    design = weighted.design
    frame = People.of(design, human).frame
    data, plain = (distributions(each, frame, frame, "humans").data for each in (design, study.design))
    rows, without = (table[table["item"] == "harm"] for table in (data, plain))
    shares = human.groupby("harm")["w"].sum() / human["w"].sum()
    assert rows["human"].to_numpy() == pytest.approx(shares.to_numpy())
    assert (rows["n_human"] == 300).all()
    width, other = ((table["human_high"] - table["human_low"]).sum() for table in (rows, without))
    assert width > other
