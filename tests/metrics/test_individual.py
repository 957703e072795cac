"""Predictive probabilities of later items: averaged over the model's own paths, held against exact ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.design import Design, Factor, Item, People, Profile
from simbench.metrics.base import Comparison, Side
from simbench.metrics.individual import Individual
from simbench.stats.rng import generator

CHAIN = Design(
    "chain",
    factors=(Factor("story", ("one", "other")),),
    profile=(Profile("age"),),
    items=(Item("mood", "belief", "How?", ("good", "bad")), Item("act", "decision", "What?", ("stay", "go", "wait"))),
)
GIVEN = np.array([[0.7, 0.2, 0.1], [0.05, 0.15, 0.8]])  # of the act, behind either mood


def asked(paths: int, seed: int, people: int = 400) -> tuple[Comparison, np.ndarray, np.ndarray]:
    """People with a mood of their own chance, a model that knows it, their acts, and the exact chances of these."""
    rng = generator(seed, "chain")
    good = rng.uniform(0.1, 0.9, people)
    exact = np.stack([good, 1 - good], axis=1) @ GIVEN
    act = (exact.cumsum(axis=1) > rng.random((people, 1))).argmax(axis=1)
    ids = [f"p{n}" for n in range(people)]

    def of(names: list[str], codes: dict[str, np.ndarray]) -> People:
        frame = pd.DataFrame({"participant_id": names, "mood": "good", "act": "stay"})
        frame = frame.assign(story="one", age=30)
        return People(CHAIN, frame).answering(codes)

    human = Side(of(ids, {"mood": np.zeros(people, int), "act": act}), np.ones((1, people)))
    matched = np.repeat(np.arange(people), paths)
    mood = (rng.random(people * paths) > good[matched]).astype(int)
    tables = {"mood": np.stack([good, 1 - good], axis=1)[matched], "act": GIVEN[mood]}
    drawn = (tables["act"].cumsum(axis=1) > rng.random((people * paths, 1))).argmax(axis=1)
    told = of([ids[n] for n in matched], {"mood": mood, "act": drawn})
    side = Side(told, np.ones((1, people * paths)), tables)
    return Comparison(human, side, lambda _: pd.Series(dtype=bool), matched=matched), act, exact


def figure(comparison: Comparison, name: str, item: str = "act") -> Any:
    found = {each.key: each for each in Individual(Individual.Config()).score(comparison)}
    return found[name, item, None, None]


def test_scores_of_later_items_are_those_of_the_exact_predictive_on_average() -> None:
    """Within four standard errors of the exact ones; those given one drawn path are twenty and more away."""
    errors: dict[str, list[float]] = {"brier": [], "log": [], "plain log": [], "one path": []}
    for seed in range(40):
        comparison, act, exact = asked(5, seed)
        own = np.eye(3)[act]
        errors["brier"].append(figure(comparison, "brier_score").value[0] - ((exact - own) ** 2).sum(axis=1).mean())
        bits = np.log2(exact[np.arange(len(act)), act]).mean()
        errors["log"].append(figure(comparison, "log_score").value[0] - bits)
        mean = comparison.simulated.probabilities["act"].reshape(len(act), 5, 3).mean(axis=1)
        errors["plain log"].append(np.log2(mean[np.arange(len(act)), act]).mean() - bits)
        one = comparison.simulated.probabilities["act"][::5]
        errors["one path"].append(((one - own) ** 2).sum(axis=1).mean() - ((exact - own) ** 2).sum(axis=1).mean())
    off = {name: np.mean(each) / (np.std(each) / np.sqrt(40)) for name, each in errors.items()}
    assert abs(off["brier"]) < 4
    assert abs(np.mean(errors["log"])) < 0.3 * abs(np.mean(errors["plain log"]))  # what is left is of higher order
    assert off["one path"] > 20


def test_one_path_says_nothing_of_later_items() -> None:
    comparison, *_ = asked(1, 0)
    for name in ("log_score", "brier_score", "calibration_error"):
        assert figure(comparison, name, "mood").value[0] is not None
        assert np.isfinite(figure(comparison, name, "mood").value[0])
        for item in ("act", "mean"):
            assert "at least 5 replicates" in figure(comparison, name, item).reason
    assert np.isfinite(figure(comparison, "accuracy").value[0])


def test_probabilities_that_are_the_same_for_all_need_no_paths() -> None:
    """Uniform answers, as behind the floor: whatever was drawn before, they are exact."""
    comparison, *_ = asked(1, 0)
    flat = replace(comparison.simulated, probabilities={"act": np.full((400, 3), 1 / 3)})
    assert figure(replace(comparison, simulated=flat), "log_score").value[0] == pytest.approx(-np.log2(3))
    assert figure(replace(comparison, simulated=flat), "brier_score").value[0] == pytest.approx(2 / 3)
