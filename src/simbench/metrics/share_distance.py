"""How far apart the populations' answers are, in one person's standard deviations, chance taken off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.design import Item
from simbench.metrics.base import Bools, Comparison, Equivalence, Floats, Metric, Score, Side
from simbench.metrics.equivalent import FEWEST, Block, blocks_of, joined, pair_of, there_in
from simbench.settings import NoConfig

__all__ = ["ShareDistance"]

CONFIDENCE, WITHIN = 0.95, 0.9


class ShareDistance(Metric[NoConfig]):
    """Distance between what people and what the simulation answer, in one person's standard deviations.

    For the vector p of the shares of all options of the main items (beliefs; all items where there are none), with S
    the covariance of what one person adds to it,

        share_distance^2 = (|p_s - p_h|^2 - trace V) / trace S,

    V the covariance of the difference, persons and what was simulated for them taken together; at least 0. So it is a
    root mean squared difference of shares, and its square is an inverse number of people: 0.1 is as far as the shares
    of 100 people are from their population's, whatever n (``equivalent_n`` without the noise of the simulated rows).
    0 is as close as other people; lower is closer. Per item, for ``mean``, in every subgroup level of ten people or
    more, and **pooled** over the levels of a subgroup variable (``level`` empty): mean squared distance within
    levels, every person counting alike.

    Under exchanges of people and simulation it is the plain distance, with no noise taken off: p is of |p_s - p_h|.

    The interval inverts the noncentral chi-square distribution (Venables 1975; Satterthwaite 1946): it holds the
    populations' distance in 95 % of studies or more, also at 0. Those of all subgroup levels of a study hold
    together, and those of all its subgroup variables (Bonferroni). ``chance`` is the mean square that another sample
    of the people would show.

    Failure modes: large differences of rare options count little, since shares count alike; a normal approximation,
    rough below twenty people. The interval may end at 0 where answers are closer than chance makes them.
    Definition by simbench, after equivalence tests for multinomials (Wellek 2010, section 9.2).
    """

    name = "share_distance"
    headline = (("share_distance", "mean"),)
    better = {"share_distance": "lower"}
    words = {"share_distance": "distance of shares less chance"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Per item, the mean, every subgroup level, and every subgroup variable pooled."""
        items = [item for item in comparison.design.items if len(item.options) > 1]
        if comparison.exchanged:
            yield from self._exchanged(comparison, items)
            return
        blocks = blocks_of(comparison)
        if not blocks:
            yield from self._none(comparison, items)
            return
        for item in items:
            yield _score(blocks, comparison, [item], item=item.name)
        main = [item for item in comparison.design.main_items if item in items]
        yield _score(blocks, comparison, main, item="mean")
        together = sum(map(len, comparison.levels.values()))
        for variable, levels in comparison.levels.items():
            where: dict[str, Any] = {"item": "mean", "subgroup": variable}
            found = [
                _score(blocks, comparison, main, [(variable, each)], together, level=each, **where) for each in levels
            ]
            yield from found
            large = [(variable, str(each.level)) for each in found if np.isfinite(each.value[0])]
            if not large:
                reason = f"no level with answers of {FEWEST} people"
                yield Score.missing(self.name, reason, comparison.resamples, **where)
                continue
            left = [str(each.level) for each in found if not np.isfinite(each.value[0])]
            said = f"without {', '.join(left)}: too few answers" if left else None
            yield _score(blocks, comparison, main, large, len(comparison.levels), reason=said, **where)

    def _exchanged(self, comparison: Comparison, items: Sequence[Item]) -> Iterator[Score]:
        """The same figures for every row of weights, on the scale of shares."""
        for item in items:
            yield Score(self.name, np.sqrt(_squares(comparison, [item])), item=item.name)
        main = [item for item in comparison.design.main_items if item in items]
        if not main:
            return
        yield Score(self.name, np.sqrt(_squares(comparison, main)), item="mean")
        observed = comparison.human.weights[0]
        for variable, levels in comparison.levels.items():
            where: dict[str, Any] = {"item": "mean", "subgroup": variable}
            squares = _squares(comparison, main, variable)
            for at, level in enumerate(levels):
                yield Score(self.name, np.sqrt(squares[:, at]), level=level, **where)
            members = [comparison.human.members(variable, level) for level in levels]
            people = np.array([observed @ each for each in members])
            large = [_large(comparison.human, each & (observed > 0), main) for each in members]
            if any(large):
                yield Score(self.name, np.sqrt(squares[:, large] @ people[large] / people[large].sum()), **where)

    def _none(self, comparison: Comparison, items: Sequence[Item]) -> Iterator[Score]:
        """Between humans and humans it is 0 by definition."""
        whole: list[dict[str, Any]] = [{"item": name} for name in (*(item.name for item in items), "mean")]
        levels = [{"item": "mean", "subgroup": name, "level": at} for name, at in comparison.subgroup_levels()]
        pooled = [{"item": "mean", "subgroup": name} for name in comparison.levels]
        for where in (*whole, *levels, *pooled):
            yield Score(self.name, np.zeros(comparison.resamples), interval=(0.0, 0.0), **where)


def _squares(comparison: Comparison, items: Sequence[Item], variable: str | None = None) -> Floats:
    """Squared difference of the shares of all options of some items: (R,), or (R, G) in a variable's levels."""
    from simbench.stats import ratio

    levels = () if variable is None else comparison.levels[variable]
    found = []
    for item in items:
        one, other = (
            side.counts(item.name) if variable is None else side.by_level(item.name, variable, levels)
            for side in comparison.sides
        )
        apart = ratio(other, other.sum(axis=-1, keepdims=True)) - ratio(one, one.sum(axis=-1, keepdims=True))
        found.append((apart**2).sum(axis=-1))
    return np.asarray(np.sum(found, axis=0), dtype=np.float64)


def _large(side: Side, rows: Bools, items: Sequence[Item]) -> bool:
    """Whether enough people among some rows (n,) answered every item."""
    return all(side.persons(np.flatnonzero(rows & (side.codes(item.name) >= 0))) >= FEWEST for item in items)


Levels = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class _Measured:
    """Squared distance in one person's variance: as it is, its noise, its interval, and what chance would show."""

    square: float
    noise: float
    ends: tuple[float, float]
    equivalence: Equivalence | None
    people: int
    simulated: int


def _score(
    blocks: Sequence[Block],
    comparison: Comparison,
    items: Sequence[Item],
    levels: Levels = (),
    together: int = 1,
    **where: Any,
) -> Score:
    """One figure; ``together``: with how many, itself included, its interval holds."""
    found = []
    for block in blocks:
        measured = _measured(block, items, levels, together)
        if isinstance(measured, str):
            where.pop("reason", None)
            return Score.missing("share_distance", measured, comparison.resamples, **where)
        found.append(measured)
    first = found[0]
    square = float(np.mean([max(0.0, each.square - each.noise) for each in found]))
    where |= {"n_human": first.people, "n_simulated": first.simulated, "interval": first.ends}
    where["equivalence"] = first.equivalence
    return Score("share_distance", np.full(comparison.resamples, np.sqrt(square)), **where)


def _measured(block: Block, items: Sequence[Item], levels: Levels, together: int) -> _Measured | str:
    """Distance of the answers to some items, among all or pooled over some levels; or why there is none."""
    from simbench.stats.equivalent import noncentral_interval, paired_spread, spread_of

    if not items:
        return "no item has more than one option"
    one, made = 0.0, []
    people, simulated = np.zeros(len(items), dtype=np.int64), np.zeros(len(items), dtype=np.int64)
    parts, apart = _parts(block, levels)
    for part, share in parts:
        pairs = []
        for at, item in enumerate(items):
            codes = part.codes(item)
            n, told = part.persons(codes[0] >= 0), int((codes[1] >= 0).sum())
            if n < FEWEST or not told:
                return f"fewer than {FEWEST} people, or nobody simulated, answered {item.name}"
            people[at] += n
            simulated[at] += told
            human, other = (
                (shares * np.sqrt(share), adds * np.sqrt(share))
                for shares, adds in pair_of(part, codes, len(item.options))
            )
            units = part.humans(codes[0] >= 0)
            one += block.counted(n) * float((human[1] ** 2).sum()) * (units / (units - 1) if units > 1 else np.nan)
            pairs.append((human, other))
        made.append((pairs, there_in(part, items)))
    if not one > 0:
        return "all humans gave the same answer"
    if not apart:
        kept = [np.any(each, axis=0) for each in zip(*(there for _, there in made), strict=True)]
        made = [([pair for pairs, _ in made for pair in pairs], kept)]
    estimates = [joined(*each) for each in made]
    counts = [sum(len(pair[at][1]) for pair in estimates) for at in (0, 1)]
    spreads = [
        (paired_spread if block.paired else spread_of)(human[1], other[1], block.alone, counts)
        for human, other in estimates
    ]
    spread = sum(spreads[1:], spreads[0])
    q = float(sum(((other[0] - human[0]) ** 2).sum() for human, other in estimates))
    ends, equivalence = (np.nan, np.nan), None
    if block.alone:
        ends, within, beyond = (
            _roots(noncentral_interval(q, spread.total, spread.squared, level), one)
            for level in (1 - (1 - CONFIDENCE) / together, WITHIN, 1 - (1 - WITHIN) / together)
        )
        freedom = _freedom([human[1] for human, _ in estimates])
        equivalence = Equivalence(beyond[0], within[1], 2 * spread.human / one, freedom)
    return _Measured(q / one, spread.total / one, ends, equivalence, int(people.min()), int(simulated.min()))


def _roots(squares: tuple[float, float], one: float) -> tuple[float, float]:
    return float(np.sqrt(squares[0] / one)), float(np.sqrt(squares[1] / one))


def _parts(block: Block, levels: Levels) -> tuple[list[tuple[Block, float]], bool]:
    """The block of each level with its share of the people, and whether no unit is in several of them.

    Everybody where there are no levels.
    """
    if not levels:
        return [(block, 1.0)], True
    found = [block.within(level) for level in levels]
    observed = block.sides[0].weights[0]
    counted = np.array([observed[part.rows[0]].sum() for part, _ in found])
    there = np.zeros(block.size, dtype=bool)
    for _, units in found:
        there[units] = True
    apart = sum(len(units) for _, units in found) == np.count_nonzero(there)
    if not apart:
        found = [(part.numbered(units, block.size), units) for part, units in found]
    return list(zip((part for part, _ in found), counted / counted.sum(), strict=True)), apart


def _freedom(adds: Sequence[Floats]) -> float:
    """Degrees of freedom of an estimate's squared error, from what every unit (G, p) adds (Satterthwaite 1946).

    Several: parts of the estimate that share no unit.
    """
    products = [each.T @ each if each.shape[1] <= each.shape[0] else each @ each.T for each in adds]
    return float(sum(map(np.trace, products)) ** 2 / sum((each**2).sum() for each in products))
