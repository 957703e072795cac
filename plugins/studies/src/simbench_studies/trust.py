"""What YAML cannot say of the trust game: its rounds are in a file for every person and run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.experiments.studies import Study
from simbench.experiments.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrustGame"]

RUN = re.compile(r"(sub-\d+)_task-trust_run-\d+_events\.tsv")
OLDER = 60


class TrustGame(Study):
    """Trust game as the investor, towards a computer, a stranger and a friend; 50 real people x about 150 rounds."""

    name = "trust_game"

    def shaped(self, table: pd.DataFrame, folder: Path) -> pd.DataFrame:
        """One row per choice, in order of play; ``tries`` and ``shared`` count the choices before with this partner.

        Rounds in which nobody chose in time are no rows. A partner is asked for an answer only if something was sent.
        """
        import pandas as pd

        remote = self.declaration.data.remote
        names = sorted(remote.files) if remote else []
        runs = [
            read_table(folder / name, "data").assign(person=found[1])
            for name in names
            if (found := RUN.fullmatch(Path(name).name))
        ]
        events = pd.concat(runs, ignore_index=True)
        kind = events["trial_type"].str.split("_", expand=True).set_axis(["event", "partner", "answer"], axis=1)
        answered = kind["answer"].shift(-1).where(kind["event"].shift(-1) == "outcome")
        events = events.assign(partner=kind["partner"], answer=answered)[kind["event"] == "choice"]
        whose = [events["person"], events["partner"]]
        for name, happened in (("tries", events["answer"].notna()), ("shared", events["answer"] == "recip")):
            events[name] = happened.astype(int).groupby(whose).cumsum() - happened
        offer = events["cLow"].astype(int).astype(str) + "-" + events["cHigh"].astype(int).astype(str)
        events = events.assign(offer=offer, sent=events["trust_value"], round=events.groupby("person").cumcount() + 1)
        people = table.rename(columns={"participant_id": "person"})[["person", "age", "sex"]]
        people["age_group"] = people["age"].ge(OLDER).map({True: "older", False: "younger"})
        return events.merge(people, on="person", how="left", validate="many_to_one")
