"""How figures are drawn: one matplotlib figure, saved as SVG, PDF, PNG and CSV, or put into a page.

Within a page, colours become CSS variables, so that one drawing serves light and dark; ids get a prefix, so that
drawings do not meet; and text stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CEILING", "FLOOR", "GRID", "HUMAN", "INK", "SIMULATED", "Chart", "clean", "save", "svg"]

# Okabe and Ito (2008), distinguishable with the common colour vision deficiencies
HUMAN, SIMULATED, CEILING, FLOOR = "#0072b2", "#d55e00", "#009e73", "#767676"
INK, GRID = "#1b1b1b", "#d9d9d9"
VARIABLES = {HUMAN: "human", SIMULATED: "simulated", CEILING: "ceiling", FLOOR: "floor", INK: "ink", GRID: "grid"}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "simbench",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True, eq=False)
class Chart:
    """One figure: what it shows (``alt``, for who cannot see it), its data, and how it is drawn.

    ``size`` is in inches; ``note`` says in a sentence how to read it.
    """

    name: str
    title: str
    alt: str
    data: pd.DataFrame
    draw: Callable[[Figure], None]
    size: tuple[float, float]
    note: str = ""


def svg(chart: Chart, prefix: str) -> str:
    """The figure as an inline SVG element that follows the page's colours."""
    text = StringIO()
    with _styled():
        _figure(chart).savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r"font-family: [^;\"]*", "font-family: inherit", drawn)
    drawn = re.sub(r"(\bid=\"|url\(#|href=\"#)", rf"\g<1>{prefix}-", drawn)
    for colour, variable in VARIABLES.items():
        drawn = drawn.replace(colour, f"var(--{variable})")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{escape(chart.alt)}" ', 1)


def save(chart: Chart, folder: Path) -> list[Path]:
    """Write the figure as SVG, PDF and PNG, and its data as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{chart.name}.{kind}" for kind in ("svg", "pdf", "png", "csv")]
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    with _styled():
        figure = _figure(chart)
        for path in paths[:3]:
            figure.savefig(path, dpi=200, facecolor="white", metadata=dates[path.suffix[1:]])
    chart.data.to_csv(paths[3], index=False)
    return paths


def clean(axes: Axes, grid: str) -> None:
    """A quiet grid along one axis and no tick marks."""
    axes.grid(axis=grid, color=GRID, linewidth=0.7)  # type: ignore[arg-type]
    axes.tick_params(length=0)


def _styled() -> Any:
    import matplotlib

    return matplotlib.rc_context(STYLE)  # type: ignore[arg-type]


def _figure(chart: Chart) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=chart.size)
    chart.draw(figure)
    return figure
