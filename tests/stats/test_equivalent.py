"""As good as how many people: people themselves are the yardstick that it is checked against."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simbench.stats.equivalent import Equivalent, equivalent_people, noncentral_interval, paired_spread, spread_of

SHARES = np.array([0.05, 0.1, 0.15, 0.3, 0.4])


def influences(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares (K,) of the answers (n,), and what everybody adds to them."""
    hot = np.eye(len(SHARES))[answers]
    return hot.mean(axis=0), (hot - hot.mean(axis=0)) / len(answers)


def held(human: np.ndarray, simulated: np.ndarray) -> Equivalent:
    (a, one), (b, other) = influences(human), influences(simulated)
    return equivalent_people(b - a, spread_of(one, other), len(human))


@pytest.mark.parametrize("m", [20, 50, 100, 500])
def test_m_real_people_are_as_good_as_m_people(m: int) -> None:
    """On average of 1 / n*; 93 to 99 % of the intervals hold m: some more than 95, as their lower end may be 0."""
    rng = np.random.default_rng(m)
    found = [held(*(rng.choice(5, size, p=SHARES) for size in (400, m))) for _ in range(1500)]
    raw = []
    for _ in range(1500):
        one, other = (rng.choice(5, size, p=SHARES) for size in (400, m))
        (a, human), (b, simulated) = influences(one), influences(other)
        spread = spread_of(human, simulated)
        raw.append((((b - a) ** 2).sum() - spread.human) / (400 * spread.human))
    assert abs(np.mean(raw) - 1 / m) < 3 * stats.sem(raw)
    assert 3 * stats.sem(raw) < 0.35 / m or m == 500
    covered = np.mean([each.low <= m <= each.high for each in found])
    assert 0.93 < covered < 0.99
    assert all(each.low <= each.people <= each.high for each in found)


@pytest.mark.parametrize("off", [0.05, 0.15])
def test_a_biased_simulation_is_worth_few_people_however_many_it_draws(off: float) -> None:
    """Its shares are off by a known amount: n* is one person's variance over the squared error."""
    rng = np.random.default_rng(1)
    wrong = SHARES + off * np.array([1, 0.5, 0.5, -1, -1])
    error = ((wrong - SHARES) ** 2).sum() + (1 - (wrong**2).sum()) / 900
    truth = (1 - (SHARES**2).sum()) / error
    found = [held(rng.choice(5, 600, p=SHARES), rng.choice(5, 900, p=wrong)) for _ in range(800)]
    assert 1 / np.mean([1 / each.people for each in found]) == pytest.approx(truth, rel=0.05)
    assert 0.93 < np.mean([each.low <= truth <= each.high for each in found]) < 0.98


def test_what_goes_with_the_person_is_no_merit_of_the_sample() -> None:
    """Simulated answers that go with real ones differ less from them than other people's, and are worth no more."""
    rng = np.random.default_rng(2)
    apart, together, covered = [], [], []
    for _ in range(1500):
        human = rng.choice(5, 300, p=SHARES)
        simulated = np.where(rng.random(300) < 0.5, human, rng.choice(5, 300, p=SHARES))
        (a, one), (b, other) = influences(human), influences(simulated)
        spread = paired_spread(one, other)
        q, person = ((b - a) ** 2).sum(), 300 * spread.human
        together.append((q - spread.human + 2 * spread.shared) / person)
        apart.append((q - spread.human) / person)
        ends = equivalent_people(b - a, spread, 300)
        covered.append(ends.low <= 300 <= ends.high)
    assert abs(np.mean(together) - 1 / 300) < 3 * stats.sem(together)
    assert np.mean(apart) < 0
    assert 0.93 < np.mean(covered) < 0.985


@pytest.mark.parametrize(("df", "nc"), [(1, 0.0), (4, 3.0), (4, 60.0), (12, 400.0), (3, 90_000.0)])
def test_the_interval_is_that_of_the_noncentral_chi_square(df: int, nc: float) -> None:
    """With equal variances the approximation is exact: ends are where scipy's distribution has its tails."""
    variance = 0.3
    for x in stats.ncx2.rvs(df, nc, size=5, random_state=3) if nc else stats.chi2.rvs(df, size=5, random_state=3):
        low, high = noncentral_interval(x * variance, df * variance, df * variance**2)
        for end, tail in ((low, 0.975), (high, 0.025)):
            if end > 0:
                assert stats.ncx2.cdf(x, df, end / variance) == pytest.approx(tail, abs=0.002)
            else:
                assert stats.chi2.cdf(x, df) <= tail


def test_unequal_variances_keep_the_coverage() -> None:
    rng = np.random.default_rng(4)
    variances = np.array([1.0, 0.5, 0.1, 0.1, 0.02])
    for delta in (np.zeros(5), np.array([0.3, 0.3, 0.3, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 2.0, 1.0])):
        drawn = delta + rng.normal(size=(3000, 5)) * np.sqrt(variances)
        ends = [noncentral_interval(q, variances.sum(), (variances**2).sum()) for q in (drawn**2).sum(axis=1)]
        assert np.mean([low <= delta @ delta <= high for low, high in ends]) > 0.93


def test_nothing_to_measure_with() -> None:
    same = np.zeros(50, dtype=int)
    assert np.isnan(held(same, same).people)
    human = np.random.default_rng(5).choice(5, 50, p=SHARES)
    assert held(human, human).people == np.inf
    assert held(human, human).low > 20
