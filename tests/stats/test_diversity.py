from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import comb
from scipy.stats import entropy as scipy_entropy

from simbench.stats import (
    assemblage_bootstrap,
    assemblage_counts,
    code_structures,
    entropy,
    entropy_ratio,
    generator,
    mode_share,
    option_counts,
    rarefied_count,
    unique_count,
)

count_lists = st.lists(st.integers(0, 12), min_size=1, max_size=15).filter(any)


def test_structures_of_two_samples_share_one_numbering() -> None:
    human = [[1, 0], [0, 2], [1, 0], [-1, 2]]
    simulated = [[0, 2], [0, 3], [1, -1]]
    (h, s), number = code_structures(human, simulated)
    assert h.tolist() == [2, 0, 2, -1]
    assert s.tolist() == [0, 1, -1]
    assert number == 3
    assert unique_count(option_counts(h, number)).tolist() == [2]


def test_no_complete_row_means_no_structure() -> None:
    (codes,), number = code_structures([[-1, 2], [3, -1]])
    assert codes.tolist() == [-1, -1]
    counts = option_counts(codes, number, np.ones((2, 2)))
    assert unique_count(counts).tolist() == [0, 0]
    assert np.isnan(entropy(counts)).all()
    assert np.isnan(rarefied_count(counts, 1)).all()


@given(count_lists, st.data())
def test_rarefaction_equals_binomial_coefficients(counts: list[int], data: st.DataObject) -> None:
    n = sum(counts)
    m = data.draw(st.integers(0, n))
    exact = sum(1 - comb(n - c, m, exact=True) / comb(n, m, exact=True) for c in counts)
    assert float(rarefied_count(counts, m)) == pytest.approx(exact, abs=1e-9)


def test_rarefaction_is_the_mean_over_all_subsamples() -> None:
    sample = [0, 0, 0, 1, 1, 2, 3]
    by_hand = np.mean([len(set(chosen)) for chosen in combinations(sample, 4)])
    assert float(rarefied_count([3, 2, 1, 1], 4)) == pytest.approx(by_hand, abs=1e-12)


@given(count_lists)
def test_rarefaction_grows_with_m_up_to_the_raw_count(counts: list[int]) -> None:
    n = sum(counts)
    curve = rarefied_count(np.array([counts] * (n + 1)), np.arange(n + 1))
    assert curve[0] == 0
    assert curve[-1] == pytest.approx(unique_count(counts))
    assert (np.diff(curve) >= -1e-9).all()
    assert np.isnan(rarefied_count(counts, n + 1))


@given(count_lists)
def test_entropy_equals_scipy_and_is_bounded(counts: list[int]) -> None:
    bits = float(entropy(counts))
    assert bits == pytest.approx(scipy_entropy(counts, base=2), abs=1e-12)
    assert -1e-12 <= bits <= np.log2(max(float(unique_count(counts)), 1)) + 1e-12
    assert float(mode_share(counts)) == pytest.approx(max(counts) / sum(counts))


def test_entropy_ratio_and_the_miller_madow_correction() -> None:
    assert float(entropy_ratio([2, 2], [1, 1, 1, 1])) == pytest.approx(0.5)
    assert np.isnan(entropy_ratio([1, 1], [5, 0]))
    # Four structures seen in eight answers: 2 bits plus (4 - 1) / (2 * 8 * ln 2).
    assert float(entropy([2, 2, 2, 2], miller_madow=True)) == pytest.approx(2 + 3 / (16 * np.log(2)))


def test_the_assemblage_bootstrap_spreads_like_fresh_samples() -> None:
    rng = generator(9)
    shares = rng.dirichlet(np.full(400, 0.5))
    counts = rng.multinomial(300, shares).astype(float)
    observed = float(unique_count(counts))
    plain = unique_count(rng.multinomial(300, counts / 300, size=500))
    drawn = unique_count(assemblage_bootstrap(counts, 500, rng))
    assert drawn[0] == observed
    assert plain.mean() < 0.8 * observed
    truth = unique_count(rng.multinomial(300, shares, size=2000))
    assert abs(drawn[1:].mean() - observed) < 0.5 * abs(plain.mean() - observed)
    assert drawn[1:].std() == pytest.approx(truth.std(), rel=0.15)


def test_counts_without_names_are_those_of_the_assemblage() -> None:
    """Same statistics as with names, at most one column per row of the sample."""
    rng = generator(11)
    counts = rng.multinomial(150, rng.dirichlet(np.full(200, 0.4))).astype(float)
    named, nameless = (make(counts, 4000, generator(12)) for make in (assemblage_bootstrap, assemblage_counts))
    assert nameless.shape == (4001, 150)
    assert (nameless.sum(axis=1) == 150).all()
    for measure in (unique_count, entropy, mode_share):
        one, other = measure(named), measure(nameless)
        assert other[0] == pytest.approx(one[0])
        assert other[1:].mean() == pytest.approx(one[1:].mean(), rel=0.01)
        assert other[1:].std() == pytest.approx(one[1:].std(), rel=0.06)


def test_the_assemblage_equals_the_published_formulas() -> None:
    # f1 = 3, f2 = 1, n = 10: Chao1 adds (9/10) 3^2 / 2 = 4.05, so five unseen structures;
    # coverage deficit (3/10) 40.5 / 43.5.
    counts = np.array([5.0, 2.0, 1.0, 1.0, 1.0])
    drawn = assemblage_bootstrap(counts, 40_000, generator(10))
    assert drawn.shape == (40_001, 10)
    assert (drawn.sum(axis=1) == 10).all()
    missing = 0.3 * 40.5 / 43.5
    assert drawn[1:, 5:].mean() == pytest.approx(10 * missing / 5, abs=0.01)
    p = counts / 10
    shrunk = p * (1 - missing / (p * (1 - p) ** 10).sum() * (1 - p) ** 10)
    assert drawn[1:, :5].mean(axis=0) == pytest.approx(10 * shrunk, abs=0.03)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="items"):
        code_structures([[1, 2]], [[1]])
    with pytest.raises(ValueError, match="whole numbers"):
        assemblage_bootstrap([0.5, 1.5], 3, generator(0))
