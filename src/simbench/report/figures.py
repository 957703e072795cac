"""The figures about one run: each a :class:`Chart` made from the run's tidy frames, or None without data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import PARTICIPANT, Design, Item, People
from simbench.harness.comparisons import answered_alike
from simbench.metrics.alignment import OVER_ALL
from simbench.metrics.score_table import ScoreTable
from simbench.report.drawing import CEILING, FLOOR, HUMAN, INK, SIMULATED, Chart, clean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["coefficients", "distributions", "diversity", "gap", "run_charts", "subgroups"]

WIDTH = 7.2
Z = 1.959963984540054


def run_charts(
    design: Design, people: pd.DataFrame, responses: pd.DataFrame, scores: pd.DataFrame, marked: str
) -> list[Chart]:
    """Every figure that the run has data for. ``marked`` is how humans are called (SYNTHETIC where they are)."""
    ok = answered_alike(People(design, people), responses)[0].frame
    made = [
        coefficients(scores, marked),
        distributions(design, people, ok, marked),
        subgroups(scores),
        diversity(design, people, ok, scores, marked),
        gap(scores, marked),
    ]
    return [chart for chart in made if chart is not None]


def distributions(design: Design, people: pd.DataFrame, ok: pd.DataFrame, marked: str) -> Chart | None:
    """Shares of every option, human beside simulated, with Wilson intervals."""
    import pandas as pd

    unit = design.cluster or design.person or PARTICIPANT
    data = pd.concat([_shares(item, unit, design.weight, people, ok) for item in design.items], ignore_index=True)
    together = any(unit in frame and frame[unit].duplicated().any() for frame in (people, ok))
    if not len(ok):
        return None

    def draw(figure: Figure) -> None:
        grid = figure.subplots(math.ceil(len(design.items) / 2), 2, squeeze=False).flatten()
        for axes, item in zip(grid, design.items):
            _bars(axes, item, data[data["item"] == item.name], marked)
        for axes in grid[len(design.items) :]:
            axes.set_axis_off()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2)

    alt = "Bars: share of each answer among humans and simulated participants, for " + ", ".join(
        item.name for item in design.items
    )
    return Chart(
        "distributions",
        "Answers, human and simulated",
        alt,
        data,
        draw,
        (WIDTH, 0.4 + 2.1 * math.ceil(len(design.items) / 2)),
        f"{'Weighted share' if design.weight else 'Share'} of each option among the answers to an item; whiskers are "
        "95 % Wilson intervals"
        + (", of as many answers as these are worth where persons or clusters have several." if together else "."),
    )


def _shares(item: Item, unit: str, weight: str | None, people: pd.DataFrame, ok: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {"item": item.name, "option": [str(v) for v in item.values], "label": list(item.labels)}
    for side, frame in (("human", people), ("simulated", ok)):
        codes = item.codes(frame[item.name])
        known = codes >= 0
        heavy = np.ones(len(codes)) if weight is None else frame[weight].to_numpy(dtype=float)
        counts, n = np.bincount(codes[known], heavy[known], minlength=len(item.options)), int(known.sum())
        share = counts / counts.sum() if n else np.full(len(counts), np.nan)
        alone = unit not in frame or not n
        low, high = _wilson(share, n if alone else _worth(codes, share, frame[unit], heavy, weight is not None))
        columns |= {side: share, f"{side}_low": low, f"{side}_high": high, f"n_{side}": n}
    return pd.DataFrame(columns)


def _worth(
    codes: np.ndarray[Any, Any],
    share: np.ndarray[Any, Any],
    units: pd.Series,
    heavy: np.ndarray[Any, Any],
    weighted: bool,
) -> Any:
    """How many independent answers (K,) the answers (n,) to each option are worth.

    n; fewer where units have several, and where answers have unequal weights ``heavy`` (n,).

    The effective sample size: share (1 - share) over the variance of the share between units, as in Dean and Pagano
    (2015, Statistics in Medicine 34); the number of units where an answer is everybody's or nobody's.
    """
    known = codes >= 0
    unit = np.unique(units.to_numpy(str)[known], return_inverse=True)[1].reshape(-1)
    n, groups = int(known.sum()), int(unit.max(initial=-1)) + 1
    if groups in (0, 1) or (groups == n and not weighted):
        return np.full(share.shape, float(groups))
    off = ((codes[known][:, None] == np.arange(len(share))) - share) * heavy[known][:, None]
    sums = np.zeros((groups, len(share)))
    np.add.at(sums, unit, off)
    variance = groups / (groups - 1) * (sums**2).sum(axis=0) / heavy[known].sum() ** 2
    spread = share * (1 - share)
    return np.where(spread > 0, np.clip(spread / np.where(variance > 0, variance, np.inf), 1, n), groups)


def _wilson(share: np.ndarray[Any, Any], n: Any) -> tuple[Any, Any]:
    """Wilson's score interval (1927) of shares (K,) out of n."""
    if not np.all(n):
        return np.full(share.shape, np.nan), np.full(share.shape, np.nan)
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _bars(axes: Axes, item: Item, data: pd.DataFrame, marked: str) -> None:
    at = np.arange(len(data))
    for offset, side, colour, name in ((-0.2, "human", HUMAN, marked), (0.2, "simulated", SIMULATED, "simulated")):
        share = data[side].to_numpy(float)
        whiskers = np.abs(np.stack([share - data[f"{side}_low"], data[f"{side}_high"] - share]))
        axes.bar(at + offset, share, 0.38, color=colour, label=name)
        axes.errorbar(at + offset, share, whiskers, fmt="none", ecolor=INK, elinewidth=0.8)
    labels = [short(label, 12) for label in data["label"]]
    crowded = sum(map(len, labels)) > 34
    axes.set_xticks(at, labels, rotation=40 if crowded else 0, ha="right" if crowded else "center", fontsize=8)
    axes.set_title(f"{item.name} ({item.role})")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_ylim(0, None)
    clean(axes, "y")


def subgroups(scores: pd.DataFrame) -> Chart | None:
    """Mean JS distance by subgroup level, with floor and ceiling."""
    rows = scores[(scores["metric"] == "js_distance") & (scores["item"] == "mean") & scores["value"].notna()]
    data = rows[["subgroup", "level", "value", "ci_low", "ci_high", "floor", "ceiling", "n_human"]].reset_index(
        drop=True
    )
    if data["subgroup"].notna().sum() == 0:
        return None
    over_all = rows["reason"].astype("object").str.contains(OVER_ALL, regex=False, na=False).any()
    which = "all items" if over_all else "belief items"
    names = [
        "everybody" if not isinstance(row.subgroup, str) else f"{row.subgroup}: {row.level} ({row.n_human})"
        for row in data.itertuples()
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _dots(axes, data, names, "value", ("ci_low", "ci_high"), SIMULATED, "simulated against human")
        _ticks(axes, data, "floor", FLOOR, "floor: uniform answers")
        _ticks(axes, data, "ceiling", CEILING, "ceiling: humans against humans")
        axes.set_xlim(0, None)
        axes.set_xlabel(f"Jensen-Shannon distance, mean over {which} (0: same distribution)")
        _below(figure, axes)

    parts = [f"{name} {row.value:.2f}" for name, row in zip(names, data.itertuples())]
    return Chart(
        "subgroups",
        "Distance by subgroup",
        f"Dot plot of mean Jensen-Shannon distance: {'; '.join(parts)}",
        data,
        draw,
        (WIDTH, 1.1 + 0.24 * len(data)),
        "In brackets: humans in the group. Small groups are further away by chance alone; read each dot against "
        "its own floor and ceiling.",
    )


def diversity(
    design: Design, people: pd.DataFrame, ok: pd.DataFrame, scores: pd.DataFrame, marked: str
) -> Chart | None:
    """Share of people who hold the k most common structures, of beliefs or, without beliefs, of all answers."""
    import pandas as pd

    names, kind = [item.name for item in design.main_items], "belief" if design.beliefs else "answer"
    if not len(ok):
        return None
    parts = []
    for side, frame in ((marked, people), ("simulated", ok)):
        counts = frame[names].dropna().astype(str).value_counts().to_numpy(float)
        if not len(counts):
            return None
        held = np.cumsum(counts) / counts.sum()
        parts.append(pd.DataFrame({"who": side, "structures": np.arange(1, len(held) + 1), "share": held}))
    data = pd.concat(parts, ignore_index=True)
    row = ScoreTable(scores).one("unique_structures_rarefied")
    figures = "" if row is None else f" {row['human']:.0f} human and {row['simulated']:.0f} simulated at equal n."

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for part, colour, dashes in zip(parts, (HUMAN, SIMULATED), ("-", "--")):
            x, y = np.insert(part["structures"].to_numpy(float), 0, 0), np.insert(part["share"].to_numpy(), 0, 0)
            axes.plot(x, 100 * y, color=colour, linestyle=dashes, label=part["who"].iloc[0], linewidth=1.8)
        axes.set_xlabel(f"most common {kind} structures, cumulated")
        axes.set_ylabel("share of people, %")
        axes.set_xlim(0, None)
        axes.set_ylim(0, 102)
        clean(axes, "both")
        axes.legend(loc="lower right")

    return Chart(
        "diversity",
        f"{kind.capitalize()} structures",
        f"Lines: share of people who hold the most common {kind} structures, cumulated." + figures,
        data,
        draw,
        (WIDTH, 2.9),
        f"A structure is the tuple of one participant's {'' if kind == 'answer' else 'belief '}answers. A steep line "
        "means that few "
        "structures cover everybody; the line ends at the number of distinct ones." + figures,
    )


def gap(scores: pd.DataFrame, marked: str) -> Chart | None:
    """Value-action gap of humans and simulated participants."""
    import pandas as pd

    row = ScoreTable(scores).one("value_action_gap")
    if row is None or not math.isfinite(row["value"]):
        return None
    data = pd.DataFrame(
        [
            {"who": who, "gap": row[side], "ci_low": row[f"{side}_ci_low"], "ci_high": row[f"{side}_ci_high"]}
            for who, side in ((marked, "human"), ("simulated", "simulated"))
        ]
    )

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        numbers = data[["gap", "ci_low", "ci_high"]].to_numpy(float)
        for at, (line, colour) in enumerate(zip(numbers, (HUMAN, SIMULATED))):
            axes.plot(line[1:], [at, at], color=colour, linewidth=2)
            axes.plot(line[0], at, "os"[at], color=colour, markersize=7)
        axes.set_yticks(range(len(data)), data["who"])
        axes.set_ylim(1.6, -0.6)
        axes.set_xlim(0, 1)
        axes.axvline(0.5, color=FLOOR, linewidth=1, linestyle=":")
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("share whose decision contradicts their own beliefs")
        clean(axes, "x")

    return Chart(
        "value_action_gap",
        "Value-action gap",
        f"Dot plot: {100 * row['human']:.1f} % of humans and {100 * row['simulated']:.1f} % of simulated "
        "participants act against their own beliefs",
        data,
        draw,
        (WIDTH, 1.4),
        "Rows for which the rule of coherence is undefined are left out. The dotted line at 50 % is the source "
        "paper's limit of coherence.",
    )


def coefficients(scores: pd.DataFrame, marked: str) -> Chart | None:
    """Forest plot of every regression coefficient, human and simulated."""
    whole = ScoreTable(scores).whole
    rows = whole[(whole["metric"] == "coefficient") & whole["human"].notna()]
    if rows.empty:
        return None
    ends = [f"{side}{end}" for side in ("human", "simulated") for end in ("", "_ci_low", "_ci_high")]
    parts = rows["item"].str.rpartition(": ")
    data = rows[ends].assign(regression=parts[0], coefficient=parts[2])[["regression", "coefficient", *ends]]
    groups = list(data.groupby("regression", sort=False))
    sizes = [len(group) + 1.6 for _, group in groups]

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(groups), 1, squeeze=False, height_ratios=sizes).flatten()
        for axes, (name, group) in zip(grid, groups):
            _forest(axes, group, str(name), marked)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)

    return Chart(
        "coefficients",
        "Regression coefficients",
        f"Forest plot of {len(data)} coefficients in {len(groups)} regressions, human and simulated estimates",
        data.reset_index(drop=True),
        draw,
        (WIDTH, 0.7 + 0.27 * sum(sizes)),
        "Estimates with 95 % bootstrap intervals on the scale of each regression. A test agrees where both "
        "intervals lie on the same side of zero. Intervals that are off the scale end in an arrow.",
    )


def _forest(axes: Axes, group: pd.DataFrame, name: str, marked: str) -> None:
    at = np.arange(len(group), dtype=float)
    found = group[[c for c in group if c not in ("regression", "coefficient")]].to_numpy(float)
    points = np.abs(group[["human", "simulated"]].to_numpy(float))
    limit = 1.1 * min(np.nanmax(np.abs(found)), 6 * np.nanmax(points)) or 1.0
    for offset, side, colour, mark, who in (
        (-0.16, "human", HUMAN, "o", marked),
        (0.16, "simulated", SIMULATED, "s", "simulated"),
    ):
        low, high = (group[f"{side}_ci_{end}"].to_numpy(float) for end in ("low", "high"))
        axes.hlines(
            at + offset, np.clip(low, -limit, limit), np.clip(high, -limit, limit), color=colour, linewidth=1.6
        )
        for off, arrow, end in ((low < -limit, "<", -limit), (high > limit, ">", limit)):
            for row in np.flatnonzero(off):  # an empty line would break the layout
                axes.plot(end, at[row] + offset, arrow, color=colour, markersize=5)
        axes.plot(group[side], at + offset, mark, color=colour, markersize=5, label=who, linestyle="none")
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(at, [short(text, 44) for text in group["coefficient"]], fontsize=8)
    axes.set_ylim(len(group) - 0.4, -0.6)
    axes.set_xlim(-limit, limit)
    axes.set_title(name)
    clean(axes, "x")


def _dots(
    axes: Axes, data: pd.DataFrame, names: Sequence[str], value: str, ends: tuple[str, str], colour: str, label: str
) -> None:
    """One dot with its interval per row, first row on top."""
    at = np.arange(len(data))
    axes.hlines(at, data[ends[0]], data[ends[1]], color=colour, linewidth=1.6)
    axes.plot(data[value], at, "s", color=colour, label=label, markersize=5)
    axes.set_yticks(at, [short(name, 48) for name in names], fontsize=8)
    axes.set_ylim(len(data) - 0.4, -0.6)
    clean(axes, "x")


def _ticks(axes: Axes, data: pd.DataFrame, name: str, colour: str, label: str) -> None:
    axes.plot(data[name], np.arange(len(data)), "|", color=colour, label=label, markersize=9, markeredgewidth=2)


def _below(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)


def short(text: str, most: int) -> str:
    """Text cut to what fits beside an axis."""
    return text if len(text) <= most else text[: most - 1] + "…"
