"""A small made-up study with people, for checks of samplers and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simbench.design import Factor, Item, People, Profile, Regression
from simbench.experiments.base import Experiment
from simbench.settings import NoConfig

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SmallStudy", "small_people"]


class SmallStudy(Experiment[NoConfig]):
    """A made-up game of trust: a belief, an attitude and a decision, under a low and a high stake."""

    name = "small_study"
    synthetic = True
    factors = (Factor("stake", {0: "low", 1: "high"}), Factor("partner", ("friend", "stranger")))
    profile = (Profile("age", bins=(30, 50)), Profile("gender", levels=("woman", "man")))
    items = (
        Item("expected", "belief", "How much will come back?", {0: "nothing", 1: "half", 2: "all"}),
        Item("trust", "attitude", "Most people can be trusted.", {1: "never", 2: "sometimes", 3: "always"}),
        Item("sent", "decision", "Do you send your money?", {0: "no", 1: "yes"}),
    )
    regressions = (Regression("sent ~ stake + expected", family="logit"), Regression("expected ~ stake + C(gender)"))
    main_subgroup = "gender"
    cluster = "village"

    def load(self) -> pd.DataFrame:
        """120 people."""
        return _drawn(120, 1)

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """Who expects all sends, who expects nothing does not; half is undefined."""
        expected, sent = people["expected"].astype("Int64"), people["sent"].astype("Int64")
        return ((expected == 2) == (sent == 1)).mask(expected == 1)


def small_people(n: int = 120, seed: int = 1) -> People:
    """So many of its people."""
    study = SmallStudy(NoConfig())
    return People.of(study.design, _drawn(n, seed))


def _drawn(n: int, seed: int) -> pd.DataFrame:
    import pandas as pd

    rng = np.random.default_rng(seed)
    stake, age, woman = rng.integers(0, 2, n), rng.integers(18, 80, n), rng.random(n) < 0.5
    expected = np.clip(np.round(0.6 * stake + 0.4 * woman + rng.normal(0.6, 0.8, n)), 0, 2).astype(int)
    return pd.DataFrame(
        {
            "participant_id": [f"{seed}-{number}" for number in range(n)],
            "village": [f"v{number % 12}" for number in range(n)],
            "stake": stake,
            "partner": np.where(rng.random(n) < 0.5, "friend", "stranger"),
            "age": age,
            "gender": np.where(woman, "woman", "man"),
            "expected": expected,
            "trust": rng.integers(1, 4, n),
            "sent": (expected + rng.logistic(0, 0.7, n) > 0.8).astype(int),
        }
    )
