"""The contract of a metric: human and simulated participants in, tidy scores out.

A metric never resamples. It is handed a :class:`Comparison` whose two sides carry weight matrices of shape
(R, n): row 0 is all ones (the point estimate; survey weights, where the study has them), each further row is one
bootstrap resample written as multiplicities (times survey weights). The metric computes its statistic for all R rows
at once (matrix products) and returns :class:`Score` objects holding arrays of shape (R,). The harness turns these
into estimates with intervals, and calls the same metric on other comparisons (human halves, uniform answers,
baselines) for ceiling, floor and rivals.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simbench.metrics.comparison import Bools, Comparison, Floats, Ints, Side
from simbench.part import C, Part

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BIASES",
    "DIRECTIONS",
    "LINEAR",
    "SQUARED",
    "Bools",
    "Comparison",
    "Equivalence",
    "Floats",
    "Ints",
    "Metric",
    "Scale",
    "Score",
    "Side",
    "loss",
]

DIRECTIONS = ("lower", "higher", "zero", "one")
BIASES = ("none", "sample", "population")


@dataclass(frozen=True)
class Scale:
    """Where the noise of sampling adds up: a figure's way there and back.

    The way back must take whatever a shift produces: a squared distance below 0 is a distance of 0.
    """

    there: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


LINEAR = Scale(lambda values: values, lambda values: values)
SQUARED = Scale(np.square, lambda values: np.sqrt(np.maximum(values, 0.0)))


@dataclass(frozen=True)
class Equivalence:
    """What a test of equivalence takes, for figures of which theory tells it.

    ``low``, ``high``: ends that lie within a margin where two one-sided tests at 5 % say so (a 90 % interval).
    ``chance``: mean square of the figure's distance from what it is for people, in other samples of as many people;
    ``freedom``: its degrees of freedom, infinite where the figure is normal.
    """

    low: float
    high: float
    chance: float = float("nan")
    freedom: float = float("nan")


@dataclass(frozen=True, eq=False)
class Score:
    """One figure of one metric, over all resamples.

    ``value`` (R,) is the comparison itself (a distance, a difference); ``human`` and ``simulated`` (R,) are
    the two sides' own figures where they exist. A figure that cannot be computed carries ``reason`` and NaN;
    one that can may carry a ``reason`` as a remark. ``n_human``, ``n_simulated``: answers it rests on.

    ``bias`` says what the noise of resampling does to the figure, and so how its interval is made: ``none``
    (percentiles); ``population``: noise pushes the figure one way, in the sample once and in its resamples
    twice, and the interval is for the populations' own figure; ``sample``: only the resamples are pushed away
    from the estimate, because the estimate takes chance off, or because the populations' figure cannot be had
    from samples this sparse and the interval is for what samples of this size give. The shift is made on
    ``scale``, see :mod:`simbench.stats.recentring`. ``interval`` is one that the metric knows by theory;
    nothing is then taken from resamples. ``trials`` says of ``value``, ``human`` or ``simulated`` that it is a
    share of so many yes-or-no cases, which gives an interval where it is 0 or 1 in every resample. ``equivalence``:
    what a test needs that the figure is close enough to what it is for people. ``fresh`` (any number): what the
    figure would be between these people and other samples of as many, where a metric can foretell that.
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
    bias: str = "none"
    scale: Scale = LINEAR
    interval: tuple[float, float] | None = None
    equivalence: Equivalence | None = None
    fresh: Floats | None = None
    trials: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str | None, str | None, str | None]:
        """What identifies the figure, so that ceiling and floor can be put beside it."""
        return (self.metric, self.item, self.subgroup, self.level)

    @classmethod
    def missing(cls, metric: str, reason: str, resamples: int, **where: Any) -> Score:
        """A figure that cannot be computed, and why."""
        return cls(metric, np.full(resamples, np.nan), reason=reason, **where)


def loss(values: Floats, better: str) -> Floats:
    """How far from people figures are, so that less is closer whatever their direction."""
    if better == "higher":
        return -values
    if better == "one":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.abs(np.log(values))
    return np.abs(values) if better == "zero" else values


class Metric(Part[C]):
    """Compares human and simulated participants.

    ``headline`` names the figures (metric, item) that stand in the terminal's table; ``better`` says which
    way is closer to human for every metric id it emits: ``lower``, ``higher``, ``zero`` or ``one``; ``words`` says
    what a figure is called where people read it, by metric id (those it does not name are called by their id).
    ``needs_likelihood``: it reads ``comparison.foretold``, so models are asked for it where that costs no money.
    Several comparisons are scored at the same time, in threads; metrics of plugins are asked one at a time.
    """

    headline: ClassVar[Sequence[tuple[str, str | None]]] = ()
    better: ClassVar[Mapping[str, str]] = {}
    words: ClassVar[Mapping[str, str]] = {}
    needs_likelihood: ClassVar[bool] = False

    @abstractmethod
    def score(self, comparison: Comparison) -> Iterable[Score]:
        """Yield every figure of this metric. Pure: no randomness of its own, no files."""

    def conclude(self, scores: pd.DataFrame) -> Iterable[Score]:
        """Yield what follows from all metrics' figures together, intervals and ceilings included.

        ``scores`` has the columns of ``scores.parquet``. The default concludes nothing.
        """
        return ()
