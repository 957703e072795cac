"""Rules over columns, as a declared experiment may hold them.

They come from a file that somebody else may have written, so they must not run code: a rule is parsed with
``ast``, everything but a short list of constructs is refused, and what is left is evaluated by walking the
tree.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from simbench.design import Value
from simbench.design.numbers import as_number
from simbench.errors import ConfigError, closest, strict_reading

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Amount", "Rule"]

Columns = Mapping[str, Collection[Value] | None]

LONGEST, DEEPEST, LARGEST = 4000, 50, 10**15

ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda column, values: column.isin(values),
    ast.NotIn: lambda column, values: ~column.isin(values),
}


@dataclass(frozen=True)
class Rule:
    """A condition on the columns of a frame, such as ``(p_harm > 5) == (cong_mesg == 1)``.

    Allowed: column names, numbers, text in quotes, ``+ - * /``, comparisons (chained ones too), ``in`` and
    ``not in`` with a list, ``and``, ``or``, ``not``, brackets.
    """

    text: str
    tree: ast.expr
    columns: frozenset[str]

    @classmethod
    def parse(cls, text: str, columns: Columns) -> Rule:
        """Check an expression over ``columns`` (name to the values it can take, or None where any can be).

        Raises ConfigError for what is not allowed, for unknown columns, and for a comparison with a value
        that the column can never take.
        """
        tree = _parsed(text)
        said = _short(text)
        if not _is_truth(tree):
            raise ConfigError(f"{said!r} is neither true nor false: expected a comparison")
        _check(tree, columns, said)
        used = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        if not used:
            raise ConfigError(f"{said!r} speaks of no column{closest('', columns)}")
        return cls(text, tree, used)

    @property
    def calculated(self) -> frozenset[str]:
        """The columns that it calculates with, and not only compares."""
        sums = [node for node in ast.walk(self.tree) if isinstance(node, ast.BinOp | ast.UnaryOp)]
        sums = [node for node in sums if not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))]
        return frozenset(each.id for node in sums for each in ast.walk(node) if isinstance(each, ast.Name))

    def holds(self, frame: pd.DataFrame) -> pd.Series:
        """Whether the rule holds: boolean (n,), <NA> in rows where any column it speaks of is missing.

        Raises ConfigError where it compares what cannot be compared (a number with a text).
        """
        import pandas as pd

        used = frame[sorted(self.columns)]
        complete = used.dropna()
        kinds = complete.convert_dtypes()
        numbers = [name for name in kinds if pd.api.types.is_numeric_dtype(kinds[name].dtype)]
        complete = complete.astype(object).astype(dict.fromkeys(numbers, float))  # whole numbers would overflow
        for name in sorted(self.calculated - set(numbers)):
            if len(complete):
                raise ConfigError(f"{_short(self.text)!r} calculates with {name!r}, which holds text")
        try:
            held = _value(self.tree, complete)
        except TypeError as error:
            words = str(error).splitlines()[0]
            raise ConfigError(f"{_short(self.text)!r} cannot be evaluated on these columns: {words}") from error
        result: pd.Series = held.astype("boolean").reindex(used.index)
        return result


@dataclass(frozen=True)
class Amount:
    """A number computed from columns: ``2024 - birth_year``, or 1 and 0 for ``marital in ['married', 'widowed']``."""

    text: str
    tree: ast.expr
    columns: frozenset[str]

    @classmethod
    def parse(cls, text: str, truth: bool = False) -> Amount:
        """Check an expression; ``truth`` allows comparisons. Raises ConfigError for what is not allowed."""
        tree, said = _parsed(text), _short(text)
        used = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        if (_is_truth(tree) and not truth) or not used:
            raise ConfigError(f"{said!r} is no number computed from columns")
        _check(tree, dict.fromkeys(used), said)
        return cls(text, tree, used)

    def value(self, frame: pd.DataFrame) -> pd.Series:
        """The number (n,) in every row, missing where any column it speaks of is missing or the result not finite.

        Raises ConfigError for columns that are not there, and for text in those that it calculates with.
        """
        import numpy as np
        import pandas as pd

        for name in sorted(self.columns - set(frame)):
            raise ConfigError(f"{_short(self.text)!r}: no column {name!r}{closest(name, map(str, frame.columns))}")
        if _is_truth(self.tree):
            return Rule(self.text, self.tree, self.columns).holds(frame).astype("Float64").astype(float)
        numbers = {}
        for name in sorted(self.columns):
            numbers[name] = frame[name].astype(object).map(as_number).astype(float)
            lost = numbers[name].isna() & frame[name].notna() & (frame[name].astype(object) != "")
            if lost.any():
                row = int(np.flatnonzero(lost.to_numpy())[0])
                found = _short(repr(frame[name].iloc[row]))
                raise ConfigError(f"{_short(self.text)!r} calculates with {name!r}; row {row + 1} holds {found}")
        with np.errstate(all="ignore"):
            found = _value(self.tree, pd.DataFrame(numbers, index=frame.index))
        result: pd.Series = found.where(np.isfinite(found))
        return result


class _Negatives(ast.NodeTransformer):
    """Makes one constant of a minus and a number."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return ast.copy_location(ast.Constant(-number), node)
        return self.generic_visit(node)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ConfigError(f"{_short(text)!r} has {len(text)} characters; expected at most {LONGEST}")
    try:
        with strict_reading():
            tree: ast.AST = ast.parse(text.strip(), mode="eval").body
        level = [tree]
        for _ in range(DEEPEST):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        if level:
            raise ConfigError(f"{_short(text)!r} nests more than {DEEPEST} deep")
        checked: ast.expr = _Negatives().visit(tree)
        return checked
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{_short(text)!r} is not an expression: {str(error) or 'too deep'}") from error


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_truth(node: ast.AST) -> bool:
    """Whether a node is true or false, as opposed to a number or a text."""
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated or isinstance(node, ast.Compare | ast.BoolOp)


def _check(node: ast.expr, columns: Columns, text: str) -> None:
    """Refuse whatever :func:`_value` does not know."""
    match node:
        case ast.BoolOp(values=parts) if all(map(_is_truth, parts)):
            pass
        case ast.UnaryOp(op=op, operand=part) if isinstance(op, ast.Not if _is_truth(part) else ast.USub):
            parts = [part]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            parts = [left, right]
            if any(map(_is_truth, parts)):
                raise ConfigError(f"{text!r} calculates with what is true or false")
            if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
                raise ConfigError(f"{text!r} calculates with text")
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARISONS for op in ops):
            parts = [left, *(each for each in others if not isinstance(each, ast.List | ast.Tuple))]
            _check_values(node, columns, text)
        case ast.Name(id=name):
            if name not in columns:
                raise ConfigError(f"{text!r}: no column {name!r}{closest(name, columns)}")
            parts = []
        case ast.Constant(value=value) if isinstance(value, str) or _is_number(value):
            _check_size(value, text)
            parts = []
        case _:
            raise ConfigError(
                f"{text!r}: {type(node).__name__} is not allowed; expected columns, numbers, text in quotes, "
                "+ - * /, comparisons, in, and, or, not"
            )
    for part in parts:
        _check(part, columns, text)


def _check_size(value: Any, text: str) -> None:
    if not isinstance(value, str) and abs(value) > LARGEST:
        raise ConfigError(f"{text!r} holds a number beyond {LARGEST:.0e}")


def _check_values(node: ast.Compare, columns: Columns, text: str) -> None:
    """Refuse a comparison with a value that its column never has, and lists in other places than ``in``."""
    sides = [node.left, *node.comparators]
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        listed = isinstance(right, ast.List | ast.Tuple)
        if listed != isinstance(op, ast.In | ast.NotIn) or isinstance(left, ast.List | ast.Tuple):
            raise ConfigError(f"{text!r}: expected a list after 'in' and 'not in', and nowhere else")
        if not isinstance(op, ast.In | ast.NotIn | ast.Eq | ast.NotEq):
            continue
        for name, other in ((left, right), (right, left)):
            allowed = columns.get(name.id) if isinstance(name, ast.Name) else None
            for value in _constants(other, text, listed and other is right):
                if allowed is not None and value not in allowed:
                    raise ConfigError(
                        f"{text!r}: {ast.unparse(name)} is never {value!r}; expected one of "
                        f"{', '.join(map(repr, allowed))}"
                    )


def _constants(node: ast.expr, text: str, listed: bool) -> list[Any]:
    if not listed:
        return [node.value] if isinstance(node, ast.Constant) else []
    values = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    if not all(isinstance(each, ast.Constant) for each in values):
        raise ConfigError(f"{text!r}: expected numbers and texts in a list")
    for each in values:
        _check(each, {}, text)
    return [each.value for each in values if isinstance(each, ast.Constant)]


def _value(node: ast.expr, frame: pd.DataFrame) -> Any:
    """What a checked expression comes to: a column (n,) or a constant."""
    match node:
        case ast.BoolOp(op=op, values=parts):
            join = operator.and_ if isinstance(op, ast.And) else operator.or_
            return reduce(join, (_value(part, frame) for part in parts))
        case ast.UnaryOp(op=op, operand=part):
            return ~_value(part, frame) if isinstance(op, ast.Not) else -_value(part, frame)
        case ast.BinOp(left=left, op=op, right=right):
            return ARITHMETIC[type(op)](_value(left, frame), _value(right, frame))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_value(each, frame) for each in (left, *others)]
            pairs = zip(sides, ops, sides[1:], strict=False)
            return reduce(operator.and_, (COMPARISONS[type(op)](one, other) for one, op, other in pairs))
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            return [_value(each, frame) for each in elts]
        case ast.Name(id=name):
            return frame[name]
        case ast.Constant(value=value):
            return value
    raise AssertionError(f"unchecked expression {ast.dump(node)}")
