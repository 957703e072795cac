"""Several pilots as one: intervals hold the mean over pilots and people, and agree with their p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simbench.stats.pilots import error_between, p_over_pilots, together, with_pilots
from simbench.stats.swaps import guarded, swap_p


def test_intervals_hold_the_truth_over_people_and_pilots() -> None:
    """A crossed design (Owen 2007): person, pilot, and their interaction, three pilots; never short, not absurd."""
    rng = np.random.default_rng(3)
    held, short = 0, 0
    for _ in range(1000):
        people, pilots = rng.normal(size=(1, 60)), rng.normal(0, 0.15, size=(3, 1))
        figures = people + pilots + rng.normal(size=(3, 60))
        of_people = stats.sem(figures.mean(axis=0))  # people alone
        reach = stats.t.ppf(0.975, 59) * of_people
        mean = figures.mean()
        error, free = error_between(figures.mean(axis=1))
        low, high = with_pilots(mean, mean - reach, mean + reach, error, free)
        held += low < 0 < high
        short += mean - reach < 0 < mean + reach
    assert held / 1000 > 0.95
    assert short / 1000 < 0.93  # what an interval for people alone does


@pytest.mark.parametrize("difference", [0.2, -0.35, 0.9])
def test_the_p_value_is_the_level_at_which_the_interval_leaves_zero_out(difference: float) -> None:
    drawn = np.concatenate([[difference], np.random.default_rng(0).normal(0, 0.1, 400)])
    p = p_over_pilots(difference, drawn, 0.05, 2)
    reach = stats.norm.isf(p / 2) * drawn[1:].std()
    low, high = with_pilots(difference, difference - reach, difference + reach, 0.05, 2, 1 - p)
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-6)


def test_without_pilots_nothing_is_added() -> None:
    error, free = error_between([0.4])
    assert with_pilots(0.4, 0.3, 0.6, error, free) == (0.3, 0.6)
    assert np.isnan(p_over_pilots(0.4, np.arange(9.0), error, free))
    assert together([(0.3, 2.0), (float("nan"), 0.0)]) == (0.3, 2.0)
    one, other = np.random.default_rng(2).normal(size=5), np.random.default_rng(3).normal(0, 3, size=9)
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert together([error_between(one), error_between(other)])[1] == pytest.approx(welch.df)


def test_runs_that_are_as_far_off_on_either_side_are_not_told_apart() -> None:
    """One simulation too high, the other too low by the same: exchanges alone say which is closer, and err."""
    rng = np.random.default_rng(1)
    alarms, exact = 0, 0
    for _ in range(200):
        human = (rng.random(300) < 0.5).astype(float)
        high, low = ((rng.random(300) < share).astype(float) for share in (0.65, 0.35))
        first = np.vstack([np.ones(300, bool), rng.random((199, 300)) < 0.5])

        def loss(sums: np.ndarray) -> np.ndarray:
            return np.abs(sums / 300 - human.mean())  # noqa: B023

        table = loss(np.where(first, high, low).sum(axis=1)) - loss(np.where(first, low, high).sum(axis=1))
        drawn = rng.integers(300, size=(200, 300))
        shares = [np.abs(each[drawn].mean(axis=1) - human[drawn].mean(axis=1)) for each in (high, low)]
        exact += float(swap_p(np.abs(table))) <= 0.05
        alarms += float(swap_p(np.abs(guarded(table, (shares[0] - shares[1]).std())))) <= 0.05
    assert alarms / 200 < 0.1
    assert exact / 200 > 0.12  # the exact test is of equal answers, which these are not
