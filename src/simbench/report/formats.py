"""One frame in several formats: a table for the terminal, CSV, Markdown, LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["FORMATS", "as_csv", "as_latex", "as_markdown", "as_table", "number", "plain"]

FORMATS = ("table", "csv", "markdown", "latex")
SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
SPECIAL |= {"∞": r"$\infty$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}

SMALL, NOISE = 0.00995, 1e-12
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
NUMERIC = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
MARKDOWN = re.compile(r"[\\`*<>|~&]|(?<!\w)_|_(?!\w)|(?<=\])\(|^(?=[#+-]\s)")


def number(value: Any) -> str:
    """A cell in words: three places near 1, none above 100, two significant ones below 0.01, a dash where missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if isinstance(value, str | bool):
        return str(value)
    if not isinstance(value, float) or abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2g}" if NOISE < abs(value) < SMALL else f"{value:.3f}"


def plain(text: str) -> Text:
    """Text for the terminal as it is: no markup of rich's, and no control characters but line ends."""
    from rich.text import Text

    return Text(CONTROL.sub("\ufffd", text))


def as_table(frame: pd.DataFrame, title: str) -> RenderableType:
    """For the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=plain(title), title_justify="left")
    for position, name in enumerate(frame.columns):
        table.add_column(plain(str(name)), justify="left" if _words(frame, position) else "right", overflow="fold")
    for row in _cells(frame):
        table.add_row(*map(plain, row))
    return table


def as_csv(frame: pd.DataFrame) -> str:
    """Full precision, missing cells empty; a text that a spreadsheet would run has an apostrophe before it.

    Those are texts that start with ``=``, ``+``, ``-``, ``@``, a tab or a line end and are no plain numbers.
    """
    inert = frame.copy()
    inert.columns = [_inert(str(name)) for name in frame.columns]
    for position in range(inert.shape[1]):
        column = frame.iloc[:, position]
        if column.dtype.kind not in "iufbM":
            inert.isetitem(position, column.map(_inert).to_numpy(dtype=object))
    return inert.to_csv(index=False, lineterminator="\n")


def _inert(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell or NUMERIC.fullmatch(cell):
        return cell
    cell = cell.replace("\r\n", "\n").replace("\r", "\n")  # else left bare, and read as the end of a row
    return f"'{cell}" if cell[0] in "\t\n" or cell.lstrip()[:1] in ("=", "+", "-", "@") else cell


def as_markdown(frame: pd.DataFrame, title: str) -> str:
    """A pipe table under its title."""
    head = [str(name) for name in frame.columns]
    marks = ["---" if _words(frame, position) else "---:" for position in range(len(head))]
    lines = [[*map(_markdown, head)], marks, *([*map(_markdown, row)] for row in _cells(frame))]
    return f"**{_markdown(title)}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _markdown(text: str) -> str:
    """Text that no renderer takes for markup, on one line."""
    return MARKDOWN.sub(r"\\\g<0>", CONTROL.sub("\ufffd", " ".join(text.splitlines()) if text.strip() else text))


def as_latex(frame: pd.DataFrame, title: str) -> str:
    """A booktabs table."""
    shape = "".join("l" if _words(frame, position) else "r" for position in range(len(frame.columns)))
    lines = [_latex_row([str(name) for name in frame.columns]), r"\midrule", *map(_latex_row, _cells(frame))]
    return (
        f"\\begin{{table}}\n\\caption{{{_latex(title)}}}\n\\begin{{tabular}}{{{shape}}}\n\\toprule\n"
        + "\n".join(lines)
        + "\n\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def _latex_row(cells: Sequence[str]) -> str:
    first, *rest = map(_latex, cells)
    first = f"{{{first[0]}}}{first[1:]}" if first[:1] in ("[", "*") else first  # else an argument of the line before
    return " & ".join([first, *rest]) + r" \\"


def _latex(text: str) -> str:
    line = CONTROL.sub("\ufffd", " ".join(text.splitlines()))
    return "".join(SPECIAL.get(letter, letter) for letter in line)


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    return [[number(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]


def _words(frame: pd.DataFrame, position: int) -> bool:
    return any(isinstance(value, str) for value in frame.iloc[:, position])
