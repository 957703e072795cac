import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from simbench.stats import accuracy, brier_score, calibration_error, generator, log_score

RNG = generator(0, "individual")
ANSWERS = RNG.integers(0, 4, 200)
TABLE = RNG.dirichlet(np.ones(4), 200)


def test_scores_equal_scikit_learn() -> None:
    weights = RNG.integers(0, 3, (3, 200)).astype(float)
    predicted = TABLE.argmax(axis=1)
    for row in range(3):
        w = weights[row]
        exact = accuracy_score(ANSWERS, predicted, sample_weight=w)
        assert accuracy(ANSWERS, predicted, 4, weights)[row] == pytest.approx(exact, abs=1e-12)
        nats = log_loss(ANSWERS, TABLE, sample_weight=w, labels=range(4))
        assert log_score(ANSWERS, TABLE, weights)[row] == pytest.approx(-nats / np.log(2), abs=1e-9)
    binary = np.column_stack([1 - TABLE[:, 0], TABLE[:, 0]])
    one_sided = brier_score_loss(ANSWERS == 0, TABLE[:, 0])
    assert brier_score((ANSWERS == 0).astype(int), binary)[0] == pytest.approx(2 * one_sided, abs=1e-12)


def test_calibration_error_by_a_plain_loop() -> None:
    confidence, right = TABLE.max(axis=1), TABLE.argmax(axis=1) == ANSWERS
    total = 0.0
    for low in np.arange(10) / 10:
        inside = (confidence > low) & (confidence <= low + 0.1)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(ANSWERS, TABLE)[0] == pytest.approx(total, abs=1e-12)


def test_a_perfect_and_a_hopeless_forecast() -> None:
    sure = np.eye(4)[ANSWERS]
    assert log_score(ANSWERS, sure)[0] == 0
    assert brier_score(ANSWERS, sure)[0] == 0
    assert calibration_error(ANSWERS, sure)[0] == 0
    wrong = np.eye(4)[(ANSWERS + 1) % 4]
    assert log_score(ANSWERS, wrong)[0] == -np.inf
    assert log_score(ANSWERS, wrong, floor=0.25)[0] == pytest.approx(-2)
    assert brier_score(ANSWERS, wrong)[0] == 2
    assert calibration_error(ANSWERS, wrong)[0] == 1


def test_an_honest_forecast_is_calibrated() -> None:
    table = RNG.dirichlet(np.ones(3), 40_000)
    drawn = (RNG.random(40_000)[:, None] > table.cumsum(axis=1)).sum(axis=1)
    assert calibration_error(drawn, table)[0] < 0.01
    assert calibration_error(drawn, table[::-1])[0] > 0.1


def test_missing_answers_and_predictions_are_left_out() -> None:
    answers = np.array([0, 1, -1, 1])
    table = np.array([[1, 0], [0.5, 0.5], [0.9, 0.1], [np.nan, np.nan]])
    assert log_score(answers, table)[0] == pytest.approx(-0.5)
    assert brier_score(answers, table)[0] == pytest.approx(0.25)
    assert accuracy(answers, [0, 0, 0, -1], 2)[0] == 0.5
    assert np.isnan(accuracy([-1], [0], 2)[0])
    assert np.isnan(log_score([0], [[np.nan, np.nan]])[0])
    assert np.isnan(calibration_error([0], [[0.5, 0.5]], [[0.0]])[0])


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        log_score([0], [[0.5, 0.6]])
    with pytest.raises(ValueError, match="shape"):
        brier_score([0, 1], [[0.5, 0.5]])
