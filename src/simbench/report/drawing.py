"""How figures are drawn: one matplotlib figure, saved as SVG, PDF, PNG and CSV, or put into a page.

Within a page, colours become CSS variables, so that one drawing serves light and dark; ids get a prefix, so that
drawings do not meet; and text stays text.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.files import write_text
from simbench.report.formats import as_csv

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CEILING", "FLOOR", "GRID", "HUMAN", "INK", "SIMULATED", "Chart", "clean", "save", "svg"]

# Okabe and Ito (2008), distinguishable with the common colour vision deficiencies
HUMAN, SIMULATED, CEILING, FLOOR = "#0072b2", "#d55e00", "#009e73", "#767676"
INK, GRID = "#1b1b1b", "#d9d9d9"
VARIABLES = {HUMAN: "human", SIMULATED: "simulated", CEILING: "ceiling", FLOOR: "floor", INK: "ink", GRID: "grid"}
NO_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
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
    """The figure as an inline SVG element that follows the page's colours.

    Only attributes of the drawn shapes are changed, never text: a label stays what it is, whatever it looks like.
    """
    from xml.etree import ElementTree

    drawn = StringIO()
    with _styled():
        _figure(chart).savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(NO_XML.sub("\ufffd", drawn.getvalue()))  # noqa: S314 - our own drawing
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {_local(name): value for name, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update({name: _themed(name, value, prefix) for name, value in attributes.items()})
    for found in root.findall("metadata"):
        root.remove(found)
    root.attrib.update({"role": "img", "aria-label": NO_XML.sub("\ufffd", chart.alt)})
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _themed(name: str, value: str, prefix: str) -> str:
    """An attribute of a shape, with the page's colours and fonts and with ids of this drawing's own."""
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        return value.replace("#", f"#{prefix}-", 1)
    if name == "style":
        pairs = (each.partition(":") for each in value.split(";") if each.strip())
        return "; ".join(f"{key.strip()}: {_style(key.strip(), word.strip(), prefix)}" for key, _, word in pairs)
    return value.replace("url(#", f"url(#{prefix}-") if value.startswith("url(#") else value


def _style(key: str, word: str, prefix: str) -> str:
    if key == "font-family":
        return "inherit"
    if word.startswith("url(#"):
        return word.replace("url(#", f"url(#{prefix}-")
    return f"var(--{VARIABLES[word]})" if word in VARIABLES else word


def save(chart: Chart, folder: Path) -> list[Path]:
    """Write the figure as SVG, PDF and PNG, and its data as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{chart.name}.{kind}" for kind in ("svg", "pdf", "png", "csv")]
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    with _styled():
        figure = _figure(chart)
        for path in paths[:3]:
            figure.savefig(path, dpi=200, facecolor="white", metadata=dates[path.suffix[1:]])
    write_text(paths[3], as_csv(chart.data))
    return paths


def clean(axes: Axes, grid: str) -> None:
    """A quiet grid along one axis and no tick marks."""
    axes.grid(axis=grid, color=GRID, linewidth=0.7)  # type: ignore[arg-type]
    axes.tick_params(length=0)


@contextmanager
def _styled() -> Iterator[None]:
    """Our style; a letter that the font lacks is drawn as a box, and nobody need be told."""
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def _figure(chart: Chart) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=chart.size)
    chart.draw(figure)
    return figure
