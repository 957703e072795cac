"""``simbench export RUN``: describe a run folder for an archive."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from simbench.harness.library import load_runs
from simbench.report.croissant import write_croissant

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Write croissant.json (Croissant 1.0, JSON-LD) into run folders, so that they can be deposited."""
    parser = argparse.ArgumentParser(prog="simbench export", description=main.__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUNS", help="run folders, folders of runs, globs, name=value")
    parser.add_argument("--license", default="", metavar="URL", help="licence under which you deposit the run")
    parser.add_argument("--creator", action="append", default=[], metavar="NAME", help="who made the run; repeatable")
    asked = parser.parse_args(words)
    for run in load_runs(*asked.runs).done:
        print(write_croissant(run, asked.license, asked.creator))
    return 0
