"""What is estimated of people and predictions of them: means and shares, effects of treatments, coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtr

from simbench.arrays import Bools, Floats, Ints
from simbench.design import Item, People, Regression
from simbench.errors import ConfigError
from simbench.stats.crossfit import (
    WORTHWHILE,
    CrossFitted,
    Evidence,
    Rows,
    crossfit_contrast,
    crossfit_glm,
    crossfit_ordered,
    median_of_splits,
)

if TYPE_CHECKING:
    import pandas as pd

    from simbench.stats.regression import Design

__all__ = ["COLUMNS", "Material", "Told", "estimates", "facts", "outcomes", "over_splits", "values_of"]

GLM = ("ols", "logit", "poisson")
COLUMNS = (
    *("kind", "item", "term", "subgroup", "level"),
    *("human", "human_low", "human_high", "estimate", "low", "high", "p", "simulated"),
    *("width_ratio", "more_humans", "n_human", "n_unlabelled", "power", "note"),
)
FACTS = ("human_error", "informed_error", "spent", "free")
KEYS = ["kind", "item", "term", "subgroup", "level"]
NOTHING = "the simulation adds nothing: the human estimate"
ADDS = 1 - 1e-9
"""At a ratio of widths above this the estimate is that of humans alone."""


@dataclass(frozen=True, eq=False)
class Told:
    """Predicted rows (m,): ``people`` with drawn answers, whose (``unit``), how heavy, under their own arm or not.

    ``share`` (m,) is the share of people in the row's arm, by which rows under every arm are weighted.

    ``owner`` (m,) is the labelled row that it predicts (labelled people), or the person (unlabelled). ``chances``
    maps items to option probabilities (m, K), where there are any.
    """

    people: People
    owner: Ints
    unit: Ints
    weight: Floats
    share: Floats
    own: Bools
    chances: Mapping[str, Floats] = field(default_factory=dict)

    def expected(self, item: Item, values: Floats) -> Floats:
        """What is expected (m,) of options worth ``values`` (K,): by chances where there are any, else as drawn."""
        if item.name in self.chances:
            return np.asarray(self.chances[item.name] @ values)
        return outcomes(self.people, item, values)


@dataclass(frozen=True, eq=False)
class Material:
    """Everybody: labelled people (n,) with answers and unit codes (n,), predictions of them and of others.

    ``arms``: predictions of the labelled under every arm are there, and arms were assigned by chance.
    """

    human: People
    unit: Ints
    told: Told | None
    others: Told | None
    arms: bool
    level: float = 0.95

    @property
    def per_unit(self) -> float:
        """Persons per unit: 1 without clusters."""
        return float(self.human.person.nunique() / np.unique(self.unit).size)


def values_of(item: Item) -> dict[str, Floats]:
    """What is averaged of an item: its numbers where it is ordered, else membership of each option; (K,) each."""
    if item.ordered:
        numbers = item.numbers
        return {"": np.arange(len(item.values), dtype=np.float64) if numbers is None else np.array(numbers)}
    return {str(value): np.eye(len(item.values))[at] for at, value in enumerate(item.values)}


def outcomes(people: People, item: Item, values: Floats) -> Floats:
    """Answers (n,) as numbers, NaN where there is none: the number given to a binned item, where it is known."""
    codes = people.codes(item.name)
    counted = np.where(codes >= 0, values[codes], np.nan)
    if not (item.spans and item.ordered):
        return counted
    given = people.numbers(item.name)
    return np.where(np.isnan(given), counted, given)


def estimates(material: Material) -> pd.DataFrame:
    """One row per estimand, with the columns ``COLUMNS``; what cannot be computed has a note and no numbers."""
    return facts(material)[list(COLUMNS)]


def facts(material: Material) -> pd.DataFrame:
    """Estimates, and what forecasts of other sizes rest on.

    ``human_error`` is the standard error of humans alone, ``informed_error`` the one by the inverse information where
    the mean settles the variance (logit, ordered logit), ``spent`` the coefficients fitted (0 for means, whose
    design is not by chance), and ``free`` the degrees of freedom of the interval.
    """
    import pandas as pd

    rows = [*_means(material), *_effects(material), *_coefficients(material)]
    return pd.DataFrame(rows, columns=[*COLUMNS, *FACTS])


def over_splits(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Facts of the same people under several random splits into folds as one table, with the columns ``COLUMNS``.

    Estimates and errors are put together by :func:`simbench.stats.crossfit.median_of_splits`; where that is no gain
    over humans alone, the estimate is the human one, as with one split.
    """
    import pandas as pd

    if len(found) == 1:
        return found[0][list(COLUMNS)]
    groups = pd.concat(found).groupby(KEYS, sort=False, dropna=False)
    rows = [_over_splits(part.to_dict("records"), len(found)) for _, part in groups]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _over_splits(rows: Sequence[Mapping[Any, Any]], splits: int) -> dict[Any, Any]:
    """One estimand's rows, of every split that has it, as one."""
    known = [row for row in rows if np.isfinite(row["width_ratio"])]
    if not known:
        return dict(rows[0])
    row = dict(known[0])
    human, error = row["human"], row["human_error"]
    middle, spread = median_of_splits(
        np.array([each["estimate"] for each in known]), np.array([each["width_ratio"] * error for each in known])
    )
    adds = bool(spread**2 < WORTHWHILE * error**2)
    estimate, together = (float(middle), float(spread)) if adds else (human, error)
    half = together * (row["human_high"] - row["human_low"]) / (2 * error)
    told = [each["note"] for each in known if isinstance(each["note"], str)]
    said = [note for each in told for note in each.split("; ") if note != NOTHING]
    missing = [f"in {len(known)} of {splits} splits"] if len(known) < splits else []
    notes = dict.fromkeys([*([] if adds else [NOTHING]), *said, *missing])
    strengths = [[float(text) for text in each["power"].split()] for each in known]
    strengths = [each for each in strengths if len(each) == max(map(len, strengths))]
    ratio = together / error
    return row | {
        "estimate": estimate,
        "low": estimate - half,
        "high": estimate + half,
        "p": row["p"] if np.isnan(row["p"]) else 2 * float(stdtr(row["free"], -abs(estimate) / together)),
        "simulated": float(np.median([each["simulated"] for each in known])),
        "width_ratio": ratio,
        "more_humans": row["n_human"] * (ratio**-2 - 1),
        "power": " ".join(f"{each:.2f}" for each in np.median(strengths, axis=0) * adds),
        "note": "; ".join(notes) or None,
    }


def _means(material: Material) -> Iterator[dict[str, Any]]:
    """Means and shares: of everybody, of every subgroup level, of every arm."""
    people = material.human
    groups: list[tuple[str | None, str | None]] = [(None, None)]
    for variable in (each.name for each in people.design.subgroups):
        groups += [(variable, level) for level in people.levels(variable)]
    if people.design.factors:
        groups += [("condition", name) for name in people.levels("condition")]
    masks = {group: _members(material, *group) for group in groups}
    for item in people.design.items:
        for option, values in values_of(item).items():
            for group in groups:
                evidence = _mean_evidence(material, item, values, masks[group])
                found = crossfit_glm("ols", evidence, names=("mean",), level=material.level)
                kind = "share" if option else "mean"
                yield _row(material, found, 0, (kind, item.name, option), group)


def _effects(material: Material) -> Iterator[dict[str, Any]]:
    """Marginal effects of every factor's levels against its first."""
    design = material.human.design
    for item in design.items:
        for option, values in values_of(item).items():
            for factor in design.factors:
                first, *levels = factor.words
                for level in levels:
                    sides = [
                        _mean_evidence(material, item, values, _at(material, factor.name, value))
                        for value in (level, first)
                    ]
                    found = crossfit_contrast(*sides, level=material.level)
                    term = f"{factor.name}: {factor.words[level]} - {factor.words[first]}"
                    term += f" ({option})" if option else ""
                    yield _row(material, found, 0, ("effect", item.name, term))


Masks = tuple[Bools, Bools | None, Bools | None]


def _members(material: Material, variable: str | None, level: str | None) -> Masks:
    """Who belongs to a level, among people, predictions, and predictions of others."""

    def among(people: People) -> Bools:
        if variable is None:
            return np.ones(len(people), dtype=bool)
        return (people.level(variable) == level).to_numpy(dtype=bool)

    return _masks(material, among)


def _at(material: Material, factor: str, value: Any) -> Masks:
    return _masks(material, lambda people: (people.frame[factor] == value).to_numpy(dtype=bool))


def _masks(material: Material, among: Callable[[People], Bools]) -> Masks:
    told, others = material.told, material.others
    return (
        among(material.human),
        None if told is None else among(told.people),
        None if others is None else among(others.people),
    )


def _mean_evidence(material: Material, item: Item, values: Floats, masks: Masks) -> Evidence:
    """A mean: intercepts only."""
    answers = outcomes(material.human, item, values)
    answered = np.isfinite(answers)

    def rows(told: Told, among: Bools, weights: Floats) -> Rows:
        number = told.expected(item, values)[among]
        return Rows(number, np.ones((len(number), 1)), told.unit[among], weights[among])

    kept = np.flatnonzero(answered & masks[0])
    survey = material.human.survey
    weights = None if survey is None else survey[kept]
    human = Rows(answers[kept], np.ones((len(kept), 1)), material.unit[kept], weights)
    return _evidence(material, human, answered, masks, rows)


def _evidence(
    material: Material, human: Rows, answered: Bools, masks: Masks, rows: Callable[[Told, Bools, Floats], Rows]
) -> Evidence:
    """Human rows with the predictions of those who answered, and of others; none where a kind has no rows."""
    told, others = material.told, material.others
    if told is None or masks[1] is None:
        return Evidence(human)
    here = answered[told.owner] & masks[1]
    own = here & told.own
    if not own.any():
        return Evidence(human)
    arms = rows(told, here, told.weight * told.share) if material.arms else None
    far = None
    if others is not None and masks[2] is not None and masks[2].any():
        far = rows(others, masks[2], others.weight * others.share)
    return Evidence(human, rows(told, own, told.weight), arms, far)


def _coefficients(material: Material) -> Iterator[dict[str, Any]]:
    """Every coefficient of the study's regressions but the intercepts."""
    titles: dict[str, int] = {}
    for regression in material.human.design.regressions:
        titles[regression.title] = titles.get(regression.title, 0) + 1
        title = regression.title + (f" ({titles[regression.title]})" if titles[regression.title] > 1 else "")
        found = _fitted(material, regression)
        if isinstance(found, str):
            yield _missing({"kind": "coefficient", "item": title, "term": ""}, found)
            continue
        for at, name in enumerate(found.names):
            if name != "Intercept":
                yield _row(material, found, at, ("coefficient", title, name))


def _fitted(material: Material, regression: Regression) -> CrossFitted | str:
    from simbench.stats.regression import formula_designs

    if regression.family not in (*GLM, "ordered_logit"):
        return f"no estimate from people and simulations together for the family {regression.family}"
    told, others = material.told, material.others
    frames = [each.people.formula_frame() for each in (told, others) if each is not None]
    orders = material.human.design.orders
    try:
        human, *simulated = formula_designs(
            regression.formula, material.human.formula_frame(), *frames, orders=orders
        )
    except ConfigError as error:
        return str(error)
    shape = _Model(material.human, regression, human)
    if shape.reason:
        return shape.reason
    answered = np.isin(np.arange(len(material.human)), human.rows)

    def rows(of: Told, among: Bools, weights: Floats) -> Rows:
        design = simulated[0] if of is told else simulated[-1]
        kept = among[design.rows]
        at = design.rows[kept]
        return Rows(shape.told(of, design)[kept], shape.matrix(design)[kept], of.unit[at], weights[at])

    survey = material.human.survey
    own = Rows(
        shape.people(),
        shape.matrix(human),
        material.unit[human.rows],
        None if survey is None else survey[human.rows],
    )
    masks = _members(material, None, None)
    evidence = _evidence(material, own, answered, masks, rows)
    if regression.family == "ordered_logit":
        names = human.without_intercept().names
        return crossfit_ordered(evidence, len(shape.held), names=names, level=material.level)
    return crossfit_glm(regression.family, evidence, names=human.names, level=material.level)


class _Model:
    """A regression's outcome and design, of people and of predictions."""

    def __init__(self, people: People, regression: Regression, human: Design) -> None:
        from simbench.stats.regression.glm import FAMILIES

        self._people, self._human = people, human
        self._ordered = regression.family == "ordered_logit"
        self._item = next((item for item in people.design.items if item.name == human.outcome_name), None)
        self.reason = ""
        self.held: Ints = np.array([], dtype=np.int64)
        if self._ordered and self._item is None:
            self.reason = "an ordered logit of people and simulations together wants an item as its outcome"
        elif self._ordered and self._item is not None:
            self.held = np.unique(people.codes(self._item.name)[human.rows])
        elif human.levels or not FAMILIES[regression.family].admits(human.outcome):
            self.reason = f"{regression.family} wants an outcome of {FAMILIES[regression.family].wants}"
        self._asked_before = self._outcome_is_last(regression)

    def _outcome_is_last(self, regression: Regression) -> bool:
        """Whether every item among the predictors is asked before the outcome, whose chances then know of it."""
        from simbench.stats.regression import formula_columns

        order = [item.name for item in self._people.design.items]
        left = formula_columns(f"{regression.outcome} ~ 1")
        right = formula_columns(regression.formula)
        outcome = [order.index(name) for name in left if name in order]
        predictors = [order.index(name) for name in right if name in order and name not in left]
        return not predictors or (bool(outcome) and max(predictors) < min(outcome))

    def matrix(self, design: Design) -> Floats:
        return design.without_intercept().matrix if self._ordered else design.matrix

    def people(self) -> Floats:
        if not self._ordered or self._item is None:
            return self._human.outcome
        return self._shares(np.eye(len(self._item.values))[self._people.codes(self._item.name)[self._human.rows]])

    def told(self, told: Told, design: Design) -> Floats:
        """Outcomes as expected, where chances are known that know of the predictors; else as drawn."""
        if self._ordered and self._item is not None:
            if self._asked_before and self._item.name in told.chances:
                return self._shares(told.chances[self._item.name][design.rows])
            return self._shares(np.eye(len(self._item.values))[told.people.codes(self._item.name)[design.rows]])
        expected = self._expected(told, design) if self._asked_before else None
        return design.outcome if expected is None else expected

    def _shares(self, chances: Floats) -> Floats:
        """Shares of the levels that people gave; others count as the nearest of these."""
        nearest = np.abs(np.arange(chances.shape[1])[:, None] - self.held[None, :]).argmin(axis=1)
        return np.asarray(chances @ np.eye(len(self.held))[nearest])

    def _expected(self, told: Told, design: Design) -> Floats | None:
        import pandas as pd

        from simbench.stats.regression import formula_columns, formula_designs

        named = formula_columns(f"{design.outcome_name} ~ 1")
        item = next((each for each in self._people.design.items if named == (each.name,)), None)
        if item is None or item.name not in told.chances:
            return None
        options = pd.DataFrame({item.name: list((item.numbers if item.spans else None) or item.values)})
        orders = self._people.design.orders
        (each,) = formula_designs(f"{design.outcome_name} ~ 1", options, orders=orders)
        codes = told.people.codes(item.name)[design.rows]
        # What learns from the data it is given (center, standardize) is another outcome on the options alone.
        if len(each.rows) < len(options) or not np.allclose(each.outcome[codes], design.outcome):
            return None
        return np.asarray(told.chances[item.name][design.rows] @ each.outcome)


def _row(
    material: Material,
    found: CrossFitted,
    at: int,
    what: tuple[str, str, str],
    group: tuple[str | None, str | None] = (None, None),
) -> dict[str, Any]:
    """One estimand (``what``: kind, item, term) as a row of the table; people are counted, not clusters of them."""
    row: dict[str, Any] = dict(zip(("kind", "item", "term", "subgroup", "level"), (*what, *group), strict=True))
    row |= {"n_human": round(found.n * material.per_unit), "n_unlabelled": found.n_unlabelled}
    if not np.isfinite(found.estimates[at]):
        return {**row, "note": found.reason}
    ratio = float(found.width_ratio[at])
    adds = np.isfinite(ratio) and ratio < ADDS
    notes = [found.reason] if found.reason else [] if adds else [NOTHING]
    if found.n < 30:
        notes.append("fewer than 30 people or clusters: trust the interval less")
    strength = found.power[at][np.isfinite(found.power[at])]
    return row | {
        "human": float(found.human[at]),
        "human_low": float(found.human_low[at]),
        "human_high": float(found.human_high[at]),
        "estimate": float(found.estimates[at]),
        "low": float(found.low[at]),
        "high": float(found.high[at]),
        "p": np.nan if what[0] in ("mean", "share") else float(found.p_values[at]),
        "simulated": float(found.simulated[at]),
        "width_ratio": ratio,
        "more_humans": float(found.more_humans[at]) * material.per_unit,
        "power": " ".join(f"{each:.2f}" for each in strength),
        "note": "; ".join(notes) or None,
        "human_error": float(found.human_errors[at]),
        "informed_error": np.nan if found.informed is None else float(found.informed[at]),
        "spent": found.spent if what[0] == "coefficient" else 0,
        "free": found.free,
    }


def _missing(where: Mapping[str, str], reason: str) -> dict[str, Any]:
    return {**where, "note": reason}
