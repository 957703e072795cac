"""From a formula and data frames to numbers: outcome, design matrix, names.

Formulas are those of patsy, which statsmodels uses by default, within the bounds of
:mod:`simbench.stats.regression.language`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import ConfigError, closest
from simbench.stats._arrays import Floats, Ints
from simbench.stats.regression.language import (
    MOST_KNOTS,
    SPLINES,
    TRANSFORMS,
    called,
    columns_of,
    model_terms,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Design", "formula_columns", "formula_designs"]

INTERCEPT = "Intercept"
MOST_COLUMNS = 2000
UNFIT = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, NameError, SyntaxError, AssertionError)


@dataclass(frozen=True)
class Design:
    """One sample, ready to fit.

    Attributes:
        outcome_name: left side of the formula.
        outcome: (n,) of the complete rows. A categorical outcome is coded 0 .. K-1 in the order of its
            categories, a boolean one 0/1.
        levels: the categories of a categorical outcome, else empty.
        matrix: (n, p) design of the complete rows.
        names: of the p columns; the constant is ``Intercept``.
        rows: (n,) positions of the complete rows in the frame; use it to cut weights: ``weights[:, rows]``.
        terms: per column the position of its term in the formula (0 = intercept), to test terms together.
    """

    outcome_name: str
    outcome: Floats
    levels: tuple[Any, ...]
    matrix: Floats
    names: tuple[str, ...]
    rows: Ints
    terms: tuple[int, ...]

    def without_intercept(self) -> Design:
        """Return the design with no constant, as ordered models want it."""
        keep = [column for column, name in enumerate(self.names) if name != INTERCEPT]
        return Design(
            self.outcome_name,
            self.outcome,
            self.levels,
            self.matrix[:, keep],
            tuple(self.names[column] for column in keep),
            self.rows,
            tuple(self.terms[column] for column in keep),
        )


def formula_columns(formula: str) -> tuple[str, ...]:
    """Return the columns a formula needs, in alphabetical order.

    Raises:
        ConfigError: a formula that cannot be read, has not exactly one outcome, or uses an unknown function.
    """
    description = model_terms(formula)
    terms = [*description.lhs_termlist, *description.rhs_termlist]
    found: set[str] = set()
    for factor in {factor for term in terms for factor in term.factors}:
        found |= columns_of(factor.code, formula)
    return tuple(sorted(found))


def formula_designs(
    formula: str, *frames: pd.DataFrame, orders: Mapping[str, Sequence[Any]] | None = None
) -> tuple[Design, ...]:
    """Build the designs of several samples (human first) with the same columns.

    The levels of a categorical predictor are those that occur in any of the frames, in declared order
    (``orders``, or that of a pandas Categorical) and sorted otherwise; the first is the reference. An outcome
    that is true or false, as a comparison is, becomes 1 and 0. Data-dependent transforms
    (``center``, ``standardize``, splines) learn from the first frame only. Rows with a missing value in any
    column of the formula, or for which it is not finite (``log`` of 0), are left out of that sample.

    Args:
        formula: ``outcome ~ predictors``.
        frames: samples, each with the columns of the formula.
        orders: the values of columns in declared order, the first being the reference; columns may be left out.

    Raises:
        ConfigError: a formula that cannot be read, uses an unknown function, names a column that is missing,
        or compares a column with a value that it never has.
    """
    import patsy

    columns = formula_columns(formula)
    for frame in frames:
        for name in columns:
            if name not in frame.columns:
                near = closest(name, map(str, frame.columns))
                raise ConfigError(f"formula {formula!r} uses {name!r}, which is no column{near}")
    description = model_terms(formula)
    outcome = description.lhs_termlist[0]
    orders = orders or {}
    _refuse_unknown_values(description, formula, frames, orders)
    prepared, complete = _prepare(frames, columns, outcome.name(), _named_levels(description), orders)
    _refuse_too_wide(description, formula, prepared[0])
    right = patsy.ModelDesc([], description.rhs_termlist)
    try:
        with np.errstate(all="ignore"):  # log(0) leaves the row out, see below
            info = patsy.dmatrix(right, prepared[0], eval_env=_environment(), NA_action=_keep_all()).design_info
            return tuple(_design(outcome, info, frame, rows) for frame, rows in zip(prepared, complete))
    except (patsy.PatsyError, *UNFIT) as error:
        words = str(getattr(error, "message", error)).splitlines() or [type(error).__name__]
        raise ConfigError(f"formula {formula!r} cannot be evaluated: {words[0]}") from error


def _refuse_too_wide(description: Any, formula: str, frame: pd.DataFrame) -> None:
    """Raise ConfigError where the design would have too many columns to be built, let alone be fitted."""
    columns = sum(prod(_width(factor.code, frame) for factor in term.factors) for term in description.rhs_termlist)
    if columns > MOST_COLUMNS:
        raise ConfigError(
            f"formula {formula!r} comes to up to {columns:,} columns; expected at most {MOST_COLUMNS:,}"
        )


def _width(code: str, frame: pd.DataFrame) -> int:
    """At most how many columns one factor comes to."""
    tree = ast.parse(code, mode="eval").body
    functions = {called(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if functions & {*SPLINES}:
        return MOST_KNOTS
    if isinstance(tree, (ast.Compare, ast.BoolOp)):
        return 2
    names = [name for name in sorted(columns_of(code, code)) if name in frame]
    levels = functions & {"C", "where"} or any(hasattr(frame[name], "cat") for name in names)
    return len(frame[names].drop_duplicates()) if names and levels else 1


def _refuse_unknown_values(
    description: Any, formula: str, frames: tuple[pd.DataFrame, ...], orders: Mapping[str, Sequence[Any]]
) -> None:
    """Raise ConfigError for ``column == value`` where the column neither has nor declares such a value.

    It would be false for everybody, and a regression on it about nothing.
    """
    terms = [*description.lhs_termlist, *description.rhs_termlist]
    for code in {factor.code for term in terms for factor in term.factors}:
        for column, value in _compared(ast.parse(code, mode="eval").body):
            if not any(column in frame for frame in frames):
                continue
            known = {*orders.get(column, ())}.union(*(frame[column].dropna().unique() for frame in frames))
            if value not in known:
                near = closest(value, map(str, known)) if isinstance(value, str) else ""
                raise ConfigError(f"formula {formula!r}: {column!r} never has the value {value!r}{near}")


def _compared(tree: ast.expr) -> Iterator[tuple[str, Any]]:
    """Every (column, constant) that is compared for being equal."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, (ast.Eq, ast.NotEq)):
                for name, constant in ((left, right), (right, left)):
                    if isinstance(name, ast.Name) and isinstance(constant, ast.Constant):
                        yield name.id, constant.value


def _named_levels(description: Any) -> set[str]:
    """Columns that stand nowhere but within ``C(...)``: numbers in them are names of levels."""
    codes = {factor.code for term in description.rhs_termlist for factor in term.factors}
    inside: set[str] = set()
    outside: set[str] = set()
    for code in codes:
        tree = ast.parse(code, mode="eval").body
        named = isinstance(tree, ast.Call) and called(tree.func) == "C"
        named = named and bool(tree.args) and isinstance(tree.args[0], ast.Name)
        (inside if named else outside).update(columns_of(code, code))
    return inside - outside


def _environment() -> Any:
    import patsy

    numpy = type("numpy", (), {name: staticmethod(function) for name, function in TRANSFORMS.items()})
    return patsy.EvalEnvironment([{**TRANSFORMS, "C": _levels, "np": numpy, "numpy": numpy}])


def _levels(data: Any, contrast: Any = None, levels: Any = None) -> Any:
    """patsy's ``C``, which reads a Categorical value by value unless it is left as it is."""
    import patsy

    known = contrast is None and levels is None and hasattr(data, "cat")
    return data if known else patsy.builtins.C(data, contrast, levels)


def _prepare(
    frames: tuple[pd.DataFrame, ...],
    columns: tuple[str, ...],
    outcome: str,
    named: set[str],
    orders: Mapping[str, Sequence[Any]],
) -> tuple[list[pd.DataFrame], list[Ints]]:
    """Return the complete rows of each sample as floats and Categoricals of shared levels, and where they
    were."""
    import pandas as pd

    complete = [np.flatnonzero(frame[list(columns)].notna().all(axis=1).to_numpy()) for frame in frames]
    cut = [frame.iloc[rows] for frame, rows in zip(frames, complete)]
    prepared: list[dict[str, Any]] = [{} for _ in frames]
    for name in columns:
        parts = [frame[name] for frame in cut]
        if all(pd.api.types.is_numeric_dtype(part.dtype) for part in parts):
            numbers = [part.to_numpy(dtype=np.float64) for part in parts]
            shared = None
            if name in named and name != outcome:
                shared = _in_order(set(np.concatenate(numbers).tolist()), orders.get(name, ()))
            for target, number in zip(prepared, numbers):
                target[name] = number if shared is None else pd.Categorical(number, categories=shared)
            continue
        occurring = set().union(*(part.unique() for part in parts))
        categories = [part.dtype.categories for part in parts if isinstance(part.dtype, pd.CategoricalDtype)]
        declared: Sequence[Any] = orders.get(name) or (categories[0].tolist() if categories else ())
        # A level of a predictor that nobody has would be an empty column; an outcome keeps its whole scale.
        levels = _in_order(occurring | set(declared) if name == outcome else occurring, declared)
        for target, part in zip(prepared, parts):
            target[name] = pd.Categorical(part.astype(object), categories=levels)
    return [pd.DataFrame(table, index=range(rows.size)) for table, rows in zip(prepared, complete)], complete


def _in_order(occurring: set[Any], declared: Sequence[Any]) -> list[Any]:
    """Levels as declared, then the others sorted."""
    first = [level for level in declared if level in occurring]
    return first + sorted(occurring - set(first), key=lambda level: (str(type(level)), level))


def _design(outcome: Any, info: Any, frame: pd.DataFrame, rows: Ints) -> Design:
    import patsy

    name = outcome.name()
    levels: tuple[Any, ...] = ()
    if name not in frame:
        built = patsy.dmatrix(patsy.ModelDesc([], [outcome]), frame, eval_env=_environment(), NA_action=_keep_all())
        truth = [each.categories for each in built.design_info.factor_infos.values()] == [(False, True)]
        if built.shape[1] != 1 and not truth:
            raise ConfigError(f"the outcome {name!r} must be one number per row")
        left = np.asarray(built, dtype=np.float64)[:, -1]
    elif hasattr(frame[name], "cat"):
        levels = tuple(frame[name].cat.categories)
        left = frame[name].cat.codes.to_numpy(dtype=np.float64)
    else:
        left = frame[name].to_numpy(dtype=np.float64)
    right = np.asarray(patsy.build_design_matrices([info], frame, NA_action=_keep_all())[0], dtype=np.float64)
    finite = np.isfinite(left) & np.isfinite(right).all(axis=1)
    spans = info.term_name_slices.values()
    first = 0 if INTERCEPT in info.column_names else 1
    terms = (first + at for at, span in enumerate(spans) for _ in range(span.stop - span.start))
    return Design(
        outcome_name=name,
        outcome=left[finite],
        levels=levels,
        matrix=np.ascontiguousarray(right[finite]),
        names=tuple(info.column_names),
        rows=rows[finite],
        terms=tuple(terms),
    )


def _keep_all() -> Any:
    """Keep every row: the missing ones are gone already."""
    import patsy

    return patsy.NAAction(NA_types=[])
