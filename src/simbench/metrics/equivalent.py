"""One unit for all closeness: as good as asking how many people?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import Item
from simbench.metrics.base import Bools, Comparison, Floats, Ints, Metric, Score, Side
from simbench.metrics.comparison import positions
from simbench.metrics.fitting import fit_both
from simbench.settings import NoConfig

if TYPE_CHECKING:
    from simbench.stats.equivalent import Equivalent

__all__ = ["FEWEST", "Block", "EquivalentN", "blocks_of", "joined", "pair_of", "persons_in"]

FEWEST = 10
FLOORS = 5
"""So many reference samples are looked at: n* of uniform answers hardly varies."""

Part = tuple[Floats, Floats]
"""An estimate (p,), and what every unit adds to it (G, p)."""
Made = tuple[Part, Part, tuple[int, int]] | str
"""Human and simulated part with the people and simulated rows they rest on; or why there are none."""


class EquivalentN(Metric[NoConfig]):
    """As good as how many people? The error of the simulated figures in units of the error of asking n people.

    For a vector of figures theta (below), asking n people misses the population's by trace(W S) / n on average,
    squared and weighted, S being what one person adds. With n_h people at hand,

        1 / n* = max(0, (theta_s - theta_h)' W (theta_s - theta_h) - trace(W V_h) + 2 trace(W C)) / trace(W S),

    V_h = S / n_h being the human estimate's own covariance and C its covariance with the simulated one (persons whose
    simulated answers go with their real ones). n* in people, from 1 up, higher is better; infinite where the error is
    within the humans' own noise. m other real people taken for a simulation give m. A simulation of n_s rows is no
    more than another sample of n_s people, so it cannot be expected to be worth more than n_s.

    - ``equivalent_n``: shares of options, per item, over all main items together (``item="mean"``) and that for every
      subgroup level with ten people; W = identity.
    - ``equivalent_n_joint``: shares of belief structures. ``equivalent_n_means``: means of the ordered items.
      ``equivalent_n_effects``: effects of treatments, the groups' mean answers less the mean over groups.
      ``equivalent_n_coefficients``: a regression's coefficients. W = inverse of the diagonal of S (not structures).

    With survey weights figures and influences are weighted, and n_h is the number of people counted alike whose
    answers vary as much, (sum w)^2 / sum w^2 (Kish 1965): n* are people drawn with equal chances.

    The interval is for the population of what is simulated: the squared distance of both populations, by inverting
    the noncentral chi-square distribution, plus the noise of the simulated rows; its upper end is infinite where the
    two cannot be told apart. ``floor`` is n* of uniform answers, the baselines' columns theirs: hold n* against the
    size of the pilot, which was asked anyway.

    Failure modes: one number over all parts of a vector; few people have a wide interval; a normal approximation,
    rough below twenty people; coefficients take both sides' errors for independent. Definition by simbench.
    """

    name = "equivalent_n"
    headline = (("equivalent_n", "mean"), ("equivalent_n_effects", None))
    better = {
        "equivalent_n": "higher",
        "equivalent_n_joint": "higher",
        "equivalent_n_means": "higher",
        "equivalent_n_effects": "higher",
        "equivalent_n_coefficients": "higher",
    }
    words = {
        "equivalent_n": "worth so many people asked",
        "equivalent_n_joint": "the same, jointly",
        "equivalent_n_means": "the same, for means",
        "equivalent_n_effects": "the same, for treatment effects",
        "equivalent_n_coefficients": "the same, for coefficients",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Shares per item, together and by subgroup level; structures, means, effects; every regression."""
        blocks = blocks_of(comparison)
        if not blocks:
            for name in self.better:
                which = "mean" if name == self.name else None
                yield Score.missing(
                    name, "only for a simulation of the very people", comparison.resamples, item=which
                )
            return
        items = [item for item in comparison.design.items if len(item.options) > 1]
        for item in items:
            yield _score(comparison, blocks, "equivalent_n", _shares([item]), item=item.name)
        main = [item for item in comparison.design.main_items if item in items]
        yield _score(comparison, blocks, "equivalent_n", _shares(main), item="mean")
        for variable, level in comparison.subgroup_levels():
            where: dict[str, Any] = {"item": "mean", "subgroup": variable, "level": level}
            yield _score(comparison, blocks, "equivalent_n", _shares(main, (variable, level)), **where)
        yield _score(comparison, blocks, "equivalent_n_joint", _structures)
        ordered = [item for item in items if item.ordered]
        yield _score(comparison, blocks, "equivalent_n_means", _means(ordered), standardised=True)
        yield _score(comparison, blocks, "equivalent_n_effects", _effects(ordered), standardised=True)
        yield from _coefficients(comparison)


@dataclass(frozen=True, eq=False)
class Block:
    """One point comparison: both sides without weights, and the unit of every row, coded alike on both.

    ``paired``: units are the same on both sides; ``structures``: codes of belief structures.
    """

    human: Side
    simulated: Side
    units: tuple[Ints, Ints]
    paired: bool
    structures: tuple[Ints, Ints]
    alone: bool

    def counted(self, people: int) -> float:
        """How many people counted alike have the variance of so many of these: Kish's share of them."""
        return people * _kish(self.human)

    @property
    def size(self) -> int:
        """Number of unit codes."""
        return max(int(units.max(initial=-1)) for units in self.units) + 1

    def within(self, members: Sequence[Bools]) -> Block:
        """The same with units of these members (n_h,), (n_s,) alone: whoever is left out has the code -1."""
        there = np.unique(np.concatenate([units[kept] for units, kept in zip(self.units, members, strict=True)]))
        code = np.full(self.size, -1, dtype=np.int64)
        code[there] = np.arange(len(there))
        human, simulated = (np.where(kept, code[each], -1) for each, kept in zip(self.units, members, strict=True))
        return replace(self, units=(human, simulated))

    @property
    def sides(self) -> tuple[tuple[Side, Ints], tuple[Side, Ints]]:
        """Side and units, human first."""
        return (self.human, self.units[0]), (self.simulated, self.units[1])


def blocks_of(comparison: Comparison) -> Sequence[Block]:
    """The comparison as observed; of reference samples (the floor) every row of weights, one by one."""
    return comparison.once("blocks", lambda: tuple(_blocks(comparison)))


def _blocks(comparison: Comparison) -> Iterator[Block]:
    human, simulated, matched = comparison.human, comparison.simulated, comparison.matched
    unit = np.unique(human.people.unit.to_numpy(str), return_inverse=True)[1].reshape(-1)
    own = np.unique(simulated.people.unit.to_numpy(str), return_inverse=True)[1].reshape(-1)
    if comparison.generator is not None:
        told = own if matched is None else unit[matched]
        yield Block(human, simulated, (unit, told), matched is not None, comparison.structures, True)
    elif matched is not None:
        for row in simulated.weights[:FLOORS]:
            rows = np.flatnonzero(row)
            survey = None if simulated.survey is None else simulated.survey[rows]
            side = Side(simulated.people.at(rows), np.ones((1, len(rows))), survey=survey)
            structures = comparison.structures[0], comparison.structures[1][rows]
            yield Block(human, side, (unit, unit[matched[rows]]), True, structures, False)


def _score(
    comparison: Comparison,
    blocks: Sequence[Block],
    name: str,
    parts: Callable[[Block], Made],
    standardised: bool = False,
    **where: Any,
) -> Score:
    from simbench.stats.equivalent import equivalent_people, paired_spread, spread_of

    found = []
    people = simulated = 0
    for block in blocks:
        made = parts(block)
        if isinstance(made, str):
            return Score.missing(name, made, comparison.resamples, **where)
        (human, one), (told, other), (people, simulated) = made
        if standardised:
            scale = np.sqrt((one**2).sum(axis=0))
            if not (scale > 0).all():
                return Score.missing(name, "all humans gave the same answer", comparison.resamples, **where)
            human, one, told, other = (each / scale for each in (human, one, told, other))
        spread = (paired_spread if block.paired else spread_of)(one, other, block.alone)
        found.append(equivalent_people(told - human, spread, block.counted(people)))
    where |= {"n_human": people, "n_simulated": simulated}
    return _told(comparison, name, found, blocks[0].alone, **where)


def _kish(side: Side) -> float:
    """(sum w)^2 / (n sum w^2) over persons, each with the mean weight of its rows; 1 without survey weights."""
    from simbench.stats.survey import equal_people

    if side.survey is None:
        return 1.0
    person = np.unique(side.people.person.to_numpy(str), return_inverse=True)[1].reshape(-1)
    each = np.bincount(person, side.survey) / np.bincount(person)
    return equal_people(each) / len(each)


def _told(comparison: Comparison, name: str, found: Sequence[Equivalent], alone: bool, **where: Any) -> Score:
    """The figure, its interval, and both in words."""
    errors = [1 / each.people for each in found]
    if not np.isfinite(errors).all():
        return Score.missing(name, "all humans gave the same answer", comparison.resamples, **where)
    mean = float(np.mean(errors))
    value = np.full(comparison.resamples, 1 / mean if mean > 0 else np.inf)
    if not alone:
        return Score(name, value, interval=(np.nan, np.nan), **where)
    ends = (found[0].low, found[0].high)
    words = in_words(float(value[0]), ends, where["n_human"])
    if comparison.weighted:
        alike = where["n_human"] * _kish(comparison.human)
        words += f"; {where['n_human']} people of unequal weight count as {alike:.0f}"
    return Score(name, value, interval=ends, reason=words, **where)


def in_words(value: float, ends: tuple[float, float], people: int) -> str:
    """What n* and its interval say."""
    if np.isinf(value):
        return f"its error is within the noise of {people} people: as good as asking at least {ends[0]:.3g}"
    upto = "without end" if np.isinf(ends[1]) else f"{ends[1]:.3g}"
    return f"as good as asking {value:.3g} people, {ends[0]:.3g} to {upto}"


def _shares(items: Sequence[Item], level: tuple[str, str] | None = None) -> Callable[[Block], Made]:
    """Shares of the options of some items, among everybody or in one subgroup level."""

    def parts(block: Block) -> Made:
        if not items:
            return "no item has more than one option"
        among = [np.ones(len(side), bool) if level is None else side.members(*level) for side, _ in block.sides]
        block = block if level is None else block.within(among)
        found, people, simulated = [], [], []
        for item in items:
            codes = [
                np.where(kept, side.codes(item.name), -1) for (side, _), kept in zip(block.sides, among, strict=True)
            ]
            people.append(persons_in(block.human, codes[0]))
            simulated.append(int((codes[1] >= 0).sum()))
            if people[-1] < FEWEST or not (codes[1] >= 0).any():
                return f"fewer than {FEWEST} people, or nobody simulated, answered {item.name}"
            found.append(pair_of(block, codes, len(item.options)))
        answered = [kept & _answered(side, items) for (side, _), kept in zip(block.sides, among, strict=True)]
        return *joined(block, found, answered), (min(people), min(simulated))

    return parts


def _structures(block: Block) -> Made:
    """Shares of belief structures."""
    codes = block.structures
    people = persons_in(block.human, codes[0])
    if people < FEWEST or not (codes[1] >= 0).any():
        return f"fewer than {FEWEST} people, or nobody simulated, answered every item of a structure"
    found = [pair_of(block, codes, max(int(each.max(initial=-1)) for each in codes) + 1)]
    return *joined(block, found, [each >= 0 for each in codes]), (people, int((codes[1] >= 0).sum()))


def _means(items: Sequence[Item]) -> Callable[[Block], Made]:
    return lambda block: _numbers(block, items, None)


def _effects(items: Sequence[Item]) -> Callable[[Block], Made]:
    def parts(block: Block) -> Made:
        groups = tuple(block.human.people.levels("condition"))
        return "there is only one treatment group" if len(groups) < 2 else _numbers(block, items, groups)

    return parts


def _numbers(block: Block, items: Sequence[Item], groups: tuple[str, ...] | None) -> Made:
    """Means of ordered items, or the treatment groups' less the mean over groups."""
    usable = [item for item in items if np.ptp(positions(item)) and _vary(block.human.numbers(item))]
    if not usable:
        return "no ordered item in which humans vary"
    found = []
    for item in usable:
        pair = []
        for side, units in block.sides:
            codes = np.zeros(len(side), dtype=np.int64) if groups is None else side.groups("condition", groups)
            cells = (units, block.size, 1 if groups is None else len(groups))
            pair.append(_by_group(side.numbers(item), codes, *cells, side.survey))
        if pair[0] is None or pair[1] is None:
            return f"a treatment group without two answers to {item.name}"
        found.append((pair[0], pair[1]))
    among = [_answered(side, usable) for side, _ in block.sides]
    people = min(persons_in(block.human, block.human.codes(item.name)) for item in usable)
    return *joined(block, found, among), (people, min(block.simulated.answered(item.name) for item in usable))


def _by_group(
    numbers: Floats, codes: Ints, units: Ints, size: int, groups: int, survey: Floats | None
) -> Part | None:
    """Group means (less their mean, where there are several), and what every unit adds to them."""
    kept = np.flatnonzero(~np.isnan(numbers) & (codes >= 0))
    cell, heavy = units[kept] * groups + codes[kept], None if survey is None else survey[kept]
    answers = numbers[kept] if heavy is None else numbers[kept] * heavy
    count = np.bincount(cell, heavy, minlength=size * groups).reshape(size, groups)
    total = np.bincount(cell, answers, minlength=size * groups).reshape(size, groups)
    n = count.sum(axis=0)
    if (np.bincount(codes[kept], minlength=groups) < 2).any():
        return None
    mean = total.sum(axis=0) / n
    adds = (total - count * mean) / n
    if groups == 1:
        return mean, adds
    return mean - mean.mean(), adds - adds.mean(axis=1, keepdims=True)


def _counted(codes: Ints, units: Ints, size: int, options: int, survey: Floats | None) -> Part:
    """Shares (K,) of codes (n,), and what every unit adds to them (G, K)."""
    kept = np.flatnonzero(codes >= 0)
    heavy = None if survey is None else survey[kept]
    cells = np.bincount(units[kept] * options + codes[kept], heavy, minlength=size * options).reshape(size, options)
    n = len(kept) if heavy is None else heavy.sum()
    shares = cells.sum(axis=0) / n
    return shares, (cells - cells.sum(axis=1, keepdims=True) * shares) / n


def pair_of(block: Block, codes: Sequence[Ints], options: int) -> tuple[Part, Part]:
    """Shares of the options among codes (n_h,) and (n_s,), -1 = counted nowhere, and what every unit adds to them."""
    human, simulated = (
        _counted(each, units, block.size, options, side.survey)
        for each, (side, units) in zip(codes, block.sides, strict=True)
    )
    return human, simulated


def joined(block: Block, found: Sequence[tuple[Part, Part]], among: Sequence[Bools]) -> tuple[Part, Part]:
    """Several estimates as one vector per side, with the units that are there: on either side, where paired."""
    there = [np.unique(units[kept]) for units, kept in zip(block.units, among, strict=True)]
    if block.paired:
        there = [np.union1d(*there)] * 2
    human, simulated = (
        (
            np.concatenate([pair[at][0] for pair in found]),
            np.concatenate([pair[at][1] for pair in found], axis=1)[rows],
        )
        for at, rows in enumerate(there)
    )
    return human, simulated


def _answered(side: Side, items: Sequence[Item]) -> Bools:
    """Who (n,) answered any of the items."""
    answered: Bools = np.any([side.codes(item.name) >= 0 for item in items], axis=0)
    return answered


def _vary(numbers: Floats) -> bool:
    known = numbers[~np.isnan(numbers)]
    return bool(known.size and np.ptp(known) > 0)


def persons_in(side: Side, codes: Ints) -> int:
    """How many persons have a code (n,) that counts."""
    who = side.once(
        "persons", lambda: np.unique(side.people.person.to_numpy(str), return_inverse=True)[1].reshape(-1)
    )
    return int(np.count_nonzero(np.bincount(who[codes >= 0])))


def _coefficients(comparison: Comparison) -> Iterator[Score]:
    """Every regression, of which the estimate alone is fitted; not of reference samples."""
    from simbench.stats.equivalent import Spread, equivalent_people

    if comparison.generator is None:
        return
    first, other = (replace(side, weights=side.weights[:1]) for side in comparison.sides)
    once = replace(comparison, human=first, simulated=other)
    for regression in comparison.design.regressions:
        fitted = fit_both(once, regression)
        where: dict[str, Any] = {"item": fitted.title}
        if fitted.human is None or fitted.simulated is None or fitted.reason:
            reason = fitted.reason or "not fitted"
            yield Score.missing("equivalent_n_coefficients", reason, comparison.resamples, **where)
            continue
        designs = comparison.designs(regression.formula)
        rows = np.arange(len(first)) if isinstance(designs, str) else designs[0].rows
        people = int(comparison.human.people.person.iloc[rows].nunique())
        own, told = fitted.human.covariance[0], fitted.simulated.covariance[0]
        scale = np.sqrt(np.diag(own))
        own, told = own / np.outer(scale, scale), told / np.outer(scale, scale)
        spread = Spread(float(np.trace(own)), float(np.trace(told)), 0.0, float(((own + told) ** 2).sum()))
        gap = (fitted.simulated.estimates[0] - fitted.human.estimates[0]) / scale
        where |= {"n_human": people, "n_simulated": fitted.n_simulated}
        found = equivalent_people(gap, spread, people * _kish(comparison.human))
        yield _told(comparison, "equivalent_n_coefficients", [found], True, **where)
