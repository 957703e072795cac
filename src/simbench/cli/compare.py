"""``simbench compare RUNS...``: runs against each other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.files import as_path, storage
from simbench.harness.library import load_runs
from simbench.metrics.score_table import title
from simbench.plugin.manager import load_plugins
from simbench.report.drawing import save
from simbench.report.fit import fit_against_effect
from simbench.report.formats import FORMATS, as_csv, as_latex, as_markdown, as_table, number
from simbench.report.leaderboard import Standing, compare_runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["main"]

TOGETHER = "simbench-compare"


def main(words: Sequence[str]) -> int:
    """Print leaderboard, ranks, paired differences and cost of runs on the same people, or on those in common."""
    parser = argparse.ArgumentParser(prog="simbench compare", description=main.__doc__)
    parser.add_argument("runs", nargs="*", metavar="RUNS", help="run folders, folders of runs, globs, name=value")
    parser.add_argument("--format", choices=FORMATS, default="table")
    parser.add_argument("--against", metavar="RUN", help="hold every run against this one, in place of all pairs")
    parser.add_argument("--all", action="store_true", help="every whole-sample figure, not the headline ones only")
    parser.add_argument("--part", choices=("leaderboard", "differences", "costs"), help="this table only")
    parser.add_argument(
        "--apart", action="store_true", help="keep runs apart that differ in their seed alone: else they are one"
    )
    parser.add_argument(
        "--different-humans",
        action="store_true",
        help="side by side as they were scored, unpaired, rather than on the people in common",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=as_path,
        help=f"folder for the figure of fit against effect (default: {TOGETHER} with --format table, else none)",
    )
    asked = parser.parse_args(words)
    standing = compare_runs(
        load_runs(*asked.runs),
        load_plugins(),
        different_humans=asked.different_humans,
        against=asked.against,
        every=asked.all,
        apart=asked.apart,
    )
    _print(standing, asked.format, asked.part)
    folder = asked.out or (Path(TOGETHER) if asked.format == "table" and not asked.part else None)
    if folder is not None:
        _draw(standing, folder)
    return 0


def _draw(standing: Standing, folder: Path) -> None:
    """Save the figure, and say where it is; or why there is none. On stderr, so that tables can be piped."""
    chart = fit_against_effect(standing)
    if chart is None:
        print(
            "no figure of fit against effect: no run has both equivalent_n and equivalent_n_effects", file=sys.stderr
        )
        return
    with storage(folder):
        paths = save(chart, folder)
    print(f"fit against effect: {paths[2]} (and svg, pdf, csv)", file=sys.stderr)


def _print(standing: Standing, form: str, part: str | None) -> None:
    if form == "csv":
        print(as_csv(getattr(standing, part or "leaderboard")), end="")
        return
    titles = {
        "leaderboard": "leaderboard per figure, closest to human first (floor: uniform, ceiling: human halves)",
        "differences": "differences a - b in distance from human (below 0: a is closer)",
        "costs": "cost and time",
    }
    tables = {
        "leaderboard": _short_board(standing.leaderboard),
        "differences": _short_pairs(standing.differences),
        "costs": standing.costs.drop(columns="run_id"),
    }
    for name in [part] if part else titles:
        if tables[name].empty:
            continue
        if form == "table":
            from simbench.cli.terminal import show

            for title, table in _boards(standing) if name == "leaderboard" else [(titles[name], tables[name])]:
                show(as_table(table, title))
        else:
            print((as_markdown if form == "markdown" else as_latex)(tables[name], titles[name]))
    for note in standing.notes:
        print(f"{'% ' if form == 'latex' else ''}note: {note}")


def _boards(standing: Standing) -> Iterator[tuple[str, pd.DataFrame]]:
    """One narrow table per figure for the terminal, what its runs share in the title where they share it."""
    short = _short_board(standing.leaderboard)
    for name, part in short.groupby("metric", sort=False):
        shared = [key for key in ("human", "floor", "ceiling") if part[key].nunique(dropna=False) == 1]
        said = [f"{key} {number(part[key].iloc[0])}" for key in shared]
        better = standing.leaderboard.loc[part.index[0], "better"]
        way = f"{better} is {'closest' if better in ('zero', 'one') else 'closer'} to human"
        yield f"{name}: {', '.join([way, *said])}", part.drop(columns=["metric", *shared])


def _short_board(board: pd.DataFrame) -> pd.DataFrame:
    """The columns that fit a page, intervals in brackets."""
    if board.empty:
        return board
    short = board.assign(
        metric=_figure(board),
        value=_with_interval(board, "value"),
        rank=[f"{rank:g}" if rank == rank else "-" for rank in board["rank"]],
        ranks=[
            f"{low:g} to {high:g}" if low == low else "-" for low, high in zip(board["rank_low"], board["rank_high"])
        ],
    )
    kept = ["metric", "run", "human", "simulated", "value", "floor", "ceiling", "rank", "ranks", "p_best"]
    return short[kept].rename(columns={"value": "value [95 %]", "ranks": "rank 95 %"})


def _short_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    if pairs.empty:
        return pairs
    short = pairs.assign(metric=_figure(pairs), difference=_with_interval(pairs, "difference"))
    return short[["metric", "a", "b", "difference", "p", "p_step", "p_closer"]].rename(
        columns={"difference": "a - b [95 %]"}
    )


def _figure(frame: pd.DataFrame) -> list[str]:
    return [title(row) for row in frame[["metric", "item"]].to_dict("records")]


def _with_interval(frame: pd.DataFrame, name: str) -> list[str]:
    ends = zip(frame[name], frame["ci_low"], frame["ci_high"])
    return [number(value) + (f" [{number(low)}, {number(high)}]" if low == low else "") for value, low, high in ends]
