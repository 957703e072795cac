"""The tables of a paper: every one as CSV (full precision), Markdown and LaTeX, with its note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.files import write_text
from simbench.metrics.score_table import ScoreTable, title
from simbench.report.formats import as_csv, as_latex, as_markdown
from simbench.report.outcomes import outcomes

if TYPE_CHECKING:
    import pandas as pd

    from simbench.plugin.manager import Registry

__all__ = ["Table", "run_tables", "save_tables"]

COMPARED = ("human", "simulated", "value", "ci_low", "ci_high")


@dataclass(frozen=True, eq=False)
class Table:
    """A table with its file's name, its title and what a reader has to know below it."""

    name: str
    title: str
    note: str
    data: pd.DataFrame


def run_tables(manifest: Mapping[str, Any], scores: pd.DataFrame, registry: Registry, marked: str) -> Iterator[Table]:
    """Every table about one run that it has data for. ``marked`` is how humans are called."""
    import pandas as pd

    figures = ScoreTable(scores, registry.classes("metric"))
    level = f"{100 * manifest['config']['scoring'].get('confidence', 0.95):g} % intervals"
    compared = f"Human = {marked}, {manifest['humans']['n_evaluated']} compared; {level}. Definitions by simbench."
    sides = [*COMPARED, *(name for name in ("floor", "ceiling", "resample") if name in scores), "reason"]
    rows = [
        {
            "figure": figures.words(row),
            "in scores.parquet": title(row),
            **{name: row.get(name) for name in sides},
            "closer to human": figures.direction(row["metric"]),
        }
        for row in figures.headline_rows()
    ]
    if rows:
        note = (
            "Floor: uniform-random answers; ceiling: other people, as many; resample: copies of the pilot's people. "
        )
        yield Table("headline", "Simulated people beside real ones", note + compared, pd.DataFrame(rows))
    terms = scores[(scores["metric"] == "coefficient") & scores["human"].notna()]
    if len(terms):
        data = terms[["item", *COMPARED, "reason"]].rename(columns={"item": "coefficient", "value": "difference"})
        yield Table("coefficients", "Regression coefficients of people and of the simulation", compared, data)
    if manifest.get("findings"):
        judged = pd.DataFrame(manifest["findings"]).dropna(axis=1, how="all")
        yield Table("verdict", "What the simulation may be used for, and what that rests on", compared, judged)
    statuses, counted = outcomes(manifest)
    ended = pd.DataFrame([[row[0], *map(int, row[1:])] for row in counted], columns=["group", *statuses])
    yield Table("outcomes", "How simulated interviews ended", "Only ok ones are compared.", ended)


def save_tables(tables: Iterator[Table], folder: Path) -> list[Path]:
    """Write ``NAME.csv``, ``NAME.md`` and ``NAME.tex`` of every table."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        latex = as_latex(table.data, f"{table.title}. {table.note}")
        texts = {
            "csv": as_csv(table.data),
            "md": f"{as_markdown(table.data, table.title)}\n{table.note}\n",
            "tex": latex,
        }
        for kind, text in texts.items():
            path = folder / f"{table.name}.{kind}"
            write_text(path, text)
            written.append(path)
    return written
