"""Power of equivalence: against simulated studies and against the normal textbook formula."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ncx2, norm

from simbench.stats.equivalence import distance_power, interval_power, people_needed
from simbench.stats.equivalent import noncentral_interval


@pytest.mark.parametrize(("n", "options"), [(100, 3), (400, 5), (1500, 8)])
def test_power_of_a_distance_is_how_often_studies_have_their_upper_end_within_the_margin(
    n: int, options: int
) -> None:
    """Two multinomial samples of one population, judged by the interval that is reported."""
    rng, margin = np.random.default_rng(n), 0.1
    shares = rng.dirichlet(np.full(options, 5.0))
    covariance = 2 / n * (np.diag(shares) - np.outer(shares, shares))
    total, squared = np.trace(covariance), (covariance**2).sum()
    one = 1 - (shares**2).sum()
    samples = rng.multinomial(n, shares, size=(2, 2000)) / n
    gaps = ((samples[0] - samples[1]) ** 2).sum(axis=1)
    within = np.mean([noncentral_interval(gap, total, squared, 0.9)[1] <= margin**2 * one for gap in gaps])
    assert distance_power(total / one, total**2 / squared, margin) == pytest.approx(within, abs=0.04)


def test_power_of_a_distance_equals_scipys_distributions() -> None:
    most = ncx2.ppf(0.05, 7, 0.01 * 7 / 0.004)
    assert distance_power(0.004, 7, 0.1, level=0.9) == pytest.approx(ncx2.cdf(most, 7, 1e-12), rel=1e-6)
    assert distance_power(1e-6, 50, 0.1) == pytest.approx(1)
    assert np.isnan(distance_power(np.nan, 3, 0.1))


def test_power_of_an_interval_equals_the_two_one_sided_tests() -> None:
    """A ratio of 1 within [0.7, 1.5], against two normal tests by hand."""
    draws = 1 + 0.12 * norm.rvs(size=200_000, random_state=1)
    by_hand = np.mean((draws - 1.644854 * 0.12 >= 0.7) & (draws + 1.644854 * 0.12 <= 1.5))
    assert interval_power(0.12, 1.0, 0.7, 1.5) == pytest.approx(by_hand, abs=0.005)
    assert interval_power(5.0, 1.0, 0.7, 1.5) == 0


@given(st.floats(0.001, 0.05), st.floats(1, 60), st.floats(0.05, 0.3))
def test_more_people_never_have_less_power_and_the_number_found_reaches_it(
    chance: float, df: float, margin: float
) -> None:
    def curve(times: float) -> float:
        return distance_power(chance / times, df, margin)

    power, needed = people_needed([curve], 500)
    assert 0 <= power <= curve(2.0) + 1e-6
    assert needed is not None
    assert curve(needed / 500) >= 0.8 - 1e-6
    assert needed <= 6 or curve((needed - 2) / 500 / 1.002) < 0.8 + 1e-6
    assert (needed <= 500) == (power >= 0.8) or needed in (500, 501)


def test_power_of_several_is_their_product_and_none_where_one_has_none() -> None:
    half = partial(interval_power, 0.2, 1.0, 0.5)
    power, needed = people_needed([lambda times: 0.5, lambda times: half(1.5) / times**0], 100)
    assert power == pytest.approx(0.5 * half(1.5))
    assert needed is None
    assert np.isnan(people_needed([lambda times: np.nan], 100)[0])
