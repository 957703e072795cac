"""A plan in words, and its curve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simbench.report.drawing import HUMAN, SIMULATED, Chart, clean
from simbench.report.formats import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from simbench.harness.planning import Planned

__all__ = ["plan_chart", "plan_table", "verdict_lines"]

MOST = 6


def plan_table(found: Planned) -> pd.DataFrame:
    """One narrow row per estimand."""
    import pandas as pd

    rows = [
        {
            "estimand": each["estimand"],
            "rho [95 %]": f"{number(each['rho'])} [{number(each['rho_low'])}, {number(each['rho_high'])}]",
            "humans alone": each["humans_alone"],
            "humans [low, high]": f"{each['humans']} [{each['humans_low']}, {each['humans_high']}]",
            "simulated": each["simulated"],
            "cost alone": each["cost_alone"],
            "cost": each["cost"],
            "split: adapt + rectify": f"{each['adapt_on']} + {each['humans']}" if each["simulated"] else "-",
        }
        for each in found.table.to_dict("records")
    ]
    return pd.DataFrame(rows)


def verdict_lines(found: Planned) -> Iterator[str]:
    """From how many people the verdict can be given at all."""
    for purpose, n in found.verdicts.items():
        from_n = f"from {n:,} people outside the pilot on" if n else "from no number of people within reason"
        yield f"the verdict for {purpose} can be given (to a perfect simulation, in four studies of five) {from_n}"


def plan_chart(found: Planned) -> Chart:
    """Cost over the width of the interval, for the estimands that gain most."""
    order = (1 - found.table["cost"] / found.table["cost_alone"]).sort_values(ascending=False, kind="stable")
    names = found.table.loc[order.index, "estimand"].head(MOST).tolist()

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(names), 1, squeeze=False)[:, 0]
        for panel, name in zip(panels, names, strict=True):
            part = found.curve[found.curve["estimand"] == name]
            panel.plot(part["width"], part["cost_alone"], color=HUMAN, label="humans alone")
            panel.plot(part["width"], part["cost"], color=SIMULATED, label="humans and simulation")
            panel.set_title(name)
            panel.set_ylabel("cost")
            clean(panel, "y")
        panels[0].legend()
        panels[-1].set_xlabel("width of the interval")

    return Chart(
        "plan",
        "Cost over precision",
        f"Curves of cost over interval width for {len(names)} estimands, humans alone and with simulation.",
        found.curve,
        draw,
        (6.0, 1.9 * len(names)),
        "Both lines are one where simulated people are not worth paying for.",
    )
