"""A baseline that any model should beat: copies of the pilot's people, whoever is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.design import Item, Value
from simbench.interview import Interview, Transcript
from simbench.settings import NoSettings
from simbench.stats.rng import generator

__all__ = ["Resample"]


class Resample(Backend[NoSettings]):
    """Bootstrap of the pilot's answer rows: right margins and joint, no profile, no condition.

    Rows with an answer that the treatment group asked is not offered are left out of its draw.
    """

    name = "resample"
    needs_pilot = True

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Keep the pilot's answer rows."""
        return Model("simbench", "resample", parameters={"rows": [dict(t.answers) for t in pilot]})

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """One row of the pilot, drawn with replacement, per interview."""
        rows = model.parameters["rows"]
        fitting: dict[tuple[Item, ...], list[Mapping[str, Value]]] = {}
        for interview in interviews:
            if interview.items not in fitting:
                fitting[interview.items] = [row for row in rows if _fits(row, interview.items)]
            possible = fitting[interview.items]
            if not possible:
                yield Answer(*interview.key, "failed", error="nobody in the pilot gave answers offered here")
                continue
            rng = generator(workspace.seed, "resample", *interview.key)
            row = possible[int(rng.integers(len(possible)))]
            yield Answer(*interview.key, "ok", {item.name: row[item.name] for item in interview.items})


def _fits(row: Mapping[str, Value], items: tuple[Item, ...]) -> bool:
    return all(row[item.name] in item.values for item in items)
