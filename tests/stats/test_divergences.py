import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from popfidelity import alignment, metrics
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy
from scipy.stats import wasserstein_distance

from simbench.stats import (
    expected_counts,
    generator,
    js_distance,
    kl_divergence,
    normalise,
    option_counts,
    simbench_score,
    total_variation,
    wasserstein_ordered,
)

Floats = NDArray[np.float64]
counts = arrays(np.float64, (2, 6), elements=st.integers(0, 50).map(float)).filter(
    lambda table: bool((table.sum(axis=1) > 0).all())
)


def test_counts_are_those_of_the_repeated_rows() -> None:
    rng = generator(1)
    codes, groups = rng.integers(-1, 4, 50), rng.integers(-1, 3, 50)
    weights = rng.integers(0, 4, (5, 50)).astype(float)
    table = option_counts(codes, 4, weights)
    cells = option_counts(codes, 4, weights, groups, 3)
    for row in range(5):
        repeated = np.repeat(np.stack([codes, groups]), weights[row].astype(int), axis=1)
        assert table[row].tolist() == [(repeated[0] == code).sum() for code in range(4)]
        for group in range(3):
            inside = repeated[0][repeated[1] == group]
            assert cells[row, group].tolist() == [(inside == code).sum() for code in range(4)]


@given(counts)
def test_distances_equal_scipy(table: Floats) -> None:
    p, q = table
    assert float(js_distance(p, q)) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-9)
    positions = np.array([1.0, 2.0, 4.0, 5.0, 9.0, 11.0])
    scaled = wasserstein_distance(positions, positions, p, q) / 10
    assert float(wasserstein_ordered(p, q, positions)) == pytest.approx(scaled, abs=1e-12)
    smooth = scipy_entropy(p + 0.5, q + 0.5, base=2)
    assert float(kl_divergence(p, q)) == pytest.approx(smooth, abs=1e-12)


@given(counts)
def test_distances_are_bounded_symmetric_and_ignore_the_order_of_options(table: Floats) -> None:
    p, q = table
    order = generator(3).permutation(6)
    for distance in (js_distance, total_variation):
        value = float(distance(p, q))
        assert 0 <= value <= 1
        assert value == pytest.approx(float(distance(q, p)), abs=1e-12)
        assert value == pytest.approx(float(distance(p[order], q[order])), abs=1e-12)
        assert value == pytest.approx(float(distance(p * 3, q / 7)), abs=1e-12)
        assert float(distance(p, p)) == 0
    ordered = float(wasserstein_ordered(p, q))
    assert 0 <= ordered <= total_variation(p, q) + 1e-12
    assert ordered == pytest.approx(float(wasserstein_ordered(p[::-1], q[::-1])), abs=1e-12)
    assert js_distance(p, q) ** 2 <= total_variation(p, q) + 1e-12  # Lin (1991), theorem 3
    assert kl_divergence(p, q) >= 0


def test_worked_values() -> None:
    assert float(js_distance([1, 0], [0, 1])) == 1
    # m = (3/4, 1/4): divergence = (log2(4/3) + (1/2) log2(2/3) + (1/2) log2(2)) / 2
    by_hand = np.sqrt((np.log2(4 / 3) + np.log2(2 / 3) / 2 + 0.5) / 2)
    assert float(js_distance([1, 0], [1, 1])) == pytest.approx(by_hand, abs=1e-15)
    assert float(total_variation([3, 1, 0], [1, 1, 2])) == pytest.approx(0.5)
    assert float(wasserstein_ordered([1, 0, 0], [0, 0, 1])) == 1
    assert float(wasserstein_ordered([1, 0, 0], [0, 1, 0])) == 0.5
    assert float(kl_divergence([1, 1], [3, 1], smoothing=0)) == pytest.approx(np.log2(2 / 3) / 2 + 0.5)
    assert kl_divergence([1, 1], [2, 0], smoothing=0) == np.inf
    # Humans (.7, .3) and (.5, .5); uniform misses by .2 and 0, .1 on average.
    assert simbench_score([0.0, 0.1], [0.2, 0.0]).tolist() == pytest.approx([100, 0])


def test_an_empty_side_is_not_computable() -> None:
    p, nothing = np.array([2.0, 1.0]), np.zeros(2)
    for distance in (js_distance, total_variation, wasserstein_ordered, kl_divergence):
        assert np.isnan(distance(p, nothing))
        assert np.isnan(distance(nothing, p))
    assert np.isnan(wasserstein_ordered([3.0], [2.0]))
    assert np.isnan(simbench_score([0.1], [0.0])).all()
    assert np.isnan(normalise([[0.0, 0.0]])).all()


def test_popfidelity_agrees() -> None:
    rng = generator(8)
    human, simulated = rng.dirichlet(np.ones(5), 12), rng.dirichlet(np.ones(5) / 2, 12)
    assert js_distance(human, simulated) == pytest.approx(
        metrics.distance(human, simulated, "js_distance", base=2), abs=1e-12
    )
    uniform = total_variation(human, np.ones(5))
    distance = total_variation(human, simulated)
    assert distance == pytest.approx(metrics.distance(human, simulated, "total_variation"), abs=1e-12)
    assert simbench_score(distance, uniform).mean() == pytest.approx(
        alignment.simbench_score(human, simulated), abs=1e-9
    )
    opinionqa = alignment.opinionqa_alignment(human, simulated)
    assert 1 - wasserstein_ordered(human, simulated) == pytest.approx(opinionqa, abs=1e-12)


def test_expected_counts_need_distributions() -> None:
    table = np.array([[0.25, 0.75], [np.nan, np.nan], [1.0, 0.0]])
    assert expected_counts(table, [[1, 1, 1], [2, 5, 0]]).tolist() == [[1.25, 0.75], [0.5, 1.5]]
    with pytest.raises(ValueError, match="sum to 1"):
        expected_counts([[0.5, 0.6]])


@pytest.mark.parametrize(
    ("codes", "weights", "match"),
    [
        ([0, 3], None, "0 .. 3"),
        ([0, -2], None, "-1 means missing"),
        ([0.5, 1], None, "whole numbers"),
        ([0, 1], [[1.0]], r"shape \(R, 2\)"),
        ([0, 1], [[1.0, -1.0]], "not negative"),
        ([0, 1], [[1.0, np.nan]], "finite"),
    ],
)
def test_bad_arguments_are_refused(codes: list[float], weights: list[list[float]] | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        option_counts(codes, 2, weights)
