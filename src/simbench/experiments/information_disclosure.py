"""Attackers, a defender and what she discloses: a 2 x 4 experiment after arXiv 2511.21218.

The paper's prompts and data are not public. What is known of its design is kept: an attacker-defender game
told as a pirate, two beaches, a queen and her official statement; 2 x 4 cells with about 116 of 929 people in
each. Cells, wording, items, coherence rule and regressions are simbench's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simbench.design import PARTICIPANT, Factor, Item, Profile, Regression, Value
from simbench.experiments.base import Experiment
from simbench.experiments.bins import PERCENT
from simbench.experiments.files import user_path
from simbench.experiments.reference_population import (
    BELIEFS,
    ETHNICITIES,
    STATEMENTS,
    VALUATIONS,
    Parameters,
    reference_population,
)
from simbench.experiments.tables import read_table
from simbench.settings import setting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InformationDisclosure", "InformationDisclosureConfig"]

TREATMENT = ("C(valuation, Treatment('unknown'))", "C(statement, Treatment('silent'))")
PROFILE = "C(ethnicity, Treatment('White')) + C(gender) + age + education + risk"

VALUATION_TEXT = {
    "unknown": "You do not know whether the queen cares more about one beach than about the other.",
    "known": "You know that the queen cares much more about the treasure on the North Beach than about the "
    "one on the South Beach.",
}
STATEMENT_TEXT = {
    "silent": "The queen makes no official statement about where the new measure stands.",
    "vague": 'The queen makes an official statement: "The new security measure has been set up on one of the '
    'two beaches."',
    "north": 'The queen makes an official statement: "The new security measure has been set up on the North Beach."',
    "south": 'The queen makes an official statement: "The new security measure has been set up on the South Beach."',
}
GAME = (
    "There are two beaches, the North Beach and the South Beach, and a treasure is buried on each. Both are "
    "worth the same to you. You can land on one of them. The queen defends them, and she has one new "
    "security measure, which she has set up on one of the two beaches. If you land where it stands, you "
    "will most likely be caught and get nothing; on the other beach you may still be caught by an ordinary "
    "patrol, but most likely you will get away with the treasure. The queen loses what she cares about when you get "
    "away. What she says in public need not be true."
)


@dataclass(frozen=True)
class InformationDisclosureConfig:
    """Settings of ``information_disclosure``."""

    data: str = setting(
        "", "CSV or Parquet file of a real study with this design; empty: the synthetic reference population"
    )


class InformationDisclosure(Experiment[InformationDisclosureConfig]):
    """Attacker against defender, 2 x 4, after arXiv 2511.21218; SYNTHETIC people unless data=PATH.

    A file of real people has the columns ``participant_id``, ``ethnicity``, ``gender``, ``age``,
    ``education`` (1-4), ``risk`` (1-5), ``valuation``, ``statement``, the four beliefs (percentages from 0 to
    100, or bins by their lower edge) and ``attack`` (1: North Beach, 0: South Beach). Every fault in it is
    named with column, row and value.
    """

    name = "information_disclosure"
    Config = InformationDisclosureConfig
    factors = (Factor("valuation", VALUATIONS), Factor("statement", STATEMENTS))
    profile = (
        Profile("ethnicity", levels=ETHNICITIES),
        Profile("gender", levels=("woman", "man")),
        Profile("age", bins=(30, 45, 60)),
        Profile(
            "education",
            levels={
                1: "high school or less",
                2: "some college",
                3: "bachelor's degree",
                4: "graduate degree",
            },
        ),
        Profile(
            "risk",
            "Attitude to risk",
            levels={
                1: "very cautious",
                2: "rather cautious",
                3: "in between",
                4: "rather bold",
                5: "very bold",
            },
            subgroup=False,
        ),
    )
    items = (
        Item(
            "measure_north",
            "belief",
            "What is the chance, in percent, that the new security measure stands on the North Beach?",
            options=PERCENT.options,
        ),
        Item(
            "statement_true",
            "belief",
            "What is the chance, in percent, that what the queen says in public about her security is true?",
            options=PERCENT.options,
        ),
        Item(
            "caught_north",
            "belief",
            "What is the chance, in percent, that you are caught if you land on the North Beach?",
            options=PERCENT.options,
        ),
        Item(
            "caught_south",
            "belief",
            "What is the chance, in percent, that you are caught if you land on the South Beach?",
            options=PERCENT.options,
        ),
        Item(
            "attack",
            "decision",
            "On which beach do you land?",
            options={0: "south", 1: "north"},
            ordered=False,
        ),
    )
    regressions = (
        Regression(
            f"attack ~ {' + '.join(TREATMENT)} + {' + '.join(BELIEFS)} + {PROFILE}",
            "logit",
            "attack the north",
        ),
        Regression(f"measure_north ~ {' * '.join(TREATMENT)} + {PROFILE}", "ols", "believe the measure in the north"),
    )
    main_subgroup = "ethnicity"
    introductions = (
        "You take part in a game about decisions, played for real money. In the game you are a pirate.",
        "Imagine that you are a pirate. What you earn in the following game is paid out to you.",
    )
    citation = (
        "Design after Wang, Hunt, Tang and Joseph (2025), arXiv 2511.21218; cells, wording, rule and "
        "regressions by simbench"
    )

    @property
    def synthetic(self) -> bool:
        """Real people only where the user names their data."""
        return not self.config.data

    @property
    def source(self) -> str:
        """The user's file, or the generative model."""
        return self.config.data or f"generative model of simbench, seed {Parameters().seed}"

    @property
    def ranges(self) -> Mapping[str, str]:
        """Beliefs are given in percent."""
        return dict.fromkeys(BELIEFS, PERCENT.expected)

    def load(self) -> pd.DataFrame:
        """The people in the user's file, percentages binned; else the 929 of the reference population."""
        if not self.config.data:
            return reference_population()
        path = user_path(self.config.data, "experiment.data")
        frame = read_table(path, "experiment.data", text=(PARTICIPANT,))
        binned = {name: PERCENT.cut(frame[name]) for name in BELIEFS if name in frame.columns}
        return frame.assign(**binned)

    def vignette(self, treatment: Mapping[str, Value]) -> str:
        """The game, what is known of the queen, and what she says."""
        known = VALUATION_TEXT[str(treatment["valuation"])]
        return f"{GAME}\n{known}\n{STATEMENT_TEXT[str(treatment['statement'])]}"

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """Landing where one believes the risk lower agrees with one's beliefs; equal bins are undefined."""
        north, south = people["caught_north"].astype("Int64"), people["caught_south"].astype("Int64")
        attack = people["attack"].astype("Int64")
        return ((attack == 1) == (north < south)).mask(north == south)
