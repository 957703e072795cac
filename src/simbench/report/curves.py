"""Figures over many runs: learning curves, and every run's headline figures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.harness.kept import name_of
from simbench.harness.library import Runs
from simbench.metrics.base import loss
from simbench.metrics.score_table import Figure as Shown
from simbench.metrics.score_table import ScoreTable, title
from simbench.plugin.manager import Registry
from simbench.report.drawing import CEILING, FLOOR, HUMAN, SIMULATED, Chart, clean
from simbench.report.figures import WIDTH, short
from simbench.report.table import labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simbench.report.leaderboard import Standing

__all__ = ["curve_data", "enough", "learning_curve", "standings"]

MOST_DOTS = 60
"""Lines that a dot plot has at most: more cannot be read."""
SERIES = ((HUMAN, "-", "o"), (SIMULATED, "--", "s"), (CEILING, "-.", "^"), (FLOOR, ":", "v"))


def standings(runs: Runs, registry: Registry, standing: Standing | None) -> list[Chart]:
    """One dot plot per headline figure: a dot with its interval per run, floor and ceiling as ticks.

    Of more than ``MOST_DOTS`` runs a dot is a contestant of the comparison (runs that differ in their seed alone),
    and of more of these than that the closest to human are drawn. The data hold all that the dots are of.
    """
    board = standing.leaderboard if standing is not None and len(runs) > MOST_DOTS else None
    names = labels(runs.manifests)
    if board is None or board.empty:
        frame, order = _headlines(runs, registry).frame, {run: place for place, run in enumerate(names)}
        frame = frame.sort_values("run_id", key=lambda column: column.map(order), kind="stable")
        frame, what = frame.assign(run=frame["run_id"].map(names)), ""
    else:
        frame, what = board.assign(subgroup=None), "runs that differ in their seed alone are one"
    table = ScoreTable(frame, registry.classes("metric"))
    charts = []
    for figure in table.headline:
        rows = table.rows(*figure)
        rows = rows[rows["value"].notna()]
        if len(rows):
            charts.append(_standing(rows, figure, table.direction(figure[0]) or "zero", what))
    return charts


def _headlines(runs: Runs, registry: Registry) -> ScoreTable:
    """Whole-sample rows of the metrics that have headline figures, of every run."""
    import pandas as pd

    metrics = registry.classes("metric")
    wanted = sorted({name for name, _ in ScoreTable(pd.DataFrame(), metrics).headline})
    return ScoreTable(runs.read("scores", "subgroup IS NULL AND list_contains(?, metric)", [wanted]), metrics)


def _standing(rows: pd.DataFrame, shown_figure: Shown, better: str, what: str) -> Chart:
    metric, item = shown_figure
    name_of_figure = title({"metric": metric, "item": item})
    data = rows[["run_id", "value", "ci_low", "ci_high", "floor", "ceiling", "run"]].reset_index(drop=True)
    drawn = data.iloc[:MOST_DOTS]
    shown = drawn["run"].to_list()

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        at = np.arange(len(drawn))
        axes.hlines(at, drawn["ci_low"], drawn["ci_high"], color=SIMULATED, linewidth=1.6)
        axes.plot(drawn["value"], at, "s", color=SIMULATED, markersize=5, label="run")
        for name, colour in (("floor", FLOOR), ("ceiling", CEILING)):
            axes.plot(drawn[name], at, "|", color=colour, markersize=9, markeredgewidth=2, label=name)
        axes.set_yticks(at, [short(name, 44) for name in shown], fontsize=8)
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        if better in ("zero", "one"):
            axes.axvline(float(better == "one"), color=HUMAN, linewidth=1)
        else:
            axes.set_xlim(min(0.0, axes.get_xlim()[0]), None)
        clean(axes, "x")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)

    way = {"zero": "zero is as human", "lower": "lower is closer to human", "higher": "higher is closer to human"}
    way["one"] = "one is as human"
    some = (
        f"the {'closest to human' if what else 'first'} {len(drawn)} of {len(data)}" if len(data) > len(drawn) else ""
    )
    note = "; ".join(part for part in (way.get(better, better), what, some) if part)
    parts = [f"{name} {value:.3g}" for name, value in zip(shown, drawn["value"])]
    return Chart(
        f"runs_{metric}" + (f"_{item}" if item else ""),
        name_of_figure,
        f"Dot plot of {name_of_figure}: {'; '.join(parts)}",
        data,
        draw,
        (WIDTH, 0.8 + 0.26 * len(drawn)),
        f"{note[0].upper()}{note[1:]}.",
    )


def curve_data(runs: Runs, registry: Registry) -> pd.DataFrame:
    """Headline figures by pilot size: one row per figure and run, with ``loss``, the distance from human."""
    import pandas as pd

    about = pd.DataFrame(
        [
            {
                "run_id": manifest["run_id"],
                "who": f"{manifest['config']['backend']['name']} {manifest['config']['sampler']['name']}",
                "backend": manifest["config"]["backend"]["name"],
                "n_pilot": manifest["humans"]["n_pilot"],
                "seed": manifest["seed"],
            }
            for manifest in runs.manifests
        ]
    )
    parts = []
    scores = _headlines(runs, registry)
    for figure in scores.headline:
        rows = scores.rows(*figure)[["run_id", "metric", "item", "value", "floor", "ceiling"]]
        better = scores.direction(figure[0]) or "zero"
        for name, source in (("loss", "value"), ("loss_ceiling", "ceiling")):
            rows = rows.assign(**{name: loss(rows[source].to_numpy(float), better)})
        parts.append(rows.assign(better=better))
    stacked = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["run_id"])
    return about.merge(stacked, on="run_id")


def is_curve(runs: Runs) -> bool:
    """Whether the runs vary the size of the pilot: one experiment, at least two sizes above none."""
    sizes = {manifest["humans"]["n_pilot"] for manifest in runs.manifests} - {0}
    return len(sizes) >= 2 and len({name_of(manifest) for manifest in runs.manifests}) == 1


def learning_curve(runs: Runs, registry: Registry) -> Chart | None:
    """Headline figures against the size of the pilot, or None where the runs do not vary it."""
    if not is_curve(runs):
        return None
    data = curve_data(runs, registry).dropna(subset="value")
    figures = list(data.groupby(["metric", "item"], dropna=False, sort=False))
    if not figures:
        return None

    def draw(figure: Figure) -> None:
        grid = figure.subplots((len(figures) + 1) // 2, 2, squeeze=False).flatten()
        for axes, ((metric, item), rows) in zip(grid, figures):
            _curve(axes, rows, title({"metric": metric, "item": item}))
        for axes in grid[len(figures) :]:
            axes.set_axis_off()
        named = {name: handle for axes in grid for handle, name in zip(*axes.get_legend_handles_labels())}
        figure.legend(list(named.values()), list(named), loc="outside upper left", ncols=3, fontsize=8)

    return Chart(
        "learning_curve",
        "Learning curve",
        "Lines: headline figures against the number of people in the pilot, by sampler",
        data.drop(columns=["loss", "loss_ceiling"]),
        draw,
        (WIDTH, 0.7 + 2.1 * ((len(figures) + 1) // 2)),
        "Lines go through means over seeds; each mark is one run. Lines across: the unadapted model, uniform "
        "answers (floor), humans against humans (ceiling). The scale of pilot sizes is logarithmic.",
    )


def _curve(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    adapted, unadapted = rows[rows["n_pilot"] > 0], rows[rows["n_pilot"] == 0]
    for (who, part), (colour, dashes, mark) in zip(adapted.groupby("who", sort=True), SERIES):
        means = part.groupby("n_pilot")["value"].mean()
        axes.plot(means.index, means.to_numpy(), color=colour, linestyle=dashes, linewidth=1.6)
        axes.plot(part["n_pilot"], part["value"], mark, color=colour, markersize=4, label=str(who))
    for level, style, name in (
        (unadapted["value"].mean(), (SIMULATED, "-"), "unadapted"),
        (rows["floor"].mean(), (FLOOR, ":"), "floor"),
        (rows["ceiling"].mean(), (CEILING, ":"), "ceiling"),
    ):
        if np.isfinite(level):
            axes.axhline(level, color=style[0], linestyle=style[1], linewidth=1, label=name)
    sizes = sorted({int(n) for n in adapted["n_pilot"]})
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(n) for n in sizes], fontsize=8)
    axes.minorticks_off()
    axes.set_title(title)
    clean(axes, "y")


def enough(runs: Runs, registry: Registry, share: float = 0.8) -> list[dict[str, Any]]:
    """The smallest pilot that goes ``share`` of the way from unadapted to ceiling, per figure and sampler.

    Losses are averaged over seeds. ``reached`` is the share of the way by size; ``n`` is None where no size
    gets there. Figures whose unadapted loss is no larger than the ceiling's leave no way to go and are skipped.
    """
    if not is_curve(runs):
        return []
    data = curve_data(runs, registry).dropna(subset=["loss", "loss_ceiling"])
    found: list[dict[str, Any]] = []
    for (metric, item, _), rows in data.groupby(["metric", "item", "backend"], dropna=False, sort=False):
        start, end = rows[rows["n_pilot"] == 0]["loss"].mean(), rows["loss_ceiling"].mean()
        if not np.isfinite(start) or start <= end:
            continue
        for who, part in rows[rows["n_pilot"] > 0].groupby("who", sort=True):
            means = part.groupby("n_pilot")["loss"].mean().sort_index()
            reached = {int(n): float((start - loss) / (start - end)) for n, loss in means.items()}  # type: ignore[call-overload]
            found.append(
                {"metric": metric, "item": item if isinstance(item, str) else None, "who": str(who)}
                | {"reached": reached, "n": next((n for n, way in reached.items() if way >= share), None)}
            )
    return found


def sizes_of(found: Sequence[dict[str, Any]]) -> list[int]:
    """Every pilot size that occurs."""
    return sorted({n for each in found for n in each["reached"]})
