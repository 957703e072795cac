import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, mutual_info_score

from simbench.stats import (
    action_distance,
    action_f1,
    bootstrap_weights,
    flag_share,
    generator,
    mutual_information,
)


def test_undefined_rows_are_left_out_of_the_gap() -> None:
    assert flag_share([1, 0, 0, -1, -1, 0]).tolist() == [0.25]
    assert flag_share([1, 0, -1], [[1, 1, 1], [3, 1, 5]]).tolist() == [0.5, 0.75]
    assert np.isnan(flag_share([-1, -1])[0])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_agreement_and_information_equal_scikit_learn(seed: int, n: int) -> None:
    rng = generator(seed)
    belief, action = rng.integers(0, 2, (2, n))
    weights = bootstrap_weights(n, 3, rng)
    f1, shared = action_f1(belief, action, weights), mutual_information(belief, 2, action, 2, weights)
    for row in range(4):
        b, a = (np.repeat(each, weights[row].astype(int)) for each in (belief, action))
        if (b | a).any():
            assert f1[row] == pytest.approx(f1_score(b, a), abs=1e-12)
        else:
            assert np.isnan(f1[row])
        assert shared.bits[row] == pytest.approx(mutual_info_score(b, a) / np.log(2), abs=1e-9)


def test_information_of_a_copy_is_its_entropy() -> None:
    codes = np.repeat(np.arange(4), 5)
    found = mutual_information(codes, 4, codes, 4)
    assert found.bits[0] == pytest.approx(2)
    assert found.uncertainty[0] == pytest.approx(1)
    assert found.corrected[0] == pytest.approx(2 - 9 / (40 * np.log(2)))


def test_the_correction_removes_the_bias_of_independent_answers() -> None:
    rng = generator(1)
    found = [mutual_information(rng.integers(0, 5, 300), 5, rng.integers(0, 3, 300), 3) for _ in range(400)]
    assert np.mean([each.bits[0] for each in found]) > 0.015
    assert np.mean([each.corrected[0] for each in found]) == pytest.approx(0, abs=0.001)


def test_information_that_means_nothing_is_not_computable() -> None:
    constant = mutual_information([0, 1, 2], 3, [1, 1, 1], 2)
    assert constant.bits[0] == 0
    assert np.isnan(constant.uncertainty[0])
    assert np.isnan(mutual_information([-1, 0], 2, [0, -1], 2).bits[0])


def test_distance_of_belief_and_action() -> None:
    assert action_distance([0.0, 1.0, 0.5, np.nan], [1.0, 1.0, 0.25, 0.5])[0] == pytest.approx(1.25 / 3)
    assert np.isnan(action_distance([np.nan], [1.0])[0])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        action_distance([2.0], [1.0])
