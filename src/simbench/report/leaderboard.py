"""Runs against each other: a leaderboard per figure, ranks with their uncertainty, paired differences.

Every figure is turned into a *loss*, its distance from what humans would show: the value itself where lower is
closer, minus the value where higher is closer, its absolute value where zero is closest. Runs on the same
people with the same ``scoring.seed`` were resampled by the same weights, so a difference of losses is taken
within each resample, and what the runs share does not count as noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import ConfigError, closest
from simbench.harness.kept import name_of
from simbench.harness.library import Runs
from simbench.metrics.base import loss
from simbench.metrics.score_table import Figure, ScoreTable
from simbench.plugin.manager import Registry
from simbench.report.outcomes import unsent
from simbench.report.table import labels

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Standing", "compare_runs"]

MOST_PAIRS_OF = 8


@dataclass(frozen=True, eq=False)
class Standing:
    """What a comparison found.

    ``leaderboard``: one row per figure and run, best first: ``metric``, ``item``, ``better``, ``run``,
    ``run_id``, ``human``, ``simulated``, ``value``, ``ci_low``, ``ci_high``, ``floor``, ``ceiling``,
    ``rank``, ``rank_low``, ``rank_high`` (95 % of the resamples), ``p_best`` (share of the resamples in which
    it is the closest to human).
    ``differences``: one row per figure and pair: ``difference`` of losses a - b (below 0: a is closer to
    human), its interval, two-sided bootstrap ``p``, and adjusted over all rows with a p-value: ``p_holm``
    (family-wise), ``p_bh`` (false discovery rate).
    ``costs``: one row per run. ``notes``: what the reader must know.
    """

    leaderboard: pd.DataFrame
    differences: pd.DataFrame
    costs: pd.DataFrame
    notes: tuple[str, ...]


def compare_runs(
    runs: Runs,
    registry: Registry,
    *,
    different_humans: bool = False,
    against: str | None = None,
    every: bool = False,
) -> Standing:
    """Compare the runs that are done.

    ``against`` is the run (id, label or cell) that all others are held against; without it, all pairs of up to
    eight runs are. ``every`` takes all whole-sample figures in place of the headline ones.

    Raises:
        ConfigError: fewer than two runs, or runs on different people without ``different_humans``.
    """
    import pandas as pd

    done = runs.done
    if len(done) < 2:
        raise ConfigError(f"compare: expected at least two runs that are done; found {len(done)} of {len(runs)}")
    names = labels(done.manifests)
    notes = [f"left out, since not done: {len(runs) - len(done)}"] if len(done) < len(runs) else []
    notes += _humans(done, names, different_humans)
    if any(manifest["humans"]["synthetic"] for manifest in done.manifests):
        notes.append("SYNTHETIC reference population, not real people")
    for manifest in done.manifests:
        if found := unsent(manifest):
            notes.append(
                f"{names[manifest['run_id']]} was asked with settings that were NOT SENT: {', '.join(found)}"
            )
    scores = ScoreTable(done.read("scores", "subgroup IS NULL"), registry.classes("metric"))
    told = {metric for metric, _ in scores.headline}
    losses = _losses(done, {name: way for name, way in scores.directions.items() if every or name in told})
    figures = list(losses) if every else [key for key in scores.headline if key in losses]
    reference = _reference(against, done, names)
    rows, pairs = [], []
    for figure in figures:
        rows += _board(figure, scores, names, losses[figure])
        pairs += _pairs(figure, names, losses[figure], reference, _drawn(done))
    board, differences = pd.DataFrame(rows), _adjusted(pd.DataFrame(pairs))
    if differences.empty and reference is None and len(done) > MOST_PAIRS_OF:
        notes.append(f"more than {MOST_PAIRS_OF} runs: name one with --against to see differences")
    elif differences.empty:
        notes.append("no figure has resamples in two runs, so there are no differences")
    elif (differences["p"] < _least_p(losses)).any():
        least = f"{_least_p(losses):.2g}"
        notes.append(f"p-values below {least} are those of a normal tail: no resample lies on the other side of 0")
    return Standing(board, differences, _costs(done, names), tuple(notes))


def _humans(runs: Runs, names: dict[str, str], different: bool) -> list[str]:
    """Refuse runs on different people, or say that they are."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for manifest in runs.manifests:
        humans, config = manifest["humans"], manifest["config"]
        people = humans.get("evaluated_sha256") or f"unknown in {manifest['run_id']}"
        key = (name_of(manifest), people, config["scoring"].get("seed"))
        groups.setdefault(key, []).append(names[manifest["run_id"]])
    if len(groups) == 1:
        return []
    kinds = [
        f"  {experiment}, people {str(sha)[:10]}, scoring.seed={seed}: {', '.join(members[:5])}"
        f"{f' and {len(members) - 5} more' if len(members) > 5 else ''}"
        for (experiment, sha, seed), members in groups.items()
    ]
    if not different:
        raise ConfigError(
            "these runs are not compared with the same people:\n" + "\n".join(kinds) + "\n"
            "Differences between them would mix models with people. Name runs on the same people "
            "(evaluate=reserved and evaluate=all keep them the same whatever the pilot), or give "
            "--different-humans to compare them all the same"
        )
    return [
        "runs on DIFFERENT people: differences mix models with people, and are not paired; p-values take the "
        "samples as independent"
    ]


def _losses(runs: Runs, directions: dict[str, str]) -> dict[Figure, dict[str, NDArray[np.float64]]]:
    """Losses (R,) by figure and run id, of the figures with a direction; the first is the estimate."""
    found: dict[Figure, dict[str, NDArray[np.float64]]] = {}
    for row in runs.read("resamples", "list_contains(?, metric)", [list(directions)]).to_dict("records"):
        item = row["item"] if isinstance(row["item"], str) else None
        values: NDArray[np.float64] = np.ma.filled(np.ma.asarray(row["value"], dtype=float), np.nan)
        way = directions.get(row["metric"])
        if way is not None:
            found.setdefault((row["metric"], item), {})[row["run_id"]] = loss(values, way)
    return found


def _drawn(runs: Runs) -> tuple[int, int]:
    """Units and pools behind the resamples: of the run with the fewest; (0, 1) where runs do not say."""
    said = [manifest.get("resampled") or {} for manifest in runs.manifests]
    found = [(each["units"], each["pools"]) for each in said if each]
    return min(found, key=lambda each: each[0] - each[1], default=(0, 1))


def _reference(against: str | None, runs: Runs, names: dict[str, str]) -> str | None:
    if against is None:
        return None
    cells = {manifest["run_id"]: manifest["config"].get("cell") for manifest in runs.manifests}
    found = [run for run in names if against in (run, names[run], cells[run]) or run.endswith(against)]
    if len(found) != 1:
        known = [*names.values()]
        raise ConfigError(f"--against: expected one run; {against!r} names {len(found)}{closest(against, known)}")
    return found[0]


def _board(
    figure: Figure, scores: ScoreTable, names: dict[str, str], losses: dict[str, NDArray[np.float64]]
) -> list[dict[str, Any]]:
    metric, item = figure
    by_run = {row["run_id"]: row for row in scores.rows(metric, item).to_dict("records")}
    ranks = _ranks(losses)
    rows = []
    for run, name in names.items():
        row = by_run.get(run, {})
        kept = ("human", "simulated", "value", "ci_low", "ci_high", "floor", "ceiling")
        rows.append(
            {"metric": metric, "item": item, "better": scores.direction(metric), "run": name, "run_id": run}
            | {key: row.get(key, float("nan")) for key in kept}
            | ranks.get(run, dict.fromkeys(("rank", "rank_low", "rank_high", "p_best"), float("nan")))
        )
    return sorted(rows, key=lambda row: (not np.isfinite(row["rank"]), row["rank"], row["run"]))


def _ranks(losses: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Rank of each run by its loss, the ranks' interval over resamples, and how often it is first."""
    import pandas as pd

    usable = {run: loss for run, loss in losses.items() if not np.isnan(loss[0])}
    if len(usable) < 2:
        return {}
    length = min(len(loss) for loss in usable.values())
    table = np.stack([loss[:length] for loss in usable.values()])
    whole = table[:, ~np.isnan(table).any(axis=0)]
    ranks = pd.DataFrame(whole).rank().to_numpy()  # ties share the mean of their ranks
    first = (whole == whole.min(axis=0)).astype(float)
    first /= first.sum(axis=0)
    drawn = ranks[:, 1:] if whole.shape[1] > 1 else ranks
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1, method="inverted_cdf")
    return {
        run: {
            "rank": float(ranks[number, 0]),
            "rank_low": float(low[number]),
            "rank_high": float(high[number]),
            "p_best": float(first[number, 1:].mean()) if whole.shape[1] > 1 else float("nan"),
        }
        for number, run in enumerate(usable)
    }


def _pairs(
    figure: Figure,
    names: dict[str, str],
    losses: dict[str, NDArray[np.float64]],
    reference: str | None,
    drawn: tuple[int, int],
) -> list[dict[str, Any]]:
    from simbench.stats.intervals import paired_difference

    present = [run for run in names if run in losses]
    if reference is not None:
        pairs: Sequence[tuple[str, str]] = [(run, reference) for run in present if run != reference]
        pairs = pairs if reference in present else []
    else:
        pairs = list(combinations(present, 2)) if len(names) <= MOST_PAIRS_OF else []
    rows = []
    for one, other in pairs:
        length = min(len(losses[one]), len(losses[other]))
        if length < 2:
            continue
        found = paired_difference(losses[one][:length], losses[other][:length], units=drawn[0], pools=drawn[1])
        rows.append(
            {"metric": figure[0], "item": figure[1], "a": names[one], "b": names[other]}
            | {"difference": float(found.estimate), "ci_low": float(found.low), "ci_high": float(found.high)}
            | {"p": float(found.p)}
        )
    return rows


def _adjusted(pairs: pd.DataFrame) -> pd.DataFrame:
    from simbench.stats.intervals import benjamini_hochberg, holm

    if pairs.empty:
        return pairs
    return pairs.assign(p_holm=holm(pairs["p"].to_numpy()), p_bh=benjamini_hochberg(pairs["p"].to_numpy()))


def _least_p(losses: dict[Figure, dict[str, NDArray[np.float64]]]) -> float:
    longest = max((len(loss) for each in losses.values() for loss in each.values()), default=1)
    return 2 / longest


def _costs(runs: Runs, names: dict[str, str]) -> pd.DataFrame:
    table = runs.table
    kept = ["run_id", "backend", "sampler", "n_pilot", "n_evaluated", "ok", "not_ok", "tokens", "cost", "seconds"]
    frame = table[kept].copy()
    frame.insert(0, "run", frame["run_id"].map(names))
    return frame
