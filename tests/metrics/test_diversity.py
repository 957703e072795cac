"""Diversity, joint structure and flattening, against brute force, statsmodels and numpy."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import entropy
from statsmodels.stats.anova import anova_lm

from simbench.metrics.dispersion import IdentityFlattening, JointStructure
from simbench.metrics.diversity import Diversity, UniqueStructures

EXACT = {"rel": 1e-9, "abs": 1e-9}
BELIEFS = ["harm", "colour", "mood"]


@pytest.fixture
def pair(study: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    return study.draw(1, 90), study.draw(2, 60, effect=0.2)


def structures(frame: pd.DataFrame) -> pd.Series:
    return frame[BELIEFS].value_counts()


def test_unique_and_rarefied_structures_by_brute_force(study: Any, pair: Any) -> None:
    found = study.scores(UniqueStructures, study.compare(*pair))
    one, other = (structures(frame).to_numpy() for frame in pair)
    raw = found["unique_structures", None, None, None]
    assert (raw.human[0], raw.simulated[0], raw.value[0]) == (len(one), len(other), len(other) - len(one))
    even = found["unique_structures_rarefied", None, None, None]
    expected = sum(1 - comb(90 - int(n), 60) / comb(90, 60) for n in one)
    assert even.human[0] == pytest.approx(expected, rel=1e-9)
    assert even.simulated[0] == pytest.approx(len(other), rel=1e-9)


def test_rows_with_a_missing_belief_have_no_structure(study: Any, pair: Any) -> None:
    human, simulated = pair
    holed = simulated.astype({"harm": "Int64"})
    holed.loc[:9, "harm"] = pd.NA
    found = study.scores(UniqueStructures, study.compare(human, holed))
    raw = found["unique_structures", None, None, None]
    assert raw.n_simulated == 50
    assert raw.simulated[0] == len(structures(holed.dropna()))


def bits(answers: pd.Series) -> float:
    counts = answers.value_counts().to_numpy()
    return float(entropy(counts, base=2) + (len(counts) - 1) / (2 * len(answers) * np.log(2)))


def test_shape_of_answers_by_hand(study: Any, pair: Any) -> None:
    human, simulated = pair
    found = study.scores(Diversity, study.compare(human, simulated))
    for name in ("harm", "colour", "mood", "act"):
        ratio = found["entropy_ratio", name, None, None]
        assert ratio.human[0] == pytest.approx(bits(human[name]), **EXACT)
        assert ratio.value[0] == pytest.approx(bits(simulated[name]) / bits(human[name]), **EXACT)
        mode = found["mode_share", name, None, None]
        assert mode.human[0] == pytest.approx(human[name].value_counts(normalize=True).max(), **EXACT)
        assert mode.value[0] == pytest.approx(mode.simulated[0] - mode.human[0], **EXACT)
    tuples = [frame[BELIEFS].apply(tuple, axis=1) for frame in pair]
    unseen = study.value(found, "unseen_share")
    assert unseen == pytest.approx((~tuples[0].isin(set(tuples[1]))).mean(), **EXACT)
    assert unseen > 0
    assert study.value(found, "entropy_ratio") == pytest.approx(bits(tuples[1]) / bits(tuples[0]), **EXACT)


def test_spread_equals_pandas_and_the_residual_spread_of_statsmodels(study: Any, pair: Any) -> None:
    human, simulated = pair
    found = study.scores(Diversity, study.compare(human, simulated))
    for name in ("harm", "mood", "act"):
        pooled = found["sd_ratio", name, None, None]
        assert pooled.value[0] == pytest.approx(simulated[name].std() / human[name].std(), **EXACT)
        inside = found["sd_ratio_within", name, None, None]
        residual = [np.sqrt(smf.ols(f"{name} ~ C(tone) * C(who)", frame).fit().mse_resid) for frame in pair]
        assert inside.human[0] == pytest.approx(residual[0], **EXACT)
        assert inside.value[0] == pytest.approx(residual[1] / residual[0], **EXACT)
    assert "no order" in str(found["sd_ratio", "colour", None, None].reason)


def test_everybody_alike_is_flat_and_says_so(study: Any, pair: Any) -> None:
    human, simulated = pair
    flat = simulated.assign(harm=3, colour="red", mood=0, act=1)
    found = study.scores(Diversity, study.compare(human, flat))
    assert study.value(found, "entropy_ratio", "harm") == 0
    assert study.value(found, "sd_ratio", "harm") == 0
    assert study.value(found, "unseen_share", "harm") == pytest.approx((human["harm"] != 3).mean())
    back = study.scores(Diversity, study.compare(flat, human))
    assert back["entropy_ratio", "harm", None, None].reason == "all humans gave the same answer"
    joint = study.scores(JointStructure, study.compare(human, flat))
    reason = str(joint["correlation_distance", None, None, None].reason)
    assert "all ok simulated answers to 'harm' are the same" in reason
    flattened = study.scores(IdentityFlattening, study.compare(human, flat))
    assert flattened["within_ratio", "harm", "group", None].value[0] == 0
    assert "all simulated participants" in str(flattened["between_share", "harm", "group", None].reason)


def test_joint_structure_equals_numpy(study: Any, pair: Any) -> None:
    found = study.scores(JointStructure, study.compare(*pair))
    names = ["harm", "mood", "act"]
    corr = [np.corrcoef(frame[names].to_numpy().T)[np.triu_indices(3, 1)] for frame in pair]
    distance = study.value(found, "correlation_distance")
    assert distance == pytest.approx(np.sqrt(np.mean((corr[0] - corr[1]) ** 2)), **EXACT)
    alphas = []
    for frame in pair:
        scaled = frame[["harm", "mood"]] / pair[0][["harm", "mood"]].std(ddof=0)
        alphas.append(2 * (1 - scaled.var().sum() / scaled.sum(axis=1).var()))
    alpha = found["cronbach_alpha", None, None, None]
    assert alpha.human[0] == pytest.approx(alphas[0], **EXACT)
    assert alpha.value[0] == pytest.approx(alphas[1] - alphas[0], **EXACT)


def test_flattening_equals_the_analysis_of_variance(study: Any, pair: Any) -> None:
    found = study.scores(IdentityFlattening, study.compare(*pair))
    parts = []
    for frame in pair:
        table = anova_lm(smf.ols("harm ~ C(group)", frame).fit())
        inside = table.loc["Residual", "mean_sq"]
        parts.append((inside, table.loc["C(group)", "sum_sq"] / table["sum_sq"].sum()))
    ratio = found["within_ratio", "harm", "group", None]
    assert ratio.value[0] == pytest.approx(parts[1][0] / parts[0][0], **EXACT)
    share = found["between_share", "harm", "group", None]
    assert (share.human[0], share.simulated[0]) == pytest.approx((parts[0][1], parts[1][1]), **EXACT)
    each = [found["within_ratio", name, "group", None].value[0] for name in ("harm", "colour", "mood", "act")]
    mean = found["within_ratio", "mean", "group", None].value[0]
    assert mean == pytest.approx(np.exp(np.mean(np.log(each))), **EXACT)


def test_flattening_is_found_where_there_is_some(study: Any) -> None:
    """Simulated members of a group who all give their group's answer are more alike than people."""
    human = study.draw(3, 400)
    caricature = human.assign(harm=human["group"].map({"x": 2, "y": 4, "z": 3}))
    caricature.loc[::10, "harm"] = 1
    found = study.scores(IdentityFlattening, study.compare(human, caricature, resamples=200))
    ratio = found["within_ratio", "harm", "group", None]
    assert ratio.value[0] < 0.6
    assert np.quantile(ratio.value[1:], 0.99) < 1
    share = found["between_share", "harm", "group", None]
    assert np.quantile(share.value[1:], 0.01) > 0
