"""Runs against each other: a leaderboard per figure, ranks with their uncertainty, paired differences.

Every figure is turned into a *loss*, its distance from what humans would show: the value itself where lower is
closer, minus the value where higher is closer, its absolute value where zero is closest. Runs meet the same people
and are resampled by the same weights, so a difference of losses is taken within each resample, and what the runs
share does not count as noise. That two runs do not differ is tested by exchanging what they simulated for a person
(:mod:`simbench.harness.exchanges`). Runs that differ in their seed alone are one contestant, whose interval holds
what varies from pilot to pilot (:mod:`simbench.stats.pilots`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import ConfigError, closest
from simbench.harness.contest import Contest, contest_of, measured, same_people
from simbench.harness.library import Runs
from simbench.metrics.base import loss
from simbench.metrics.score_table import Figure, ScoreTable
from simbench.plugin.manager import Registry
from simbench.report.contestants import MEANS, Contestant, contestants, pooled_losses, pooled_row
from simbench.report.differences import Losses, differences
from simbench.report.outcomes import unsent
from simbench.report.table import labels

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Standing", "compare_runs"]

KEPT = ("human", "simulated", "value", "ci_low", "ci_high", "between", "floor", "ceiling")


@dataclass(frozen=True, eq=False)
class Standing:
    """What a comparison found.

    ``leaderboard``: one row per figure and contestant, best first: ``metric``, ``item``, ``better``, ``run`` (its
    name), ``run_id`` (of several runs all, with blanks between), ``runs``, ``human``, ``simulated``, ``value``,
    ``ci_low``, ``ci_high``, ``between`` (standard deviation between its runs), ``floor``, ``ceiling``, baselines,
    ``rank``, ``rank_low``, ``rank_high`` (95 % of the resamples), ``p_best`` (share of the resamples in which it is
    the closest to human); these three are NaN where no resample varies the figure.
    ``differences``: see :func:`simbench.report.differences.differences`. ``costs``: one row per run. ``people``: how
    many all are held against, None where these differ. ``notes``: what the reader must know.
    """

    leaderboard: pd.DataFrame
    differences: pd.DataFrame
    costs: pd.DataFrame
    notes: tuple[str, ...]
    people: int | None = None


@dataclass(frozen=True, eq=False)
class _Field:
    """The runs, their figures and what is known of the people: (units, pools) behind the resamples."""

    runs: Runs
    scores: ScoreTable
    losses: Mapping[Figure, Mapping[str, NDArray[np.float64]]]
    drawn: tuple[int, int]
    contest: Contest | None
    notes: list[str] = field(default_factory=list)


def compare_runs(
    runs: Runs,
    registry: Registry,
    *,
    different_humans: bool = False,
    against: str | None = None,
    every: bool = False,
    apart: bool = False,
) -> Standing:
    """Compare the runs that are done.

    ``against`` is the contestant (run id, label or cell) that all others are held against; without it, all pairs of
    up to eight are. ``every`` takes all whole-sample figures in place of the headline ones. ``apart`` keeps runs
    apart that differ in their seed alone. Runs with different pilots are scored on the people outside all of these;
    ``different_humans`` puts their own figures side by side instead.

    Raises:
        ConfigError: fewer than two runs with answers, or runs without people in common, or of different studies
            without ``different_humans``.
    """
    import pandas as pd

    done = runs.done
    if len(done) < 2:
        raise ConfigError(f"compare: expected at least two runs that are done; found {len(done)} of {len(runs)}")
    done, notes = _answered(done)
    notes = [f"left out, since not done: {len(runs) - len(runs.done)}"] * (len(runs.done) < len(runs)) + notes
    held = _field(done, registry, different_humans, every)
    names = labels(done.manifests)
    notes += [*held.notes, *_warnings(done, names)]
    learned = {run: each.learned for run, each in held.contest.entrants.items()} if held.contest else {}
    who = contestants(done.manifests, learned or dict.fromkeys(names, ""), apart or held.contest is None)
    figures = list(held.losses) if every else [key for key in held.scores.headline if key in held.losses]
    reference = _reference(against, who, done)
    rows, own = [], {}
    for figure in figures:
        own[figure] = _own(held.losses[figure], who)
        rows += _board(figure, held.scores, who, own[figure])
    pairs, said = differences(own, who, reference, held.drawn, held.contest)
    notes += [*said, *_of_pilots(who)]
    people = None if held.contest is None else len(held.contest.people)
    return Standing(pd.DataFrame(rows), pairs, _costs(done, names), tuple(notes), people)


def _answered(runs: Runs) -> tuple[Runs, list[str]]:
    """The runs with any ok answer, and who the others are. ConfigError where fewer than two are left."""
    counts = [(manifest.get("outcomes") or {}).get("all", {"ok": 1}).get("ok", 0) for manifest in runs.manifests]
    names = labels(runs.manifests)
    silent = [names[m["run_id"]] for m, ok in zip(runs.manifests, counts, strict=True) if not ok]
    kept = runs.chosen([bool(ok) for ok in counts])
    if len(kept) < 2:
        raise ConfigError(
            f"compare: expected at least two runs with answers; found {len(kept)}: none of the answers is ok in "
            f"{', '.join(silent)}"
        )
    return kept, [f"left out, since none of its answers is ok: {name}" for name in silent]


def _field(runs: Runs, registry: Registry, different: bool, every: bool) -> _Field:
    """The runs' figures as they were scored, where that was with the same people, or anew for those in common."""
    import pandas as pd

    metrics = registry.classes("metric")
    alike = same_people(runs)
    contest, notes = None, []
    if alike or not different:
        try:
            contest = contest_of(runs, registry, every)
        except ConfigError as refused:
            if not alike:
                raise
            notes = [f"not tested by exchanging answers: {refused}"]
    if contest is not None and contest.outside:
        frame, losses, faults = measured(contest)
        kept = ScoreTable(frame, metrics)
        return _Field(
            runs, kept, _wanted(losses, kept, every), _units(contest), contest, [_outside(runs, contest), *faults]
        )
    if not alike:
        notes = [
            "runs on DIFFERENT people: differences mix models with people, and are not paired; p-values take the "
            "samples as independent"
        ]
    only = None if every else ScoreTable(pd.DataFrame(), metrics).headline
    scores = ScoreTable(_read(runs, "scores", "subgroup IS NULL", only), metrics)
    return _Field(runs, scores, _losses(runs, scores.directions, only), _drawn(runs), contest, notes)


def _read(runs: Runs, name: str, where: str, only: Sequence[Figure] | None) -> pd.DataFrame:
    """Rows of ``scores`` or ``resamples`` of the whole sample, of some figures only (None: of all)."""
    if only is None:
        return runs.read(name, where)
    metrics, items = ({figure[place] for figure in only} - {None} for place in (0, 1))
    some = "list_contains(?, metric) AND (item IS NULL OR list_contains(?, item::VARCHAR))"
    return runs.read(name, f"{where} AND {some}", [sorted(map(str, metrics)), sorted(map(str, items))])


def _wanted(losses: Mapping[Figure, Any], scores: ScoreTable, every: bool) -> Mapping[Figure, Any]:
    told = {metric for metric, _ in scores.headline}
    return {figure: each for figure, each in losses.items() if every or figure[0] in told}


def _units(contest: Contest) -> tuple[int, int]:
    from simbench.harness.comparisons import scheme

    found = scheme(contest.people)
    return found.size, len(found.pools)


def _outside(runs: Runs, contest: Contest) -> str:
    sizes = sorted({manifest["humans"]["n_evaluated"] for manifest in runs.manifests})
    pilots = len({each.learned for each in contest.entrants.values() if each.pilot is None or len(each.pilot)})
    own = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return (
        f"runs with different people: all are scored anew on the {len(contest.people)} whom every run was compared "
        f"with and who are outside all {pilots} pilots (each run alone: {own}), with the first run's settings"
    )


def _warnings(runs: Runs, names: Mapping[str, str]) -> list[str]:
    found = []
    if any(manifest["humans"]["synthetic"] for manifest in runs.manifests):
        found.append("SYNTHETIC reference population, not real people")
    return found + [
        f"{names[manifest['run_id']]} was asked with settings that were NOT SENT: {', '.join(gone)}"
        for manifest in runs.manifests
        if (gone := unsent(manifest))
    ]


def _of_pilots(who: Sequence[Contestant]) -> list[str]:
    single, several = ([each for each in who if (len(each.runs) > 1) == many] for many in (False, True))
    found = []
    if several:
        found.append(
            "of several pilots: means over them; intervals and p_closer are for other people and other pilots (t "
            "with one less than the pilots), p and p_step are about these very models"
        )
    if several and single:
        alone = ", ".join(each.name for each in single)
        found.append(f"one pilot only, so nothing is known of others and intervals are of people alone: {alone}")
    return found


def _losses(
    runs: Runs, directions: Mapping[str, str], only: Sequence[Figure] | None
) -> dict[Figure, dict[str, NDArray[np.float64]]]:
    """Losses (R,) by figure and run id, of the figures with a direction; the first is the estimate."""
    frame = _read(runs, "resamples", "true", only)
    found: dict[Figure, dict[str, NDArray[np.float64]]] = {}
    for run, metric, item, values in zip(*(frame[name] for name in ("run_id", "metric", "item", "value"))):
        figure, way = (metric, item if isinstance(item, str) else None), directions.get(metric)
        if way is not None and (only is None or figure in only):
            found.setdefault(figure, {})[run] = loss(_numbers(values), way)
    return found


def _numbers(values: Any) -> NDArray[np.float64]:
    """Resampled values as DuckDB gives a list: missing ones, which mask it, are NaN."""
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.float64), np.nan)
    return np.asarray(values, dtype=np.float64)


def _drawn(runs: Runs) -> tuple[int, int]:
    """Units and pools behind the resamples: of the run with the fewest; (0, 1) where runs do not say."""
    said = [manifest.get("resampled") or {} for manifest in runs.manifests]
    found = [(each["units"], each["pools"]) for each in said if each]
    return min(found, key=lambda each: each[0] - each[1], default=(0, 1))


def _reference(against: str | None, who: Sequence[Contestant], runs: Runs) -> Contestant | None:
    if against is None:
        return None
    cells = {manifest["run_id"]: manifest["config"].get("cell") for manifest in runs.manifests}
    names = labels(runs.manifests)
    found = [
        each
        for each in who
        if against == each.name
        or any(against in (run, names[run], cells[run]) or run.endswith(against) for run in each.runs)
    ]
    if len(found) != 1:
        known = [each.name for each in who]
        raise ConfigError(f"--against: expected one run; {against!r} names {len(found)}{closest(against, known)}")
    return found[0]


def _own(losses: Mapping[str, NDArray[np.float64]], who: Sequence[Contestant]) -> Losses:
    """Losses (R,) of every run by contestant, of those all of whose runs have the figure."""
    shortest = min((len(each) for each in losses.values()), default=0)
    return {
        each.name: {run: losses[run][:shortest] for run in each.runs}
        for each in who
        if all(run in losses for run in each.runs)
    }


def _board(figure: Figure, scores: ScoreTable, who: Sequence[Contestant], losses: Losses) -> list[dict[str, Any]]:
    metric, item = figure
    own_rows = scores.rows(metric, item)
    known = [name for name in dict.fromkeys(("run_id", *KEPT, *MEANS)) if name in own_rows]
    by_run: dict[str, Any] = {row["run_id"]: row for row in own_rows[known].to_dict("records")}
    ranks = _ranks({name: pooled_losses(metric, list(each.values())) for name, each in losses.items()})
    rows = []
    for each in who:
        own = [by_run[run] for run in each.runs if run in by_run]
        rows.append(
            {"metric": metric, "item": item, "better": scores.direction(metric), "run": each.name}
            | {"run_id": each.identity, "runs": len(each.runs)}
            | dict.fromkeys(KEPT, float("nan"))
            | (pooled_row(metric, own) if len(own) == len(each.runs) else {})
            | ranks.get(each.name, dict.fromkeys(("rank", "rank_low", "rank_high", "p_best"), float("nan")))
        )
    return sorted(rows, key=lambda row: (not np.isfinite(row["rank"]), row["rank"], row["run"]))


def _ranks(losses: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Rank of each contestant by its loss, the ranks' interval over resamples, and how often it is first.

    Of figures whose intervals are theory's no resample varies, and ranks alone are known.
    """
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
    varies = bool((whole != whole[:, :1]).any())
    return {
        run: {
            "rank": float(ranks[number, 0]),
            "rank_low": float(low[number]) if varies else float("nan"),
            "rank_high": float(high[number]) if varies else float("nan"),
            "p_best": float(first[number, 1:].mean()) if varies else float("nan"),
        }
        for number, run in enumerate(usable)
    }


def _costs(runs: Runs, names: Mapping[str, str]) -> pd.DataFrame:
    table = runs.table
    kept = ["run_id", "backend", "sampler", "n_pilot", "n_evaluated", "ok", "not_ok", "tokens", "cost", "seconds"]
    frame = table[kept].copy()
    frame.insert(0, "run", frame["run_id"].map(names))
    return frame
