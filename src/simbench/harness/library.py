"""Many runs as tidy frames, read with DuckDB straight from the Parquet files of their folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.errors import ConfigError, closest
from simbench.files import as_path
from simbench.harness.kept import name_of
from simbench.harness.run import Run
from simbench.harness.store import RunFolder, folders_at

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Runs", "find_folders", "load_runs"]

FRAMES = ("scores", "resamples", "responses", "people", "pilot")
SHOWN = (
    "study",
    "cell",
    "experiment",
    "backend",
    "sampler",
    "n_pilot",
    "n_evaluated",
    "seed",
    "ok",
    "cost",
    "status",
)


def load_runs(*what: str | Path, **filters: Any) -> Runs:
    """Load runs into tidy frames: ``load_runs("runs", backend="local").scores``.

    ``what`` are run folders, folders of run folders, globs, or ``name=value`` filters (default: ``runs``).
    Filters name a column of ``Runs.table``: ``experiment``, ``backend``, ``study``, ``cell``, ``seed``,
    ``status``, or a setting with its dots (``"sampler.n=30"``).

    Raises:
        ConfigError: nothing is there, or a filter names no column.
    """
    words = [str(each) for each in what]
    conditions = dict(word.split("=", 1) for word in words if _is_filter(word)) | filters
    places = [word for word in words if not _is_filter(word)] or ["runs"]
    runs = Runs([RunFolder(path) for path in find_folders(places)])
    return runs.where(**conditions) if conditions else runs


def find_folders(places: Sequence[str | Path]) -> list[Path]:
    """Run folders among paths and globs, each once, by name. ConfigError where a place holds none."""
    found: dict[Path, None] = {}
    for place in places:
        text = str(as_path(str(place)))
        candidates = [Path(text)] if Path(text).exists() else [Path(name) for name in sorted(glob(text))]
        runs = [run for each in candidates for run in folders_at(each)]
        if not runs:
            raise ConfigError(f"{place}: expected a run folder, a folder of runs, or a glob; found no manifest.json")
        found |= dict.fromkeys(runs)
    return list(found)


class Runs(Sequence[Run]):
    """Runs, and what they produced as one frame of each kind with a first column ``run_id``.

    ``table`` has one row per run; ``scores``, ``resamples``, ``responses``, ``people`` and ``pilot`` stack
    the Parquet files of the runs that are done.
    """

    def __init__(self, folders: Sequence[RunFolder], manifests: Sequence[Mapping[str, Any]] | None = None) -> None:
        self._folders = list(folders)
        self.manifests = [dict(m) for m in manifests] if manifests is not None else [f.manifest for f in folders]

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, index: Any) -> Any:
        """The run at a position, or the runs of a slice."""
        if isinstance(index, slice):
            return Runs(self._folders[index], self.manifests[index])
        return Run(self._folders[index])

    def __iter__(self) -> Iterator[Run]:
        return (Run(folder) for folder in self._folders)

    def where(self, **filters: Any) -> Runs:
        """The runs whose column of ``table`` has this value, compared as text."""
        keep = [True] * len(self)
        rows = [_row(folder, manifest) for folder, manifest in zip(self._folders, self.manifests, strict=True)]
        known = {name for row in rows for name in row}
        for name, value in filters.items():
            if rows and name not in known:
                raise ConfigError(f"there is no column {name!r} to filter runs by{closest(name, known)}")
            keep = [kept and _text(row.get(name)) == _text(value) for kept, row in zip(keep, rows, strict=True)]
        return self.chosen(keep)

    @property
    def done(self) -> Runs:
        """Those that are done."""
        return self.chosen([manifest.get("status") == "done" for manifest in self.manifests])

    def chosen(self, keep: Sequence[bool]) -> Runs:
        """Those at the positions that are true."""
        chosen = [number for number, kept in enumerate(keep) if kept]
        return Runs([self._folders[n] for n in chosen], [self.manifests[n] for n in chosen])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per run: identity, people, outcomes, cost and time, and every setting in a dotted column."""
        import pandas as pd

        rows = [_row(folder, manifest) for folder, manifest in zip(self._folders, self.manifests, strict=True)]
        return pd.DataFrame(rows)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Every figure of every run that is done."""
        return self._stacked("scores")

    @cached_property
    def resamples(self) -> pd.DataFrame:
        """Resampled values of the whole-sample figures; the first of each list is the estimate."""
        return self._stacked("resamples")

    @cached_property
    def responses(self) -> pd.DataFrame:
        """Every simulated participant."""
        return self._stacked("responses")

    @cached_property
    def people(self) -> pd.DataFrame:
        """The humans that each run is compared with."""
        return self._stacked("people")

    @cached_property
    def pilot(self) -> pd.DataFrame:
        """The humans that each run learned from."""
        return self._stacked("pilot")

    def sql(self, query: str) -> pd.DataFrame:
        """The answer to a query in DuckDB's SQL over the tables ``runs``, ``scores``, ``responses``, ..."""
        import duckdb

        with duckdb.connect() as connection:
            connection.register("runs", self.table)
            for name in FRAMES:
                if name in query:
                    connection.register(name, getattr(self, name))
            answer: pd.DataFrame = connection.execute(query).df()
        return answer

    def read(self, name: str, where: str, values: Sequence[Any] = ()) -> pd.DataFrame:
        """The rows of ``scores``, ``resamples``, ... for which a condition in SQL holds, without loading the rest.

        ``values`` fill the question marks of ``where``.
        """
        return self._stacked(name, f"WHERE {where}", values)

    def _stacked(self, name: str, where: str = "", values: Sequence[Any] = ()) -> pd.DataFrame:
        """One frame out of the files of this name; columns that some runs lack are missing there."""
        import duckdb
        import pandas as pd

        folders = self.done._folders
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # digests of large files hold no lock
            whole = pool.map(lambda folder: folder.verify(f"{name}.parquet"), folders)
            paths = {str(path): folder.run_id for path, folder in zip(whole, folders, strict=True)}
        files = list(paths)
        if not files:
            return pd.DataFrame({"run_id": pd.Series(dtype=object)})
        query = f"SELECT * FROM read_parquet(?, union_by_name=true, filename=true) {where}"  # noqa: S608 - callers' own words
        with duckdb.connect() as connection:
            frame: pd.DataFrame = connection.execute(query, [files, *values]).df()
        frame.insert(0, "run_id", frame.pop("filename").map(paths))
        return frame

    def __repr__(self) -> str:
        return (
            f"Runs({len(self)}: {', '.join(f.run_id for f in self._folders[:3])}{', ...' if len(self) > 3 else ''})"
        )

    def _repr_html_(self) -> str:
        table = self.table
        shown = [name for name in SHOWN if name in table and table[name].notna().any()]
        html: str = table.set_index("run_id")[shown].to_html(escape=True, na_rep="", border=0)
        return html


def _is_filter(word: str) -> bool:
    return "=" in word and not Path(word).exists()


def _row(folder: RunFolder, manifest: Mapping[str, Any]) -> dict[str, Any]:
    config = manifest.get("config", {})
    humans, usage = manifest.get("humans", {}), manifest.get("usage", {})
    outcomes = manifest.get("outcomes", {}).get("all", {})
    row: dict[str, Any] = {
        "run_id": folder.run_id,
        "status": manifest.get("status"),
        "study": config.get("study") or None,
        "cell": config.get("cell") or None,
        "experiment": name_of(manifest) if config else None,
        **{kind: config.get(kind, {}).get("name") for kind in ("backend", "sampler")},
        "model": manifest.get("model", {}).get("base"),
        **{name: humans.get(name) for name in ("n_pilot", "n_evaluated", "synthetic")},
        "humans": humans.get("evaluated_sha256"),
        "ok": outcomes.get("ok"),
        "not_ok": sum(outcomes.values()) - outcomes.get("ok", 0) if outcomes else None,
        "cost": usage.get("cost"),
        "tokens": sum(usage.get("tokens", {}).values()) if usage else None,
        "seconds": _seconds(manifest),
        "error": (manifest.get("error") or {}).get("message"),
        "path": str(folder.path),
    }
    flat = {name: value for name, value in _flat(config) if name not in row and not name.endswith(".name")}
    return row | flat


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value) if isinstance(value, list) else value


def _seconds(manifest: Mapping[str, Any]) -> float | None:
    """Time spent adapting and answering; where unknown, from start to finish."""
    spent = [manifest[name] for name in ("adapt_seconds", "respond_seconds") if name in manifest]
    if spent or not manifest.get("finished"):
        return float(sum(spent)) if spent else None
    return (
        datetime.fromisoformat(manifest["finished"]) - datetime.fromisoformat(manifest["started"])
    ).total_seconds()


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
