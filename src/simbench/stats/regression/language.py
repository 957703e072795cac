"""The language of formulas: what may stand in one, checked before anything of it is evaluated.

patsy evaluates the factors of a formula as Python, so a formula from somebody else's file is read first: its
length, depth and number of terms are bounded, and its factors may hold columns, numbers, text in quotes,
arithmetic, comparisons and a few known functions, and nothing else.
"""

from __future__ import annotations

import ast
from tokenize import TokenError
from typing import Any

import numpy as np

from simbench.errors import ConfigError, closest, strict_reading

__all__ = ["PATSY_FUNCTIONS", "TRANSFORMS", "called", "columns_of", "factor_tree", "model_terms"]

LONGEST, MOST_BRACKETS, DEEPEST, MOST_TERMS, MOST_OPERATORS = 4000, 25, 100, 2000, 150
LARGEST, HIGHEST_POWER, MOST_KNOTS = 1e15, 10, 50
TRANSFORMS: dict[str, Any] = {
    name: getattr(np, name) for name in ("abs", "exp", "log", "log1p", "log2", "log10", "sqrt", "where")
}
SPLINES = ("bs", "cr")
PATSY_FUNCTIONS = ("C", "I", "Q", *SPLINES, "center", "standardize", "scale", "Treatment", "Sum", "Poly", "Diff")
ALLOWED = (
    *(ast.Name, ast.Constant, ast.Load, ast.Call, ast.keyword, ast.List, ast.Tuple, ast.Compare, ast.BoolOp),
    *(ast.And, ast.Or, ast.BinOp, ast.UnaryOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.BitAnd, ast.BitOr, ast.Invert, ast.Not, ast.UAdd, ast.USub, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt),
    ast.GtE,
)


def model_terms(formula: str) -> Any:
    """The patsy description of a formula, checked, with its factors.

    Raises:
        ConfigError: a formula that cannot be read, is too long, too deep or has too many terms, has not exactly
            one outcome, or holds what is not allowed.
    """
    import patsy
    from patsy.parse_formula import parse_formula

    said = _said(formula)
    if len(formula) > LONGEST:
        raise ConfigError(f"formula {said} has {len(formula)} characters; expected at most {LONGEST}")
    if not formula.replace("\n", " ").isprintable():
        raise ConfigError(f"formula {said} holds a character that cannot be printed")
    if _depth(formula) > MOST_BRACKETS:
        raise ConfigError(f"formula {said} nests brackets more than {MOST_BRACKETS} deep")
    try:
        with strict_reading():
            tree = parse_formula(formula.replace("\n", " "))
            leaves = _leaves(tree, said)
            for leaf in leaves:
                factor_tree(leaf, formula)
            if _count(tree, said) > MOST_TERMS:
                raise ConfigError(f"formula {said} comes to more than {MOST_TERMS} terms")
            description = patsy.ModelDesc.from_formula(tree)
    except (patsy.PatsyError, SyntaxError, TokenError, ValueError, AssertionError) as error:
        words = str(getattr(error, "message", error) or "it is not a formula").splitlines()[0]
        raise ConfigError(f"formula {said} cannot be read: {words}") from None
    except (RecursionError, MemoryError):
        raise ConfigError(f"formula {said} cannot be read: it is too deeply nested") from None
    if len(description.lhs_termlist) != 1 or len(description.lhs_termlist[0].factors) != 1:
        raise ConfigError(f"formula {said} must have one outcome: 'outcome ~ predictors'")
    return description


def columns_of(code: str, formula: str) -> set[str]:
    """Columns used by one factor. Raises ConfigError for whatever is not allowed in it."""
    tree = factor_tree(code, formula)
    known = {*TRANSFORMS, *PATSY_FUNCTIONS}
    functions = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Call) for part in ast.walk(node.func)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node.func) == "Q":
            (name,) = node.args
            found.add(str(ast.literal_eval(name)))
        elif isinstance(node, ast.Name) and id(node) not in functions and node.id not in known:
            found.add(node.id)
    return found


def called(node: ast.expr) -> str | None:
    """``log`` for ``log`` and ``np.log``; None for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("np", "numpy"):
        return node.attr if node.attr in TRANSFORMS else None
    return node.id if isinstance(node, ast.Name) else None


def factor_tree(code: str, formula: str) -> ast.expr:
    """The syntax tree of one factor. Raises ConfigError for whatever is not allowed in it."""
    said = _said(formula)
    tree = ast.parse(code, mode="eval").body
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    functions |= {id(node.func.value) for node in ast.walk(tree) if _is_module_call(node)}  # type: ignore[attr-defined]
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        for node in level:
            _allow(node, functions, said)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise ConfigError(f"formula {said} nests more than {DEEPEST} deep")
    return tree


def _is_module_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def _allow(node: ast.AST, functions: set[int], said: str) -> None:
    """Refuse one node that is not of the language, or that could take very long or a lot of memory."""
    if id(node) in functions:
        return
    match node:
        case ast.Call():
            _allow_call(node, said)
        case ast.Constant(value=bool() | None):
            pass
        case ast.Constant(value=int() | float() as number):
            if abs(number) > LARGEST:
                raise ConfigError(f"formula {said} holds a number beyond {LARGEST:.0e}")
        case ast.Constant(value=str()):
            pass
        case ast.BinOp(left=left, op=op, right=right):
            if any(_is_text(side) for side in (left, right)):
                raise ConfigError(f"formula {said} calculates with text or a list")
            if isinstance(op, ast.Pow):
                _allow_power(left, right, said)
        case _ if not isinstance(node, ALLOWED) or isinstance(node, ast.Constant):
            raise ConfigError(f"formula {said} uses {_unparsed(node)}, which is not allowed")


def _allow_call(node: ast.Call, said: str) -> None:
    function = called(node.func)
    known = {*TRANSFORMS, *PATSY_FUNCTIONS}
    if function is None or function not in known:
        raise ConfigError(
            f"formula {said} calls {_unparsed(node.func)}, which is not allowed{closest(function or '', known)}"
        )
    if any(keyword.arg is None for keyword in node.keywords):
        raise ConfigError(f"formula {said} uses '**', which is not allowed in a call")
    if function in TRANSFORMS and (node.keywords or len(node.args) != (3 if function == "where" else 1)):
        raise ConfigError(
            f"formula {said}: {function} takes {'three values' if function == 'where' else 'one value'}"
        )
    if function == "Q" and not (len(node.args) == 1 and not node.keywords and _is_string(node.args[0])):
        raise ConfigError(f"formula {said}: Q takes the name of one column in quotes")
    if function in SPLINES:
        sizes = [*node.args[1:2], *(each.value for each in node.keywords if each.arg in ("df", "degree"))]
        small = all(isinstance(each, ast.Constant) and _within(each.value, MOST_KNOTS) for each in sizes)
        if len(node.args) > 2 or not small:
            raise ConfigError(f"formula {said}: {function} takes a column, df and degree of at most {MOST_KNOTS}")


def _allow_power(base: ast.expr, exponent: ast.expr, said: str) -> None:
    plain = exponent.operand if isinstance(exponent, ast.UnaryOp) else exponent
    if not (isinstance(plain, ast.Constant) and _within(plain.value, HIGHEST_POWER)):
        raise ConfigError(f"formula {said}: expected powers with an exponent of at most {HIGHEST_POWER}")
    if any(isinstance(part, ast.Pow) for part in ast.walk(base)):
        raise ConfigError(f"formula {said} raises a power to a power, which is not allowed")


def _within(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= most


def _is_string(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_text(node: ast.expr) -> bool:
    """Text or a list, which arithmetic would repeat."""
    return _is_string(node) or isinstance(node, ast.List | ast.Tuple)


def _said(formula: str) -> str:
    return repr(formula if len(formula) <= 80 else f"{formula[:77]}...")


def _unparsed(node: ast.AST) -> str:
    return repr(ast.unparse(node)[:80]) if isinstance(node, ast.expr) else type(node).__name__


def _depth(text: str) -> int:
    """How deep brackets nest, those in quotes included."""
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _leaves(tree: Any, said: str) -> list[str]:
    """The factors' code. Walks without recursion, since the tree may be as deep as it has operators."""
    waiting, leaves, operators = [tree], [], 0
    while waiting:
        node = waiting.pop()
        if node.type == "PYTHON_EXPR":
            leaves.append(node.token.extra)
        operators += bool(node.args)
        waiting += node.args
    if operators > MOST_OPERATORS:
        raise ConfigError(f"formula {said} has {operators} operators; expected at most {MOST_OPERATORS}")
    return leaves


def _count(node: Any, said: str) -> int:
    """At most how many terms a tree comes to, as patsy multiplies it out; more than enough counts as enough."""
    parts = [_count(each, said) for each in node.args]
    enough = MOST_TERMS + 1
    if node.type == "**" and len(parts) == 2:
        power = node.args[1].token.extra if node.args[1].type in ("ONE", "NUMBER") else ""
        if not (power.isascii() and power.isdigit() and len(power) < 10):
            raise ConfigError(f"formula {said}: '**' wants a whole number from 1 up")
        total = grown = parts[0]
        for _ in range(1, min(int(power), parts[0])):
            grown = min(grown * parts[0], enough)
            total = min(total + grown, enough)
        return total
    if len(parts) != 2:
        return parts[0] if parts else 1
    left, right = parts
    grown = left * right if node.type in (":", "*") else 0
    return min(grown if node.type == ":" else left + right + grown, enough)
