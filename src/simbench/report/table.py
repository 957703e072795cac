"""The table at the end of a run, and the one at the end of a sweep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from simbench.harness.baselines import BASELINES
from simbench.harness.conclusions import against_the_pilot, answers_said, likelihood_said, limits_said, plainly
from simbench.harness.config import RunSettings
from simbench.harness.kept import name_of
from simbench.metrics.alignment import ALL_ITEMS
from simbench.metrics.score_table import ScoreTable, title
from simbench.plugin.manager import Registry, load_plugins
from simbench.report.formats import number, plain
from simbench.report.outcomes import (
    faults,
    headline_counts,
    left_out,
    outcomes,
    pilot_size,
    reasons,
    troubled,
    unsent,
)
from simbench.settings import settings_of

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from simbench.harness.run import Run

__all__ = ["label", "labels", "run_table", "sweep_table"]

LOW_MASS = 0.5
MOST_SETTINGS = 3
NARROW = 7  # characters of a column's name in a line, about as many as of a number
RUNTIME = {each.name for each in settings_of(RunSettings) if each.runtime}
SCOPES = {
    "heldout": "held-out people",
    "reserved": "people reserved from every pilot",
    "all": "all people, pilot included",
}
SYNTHETIC = "SYNTHETIC reference population, not real people"


def run_table(run: Run, registry: Registry) -> RenderableType:
    """What a colleague would say; headline figures beside floor and ceiling; outcomes; warnings; where it all is."""
    manifest = run.manifest
    humans = manifest["humans"]
    marked = "humans (SYNTHETIC)" if humans["synthetic"] else "humans"
    lines = [
        f"{name_of(manifest)}: {_model(manifest)}, pilot {pilot_size(humans)} of "
        f"{humans['n']}, {humans['n_evaluated']} simulated and compared ({SCOPES[manifest['evaluated']]})",
        f"humans: {SYNTHETIC if humans['synthetic'] else 'real'} ({humans['source']})",
        *(f"pilot: {note}" for note in manifest["pilot_notes"]),
        *left_out(manifest),
        *(f"resampled: {each['words']}" for each in [manifest.get("resampled")] if each),
    ]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure")
    for name in (marked, "simulated", "value [95 % interval]", "floor", "ceiling"):
        table.add_column(name, justify="right")
    table.add_column("in scores.parquet", style="dim", overflow="fold")
    scores = ScoreTable(run.scores, registry.classes("metric"))
    for row in scores.headline_rows():
        table.add_row(*map(plain, [scores.words(row), *_cells(row), title(row)]))
    ended = [_outcome_table(manifest)] if troubled(manifest) else []
    footer = (plain(line) for line in _footer(run, manifest, registry))
    said = [plain(f"{words}\n") for words in [plainly(manifest, run.scores)] if words]
    return Group(*said, *(plain(line) for line in lines), table, *ended, *footer)


def _outcome_table(manifest: dict[str, Any]) -> Table:
    """How interviews ended, by treatment group and subgroup: who is missing is a bias of its own."""
    statuses, rows = outcomes(manifest)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("how interviews ended", no_wrap=True)
    for status in statuses:
        table.add_column(status, justify="right")
    for row in rows:
        table.add_row(*map(plain, row))
    return table


def sweep_table(runs: Sequence[Run]) -> RenderableType:
    """One line per run: its headline figures, in as many tables below each other as the terminal's width asks for."""
    registry = load_plugins()
    columns: dict[str, None] = {}
    lines: list[tuple[str, dict[str, str]]] = []
    names = labels([run.manifest for run in runs])
    for run in runs:
        manifest = run.manifest
        humans, counts = manifest["humans"], manifest["outcomes"]["all"]
        cells = {"pilot": str(humans["n_pilot"]), "n": str(humans["n_evaluated"]), "ok": str(counts["ok"])}
        rows = ScoreTable(run.scores, registry.classes("metric")).headline_rows()
        cells |= {title(row): number(row["value"]) for row in rows if row["item"] != ALL_ITEMS}
        columns |= dict.fromkeys(cells)
        mark = " (SYNTHETIC)" if humans["synthetic"] else ""
        mark += f" (NOT SENT: {', '.join(unsent(manifest))})" if unsent(manifest) else ""
        lines.append((names[run.run_id] + mark, cells))
    return _Wide(tuple(columns), tuple(lines))


@dataclass(frozen=True)
class _Wide:
    """A table that is cut between columns where it is wider than the terminal; each part names its runs."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, dict[str, str]], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        longest = max((len(name) for name, _ in self.lines), default=0)
        own = min(longest, max(NARROW, options.max_width // 3))
        fitting = max(1, (options.max_width - own) // (NARROW + 3))  # a column, its padding and the line beside it
        for first in range(0, len(self.columns), fitting):
            yield self._part(self.columns[first : first + fitting])

    def _part(self, columns: Sequence[str]) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("run", overflow="fold")
        for name in columns:  # where width lacks, names are broken before numbers
            table.add_column(plain("\n".join(wrap(name, NARROW))), justify="right", overflow="fold")
        for name, cells in self.lines:
            table.add_row(*map(plain, [name, *(cells.get(column, "") for column in columns)]))
        return table


def label(manifest: dict[str, Any]) -> str:
    """A run in few words: its cell where it is part of a study, else backend and sampler; then its hash."""
    return labels([manifest])[manifest["run_id"]]


def labels(manifests: Sequence[dict[str, Any]]) -> dict[str, str]:
    """A label for every run, by run id; runs of the same words also have the settings in which they differ."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for manifest in manifests:
        config = manifest["config"]
        words = f"{config['backend']['name']} {config.get('cell') or config['sampler']['name']}"
        alike.setdefault(words, []).append(manifest)
    found = {}
    for words, group in alike.items():
        settings = [dict(_flat(manifest["config"])) for manifest in group]
        names = [name for name in settings[0] if len({each.get(name) for each in settings}) > 1]
        for manifest, each in zip(group, settings, strict=True):
            differing = [_setting(name, each[name]) for name in names[:MOST_SETTINGS] if name in each]
            found[manifest["run_id"]] = " ".join([words, *differing, manifest["run_id"][-6:]])
    return found


def _flat(config: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Settings that can tell runs apart, as text by their dotted names."""
    for name, value in config.items():
        if not above and name in {*RUNTIME, "metric", "scoring"}:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", str(value)


def _setting(name: str, value: str) -> str:
    last = name.rpartition(".")[2]
    return value if last == "name" else f"{last}={value}"


def _model(manifest: dict[str, Any]) -> str:
    model = manifest["model"]
    adapted = " adapted" if model.get("adapter") else ""
    return f"{manifest['config']['backend']['name']} ({model['base']}{adapted})"


def _cells(row: dict[str, Any]) -> list[str]:
    value = number(row["value"])
    if math.isfinite(row["ci_low"]):
        value += f" [{number(row['ci_low'])}, {number(row['ci_high'])}]"
    if math.isnan(row["value"]):
        value = f"not computable: {row['reason']}"
    return [
        number(row["human"]),
        number(row["simulated"]),
        value,
        number(row["floor"]),
        number(row["ceiling"]),
    ]


def _footer(run: Run, manifest: dict[str, Any], registry: Registry) -> list[str]:
    only = " (only ok ones are compared)" if troubled(manifest) else ""
    lines = [
        "floor: uniform-random answers; ceiling: other people, as many. Definitions by simbench.",
        f"answers: {headline_counts(manifest)}{only}",
        *(reasons(run.responses) if only else ()),
    ]
    lines += [
        f"warning: asked for and NOT SENT, since the model does not take it: {each}" for each in unsent(manifest)
    ]
    lines += [
        f"warning: only {share:.2g} of the model's own probability is on the options of {item!r}; choosing "
        "among them is not what it would freely say"
        for item, share in manifest.get("valid_mass", {}).items()
        if share < LOW_MASS
    ]
    lines += [f"warning: {fault}" for fault in faults(manifest)]
    scores = run.scores
    lines += _conclusions(scores, manifest, registry)
    partly = scores[scores["reason"].notna() & scores["metric"].isin(["f1_sign"])]
    lines += [f"note: {row['metric']} ({row['item'] or 'all'}): {row['reason']}" for row in partly.to_dict("records")]
    page = run.folder.path / "report.html"
    lines += [f"report: {page}"] if page.exists() else []
    return [*lines, f"run folder: {run.folder.path}"]


def _conclusions(scores: pd.DataFrame, manifest: dict[str, Any], registry: Registry) -> list[str]:
    """The verdict in a line, and how the simulation stands against copies of the pilot's people."""
    found = answers_said(manifest, scores)
    lines = ["may it be used?", *(f"  {line}" for line in found)] if found else []
    if manifest["config"]["backend"]["name"] not in BASELINES:
        table = ScoreTable(scores, registry.classes("metric"))
        lines += against_the_pilot(table, table.headline)
    return [*lines, *likelihood_said(scores), *limits_said(scores)]
