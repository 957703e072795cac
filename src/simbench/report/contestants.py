"""Who takes part in a comparison: a run, or the runs of one setting with several pilots (seeds) as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.harness.contest import settings_alike
from simbench.report.table import labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MEANS", "Contestant", "contestants", "pooled_losses", "pooled_row"]

HASH = 7  # characters of a run's hash at the end of its label, with the space before them
INVERSE = "equivalent_n"
"""Figures of this name are averaged, and their intervals made, as errors: 1 / n."""
SHARES = (
    "f1_sign",
    "fpr",
    "fnr",
    "js_distance",
    "js_distance_joint",
    "total_variation",
    "sign_agreement",
    "accuracy",
)
ENDS = ("ci_low", "ci_high")
MEANS = ("human", "simulated", "floor", "ceiling", "majority", "resample", "tabular")


@dataclass(frozen=True)
class Contestant:
    """One or several runs under one name; ``pilots`` says of every run which pilot it learned from."""

    name: str
    runs: tuple[str, ...]
    pilots: tuple[str, ...]

    @property
    def identity(self) -> str:
        """The ids of its runs."""
        return " ".join(self.runs)

    def paired(self, other: Contestant) -> bool:
        """Whether both have learned from the very same pilots, each from every one once."""
        own = sorted(self.pilots)
        return len(set(own)) == len(own) > 1 and own == sorted(other.pilots)

    def pairs(self, other: Contestant) -> list[tuple[str, str]]:
        """Runs of both two by two: of the same pilot, or in their order where there are none."""
        theirs = dict(zip(other.pilots, other.runs, strict=True))
        shared = [(run, theirs[pilot]) for pilot, run in zip(self.pilots, self.runs, strict=True) if pilot in theirs]
        if len({own for own, _ in shared}) == len({their for _, their in shared}) == len(shared) > 0:
            return shared
        return list(zip(self.runs, other.runs))


def contestants(
    manifests: Sequence[Mapping[str, Any]], learned: Mapping[str, str], apart: bool
) -> tuple[Contestant, ...]:
    """Runs that differ in their seed alone are one contestant, unless two have the same seed or ``apart``.

    ``learned`` identifies the pilot of every run, by run id.
    """
    alike: dict[str, list[dict[str, Any]]] = {}
    for manifest in manifests:
        alike.setdefault(settings_alike(manifest), []).append(dict(manifest))
    groups: list[list[dict[str, Any]]] = []
    for members in alike.values():
        seeds = [manifest["seed"] for manifest in members]
        if apart or len(set(seeds)) < len(seeds):
            groups += [[manifest] for manifest in members]
        else:
            groups.append(sorted(members, key=lambda manifest: manifest["seed"]))
    names = labels([members[0] for members in groups])
    found = []
    for members in groups:
        runs = tuple(str(manifest["run_id"]) for manifest in members)
        pilots = tuple(learned[run] for run in runs)
        name = names[runs[0]]
        if len(runs) > 1:
            name = f"{name[:-HASH]} ({len(runs)} {'pilots' if len(set(pilots)) == len(runs) else 'seeds'})"
        found.append(Contestant(name, runs, pilots))
    order = {str(manifest["run_id"]): place for place, manifest in enumerate(manifests)}
    return tuple(sorted(found, key=lambda each: min(order[run] for run in each.runs)))


def pooled_row(metric: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figure of a contestant from those of its runs: means, and an interval for people and pilots together.

    ``between``: standard deviation between its runs. With one run the row is the run's own.
    """
    from simbench.stats.pilots import error_between, with_pilots

    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(row.get(name, np.nan)) for row in rows])

    if not rows:
        return {}
    found = {name: float(column(name).mean()) for name in MEANS}
    values, (low, high) = column("value"), (column(name) for name in ENDS)
    if len(rows) == 1:
        return found | {"value": values[0], "ci_low": low[0], "ci_high": high[0], "between": float("nan")}
    inverse = metric.startswith(INVERSE)
    if inverse:
        values, low, high = (_inverse(each) for each in (values, high, low))
        found = {name: float(_inverse(_inverse(column(name)).mean())) for name in MEANS}
    error, free = error_between(values)
    mean = float(values.mean())
    ends = with_pilots(mean, float(low.mean()), float(high.mean()), error, free)
    if not inverse:
        ends = _within(metric, ends, low)
        return found | {"value": mean, "ci_low": ends[0], "ci_high": ends[1], "between": error * len(rows) ** 0.5}
    upper, value, lower = (float(_inverse(np.array(max(each, 0.0)))) for each in (ends[0], mean, ends[1]))
    return found | {"value": value, "ci_low": lower, "ci_high": upper, "between": float("nan")}


def pooled_losses(metric: str, losses: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Losses (R,) of a contestant from those of its runs, pooled as :func:`pooled_row` pools their figures."""
    table = np.stack(losses)
    if metric.startswith(INVERSE):
        return -_inverse(_inverse(np.abs(table)).mean(axis=0))
    return np.asarray(table.mean(axis=0))


def _within(metric: str, ends: tuple[float, float], lows: NDArray[np.float64]) -> tuple[float, float]:
    """The ends without what the figure cannot be: below 0 where no run's interval goes there, a share above 1."""
    least = 0.0 if (lows >= 0).all() else -np.inf
    return max(ends[0], least), min(ends[1], 1.0 if metric in SHARES else np.inf)


def _inverse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return 1 / values
