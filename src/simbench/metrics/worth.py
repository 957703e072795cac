"""Worth: how many humans is the simulation worth?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import Item
from simbench.errors import ConfigError
from simbench.metrics.base import Bools, Comparison, Floats, Ints, Metric, Score
from simbench.metrics.comparison import positions
from simbench.metrics.matching import Matched, once, unmatched
from simbench.settings import setting

if TYPE_CHECKING:
    from simbench.stats.regression import Design

__all__ = ["Worth", "WorthConfig"]

NAMES = ("n_effective", "rectified")
FEWEST = 3
"""With fewer labelled people than this, nothing is estimated."""


@dataclass(frozen=True)
class WorthConfig:
    """Settings of ``worth``."""

    labelled: int = setting(0, "people with human answers whom the simulation is to help; 0: as many as the pilot")

    def __post_init__(self) -> None:
        if self.labelled < 0:
            raise ConfigError(f"metric.worth.labelled: expected at least 0; found {self.labelled}")


class Worth(Metric[WorthConfig]):
    """What is the simulation worth, in human participants? Rectified estimates and effective sample size.

    The question is that of a researcher with n labelled people (real answers) and a simulation of them and of N
    others. Prediction-powered inference (Angelopoulos et al. 2023, Science 382; tuned: arXiv 2311.01453)
    estimates from both, whatever the simulation is like:

        rectified = human + lambda (simulated, unlabelled - simulated, labelled).

    A model *trained* on the labelled would repeat them and make this look far too good, so the pilot itself
    cannot be the labelled here. Its stand-in are as many people from outside the pilot (``labelled``, at
    most half of them; the others play the unlabelled): this is the worth of the adapted simulation for a
    *further* sample of the pilot's size, or for the pilot under cross-fitting. Estimands: mean of every
    ordered item (option values as numbers), share of every option of the others, and every coefficient of the
    ``ols``, ``logit`` and ``poisson`` regressions. Where option probabilities are stored, the simulated answer is
    what they expect, not the one draw: drawing adds noise that no person has. Clusters are labelled whole.

    - ``n_effective`` = n / (1 - rho^2 N / (n + N)), rho = correlation of human and simulated influences on the
      estimate over everybody outside the pilot: how many labelled people alone would estimate as well; from
      n (worth nothing) to n + N; higher is better. ``human`` = n, ``simulated`` = N.
    - ``rectified``: the estimate for one random draw of labelled people; ``human`` = the same estimate from the
      answers of everybody outside the pilot, ``simulated`` = from the simulation of the unlabelled alone; the
      interval is the 95 % interval of theory (of the run's 1 - alpha).

    Failure modes: rho is about *persons*: a simulation with perfect distributions but no idea who answers what is
    worth nothing here. Rectified intervals ignore that lambda is tuned; with 60 labelled people they still cover
    94 to 98 % (docs/coverage.md). Source: as above; ``n_effective`` by its variance formula, the stand-in for the
    pilot is a definition by simbench.
    """

    name = "worth"
    Config = WorthConfig
    better = {"n_effective": "higher"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Means and shares, then coefficients."""
        if reason := unmatched(comparison):
            for name in NAMES:
                yield Score.missing(name, reason, comparison.resamples)
            return
        table = Matched.of(comparison)
        labelled, reason = self._labelled(comparison, table)
        if reason:
            for name in NAMES:
                yield Score.missing(name, reason, comparison.resamples)
        else:
            split = _Split.of(comparison, table, labelled)
            yield from _means(comparison, table, split)
            yield from _coefficients(comparison, table, split)

    def _labelled(self, comparison: Comparison, table: Matched) -> tuple[int, str | None]:
        """How many units are labelled, and why there are none, if so."""
        wanted = self.config.labelled or (len(set(comparison.pilot.person)) if comparison.pilot else 0)
        if not wanted:
            return 0, "there is no pilot (metric.worth.labelled says how many labelled people to reckon with)"
        found = min(round(wanted / table.per_unit), table.units // 2)
        unit = "people" if comparison.design.cluster is None else f"clusters ({comparison.design.cluster})"
        few = f"only {found} of {table.units} {unit} outside the pilot could be labelled; needs {FEWEST}"
        return found, few if found < FEWEST else None


@dataclass(frozen=True, eq=False)
class _Split:
    """Who (m,) plays the labelled; ``drawn`` is False where no single draw is wanted (ceiling and floor).

    ``n_labelled``, ``n_unlabelled`` count units, ``sizes`` the persons in them.
    """

    labelled: Bools
    n_labelled: int
    n_unlabelled: int
    per_unit: float
    drawn: bool

    @property
    def sizes(self) -> dict[str, int]:
        """Persons that play the labelled and the unlabelled."""
        counts = {"n_human": self.n_labelled, "n_simulated": self.n_unlabelled}
        return {name: round(count * self.per_unit) for name, count in counts.items()}

    @classmethod
    def of(cls, comparison: Comparison, table: Matched, labelled: int) -> _Split:
        """Draw whole units at random."""
        chosen = np.arange(labelled)
        if comparison.generator is not None:
            chosen = comparison.generator("worth", "labelled").permutation(table.units)[:labelled]
        drawn = comparison.generator is not None
        return cls(np.isin(table.unit, chosen), labelled, table.units - labelled, table.per_unit, drawn)


def _means(comparison: Comparison, table: Matched, split: _Split) -> Iterator[Score]:
    """Mean of every ordered item, share of every option of the others."""
    for item in comparison.design.items:
        columns: dict[str, tuple[Floats, Floats]] = {}
        if item.ordered:
            known = item.name in comparison.simulated.probabilities
            guess = _expected(comparison, item, positions(item)) if known else comparison.simulated.numbers(item)
            columns[item.name] = (comparison.human.numbers(item), guess)
        else:
            for code, value in enumerate(item.values):
                is_it = np.arange(len(item.values)) == code
                own = comparison.human.codes(item.name)
                human = np.where(own < 0, np.nan, own == code)
                columns[f"{item.name}={value}"] = (human, _expected(comparison, item, is_it.astype(float)))
        for name, (human, simulated) in columns.items():
            answers, predicted = human[table.rows], table.predictions(simulated)
            rows = np.flatnonzero(np.isfinite(answers) & np.isfinite(predicted))
            ones = np.ones((len(rows), 1))
            real, told = (answers[rows], ones), (predicted[rows], ones)
            yield from _estimand(comparison, table, split, (name,), "ols", rows, real, (*told, told[0]))


def _expected(comparison: Comparison, item: Item, values: Floats) -> Floats:
    """Simulated answers (n_s,) with options worth ``values`` (K,): as expected where that is known, else as drawn."""
    codes, chances = comparison.simulated.codes(item.name), comparison.simulated.probabilities.get(item.name)
    found = values[codes] if chances is None else chances @ values
    return np.where(codes < 0, np.nan, found)


def _outcome(comparison: Comparison, drawn: Design) -> Floats:
    """Simulated outcomes (n,) of a regression as expected, where they rest on one item whose chances are known."""
    from simbench.stats.regression import formula_columns, formula_designs

    named = formula_columns(f"{drawn.outcome_name} ~ 1")
    item = next((each for each in comparison.design.items if named == (each.name,)), None)
    if item is None or item.name not in comparison.simulated.probabilities:
        return drawn.outcome
    import pandas as pd

    options = pd.DataFrame({item.name: list(positions(item)) if item.spans else list(item.values)})
    (each,) = formula_designs(f"{drawn.outcome_name} ~ 1", options, orders=comparison.design.orders)
    codes = comparison.simulated.codes(item.name)[drawn.rows]
    # What learns from the data it is given (center, standardize) is another outcome on the options alone.
    if len(each.rows) < len(options) or not np.allclose(each.outcome[codes], drawn.outcome):
        return drawn.outcome
    return _expected(comparison, item, each.outcome)[drawn.rows]


def _coefficients(comparison: Comparison, table: Matched, split: _Split) -> Iterator[Score]:
    """Every coefficient of the regressions but the intercepts."""
    from simbench.stats.regression.glm import FAMILIES

    for regression in comparison.design.regressions:
        title = comparison.regression_titles()[regression]
        reason = None
        designs = comparison.designs(regression.formula)
        if isinstance(designs, str):
            reason = designs
        elif regression.family not in FAMILIES:
            reason = f"no rectified estimates for {regression.family}"
        else:
            human, simulated = designs
            at, of = _places(human.rows, table.rows), _places(simulated.rows, table.first)
            rows = np.flatnonzero((at >= 0) & (of >= 0))
            at, of = at[rows], of[rows]
            if (
                human.levels
                or simulated.levels
                or not all(FAMILIES[regression.family].admits(each.outcome) for each in (human, simulated))
            ):
                reason = f"{regression.family} wants an outcome of {FAMILIES[regression.family].wants}"
        if reason:
            for name in NAMES:
                yield Score.missing(name, reason, comparison.resamples, item=title)
            continue
        real = (human.outcome[at], human.matrix[at])
        told = (_outcome(comparison, simulated)[of], simulated.matrix[of], simulated.outcome[of])
        names = tuple(f"{title}: {name}" for name in human.names)
        yield from _estimand(comparison, table, split, names, regression.family, rows, real, told)


def _estimand(
    comparison: Comparison,
    table: Matched,
    split: _Split,
    names: tuple[str, ...],
    family: str,
    rows: Ints,
    real: tuple[Floats, Floats],
    told: tuple[Floats, Floats, Floats],
) -> Iterator[Score]:
    """Effective size and rectified estimate of the coefficients of one model, intercepts of regressions left out.

    ``real``: outcome and design of people; ``told``: those of the simulation, and its outcomes as drawn.
    """
    from simbench.stats.regression import fit_glm
    from simbench.stats.worth import effective_size, influences

    kept = [at for at, name in enumerate(names) if not name.endswith(": Intercept")]
    sizes: dict[str, Any] = split.sizes
    survey = _survey(comparison, table, rows)
    whole = fit_glm(family, real[0], real[1], survey, names=names) if len(rows) > len(names) else None
    reason = "too few people with real and simulated answers" if whole is None else whole.reason()
    if not reason and np.linalg.matrix_rank(told[1]) < told[1].shape[1]:
        reason = "the simulated predictors are constant or collinear"
    # A mean can be taken of answers that are all the same; a rectified one then has nothing to add.
    if whole is None or reason:
        for at in kept:
            for name in NAMES:
                yield Score.missing(name, reason, comparison.resamples, item=names[at], **sizes)
        return
    start = whole.estimates[0]
    unit = table.unit[rows]
    first = np.unique(unit, return_index=True)[1]
    human, simulated = (_by_unit(influences(family, *each[:2], start, survey), unit) for each in (real, told))
    weights, among = comparison.human.weights, table.rows[rows[first]]
    if survey is not None:  # how often units were drawn: what they weigh is in their influences
        weights, among = np.rint(weights[:, among] / survey[first]), np.arange(len(among))
    size = effective_size(human, simulated, split.n_labelled, split.n_unlabelled, weights, among)
    for at in kept:
        why = None if np.isfinite(size[0, at]) else "all humans gave the same answer"
        few, many = (
            np.full(comparison.resamples, split.per_unit * n) for n in (split.n_labelled, split.n_unlabelled)
        )
        yield Score("n_effective", split.per_unit * size[:, at], few, many, item=names[at], reason=why, **sizes)
    yield from _rectified(comparison, table, split, (names, kept), family, rows, real, told, start)


def _rectified(
    comparison: Comparison,
    table: Matched,
    split: _Split,
    which: tuple[tuple[str, ...], list[int]],
    family: str,
    rows: Ints,
    real: tuple[Floats, Floats],
    told: tuple[Floats, Floats, Floats],
    start: Floats,
) -> Iterator[Score]:
    """Rectified estimates for one draw of labelled people."""
    from simbench.stats.rectified import Sample, rectified_glm
    from simbench.stats.regression import fit_glm

    names, kept = which
    if not split.drawn:
        return
    labelled = split.labelled[rows]
    clusters = table.unit[rows] if comparison.human.clustered else None
    survey = _survey(comparison, table, rows)

    def sample(part: tuple[Floats, ...], among: Bools) -> Sample:
        return Sample(part[0][among], part[1][among], *(_of(each, among) for each in (survey, clusters)))

    found = rectified_glm(
        family,
        sample(real, labelled),
        sample(told, labelled),
        sample(told, ~labelled),
        names=names,
        level=1 - comparison.alpha,
    )
    sizes: dict[str, Any] = split.sizes | {"n_human": round(found.n_labelled * split.per_unit)}
    naive = fit_glm(family, told[2][~labelled], told[1][~labelled], _of(survey, ~labelled), names=names)
    for at in kept:
        where: dict[str, Any] = {"item": names[at], **sizes}
        if found.reason:
            yield Score.missing("rectified", found.reason, comparison.resamples, **where)
            continue
        value, human, simulated = (
            once(each, comparison.resamples) for each in (found.estimates[at], start[at], naive.estimates[0, at])
        )
        ends = (float(found.low[at]), float(found.high[at]))
        remark = f"lambda {found.power[at]:.2f}; human answers alone {found.classical[at]:.3g}"
        yield Score("rectified", value, human, simulated, interval=ends, reason=remark, **where)


def _survey(comparison: Comparison, table: Matched, rows: Ints) -> Floats | None:
    """Survey weights (k,) of some of the matched people; None where there are none."""
    found: Floats | None = _of(comparison.human.survey, table.rows[rows])
    return found


def _of(values: Any, rows: Any) -> Any:
    return None if values is None else values[rows]


def _places(rows: Ints, wanted: Ints) -> Ints:
    """Where in ``rows`` (rising) each wanted row (m,) stands; -1 where it does not."""
    found = np.searchsorted(rows, wanted)
    held = found < len(rows)
    held[held] = rows[found[held]] == wanted[held]
    return np.where(held, found, -1)


def _by_unit(influence: Floats, unit: Ints) -> Floats:
    """Sums (units, p) of influences (m, p); only units that occur."""
    sums: Floats = np.column_stack([np.bincount(unit, column) for column in influence.T])
    return sums[np.unique(unit)]
