"""The contract of a metric: human and simulated participants in, tidy scores out.

A metric never resamples. It is handed a :class:`Comparison` whose two sides carry weight matrices of shape
(R, n): row 0 is all ones (the point estimate), each further row is one bootstrap resample written as
multiplicities. The metric computes its statistic for all R rows at once (matrix products) and returns
:class:`Score` objects holding arrays of shape (R,). The harness turns these into estimates with intervals,
and calls the same metric on other comparisons (human halves, uniform answers) for ceiling and floor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from simbench.design import Design, People
from simbench.settings import NoSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Metric", "Score", "Side"]

C = TypeVar("C")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a comparison: people, and resampling weights (R, n) with row 0 all ones.

    ``probabilities`` maps items to option probabilities (n, K) where the backend gave them.
    """

    people: People
    weights: Floats
    probabilities: Mapping[str, Floats] = field(default_factory=dict)
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def __len__(self) -> int:
        return len(self.people)

    def codes(self, item: str) -> Ints:
        """Answers (n,) as positions among the item's options; -1 where missing."""
        codes: Ints = self._once(("codes", item), lambda: self.people.codes(item))
        return codes

    def members(self, variable: str, level: str) -> Bools:
        """Who (n,) belongs to a level of a profile variable (or of ``"condition"``)."""
        levels = self._once(("level", variable), lambda: self.people.level(variable))
        members: Bools = (levels == level).to_numpy(dtype=bool)
        return members

    def counts(self, item: str, among: Bools | None = None) -> Floats:
        """Weighted answer counts (R, K) per option, optionally among some members (n,) only."""
        codes = self.codes(item)
        onehot = np.zeros((len(self), len(self.people.design.item(item).options)))
        rows = np.flatnonzero((codes >= 0) if among is None else (codes >= 0) & among)
        onehot[rows, codes[rows]] = 1.0
        counts: Floats = self.weights[:, rows] @ onehot[rows]
        return counts


@dataclass(frozen=True, eq=False)
class Comparison:
    """Human against simulated participants, ready for metrics.

    ``structures`` are codes of belief structures over both sides together, so that equal codes are equal
    tuples. ``alpha`` is the significance level for coefficient recovery; ``coherent`` the experiment's rule.
    ``generator`` gives named streams of random numbers to the few figures for which multiplicities are no
    valid resamples (counts of distinct structures); None where no interval is wanted (ceiling and floor).
    """

    human: Side
    simulated: Side
    coherent: Callable[[pd.DataFrame], pd.Series]
    alpha: float = 0.05
    generator: Callable[..., np.random.Generator] | None = None

    @property
    def design(self) -> Design:
        """The design both sides took part in."""
        return self.human.people.design

    @property
    def resamples(self) -> int:
        """R: one point estimate and R - 1 resamples."""
        return len(self.human.weights)

    @cached_property
    def structures(self) -> tuple[Ints, Ints]:
        """Belief-structure codes (n_h,), (n_s,); -1 where any belief is missing."""
        names = [item.name for item in self.design.beliefs]
        both = [np.stack([side.codes(n) for n in names], axis=1) for side in (self.human, self.simulated)]
        stacked = np.concatenate(both)
        _, codes = np.unique(stacked, axis=0, return_inverse=True)
        codes = np.where((stacked < 0).any(axis=1), -1, codes.reshape(-1)).astype(np.int64)
        return codes[: len(self.human)], codes[len(self.human) :]

    def subgroup_levels(self) -> Iterator[tuple[str, str]]:
        """Every (subgroup variable, level) that occurs among the humans."""
        for variable in self.design.subgroups:
            for level in self.human.people.levels(variable.name):
                yield variable.name, level


@dataclass(frozen=True, eq=False)
class Score:
    """One figure of one metric, over all resamples.

    ``value`` (R,) is the comparison itself (a distance, a difference); ``human`` and ``simulated`` (R,) are
    the two sides' own figures where they exist. A figure that cannot be computed carries ``reason`` and NaN.
    ``n_human``, ``n_simulated``: answers it rests on.
    """

    metric: str
    value: Floats
    human: Floats | None = None
    simulated: Floats | None = None
    item: str | None = None
    subgroup: str | None = None
    level: str | None = None
    n_human: int = 0
    n_simulated: int = 0
    reason: str | None = None

    @property
    def key(self) -> tuple[str, str | None, str | None, str | None]:
        """What identifies the figure, so that ceiling and floor can be put beside it."""
        return (self.metric, self.item, self.subgroup, self.level)

    @classmethod
    def missing(cls, metric: str, reason: str, resamples: int, **where: Any) -> Score:
        """A figure that cannot be computed, and why."""
        return cls(metric, np.full(resamples, np.nan), reason=reason, **where)


class Metric(ABC, Generic[C]):
    """Compares human and simulated participants.

    ``headline`` names the figures (metric, item) that stand in the terminal's table; ``better`` says which
    way is closer to human for every metric id it emits: ``lower``, ``higher``, or ``zero``.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any]] = NoSettings
    headline: ClassVar[Sequence[tuple[str, str | None]]] = ()
    better: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def score(self, comparison: Comparison) -> Iterable[Score]:
        """Yield every figure of this metric. Pure: no randomness, no files."""
