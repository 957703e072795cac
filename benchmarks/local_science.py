"""Which way of learning from a pilot comes closest to people? Framing, real and held out.

    python benchmarks/local_science.py                          # all; hours on 2 cores, resumes where it was
    python benchmarks/local_science.py --pilots 30 --seeds 0    # a part
    python benchmarks/local_science.py --methods finetune calibrate
    python benchmarks/local_science.py --methods finetune --epochs 6

Every cell is one run of simbench (kept in ``--out``, so that nothing is done twice); a figure is the mean over seeds
with the range in brackets. All methods of one seed and pilot have the same pilot and the same held-out people.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

import simbench

METHODS: dict[str, dict[str, Any]] = {
    "finetune": {"name": "local", "adapt": "finetune"},
    "finetune, all tokens alike": {"name": "local", "adapt": "finetune", "loss": "answer"},
    "few_shot": {"name": "local", "adapt": "few_shot"},
    "calibrate": {"name": "local", "adapt": "calibrate"},
    "unadapted": {"name": "local", "adapt": "none"},
    "tabular": {"name": "tabular"},
    "resample": {"name": "resample"},
    "majority": {"name": "majority"},
    "uniform": {"name": "uniform"},
}
FIGURES = {
    "JS distance": ("js_distance", "mean", "value"),
    "JS joint": ("js_distance_joint", None, "value"),
    "structures": ("unique_structures_rarefied", None, "simulated"),
    "gap": ("value_action_gap", None, "simulated"),
    "F1 sign": ("f1_sign", None, "value"),
    "FPR": ("fpr", None, "value"),
    "FNR": ("fnr", None, "value"),
}


def main() -> None:
    """Run what is missing and print one table per pilot size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pilots", type=int, nargs="+", default=[30, 116])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--epochs", type=int, help="passes over the pilot when finetuning, if not the default")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    given = parser.parse_args()
    passes = {"epochs": given.epochs} if given.epochs else {}
    for pilot in given.pilots:
        rows: dict[str, dict[str, list[float]]] = {}
        humans: dict[str, list[float]] = {}
        for seed in given.seeds:
            for method in given.methods:
                backend = METHODS[method] | (passes if METHODS[method].get("adapt") == "finetune" else {})
                run = simbench.run(
                    "framing", backend, {"name": "balanced", "n": pilot}, seed=seed, out=str(given.out)
                )
                for figure, (metric, item, column) in FIGURES.items():
                    row = score(run.scores, metric, item)
                    rows.setdefault(method, {}).setdefault(figure, []).append(float(row[column]))
                    humans.setdefault(figure, []).append(float(row["human" if column == "simulated" else "ceiling"]))
        show(pilot, given.seeds, rows, humans)


def score(scores: pd.DataFrame, metric: str, item: str | None) -> Any:
    """The whole-sample row of a metric."""
    rows = scores[(scores["metric"] == metric) & scores["subgroup"].isna()]
    rows = rows[rows["item"].isna() if item is None else rows["item"] == item]
    return rows.iloc[0]


def show(
    pilot: int, seeds: list[int], rows: dict[str, dict[str, list[float]]], humans: dict[str, list[float]]
) -> None:
    """Print one table in Markdown."""
    print(f"\nPilot {pilot}, balanced over education; seeds {', '.join(map(str, seeds))}\n")
    print("| method | " + " | ".join(FIGURES) + " |")
    print("| --- |" + " ---: |" * len(FIGURES))
    for method, figures in (*rows.items(), ("**humans** (ceiling)", humans)):
        print(f"| {method} | " + " | ".join(cell(figures[name]) for name in FIGURES) + " |", flush=True)


def cell(values: list[float]) -> str:
    """Mean, and the range where there is one; a dash where a figure could not be computed."""
    if any(value != value for value in values):
        return "-"
    mean = sum(values) / len(values)
    if max(values) - min(values) < 0.005:
        return f"{mean:.2f}"
    return f"{mean:.2f} [{min(values):.2f}, {max(values):.2f}]"


if __name__ == "__main__":
    main()
