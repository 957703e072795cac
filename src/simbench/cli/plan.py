"""``simbench plan RUNS key=value ...``: how many humans, how many simulated people, at what cost."""

from __future__ import annotations

from collections.abc import Sequence

from simbench.errors import ConfigError
from simbench.files import as_path, storage, write_text

__all__ = ["main"]

USAGE = """usage: simbench plan RUNS cost.human=4 cost.simulated=0.002 width=0.1
       simbench plan RUNS cost.human=4 cost.simulated=0.002 power=0.8 effect=0.3

  RUNS              pilot runs of one study (folders, globs); several hold pilot sizes against each other
  cost.human        of one human
  cost.simulated=0  of one simulated person
  width             of the interval that is wished for, in the estimand's own units
  power, effect     of finding an effect (effect: default the pilot's own estimate of each)
  estimand=TEXT     only estimands with this text in their name, as "effect immigr"
  level=0.95        of the interval, or 1 - the test's
  out=FOLDER        writes plan.csv, curve.csv and the curve as SVG, PDF and PNG
"""
NUMBERS = ("cost.human", "cost.simulated", "width", "power", "effect", "level")


def main(words: Sequence[str]) -> int:
    """Print the plan."""
    if not words or any(word in ("-h", "--help") for word in words):
        print(USAGE, end="")
        return 0 if words else 2
    from simbench.cli.terminal import show
    from simbench.harness.library import load_runs
    from simbench.harness.planning import Goal, plan
    from simbench.plugin.manager import load_plugins
    from simbench.report.drawing import save
    from simbench.report.formats import as_csv, as_table
    from simbench.report.planned import plan_chart, plan_table, verdict_lines

    own = dict(word.split("=", 1) for word in words if word.partition("=")[0] in (*NUMBERS, "estimand", "out"))
    places = [word for word in words if word.partition("=")[0] not in (*NUMBERS, "estimand", "out")]
    numbers = {name.replace(".", "_"): _number(name, own[name]) for name in NUMBERS if name in own}
    if "cost_human" not in numbers:
        raise ConfigError("plan: expected cost.human=AMOUNT, what one human costs")
    runs = load_runs(*places)
    found = plan(list(runs), load_plugins(), Goal(**numbers), own.get("estimand", ""))
    wished = f"interval width {own['width']}" if "width" in own else f"power {own['power']}"
    show(as_table(plan_table(found), f"for {wished}"))
    for line in (*found.notes, *verdict_lines(found)):
        print(line)
    if "out" in own:
        folder = as_path(own["out"])
        with storage(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "plan.csv", as_csv(found.table))
        save(plan_chart(found), folder / "curve")
        print(f"plan.csv and curve: {folder}")
    return 0


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{name}: expected a number; found {text!r}") from None
