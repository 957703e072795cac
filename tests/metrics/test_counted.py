"""Many equal rows are counted and not computed one by one: the figures stay those of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.metrics.dispersion import IdentityFlattening, JointStructure
from simbench.metrics.diversity import Diversity
from simbench.metrics.fitting import fit_both
from simbench.stats import (
    correlation_distance,
    correlation_matrices,
    distinct_rows,
    fit_glm,
    gini_parts,
    standard_deviation,
    variance_parts,
)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.1, 0.2, 1e6])), max_size=30), st.integers(0, 30))
def test_distinct_rows_are_those_of_numpy(rows: list[tuple[int, float]], most: int) -> None:
    """Every row equals the one it is said to equal, none stands twice; None where they are more than asked."""
    table = np.array(rows, dtype=float).reshape(-1, 2)
    wanted = len(np.unique(table, axis=0))
    found = distinct_rows(list(table.T), most)
    assert (found is None) == (wanted > most)
    if found is not None:
        first, place = found
        assert len(first) == wanted
        assert (table[first[place]] == table).all()


def test_regressions_of_counts_are_regressions_of_rows(study: Any) -> None:
    """Every resample, estimates and errors."""
    frames = [study.draw(seed, 1500).assign(age=lambda f: np.where(f["age"] > 50, 60, 30)) for seed in (1, 2)]
    comparison = study.compare(*frames, resamples=20)
    for regression in comparison.design.regressions:
        fitted, designs = fit_both(comparison, regression), comparison.designs(regression.formula)
        assert fitted.human is not None
        design = designs[0]
        plain = fit_glm(
            regression.family, design.outcome, design.matrix, comparison.human.weights, names=design.names
        ).select(fitted.names)
        assert fitted.human.estimates == pytest.approx(plain.estimates, rel=1e-9, abs=1e-10)
        assert fitted.human.standard_errors == pytest.approx(plain.standard_errors, rel=1e-9)
        assert fitted.human.df == pytest.approx(plain.df)


def test_spread_of_counts_is_spread_of_rows(study: Any) -> None:
    """Standard deviations, variance parts and correlations, with answers missing."""
    frames = [study.draw(seed, 300) for seed in (1, 2)]
    for frame in frames:
        frame.loc[:40, "harm"] = np.nan
    comparison = study.compare(*frames, resamples=20)
    side, items = comparison.human, comparison.design.items
    harm, _, mood, act = items
    spread = study.scores(Diversity, comparison)
    wanted = standard_deviation(side.numbers(harm), side.weights)
    assert spread["sd_ratio", "harm", None, None].human == pytest.approx(wanted)
    groups = side.groups("condition", comparison.conditions)
    wanted = standard_deviation(side.numbers(harm), side.weights, groups, len(comparison.conditions))
    assert spread["sd_ratio_within", "harm", None, None].human == pytest.approx(wanted)
    parts, levels = study.scores(IdentityFlattening, comparison), comparison.levels["group"]
    groups = side.groups("group", levels)
    ordered = variance_parts(side.numbers(harm), groups, 3, side.weights)
    assert parts["within_ratio", "harm", "group", None].human == pytest.approx(ordered.within)
    named = gini_parts(side.codes("colour"), 3, groups, 3, side.weights)
    assert parts["between_share", "colour", "group", None].human == pytest.approx(named.share)
    tables = [np.stack([each.numbers(item) for item in (harm, mood, act)], axis=1) for each in comparison.sides]
    apart = correlation_distance(
        *(correlation_matrices(table, each.weights) for table, each in zip(tables, comparison.sides, strict=True))
    )
    assert study.scores(JointStructure, comparison)["correlation_distance", None, None, None].value == pytest.approx(
        apart
    )


@pytest.mark.parametrize("resamples", [20, 60])
def test_people_alike_are_counted_as_every_one_of_them(study: Any, resamples: int) -> None:
    """Whether counts go by kinds of people (many resamples) or by people, with answers missing."""
    frame = study.draw(1, 1500).drop(columns="participant_id").sample(1500, replace=True, random_state=1)
    frame = frame.reset_index(drop=True)
    frame.loc[:40, "harm"] = np.nan
    frame.insert(0, "participant_id", [f"p{row}" for row in range(len(frame))])
    few = frame[frame["colour"] == frame["colour"].iloc[0]].copy()
    side = study.compare(few, few, resamples=resamples).human
    levels = tuple(side.people.levels("condition"))
    groups = side.groups("condition", levels)
    for item in side.people.design.items:
        codes = side.codes(item.name)
        for code in range(len(item.options)):
            own = side.weights[:, codes == code].sum(axis=1)
            assert np.array_equal(side.counts(item.name)[:, code], own)
            for at in range(len(levels)):
                own = side.weights[:, (codes == code) & (groups == at)].sum(axis=1)
                assert np.array_equal(side.by_level(item.name, "condition", levels)[:, at, code], own)
    for variable in side.people.design.subgroups:
        names = tuple(side.people.levels(variable.name))
        table, places = side.by_level("act", variable.name, names), side.groups(variable.name, names)
        for at in range(len(names)):
            for code in range(table.shape[2]):
                own = side.weights[:, (side.codes("act") == code) & (places == at)].sum(axis=1)
                assert np.array_equal(table[:, at, code], own)
