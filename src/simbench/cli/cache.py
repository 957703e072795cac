"""``simbench cache``: show, prune and merge response caches."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from simbench.cli.terminal import show
from simbench.errors import ConfigError
from simbench.files import as_path
from simbench.harness.cache import ResponseCache
from simbench.harness.run import CACHE

__all__ = ["main"]

MOST_DAYS = 36_500


def main(words: Sequence[str]) -> int:
    """Show, prune or merge the cache of paid answers of a folder of runs."""
    parser = argparse.ArgumentParser(prog="simbench cache", description=main.__doc__)
    parser.add_argument("--out", type=as_path, default=Path("runs"), help="folder of run folders (default: runs)")
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("show", help="answers by backend and model (the default)")
    prune = verbs.add_parser("prune", help="remove answers")
    prune.add_argument("--older-than", type=float, metavar="DAYS", help="only answers older than this")
    prune.add_argument("--backend", default="", help="only answers of this backend")
    prune.add_argument("--model", default="", help="only answers of this model")
    prune.add_argument("--all", action="store_true", help="every answer")
    merge = verbs.add_parser("merge", help="take over the answers of other caches")
    merge.add_argument("others", nargs="+", type=as_path, metavar="FOLDER", help="folders of runs, or caches")
    asked = parser.parse_args(words)
    if not asked.out.is_dir():
        raise ConfigError(f"cache: there is no folder {asked.out}; name the one that holds the run folders (--out)")
    with ResponseCache(asked.out / CACHE) as cache:
        if asked.verb == "prune":
            if not (asked.all or asked.older_than is not None or asked.backend or asked.model):
                parser.error("prune: say what to remove: --older-than, --backend, --model or --all")
            days = asked.older_than
            if days is not None and not 0 <= days <= MOST_DAYS:
                raise ConfigError(f"--older-than: expected 0 to {MOST_DAYS} days; found {days}")
            before = datetime.now(UTC) - timedelta(days=days) if days is not None else None
            removed = cache.prune(
                before.isoformat(timespec="seconds") if before else "9999", asked.backend, asked.model
            )
            print(f"removed {removed} answers")
        elif asked.verb == "merge":
            for other in asked.others:
                folder = other / CACHE if (other / CACHE).is_dir() else other
                if folder.resolve() == cache.folder.resolve():
                    raise ConfigError(f"merge: {other} is the cache itself; name another one")
                print(f"took over {cache.merge(folder)} answers of {other}")
        else:
            _show(cache)
    return 0


def _show(cache: ResponseCache) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("backend", "model", "answers", "bytes", "first", "last"):
        table.add_column(name, justify="right" if name in ("answers", "bytes") else "left")
    lines = cache.lines()
    for line in lines:
        table.add_row(line.backend, line.model, str(line.answers), str(line.bytes), line.first, line.last)
    show(table if lines else "the cache is empty")
    print(f"cache folder: {cache.folder}")
