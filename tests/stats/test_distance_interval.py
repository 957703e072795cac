import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ncx2

from simbench.stats import (
    bootstrap_weights,
    distance_interval,
    generator,
    js_distance,
    kl_divergence,
    option_counts,
    percentile_interval,
    total_variation,
)

Floats = NDArray[np.float64]
HUMAN = np.array([0.05, 0.1, 0.2, 0.25, 0.2, 0.12, 0.08])


def other(shift: float) -> Floats:
    shares = HUMAN * np.exp(shift * np.arange(7))
    return np.asarray(shares / shares.sum())


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.4])
def test_intervals_cover_also_where_the_distance_is_zero(shift: float) -> None:
    rng, n = generator(0, "coverage", str(shift)), 300
    truth = np.array([js_distance(HUMAN, other(shift)), total_variation(HUMAN, other(shift))])
    divergence = float(kl_divergence(HUMAN * 1e9, other(shift) * 1e9))
    hits, percentile = np.zeros(3), 0.0
    for _ in range(250):
        human, simulated = rng.choice(7, n, p=HUMAN), rng.choice(7, n, p=other(shift))
        p = option_counts(human, 7, bootstrap_weights(n, 300, rng))
        q = option_counts(simulated, 7, bootstrap_weights(n, 300, rng))
        both = np.stack([js_distance(p, q), total_variation(p, q)], axis=1)
        found = distance_interval(both)
        hits[:2] += (found.low <= truth) & (truth <= found.high)
        kl = distance_interval(kl_divergence(p, q), squared=True, largest=np.inf)
        hits[2] += bool(kl.low <= divergence <= kl.high)
        naive = percentile_interval(both[:, 0])
        percentile += bool(naive.low <= truth[0] <= naive.high)
    # 250 repetitions: three standard errors are 0.041.
    assert hits / 250 == pytest.approx(0.955, abs=0.045)
    assert shift > 0.3 or percentile / 250 < 0.85


@pytest.mark.parametrize("df", [1.0, 6.0, 40.0])
@pytest.mark.parametrize("noncentrality", [100.0, 2000.0, 9950.0, 30_000.0])
def test_the_ends_are_those_of_the_chi_squared_it_is_calibrated_to(df: float, noncentrality: float) -> None:
    # Resamples with exactly the mean and variance of 0.01 times a noncentral chi-squared variable around 0.01 times
    # the noncentrality: the estimate is at the noncentrality, the bias is df.
    estimate = 0.01 * noncentrality
    spread = 0.01 * np.sqrt(2 * df + 4 * noncentrality)
    draws = estimate + 0.01 * df + spread * np.tile([-1.0, 1.0], 5000) * np.sqrt(9999 / 10_000)
    found = distance_interval(np.r_[estimate, draws], squared=True, largest=np.inf)
    for end, p in ((found.low, 0.975), (found.high, 0.025)):
        assert ncx2.cdf(noncentrality, df, float(end) / 0.01) == pytest.approx(p, abs=2e-3)
    assert float(found.corrected) == pytest.approx(estimate - 0.01 * df, rel=1e-6)


def test_equal_samples_have_an_interval_from_zero() -> None:
    codes = np.arange(200) % 5
    rng = generator(1)
    p, q = (option_counts(codes, 5, bootstrap_weights(200, 400, rng)) for _ in range(2))
    found = distance_interval(js_distance(p, q))
    assert found.low == found.corrected == 0
    assert 0 <= found.high < 0.1


def test_bounds_and_what_is_not_computable() -> None:
    certain = distance_interval(np.ones(50))
    assert certain.low == certain.high == 1
    high = distance_interval(np.r_[0.99, generator(2).uniform(0.9, 1, 200)])
    assert high.high <= 1
    for bad in (np.r_[np.nan, np.ones(9)], np.r_[0.5, np.full(9, np.nan)], np.r_[0.5, 0.6, np.inf, np.full(9, 0.5)]):
        found = distance_interval(bad, largest=np.inf)
        assert np.isnan(found.low)
        assert np.isnan(found.high)
        assert np.isnan(found.corrected)
