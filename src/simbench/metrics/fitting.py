"""One regression fitted, unchanged, on both sides of a comparison; words where that is not possible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import Regression
from simbench.metrics.comparison import UNWEIGHTED, Comparison, Floats, Ints, Side

if TYPE_CHECKING:
    from simbench.stats.regression import Design, Fit

__all__ = ["CODED", "Fitted", "fit_both", "fit_designs"]

INTERCEPT = "Intercept"
CODED = ("ordered_logit", "multinomial", "interval")
"""Families whose outcome is one of several levels, whatever these are called."""
FEW = 8
"""Rows are fitted as counts where there are at least so many for every different one."""
NO_BINS = "interval wants an item with bins as its outcome"


@dataclass(frozen=True, eq=False)
class Fitted:
    """One regression on both sides, intercepts left out.

    ``names`` are the coefficients, also where nothing was fitted (empty where there are not even columns).
    ``reason`` says what went wrong with the data as they are (row 0), ``remark`` what was done about it.
    """

    title: str
    names: tuple[str, ...]
    human: Fit | None
    simulated: Fit | None
    n_human: int
    n_simulated: int
    reason: str | None = None
    remark: str | None = None

    @property
    def words(self) -> str | None:
        """Reason and remark together."""
        return "; ".join(filter(None, (self.reason, self.remark))) or None


def fit_both(comparison: Comparison, regression: Regression) -> Fitted:
    """Fit one of the experiment's regressions under every row of weights, once for all who ask.

    Standard errors are clustered by the design's clusters, or by person where one person has several rows (several
    conditions, or several replicates); with survey weights they are those of the sandwich. Where a logit separates on
    either side, both sides get Firth's penalised logit with profile p-values instead, without resamples, which takes
    rows for independent.
    """
    return comparison.once(("fitted", regression), lambda: _fit_both(comparison, regression))


def _fit_both(comparison: Comparison, regression: Regression) -> Fitted:
    title = comparison.regression_titles()[regression]
    if not len(comparison.simulated):
        return Fitted(title, (), None, None, len(comparison.human), 0, "no ok simulated answers")
    blank = Fitted(title, (), None, None, len(comparison.human), len(comparison.simulated))
    designs = comparison.designs(regression.formula)
    if isinstance(designs, str):
        return replace(blank, reason=designs)
    outcome = next((item for item in comparison.design.items if item.name == designs[0].outcome_name), None)
    levels = None
    if regression.family == "interval" and (outcome is None or not outcome.spans):
        return replace(blank, reason=NO_BINS)
    if regression.family in CODED:
        levels = _levels(designs, None if outcome is None else outcome.values)
    return fit_designs(comparison, title, regression.family, designs, levels)


def fit_designs(
    comparison: Comparison, title: str, family: str, designs: tuple[Design, Design], levels: Floats | None = None
) -> Fitted:
    """Fit designs of both sides; ``levels`` (K,) are the outcome's values in order, for families of levels."""
    names = tuple(name for name in designs[0].names if name != INTERCEPT)
    if family == "multinomial":
        names = tuple(f"{level}: {name}" for level in _called(designs[0], levels)[1:] for name in names)
    n_human, n_simulated = (len(design.rows) for design in designs)
    blank = Fitted(title, names, None, None, n_human, n_simulated)
    if not n_human or not n_simulated:
        return replace(blank, reason=f"no complete {'simulated' if n_human else 'human'} row")
    if not names:
        return replace(blank, reason="no coefficient but the intercept")
    if reason := _unfit(family, designs):
        return replace(blank, reason=reason)
    human, simulated = (
        _fit(family, design, side, levels) for design, side in zip(designs, comparison.sides, strict=True)
    )
    why = _reasons(human, simulated)
    remark = None
    if family == "logit" and _separates(human, simulated):
        human, simulated = (_firth(design, side) for design, side in zip(designs, comparison.sides, strict=True))
        remark = f"{why}; Firth's penalised logit on both sides, without resamples"
        if any(side.clustered for side in comparison.sides):
            remark += ", its p-values as if rows were independent"
        remark += f", {UNWEIGHTED}" if comparison.weighted else ""
        why = _reasons(human, simulated)
    return replace(blank, human=human.select(names), simulated=simulated.select(names), reason=why, remark=remark)


def _reasons(human: Fit, simulated: Fit) -> str | None:
    found = [f"{who}: {fit.reason()}" for who, fit in (("human", human), ("simulated", simulated)) if fit.reason()]
    return "; ".join(found) or None


def _separates(human: Fit, simulated: Fit) -> bool:
    from simbench.stats.regression import Status

    states = {int(human.status[0]), int(simulated.status[0])}
    return int(Status.SEPARATION) in states and states <= {int(Status.SEPARATION), int(Status.OK)}


def _unfit(family: str, designs: tuple[Design, Design]) -> str | None:
    """Why the family cannot have these outcomes, if so."""
    from simbench.stats.regression.glm import FAMILIES

    if family in CODED:
        return None
    for who, design in zip(("human", "simulated"), designs, strict=True):
        if design.levels or not FAMILIES[family].admits(design.outcome):
            return f"{who}: {family} wants an outcome of {FAMILIES[family].wants}"
    return None


def _fit(family: str, design: Design, side: Side, levels: Floats | None) -> Fit:
    from simbench.stats.regression import reported

    survey = None if side.survey is None else side.survey[design.rows]
    clusters = side.people.unit_codes[design.rows] if side.clustered else None
    alike = None if side.clustered or survey is not None else _alike(design, side)
    if alike is not None:
        return reported(
            _fitted(family, *alike, levels, {}, None),
            family,
            design.outcome,
            design.matrix,
            side.weights[0, design.rows],
        )
    plain = "model" if survey is None else "HC1"
    robust = {"covariance": plain if clusters is None else "cluster", "clusters": clusters, "survey": survey}
    fit = _fitted(family, design, side.weights, levels, robust, design.rows)
    if survey is not None:
        return fit
    return reported(fit, family, design.outcome, design.matrix, side.weights[0, design.rows], clusters)


def _alike(design: Design, side: Side) -> tuple[Design, Floats] | None:
    """Different rows (u,) of outcome and predictors, and how often each is drawn (R, u); None where these are many.

    A weight is a frequency, so counts of equal rows give the same fit as the rows, for a fraction of the work.
    """
    from simbench.stats import distinct_rows

    found = distinct_rows([design.outcome, *design.matrix.T], len(design.rows) // FEW)
    if found is None:
        return None
    first, place = found
    codes = np.full(len(side), -1, dtype=np.int64)
    codes[design.rows] = place
    rows = replace(design, outcome=design.outcome[first], matrix=design.matrix[first], rows=design.rows[first])
    return rows, side.code_counts(codes, len(first))


def _fitted(
    family: str, design: Design, weights: Floats, levels: Floats | None, robust: dict[str, Any], among: Ints | None
) -> Fit:
    """Fit one design; ``among`` (n,) says which of the weights (R, N) are its rows', None where all are."""
    from simbench.stats.regression import fit_glm, fit_interval, fit_multinomial, fit_ordered

    if family not in CODED:
        return fit_glm(family, design.outcome, design.matrix, weights, names=design.names, **robust, among=among)
    weights = (weights if among is None else weights[:, among]).astype(np.float64, copy=False)
    if family == "ordered_logit":
        bare = design.without_intercept()
        codes = _bins(_sorted(levels), design.outcome)
        return fit_ordered(codes, bare.matrix, weights, names=bare.names, levels=list(_sorted(levels)), **robust)
    if family == "interval":
        edges = _sorted(levels)
        codes = _bins(edges, design.outcome)
        return fit_interval(codes, edges[1:], design.matrix, weights, names=design.names, **robust)
    if family == "multinomial":
        return fit_multinomial(
            _bins(_sorted(levels), design.outcome),
            design.matrix,
            weights,
            names=design.names,
            levels=_called(design, levels),
            **robust,
        )
    raise ValueError(f"no regression of the family {family!r}")


def _firth(design: Design, side: Side) -> Fit:
    """Firth's logit on the data as they are; the rows of resamples stay empty."""
    from simbench.stats.regression import Status, fit_firth
    from simbench.stats.regression.result import nan_fit

    drawn = side.weights[:1, design.rows]
    drawn = drawn if side.survey is None else np.rint(drawn / side.survey[design.rows])
    first = fit_firth(design.outcome, design.matrix, drawn, names=design.names, profile=True)
    full = nan_fit(design.names, len(side.weights))
    tests = np.full(full.estimates.shape, np.nan)
    full.estimates[:1], full.covariance[:1], full.status[:1] = first.estimates, first.covariance, first.status
    full.status[1:], full.n[:1] = int(Status.SEPARATION), first.n
    if first.tests is not None:
        tests[:1] = first.tests
    return replace(full, culprits=first.culprits, tests=tests)


def _called(design: Design, levels: Floats | None) -> list[object]:
    """What the levels (K,) of an outcome are called."""
    return list(design.levels) or [int(each) if float(each).is_integer() else each for each in _sorted(levels)]


def _levels(designs: tuple[Design, ...], values: tuple[object, ...] | None) -> Floats:
    """Values of an outcome of levels, lowest first: the item's options, or what occurs on either side."""
    if designs[0].levels:
        return np.arange(len(designs[0].levels), dtype=np.float64)
    occurring = np.unique(np.concatenate([design.outcome for design in designs]))
    if values is None or not all(isinstance(value, (int, float)) for value in values):
        return occurring
    return np.array(sorted(float(str(value)) for value in values))


def _bins(levels: Floats, outcome: Floats) -> Ints:
    """Which level (n,) each outcome is, or which bin a number falls into whose lowest numbers are the levels (K,)."""
    return np.searchsorted(levels, outcome, side="right") - 1


def _sorted(levels: Floats | None) -> Floats:
    return np.array([]) if levels is None else levels
