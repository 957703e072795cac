"""One frame in several formats: a table for the terminal, CSV, Markdown, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

__all__ = ["FORMATS", "as_csv", "as_latex", "as_markdown", "as_table", "number"]

FORMATS = ("table", "csv", "markdown", "latex")
SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
SPECIAL |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


def number(value: Any) -> str:
    """A cell in words: three significant places near 1, none above 100, a dash for what is missing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, str | bool):
        return str(value)
    if not isinstance(value, float) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def as_table(frame: pd.DataFrame, title: str) -> RenderableType:
    """For the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for position, name in enumerate(frame.columns):
        table.add_column(str(name), justify="left" if _words(frame, position) else "right", overflow="fold")
    for row in _cells(frame):
        table.add_row(*(Text(cell) for cell in row))
    return table


def as_csv(frame: pd.DataFrame) -> str:
    """Full precision, missing cells empty."""
    return frame.to_csv(index=False, lineterminator="\n")


def as_markdown(frame: pd.DataFrame, title: str) -> str:
    """A pipe table under its title."""
    head = [str(name) for name in frame.columns]
    marks = ["---" if _words(frame, position) else "---:" for position in range(len(head))]
    lines = [head, marks, *([cell.replace("|", "\\|") for cell in row] for row in _cells(frame))]
    return f"**{title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


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
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    return [[number(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]


def _words(frame: pd.DataFrame, position: int) -> bool:
    return any(isinstance(value, str) for value in frame.iloc[:, position])
