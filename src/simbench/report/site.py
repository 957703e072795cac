"""A static site about many runs: an index with filters, a page for each run and for each study, the data."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import simbench
from simbench.errors import ConfigError
from simbench.files import write_text
from simbench.harness.conclusions import verdicts
from simbench.harness.kept import name_of
from simbench.harness.library import Runs
from simbench.harness.run import Run
from simbench.harness.store import MANIFEST, RunFolder, now
from simbench.metrics.score_table import ScoreTable, title
from simbench.plugin.manager import Registry, load_plugins
from simbench.report.formats import as_csv, number
from simbench.report.outcomes import headline_counts, pilot_size
from simbench.report.page import own_script, template, write_report

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_site"]

FEW = 20
"""Pages for which another process is not worth its start."""

FIGURES = (("js_distance", "mean"), ("log_likelihood", "mean"), ("equivalent_n", "mean"), ("f1_sign", None))
FILTERS = ("experiment", "backend", "adapted", "sampler")


def write_site(runs: Runs, registry: Registry, folder: Path, *, drawn: bool = True) -> Path:
    """Write ``index.html``, ``runs/ID/`` (page, scores, simulated answers), ``studies/NAME/`` where runs are many.

    A run whose page is there already and younger than the run is not written again; the others are written on all
    cores. ``drawn``: whether figures are drawn on the runs' pages, which takes most of the time. Human data are on
    the pages, and in no file beside them: they have a licence of their own.

    Raises:
        ConfigError: none of the runs is done.
    """
    done = runs.done
    if not len(done):
        raise ConfigError(f"report --site: none of the {len(runs)} runs is done")
    folder.mkdir(parents=True, exist_ok=True)
    _write_runs([run for run in done if _lacks_page(run, folder)], registry, folder, drawn)
    studies = _write_studies(done, registry, folder / "studies")
    script, digest = own_script("index.js")
    rows = _rows(done)
    html = template("index.html.j2").render(
        version=simbench.__version__,
        made=now(),
        script=script,
        digest=digest,
        head=list(rows[0]["cells"]),
        filters=FILTERS,
        rows=rows,
        studies=studies,
        not_done=len(runs) - len(done),
        synthetic=any(manifest["humans"]["synthetic"] for manifest in done.manifests),
    )
    path = folder / "index.html"
    write_text(path, html)
    return path


def _lacks_page(run: Run, folder: Path) -> bool:
    """Whether a run has no page in the site, or one that is older than the run."""
    page = folder / "runs" / run.run_id / "report.html"
    return not page.exists() or page.stat().st_mtime <= (run.folder / MANIFEST).stat().st_mtime


def _write_runs(runs: Sequence[Run], registry: Registry, folder: Path, drawn: bool) -> None:
    """The runs' own pages; of many, on all cores."""
    paths = [run.folder.path for run in runs]
    cores = min(os.cpu_count() or 1, len(paths) // FEW)
    if cores < 2:
        for path in paths:
            _write_run(path, registry, folder, drawn)
        return
    batches = [paths[first::cores] for first in range(cores)]
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        for ended in [pool.submit(_write_batch, batch, folder, drawn) for batch in batches]:
            ended.result()


def _write_batch(paths: Sequence[Path], folder: Path, drawn: bool) -> None:
    """Pages of some runs, in a process that finds the plugins for itself."""
    registry = load_plugins()
    for path in paths:
        _write_run(path, registry, folder, drawn)


def _write_run(path: Path, registry: Registry, folder: Path, drawn: bool) -> None:
    runs = Runs([RunFolder(path)])
    place = folder / "runs" / runs[0].run_id
    for name in ("scores", "responses"):  # before the page, which says that all is there
        place.mkdir(parents=True, exist_ok=True)
        write_text(place / f"{name}.csv", as_csv(getattr(runs[0], name)))
    write_report(runs, registry, place, figures=False, drawn=drawn)


def _write_studies(done: Runs, registry: Registry, place: Path) -> list[tuple[str, str, int]]:
    """One page for each experiment with several runs: its name, its folder, how many runs."""
    found: dict[str, list[Run]] = {}
    for run in done:
        found.setdefault(name_of(run.manifest), []).append(run)
    several = {name: each for name, each in sorted(found.items()) if len(each) > 1}
    folders = {name: f"{at}-{re.sub(r'[^a-z0-9]+', '-', name.lower())[:60]}" for at, name in enumerate(several)}
    for name, each in several.items():
        together = Runs([run.folder for run in each])
        write_report(together, registry, place / folders[name], figures=False, pages="../../runs")
    return [(name, folders[name], len(each)) for name, each in several.items()]


def _rows(done: Runs) -> list[dict[str, Any]]:
    """The runs in the index."""
    wanted = sorted({metric for metric, _ in FIGURES} | {"verdict"})
    frame = done.read("scores", "subgroup IS NULL AND list_contains(?, metric)", [wanted])
    own = dict(list(frame.groupby("run_id")))
    return [_row(each, own.get(each["run_id"], frame.iloc[:0])) for each in done.manifests]


def _row(manifest: Mapping[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    """A run in the index: words and numbers by column."""
    config, humans, scores = manifest["config"], manifest["humans"], ScoreTable(frame)
    cost = manifest["usage"]["cost"]
    cells = {
        "experiment": name_of(manifest),
        "backend": config["backend"]["name"],
        "adapted": str(config["backend"].get("adapt") or "-"),
        "sampler": config["sampler"]["name"],
        "pilot": number(pilot_size(humans)),
        "people": str(humans["n_evaluated"]),
    }
    for figure in FIGURES:
        row = scores.one(*figure)
        name = title({"metric": figure[0], "item": figure[1]})
        cells[name] = (
            "-" if row is None else number(row["simulated"] if row["value"] != row["value"] else row["value"])
        )
    answers = {purpose: answer for purpose, (answer, _) in verdicts(manifest, frame).items()}
    cells["verdict"] = "; ".join(f"{purpose}: {answer}" for purpose, answer in answers.items()) or "-"
    cells["answers"] = headline_counts(manifest)
    cells["cost"] = "-" if cost is None else f"${cost:.4f}"
    cells["finished"] = str(manifest.get("finished", "-"))[:16]
    return {"id": manifest["run_id"], "cells": cells, "synthetic": humans["synthetic"]}
