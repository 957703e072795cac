"""A static site about many runs: an index with filters, a page for each run and for each study, the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import simbench
from simbench.errors import ConfigError
from simbench.files import write_text
from simbench.harness.conclusions import verdicts
from simbench.harness.kept import name_of
from simbench.harness.library import Runs
from simbench.harness.run import Run
from simbench.harness.store import now
from simbench.metrics.score_table import ScoreTable, title
from simbench.plugin.manager import Registry
from simbench.report.formats import as_csv, number
from simbench.report.outcomes import headline_counts, pilot_size
from simbench.report.page import own_script, template, write_report

__all__ = ["write_site"]

FIGURES = (("js_distance", "mean"), ("log_likelihood", "mean"), ("equivalent_n", "mean"), ("f1_sign", None))
FILTERS = ("experiment", "backend", "adapted", "sampler")


def write_site(runs: Runs, registry: Registry, folder: Path) -> Path:
    """Write ``index.html``, ``runs/ID/`` (page, scores, simulated answers), ``studies/NAME/`` where runs are many.

    A run whose page is there already and younger than the run is not written again. Human data are on the pages, and
    in no file beside them: they have a licence of their own.

    Raises:
        ConfigError: none of the runs is done.
    """
    done = runs.done
    if not len(done):
        raise ConfigError(f"report --site: none of the {len(runs)} runs is done")
    folder.mkdir(parents=True, exist_ok=True)
    for run in done:
        _write_run(run, registry, folder / "runs" / run.run_id)
    studies = _write_studies(done, registry, folder / "studies")
    script, digest = own_script("index.js")
    rows = [_row(run) for run in done]
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


def _write_run(run: Run, registry: Registry, place: Path) -> None:
    page = place / "report.html"
    if page.exists() and page.stat().st_mtime > (run.folder.path / "manifest.json").stat().st_mtime:
        return
    write_report(Runs([run.folder]), registry, place, figures=False)
    for name, frame in (("scores", run.scores), ("responses", run.responses)):
        write_text(place / f"{name}.csv", as_csv(frame))


def _write_studies(done: Runs, registry: Registry, place: Path) -> list[tuple[str, str, int]]:
    """One page for each experiment with several runs: its name, its folder, how many runs."""
    found: dict[str, list[Run]] = {}
    for run in done:
        found.setdefault(name_of(run.manifest), []).append(run)
    several = {name: each for name, each in sorted(found.items()) if len(each) > 1}
    folders = {name: f"{at}-{re.sub(r'[^a-z0-9]+', '-', name.lower())[:60]}" for at, name in enumerate(several)}
    for name, each in several.items():
        write_report(Runs([run.folder for run in each]), registry, place / folders[name], figures=False)
    return [(name, folders[name], len(each)) for name, each in several.items()]


def _row(run: Run) -> dict[str, Any]:
    """A run in the index: words and numbers by column."""
    manifest: Mapping[str, Any] = run.manifest
    config, humans, scores = manifest["config"], manifest["humans"], ScoreTable(run.scores)
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
    answers = {purpose: answer for purpose, (answer, _) in verdicts(manifest, run.scores).items()}
    cells["verdict"] = "; ".join(f"{purpose}: {answer}" for purpose, answer in answers.items()) or "-"
    cells["answers"] = headline_counts(manifest)
    cells["cost"] = "-" if cost is None else f"${cost:.4f}"
    cells["finished"] = str(manifest.get("finished", "-"))[:16]
    return {"id": run.run_id, "cells": cells, "synthetic": humans["synthetic"]}
