"""simbench without a command line."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simbench.harness.config import assemble
from simbench.harness.inferring import Inferred, prepare_inference, refuse_others
from simbench.harness.inferring import carry_out as carry_out_inference
from simbench.harness.planning import Goal, Planned
from simbench.harness.planning import plan as make_plan
from simbench.harness.progress import Silent
from simbench.harness.rescoring import rescore as score_anew
from simbench.harness.run import Run
from simbench.harness.run import run as carry_out
from simbench.harness.simulating import Simulated, Wanted, prepare_simulation
from simbench.harness.simulating import simulate as carry_out_simulation
from simbench.plugin.manager import load_plugins

__all__ = ["infer", "plan", "rescore", "run", "simulate"]


def run(
    experiment: str | Mapping[str, Any] = "information_disclosure",
    backend: str | Mapping[str, Any] = "local",
    sampler: str | Mapping[str, Any] = "balanced",
    **settings: Any,
) -> Run:
    """Carry out one run and return it; ``.scores`` is a DataFrame.

    A plugin is given by name, or as a mapping with its settings:
    ``run("framing", backend="uniform", sampler={"name": "balanced", "n": 60}, seed=1)``. The other settings
    are those of the command line (``evaluate``, ``seed``, ``replicates``, ``out``, ``metric``, ...), groups
    of settings as mappings (``scoring={"resamples": 200}``).

    Raises:
        simbench.errors.UserError: bad settings, data or pilot, before anything is spent.
    """
    config = {"experiment": experiment, "backend": backend, "sampler": sampler, **settings}
    registry = load_plugins()
    for lost in registry.broken:
        warnings.warn(str(lost), UserWarning, stacklevel=2)
    return carry_out(assemble(config, registry), Silent())


def infer(
    experiment: str | Mapping[str, Any],
    backend: str | Mapping[str, Any] = "local",
    folds: int = 5,
    people: str | Path | None = None,
    level: float = 0.95,
    randomised: bool | None = None,
    repeats: int = 1,
    **settings: Any,
) -> Inferred:
    """Valid estimates from all people of a study and a simulation of them; ``.estimates`` is a DataFrame.

    Each of ``folds`` models is adapted to the people outside its fold and predicts those in it, under every arm where
    arms were assigned by chance (``randomised``; None: where there are factors and one row a person), and the people
    of a file of profiles without answers (``people``); with ``repeats``, for so many random splits into folds, whose
    estimates are put together by medians. The other settings are those of a run. Written to
    ``inferred/``, unless ``out`` is given; the same call goes on from what is there.

    Raises:
        simbench.errors.UserError: bad settings, too few people, people that do not fit, before anything is spent.
    """
    refuse_others(settings)
    config = {"out": "inferred", "experiment": experiment, "backend": backend, **settings}
    config |= {"sampler": {"name": "none"}, "metric": {}, "evaluate": "all"}
    given = None if people is None else Path(people)
    plan = assemble(config, load_plugins())
    return carry_out_inference(prepare_inference(plan, folds, given, level, randomised, repeats), Silent())


def rescore(
    run: Run | str | Path,
    metric: str | Sequence[str] | Mapping[str, Any] | None = None,
    scoring: Mapping[str, Any] | None = None,
) -> Run:
    """Score a finished run anew from its folder alone: neither the model nor the files of the study are needed.

    ``metric`` are names, or ``{name: settings}`` (default: the run's own metrics); ``scoring`` holds settings that
    differ from the run's, as ``{"resamples": 2000}``. The scores that the run had are replaced.

    Raises:
        simbench.errors.UserError: no finished run, a metric that is not there, a damaged file.
    """
    return score_anew(run if isinstance(run, Run) else Run.at(Path(run)), load_plugins(), metric, scoring)


def simulate(
    run: Run | str | Path,
    people: str | Path | None = None,
    n: int | None = None,
    conditions: Sequence[str] = (),
    overlay: Mapping[str, Any] | None = None,
    out: str | Path = "simulated",
    budget: float | None = None,
    **more: Any,
) -> Simulated:
    """Let a finished run's model answer for new people; ``.responses`` is a DataFrame of simulated answers.

    ``people`` is a file of profiles or ``"pilot"`` (None: the run's own people, ``n`` of them drawn by chance);
    ``conditions`` are dealt out by chance (empty: all that have words). ``overlay`` has new levels of factors,
    vignettes or an introduction, as in docs/simulate.md. ``more``: ``margins`` (``{variable: {level: share}}``),
    ``every`` (each person under each condition), ``replicates``, ``seed``.

    Raises:
        simbench.errors.UserError: a run that is not done or whose model is gone; people, conditions that do not fit.
    """
    given = people if people in (None, "pilot") else Path(people)
    wanted = Wanted(given, n, conditions=tuple(conditions), overlay=overlay, **more)
    source = run if isinstance(run, Run) else Run.at(Path(run))
    return carry_out_simulation(prepare_simulation(source, load_plugins(), wanted, Path(out), budget), Silent())


def plan(
    runs: Run | str | Path | Sequence[Run | str | Path],
    cost_human: float,
    cost_simulated: float = 0.0,
    width: float | None = None,
    power: float | None = None,
    effect: float | None = None,
    estimand: str = "",
    level: float = 0.95,
) -> Planned:
    """How many humans and simulated people a wished precision takes; ``.table`` and ``.curve`` are DataFrames.

    ``runs`` are pilot runs of one study. Either ``width`` (of the interval, in the estimand's units) or ``power`` to
    find an ``effect`` (None: the pilot's estimate of each). ``estimand``: only those with this text in their name.

    Raises:
        simbench.errors.UserError: runs that are not done or of several studies, a goal that cannot be.
    """
    given = [runs] if isinstance(runs, Run | str | Path) else runs
    pilots = [each if isinstance(each, Run) else Run.at(Path(each)) for each in given]
    goal = Goal(cost_human, cost_simulated, width, power, effect, level)
    return make_plan(pilots, load_plugins(), goal, estimand)
