import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simbench.stats import (
    compatible_share,
    effect_correlation,
    equal_coefficients,
    exaggeration,
    generator,
    interval_coverage,
    sign_recovery,
)

YES, NO = 0.01, 0.4
# Columns: both +, both -, flipped, spurious, missed, both null, not computable.
HUMAN = np.array([1.0, -2.0, 1.0, 0.2, 3.0, 0.1, 1.0])
HUMAN_P = np.array([YES, YES, YES, NO, YES, NO, YES])
SIMULATED = np.array([2.0, -1.0, -1.0, 1.0, 0.3, 0.0, np.nan])
SIMULATED_P = np.array([YES, YES, YES, YES, NO, NO, np.nan])


def test_every_kind_of_coefficient_is_counted_as_defined() -> None:
    found = sign_recovery(HUMAN, HUMAN_P, SIMULATED, SIMULATED_P)
    counts = [found.tp, found.fp, found.fn, found.tn, found.flipped, found.undefined]
    assert counts == [2, 2, 2, 1, 1, 1]
    assert found.f1_sign == pytest.approx(2 * 2 / (2 * 2 + 2 + 2))
    assert found.fpr == pytest.approx(1 / 2)  # of the two null in humans, one is significant
    assert found.fnr == pytest.approx(2 / 4)  # of four significant in humans, one missed and one flipped
    assert found.type_s == pytest.approx(1 / 3)


def test_rates_without_a_denominator_are_not_computable() -> None:
    nothing = sign_recovery([0.1, 0.2], [NO, NO], [0.1, 0.3], [NO, NO])
    assert nothing.fpr == 0
    assert np.isnan(nothing.f1_sign)
    assert np.isnan(nothing.fnr)
    assert np.isnan(nothing.type_s)
    assert np.isnan(sign_recovery([1.0], [YES], [1.0], [YES]).fpr)


def test_p_equal_to_alpha_is_not_significant() -> None:
    assert sign_recovery([1.0], [0.05], [1.0], [0.049]).fp == 1


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_counts_agree_with_a_plain_loop(seed: int, q: int) -> None:
    rng = generator(seed)
    h, s = rng.standard_normal((2, 3, q))
    hp, sp = rng.random((2, 3, q)) * 0.15
    found = sign_recovery(h, hp, s, sp)
    for row in range(3):
        tp = fp = fn = tn = spurious = null = significant = missed = 0
        for a, pa, b, pb in zip(h[row], hp[row], s[row], sp[row]):
            human, simulated = (np.sign(a) if pa < 0.05 else 0), (np.sign(b) if pb < 0.05 else 0)
            tp += human != 0 and human == simulated
            fp += simulated != 0 and human != simulated
            fn += human != 0 and human != simulated
            tn += human == simulated == 0
            null += human == 0
            spurious += human == 0 and simulated != 0
            significant += human != 0
            missed += human not in (0, simulated)
        assert (found.tp[row], found.fp[row], found.fn[row], found.tn[row]) == (tp, fp, fn, tn)
        assert found.f1_sign[row] == pytest.approx(
            2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan, nan_ok=True
        )
        assert found.fpr[row] == pytest.approx(spurious / null if null else np.nan, nan_ok=True)
        assert found.fnr[row] == pytest.approx(missed / significant if significant else np.nan, nan_ok=True)


def test_a_sample_recovers_itself() -> None:
    found = sign_recovery(HUMAN, HUMAN_P, HUMAN, HUMAN_P)
    assert [found.f1_sign, found.fpr, found.fnr, found.flipped] == [1, 0, 0, 0]
    assert exaggeration(HUMAN, HUMAN_P, HUMAN, HUMAN_P) == 1


def test_exaggeration_is_the_geometric_mean_over_true_positives() -> None:
    # Ratios 2 and 1/2 cancel.
    assert float(exaggeration(HUMAN, HUMAN_P, SIMULATED, SIMULATED_P)) == pytest.approx(1)
    assert float(exaggeration([1.0, 1.0], [YES, YES], [8.0, 2.0], [YES, YES])) == pytest.approx(4)
    assert np.isnan(exaggeration([1.0], [NO], [5.0], [YES]))


def test_two_samples_of_one_population_cover_as_theory_says() -> None:
    rng = generator(12)
    h, s = rng.standard_normal((2, 200_000))
    inside = interval_coverage(h, s - 1.96, s + 1.96)
    assert float(inside) == pytest.approx(2 * stats.norm.cdf(1.96 / np.sqrt(2)) - 1, abs=0.005)
    assert float(compatible_share(h, np.ones(1), s, np.ones(1))) == pytest.approx(0.95, abs=0.003)
    assert interval_coverage([1.0, np.nan, 3.0], [0, 0, 0], [2, 2, 2]) == 0.5
    assert np.isnan(interval_coverage([np.nan], [0.0], [1.0]))


def test_correlation_equals_pearson_and_undoes_noise() -> None:
    rng = generator(13)
    truth = rng.standard_normal((100, 600))
    h, s = truth + rng.standard_normal((100, 600)), 2 * truth + rng.standard_normal((100, 600))
    raw = effect_correlation(h, s)
    assert raw[3] == pytest.approx(stats.pearsonr(h[3], s[3]).statistic, abs=1e-12)
    assert raw.mean() == pytest.approx(2 / np.sqrt(2 * 5), abs=0.02)
    ones = np.ones_like(h)
    assert np.nanmean(effect_correlation(h, s, ones, ones)) == pytest.approx(1, abs=0.02)
    h[0, 0] = np.nan
    assert effect_correlation(h, s)[0] == pytest.approx(stats.pearsonr(h[0, 1:], s[0, 1:]).statistic, abs=1e-12)


def test_correlation_that_means_nothing_is_not_computable() -> None:
    assert np.isnan(effect_correlation([1.0, 2.0], [1.0, 2.0]))
    assert np.isnan(effect_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    assert np.isnan(effect_correlation([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [5.0, 5.0, 5.0], [0.1, 0.1, 0.1]))


def test_equality_is_tested_at_its_level_whatever_the_units() -> None:
    rng = generator(14)
    root = rng.standard_normal((4, 4)) * np.array([[1.0], [1000.0], [1e-4], [1.0]])
    covariance = root @ root.T
    h, s = (rng.standard_normal((2, 4000, 4)) @ root.T).reshape(2, 4000, 4)
    both = np.broadcast_to(covariance, (4000, 4, 4))
    test = equal_coefficients(h, both, s, both)
    assert test.df == 4
    assert stats.kstest(test.p, "uniform").pvalue > 0.01
    gap = s[0] - h[0]
    assert test.statistic[0] == pytest.approx(gap @ np.linalg.solve(2 * covariance, gap), rel=1e-6)
    h[1, 2] = np.nan
    assert np.isnan(equal_coefficients(h[:2], both[:2], s[:2], both[:2]).p).tolist() == [False, True]
    few = rng.standard_normal((3, 4))  # three clusters, four coefficients
    assert np.isnan(equal_coefficients(h[:1], [few.T @ few], s[:1], [few.T @ few]).p).all()
