"""Samples of nobody, and of one: everything answers, with NaN or words, and without a warning."""

import numpy as np
import pandas as pd
import pytest

from simbench import stats

NOBODY, RNG = np.zeros(0, dtype=np.int64), stats.generator(0)
TWICE = np.ones((2, 0))


def test_nobody_can_be_resampled() -> None:
    assert stats.bootstrap_weights(0, 3, RNG).shape == (4, 0)
    assert [half.shape for half in stats.split_halves(0, 2, RNG)] == [(2, 0), (2, 0)]
    assert stats.bootstrap_weights(1, 3, RNG).tolist() == [[1.0]] * 4
    assert stats.jackknife_weights(1).tolist() == [[0.0]]


def test_nobody_has_no_statistics() -> None:
    counts = stats.option_counts(NOBODY, 3, TWICE)
    parts = stats.variance_parts(np.zeros(0), NOBODY, 2, TWICE)
    shared = stats.mutual_information(NOBODY, 2, NOBODY, 2, TWICE)
    recovered = stats.sign_recovery(*np.zeros((4, 2, 0)))
    values = (
        stats.js_distance(counts, [[1.0, 1.0, 1.0]]),
        stats.entropy(counts),
        stats.mode_share(counts),
        stats.rarefied_count(counts, 1),
        parts.total,
        parts.within,
        parts.between,
        parts.share,
        stats.gini_parts(NOBODY, 2, NOBODY, 2, TWICE).within,
        stats.standard_deviation(np.zeros(0), TWICE),
        stats.cronbach_alpha(np.zeros((0, 3)), TWICE),
        stats.correlation_distance(stats.correlation_matrices(np.zeros((0, 2)), TWICE), np.eye(2)),
        stats.flag_share(NOBODY, TWICE),
        stats.action_f1(NOBODY, NOBODY, TWICE),
        stats.action_distance([], [], TWICE),
        shared.bits,
        shared.corrected,
        stats.accuracy(NOBODY, NOBODY, 2, TWICE),
        stats.log_score(NOBODY, np.zeros((0, 2)), TWICE),
        stats.brier_score(NOBODY, np.zeros((0, 2)), TWICE),
        stats.calibration_error(NOBODY, np.zeros((0, 2)), TWICE),
        recovered.f1_sign,
        recovered.fpr,
        recovered.fnr,
    )
    for value in values:
        assert value.shape == (2,)
        assert np.isnan(value).all()
    assert stats.unique_count(counts).tolist() == [0, 0]


def test_nobody_can_be_fitted() -> None:
    words = "too few respondents for the number of coefficients"
    for family in ("ols", "logit", "poisson"):
        fit = stats.fit_glm(family, np.zeros(0), np.zeros((0, 2)), TWICE)
        assert fit.reason() == words
        assert fit.p_values.shape == (2, 2)
    assert stats.fit_firth(np.zeros(0), np.zeros((0, 2))).reason() == words
    assert stats.fit_ordered(NOBODY, np.zeros((0, 2))).reason() == words
    with pytest.raises(ValueError, match="p at least 1"):
        stats.fit_glm("ols", [1.0, 2.0], np.zeros((2, 0)))


def test_a_sample_with_no_complete_row_has_an_empty_design() -> None:
    human = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": ["a", "b", "a"]})
    for simulated in (human.iloc[:0], human.assign(y=np.nan), human.assign(x=None)):
        whole, empty = stats.formula_designs("y ~ x", human, simulated)
        assert whole.matrix.shape == (3, 2)
        assert empty.matrix.shape == (0, 2)
        assert empty.rows.size == 0


def test_the_public_names_are_all_there() -> None:
    assert sorted(stats.__all__, key=lambda name: (not name[0].isupper(), name)) == stats.__all__
    for name in stats.__all__:
        assert getattr(stats, name).__doc__
