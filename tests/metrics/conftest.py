"""A small made-up study, and comparisons of its people with other people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.design import Design, Factor, Item, People, Profile, Regression
from simbench.harness.config import Plan, RunSettings, ScoringSettings
from simbench.interview import Script, Style
from simbench.metrics.base import Comparison, Metric, Score, Side
from simbench.plugin.manager import load_plugins
from simbench.stats.resampling import bootstrap_weights
from simbench.stats.rng import generator

DESIGN = Design(
    "made_up",
    factors=(Factor("tone", {0: "calm", 1: "loud"}), Factor("who", ("a", "b"))),
    profile=(Profile("group", levels=("x", "y", "z")), Profile("age", bins=(30, 50))),
    items=(
        Item("harm", "belief", "How harmful?", options=range(1, 6)),
        Item("colour", "belief", "Which colour?", options=("red", "green", "blue"), ordered=False),
        Item("mood", "belief", "How calm?", options={0: "not", 2: "so so", 3: "very"}),
        Item("act", "decision", "Do you act?", options={0: "no", 1: "yes"}),
    ),
    regressions=(
        Regression("act ~ tone + harm + age", family="logit"),
        Regression("harm ~ tone * C(who) + C(group)", family="ols"),
    ),
)


@dataclass(frozen=True)
class Study:
    """The made-up study, ways to draw people, and to score them."""

    design: Design = DESIGN

    def draw(self, seed: int, n: int, effect: float = 1.0) -> pd.DataFrame:
        """People whose answers depend on profile and treatment; ``effect`` scales how much."""
        rng = np.random.default_rng(seed)
        group, age = rng.choice(list("xyz"), n, p=[0.5, 0.3, 0.2]), rng.integers(18, 80, n)
        tone, who = rng.integers(0, 2, n), rng.choice(list("ab"), n)
        latent = effect * (0.8 * tone + 0.6 * (group == "y") - 0.01 * (age - 45)) + rng.normal(size=n)
        harm = np.clip(np.round(latent + 2.6), 1, 5).astype(int)
        colour = np.where(rng.random(n) < 0.6, "red", rng.choice(["green", "blue"], n))
        step = np.clip(np.round(1 - latent / 2 + rng.normal(size=n) / 2), 0, 2).astype(int)
        act = (effect * (harm - 3) + rng.logistic(size=n) > 0).astype(int)
        who_is = {"participant_id": [f"{seed}-{i}" for i in range(n)], "group": group, "age": age}
        answers = {"harm": harm, "colour": colour, "mood": np.array([0, 2, 3])[step], "act": act}
        return pd.DataFrame({**who_is, "tone": tone, "who": who, **answers})

    def again(self, human: pd.DataFrame, seed: int) -> pd.DataFrame:
        """The same people answering anew by the same law: a perfect simulation, given profile and treatment."""
        rng, n = np.random.default_rng(seed), len(human)
        known = 0.8 * human["tone"] + 0.6 * (human["group"] == "y") - 0.01 * (human["age"] - 45)
        latent = known + rng.normal(size=n)
        harm = np.clip(np.round(latent + 2.6), 1, 5).astype(int)
        colour = np.where(rng.random(n) < 0.6, "red", rng.choice(["green", "blue"], n))
        step = np.clip(np.round(1 - latent / 2 + rng.normal(size=n) / 2), 0, 2).astype(int)
        act = (harm - 3 + rng.logistic(size=n) > 0).astype(int)
        return human.assign(harm=harm, colour=colour, mood=np.array([0, 2, 3])[step], act=act)

    def rule(self, people: pd.DataFrame) -> pd.Series:
        """Harm above 3 goes with acting, below with not; undefined at 3."""
        harm, act = people["harm"].astype("Int64"), people["act"].astype("Int64")
        return ((harm > 3) == (act == 1)).mask(harm == 3)

    def side(self, frame: pd.DataFrame, resamples: int, seed: int) -> Side:
        """People as the harness hands them to metrics, with bootstrap weights."""
        people = People(self.design, frame.reset_index(drop=True))
        people = people.answering({item.name: item.codes(frame[item.name]) for item in self.design.items})
        strata = people.condition.to_numpy(str) if len(frame) else None
        clusters = people.unit.to_numpy(str) if len(frame) else None
        rng = np.random.default_rng(seed)
        return Side(people, bootstrap_weights(len(frame), resamples, rng, strata, clusters))

    def compare(self, human: pd.DataFrame, simulated: pd.DataFrame, resamples: int = 0, **more: Any) -> Comparison:
        """A comparison of two frames, resampled independently."""
        sides = self.side(human, resamples, 1), self.side(simulated, resamples, 2)
        return Comparison(*sides, self.rule, **{"generator": partial(generator, 0, "test"), **more})

    def scores(self, metric: type[Metric[Any]], comparison: Comparison, **settings: Any) -> dict[Any, Score]:
        """Every figure of a metric, by (metric, item, subgroup, level)."""
        found = list(metric(metric.Config(**settings)).score(comparison))
        keys = [each.key for each in found]
        assert len(set(keys)) == len(keys)
        return {each.key: each for each in found}

    def value(self, scores: dict[Any, Score], metric: str, *where: str | None) -> float:
        """The estimate of one figure of the whole sample (``where``: item, subgroup, level)."""
        return float(scores[(metric, *where, *([None] * (3 - len(where))))].value[0])


@dataclass(frozen=True)
class Made:
    """An experiment without people: what scoring needs of one."""

    study: Study
    synthetic: bool = False
    name: str = "made_up"

    @property
    def design(self) -> Design:
        """The study's design."""
        return self.study.design

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """The study's rule."""
        return self.study.rule(people)

    def script(self, style: Style, ask: Any = ()) -> Script:
        """Interviews in the study's words."""
        return Script(self.design, "Hello.", lambda treatment: str(treatment), style, tuple(ask))


@pytest.fixture
def plan() -> Callable[..., Plan]:
    """A plan to score the people of a study, whatever they answered; settings are those of scoring."""

    def make(study: Study, metrics: Sequence[str] = (), **scoring: Any) -> Plan:
        registry = load_plugins()
        settings = RunSettings(scoring=ScoringSettings(**scoring))
        chosen = [entry.cls for entry in registry.of("metric") if not metrics or entry.name in metrics]
        built = tuple(metric(metric.Config()) for metric in chosen)
        backend, sampler = (registry.get(*key).cls for key in (("backend", "uniform"), ("sampler", "none")))
        parts = {"backend": backend(backend.Config()), "sampler": sampler(sampler.Config())}
        return Plan(
            experiment=Made(study), **parts, metrics=built, settings=settings, config={}, plugins={}, scorers={}
        )

    return make


@pytest.fixture
def study() -> Study:
    """The made-up study."""
    return Study()
