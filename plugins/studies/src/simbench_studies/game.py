"""What YAML cannot say of the threshold public goods game: the best response to what one expects of the others."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Any

from simbench.experiments.bins import Bins
from simbench.experiments.studies import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VoluntaryCollaboration", "expected_payoffs"]

GROUP, ENDOWMENT, COST, RETURN, ALONE = 5, 10, 10, 30, 10
TIE = 1.0
COUNTS = Bins((0, 5, 10, 15, 20, 25, 30), 30)


class VoluntaryCollaboration(Study):
    """Threshold public goods game, mandatory or voluntary, thresholds 2, 4, 5; 191 real people x 6 rounds.

    Coherence: the action should have the highest expected payoff, given one's own beliefs (middles of the
    bins; each other member of one's group cooperates with the share expected among those who stay). Where the
    two best actions are within one point, the rule is undefined.
    """

    name = "voluntary_collaboration"

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
