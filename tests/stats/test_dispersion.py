from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from popfidelity import metrics, reliability
from statsmodels.formula.api import ols

from simbench.stats import (
    bootstrap_weights,
    correlation_distance,
    correlation_matrices,
    cronbach_alpha,
    generator,
    gini_parts,
    identity_flattening,
    standard_deviation,
    unseen_share,
    variance_parts,
)

Floats = NDArray[np.float64]


def people(n: int = 150, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Four items with missing answers, and a group (-1 = none)."""
    rng = generator(seed, "heterogeneity")
    groups = rng.integers(-1, 3, n)
    trait = rng.normal(size=n)
    signal = trait[:, None] * np.array([1, 0.5, 0.8, 0.2]) + 0.4 * groups[:, None]
    items = 1000 + np.asarray(np.round(signal + rng.normal(size=(n, 4))), dtype=np.float64)
    items[rng.random((n, 4)) < 0.05] = np.nan
    return items, groups


def repeated(values: Any, weights: Floats) -> Any:
    return np.repeat(values, weights.astype(int), axis=0)


def test_spread_is_that_of_the_repeated_rows() -> None:
    items, groups = people()
    weights = bootstrap_weights(150, 4, generator(1))
    overall, inside = standard_deviation(items[:, 0], weights), standard_deviation(items[:, 0], weights, groups, 3)
    for row in range(5):
        x, g = repeated(items[:, 0], weights[row]), repeated(groups, weights[row])
        assert overall[row] == pytest.approx(np.nanstd(x, ddof=1), rel=1e-9)
        known = ~np.isnan(x) & (g >= 0)
        squares = sum(((x[known & (g == k)] - x[known & (g == k)].mean()) ** 2).sum() for k in range(3))
        assert inside[row] == pytest.approx(np.sqrt(squares / (known.sum() - 3)), rel=1e-9)


def test_variance_parts_equal_an_analysis_of_variance() -> None:
    items, groups = people()
    known = ~np.isnan(items[:, 0]) & (groups >= 0)
    table = sm.stats.anova_lm(ols("x ~ C(g)", pd.DataFrame({"x": items[known, 0] - 1000, "g": groups[known]})).fit())
    parts = variance_parts(items[:, 0], groups, 3)
    between, within = table["sum_sq"]
    n = known.sum()
    assert parts.within[0] == pytest.approx(within / (n - 3), rel=1e-9)
    assert parts.between[0] == pytest.approx(between / n, rel=1e-9)
    assert parts.share[0] == pytest.approx(between / (between + within), rel=1e-9)
    assert parts.total[0] == pytest.approx((between + within) / n, rel=1e-9)


def test_variation_of_unordered_answers_is_goodman_and_kruskals_tau() -> None:
    # Rows: groups, columns: options. Worked by hand: total 1 - (16 + 16) / 64 = 1/2;
    # within, as probabilities, 1 - (9 + 1) / 16 = 3/8 in both groups, so tau = (1/2 - 3/8) / (1/2) = 1/4.
    codes, groups = [0, 0, 0, 1, 0, 1, 1, 1, -1], [0, 0, 0, 0, 1, 1, 1, 1, 1]
    parts = gini_parts(codes, 2, groups, 2)
    assert parts.total[0] == pytest.approx(0.5)
    assert parts.between[0] == pytest.approx(1 / 8)
    assert parts.share[0] == pytest.approx(1 / 4)
    assert parts.within[0] == pytest.approx(3 / 8 * 4 / 3)
    inside = [(codes[a], codes[b]) for a, b in permutations(range(8), 2) if groups[a] == groups[b]]
    assert parts.within[0] == pytest.approx(np.mean([one != other for one, other in inside]))


def test_two_options_as_numbers_or_as_codes_have_the_same_share() -> None:
    rng = generator(3)
    codes, groups = rng.integers(0, 2, 60), rng.integers(0, 4, 60)
    weights = bootstrap_weights(60, 20, rng)
    numeric = variance_parts(codes, groups, 4, weights)
    nominal = gini_parts(codes, 2, groups, 4, weights)
    assert nominal.share == pytest.approx(numeric.share, rel=1e-9, abs=1e-12)
    assert nominal.total == pytest.approx(2 * numeric.total, rel=1e-9)


def test_flattening_is_found_where_it_is_and_not_where_it_is_not() -> None:
    rng = generator(4)
    groups = np.arange(400) % 4
    weights = bootstrap_weights(400, 500, rng, groups)
    human = variance_parts(rng.normal(size=400) + groups, groups, 4, weights)
    same = variance_parts(rng.normal(size=400) + groups, groups, 4, weights)
    flat = variance_parts(0.5 * rng.normal(size=400) + 2 * groups, groups, 4, weights)
    none, found = identity_flattening(human, same), identity_flattening(human, flat)
    assert none.p > 0.05
    assert found.p < 2 / 501
    assert found.within_ratio[0] == pytest.approx(0.25, rel=0.3)
    assert found.between_ratio[0] == pytest.approx(4, rel=0.2)
    assert found.share_difference[0] > 0.2
    stuck = identity_flattening(human, variance_parts(groups.astype(float), groups, 4, weights))
    assert stuck.within_ratio[0] == 0
    assert stuck.p < 0.01
    assert np.isnan(
        identity_flattening(variance_parts([1.0, 2.0], [0, 0], 1), variance_parts([1.0, 2.0], [0, 0], 1)).p
    )


def test_unseen_answers() -> None:
    assert float(unseen_share([5, 3, 2], [1, 0, 9])) == pytest.approx(0.3)
    assert float(unseen_share([1, 0, 9], [5, 3, 2])) == 0
    assert np.isnan(unseen_share([0, 0], [1, 1]))
    assert np.isnan(unseen_share([1, 1], [0, 0]))


def test_correlations_equal_numpy_and_alpha_equals_popfidelity() -> None:
    items, _ = people()
    weights = bootstrap_weights(150, 3, generator(5))
    found, alpha = correlation_matrices(items, weights), cronbach_alpha(items, weights)
    for row in range(4):
        complete = repeated(items, weights[row])
        complete = complete[~np.isnan(complete).any(axis=1)]
        assert found[row] == pytest.approx(np.corrcoef(complete.T), abs=1e-9)
        assert alpha[row] == pytest.approx(reliability.cronbach_alpha(complete), abs=1e-9)


def test_correlation_distance_by_hand() -> None:
    a, b = np.eye(3), np.array([[1, 0.3, 0], [0.3, 1, -0.6], [0, -0.6, 1]])
    assert float(correlation_distance(a, b)) == pytest.approx(np.sqrt((0.09 + 0.36) / 3))
    assert float(correlation_distance(a, a)) == 0
    assert np.isnan(correlation_distance(np.ones((1, 1)), np.ones((1, 1))))


@given(st.integers(0, 10_000), st.integers(2, 30), st.floats(-1e4, 1e4), st.floats(0.1, 50))
def test_shifting_and_stretching_an_item(seed: int, n: int, shift: float, stretch: float) -> None:
    rng = generator(seed)
    x, groups = rng.integers(0, 6, n).astype(float), rng.integers(0, 3, n)
    weights = bootstrap_weights(n, 5, rng)
    a, b = variance_parts(x, groups, 3, weights), variance_parts(shift + stretch * x, groups, 3, weights)
    assert b.within == pytest.approx(stretch**2 * a.within, rel=1e-6, abs=1e-8, nan_ok=True)
    assert b.share == pytest.approx(a.share, rel=1e-6, abs=1e-8, nan_ok=True)
    defined = a.share[~np.isnan(a.share)]
    assert ((defined >= 0) & (defined <= 1 + 1e-12)).all()


def test_what_has_no_spread_is_not_computable() -> None:
    constant = np.column_stack([np.full(9, 7.3), np.arange(9.0)])
    assert np.isnan(correlation_matrices(constant)[0, 0, 1])
    assert np.isnan(correlation_matrices(constant)[0, 0, 0])
    assert correlation_matrices(constant)[0, 1, 1] == 1
    assert np.isnan(correlation_distance(correlation_matrices(constant), np.eye(2))[0])
    assert np.isnan(cronbach_alpha(np.full((9, 3), 0.1))[0])
    assert np.isnan(cronbach_alpha(np.arange(5.0)[:, None])[0])
    assert np.isnan(standard_deviation([4.0])[0])
    assert np.isnan(standard_deviation([np.nan, np.nan])[0])
    assert standard_deviation([0.1, 0.1, 0.1])[0] == 0
    assert np.isnan(variance_parts(np.full(4, 0.1), [0, 0, 1, 1], 2).share[0])
    assert np.isnan(gini_parts([0, 0], 2, [0, 1], 2).share[0])
    assert np.isnan(variance_parts([1.0, 2.0], [-1, -1], 2).total[0])


def test_entropy_agrees_with_popfidelity() -> None:
    from simbench.stats import entropy, mode_share

    cells = generator(6).dirichlet(np.ones(5), 8)
    assert entropy(cells) == pytest.approx(metrics.entropy(cells), abs=1e-12)
    assert mode_share(cells) == pytest.approx(metrics.modal_concentration(cells), abs=1e-12)


def test_weights_do_not_make_variation_where_all_answer_alike() -> None:
    weights = np.random.default_rng(0).uniform(0.1, 7, (200, 30))
    parts = gini_parts(np.zeros(30, dtype=int), 2, np.arange(30) % 3, 3, weights)
    for found in (parts.total, parts.within, parts.between):
        assert found.tolist() == [0.0] * 200
    assert np.isnan(parts.share).all()
