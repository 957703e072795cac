"""A baseline that any model should beat: copies of the pilot's people, whoever is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.interview import Interview, Transcript
from simbench.settings import NoSettings
from simbench.stats.rng import generator

__all__ = ["Resample"]


class Resample(Backend[NoSettings]):
    """Bootstrap of the pilot's answer rows: right margins and joint, no profile, no condition."""

    name = "resample"
    needs_pilot = True

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Keep the pilot's answer rows."""
        return Model("simbench", "resample", parameters={"rows": [dict(t.answers) for t in pilot]})

    def respond(
        self, model: Model, interviews: Sequence[Interview], workspace: Workspace
    ) -> Iterator[Answer]:
        """One row of the pilot, drawn with replacement, per interview."""
        rows = model.parameters["rows"]
        for interview in interviews:
            rng = generator(workspace.seed, "resample", *interview.key)
            row = rows[int(rng.integers(len(rows)))]
            yield Answer(*interview.key, "ok", {item.name: row[item.name] for item in interview.items})
