"""Whatever the data are like, every metric answers with a figure or with words: never a crash, never a bare NaN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.design import Design, Factor, Item, Regression
from simbench.harness.comparisons import human_halves, human_quarters, uniform
from simbench.harness.scoring import score
from simbench.metrics.base import Metric
from simbench.plugin.manager import load_plugins

METRICS = [entry.cls for entry in load_plugins().of("metric")]
Case = tuple[Design, pd.DataFrame, pd.DataFrame]
CASES: dict[str, Callable[[Design, pd.DataFrame, pd.DataFrame], Case]] = {}


def case(make: Callable[[Design, pd.DataFrame, pd.DataFrame], Case]) -> None:
    CASES[make.__name__] = make


def with_items(design: Design, *items: Item, **more: Any) -> Design:
    kept = {item.name: item for item in items}
    return replace(design, items=tuple(kept.get(item.name, item) for item in design.items), **more)


@case
def one_option(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    harm = Item("harm", "belief", "?", options=[3])
    return with_items(design, harm), human.assign(harm=3), simulated.assign(harm=3)


@case
def only_one_option_anywhere(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    single = {"harm": 3, "colour": "red", "mood": 0, "act": 1}
    items = [replace_options(item, [single[item.name]]) for item in design.items]
    return with_items(design, *items), human.assign(**single), simulated.assign(**single)


def replace_options(item: Item, options: list[Any]) -> Item:
    return Item(item.name, item.role, item.text, options, item.ordered)


@case
def nobody_simulated_in_a_subgroup(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human, simulated[simulated["group"] != "z"]


@case
def nobody_human_in_a_subgroup(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human[human["group"] != "z"], simulated


@case
def unknown_profiles(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human.assign(group=None, age=np.nan), simulated.assign(group=None, age=np.nan)


@case
def one_human(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human[:1], simulated


@case
def one_simulated(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human, simulated[:1]


@case
def one_of_each(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human[:1], simulated[:1]


@case
def two_of_each(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human[:2], simulated[:2]


@case
def all_invalid(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human, simulated[:0]


@case
def answers_missing_here_and_there(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    rng = np.random.default_rng(0)

    def holed(frame: pd.DataFrame) -> pd.DataFrame:
        names = [item.name for item in design.items]
        return frame.assign(**{n: frame[n].astype(object).mask(rng.random(len(frame)) < 0.4) for n in names})

    return design, holed(human), holed(simulated)


@case
def an_item_never_answered(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human, simulated.assign(harm=None)


@case
def an_item_no_human_answered(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human.assign(act=None), simulated


@case
def a_factor_with_one_level(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    factors = (Factor("tone", {0: "calm"}), Factor("who", ("a",)))
    return replace(design, factors=factors), human.assign(tone=0, who="a"), simulated.assign(tone=0, who="a")


@case
def a_treatment_group_without_simulated(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human, simulated[simulated["tone"] == 0]


@case
def simulated_all_alike(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human, simulated.assign(harm=2, colour="blue", mood=3, act=0)


@case
def humans_all_alike(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    return design, human.assign(harm=2, colour="blue", mood=3, act=0), simulated


@case
def all_alike_on_both_sides(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    flat = {"harm": 2, "colour": "blue", "mood": 3, "act": 0}
    return design, human.assign(**flat), simulated.assign(**flat)


@case
def no_beliefs(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    items = tuple(Item(i.name, "attitude", i.text, list(i.values), i.ordered) for i in design.items)
    return replace(design, items=items), human, simulated


@case
def nothing_but_one_nominal_attitude(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    colour = Item("colour", "attitude", "?", ("red", "green", "blue"), ordered=False)
    bare = Design("bare", (), (), (colour,))
    keep = ["participant_id", "colour"]
    return bare, human[keep], simulated[keep]


@case
def more_coefficients_than_people(design: Design, human: pd.DataFrame, simulated: pd.DataFrame) -> Case:
    wide = replace(design, regressions=(Regression("harm ~ C(age)"), Regression("harm ~ 1")))
    return wide, human, simulated


def figures(metrics: list[Any], comparison: Any) -> Iterator[Any]:
    for metric in metrics:
        yield from metric(metric.Config()).score(comparison)


@pytest.mark.parametrize("name", CASES)
def test_every_metric_says_why(study: Any, name: str) -> None:
    design, human, simulated = CASES[name](study.design, study.draw(1, 60), study.draw(2, 60))
    given = type(study)(design)
    comparison = given.compare(human, simulated, resamples=8)
    if "act" not in design.columns:
        comparison = replace(comparison, coherent=lambda people: pd.Series(pd.NA, people.index, dtype="boolean"))
    aligned = np.arange(len(simulated)) % max(len(human), 1)
    pilot = given.side(study.draw(3, 12)[list(design.columns)], 0, 0).people
    for each in (comparison, replace(comparison, matched=aligned.astype(np.int64), pilot=pilot)):
        keys = set()
        for found in figures(METRICS, each):
            assert found.value.shape == (9,)
            assert found.key not in keys
            keys.add(found.key)
            if not np.isfinite(found.value[0]):
                assert found.reason
                assert "nan" not in found.reason.lower().split()
        assert keys


@pytest.mark.parametrize("name", ["all_invalid", "one_human", "one_option", "answers_missing_here_and_there"])
def test_scoring_says_why_on_every_path(study: Any, plan: Any, name: str) -> None:
    """Intervals, ceiling, floor and baselines included."""
    design, human, simulated = CASES[name](study.design, study.draw(1, 60), study.draw(2, 60))
    given = type(study)(design)
    made = plan(given, resamples=10, splits=4, floors=3)
    people = given.side(human, 0, 0).people
    answers = given.side(simulated, 0, 0).people.frame
    answers = answers.assign(participant_id=[people.ids.iloc[i % len(people)] for i in range(len(answers))])
    answers = answers.drop_duplicates("participant_id").assign(status="ok", replicate=0)
    pilot = given.side(study.draw(3, 20) if name != "one_option" else study.draw(3, 20).assign(harm=3), 0, 0).people
    scores, _ = score(made, people, answers, pilot)
    bare = scores[scores["value"].isna() & scores["reason"].isna()]
    assert bare.empty
    finite = scores[~scores["metric"].str.startswith("equivalent_n")]  # in people, and there without end
    assert not np.isinf(finite[["ci_low", "ci_high", "human_ci_low"]].to_numpy(dtype=float)).any()
    for comparison in (human_halves(made, people), human_quarters(made, people), uniform(made, people)):
        assert list(figures(METRICS, comparison))


def test_each_metric_explains_itself() -> None:
    """Formula, range, direction, source and failure modes stand in the docstring that `simbench show` prints."""
    for metric in METRICS:
        words = str(metric.__doc__)
        assert issubclass(metric, Metric)
        assert "Failure modes" in words, metric.name
        assert any(word in words for word in ("Source", "Definition by simbench", "arXiv")), metric.name
        for name in metric.better:
            assert name in words, (metric.name, name)
