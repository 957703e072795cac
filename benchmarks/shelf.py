"""The table and the figures of docs/shelf.md, from the human answers alone.

``SIMBENCH_DATA=FOLDER python benchmarks/shelf.py`` (about two minutes) rewrites what stands between the marks in
docs/shelf.md, and the figures in docs/shelf/. What is not in SIMBENCH_DATA or a package is downloaded once.

Effects are differences of the decision (of its numbers; of the named answer where it has none) against the first
level of each factor, in standard deviations of the decision, from least squares on all factors at once, with the
study's survey weights; 95 % intervals from standard errors that are robust (HC1), or clustered by person or the
study's cluster.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from simbench.design import Item, People
from simbench.experiments.base import Experiment
from simbench.plugin.manager import SHELF, load_plugins

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- made by benchmarks/shelf.py -->", "<!-- end -->"
NAMED = {"voluntary_collaboration": ("action", "C"), "tax_plans": ("choice", "A")}
DECISION = {"conditional_cooperation": "uc"}
FACTORS = {"trust_game": ("partner",)}  # the two amounts on offer limit the answers themselves
RATES = {f"10 points of tax, bracket {k}": (f"rate{k}_a", f"rate{k}_b", 10) for k in range(1, 7)}
PLANS = RATES | {"a step of revenue": ("revenue_a", "revenue_b", 1)}
MOST_SHOWN = 4
WIDTH, ROW = 2.6, 0.24


def main() -> int:
    """Write table and figures."""
    warnings.simplefilter("ignore")
    registry = load_plugins()
    rows = []
    for name in (*SHELF, "information_disclosure"):
        cls = registry.get("experiment", name).cls
        experiment: Experiment[Any] = cls(cls.Config())
        people = experiment.people()
        rows.append(row(experiment, people))
        draw(people, DOCS / "shelf" / f"{name}.svg")
        print(rows[-1])
    page = DOCS / "shelf.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    head = ("study", "people", "rows", "arms", "items", "gap", "effects on the decision")
    table = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |", *rows]
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(table) + f"\n{END}{after}", encoding="utf-8")
    return 0


def row(experiment: Experiment[Any], people: People) -> str:
    """A study's line."""
    agrees = experiment.coherent(people.frame)
    gap = 100 * (1 - agrees.dropna().astype(float).mean())
    persons = f"{people.person.nunique():,}" + (" **synthetic**" if experiment.synthetic else "")
    told = "; ".join(f"{name} {value:+.2f} [{low:+.2f}, {high:+.2f}]" for name, value, low, high in effects(people))
    cells = [f"[{experiment.name}](#{experiment.name})", persons, f"{len(people):,}"]
    cells += [str(len(people.design.conditions)), str(len(people.design.items))]
    return "| " + " | ".join([*cells, f"{gap:.1f} % of {agrees.notna().sum():,}", told]) + " |"


def effects(people: People) -> Iterator[tuple[str, float, float, float]]:
    """Name, value and ends of every effect."""
    design, frame = people.design, people.frame
    item = decision(people)
    if design.name in NAMED:
        outcome = (frame[item.name] == NAMED[design.name][1]).astype(float)
    else:
        numbers = dict(zip(item.values, item.numbers or range(len(item.values)), strict=True))
        outcome = frame[item.name].map(numbers).astype(float)
    columns = contrasts(people)
    known = outcome.notna()
    weights = np.ones(len(frame)) if people.survey is None else people.survey
    outcome = outcome / np.sqrt(np.cov(outcome[known], aweights=weights[known]))
    groups = pd.factorize(people.unit)[0][known]
    repeated = len(set(groups)) < known.sum()
    how = {"cov_type": "cluster", "cov_kwds": {"groups": groups}} if repeated else {"cov_type": "HC1"}
    fit = sm.WLS(outcome[known], sm.add_constant(columns)[known], weights[known]).fit(**how)
    ends = fit.conf_int()
    for name in columns:
        yield name, fit.params[name], ends.loc[name, 0], ends.loc[name, 1]


def decision(people: People) -> Item:
    """The decision that the table and effects are about: the last one, unless it says otherwise above."""
    design = people.design
    return design.item(DECISION.get(design.name, design.roles("decision")[-1].name))


def contrasts(people: People) -> pd.DataFrame:
    """A column (n,) of 0 and 1 for every level of a factor but the first; differences of two plans for tax_plans."""
    design, frame = people.design, people.frame
    if design.name == "tax_plans":
        return pd.DataFrame(
            {name: (frame[a].astype(float) - frame[b].astype(float)) / unit for name, (a, b, unit) in PLANS.items()}
        )
    kept = [each for each in design.factors if each.name in FACTORS.get(design.name, (each.name,))]
    return pd.DataFrame(
        {
            (f"{factor.name} {word}" if word.isdigit() else word): (frame[factor.name] == value).astype(float)
            for factor in kept
            for value, word in list(factor.words.items())[1:]
        }
    )


def draw(people: People, path: Path) -> None:
    """Shares of every answer, by condition: a panel for each of up to four items."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams |= {
        "svg.hashsalt": "shelf",
        "svg.fonttype": "none",
        "text.parse_math": False,
        "font.size": 7,
        "axes.titlesize": 8,
    }
    condition, names = conditions(people)
    last = decision(people)
    items = [*[item for item in people.design.items if item.name != last.name][: MOST_SHOWN - 1], last]
    size = (1.2 + WIDTH * len(items), 0.8 + ROW * len(names))
    figure, axes = plt.subplots(1, len(items), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, item in zip(axes[0], items, strict=True):
        shares = answered(people, item, condition).reindex(names[::-1])
        colours = plt.get_cmap("viridis" if item.ordered else "Set2")(np.linspace(0.08, 0.95, len(item.values)))
        left = np.zeros(len(names))
        for label, colour, column in zip(item.labels, colours, shares, strict=True):
            axis.barh(names[::-1], shares[column], left=left, color=colour, label=label, height=0.8)
            left += shares[column].to_numpy()
        axis.set(title=f"{item.name} ({item.role})", xlim=(0, 1), xticks=[0, 0.5, 1])
        axis.margins(y=0.02)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.35 / size[1]), frameon=False, fontsize=6,
                    handlelength=0.8, columnspacing=0.8)  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def conditions(people: People) -> tuple[pd.Series, list[str]]:
    """What the figure is by (n,), and its values in order; the highest tax rate of plan A for tax_plans."""
    if people.design.name != "tax_plans":
        return people.condition, list(people.design.conditions)
    rate = people.frame["rate6_a"].astype(int)
    return "A: " + rate.astype(str) + " % at the top", [f"A: {each} % at the top" for each in sorted(rate.unique())]


def answered(people: People, item: Item, condition: pd.Series) -> pd.DataFrame:
    """Weighted share of every option (conditions, K) among those who answered."""
    weights = np.ones(len(people)) if people.survey is None else people.survey
    codes = people.codes(item.name)
    known = codes >= 0
    table = pd.crosstab(condition[known], codes[known], weights[known], aggfunc="sum").fillna(0.0)
    return table.reindex(columns=range(len(item.values)), fill_value=0.0).pipe(lambda t: t.div(t.sum(axis=1), axis=0))


if __name__ == "__main__":
    sys.exit(main())
