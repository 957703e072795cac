"""Every regression of a study tried on its people alone, before anybody is asked anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simbench.design import Design, People, Regression
from simbench.errors import ConfigError
from simbench.metrics.fitting import CODED

if TYPE_CHECKING:
    from simbench.stats.regression import Design as Sample

__all__ = ["refuse_unfit", "weak_regressions"]

MOST_LEVELS = 50


def refuse_unfit(people: People) -> None:
    """Raise ConfigError naming every regression that these outcomes and predictors can never have.

    Such a regression is at odds with the study itself: a formula that cannot be evaluated, or an outcome that
    its family cannot take. The message says what would work.
    """
    problems = [f"{each.formula!r}: {words}" for each in people.design.regressions if (words := _unfit(people, each))]
    if problems:
        head = f"{people.design.name}: {len(problems)} regression(s) that cannot be fitted to its people"
        raise ConfigError("\n".join([head, *(f"  {line}" for line in problems)]))


def weak_regressions(people: People) -> tuple[str, ...]:
    """A sentence for every regression that has no plain fit on these people, or loses some of those who answered."""
    said = []
    for each in people.design.regressions:
        if words := _weak(people, each):
            said.append(f"regression {each.formula!r} has no plain fit on these people: {words}")
        elif lost := _lost(people, each):
            said.append(f"regression {each.formula!r} leaves out {lost} people who answered: it is no finite number")
    return tuple(said)


def _sample(people: People, regression: Regression) -> Sample:
    from simbench.stats.regression import formula_designs

    return formula_designs(regression.formula, people.formula_frame(), orders=people.design.orders)[0]


def _unfit(people: People, regression: Regression) -> str | None:
    """Why the study cannot have this regression, and what it can have; None where all is well."""
    from simbench.stats.regression.glm import FAMILIES

    if not _complete(people, regression):
        return None  # a matter of who answered, see :func:`weak_regressions`
    try:
        sample = _sample(people, regression)
    except ConfigError as error:
        return str(error).removeprefix(f"formula {regression.formula!r} ").removeprefix("cannot be evaluated: ")
    if regression.family in CODED:
        return _unfit_levels(people, regression.family, sample)
    family = FAMILIES[regression.family]
    if not sample.levels and family.admits(sample.outcome):
        return None
    other = ", or take the family multinomial" if len(sample.levels) > 2 else ""
    return f"{regression.family} wants {family.wants}; found {_found(sample)}; {_instead(sample)}{other}"


def _unfit_levels(people: People, family: str, sample: Sample) -> str | None:
    """The same for families whose outcome is one of several levels."""
    item = next((each for each in people.design.items if each.name == sample.outcome_name), None)
    if family == "multinomial" and len(_values(sample)) > MOST_LEVELS:
        return f"multinomial wants at most {MOST_LEVELS} levels; found {_found(sample)}"
    if family == "interval" and (item is None or len(item.spans) < 3):
        return f"interval wants an item with three or more bins; {_instead(sample)}"
    if family == "ordered_logit" and item is not None and not item.ordered and len(item.values) > 2:
        return (
            f"ordered_logit wants ordered answers, and those of {item.name!r} are not; "
            f"{_instead(sample)}, or take the family multinomial"
        )
    return None


def _lost(people: People, regression: Regression) -> int:
    """How many rows with every answer are left out, since the formula (a logarithm of 0) is not finite there."""
    columns = _columns(people.design, regression)
    return int(people.frame[columns].notna().all(axis=1).sum()) - len(_sample(people, regression).rows)


def _complete(people: People, regression: Regression) -> bool:
    from simbench.stats.regression import formula_columns

    columns = [name for name in formula_columns(regression.formula) if name in people.frame]
    return bool(people.frame[columns].notna().all(axis=1).any())


def _values(sample: Sample) -> list[object]:
    if sample.levels:
        return list(sample.levels)
    return [int(value) if value.is_integer() else value for value in sorted(set(sample.outcome.tolist()))]


def _found(sample: Sample) -> str:
    shown = [repr(value) for value in _values(sample)]
    return ", ".join(shown if len(shown) < 7 else [*shown[:5], "..."])


def _instead(sample: Sample) -> str:
    """An outcome that says the like of this one as 0 and 1."""
    values, name = _values(sample), sample.outcome_name
    if not name.isidentifier():
        return "write a comparison as the outcome, as in (answer == 'yes')"
    if sample.levels or len(values) == 2:
        return f"write ({name} == {values[-1]!r}) as the outcome of a logit"
    return f"write ({name} > {values[len(values) // 2]!r}), or another bound, as the outcome of a logit"


def _weak(people: People, regression: Regression) -> str | None:
    from simbench.stats.regression import fit_glm, fit_interval, fit_multinomial, fit_ordered

    if not _complete(people, regression):
        return f"nobody answered all of {', '.join(_columns(people.design, regression))}"
    sample = _sample(people, regression)
    if not len(sample.rows):
        return "no row is complete and finite"
    sample = _binned(people, regression, sample)
    if regression.family == "ordered_logit":
        plain, codes = sample.without_intercept(), np.unique(sample.outcome, return_inverse=True)[1]
        return fit_ordered(codes, plain.matrix, names=plain.names).reason()
    if regression.family == "interval":
        edges = np.array([float(value) for value in people.design.item(sample.outcome_name).values])
        codes = np.searchsorted(edges, sample.outcome)
        return fit_interval(codes, edges[1:], sample.matrix, names=sample.names).reason()
    if regression.family == "multinomial":
        found, codes = np.unique(sample.outcome, return_inverse=True)
        if len(found) < 2:
            return "everyone gave the same answer to the outcome"
        return fit_multinomial(codes.reshape(-1), sample.matrix, names=sample.names).reason()
    return fit_glm(regression.family, sample.outcome, sample.matrix, names=sample.names).reason()


def _binned(people: People, regression: Regression, sample: Sample) -> Sample:
    """The sample, a number as its bin where the family takes levels."""
    item = next((each for each in people.design.items if each.name == sample.outcome_name), None)
    if regression.family not in CODED or item is None or not item.spans:
        return sample
    edges = np.array([float(value) for value in item.values])
    return replace(sample, outcome=edges[np.searchsorted(edges, sample.outcome, side="right") - 1])


def _columns(design: Design, regression: Regression) -> list[str]:
    from simbench.stats.regression import formula_columns

    return [name for name in formula_columns(regression.formula) if name in design.columns]
