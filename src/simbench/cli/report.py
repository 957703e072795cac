"""``simbench report RUNS...``: one HTML page and its figures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from simbench.files import as_path, storage
from simbench.harness.library import Runs, load_runs
from simbench.plugin.manager import load_plugins
from simbench.report.page import write_report
from simbench.report.site import write_site

__all__ = ["main"]

TOGETHER = "simbench-report"


def main(words: Sequence[str]) -> int:
    """Write report.html, figures/ and tables/ about one run or many, or a static site."""
    parser = argparse.ArgumentParser(prog="simbench report", description=main.__doc__)
    parser.add_argument("runs", nargs="*", metavar="RUNS", help="run folders, folders of runs, globs, name=value")
    parser.add_argument(
        "-o", "--out", type=as_path, help=f"folder to write to (default: the run's own, or {TOGETHER} for many runs)"
    )
    parser.add_argument(
        "--no-figures", action="store_true", help="the page only; with --site, runs' pages without drawings"
    )
    parser.add_argument("--site", type=as_path, metavar="DIR", help="a static site instead: index, a page each, data")
    asked = parser.parse_args(words)
    if asked.site is not None and asked.out is not None:
        parser.error("--site names the folder itself: leave --out away")
    runs = load_runs(*asked.runs)
    if asked.site is not None:
        with storage(asked.site):
            print(write_site(runs, load_plugins(), asked.site, drawn=not asked.no_figures))
        return 0
    folder = asked.out or _default(runs)
    with storage(folder):
        print(write_report(runs, load_plugins(), folder, figures=not asked.no_figures))
    return 0


def _default(runs: Runs) -> Path:
    done = runs.done
    return done[0].folder.path if len(done) == 1 else Path(TOGETHER)
