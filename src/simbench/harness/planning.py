"""From pilot runs and costs to how many humans, how many simulated people, and how to split them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import People
from simbench.errors import ConfigError
from simbench.harness.comparisons import answered_alike
from simbench.harness.estimands import Material, Told, facts
from simbench.harness.kept import people_of, study_of
from simbench.harness.run import Run
from simbench.plugin.manager import Registry
from simbench.stats.allocation import cheapest, correlation_interval, counting, variance_for, variance_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Goal", "Planned", "forecast_width", "pilot_facts", "plan", "spread"]

FEWEST = 10
KEYS = ["kind", "item", "term"]
STEPS = 25


@dataclass(frozen=True)
class Goal:
    """What is wished for: an interval ``width``, or ``power`` to find an ``effect`` (None: the pilot's estimate).

    Costs are of one human and one simulated person, in one currency.
    """

    cost_human: float
    cost_simulated: float = 0.0
    width: float | None = None
    power: float | None = None
    effect: float | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        if not self.cost_human > 0:
            raise ConfigError(f"cost.human: expected more than 0; found {self.cost_human}")
        if not self.cost_simulated >= 0:
            raise ConfigError(f"cost.simulated: expected at least 0; found {self.cost_simulated}")
        if (self.width is None) == (self.power is None):
            raise ConfigError("expected either width=NUMBER (of the interval) or power=SHARE (of finding an effect)")
        if self.width is not None and not self.width > 0:
            raise ConfigError(f"width: expected more than 0; found {self.width}")
        if self.power is not None and not 0.5 <= self.power < 1:
            raise ConfigError(f"power: expected from 0.5 to below 1; found {self.power}")
        if self.effect is not None and (self.power is None or self.effect == 0):
            raise ConfigError("effect: expected a number other than 0, together with power")


@dataclass(frozen=True, eq=False)
class Planned:
    """A plan: ``table`` (a row per estimand), ``curve`` (cost over precision), and from when there is a verdict."""

    table: pd.DataFrame
    curve: pd.DataFrame
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def _repr_html_(self) -> str:
        table: str = self.table.round(3).to_html(index=False, na_rep="", border=0)
        return table + "".join(f"<p>{note}</p>" for note in self.notes)


def plan(runs: Sequence[Run], registry: Registry, goal: Goal, estimand: str = "") -> Planned:
    """The plan for every whole-sample estimand, or those whose name holds a text.

    Of several runs, each estimand is planned from the run that makes it cheapest, and the humans that its model is
    adapted on are counted: so pilot sizes are held against each other.

    Raises:
        ConfigError: runs of different studies, runs that are not done, no such estimand, a goal that nothing fits.
    """
    import pandas as pd

    told = [pilot_facts(run, registry) for run in runs]
    if len({tuple(each["study"].unique()) for each in told}) > 1:
        raise ConfigError("plan: expected runs of one study; found several")
    found = pd.concat(told, ignore_index=True)
    if goal.power is not None:
        found = found[found["kind"].isin(["effect", "coefficient"])]
    found = found[found["name"].str.contains(estimand, regex=False)]
    if found.empty:
        raise ConfigError(f"plan: no estimand that can be planned has {estimand!r} in its name")
    rows = [_planned(each, goal) for each in found.to_dict("records")]
    table = pd.DataFrame(rows)
    best = table.sort_values("cost", kind="stable").drop_duplicates("estimand").sort_index().reset_index(drop=True)
    lead = _lead(best)
    return Planned(best, _curve(found, best, goal), _verdicts(runs), [lead, *_notes(best)])


def pilot_facts(run: Run, registry: Registry) -> pd.DataFrame:
    """Per estimand what the people outside the pilot say of sigma^2 and of rho: the correlation of influences.

    rho^2 is ``2 (1 - ratio^2)``, where ratio is that of the errors with as many simulated people as humans; it is
    reckoned with everybody left out of the tuning in turn, so chance is not taken for use.
    """
    manifest = run.manifest
    if manifest.get("status") != "done" or manifest.get("kind"):
        raise ConfigError(f"{run.folder.path}: expected a run that is done; found {manifest.get('status') or 'none'}")
    study = study_of(run.folder, registry)
    if study is None:
        raise ConfigError(f"{run.folder.path}: its study cannot be had; run its command again")
    people = people_of(study.design, run.people)
    if manifest.get("evaluated") == "all" and len(run.pilot):
        people = people.where(~people.ids.isin(set(run.pilot["participant_id"].astype(str))))
    if people.person.nunique() < FEWEST:
        raise ConfigError(
            f"{run.folder.path}: expected at least {FEWEST} people outside the pilot; found {len(people)}"
        )
    told = _told(people, run)
    unit = np.unique(people.unit.to_numpy(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
    told = Told(told.people, told.owner, unit[told.owner], told.weight, told.share, told.own, told.chances)
    frame = facts(Material(people, unit, told, told, False))
    frame = frame[frame["subgroup"].isna() & frame["width_ratio"].notna()]
    return frame.assign(
        study=people.design.name,
        run=run.run_id,
        pilot=int(manifest["humans"]["n_pilot"]),
        name=[" ".join(filter(None, map(str, (each.kind, each.item, each.term)))) for each in frame.itertuples()],
        sigma2=spread(frame),
        rho=np.sqrt(np.clip(2 * (1 - frame["width_ratio"] ** 2), 0.0, 1.0)),
    )


def spread(frame: pd.DataFrame) -> Any:
    """sigma^2 of estimands (rows of :func:`simbench.harness.estimands.facts`).

    The squared error of humans alone times the number of people that they count as
    (:mod:`simbench.stats.allocation`). Where the mean settles the variance (logit, ordered logit) it is that of the
    inverse information, which is less noisy than a sandwich and has no residuals in it, times n - p.
    """
    n, spent = frame["n_human"].to_numpy(float), frame["spent"].to_numpy(float)
    informed = frame["informed_error"].to_numpy(float)
    robust = frame["human_error"].to_numpy(float) ** 2 * counting(n, spent)
    return np.where(np.isnan(informed), robust, informed**2 * np.maximum(n - spent, 0))


def forecast_width(
    sigma2: float, rho2: float, humans: int, simulated: int, level: float = 0.95, spent: int = 0
) -> float:
    """Width of the interval that so many humans and simulated people will give; ``spent`` coefficients are fitted."""
    from scipy.special import stdtrit

    variance = sigma2 / float(counting(humans, spent)) * (1 - rho2 * simulated / (humans + simulated))
    return float(2 * stdtrit(max(humans - max(spent, 1), 1), (1 + level) / 2) * math.sqrt(variance))


def _told(people: People, run: Run) -> Told:
    """The run's answers for these people, under their own arms."""
    simulated, matched = answered_alike(people, run.responses)
    frame = simulated.frame
    counts = np.bincount(matched, minlength=len(people))[matched]
    chances = {
        item.name: np.stack(frame[f"{item.name}__p"].to_list()).astype(float)
        for item in people.design.items
        if f"{item.name}__p" in frame and len(frame) and frame[f"{item.name}__p"].notna().all()
    }
    ones = np.ones(len(matched))
    return Told(simulated, matched, matched, ones / counts, ones, ones.astype(bool), chances)


def _planned(fact: Mapping[Any, Any], goal: Goal) -> dict[str, Any]:
    """One estimand of one run, with the ends that the pilot's smallness leaves."""
    effect = goal.effect if goal.effect is not None else fact["human"]
    target = variance_for(goal.level, goal.width, goal.power, effect)
    n, spent = int(fact["n_human"]), int(fact["spent"])
    low, high = correlation_interval(fact["rho"], n)
    least, most = variance_interval(fact["sigma2"], n - max(spent - 1, 0))
    made = cheapest(fact["sigma2"], fact["rho"] ** 2, target, goal.cost_human, goal.cost_simulated, spent)
    good = cheapest(least, high**2, target, goal.cost_human, goal.cost_simulated, spent)
    bad = cheapest(most, low**2, target, goal.cost_human, goal.cost_simulated, spent)
    return {
        "estimand": fact["name"],
        "effect": effect if goal.power is not None else np.nan,
        "rho": fact["rho"],
        "rho_low": low,
        "rho_high": high,
        "humans_alone": made.alone,
        "humans": made.humans,
        "humans_low": good.humans,
        "humans_high": bad.humans,
        "simulated": made.simulated,
        "cost_alone": made.cost_alone,
        "cost": made.cost,
        "adapt_on": fact["pilot"],
        "split_humans": made.humans + fact["pilot"] if made.simulated else made.alone,
        "run": fact["run"],
    }


def _curve(found: pd.DataFrame, best: pd.DataFrame, goal: Goal) -> pd.DataFrame:
    """Cost over precision, from half to twice of what is wished: one block per estimand."""
    import pandas as pd

    rows = []
    for each in best.to_dict("records"):
        fact = found[(found["name"] == each["estimand"]) & (found["run"] == each["run"])].iloc[0]
        effect = goal.effect if goal.effect is not None else fact["human"]
        target = variance_for(goal.level, goal.width, goal.power, effect)
        for scale in np.geomspace(0.5, 2, STEPS):
            width = 2 * variance_for(goal.level, 2.0) ** -0.5 * math.sqrt(target * scale**2)
            made = cheapest(
                fact["sigma2"],
                fact["rho"] ** 2,
                target * scale**2,
                goal.cost_human,
                goal.cost_simulated,
                int(fact["spent"]),
            )
            rows.append(
                {
                    "estimand": each["estimand"],
                    "width": width,
                    "humans_alone": made.alone,
                    "humans": made.humans,
                    "simulated": made.simulated,
                    "cost_alone": made.cost_alone,
                    "cost": made.cost,
                }
            )
    return pd.DataFrame(rows)


def _verdicts(runs: Sequence[Run]) -> dict[str, Any]:
    """By purpose: from how many people on a perfect simulation would get its yes in four studies of five."""
    told: dict[str, Any] = {}
    for run in runs:
        for finding in run.manifest.get("findings", []):
            if "n_80" in finding:
                kept = told.setdefault(finding["purpose"], finding["n_80"])
                told[finding["purpose"]] = kept or finding["n_80"]
    return told


def _lead(best: pd.DataFrame) -> str:
    paid = best[best["simulated"] > 0]
    if paid.empty:
        return "Simulated people are worth paying for in no estimand: plan with humans alone."
    saved = 1 - paid["cost"] / paid["cost_alone"]
    return (
        f"Simulated people are worth paying for in {len(paid)} of {len(best)} estimands; there they save "
        f"{100 * saved.median():.0f} % of the cost in the median, {100 * saved.max():.0f} % at most."
    )


def _notes(best: pd.DataFrame) -> list[str]:
    notes = [
        "humans: all of them rectify, and each is predicted by a model adapted to the others (simbench infer), so "
        "that nobody is spent on adapting alone. split: the same with a model adapted once, to as many people as the "
        "run's pilot, who then do not count for the estimate.",
        "humans low to high: what the smallness of the pilot run leaves open in rho and in the spread of answers.",
    ]
    if (best["rho_low"] <= 0).all():
        notes.append("No correlation is shown to be above 0: that the simulation helps at all is not shown.")
    return notes
