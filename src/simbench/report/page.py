"""The report: one HTML file that needs nothing else, and its figures as files."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import simbench
from simbench.errors import ConfigError
from simbench.files import write_text
from simbench.harness.conclusions import plainly
from simbench.harness.kept import name_of, study_of
from simbench.harness.library import Runs
from simbench.harness.run import Run
from simbench.harness.store import now
from simbench.metrics.score_table import title
from simbench.plugin.manager import Registry
from simbench.report import content
from simbench.report.curves import enough, learning_curve, sizes_of, standings
from simbench.report.drawing import Chart, save, svg
from simbench.report.figures import run_charts
from simbench.report.fit import fit_against_effect
from simbench.report.formats import as_csv, number
from simbench.report.leaderboard import Standing, compare_runs
from simbench.report.outcomes import outcomes, pilot_size
from simbench.report.paper import PUBLISHED_NOTE, paper_table
from simbench.report.participants import participants
from simbench.report.table import labels
from simbench.report.tables import run_tables, save_tables
from simbench.report.verdict import verdict

__all__ = ["MOST_RUNS", "own_script", "template", "write_report"]

MOST_RUNS = 12
SHARE = 0.8
MOST_ROWS = 80


@dataclass(frozen=True)
class Drawn:
    """A chart as the template wants it: markup, its data as a table, and the same as a file in a link."""

    chart: Chart
    svg: Any
    head: list[str]
    rows: list[list[str]]
    more: int
    link: str


def write_report(
    runs: Runs, registry: Registry, folder: Path, *, figures: bool = True, drawn: bool = True, pages: str = ""
) -> Path:
    """Write ``report.html``, and beside it figures (SVG, PDF, PNG, CSV) and tables (CSV, Markdown, LaTeX).

    ``drawn``: whether figures are drawn on the page; their data are there in any case. ``pages``: the folder of the
    runs' own pages, seen from this one, which are linked then; without it up to twelve runs have a section here.

    Raises:
        ConfigError: none of the runs is done.
    """
    done = runs.done
    if not len(done):
        raise ConfigError(f"report: none of the {len(runs)} runs is done")
    from markupsafe import Markup

    folder.mkdir(parents=True, exist_ok=True)
    detailed = done[: 0 if pages else MOST_RUNS]
    names = labels(runs.manifests)
    views = [_run_view(run, names[run.run_id], registry, drawn) for run in detailed]
    study = _study_view(done, registry, pages) if len(done) > 1 else None
    if figures:
        for each in study["charts"] if study else []:
            save(each.chart, folder / "figures")
        for view in views:
            for each in view["charts"]:
                save(each.chart, folder / "figures" / (view["id"] if len(views) > 1 else ""))
        for run in detailed:
            found = run_tables(run.manifest, run.scores, registry, _marked(run.manifest))
            save_tables(found, folder / "tables" / (run.run_id if len(views) > 1 else ""))
    script, digest = own_script("people.js")
    html = template("report.html.j2").render(
        title=_title(done),
        made=now(),
        version=simbench.__version__,
        synthetic=any(manifest["humans"]["synthetic"] for manifest in done.manifests),
        study=study,
        runs=views,
        citations=_once([content.citation(study_of(run.folder, registry)) for run in detailed or done[:1]]),
        claims=_once([claim for view in [*views, study] if view for claim in view["claims"]]),
        undrawn=not drawn,
        script=Markup(script),  # noqa: S704 - our own script, whose digest the page's policy names
        script_digest=Markup(digest),  # noqa: S704
        left_out=0 if pages else len(done) - len(detailed),
        not_done=len(runs) - len(done),
    )
    path = folder / "report.html"
    write_text(path, html)
    return path


def _once(words: Sequence[str]) -> list[str]:
    return [each for each in dict.fromkeys(words) if each]


def own_script(name: str) -> tuple[str, str]:
    """One of our scripts, and the source expression by which a page's policy admits it and no other."""
    script = (files("simbench.report") / "templates" / name).read_text(encoding="utf-8")
    return script, f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def template(name: str) -> Any:
    """One of our templates; whatever is written into it is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("simbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _title(runs: Runs) -> str:
    manifests = runs.manifests
    studies = {manifest["config"].get("study") for manifest in manifests} - {"", None}
    experiments = sorted({name_of(manifest) for manifest in manifests})
    what = f"study {studies.pop()}" if len(studies) == 1 else f"{len(runs)} runs"
    return f"{', '.join(experiments)}: {_in_words(manifests[0]) if len(runs) == 1 else what}"


def _in_words(manifest: Mapping[str, Any]) -> str:
    """What was done, for a reader who knows no settings."""
    pilot = pilot_size(manifest["humans"])
    learned = f"with a pilot of {pilot}" if pilot else "without a pilot"
    backend, base = manifest["config"]["backend"], str(manifest["model"].get("base") or "")
    words = [base if base != backend["name"] else "", str(backend.get("adapt") or "") if pilot else ""]
    model = f"{backend['name']} ({', '.join(filter(None, words))})" if any(words) else backend["name"]
    return f"{manifest['humans']['n_evaluated']} people simulated by {model}, {learned}"


def _run_view(run: Run, name: str, registry: Registry, drawn: bool) -> dict[str, Any]:
    """Everything that the page says about one run, under a name that tells it from the others."""
    manifest, scores, people, responses = run.manifest, run.scores, run.people, run.responses
    experiment = study_of(run.folder, registry)
    marked = _marked(manifest)
    design = content.design_of(experiment, manifest, people, scores)
    charts = run_charts(design, people, responses, scores, marked)
    statements = verdict(manifest, scores, registry)
    statuses, counted = outcomes(manifest)
    return {
        "id": run.run_id,
        "label": name,
        "facts": [*content.facts(manifest), *content.whose_words(experiment)],
        "plainly": plainly(manifest, scores),
        "verdict": statements,
        "marked": marked,
        "headlines": content.headlines(scores, registry),
        "charts": _drawn(charts, run.run_id if drawn else None),
        "statuses": statuses,
        "outcomes": counted,
        "study": content.study(experiment, people),
        "people": participants(design, people, responses) if experiment is not None else None,
        "pairs": content.pairs(run, experiment, people),
        "provenance": content.provenance(manifest),
        "config": json.dumps(manifest["config"], indent=1, ensure_ascii=False),
        "claims": content.claims(manifest, statements),
    }


def _marked(manifest: Mapping[str, Any]) -> str:
    return "humans (SYNTHETIC)" if manifest["humans"]["synthetic"] else "humans"


def _study_view(runs: Runs, registry: Registry, pages: str) -> dict[str, Any]:
    """What the page says about the runs together."""
    curve = learning_curve(runs, registry)
    reached = enough(runs, registry, SHARE)
    table = paper_table(runs)
    standing, notes = _compared(runs, registry)
    fit = fit_against_effect(standing) if standing else None
    charts = [fit, curve, *standings(runs, registry, standing)]
    verdicts, claims = _verdicts(runs, registry, pages)
    board, differences = _cells(standing) if standing else ([], [])
    return {
        "charts": _drawn([chart for chart in charts if chart], "study"),
        "verdicts": verdicts,
        "pages": pages,
        "claims": claims,
        "paper": None if table is None else {"head": list(table.columns), "rows": table.to_numpy().tolist()},
        "paper_note": PUBLISHED_NOTE,
        "sizes": sizes_of(reached),
        "enough": reached,
        "share": f"{100 * SHARE:.0f} %",
        "board": board,
        "differences": differences,
        "notes": notes,
    }


def _verdicts(runs: Runs, registry: Registry, pages: str) -> tuple[dict[str, list[Any]], list[str]]:
    """How every run stands on every topic, in a word each; and what must not be claimed from any of them."""
    from markupsafe import Markup

    link = Markup('<a href="{}/{}/report.html">{}</a>')
    whole = runs.read("scores", "subgroup IS NULL")
    own = dict(list(whole.groupby("run_id")))
    names, ids = labels(runs.manifests), [manifest["run_id"] for manifest in runs.manifests]
    none = whole.iloc[:0]
    found = [verdict(each, own.get(run, none), registry) for each, run in zip(runs.manifests, ids, strict=True)]
    standings = [{each.topic: each.standing for each in statements} for statements in found]
    topics = list(dict.fromkeys(topic for each in standings for topic in each))
    rows = [
        [link.format(pages, quote(run), names[run]) if pages else names[run], *(each.get(t, "-") for t in topics)]
        for run, each in zip(ids, standings, strict=True)
    ]
    claims = [content.claims(each, statements) for each, statements in zip(runs.manifests, found, strict=True)]
    return {"head": topics, "rows": rows}, _once([claim for each in claims for claim in each])


def _compared(runs: Runs, registry: Registry) -> tuple[Standing | None, list[str]]:
    """The runs against each other, and what a reader must know; where they cannot be compared, the reason."""
    try:
        standing = compare_runs(runs, registry)
    except ConfigError as refused:
        notes = [line.strip() for line in str(refused).splitlines()]
        return None, [*notes, "Figures stand beside each other below, without ranks or tests."]
    return standing, list(standing.notes)


def _cells(standing: Standing) -> tuple[list[list[str]], list[list[str]]]:
    """Leaderboard and differences as cells."""
    board = [
        [
            title(row),
            row["run"],
            f"{number(row['value'])} [{number(row['ci_low'])}, {number(row['ci_high'])}]",
            f"{row['rank']:g}" if row["rank"] == row["rank"] else "-",
            f"{row['rank_low']:g} to {row['rank_high']:g}" if row["rank_low"] == row["rank_low"] else "-",
        ]
        for row in standing.leaderboard.to_dict("records")
    ]
    differences = [
        [
            title(row),
            row["a"],
            row["b"],
            f"{number(row['difference'])} [{number(row['ci_low'])}, {number(row['ci_high'])}]",
            number(row["p"]),
            number(row["p_step"]),
        ]
        for row in standing.differences.to_dict("records")
    ]
    return board, differences


def _drawn(charts: Sequence[Chart], prefix: str | None) -> list[Drawn]:
    """Charts as the template wants them; without a prefix for the ids of their parts they are not drawn."""
    from markupsafe import Markup

    found = []
    for chart in charts:
        csv = as_csv(chart.data).encode("utf-8", "replace")
        rows = [[number(cell) for cell in row] for row in chart.data.itertuples(index=False, name=None)]
        drawing = Markup(svg(chart, f"{prefix}-{chart.name}") if prefix else "")  # noqa: S704 - our own drawing, whose text the XML writer escapes
        link = f"data:text/csv;base64,{base64.b64encode(csv).decode()}"
        more = max(0, len(rows) - MOST_ROWS)
        found.append(Drawn(chart, drawing, [str(name) for name in chart.data.columns], rows[:MOST_ROWS], more, link))
    return found
