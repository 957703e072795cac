"""The study ``paper`` beside what the source paper, arXiv 2511.21218, has published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simbench.harness.library import Runs
from simbench.metrics.score_table import ScoreTable
from simbench.report.formats import number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PUBLISHED_NOTE", "in_brief", "paper_table"]

STUDY = "paper"
PUBLISHED_NOTE = (
    "Columns marked 'published' hold the figures of arXiv 2511.21218 (GPT-4.1, 929 people, its own prompts and data, "
    "which are not public). All others are this study's, under definitions by simbench. This is no replication."
)
HUMAN = {"structures": "340", "gap": "24.7 %"}
UNADAPTED = {"structures": "19", "gap": "close to 100 %"}
ADAPTED = {
    "structures": "244 to 374 (six variants)",
    "distance": "half of the unadapted one's, or less",
    "f1": "at most 0.77",
    "fpr": "0.33 at best",
}
ALL_GROUPS = {"gap": "23.8 % and 24.4 % (all groups)"}
FIGURES = {
    "structures": ("unique_structures", None, "belief structures"),
    "distance": ("js_distance", "mean", "JS distance"),
    "gap": ("value_action_gap", None, "value-action gap"),
    "f1": ("f1_sign", None, "F1(Sign)"),
    "fpr": ("fpr", None, "false positives"),
}


def paper_table(runs: Runs) -> pd.DataFrame | None:
    """Human, unadapted and adapted figures beside the published ones, as text; None without such runs."""
    import pandas as pd

    chosen = runs.where(study=STUDY).done if len(runs) else runs
    if not len(chosen):
        return None
    scores = chosen.scores
    rows: list[dict[str, str]] = []
    for manifest in chosen.manifests:
        own = ScoreTable(scores[scores["run_id"] == manifest["run_id"]])
        found = {key: own.one(metric, item) for key, (metric, item, _) in FIGURES.items()}
        if not rows:
            rows.append(
                _row("humans" + _mark(manifest), "", {k: _own(k, v, "human") for k, v in found.items()}, HUMAN)
            )
        cell = manifest["config"]["cell"]
        published = UNADAPTED if cell == "unadapted" else ADAPTED | (ALL_GROUPS if cell.endswith("_all") else {})
        name = f"{manifest['config']['backend']['name']} {cell}"
        mine = {key: _own(key, row, "simulated") for key, row in found.items()}
        rows.append(_row(name, str(manifest["humans"]["n_pilot"]), mine, published))
    order = {"humans": 0, "unadapted": 1, "random": 2, "balanced": 3}
    rows.sort(key=lambda row: next((n for word, n in order.items() if word in row["who"]), 9))
    return pd.DataFrame(rows)


def in_brief(table: pd.DataFrame) -> pd.DataFrame:
    """The same with each published figure below ours, for narrow places."""
    brief = table[["who", "pilot"]].copy()
    for _, _, title in FIGURES.values():
        pairs = zip(table[title], table[f"{title}, published"], strict=True)
        brief[title] = [f"{own}\npublished: {published}" if published else own for own, published in pairs]
    return brief


def _mark(manifest: dict[str, Any]) -> str:
    return " (SYNTHETIC)" if manifest["humans"]["synthetic"] else ""


def _row(who: str, pilot: str, mine: dict[str, str], published: dict[str, str]) -> dict[str, str]:
    row = {"who": who, "pilot": pilot}
    for key, (_, _, title) in FIGURES.items():
        row[title] = mine[key]
        row[f"{title}, published"] = published.get(key, "")
    return row


def _own(key: str, row: dict[str, Any] | None, side: str) -> str:
    if row is None:
        return "-"
    if key in ("structures", "gap"):
        value = row[side]
        return number(value) if key == "structures" or value != value else f"{100 * value:.1f} %"
    if side == "human":
        return f"ceiling {number(row['ceiling'])}, floor {number(row['floor'])}"
    if row["value"] != row["value"]:
        return "not computable"
    return f"{number(row['value'])} [{number(row['ci_low'])}, {number(row['ci_high'])}]"
