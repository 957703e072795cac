import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from simbench.stats import (
    acceleration,
    bca_interval,
    benjamini_hochberg,
    bootstrap_p,
    bootstrap_weights,
    expanded_level,
    generator,
    holm,
    jackknife_weights,
    paired_difference,
    percentile_interval,
    reported_interval,
)

Floats = NDArray[np.float64]
DATA = generator(1, "skewed data").gamma(1.5, 2.0, size=60)


def skewness(weights: Floats) -> Floats:
    """A statistic with a skewed bootstrap distribution."""
    n = weights.sum(axis=1)
    mean = weights @ DATA / n
    second = weights @ DATA**2 / n - mean**2
    return np.asarray(second / mean)


def scipy_interval(method: str, values: Floats) -> tuple[float, float]:
    """Let scipy turn the *same* resampled values into an interval."""
    draws = iter([values[1:]])

    def statistic(sample: Floats, axis: int) -> Floats:
        if sample.ndim > 1 and sample.shape[0] == values.size - 1:
            return next(draws)
        return np.asarray(sample.var(axis=axis) / sample.mean(axis=axis))

    bootstrap: Any = stats.bootstrap
    result = bootstrap(
        (DATA,),
        statistic,
        n_resamples=values.size - 1,
        method=method,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high


@pytest.mark.parametrize("method", ["percentile", "BCa"])
def test_intervals_equal_those_of_scipy(method: str) -> None:
    values = skewness(bootstrap_weights(DATA.size, 1500, generator(2)))
    accel = acceleration(skewness(jackknife_weights(DATA.size)))
    ours = percentile_interval(values) if method == "percentile" else bca_interval(values, accel)
    assert (ours.low, ours.high) == pytest.approx(scipy_interval(method, values), abs=1e-12)
    assert ours.defined == 1


def test_acceleration_of_two_samples_equals_scipy() -> None:
    a, b = DATA[:25], DATA[25:]
    captured: dict[str, float] = {}
    result = stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) / y.mean(axis=axis),
        n_resamples=2000,
        method="BCa",
        rng=np.random.default_rng(3),
    )
    captured["low"] = result.confidence_interval.low
    leave = np.r_[
        [np.delete(a, i).mean() / b.mean() for i in range(25)],
        [a.mean() / np.delete(b, i).mean() for i in range(35)],
    ]
    accel = acceleration(leave, np.repeat(["a", "b"], [25, 35]))
    values = np.r_[a.mean() / b.mean(), result.bootstrap_distribution]
    assert float(bca_interval(values, accel).low) == pytest.approx(captured["low"], abs=1e-12)


def test_bca_has_no_interval_where_the_estimate_is_outside_all_resamples() -> None:
    values = np.r_[10.0, generator(4).random(500)]
    interval = bca_interval(values, 0.0)
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)


def test_a_statistic_that_never_moves_has_an_interval_of_one_point() -> None:
    values = np.full((101, 2), 3.0)
    for interval in (percentile_interval(values), bca_interval(values, acceleration(np.full((9, 2), 3.0)))):
        assert interval.low.tolist() == interval.high.tolist() == [3.0, 3.0]


def test_undefined_resamples_are_left_out_and_counted_until_too_many_are() -> None:
    values = np.arange(101.0)
    values[1:6] = np.nan
    interval = percentile_interval(values)
    assert interval.defined == pytest.approx(0.95)
    assert float(interval.low) == pytest.approx(np.quantile(values[6:], 0.025))
    values[1:20] = np.nan
    few = percentile_interval(values)
    assert np.isnan(few.low)
    assert few.defined == pytest.approx(0.81)
    assert np.isnan(bootstrap_p(values))
    assert np.isnan(percentile_interval(np.r_[np.nan, np.arange(50.0)]).low)


def test_infinite_resamples_give_infinite_ends_not_nan() -> None:
    values = np.r_[1.0, np.arange(95.0), np.full(5, np.inf)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interval = percentile_interval(values)
    assert np.isfinite(interval.low)
    assert interval.high == np.inf


@given(st.integers(0, 10_000), st.floats(-2, 2))
def test_p_below_alpha_means_zero_outside_the_interval(seed: int, shift: float) -> None:
    values = shift + generator(seed).standard_normal(1000) * 0.7
    interval, p = reported_interval(values), float(bootstrap_p(values))
    assert 0 < p <= 1
    if abs(p - 0.05) > 0.004:  # B = 999 resamples: p has steps of 0.002
        assert (p < 0.05) == bool((interval.low > 0) | (interval.high < 0))


def test_pairing_removes_what_two_runs_share() -> None:
    rng = generator(6)
    shared, noise = rng.standard_normal(2001), rng.standard_normal((2, 2001)) * 0.1
    a, b = 2.0 + shared + noise[0], 1.0 + shared + noise[1]
    a[0], b[0] = 2.0, 1.0
    difference = paired_difference(a, b)
    assert difference.estimate == pytest.approx(1.0)
    assert difference.low > 0
    assert difference.high - difference.low == pytest.approx(2 * 1.96 * 0.1 * np.sqrt(2), rel=0.1)
    assert difference.p == pytest.approx(2 * stats.norm.sf(1 / (0.1 * np.sqrt(2))), rel=5)
    assert paired_difference(a, a).p == 1


@settings(max_examples=15)  # statsmodels collects garbage at every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_equal_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)


def test_a_test_that_was_not_made_does_not_count() -> None:
    p = np.array([[0.01, np.nan], [0.04, 0.03]])
    for correct in (holm, benjamini_hochberg):
        adjusted = correct(p)
        assert np.isnan(adjusted[0, 1])
        assert adjusted[[0, 1, 1], [0, 0, 1]] == pytest.approx(correct(np.array([0.01, 0.04, 0.03])))
        assert np.isnan(correct(np.array([np.nan]))).all()
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            correct([1.2])


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one resample"):
        percentile_interval([1.0])
    with pytest.raises(ValueError, match="level"):
        percentile_interval([1.0, 2.0], level=95)


def test_an_interval_is_drawn_out_to_its_estimate_and_has_a_width() -> None:
    beyond = np.r_[0.0, np.linspace(0.1, 0.9, 99)]
    assert float(reported_interval(beyond).low) == 0
    assert float(reported_interval(-beyond).high) == 0
    nearly = np.r_[1.0, np.ones(999), 0.5]
    assert (float(percentile_interval(nearly).low), float(percentile_interval(nearly).high)) == (1, 1)
    assert (float(reported_interval(nearly).low), float(reported_interval(nearly).high)) == (0.5, 1)
    assert np.isnan(reported_interval(np.r_[np.nan, np.ones(9)]).low)


def test_a_margin_of_0_is_never_closer_and_a_point_no_claim() -> None:
    """A margin of 0 was reported with the interval [0.125, 0.845]."""
    draws = generator(3).uniform(0.125, 0.845, 500)
    tie = paired_difference(np.r_[1.0, draws], np.r_[1.0, np.zeros(500)])
    assert (float(tie.estimate), float(tie.low), float(tie.p)) == (0, 0, 1)
    point = paired_difference(np.ones(500), np.zeros(500))
    assert np.isnan([point.low, point.high, point.p]).all()
    same = paired_difference(draws, draws)
    assert (float(same.low), float(same.high), float(same.p)) == (0, 0, 1)


def test_percentiles_of_few_units_reach_as_far_as_a_t_interval() -> None:
    """Of a mean, whose bootstrap has the variance (n - 1) / n of the usual estimate, in one pool and in strata."""
    for n, pools in ((12, 1), (24, 3)):
        data = generator(4, n).standard_normal(n)
        strata = np.arange(n) % pools
        spread = np.sqrt(sum(data[strata == s].var() for s in range(pools)) / n / pools)
        level = expanded_level(0.95, n, pools)
        reach = stats.norm.ppf((1 + level) / 2) * spread
        if pools == 1:
            assert reach == pytest.approx(stats.t.ppf(0.975, n - 1) * stats.sem(data))
        within = sum(data[strata == s].var(ddof=1) for s in range(pools)) / pools
        assert reach == pytest.approx(stats.t.ppf(0.975, n - pools) * np.sqrt(within / n))
    assert expanded_level(0.95, 10_000) == pytest.approx(0.95, abs=1e-4)
    assert np.isnan(expanded_level(0.95, 1))
    assert np.isnan(reported_interval(np.r_[1.0, 1.0, 2.0], expanded_level(0.95, 1)).low)


def test_p_values_belong_to_the_expanded_interval() -> None:
    values = 0.8 + 0.4 * generator(5).standard_normal(4001)
    values[0] = 0.8
    for units in (8, 20, 100):
        p = float(bootstrap_p(values, units=units))
        for alpha in (0.6 * p, 1.5 * p):
            ends = reported_interval(values, expanded_level(1 - alpha, units))
            assert (p < alpha) == bool((ends.low > 0) | (ends.high < 0))


def test_a_p_value_can_survive_a_correction_for_many_tests() -> None:
    """-0.521 [-0.582, -0.488] had the smallest p-value of 0.136 after Holm, for want of resamples."""
    draws = generator(6).normal(-0.53, 0.024, 1000)
    p = np.array([float(bootstrap_p(np.r_[-0.521, draws])), *[0.5] * 99])
    assert holm(p)[0] < 1e-6
    near = np.r_[-0.05, generator(7).normal(-0.05, 0.024, 1000)]
    assert float(bootstrap_p(near)) == pytest.approx(2 * stats.norm.cdf(-0.05 / 0.024), abs=0.02)
