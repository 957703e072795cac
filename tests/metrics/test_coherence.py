"""Do decisions follow beliefs? Against scikit-learn, statsmodels and hand counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.metrics import f1_score, mutual_info_score

from simbench.metrics.coherence import BeliefDecision, ValueActionGap

EXACT = {"rel": 1e-9, "abs": 1e-9}


@pytest.fixture
def pair(study: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    return study.draw(1, 200), study.draw(2, 120, effect=0.3)


def gap(frame: pd.DataFrame) -> tuple[float, float, float]:
    """Gap, share undefined, F1, straight from the rule."""
    defined = frame[frame["harm"] != 3]
    inclined = (defined["harm"] > 3).astype(int)
    wrong = inclined != defined["act"]
    return wrong.mean(), 1 - len(defined) / len(frame), f1_score(inclined, defined["act"])


def test_gap_by_hand(study: Any, pair: Any) -> None:
    found = study.scores(ValueActionGap, study.compare(*pair))
    one, other = gap(pair[0]), gap(pair[1])
    for name, at in (("value_action_gap", 0), ("value_action_undefined", 1), ("value_action_f1", 2)):
        score = found[name, None, None, None]
        assert (score.human[0], score.simulated[0]) == pytest.approx((one[at], other[at]), **EXACT)
        assert score.value[0] == pytest.approx(other[at] - one[at], **EXACT)
    assert found["value_action_gap", None, None, None].n_human == (pair[0]["harm"] != 3).sum()


def test_distance_over_treatment_groups_by_hand(study: Any, pair: Any) -> None:
    found = study.scores(ValueActionGap, study.compare(*pair))
    expected = []
    for frame in pair:
        defined = frame[frame["harm"] != 3]
        groups = defined.groupby(["tone", "who"])
        expected.append(np.mean([abs((g["harm"] > 3).mean() - g["act"].mean()) for _, g in groups]))
    score = found["value_action_distance", None, None, None]
    assert (score.human[0], score.simulated[0]) == pytest.approx(tuple(expected), **EXACT)


def test_information_equals_scikit_learn_less_its_bias(study: Any, pair: Any) -> None:
    found = study.scores(BeliefDecision, study.compare(*pair))
    for belief in ("harm", "colour", "mood"):
        score = found["belief_decision_information", f"{belief} & act", None, None]
        for frame, value in zip(pair, (score.human[0], score.simulated[0]), strict=True):
            options = (frame[belief].nunique() - 1) * (frame["act"].nunique() - 1)
            raw = mutual_info_score(frame[belief], frame["act"]) / np.log(2)
            assert value == pytest.approx(raw - options / (2 * len(frame) * np.log(2)), **EXACT)


def test_belief_coefficients_equal_statsmodels(study: Any, pair: Any) -> None:
    found = study.scores(BeliefDecision, study.compare(*pair))
    scale = pair[0][["harm", "mood"]].std(ddof=0)
    for side, frame in zip(("human", "simulated"), pair, strict=True):
        design = sm.add_constant(frame[["harm", "mood"]] / scale)
        design = design.assign(b=1.0 * ((frame["tone"] == 0) & (frame["who"] == "b")))
        design = design.assign(c=1.0 * ((frame["tone"] == 1) & (frame["who"] == "a")))
        design = design.assign(d=1.0 * ((frame["tone"] == 1) & (frame["who"] == "b")))
        fit = sm.Logit(frame["act"], design).fit(disp=False, tol=1e-12)
        for belief in ("harm", "mood"):
            score = found["belief_coefficient", f"logit: act: {belief}", None, None]
            assert getattr(score, side)[0] == pytest.approx(fit.params[belief], rel=1e-7)


def test_separation_is_met_by_firth_and_said(study: Any, pair: Any) -> None:
    human, simulated = pair
    certain = simulated.assign(act=(simulated["harm"] >= 3).astype(int))
    score = study.scores(BeliefDecision, study.compare(human, certain, resamples=5))[
        "belief_coefficient", "logit: act: harm", None, None
    ]
    assert np.isfinite(score.value[0])
    assert "separation" in str(score.reason)
    assert "Firth" in str(score.reason)
    assert np.isnan(score.value[1:]).all()


def test_no_rule_no_decision_no_figure(study: Any, pair: Any) -> None:
    human, simulated = pair
    torn = simulated.assign(harm=3)
    found = study.scores(ValueActionGap, study.compare(human, torn))
    assert all(np.isnan(score.value).all() for score in found.values())
    assert all("undefined for every ok simulated row" in str(score.reason) for score in found.values())
