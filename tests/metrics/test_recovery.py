"""Regressions on both sides, against statsmodels and hand counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import chi2
from statsmodels.miscmodels.ordinal_model import OrderedModel

from simbench.design import Regression
from simbench.harness.inference import estimates
from simbench.metrics.recovery import CoefficientRecovery, TreatmentEffects

EXACT = {"rel": 1e-9, "abs": 1e-9}
LOGIT, OLS = "act ~ tone + harm + age", "harm ~ tone * C(who) + C(group)"


@pytest.fixture
def pair(study: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    return study.draw(1, 250), study.draw(2, 180, effect=0.6)


def fits(frame: pd.DataFrame) -> list[Any]:
    logit = smf.logit(LOGIT, frame).fit(disp=False, tol=1e-12, maxiter=100)
    return [logit, smf.ols(OLS, frame).fit()]


def test_rates_and_counts_equal_a_count_over_statsmodels_fits(study: Any, pair: Any) -> None:
    found = study.scores(CoefficientRecovery, study.compare(*pair))
    human, simulated = fits(pair[0]), fits(pair[1])
    counts = dict.fromkeys(("tp", "fp", "fn", "tn", "flipped"), 0)
    covered, number = 0, 0
    for one, other in zip(human, simulated, strict=True):
        low_high = other.conf_int(alpha=0.05)
        for name in one.params.index.drop("Intercept"):
            signs = [np.sign(f.params[name]) * (f.pvalues[name] < 0.05) for f in (one, other)]
            counts["tp"] += signs[0] == signs[1] != 0
            counts["fp"] += signs[1] != 0 and signs[0] != signs[1]
            counts["fn"] += signs[0] != 0 and signs[0] != signs[1]
            counts["tn"] += signs[0] == signs[1] == 0
            counts["flipped"] += signs[0] * signs[1] < 0
            covered += low_high.loc[name, 0] <= one.params[name] <= low_high.loc[name, 1]
            number += 1
    for name, count in counts.items():
        assert study.value(found, name) == count
    f1 = 2 * counts["tp"] / (2 * counts["tp"] + counts["fp"] + counts["fn"])
    assert study.value(found, "f1_sign") == pytest.approx(f1, **EXACT)
    assert study.value(found, "interval_coverage") == pytest.approx(covered / number, **EXACT)
    assert 0 < counts["tp"] < number


def test_coefficients_equal_statsmodels(study: Any, pair: Any) -> None:
    found = study.scores(CoefficientRecovery, study.compare(*pair))
    for side, frame in zip(("human", "simulated"), pair, strict=True):
        for title, fit in zip(("logit: act", "ols: harm"), fits(frame), strict=True):
            for name in fit.params.index.drop("Intercept"):
                score = found["coefficient", f"{title}: {name}", None, None]
                assert getattr(score, side)[0] == pytest.approx(fit.params[name], rel=1e-7)


def test_the_joint_test_by_hand(study: Any, pair: Any) -> None:
    found = study.scores(CoefficientRecovery, study.compare(*pair))
    one, other = (fits(frame)[1] for frame in pair)
    names = one.params.index.drop("Intercept")
    gap = (other.params - one.params)[names].to_numpy()
    total = (one.cov_params() + other.cov_params()).loc[names, names].to_numpy()
    statistic = gap @ np.linalg.solve(total, gap)
    assert study.value(found, "joint_test", "ols: harm") == pytest.approx(chi2.sf(statistic, len(names)), rel=1e-7)


def test_ordered_logit_and_poisson_equal_statsmodels(study: Any, pair: Any) -> None:
    ordered = Regression("harm ~ tone + C(who)", family="ordered_logit")
    counted = Regression("harm ~ tone + age", family="poisson", name="counts")
    wider = type(study)(replace(study.design, regressions=(ordered, counted)))
    found = wider.scores(CoefficientRecovery, wider.compare(*pair))
    for side, frame in zip(("human", "simulated"), pair, strict=True):
        predictors = frame[["tone"]].assign(b=(frame["who"] == "b").astype(int))
        fit = OrderedModel(frame["harm"], predictors, distr="logit").fit(method="newton", disp=False)
        score = found["coefficient", "ordered_logit: harm: tone", None, None]
        assert getattr(score, side)[0] == pytest.approx(fit.params["tone"], abs=1e-5)
        fit = smf.poisson("harm ~ tone + age", frame).fit(disp=False)
        assert getattr(found["coefficient", "counts: tone", None, None], side)[0] == pytest.approx(
            fit.params["tone"], abs=1e-7
        )


def test_people_with_several_rows_are_clustered(study: Any, pair: Any) -> None:
    """Standard errors, seen through the counts, are statsmodels' clustered ones."""
    within = type(study)(replace(study.design, person="who_is", regressions=study.design.regressions[1:]))
    human, simulated = (frame.assign(who_is=[f"{i // 4}" for i in range(len(frame))]) for frame in pair)
    comparison = within.compare(human, simulated, resamples=4)
    found = within.scores(CoefficientRecovery, comparison)
    robust = [
        smf.ols(OLS, frame).fit(cov_type="cluster", cov_kwds={"groups": frame["who_is"].astype(int)}, use_t=True)
        for frame in (human, simulated)
    ]
    names = robust[0].params.index.drop("Intercept")
    gap = np.abs(robust[1].params - robust[0].params)[names]
    reach = 1.959963984540054 * np.sqrt(robust[0].bse ** 2 + robust[1].bse ** 2)[names]
    assert within.value(found, "compatible_share") == pytest.approx((gap <= reach).mean(), **EXACT)
    low_high = robust[1].conf_int()
    inside = [low_high.loc[n, 0] <= robust[0].params[n] <= low_high.loc[n, 1] for n in names]
    assert within.value(found, "interval_coverage") == pytest.approx(np.mean(inside), **EXACT)


def test_a_constant_outcome_is_reported_and_the_other_regression_stands(study: Any, pair: Any) -> None:
    human, simulated = pair
    found = study.scores(CoefficientRecovery, study.compare(human, simulated.assign(act=1), resamples=3))
    alone = found["f1_sign", "logit: act", None, None]
    assert np.isnan(alone.value).all()
    assert alone.reason == "logit: act: simulated: everyone gave the same answer to the outcome"
    both = found["f1_sign", None, None, None]
    assert np.isfinite(both.value[0])
    assert alone.reason in str(both.reason)
    assert study.value(found, "undefined") == 3
    assert study.value(found, "tp") + study.value(found, "fn") <= 5


def test_separation_is_met_by_firth_on_both_sides(study: Any, pair: Any) -> None:
    human, simulated = pair
    certain = simulated.assign(act=(simulated["harm"] >= 3).astype(int))
    found = study.scores(CoefficientRecovery, study.compare(human, certain, resamples=3))
    score = found["coefficient", "logit: act: harm", None, None]
    assert score.simulated[0] > score.human[0] > 0
    assert "separation" in str(score.reason)
    assert "Firth" in str(score.reason)
    assert study.value(found, "undefined") == 0


def test_an_outcome_the_family_cannot_have_is_a_reason_not_a_crash(study: Any, pair: Any) -> None:
    wrong = type(study)(replace(study.design, regressions=(Regression("harm ~ tone", family="logit"),)))
    found = wrong.scores(CoefficientRecovery, wrong.compare(*pair))
    assert "only 0 and 1" in str(found["f1_sign", None, None, None].reason)
    words = type(study)(replace(study.design, regressions=(Regression("colour ~ tone", family="ols"),)))
    found = words.scores(CoefficientRecovery, words.compare(*pair))
    assert "wants an outcome of numbers" in str(found["f1_sign", None, None, None].reason)


def test_treatment_effects_by_hand(study: Any, pair: Any) -> None:
    found = study.scores(TreatmentEffects, study.compare(*pair))
    sides = []
    for frame in pair:
        effects = []
        for name in ("harm", "mood", "act"):
            means = frame.groupby(["tone", "who"])[name].mean() / pair[0][name].std(ddof=0)
            effects += list(means - means.mean())
        sides.append(effects)
    raw = study.value(found, "treatment_effect_correlation")
    assert raw == pytest.approx(np.corrcoef(np.array(sides))[0, 1], **EXACT)


def test_the_ratio_of_treatment_effects_takes_noise_off(study: Any) -> None:
    """Averaged over repetitions the ratio is near 1 for another sample and near 0 for answers without effect."""
    same, none = [], []
    for seed in range(12):
        human, other = study.draw(seed, 800), study.draw(100 + seed, 800)
        mixed = {n: other[n].sample(frac=1, random_state=seed).to_numpy() for n in ("harm", "mood", "act")}
        flat = other.assign(**mixed)
        for frame, kept in ((other, same), (flat, none)):
            found = study.scores(TreatmentEffects, study.compare(human, frame))
            kept.append(study.value(found, "treatment_effect_ratio"))
    assert np.mean(same) == pytest.approx(1, abs=0.1)
    assert np.mean(none) < 0.25


def test_the_disattenuated_correlation_is_wider_and_beyond_the_raw_one(study: Any, pair: Any) -> None:
    found = study.scores(TreatmentEffects, study.compare(*pair, resamples=100))
    name = "treatment_effect_correlation"
    scores = [found[each, None, None, None] for each in (name, f"{name}_disattenuated")]
    raw, clean = estimates(scores, TreatmentEffects.better, 0.95, 100).to_dict("records")
    assert clean["value"] > raw["value"]
    assert raw["ci_low"] <= raw["value"] <= raw["ci_high"] <= 1
    assert clean["ci_high"] > 1
