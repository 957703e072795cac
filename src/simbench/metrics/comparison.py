"""What a metric is handed: two sides with their resampling weights, coded once and counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Bools, Floats, Ints
from simbench.design import Design, Item, People, Regression
from simbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from simbench.metrics.foretold import Foretold
    from simbench.stats.regression import Design as RegressionDesign

__all__ = ["UNWEIGHTED", "Bools", "Comparison", "Floats", "Ints", "Side"]

UNWEIGHTED = "no weighted version: survey weights are left out"
"""What a figure says that counts people alike although the study has survey weights."""

T = TypeVar("T")
BLOCK = 128
ALIKE = 32
"""With so many rows of weights, and so many rows of data like each other, these are counted first."""


@dataclass(frozen=True, eq=False)
class _Remembering:
    """Computes once what several metrics need. A changed copy (``dataclasses.replace``) starts anew."""

    _memory: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What ``make`` returned when first asked for under this key."""
        if key not in self._memory:
            self._memory[key] = make()
        kept: T = self._memory[key]
        return kept


@dataclass(frozen=True, eq=False)
class Side(_Remembering):
    """One side of a comparison: people, and resampling weights (R, n) with row 0 all ones.

    Exchanges between the sides are 0 and 1, in floats of four bytes.

    ``probabilities`` maps items to option probabilities (n, K) where the backend gave them. ``survey`` holds survey
    weights (n,), where the design has any: all rows of ``weights`` are then multiplicities times these, row 0 the
    survey weights themselves. A simulated participant has those of the human it stands for.
    """

    people: People
    weights: Floats
    probabilities: Mapping[str, Floats] = field(default_factory=dict)
    survey: Floats | None = None

    def __len__(self) -> int:
        return len(self.people)

    @property
    def clustered(self) -> bool:
        """Whether rows go together: one human in several conditions or replicates, or humans of one cluster."""
        return self.units < len(self)

    @property
    def units(self) -> int:
        """Number of clusters, or of humans where there are none: what varies independently."""
        return self.once("units", lambda: int(self.people.unit.nunique()))

    def persons(self, rows: Ints) -> int:
        """How many persons some rows (m,) are of."""
        who = self.people.person_codes
        if self.once("persons", lambda: int(who.max(initial=-1))) == len(who) - 1:
            return len(rows)
        return int(np.count_nonzero(np.bincount(who[rows])))

    def effective(self, rows: Bools) -> float:
        """How many rows counted alike have the variance of these (n,): (sum w)^2 / sum w^2 (Kish 1965)."""
        from simbench.stats.survey import equal_people

        return float(rows.sum()) if self.survey is None else equal_people(self.survey[rows])

    def deviation(self, numbers: Floats) -> float:
        """Standard deviation (over n) of some numbers (n,) on this side as observed; 0 where there are none."""
        known = ~np.isnan(numbers)
        if not known.any():
            return 0.0
        if self.survey is None:
            return float(np.nanstd(numbers))
        mean = np.average(numbers[known], weights=self.survey[known])
        return float(np.sqrt(np.average((numbers[known] - mean) ** 2, weights=self.survey[known])))

    def codes(self, item: str) -> Ints:
        """Answers (n,) as positions among the item's options; -1 where missing."""
        return self.once(("codes", item), lambda: self.people.codes(item))

    def numbers(self, item: Item) -> Floats:
        """Answers (n,) as numbers, NaN where missing: the number given where known, else as :func:`positions`."""
        codes = self.codes(item.name)
        counted = np.where(codes >= 0, positions(item)[codes], np.nan)
        if not item.spans:
            return counted
        given = self.people.numbers(item.name)
        return np.where(np.isnan(given), counted, given)

    def members(self, variable: str, level: str) -> Bools:
        """Who (n,) belongs to a level of a profile variable (or of ``"condition"``)."""
        levels = self.once(("level", variable), lambda: self.people.level(variable))
        return self.once(("members", variable, level), lambda: (levels == level).to_numpy(dtype=bool))

    def groups(self, variable: str, levels: tuple[str, ...]) -> Ints:
        """Codes (n,) of a profile variable (or ``"condition"``) among these levels; -1 for none of them."""

        def make() -> Ints:
            import pandas as pd

            found = self.once(("level", variable), lambda: self.people.level(variable))
            return np.asarray(pd.Index(levels, dtype=object).get_indexer(pd.Index(found)), dtype=np.int64)

        return self.once(("groups", variable, levels), make)

    def answered(self, item: str, among: Bools | None = None) -> int:
        """How many of these members (n,) (None: of all) answered the item."""
        answered = self.codes(item) >= 0
        return int((answered if among is None else answered & among).sum())

    def counts(self, item: str, among: Bools | None = None, expected: bool = False) -> Floats:
        """Weighted answer counts (R, K) per option, optionally among some members (n,) only.

        ``expected``: sums of the option probabilities instead of the draws from them.
        """
        codes = self.codes(item) if among is None else np.where(among, self.codes(item), -1)
        if expected:
            return self.weights @ np.where(codes[:, None] >= 0, self.probabilities[item], 0.0)
        return self.code_counts(codes, len(self.people.design.item(item).options))

    def by_level(
        self,
        item: str,
        variable: str,
        levels: tuple[str, ...],
        expected: bool = False,
        times: Floats | None = None,
    ) -> Floats:
        """Weighted answer counts (R, G, K) in every level of a variable; ``times`` (n,) as in :meth:`code_counts`."""

        codes, groups = self.codes(item), self.groups(variable, levels)
        shape = len(levels), len(self.people.design.item(item).options)

        def make() -> Floats:
            known = (codes >= 0) & (groups >= 0)
            if expected:
                cells = np.zeros((len(self), *shape))
                cells[known, groups[known]] = self.probabilities[item][known]
                return self.weights @ cells.reshape(len(self), shape[0] * shape[1])
            return self.code_counts(np.where(known, groups * shape[1] + codes, -1), shape[0] * shape[1], times)

        if times is not None or expected:
            counted = make() if times is not None else self.once(("expected", item, variable, levels), make)
            return counted.reshape(len(self.weights), *shape)
        tables = self.once(("tables", variable, levels), lambda: self._tables(variable, levels))
        if item not in tables:
            tables[item] = make().reshape(len(self.weights), *shape)
        found: Floats = tables[item]
        return found

    def _tables(self, variable: str, levels: tuple[str, ...]) -> dict[str, Floats]:
        """Weighted answer counts (R, G, K) of every item in every level; none where hardly any rows are alike."""
        alike, groups = self._alike, self.groups(variable, levels)
        if alike is None or len(alike[0]) * len(levels) > len(self):
            return {}
        (first, kind), at = alike, np.arange(len(levels))
        cells = np.where(groups >= 0, kind * len(levels) + groups, -1)
        columns = _summed(cells, len(first) * len(levels), self.once("columns", self._columns))
        tables = {}
        for item in self.people.design.items:
            codes, options = self.codes(item.name)[first, None], len(item.options)
            places = np.where(codes >= 0, at * options + codes, -1).reshape(-1)
            counts = _summed(places, len(levels) * options, columns).T
            tables[item.name] = counts.reshape(len(self.weights), len(levels), options).astype(np.float64)
        return tables

    @property
    def _alike(self) -> tuple[Ints, Ints] | None:
        """Which rows (u,) are the first with their answers in their treatment group, and which (n,) each is like.

        None where hardly any two are alike, or there are so few rows of weights that it is not worth to know.
        """
        from simbench.stats import distinct_rows

        def make() -> tuple[Ints, Ints] | None:
            design = self.people.design
            columns = [self.codes(item.name) for item in design.items]
            columns += [self.groups("condition", design.conditions)]
            return distinct_rows([each.astype(np.float64) for each in columns], len(self) // ALIKE)

        return self.once("alike", make) if len(self.weights) > ALIKE else None

    def cells(self, *columns: Ints) -> tuple[tuple[Ints, ...], Floats]:
        """The different combinations of some codes (n,) that occur, each column (u,), and weighted counts (R, u)."""
        place = np.zeros(len(self), dtype=np.int64)
        for codes in columns:
            place = place * (codes.max(initial=-1) + 2) + codes + 1
        found, first, place = np.unique(place, return_index=True, return_inverse=True)
        return tuple(codes[first] for codes in columns), self.code_counts(place.reshape(-1), len(found))

    def code_counts(self, codes: Ints, size: int, times: Floats | None = None) -> Floats:
        """Weighted counts (R, size) of any codes (n,), -1 = counted nowhere.

        A row of data counts in one column only, so a sparse product is many times as fast as a dense one. ``times``
        (n,): by what every row is multiplied.
        """
        columns = self.once("columns", self._columns)
        alike = self._alike if times is None else None
        if alike is not None and np.array_equal(codes[alike[0]][alike[1]], codes):
            first, kind = alike
            columns = self.once("kinds", lambda: _summed(kind, len(first), columns))
            codes = codes[first]
        counts: Floats = _summed(codes, size, columns, times).T.astype(np.float64)
        return counts

    def _columns(self) -> NDArray[Any]:
        """Weights (n, R), as the smallest whole numbers that hold all sums where they are whole numbers."""
        largest = self.weights.sum(axis=1).max(initial=0)
        kind = next((each for each in (np.uint16, np.uint32) if largest <= np.iinfo(each).max), np.float64)
        columns = np.empty(self.weights.shape[::-1], kind)
        for start in range(0, len(self.weights), BLOCK):  # turned in pieces that a cache holds
            part = self.weights[start : start + BLOCK]
            small = part.astype(kind)
            if not np.array_equal(small, part):
                return np.ascontiguousarray(self.weights.T)
            columns[:, start : start + BLOCK] = small.T
        return columns


def _summed(codes: Ints, size: int, columns: NDArray[Any], times: Floats | None = None) -> NDArray[Any]:
    """Sums (size, R) of columns (n, R) over rows of the same code (n,); -1 counts nowhere."""
    from scipy.sparse import csr_array

    rows = np.flatnonzero(codes >= 0)
    each = np.ones(len(rows), columns.dtype) if times is None else times[rows]
    return np.asarray(csr_array((each, (codes[rows], rows)), shape=(size, len(codes))) @ columns)


@dataclass(frozen=True, eq=False)
class Comparison(_Remembering):
    """Human against simulated participants, ready for metrics.

    ``coherent`` is the experiment's rule, ``alpha`` the significance level for coefficient recovery.
    ``matched`` (n_s,) gives for each simulated row the row of the human it stands for; None where the sides
    are not matched person by person (human halves). ``pilot`` holds the people learned from.
    ``foretold`` says how likely the model finds the humans' own answers.
    ``generator`` gives named streams of random numbers to the few figures for which multiplicities are no
    valid resamples (counts of distinct structures); None where the rows of weights are not resamples around
    an estimate (ceiling and floor). ``exchanged``: they exchange rows between the sides instead, row 0 being as
    observed.
    """

    human: Side
    simulated: Side
    coherent: Callable[[pd.DataFrame], pd.Series]
    alpha: float = 0.05
    generator: Callable[..., np.random.Generator] | None = None
    matched: Ints | None = None
    pilot: People | None = None
    foretold: Foretold | None = None
    exchanged: bool = False

    @property
    def design(self) -> Design:
        """The design both sides took part in."""
        return self.human.people.design

    @property
    def sides(self) -> tuple[Side, Side]:
        """Human, simulated."""
        return self.human, self.simulated

    @property
    def weighted(self) -> bool:
        """Whether the people have survey weights."""
        return self.human.survey is not None

    @property
    def resamples(self) -> int:
        """R: one point estimate and R - 1 resamples."""
        return len(self.human.weights)

    @cached_property
    def structures(self) -> tuple[Ints, Ints]:
        """Codes (n_h,), (n_s,) of belief structures, over all items where the design has no beliefs.

        Equal codes are equal tuples of answers; -1 where one is missing.
        """
        from simbench.stats.diversity import code_structures

        names = [item.name for item in self.design.main_items]
        tables = [np.stack([side.codes(name) for name in names], axis=1) for side in self.sides]
        (human, simulated), _ = code_structures(*tables)
        return human, simulated

    @cached_property
    def structure_counts(self) -> tuple[Floats, Floats]:
        """Weighted counts (R, S) of every belief structure that occurs on either side."""
        return self._counted(alike=False)

    @cached_property
    def structure_rows(self) -> tuple[Floats, Floats]:
        """Numbers of rows (R, S) with every belief structure: the counts without survey weights."""
        return self._counted(alike=True) if self.weighted else self.structure_counts

    def _counted(self, alike: bool) -> tuple[Floats, Floats]:
        size = int(max(codes.max(initial=-1) for codes in self.structures)) + 1
        times = [None if side.survey is None or not alike else 1 / side.survey for side in self.sides]
        human, simulated = (
            side.code_counts(codes, size, each)
            for side, codes, each in zip(self.sides, self.structures, times, strict=True)
        )
        return (np.rint(human), np.rint(simulated)) if alike else (human, simulated)

    @cached_property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """Levels of every subgroup variable that occur among the humans."""
        return {each.name: tuple(self.human.people.levels(each.name)) for each in self.design.subgroups}

    def designs(self, formula: str) -> tuple[RegressionDesign, RegressionDesign] | str:
        """Outcome and design matrix of a regression for both sides, with the same columns; or why there are none."""
        return self.once(("designs", formula), lambda: self._build(formula))

    def _build(self, formula: str) -> tuple[RegressionDesign, RegressionDesign] | str:
        from simbench.stats.regression import formula_columns, formula_designs

        frames = [self.human.people.formula_frame()]
        same = self.simulated.people is self.human.people
        frames.append(frames[0] if same else self.simulated.people.formula_frame())
        columns = list(formula_columns(formula))
        for who, frame in zip(("human", "ok simulated"), frames, strict=True):
            if set(columns) <= set(frame.columns) and not frame[columns].notna().all(axis=1).any():
                return f"no complete {who} row"
        try:
            distinct = frames[:1] if frames[0] is frames[1] else frames
            found = formula_designs(formula, *distinct, orders=self.design.orders)
        except ConfigError as error:  # what the answers are like decides whether a formula can be evaluated
            return str(error)
        return found[0], found[-1]

    def regression_titles(self) -> dict[Regression, str]:
        """A title for every regression of the design, with its formula where two would share one."""
        titles = [each.title for each in self.design.regressions]
        return {
            each: each.title if titles.count(each.title) == 1 else f"{each.family}: {each.formula}"
            for each in self.design.regressions
        }

    def subgroup_levels(self) -> Iterator[tuple[str, str]]:
        """Every (subgroup variable, level) that occurs among the humans."""
        for variable, levels in self.levels.items():
            for level in levels:
                yield variable, level

    @property
    def conditions(self) -> tuple[str, ...]:
        """Treatment groups that occur among the humans."""
        return tuple(self.human.people.levels("condition"))


def positions(item: Item) -> Floats:
    """Options (K,) as numbers: middles of bins, values where these are rising numbers, else 0, 1, 2 ..."""
    numbers = item.numbers
    return np.arange(len(item.values), dtype=np.float64) if numbers is None else np.array(numbers)
