"""p-values by exchanging people with the participants simulated for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simbench.design import People
from simbench.harness.figures import Asked
from simbench.harness.scoring import score
from simbench.harness.swaps import swapped
from simbench.metrics.base import loss
from simbench.metrics.share_distance import ShareDistance
from simbench.stats.swaps import swap_p


def told(people: People, frame: pd.DataFrame, replicates: int = 1, lost: int = 0) -> pd.DataFrame:
    """Responses: the answers of ``frame`` (replicates in blocks) for these people; the first ``lost`` failed."""
    parts = []
    for block in range(replicates):
        part = people.frame.copy()
        for item in people.design.items:
            part[item.name] = frame[item.name].to_numpy()[block * len(people) : (block + 1) * len(people)]
        parts.append(part.assign(replicate=block, status="ok"))
    found = pd.concat(parts, ignore_index=True)
    found.loc[: lost - 1, "status"] = "failed"
    return found


def test_distances_have_the_power_of_the_test_of_shares(study: Any, plan: Any) -> None:
    """Thirty per cent of people and forty-five of the simulated act: scipy's exact paired test says the same."""
    human = study.draw(1, 199).assign(act=np.arange(199) % 10 < 3)
    drawn = study.draw(2, 199).assign(act=np.random.default_rng(0).permutation(199) % 100 < 45)
    human["act"], drawn["act"] = human["act"].astype(int), drawn["act"].astype(int)
    people = study.side(human, 0, 0).people
    frame, _ = score(plan(study, ["total_variation"], resamples=999, swaps=999), people, told(people, drawn))
    row = frame[(frame["metric"] == "total_variation") & (frame["item"] == "act") & frame["subgroup"].isna()].iloc[0]
    gain, loss = ((drawn["act"] > human["act"]).sum(), (drawn["act"] < human["act"]).sum())
    exact = stats.binomtest(int(gain), int(gain + loss)).pvalue  # McNemar's test: exchanges within pairs
    assert exact < 0.01
    assert row["p"] == pytest.approx(exact, abs=0.004)


@pytest.mark.slow
def test_the_distance_of_shares_has_the_level_and_the_power_of_chi_square(study: Any, plan: Any) -> None:
    """A perfect simulation is told apart in 5 %; one that guesses a colour for a third of people at least as often as
    by scipy's test of independence."""
    where = "share_distance", "colour", None, None
    colours = ["red", "green", "blue"]
    found: dict[float, list[tuple[float, float]]] = {0.0: [], 0.35: []}
    for guessed, ps in found.items():
        for seed in range(80):
            human, rng = study.draw(seed, 150), np.random.default_rng(seed)
            drawn = study.again(human, 9000 + seed)
            drawn["colour"] = np.where(rng.random(150) < guessed, rng.choice(colours, 150), drawn["colour"])
            people = study.side(human, 0, 0).people
            made = plan(study, ["share_distance"], swaps=99, resamples=99, seed=seed)
            exchanged = study.scores(ShareDistance, swapped(made, people, told(people, drawn)))
            table = [frame["colour"].value_counts().reindex(colours) for frame in (human, drawn)]
            ps.append((float(swap_p(exchanged[where].value)), float(stats.chi2_contingency(np.array(table))[1])))
    perfect, flawed = (np.array(ps) for ps in found.values())
    assert stats.binomtest(int((perfect[:, 0] <= 0.05).sum()), 80, 0.05).pvalue > 0.01
    assert stats.kstest(perfect[:, 0], "uniform").pvalue > 0.01
    assert (flawed[:, 0] <= 0.05).mean() >= (flawed[:, 1] <= 0.05).mean() > 0.15


def test_the_distance_of_shares_has_p_in_scores_and_what_it_is_worth_has_none(study: Any, plan: Any) -> None:
    """Per item, for the mean, in every level, and pooled over these; corrected over a figure's subgroup rows."""
    human = study.draw(1, 200)
    people = study.side(human, 0, 0).people
    uniform = study.draw(2, 200).assign(harm=np.arange(200) % 2 * 4 + 1)
    frame, _ = score(plan(study, ["share_distance", "equivalent_n"], resamples=99), people, told(people, uniform))
    shares = frame[(frame["metric"] == "share_distance") & frame["value"].notna()]
    assert shares["p"].between(0.01, 1).all()
    assert shares.loc[shares["item"] == "harm", "p"].tolist() == [pytest.approx(0.01)]
    assert shares.loc[shares["subgroup"].notna(), "p_step"].notna().all()
    assert frame.loc[frame["metric"] == "equivalent_n", "p"].isna().all()


def test_the_rows_exchanged_are_those_of_people_who_have_a_counterpart(study: Any, plan: Any) -> None:
    people = study.side(study.draw(1, 50), 0, 0).people
    comparison = swapped(plan(study, ["js_distance"], resamples=60), people, told(people, study.draw(2, 50), lost=7))
    first, second = (side.weights for side in comparison.sides)
    assert first.shape == (61, 86)
    assert (first + second == 1).all()
    assert (first[:, :43] + first[:, 43:] == 1).all()  # every person is on either side once
    assert first[0, :43].all()
    last = told(people, study.draw(2, 50))
    last.loc[30:, "status"] = "refused"
    assert len(swapped(plan(study, ["js_distance"], resamples=9), people, last).human) == 60
    ids = comparison.human.people.ids
    assert (ids[:43].str.slice(2).to_numpy() == ids[43:].str.slice(2).to_numpy()).all()


def test_persons_and_clusters_change_sides_as_a_whole(study: Any, plan: Any) -> None:
    """Twenty persons with three rows each, two replicates: a person's rows are all real, or all of one replicate."""
    design = replace(study.design, person="who_is")
    frame = study.draw(1, 60).assign(who_is=[f"h{n // 3}" for n in range(60)])
    people = People.of(design, frame)
    responses = told(people, study.draw(2, 120), replicates=2)
    comparison = swapped(plan(replace(study, design=design), ["js_distance"], resamples=80), people, responses)
    both, weights = comparison.human.people.frame, comparison.human.weights
    for row in weights:
        sets = pd.DataFrame({"who": both["who_is"], "set": np.repeat([0, 1, 2], 60)})[row == 1]
        assert (sets.groupby("who")["set"].nunique() == 1).all()
        assert (sets.groupby("who").size() == 3).all()
    assert len(np.unique(weights, axis=0)) > 70


def test_another_sample_of_the_same_people_is_seldom_told_apart_in_any_figure(study: Any, plan: Any) -> None:
    """Simulated answers given profile and treatment, by the people's own law: every figure's level is kept."""
    made = plan(study, ["js_distance", "diversity", "coefficient_recovery", "value_action_gap"], resamples=19)
    alarms: dict[str, list[float]] = {}
    for seed in range(25):
        human = study.draw(seed, 80)
        people, asked = study.side(human, 0, 0).people, Asked(made.metrics)
        found: dict[str, list[float]] = {}
        for each in asked.scores(swapped(made, people, told(people, study.again(human, 500 + seed)))):
            if each.metric in asked.better and np.isfinite(each.value[0]):
                p = float(swap_p(loss(each.value, asked.better[each.metric])))
                found.setdefault(each.metric, []).append(float(p <= 0.1))
        for metric, alarmed in found.items():
            alarms.setdefault(metric, []).append(float(np.mean(alarmed)))
    assert len(alarms) > 10
    for metric, shares in alarms.items():
        assert np.mean(shares) < 0.1 + 3 * np.std(shares) / np.sqrt(len(shares)), metric


def test_corrected_p_values_can_be_small_in_any_number_of_levels(study: Any, plan: Any) -> None:
    """Everybody differs: in each of many levels the step-down p is the least there is; Holm's is many times that."""
    human = study.draw(1, 300)
    people = study.side(human, 0, 0).people
    drawn = study.again(human, 2).assign(harm=lambda frame: 6 - frame["harm"], mood=0)
    frame, _ = score(plan(study, ["js_distance"], resamples=100, swaps=99), people, told(people, drawn))
    levels = frame[(frame["metric"] == "js_distance") & (frame["item"] == "mean") & frame["subgroup"].notna()]
    assert (levels["p_step"] == 0.01).all()
    assert (levels["p_holm"] == pytest.approx(0.01 * len(levels))).all() or len(levels) > 5


def test_no_swaps_leaves_bootstrap_p_values(study: Any, plan: Any) -> None:
    human = study.draw(1, 60)
    people = study.side(human, 0, 0).people
    frame, _ = score(plan(study, ["js_distance"], resamples=50, swaps=0), people, told(people, study.again(human, 1)))
    assert frame["p_step"].isna().all()
    assert frame["p"].notna().any()
