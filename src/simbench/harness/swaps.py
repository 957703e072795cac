"""The test of "no difference" behind every figure: people and the participants simulated for them change sides.

See :mod:`simbench.stats.swaps`. Whoever has no ok simulated answers stays out, since there is nobody to change with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simbench.design import PARTICIPANT, People
from simbench.harness.comparisons import answered_alike, rule_of
from simbench.harness.config import ScoringPlan
from simbench.harness.figures import Asked, Key
from simbench.metrics.base import Comparison, Floats, Ints, Score, Side, loss
from simbench.stats.rng import generator

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["swap_figures", "swapped", "with_swaps"]


def swapped(plan: ScoringPlan, people: People, responses: pd.DataFrame) -> Comparison | None:
    """People and simulated participants under exchanges, row 0 as observed; None where nobody can be exchanged."""
    simulated, matched = answered_alike(people, responses)
    unit = people.unit_codes
    kept = _whole(len(people), matched, unit)
    if not kept.any():
        return None
    rows, sets = _rows(kept, matched, unit)
    both = _pooled(people, simulated, rows, sets)
    own = np.concatenate([np.arange(len(people)), matched])[rows]
    survey = None if people.survey is None else people.survey[own]
    return _exchanged(plan, people, both, np.unique(unit[own], return_inverse=True)[1].reshape(-1), sets, survey)


def _exchanged(
    plan: ScoringPlan, people: People, both: People, units: Ints, sets: Ints, survey: Floats | None
) -> Comparison:
    from simbench.stats.swaps import swap_roles, swap_weights

    others = np.zeros(units.max() + 1, dtype=np.int64)
    np.maximum.at(others, units, sets)
    rng = generator(plan.settings.scoring.seed, "swaps", people.digest)
    draws = min(plan.settings.scoring.swaps, plan.settings.scoring.resamples)
    first, second = swap_weights(swap_roles(others, draws, rng), units, sets)
    if survey is not None:
        first, second = first * survey, second * survey
    sides = Side(both, first, survey=survey), Side(both, second, survey=survey)
    return Comparison(*sides, rule_of(plan), plan.settings.scoring.alpha, exchanged=True)


def _whole(n: int, matched: Ints, unit: Ints) -> Ints:
    """How many sets of simulated rows (n,) each human's unit has: the fewest of its rows that have any at all."""
    each = np.bincount(matched, minlength=n)
    fewest = np.full(unit.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(fewest, unit[each > 0], each[each > 0])
    return np.where(each > 0, fewest[unit], 0)


def _rows(kept: Ints, matched: Ints, unit: Ints) -> tuple[Ints, Ints]:
    """Rows (m,) of humans, then of simulated ones (counted on from the humans), and which set each belongs to.

    Set 0 are the humans; set k the k-th replicate of each, as far as the whole unit has that many.
    """
    humans = np.flatnonzero(kept > 0)
    order = np.argsort(matched, kind="stable")
    starts = np.searchsorted(matched[order], np.arange(len(kept)))
    number = np.empty(len(matched), dtype=np.int64)
    number[order] = np.arange(len(matched)) - starts[matched[order]] + 1
    told = np.flatnonzero(number <= kept[matched])
    return np.concatenate([humans, told + len(unit)]), np.concatenate([np.zeros(len(humans), np.int64), number[told]])


def _pooled(people: People, simulated: People, rows: Ints, sets: Ints) -> People:
    """The humans and the simulated participants in one frame; who answers once there is a person of their own."""
    import pandas as pd

    frame = pd.concat([people.frame, simulated.frame.reindex(columns=people.frame.columns)], ignore_index=True)
    frame = frame.iloc[rows].reset_index(drop=True)
    if sets.max() == 1 and not people.design.person:
        frame[PARTICIPANT] = [f"{number}:{who}" for number, who in zip(sets, frame[PARTICIPANT], strict=True)]
    codes = {item.name: item.codes(frame[item.name]) for item in people.design.items}
    return People(people.design, frame).answering(codes)


def swap_figures(
    plan: ScoringPlan, people: People, responses: pd.DataFrame, asked: Asked
) -> Mapping[Key, Score] | None:
    """Every figure under exchanges, by key; None where there are none."""
    comparison = swapped(plan, people, responses) if plan.settings.scoring.swaps else None
    return None if comparison is None else {each.key: each for each in asked.scores(comparison, "swaps")}


def with_swaps(
    frame: pd.DataFrame, scores: Sequence[Score], better: Mapping[str, str], found: Mapping[Key, Score] | None
) -> None:
    """Put p-values by swaps into ``frame`` (a row per score), where a figure has a better and a worse.

    ``p``: the figure's own; ``p_step``: step-down over all subgroup rows of the figure. Figures that are not about
    the two sides' answers alone keep what they have.
    """
    from simbench.stats.swaps import step_down_p, swap_p

    frame["p_step"] = np.nan
    if not found:
        return
    table = np.full((len(next(iter(found.values())).value), len(scores)), np.nan)
    for position, each in enumerate(scores):
        other, way = found.get(each.key), better.get(each.metric)
        if other is not None and way is not None and other.interval is None and np.isfinite(each.value[0]):
            table[:, position] = loss(other.value, way)
    tested = ~np.isnan(table[0])
    frame["p"] = np.where(tested, swap_p(table), frame["p"])
    inside = frame[frame["subgroup"].notna() & tested]
    for _, rows in inside.groupby(["metric", "item"], dropna=False):
        frame.loc[rows.index, "p_step"] = step_down_p(table[:, rows.index])
