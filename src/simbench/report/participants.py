"""The people of a run, one by one: real and simulated answers side by side, as data that a page can filter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simbench.design import PARTICIPANT, Design, Item, People
from simbench.harness.kept import people_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST", "SHOWN", "Participants", "participants"]

SHOWN = 100
"""So many are in the page's own table, which needs no script."""
MOST = 2000
"""So many are in the page at all: a file that a browser opens at once."""
NONE = "(no answer)"


@dataclass(frozen=True)
class Participants:
    """What the page lists of a run's people.

    ``items``: name, text and options of each. ``filters``: variable and its levels, treatment groups first. ``rows``,
    one per person in the order of the data: ``id``, ``levels`` (one per filter), ``agree`` and ``of`` (items answered
    alike, of those that both answered), ``status`` of the simulated answer, and per item ``answers`` (real option,
    simulated option, per cent by option or null). ``total``: how many people there are; more than ``rows`` where
    these are too many.
    """

    items: list[dict[str, Any]]
    filters: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    total: int

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The rows of the table that needs no script."""
        return self.rows[:SHOWN]

    def label(self, item: int, code: int | None) -> str:
        """An answer as the participant read it."""
        return NONE if code is None else str(self.items[item]["options"][code])

    @property
    def json(self) -> str:
        """The same for the page's script, with nothing in it that ends an element."""
        told = {"items": self.items, "filters": self.filters, "rows": self.rows, "none": NONE, "shown": SHOWN}
        return json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def participants(design: Design, humans: pd.DataFrame, responses: pd.DataFrame) -> Participants | None:
    """Everybody compared, beside the (first) participant simulated from the same profile; None without anybody.

    Args:
        design: of the experiment.
        humans: ``people.parquet``, one row per person.
        responses: ``responses.parquet``; its columns ``<item>__p`` (n,) hold lists of probabilities where known.
    """
    if not len(humans) or PARTICIPANT not in responses:
        return None
    people = people_of(design, humans.iloc[:MOST].reset_index(drop=True))
    first = responses.drop_duplicates(PARTICIPANT).set_index(PARTICIPANT).reindex(people.ids)
    names = [each.name for each in design.subgroups if each.name in people.frame]
    variables = (["condition"] if len(design.conditions) > 1 else []) + names
    levels = [
        people.level(name).astype(object).where(people.level(name).notna(), None).tolist() for name in variables
    ]
    sides = [_answers(item, people, first) for item in design.items]
    status = first["status"].astype(object).where(first["status"].notna(), "not asked").tolist()
    rows = [
        {
            "id": str(who),
            "levels": [column[row] for column in levels],
            "status": str(status[row]),
            **_agreement([side[row] for side in sides]),
            "answers": [side[row] for side in sides],
        }
        for row, who in enumerate(people.ids)
    ]
    return Participants(
        [
            {"name": item.name, "text": item.text, "options": [str(each) for each in item.labels]}
            for item in design.items
        ],
        [
            {
                "name": design.variable(name).title if name != "condition" else "Condition",
                "levels": people.levels(name),
            }
            for name in variables
        ],
        rows,
        len(humans),
    )


def _answers(
    item: Item, people: People, first: pd.DataFrame
) -> list[tuple[int | None, int | None, list[int] | None]]:
    """Per person the real option, the simulated one, and per cent of every option."""
    real, simulated = (
        [int(code) if code >= 0 else None for code in item.codes(frame[item.name])]
        if item.name in frame
        else [None] * len(people)
        for frame in (people.frame, first.reset_index())
    )
    column = f"{item.name}__p"
    told = first[column].tolist() if column in first else [None] * len(people)
    shares = [_per_cent(each, len(item.options)) for each in told]
    return list(zip(real, simulated, shares, strict=True))


def _per_cent(probabilities: Any, options: int) -> list[int] | None:
    if probabilities is None or isinstance(probabilities, float) or len(probabilities) != options:
        return None
    shares = [float(each) for each in probabilities]
    return [round(100 * each) for each in shares] if all(each == each for each in shares) else None


def _agreement(answers: Sequence[tuple[int | None, int | None, Any]]) -> dict[str, int]:
    both = [(real, simulated) for real, simulated, _ in answers if real is not None and simulated is not None]
    return {"agree": sum(real == simulated for real, simulated in both), "of": len(both)}
