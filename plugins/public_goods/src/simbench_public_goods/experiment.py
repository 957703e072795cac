"""The threshold public goods game of Mori, Hanaki and Kameda (2024), with and without a way out.

Groups of five; everybody starts with 10 points; cooperating costs them; with enough cooperators each member of
the group gets 30. Where participation is voluntary, one can leave for 10 points more, and groups are formed
from those who stay. Each person decides in six rounds: mandatory or voluntary x threshold 2, 4 or 5. Payoffs
are those of the study's own code (``src/fig_1.py`` of its repository).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

from simbench.design import Factor, Item, Profile, Regression, Value
from simbench.experiments.base import Experiment
from simbench.experiments.bins import Bins
from simbench.settings import setting
from simbench_public_goods.files import ATTRIBUTES, COMMIT, RESULTS, find

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VoluntaryCollaboration", "VoluntaryCollaborationConfig"]

GROUP, ENDOWMENT, COST, RETURN, ALONE = 5, 10, 10, 30, 10
TIE = 1.0
COUNTS = Bins((0, 5, 10, 15, 20, 25, 30), 30)
PROFILE = "where(gender == 'male', 1, 0) + age + general_trust + risk + uncertainty"

GAME = (
    "You are one of 31 players. Everybody starts the round with {endowment} points and decides without talking "
    "to the others. {groups} Each member of a group either cooperates, which costs {cost} points, or keeps "
    "them. If at least {thr} of the five members cooperate, the group succeeds, and every member, whether "
    "cooperating or not, gets {share} points more. If fewer cooperate, nobody in the group gets more, and the "
    "points of those who cooperated are lost."
)
GROUPS = {
    "A": "Taking part is mandatory: all players are put into groups of five at random.",
    "F": "Taking part is voluntary: you can leave, and then you are in no group, keep your {endowment} points "
    "and get {alone} more for certain. Those who stay are put into groups of five at random.",
}


@dataclass(frozen=True)
class VoluntaryCollaborationConfig:
    """Settings of ``voluntary_collaboration``."""

    data: str = setting(
        "", "folder with the study's two CSV files; empty: as SIMBENCH_DATA says, else downloaded once"
    )


class VoluntaryCollaboration(Experiment[VoluntaryCollaborationConfig]):
    """Threshold public goods game, mandatory or voluntary, thresholds 2, 4, 5; 191 real people x 6 rounds.

    Within-subject: ``pid`` is the person behind a row. ``belief_c`` and ``belief_d`` are how many of the 30
    others are expected to cooperate and to stay without cooperating, in bins of five. In the study the three
    counts had to add up to 30, so those expected to leave (``belief_l``) are the rest and are not asked for
    again. Leaving is offered in voluntary rounds only.

    Coherence: the action should have the highest expected payoff, given one's own beliefs (middles of the
    bins; each other member of one's group cooperates with the share expected among those who stay). Where the
    two best actions are within one point, the rule is undefined.
    """

    name = "voluntary_collaboration"
    Config = VoluntaryCollaborationConfig
    person = "pid"
    factors = (Factor("p_option", {"A": "mandatory", "F": "voluntary"}), Factor("thr", (2, 4, 5)))
    profile = (
        Profile("gender", levels=("female", "male", "other")),
        Profile("age", bins=(22, 24)),
        Profile("general_trust", "Trust in people in general, from 1 to 7", bins=(4,)),
        Profile(
            "risk",
            "Attitude to risk",
            levels={1: "seeks risks", 2: "neutral", 3: "avoids risks", 4: "avoids risks strongly"},
        ),
        Profile("uncertainty", "Intolerance of uncertainty, from 12 to 60", bins=(30, 40), subgroup=False),
    )
    items = (
        Item(
            "belief_c",
            "belief",
            "How many of the 30 other players will cooperate?",
            options=COUNTS.options,
        ),
        Item(
            "belief_d",
            "belief",
            "How many of the 30 other players will be in a group and keep their points? (Whoever neither "
            "cooperates nor does this leaves, where leaving is possible.)",
            options=COUNTS.options,
        ),
        Item(
            "action",
            "decision",
            "What do you do?",
            options={"C": "cooperate", "D": "keep", "L": "leave"},
            ordered=False,
            only={"L": {"p_option": ("F",)}},
        ),
    )
    regressions = (
        Regression(
            f"where(action == 'C', 1, 0) ~ C(p_option) + C(thr) + belief_c + belief_d + {PROFILE}",
            "logit",
            "cooperate",
        ),
        Regression(f"belief_c ~ C(p_option) * C(thr) + {PROFILE}", "ols", "expected cooperators"),
    )
    main_subgroup = "gender"
    introductions = (
        "You take part in an experiment on group decisions at a university. Points are paid out in money.",
        "This is a study of how people decide in groups. What you earn depends on what you and others do.",
    )
    citation = (
        "Mori, Hanaki and Kameda (2024), An outside individual option increases optimism and facilitates "
        "collaboration when groups form flexibly, Nature Communications 15, 5520; data: "
        f"github.com/ryutau/voluntary-collaboration at {COMMIT[:12]}, Apache-2.0"
    )

    @property
    def source(self) -> str:
        """Where the people come from."""
        return f"github.com/ryutau/voluntary-collaboration, commit {COMMIT[:12]}"

    def load(self) -> pd.DataFrame:
        """1,146 rows: 191 people x 6 rounds, in the order of the published file."""
        import pandas as pd

        folder = find(self.config.data)
        rounds = pd.read_csv(folder / RESULTS)
        people = pd.read_csv(folder / ATTRIBUTES)
        rows = rounds.merge(people, on="pid", how="left", validate="many_to_one")
        return pd.DataFrame(
            {
                "participant_id": rows["pid"] + "-" + rows["p_option"] + rows["thr"].astype(str),
                "pid": rows["pid"],
                "gender": rows["gender"],
                "age": rows["age"],
                "general_trust": rows["general_trust"].round(1),
                "risk": _risk(rows["r_from_hl"]),
                "uncertainty": rows["siut"],
                "p_option": rows["p_option"],
                "thr": rows["thr"],
                "belief_c": COUNTS.cut(rows["belief_c"]),
                "belief_d": COUNTS.cut(rows["belief_d"]),
                "action": rows["action"],
            }
        )

    def vignette(self, treatment: Mapping[str, Value]) -> str:
        """The rules of the round, in our own words."""
        groups = GROUPS[str(treatment["p_option"])].format(endowment=ENDOWMENT, alone=ALONE)
        return GAME.format(endowment=ENDOWMENT, groups=groups, cost=COST, thr=treatment["thr"], share=RETURN)

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """Whether the action is the best one given one's own beliefs; undefined where two are about as good."""
        import numpy as np
        import pandas as pd

        payoffs = expected_payoffs(people)
        ranked = np.sort(payoffs, axis=1)
        chosen = people["action"].map({"C": 0, "D": 1, "L": 2})
        undefined = chosen.isna().to_numpy() | ~(ranked[:, 2] - ranked[:, 1] >= TIE)
        best = pd.Series(payoffs.argmax(axis=1) == chosen.to_numpy(), index=people.index, dtype="boolean")
        return best.mask(undefined)


def expected_payoffs(people: pd.DataFrame) -> Any:
    """Points (n, 3) expected from cooperating, keeping, and leaving (-inf where one cannot leave).

    NaN in all three where a belief is missing.
    """
    import numpy as np

    cooperate, keep = (people[name].map(COUNTS.midpoints).to_numpy(float) for name in ("belief_c", "belief_d"))
    share = cooperate / (cooperate + keep)
    threshold = people["thr"].to_numpy(dtype=int)
    with_me, without_me = _at_least(threshold - 1, share), _at_least(threshold, share)
    leaves = np.where(people["p_option"] == "F", ENDOWMENT + ALONE, -np.inf)
    return np.stack(
        [
            ENDOWMENT - COST + RETURN * with_me,
            ENDOWMENT + RETURN * without_me,
            np.where(np.isnan(share), np.nan, leaves),
        ],
        axis=1,
    )


def _at_least(needed: Any, share: Any) -> Any:
    """Probability (n,) that of the other four members at least ``needed`` (n,) cooperate, each with ``share``."""
    others = GROUP - 1
    return sum(
        (count >= needed) * comb(others, count) * share**count * (1 - share) ** (others - count)
        for count in range(others + 1)
    )


def _risk(aversion: pd.Series) -> pd.Series:
    """Classes 1-4 (n,) of relative risk aversion, cut where Holt and Laury (2002, table 3) cut.

    Below -0.15 risk loving, to 0.15 neutral, to 0.68 (slightly) risk averse, above very or highly so.
    """
    import pandas as pd

    classes = pd.cut(aversion, [-float("inf"), -0.15, 0.15, 0.68, float("inf")], labels=[1, 2, 3, 4])
    return classes.astype("Int64")
