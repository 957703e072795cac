"""Contestants two by two: by how much one is closer to people, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.harness.contest import Contest
from simbench.metrics.score_table import Figure
from simbench.report.contestants import Contestant

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["MOST_PAIRS_OF", "Losses", "differences"]

MOST_PAIRS_OF = 8
MOST_EXCHANGES = 250_000
"""Exchanges over all pairs of runs, some minutes' work, above which nothing is exchanged."""
PER_PAIR = 40
"""Exchanges per pair, so that p-values corrected for all pairs can reach half of 0.05."""

Losses = Mapping[str, Mapping[str, "NDArray[np.float64]"]]
"""Losses (R,) of a figure by contestant and run; the first is the estimate."""


def differences(
    losses: Mapping[Figure, Losses],
    who: Sequence[Contestant],
    reference: Contestant | None,
    drawn: tuple[int, int],
    contest: Contest | None,
) -> tuple[pd.DataFrame, list[str]]:
    """One row per figure and pair, and what the reader must know of them.

    Columns: ``difference`` of losses a - b (below 0: a is closer to human), its interval for other people and, of
    several pilots, other pilots; ``p``: exact, that the models do not differ, by exchanging their answers for a
    person and looking at this figure; ``p_step``: the same corrected for all figures of a pair (step-down max-T) and
    for all pairs (Bonferroni); ``p_holm``, ``p_bh``: adjusted over all rows; ``p_closer``: that both are equally
    close, which models that differ may be. It is never below ``p`` with one pilot
    (:func:`simbench.stats.swaps.guarded`), and is for other pilots, too, with several
    (:func:`simbench.stats.pilots.p_over_pilots`); NaN where no resample of people varies the difference. Where
    nothing can be ``exchanged`` ``p`` is that of the bootstrap.

    ``drawn``: units and pools behind the resamples.
    """
    import pandas as pd

    pairs = _pairs(who, reference)
    found: list[dict[str, Any]] = []
    notes: list[str] = []
    draws = 0 if contest is None else _draws(contest, len(pairs))
    whole = draws * sum(len(one.pairs(other)) for one, other in pairs)
    if whole > MOST_EXCHANGES:
        draws = 0
        notes.append(
            f"not tested by exchanging answers, which would take {whole:,} exchanges (at most {MOST_EXCHANGES:,}): p "
            "is that of the bootstrap, without p_step; name fewer runs for exact tests"
        )
    for one, other in pairs:
        swaps: dict[Figure, NDArray[np.float64]] = {}
        if contest is not None and draws:
            swaps, faults = _exchanged(contest, one, other, draws, losses)
            notes += [f"not exchanged: {fault}" for fault in faults]
        rows = [
            row
            for figure, each in losses.items()
            if one.name in each and other.name in each
            for row in _row(figure, (one, other), each, drawn, swaps)
        ]
        found += _stepped(rows, swaps, len(pairs))
    length = min((len(each) for own in losses.values() for runs in own.values() for each in runs.values()), default=1)
    least = any(not row["exchanged"] and row["p"] < 2 / length for row in found)
    order = {figure: place for place, figure in enumerate(losses)}
    found.sort(key=lambda row: order[row["metric"], row["item"]])
    if not found and reference is None and len(who) > MOST_PAIRS_OF:
        notes.append(f"more than {MOST_PAIRS_OF} runs: name one with --against to see differences")
    elif not found:
        notes.append("no figure has resamples in two runs, so there are no differences")
    elif least:
        notes.append("p-values of the bootstrap below 2 / (1 + resamples) are those of a normal tail")
    return _adjusted(pd.DataFrame(found)), list(dict.fromkeys(notes))


def _pairs(who: Sequence[Contestant], reference: Contestant | None) -> list[tuple[Contestant, Contestant]]:
    if reference is not None:
        return [(each, reference) for each in who if each is not reference]
    return list(combinations(who, 2)) if len(who) <= MOST_PAIRS_OF else []


def _draws(contest: Contest, pairs: int) -> int:
    given = contest.plan.settings.scoring
    return max(min(given.swaps, given.resamples), PER_PAIR * pairs - 1) if given.swaps else 0


def _exchanged(
    contest: Contest, one: Contestant, other: Contestant, draws: int, losses: Mapping[Figure, Losses]
) -> tuple[dict[Figure, NDArray[np.float64]], list[str]]:
    from simbench.harness.exchanges import exchanged

    found, faults = exchanged(contest, one.pairs(other), draws, subgroups=contest.every)
    return {figure: each for figure, each in found.items() if figure in losses}, faults


def _row(
    figure: Figure,
    pair: tuple[Contestant, Contestant],
    losses: Losses,
    drawn: tuple[int, int],
    swaps: dict[Figure, NDArray[np.float64]],
) -> list[dict[str, Any]]:
    """The row of one figure; none without resamples. What no exchange changes is taken out of ``swaps``."""
    from simbench.stats.intervals import paired_difference
    from simbench.stats.pilots import p_over_pilots, with_pilots
    from simbench.stats.swaps import guarded, swap_p

    one, other = (np.stack([losses[each.name][run] for run in each.runs]) for each in pair)
    if one.shape[1] < 2:
        return []
    with np.errstate(invalid="ignore"):
        drawn_apart = one.mean(axis=0) - other.mean(axis=0)
    found = paired_difference(one.mean(axis=0), other.mean(axis=0), units=drawn[0], pools=drawn[1])
    estimate, p = float(found.estimate), float(found.p)
    error, free = _between(pair, one[:, 0], other[:, 0])
    apart = _deviation(drawn_apart[1:])
    closer = p_over_pilots(estimate, drawn_apart, error, free) if free else p
    if figure in swaps and not swaps[figure].any() and estimate != 0:
        del swaps[figure]  # known by theory, and not for every row of weights
    if figure in swaps:
        p = float(swap_p(np.abs(swaps[figure])))
        closer = closer if free else float(swap_p(np.abs(guarded(swaps[figure], apart))))
    closer = closer if apart > 0 or estimate == 0 else float("nan")  # nothing says how much other people would change
    ends = with_pilots(estimate, float(found.low), float(found.high), error, free)
    row = {"metric": figure[0], "item": figure[1], "a": pair[0].name, "b": pair[1].name, "difference": estimate}
    row |= {"ci_low": ends[0], "ci_high": ends[1], "p": p, "p_step": float("nan"), "p_closer": closer}
    return [row | {"exchanged": figure in swaps}]


def _deviation(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")


def _between(
    pair: tuple[Contestant, Contestant], one: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[float, float]:
    """Standard error of the difference between pilots (paired where these are the same), and degrees of freedom."""
    from simbench.stats.pilots import error_between, together

    if pair[0].paired(pair[1]):
        orders = [np.argsort(each.pilots) for each in pair]
        with np.errstate(invalid="ignore"):
            return error_between(one[orders[0]] - other[orders[1]])
    return together([error_between(one), error_between(other)])


def _stepped(
    rows: list[dict[str, Any]], swaps: Mapping[Figure, NDArray[np.float64]], pairs: int
) -> list[dict[str, Any]]:
    from simbench.stats.swaps import step_down_p

    if swaps:
        stepped = dict(zip(swaps, step_down_p(np.abs(np.stack(list(swaps.values()), axis=1))), strict=True))
        for row in rows:
            found = pairs * float(stepped.get((row["metric"], row["item"]), np.nan))
            row["p_step"] = min(1.0, found) if found == found else found
    return rows


def _adjusted(pairs: pd.DataFrame) -> pd.DataFrame:
    from simbench.stats.intervals import benjamini_hochberg, holm

    if pairs.empty:
        return pairs
    return pairs.assign(p_holm=holm(pairs["p"].to_numpy()), p_bh=benjamini_hochberg(pairs["p"].to_numpy()))
