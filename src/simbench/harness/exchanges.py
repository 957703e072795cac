"""The test that two runs do not differ: what they simulated for a person changes places.

See :mod:`simbench.stats.swaps`. If nothing distinguishes the answers of two models for a person, then which of them
is whose is a matter of chance, and a difference of their figures is as likely under any exchange within persons
(clusters) as it is as observed. The people stay what they are. So that figures of likelihoods and of single persons
can be exchanged as well, the people stand there twice, once beside each model's answers, and every person counts
beside those answers that are on the side at the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simbench.design import PARTICIPANT, Design, People
from simbench.harness.contest import Contest
from simbench.harness.figures import Asked
from simbench.metrics.base import Comparison, Floats, Ints, Side, loss
from simbench.metrics.comparison import Bools
from simbench.metrics.equivalent import EquivalentN
from simbench.metrics.foretold import Foretold, Tables
from simbench.metrics.score_table import Figure
from simbench.stats.rng import generator

if TYPE_CHECKING:
    from simbench.stats.swaps import Roles

__all__ = ["exchanged"]

BY_THEORY = (EquivalentN,)
"""Metrics that know their figures without rows of weights."""
ROUNDING = 1e-12
"""Losses that differ by less, as a share of the largest, are the same."""


def exchanged(
    contest: Contest, pairs: Sequence[tuple[str, str]], draws: int, *, subgroups: bool = False
) -> tuple[dict[Figure, Floats], list[str]]:
    """Differences of losses (1 + draws,), first run less second, averaged over pairs of runs, under exchanges.

    Row 0 is as observed. All pairs exchange the same persons at once. Persons for whom either run has no ok answers
    stay out of a pair, and of several answers for a person as many count as the run with fewer has. Figures that
    cannot be had as observed are not there. ``subgroups``: let metrics look at subgroups, too, for the few whose
    whole-sample figures are made of them. The list says what went wrong with which metric.
    """
    from simbench.stats.swaps import swap_roles

    unit = np.unique(contest.people.unit.to_numpy(str), return_inverse=True)[1].reshape(-1)
    rng = generator(contest.plan.settings.scoring.seed, "exchanges", contest.people.digest)
    roles = swap_roles(np.ones(unit.max(initial=-1) + 1, dtype=np.int64), draws, rng)
    asked = Asked([each for each in contest.plan.metrics if not isinstance(each, BY_THEORY)])
    found: dict[Figure, list[Floats]] = {}
    for pair in pairs:
        both = _both_ways(contest, pair, unit, roles, subgroups)
        for figure, difference in _differences(asked, both).items():
            found.setdefault(figure, []).append(difference)
    whole = {figure: np.mean(each, axis=0) for figure, each in found.items() if len(each) == len(pairs)}
    return {figure: each for figure, each in whole.items() if np.isfinite(each[0])}, asked.faults


def _differences(asked: Asked, both: Comparison | None) -> dict[Figure, Floats]:
    if both is None:
        return {}
    found = {}
    for each in asked.scores(both, "exchanges between runs"):
        way = asked.better.get(each.metric)
        if each.subgroup is not None or way is None:
            continue
        first, second = np.split(loss(each.value, way), 2)
        with np.errstate(invalid="ignore"):
            difference = first - second
        rounding = ROUNDING * np.abs(each.value[np.isfinite(each.value)]).max(initial=0.0)
        found[each.metric, each.item] = np.where(np.abs(difference) <= rounding, 0.0, difference)
    return found


def _both_ways(
    contest: Contest, pair: tuple[str, str], unit: Ints, roles: Roles, subgroups: bool
) -> Comparison | None:
    """People against the first side's answers (rows of weights as of ``roles``), then against the second's (as many).

    None where nobody has answers of both.
    """
    survey = contest.people.survey
    once = np.ones((1, len(contest.people))) if survey is None else survey[None, :]
    plain = [contest.comparison(run, once) for run in pair]
    rows, kept = _alike([_matched(each) for each in plain], len(contest.people), unit)
    if not kept.any():
        return None
    blocks = [np.flatnonzero(kept), np.flatnonzero(kept)]
    humans = _stacked([each.human.people for each in plain], blocks, subgroups)
    answers = _stacked([each.simulated.people for each in plain], rows, subgroups)
    place = np.cumsum(kept) - 1
    matched = np.concatenate(
        [place[_matched(each)[some]] + block * kept.sum() for block, (each, some) in enumerate(zip(plain, rows))]
    )
    whose = np.repeat([0, 1], [len(each) for each in blocks])
    persons = np.concatenate([unit[each] for each in blocks])
    chances = _chances([each.simulated for each in plain], rows)
    foretold = _foretold([each.foretold for each in plain], blocks)

    first = roles[:, persons] == whose
    weights = np.vstack([first, ~first]).astype(np.float64)
    own = None if survey is None else np.concatenate([survey[each] for each in blocks])
    weights = weights if own is None else weights * own
    return replace(
        plain[0],
        human=Side(humans, weights, survey=own),
        simulated=Side(answers, weights[:, matched], chances, None if own is None else own[matched]),
        generator=None,
        exchanged=True,
        matched=matched,
        pilot=None,
        foretold=foretold,
    )


def _matched(comparison: Comparison) -> Ints:
    assert comparison.matched is not None  # noqa: S101 - made against the very people
    return comparison.matched


def _alike(matched: Sequence[Ints], n: int, unit: Ints) -> tuple[list[Ints], Bools]:
    """Rows of either run's answers that take part, as many a person of both, and which people (n,) do."""
    counts = np.stack([np.bincount(each, minlength=n) for each in matched]).min(axis=0)
    fewest = np.full(unit.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(fewest, unit, counts)
    each_has = fewest[unit]
    rows = []
    for those in matched:
        order = np.argsort(those, kind="stable")
        starts = np.searchsorted(those[order], np.arange(n))
        number = np.empty(len(those), dtype=np.int64)
        number[order] = np.arange(len(those)) - starts[those[order]]
        rows.append(np.flatnonzero(number < each_has[those]))
    return rows, each_has > 0


def _stacked(sides: Sequence[People], rows: Sequence[Ints], subgroups: bool) -> People:
    """Rows of both in one frame, as participants of their own."""
    import pandas as pd

    design = sides[0].design if subgroups else _without_subgroups(sides[0].design)
    frames = []
    for block, (side, some) in enumerate(zip(sides, rows, strict=True)):
        frame = side.frame[list(design.columns)].iloc[some]
        frames.append(frame.assign(**{PARTICIPANT: [f"{block}:{who}" for who in frame[PARTICIPANT]]}))
    frame = pd.concat(frames, ignore_index=True)
    codes = {item.name: item.codes(frame[item.name]) for item in design.items}
    return People(design, frame).answering(codes)


def _without_subgroups(design: Design) -> Design:
    profile = tuple(replace(each, subgroup=False) for each in design.profile)
    return replace(design, profile=profile, main_subgroup=None)


def _chances(sides: Sequence[Side], rows: Sequence[Ints]) -> Mapping[str, Floats]:
    """Option probabilities of both runs' rows, for the items for which both have them."""
    both = [name for name in sides[0].probabilities if name in sides[1].probabilities]
    return {
        name: np.concatenate([side.probabilities[name][some] for side, some in zip(sides, rows, strict=True)])
        for name in both
    }


def _foretold(told: Sequence[Foretold | None], blocks: Sequence[Ints]) -> Foretold | None:
    """Forecasts of people's own answers, each run's beside its copy of the people."""
    first, other = told
    if first is None or other is None or first.tables is None or other.tables is None:
        return first if first is None or first.tables is None else other
    tables = _joined([first.tables, other.tables], blocks)
    rivals = {
        name: _joined([first.rivals[name], other.rivals[name]], blocks)
        for name in first.rivals
        if name in other.rivals
    }
    return Foretold(tables, rivals)


def _joined(tables: Sequence[Tables], blocks: Sequence[Ints]) -> Tables:
    return {
        name: np.concatenate([each[name][rows] for each, rows in zip(tables, blocks, strict=True)])
        for name in tables[0]
    }
