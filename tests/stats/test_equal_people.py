"""How many people counted alike unequal ones are: against enumeration, and by the spread of their weights."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from simbench.stats import equal_people


def test_a_weighted_share_of_coins_varies_as_that_of_so_many_people() -> None:
    """The variance of the weighted mean over all outcomes of fair coins is a quarter of 1 / n."""
    weights = np.array([0.2, 1.0, 1.0, 2.5, 3.1, 0.7, 4.0])
    shares = [np.average(coins, weights=weights) for coins in product((0, 1), repeat=len(weights))]
    assert equal_people(weights) == pytest.approx(0.25 / np.var(shares), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_it_is_n_over_one_and_the_squared_variation_of_the_weights(scale: float) -> None:
    """Kish's other form, whatever the weights add up to."""
    weights = scale * np.random.default_rng(3).lognormal(size=200)
    variation = weights.std() / weights.mean()
    assert equal_people(weights) == pytest.approx(200 / (1 + variation**2), rel=1e-12)


def test_equal_weights_cost_nothing_and_nobody_is_nobody() -> None:
    assert equal_people(np.full(12, 0.3)) == pytest.approx(12)
    assert equal_people([]) == 0.0
