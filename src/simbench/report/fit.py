"""Fit against effect: as good as how many people for answers, and as how many for effects of treatments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.harness.baselines import BASELINES
from simbench.report.drawing import FLOOR, GRID, HUMAN, INK, SIMULATED, Chart, clean
from simbench.report.figures import WIDTH, short
from simbench.report.formats import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simbench.report.leaderboard import Standing

__all__ = ["fit_against_effect"]

FIT, EFFECT = ("equivalent_n", "mean"), ("equivalent_n_effects", None)
COLUMNS = ("value", "ci_low", "ci_high")
MARGIN = 8
"""The axes reach so many times as far as the largest mark."""
NO_MODEL = (*BASELINES, "uniform")
OTHERS = {name: f"{name}, of the same pilots" for name in BASELINES} | {"floor": "uniform answers"}


def fit_against_effect(standing: Standing) -> Chart | None:
    """One mark per contestant, with intervals both ways; people on the diagonal, baselines marked.

    None where fewer than one contestant has both figures.
    """
    data = _data(standing)
    if not len(data):
        return None
    return Chart(
        "fit_against_effect",
        "Fit against effect: as good as asking how many people?",
        _alt(data),
        data,
        lambda figure: _draw(figure, data),
        (WIDTH, 4.2 + 0.19 * len(data)),
        "Across: shares of the answers; up: effects of the treatments, both in people (n*), with 95 % intervals. "
        "People lie on the diagonal: m people asked are as good as m people. Below it a simulation is better at "
        "answers than at effects. What reaches 'beyond' goes on, often without end: the error is within the noise of "
        "the people compared.",
    )


def _data(standing: Standing) -> pd.DataFrame:
    """One row per mark: ``mark``, ``kind`` (people, model, baseline), and both figures with their ends."""
    import pandas as pd

    board, costs = standing.leaderboard, standing.costs
    if not {"metric", "item"} <= set(board.columns):
        return pd.DataFrame()
    fits, effects = (_rows(board, figure) for figure in (FIT, EFFECT))
    backends, pilots = (dict(zip(costs["run_id"], costs[name], strict=True)) for name in ("backend", "n_pilot"))
    rows: list[dict[str, Any]] = []
    for name, fit in fits.items():
        effect = effects.get(name)
        if effect is None or not _known(fit["value"], effect["value"]):
            continue
        kind = "baseline" if backends[fit["run_id"].split()[0]] in NO_MODEL else "model"
        rows.append(_mark(name, kind, fit, effect))
    if not rows:
        return pd.DataFrame()
    drawn = {backends[fit["run_id"].split()[0]] for fit in fits.values()}
    for name, words in OTHERS.items():
        if {"floor": "uniform"}.get(name, name) in drawn or not {name} <= set(board.columns):
            continue
        means = [_mean([each.get(name, np.nan) for each in part.values()]) for part in (fits, effects)]
        if _known(*means):
            rows.append(_mark(words, "baseline", {"value": means[0]}, {"value": means[1]}))
    sizes = sorted({int(pilots[run]) for fit in fits.values() for run in fit["run_id"].split() if pilots[run]})
    rows += [
        _mark(f"people: {size}, a pilot's size", "people", {"value": size}, {"value": size})
        for size in sizes[:1] + sizes[1:][-1:]
    ]
    if standing.people:
        all_of_them = {"value": standing.people}
        rows.append(_mark(f"people: {standing.people}, all compared", "people", all_of_them, all_of_them))
    found = pd.DataFrame(rows).drop_duplicates("mark", ignore_index=True)
    found.insert(0, "number", range(1, len(found) + 1))
    return found


def _rows(board: pd.DataFrame, figure: tuple[str, str | None]) -> dict[str, dict[str, Any]]:
    metric, item = figure
    same = (board["metric"] == metric) & (board["item"].isna() if item is None else board["item"] == item)
    return {str(row["run"]): {str(key): each for key, each in row.items()} for row in board[same].to_dict("records")}


def _mark(name: str, kind: str, fit: dict[str, Any], effect: dict[str, Any]) -> dict[str, Any]:
    ends = {"value": "", "ci_low": "_low", "ci_high": "_high"}
    return {"mark": name, "kind": kind} | {
        f"{axis}{end}": float(row.get(column, np.nan))
        for axis, row in (("fit", fit), ("effect", effect))
        for column, end in ends.items()
    }


def _known(*values: float) -> bool:
    return all(value == value for value in values)


def _mean(values: list[float]) -> float:
    """Of numbers of people, on the scale of errors."""
    known = np.array([each for each in values if each == each], dtype=float)
    if not known.size:
        return float("nan")
    with np.errstate(divide="ignore"):
        return float(1 / np.mean(1 / known))


def _alt(data: pd.DataFrame) -> str:
    parts = []
    for row in data.to_dict("records"):
        ends = [
            f" ({number(row[f'{axis}_low'])} to {number(row[f'{axis}_high'])})" if row[f"{axis}_low"] > 0 else ""
            for axis in ("fit", "effect")
        ]
        parts.append(
            f"{row['mark']}: answers {number(row['fit'])}{ends[0]}, effects {number(row['effect'])}{ends[1]}"
        )
    return f"Scatter plot of equivalent numbers of people for answers and for treatment effects. {'; '.join(parts)}"


STYLES = {
    "model": (SIMULATED, "s", "model"),
    "baseline": (FLOOR, "^", "baseline, no language model"),
    "people": (HUMAN, "o", "people"),
}


def _draw(figure: Figure, data: pd.DataFrame) -> None:
    axes = figure.subplots()
    numbers = data[[f"{axis}{end}" for axis in ("fit", "effect") for end in ("", "_low", "_high")]].to_numpy(float)
    known, marks = numbers[np.isfinite(numbers) & (numbers > 0)], numbers[:, [0, 3]]
    least = max(0.7, known.min() / 1.6)
    most = min(known.max() * 1.6, marks[np.isfinite(marks)].max() * MARGIN)
    beyond = most * 1.6
    axes.plot([least, most], [least, most], color=HUMAN, linewidth=1, linestyle="--", zorder=1)
    axes.axvline(most, color=GRID, linewidth=1)
    axes.axhline(most, color=GRID, linewidth=1)
    for kind, (colour, mark, label) in STYLES.items():
        part = data[data["kind"] == kind]
        if not len(part):
            continue
        x, y = (np.minimum(part[axis].to_numpy(float), beyond) for axis in ("fit", "effect"))
        for axis, lines, other in (("fit", axes.hlines, y), ("effect", axes.vlines, x)):
            low, high = (part[f"{axis}{end}"].to_numpy(float) for end in ("_low", "_high"))
            there = ~np.isnan(low)
            lines(other[there], low[there], np.minimum(high[there], beyond), color=colour, linewidth=1, alpha=0.55)
        axes.plot(x, y, mark, color=colour, markersize=6, label=label, zorder=3)
        for number_of, left, up in zip(part["number"], x, y, strict=True):
            axes.annotate(
                str(number_of), (left, up), xytext=(5, 4), textcoords="offset points", fontsize=8, color=INK, zorder=4
            )
    _scaled(axes, least, most, beyond)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)
    words = "\n".join(f"{row['number']}  {short(row['mark'], 70)}" for row in data.to_dict("records"))
    figure.supxlabel(words, fontsize=8, x=0.02, ha="left", linespacing=1.35, color=INK)


def _scaled(axes: Axes, least: float, most: float, beyond: float) -> None:
    """Logarithmic axes from few people to more than are of interest."""
    from matplotlib.ticker import NullFormatter, NullLocator

    ticks = [
        tick for base in (1, 10, 100, 1000, 10_000, 100_000) for tick in (base, 3 * base) if least <= tick < most
    ]
    named = [f"{tick:,}" for tick in ticks]
    for scale, limits, axis, label in (
        (axes.set_xscale, axes.set_xlim, axes.xaxis, "answers: as good as asking n* people"),
        (axes.set_yscale, axes.set_ylim, axes.yaxis, "treatment effects: as good as n* people"),
    ):
        scale("log")
        limits(least, beyond * 1.25)
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
        axis.set_ticks([*ticks, beyond], labels=[*named, "beyond"])
        axis.set_label_text(label)
    clean(axes, "both")
