"""``simbench simulate RUN key=value ...``: a finished run's model answers for new people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simbench.errors import ConfigError, closest
from simbench.files import as_path

__all__ = ["estimate", "main"]

USAGE = """usage: simbench simulate RUN key=value ...

  people=FILE|pilot   profiles without answers, or those of the run's pilot (default: the run's own people)
  n=5000              so many, drawn from the run's people with replacement (by survey weight, where there is one)
  margins=FILE        YAML {variable: {level: share}} that the people drawn are raked to
  conditions=A,B      treatment groups, dealt out by chance (default: all that have words)
  every=true          each person under each condition, in place of one by chance
  overlay=FILE        YAML with new levels (factors), vignettes, introduction: extrapolation, and called so
  replicates=1        answers per person and condition
  seed=0, out=simulated, budget=DOLLARS
"""
KEYS = ("people", "n", "margins", "conditions", "every", "overlay", "replicates", "seed", "out", "budget")


def main(words: Sequence[str]) -> int:
    """Carry it out, and say what the run's verdict allows."""
    if not words or any(word in ("-h", "--help") for word in words):
        print(USAGE, end="")
        return 0 if words else 2
    from simbench.cli.quiet import quiet
    from simbench.cli.terminal import progress
    from simbench.harness.simulating import RESPONSES, TABLE, simulate
    from simbench.report.simulation import simulation_said

    simulation = _prepared(words)
    _say(simulation)
    with quiet(), progress() as bars:
        done = simulate(simulation, bars)
    for line in simulation_said(simulation.source, done.manifest):
        print(line)
    print(f"SIMULATED answers, not people's: {done.folder.path} ({RESPONSES}, {TABLE})")
    return 0


def estimate(words: Sequence[str]) -> int:
    """Say what a simulation would take, and nothing else."""
    _say(_prepared(words))
    return 0


def _prepared(words: Sequence[str]) -> Any:
    from simbench.experiments.sections import read_yaml
    from simbench.harness.library import load_runs
    from simbench.harness.overlay import read_overlay
    from simbench.harness.simulating import Wanted, prepare_simulation
    from simbench.plugin.manager import load_plugins

    place, *rest = words
    given: dict[str, str] = {}
    for word in rest:
        key, mark, value = word.partition("=")
        if not mark or key not in KEYS:
            raise ConfigError(f"simulate: expected key=value after the run; found {word!r}{closest(key, KEYS)}")
        given[key] = value
    runs = load_runs(place)
    if len(runs) != 1:
        raise ConfigError(f"{place}: expected one run; found {len(runs)}")
    named = given.get("people")
    people: Path | str | None = named if named in (None, "pilot") else as_path(str(named))
    wanted = Wanted(
        people=people,
        n=_whole("n", given.get("n")),
        margins=read_yaml(as_path(given["margins"]), "margins") if "margins" in given else None,
        conditions=() if given.get("conditions", "all") == "all" else tuple(given["conditions"].split(",")),
        every=given.get("every", "false").lower() == "true",
        overlay=read_overlay(as_path(given["overlay"])) if "overlay" in given else None,
        replicates=_whole("replicates", given.get("replicates")) or 1,
        seed=_whole("seed", given.get("seed")) or 0,
    )
    budget = given.get("budget")
    try:
        dollars = None if budget is None else float(budget)
    except ValueError:
        raise ConfigError(f"budget: expected US dollars; found {budget!r}") from None
    return prepare_simulation(runs[0], load_plugins(), wanted, as_path(given.get("out", "simulated")), dollars)


def _whole(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name}: expected a whole number; found {text!r}") from None


def _say(simulation: Any) -> None:
    from collections import Counter

    from simbench.cli.infer import in_words
    from simbench.harness.simulating import cost_of

    dealt = ", ".join(f"{name} {count:,}" for name, count in sorted(Counter(simulation.condition).items()))
    asked = len(simulation.people) * simulation.wanted.replicates
    print(f"{simulation.source.run_id}: {asked:,} interviews ({dealt}): {in_words(cost_of(simulation))}")
