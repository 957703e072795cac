import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from simbench.stats import generator, trusted_size

Floats = NDArray[np.float64]


def plain(simulated: Floats, human: Floats, alpha: float, first: int) -> int:
    """The definition as a loop."""
    size = 0
    for k in range(first, simulated.shape[1] + 1):
        missed = 0
        for answers, value in zip(simulated, human):
            half = 2 * norm.ppf(1 - alpha / 2) * answers[:k].std() / np.sqrt(k)
            missed += not answers[:k].mean() - half <= value <= answers[:k].mean() + half
        if missed / len(human) > alpha / 2:
            break
        size = k
    return size


def test_the_size_is_the_one_of_a_plain_loop() -> None:
    rng = generator(0)
    simulated = (rng.random((60, 120)) < 0.55).astype(float)
    human = rng.normal(0.5, 0.03, 60)
    for alpha in (0.05, 0.1, 0.3):
        found = trusted_size(simulated, human, alpha=alpha)
        assert found.size == plain(simulated, human, alpha, 10)
        assert found.estimands == 60
        assert found.miscoverage.shape == found.sizes.shape == (111,)


def test_a_better_simulation_may_be_trusted_further() -> None:
    rng = generator(1)
    truth = rng.uniform(0.4, 0.6, 200)

    def size(bias: float) -> int:
        shift = bias * rng.choice([-1, 1], 200)
        simulated = (rng.random((200, 6000)) < (truth + shift)[:, None]).astype(float)
        return trusted_size(simulated, truth).size

    sizes = [size(bias) for bias in (0.03, 0.06, 0.12)]
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2] > 0
    # Without noise the interval 2 z sd / sqrt(k) would shrink to the bias at this size.
    assert sizes[0] < (2 * norm.ppf(0.975) * 0.5 / 0.03) ** 2


def test_a_faithful_simulation_may_be_trusted_to_the_end() -> None:
    simulated = np.tile([0.0, 1.0], (50, 200))
    found = trusted_size(simulated, np.full(50, 0.5))
    assert found.at_limit
    assert found.size == 400


def test_a_hopeless_simulation_is_worth_nothing() -> None:
    found = trusted_size(np.zeros((50, 100)), np.ones(50))
    assert (found.size, found.at_limit) == (0, False)
    assert trusted_size(np.ones((50, 100)), np.ones(50)).at_limit


def test_whole_intervals_and_hoeffding() -> None:
    simulated, mean = np.tile([0.0, 1.0], (20, 500)), np.full(20, 0.5)
    # sqrt(log(40) / 2k) >= 0.1 up to k = 184; odd k are off centre by 1/2k, so they fail a little before.
    wide = trusted_size(simulated, mean, (mean - 0.1, mean + 0.1), interval="hoeffding", dilation=1)
    assert wide.threshold == pytest.approx(0.025)
    assert 160 < wide.size <= 184
    assert wide.sizes[0] == 1
    twice = trusted_size(simulated, mean, (mean - 0.1, mean + 0.1), interval="hoeffding", dilation=2)
    assert 160 < twice.human_equivalent == twice.size / 4 <= 184


@pytest.mark.parametrize(
    ("simulated", "human", "options", "match"),
    [
        (np.ones((2, 5)), [1.0], {}, "must agree"),
        (np.full((1, 5), np.nan), [1.0], {}, "missing"),
        (np.full((1, 5), 2.0), [1.0], {"interval": "hoeffding"}, "scaled to"),
        (np.ones((1, 5)), [1.0], {"interval": "t"}, "'clt' or 'hoeffding'"),
    ],
)
def test_bad_arguments_are_refused(
    simulated: Floats, human: list[float], options: dict[str, str], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        trusted_size(simulated, human, **options)  # type: ignore[arg-type]
