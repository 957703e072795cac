"""The tables in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from simbench.harness.library import find_folders
from simbench.harness.run import Run
from simbench.metrics.alignment import ALL_ITEMS
from simbench.metrics.score_table import ScoreTable
from simbench.plugin.manager import load_plugins
from simbench.report.formats import number
from simbench.report.table import sweep_table


@pytest.mark.parametrize("width", [60, 80, 103, 200])
def test_a_sweep_table_breaks_names_rather_than_numbers(home: Path, width: int) -> None:
    done = [Run.at(path) for path in find_folders([home / "runs"])]
    console = Console(width=width)
    with console.capture() as printed:
        console.print(sweep_table(done))
    for run in done:
        for row in ScoreTable(run.scores, load_plugins().classes("metric")).headline_rows():
            if row["metric"] in ("fpr", "js_distance", "js_distance_joint") and row["item"] != ALL_ITEMS:
                assert f"{row['value']:.3f}" in printed.get()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0.000"),
        (1e-17, "0.000"),
        (0.0004, "0.0004"),
        (-0.00917, "-0.0092"),
        (3.2e-7, "3.2e-07"),
        (0.0449, "0.045"),
    ],
)
def test_small_coefficients_can_be_read(value: float, said: str) -> None:
    assert number(value) == said
