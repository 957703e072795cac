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

__all__ = ["FEWEST", "Block", "EquivalentN", "blocks_of", "joined", "pair_of", "there_in"]

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
        "equivalent_n": "people that answers are worth",
        "equivalent_n_joint": "people that joint answers are worth",
        "equivalent_n_means": "people that means are worth",
        "equivalent_n_effects": "people that treatment effects are worth",
        "equivalent_n_coefficients": "people that coefficients are worth",
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
    """One point comparison: some rows of both sides, without weights, and the unit of each, coded alike on both.

    ``rows``: which rows of either side; ``units``: the unit of each of them, 0 .. ``size`` - 1; ``paired``: units are
    the same on both sides; ``structures``: codes of belief structures of these rows; ``alone``: not one of several
    reference samples.
    """

    sides: tuple[Side, Side]
    rows: tuple[Ints, Ints]
    units: tuple[Ints, Ints]
    size: int
    paired: bool
    structures: tuple[Ints, Ints]
    alone: bool

    def counted(self, people: int) -> float:
        """How many people counted alike have the variance of so many of these: Kish's share of them."""
        return people * _kish(self.sides[0])

    def codes(self, item: Item) -> tuple[Ints, Ints]:
        """Answers of either side's rows as positions among the item's options; -1 where missing."""
        human, simulated = (side.codes(item.name)[rows] for side, rows in zip(self.sides, self.rows, strict=True))
        return human, simulated

    @property
    def survey(self) -> tuple[Floats | None, Floats | None]:
        """Survey weights of either side's rows."""
        human, simulated = (
            None if side.survey is None else side.survey[rows]
            for side, rows in zip(self.sides, self.rows, strict=True)
        )
        return human, simulated

    def persons(self, kept: Bools) -> int:
        """How many persons some of the humans' rows are of."""
        return self.sides[0].persons(self.rows[0][kept])

    def within(self, level: tuple[str, str]) -> tuple[Block, Ints]:
        """The rows in one subgroup level, and which of the units (G,) are there."""
        members = [side.members(*level)[rows] for side, rows in zip(self.sides, self.rows, strict=True)]
        places = [np.flatnonzero(each) for each in members]
        there = np.flatnonzero(self._present([each[kept] for each, kept in zip(self.units, places, strict=True)]))
        code = np.zeros(self.size, dtype=np.int64)
        code[there] = np.arange(len(there))
        rows, structures = ((each[0][places[0]], each[1][places[1]]) for each in (self.rows, self.structures))
        units = code[self.units[0][places[0]]], code[self.units[1][places[1]]]
        return replace(self, rows=rows, structures=structures, units=units, size=len(there)), there

    def numbered(self, units: Ints, size: int) -> Block:
        """The same with its units (G,) called by other numbers below ``size``."""
        return replace(self, units=(units[self.units[0]], units[self.units[1]]), size=size)

    def humans(self, kept: Bools) -> int:
        """How many units some of the humans' rows are of."""
        return int(np.count_nonzero(self._present([self.units[0][kept]])))

    def there(self, kept: Sequence[Bools]) -> list[Bools]:
        """Which units (G,) some rows of either side are of; of both sides, where paired."""
        units = [each[rows] for each, rows in zip(self.units, kept, strict=True)]
        return [self._present(units)] * 2 if self.paired else [self._present([each]) for each in units]

    def _present(self, units: Sequence[Ints]) -> Bools:
        there = np.zeros(self.size, dtype=bool)
        for each in units:
            there[each] = True
        return there


def blocks_of(comparison: Comparison) -> Sequence[Block]:
    """The comparison as observed; of reference samples (the floor) every row of weights, one by one."""
    return comparison.once("blocks", lambda: tuple(_blocks(comparison)))


def _blocks(comparison: Comparison) -> Iterator[Block]:
    human, simulated, matched = comparison.human, comparison.simulated, comparison.matched
    unit, everybody = human.people.unit_codes, np.arange(len(human))
    paired = matched is not None
    if comparison.generator is not None:
        told = simulated.people.unit_codes if matched is None else unit[matched]
        size = max(int(units.max(initial=-1)) for units in (unit, told)) + 1
        rows = everybody, np.arange(len(simulated))
        yield Block(comparison.sides, rows, (unit, told), size, paired, comparison.structures, True)
    elif matched is not None:
        for row in simulated.weights[:FLOORS]:
            rows = everybody, np.flatnonzero(row)
            structures = comparison.structures[0], comparison.structures[1][rows[1]]
            units = unit, unit[matched[rows[1]]]
            yield Block(comparison.sides, rows, units, int(unit.max()) + 1, True, structures, False)


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
    person = side.people.person_codes
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
        block = block if level is None else block.within(level)[0]
        found, people, simulated = [], [], []
        for item in items:
            codes = block.codes(item)
            people.append(block.persons(codes[0] >= 0))
            simulated.append(int((codes[1] >= 0).sum()))
            if people[-1] < FEWEST or not simulated[-1]:
                return f"fewer than {FEWEST} people, or nobody simulated, answered {item.name}"
            found.append(pair_of(block, codes, len(item.options)))
        return *joined(found, there_in(block, items)), (min(people), min(simulated))

    return parts


def _structures(block: Block) -> Made:
    """Shares of belief structures."""
    codes = block.structures
    people = block.persons(codes[0] >= 0)
    if people < FEWEST or not (codes[1] >= 0).any():
        return f"fewer than {FEWEST} people, or nobody simulated, answered every item of a structure"
    found = [pair_of(block, codes, max(int(each.max(initial=-1)) for each in codes) + 1)]
    return *joined(found, block.there([each >= 0 for each in codes])), (people, int((codes[1] >= 0).sum()))


def _means(items: Sequence[Item]) -> Callable[[Block], Made]:
    return lambda block: _numbers(block, items, None)


def _effects(items: Sequence[Item]) -> Callable[[Block], Made]:
    def parts(block: Block) -> Made:
        groups = tuple(block.sides[0].people.levels("condition"))
        return "there is only one treatment group" if len(groups) < 2 else _numbers(block, items, groups)

    return parts


def _numbers(block: Block, items: Sequence[Item], groups: tuple[str, ...] | None) -> Made:
    """Means of ordered items, or the treatment groups' less the mean over groups."""
    human = block.sides[0]
    usable = [item for item in items if np.ptp(positions(item)) and _vary(human.numbers(item)[block.rows[0]])]
    if not usable:
        return "no ordered item in which humans vary"
    found = []
    for item in usable:
        pair = []
        for side, rows, units, survey in zip(block.sides, block.rows, block.units, block.survey, strict=True):
            codes = np.zeros(len(rows), np.int64) if groups is None else side.groups("condition", groups)[rows]
            cells = (units, block.size, 1 if groups is None else len(groups))
            pair.append(_by_group(side.numbers(item)[rows], codes, *cells, survey))
        if pair[0] is None or pair[1] is None:
            return f"a treatment group without two answers to {item.name}"
        found.append((pair[0], pair[1]))
    codes_of = [block.codes(item) for item in usable]
    people = min(block.persons(own >= 0) for own, _ in codes_of)
    return *joined(found, there_in(block, usable)), (people, min(int((told >= 0).sum()) for _, told in codes_of))


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
    """Shares of the options among codes of either side, -1 = counted nowhere, and what every unit adds to them."""
    human, simulated = (
        _counted(each, units, block.size, options, survey)
        for each, units, survey in zip(codes, block.units, block.survey, strict=True)
    )
    return human, simulated


def joined(found: Sequence[tuple[Part, Part]], there: Sequence[Bools]) -> tuple[Part, Part]:
    """Several estimates as one vector per side, with those of the units (G,) that are there."""
    human, simulated = (
        (
            np.concatenate([pair[at][0] for pair in found]),
            np.concatenate([pair[at][1] if kept.all() else pair[at][1][kept] for pair in found], axis=1),
        )
        for at, kept in enumerate(there)
    )
    return human, simulated


def there_in(block: Block, items: Sequence[Item]) -> list[Bools]:
    """Which units (G,) answered any of the items, per side; on either side, where paired."""
    answered = [np.any([codes >= 0 for codes in each], axis=0) for each in zip(*map(block.codes, items), strict=True)]
    return block.there(answered)


def _vary(numbers: Floats) -> bool:
    known = numbers[~np.isnan(numbers)]
    return bool(known.size and np.ptp(known) > 0)


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
