"""A baseline that any model should beat: copies of the pilot's people, whoever is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.design import Item, Value
from simbench.interview import Interview, Transcript
from simbench.settings import NoConfig
from simbench.stats.rng import generator

__all__ = ["Copies", "Resample"]


class Resample(Backend[NoConfig]):
    """Bootstrap of the pilot's answer rows: right margins and joint, no profile, no condition.

    Rows with an answer that the treatment group asked is not offered are left out of its draw. For likelihoods, the
    rows that agree with the person so far tell the next answer, and one made-up person, who answers by the pilot's
    shares with half a person added to every option, is added to them: see :meth:`score`.
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

    def score(self, model: Model, transcripts: Sequence[Transcript], workspace: Workspace) -> Iterator[Answer]:
        """(c(earlier answers, option) + share(option)) / (c(earlier answers) + 1); c counts the rows it draws from.

        share(option) = (c(option) + 1/2) / (c() + options / 2).
        """
        pools: dict[tuple[Item, ...], Copies] = {}
        for each in transcripts:
            items = each.interview.items
            if items not in pools:
                pools[items] = Copies.of(model.parameters["rows"], items)
            yield Answer(*each.interview.key, "ok", each.answers, pools[items].chances(each.answers))


@dataclass(frozen=True, eq=False)
class Copies:
    """Rows to draw from in one treatment group; what follows some first answers is worked out once."""

    items: tuple[Item, ...]
    rows: Sequence[Mapping[str, Value]]
    known: dict[tuple[Value, ...], tuple[Sequence[Mapping[str, Value]], list[float]]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Value]], items: tuple[Item, ...]) -> Copies:
        """Those of a pilot's answer rows that a group asked these items could have given."""
        return cls(items, [row for row in rows if _fits(row, items)])

    @cached_property
    def shares(self) -> dict[str, list[float]]:
        """What the made-up person answers, by item."""
        return {item.name: _shares(self.rows, item) for item in self.items}

    def chances(self, answers: Mapping[str, Value]) -> dict[str, list[float]]:
        """Probabilities of every item's options, given these answers to the items before."""
        given = tuple(answers[item.name] for item in self.items)
        return {item.name: self.after(given[:at]) for at, item in enumerate(self.items)}

    def after(self, before: tuple[Value, ...]) -> list[float]:
        """Chances of the next item's options, given these first answers."""
        return list(self._after(before)[1])

    def _after(self, before: tuple[Value, ...]) -> tuple[Sequence[Mapping[str, Value]], list[float]]:
        """The rows with these first answers, and the chances of the next item's options."""
        if before not in self.known:
            rows = self.rows
            if before:
                last = self.items[len(before) - 1].name
                rows = [row for row in self._after(before[:-1])[0] if row[last] == before[-1]]
            item = self.items[len(before)]
            counts = Counter(row[item.name] for row in rows)
            told = zip(item.values, self.shares[item.name], strict=True)
            self.known[before] = rows, [(counts[value] + share) / (len(rows) + 1) for value, share in told]
        return self.known[before]


def _shares(rows: Sequence[Mapping[str, Value]], item: Item) -> list[float]:
    counts = Counter(row[item.name] for row in rows)
    return [(counts[value] + 0.5) / (len(rows) + len(item.values) / 2) for value in item.values]


def _fits(row: Mapping[str, Value], items: tuple[Item, ...]) -> bool:
    return all(row[item.name] in item.values for item in items)
