"""The tables in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from simbench.harness.library import find_folders
from simbench.harness.run import Run
from simbench.plugin.manager import load_plugins
from simbench.report.table import headline_rows, sweep_table


@pytest.mark.parametrize("width", [103, 200])
def test_a_sweep_table_breaks_names_rather_than_numbers(home: Path, width: int) -> None:
    done = [Run.at(path) for path in find_folders([home / "runs"])]
    console = Console(width=width)
    with console.capture() as printed:
        console.print(sweep_table(done))
    for run in done:
        for row in headline_rows(run.scores, load_plugins()):
            if row["metric"] in ("fpr", "js_distance", "js_distance_joint"):
                assert f"{row['value']:.3f}" in printed.get()
