"""A baseline without diversity: everybody gives the pilot's most frequent answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.design import Item, Value
from simbench.interview import Interview, Transcript
from simbench.settings import NoConfig

__all__ = ["Majority"]


class Majority(Backend[NoConfig]):
    """The pilot's most frequent answer to each item, for everybody. No profile, no condition.

    Where a treatment group is not offered that answer, it gives the most frequent one that it is offered. For
    likelihoods one made-up person who answers uniformly is added to the pilot's, who all give that answer.
    """

    name = "majority"
    needs_pilot = True

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Count each item's answers."""
        names = [item.name for item in pilot[0].interview.items]
        counts = {name: Counter(transcript.answers[name] for transcript in pilot) for name in names}
        pairs = {name: [list(pair) for pair in count.most_common()] for name, count in counts.items()}
        return Model("simbench", "majority", parameters={"counts": pairs, "pilot": len(pilot)})

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """The same answers for everybody; ties go to the option that comes first."""
        counts = {name: dict(map(tuple, pairs)) for name, pairs in model.parameters["counts"].items()}
        known: dict[tuple[Item, ...], dict[str, Value]] = {}
        for interview in interviews:
            if interview.items not in known:
                known[interview.items] = {item.name: _mode(item, counts[item.name]) for item in interview.items}
            yield Answer(*interview.key, "ok", known[interview.items])

    def score(self, model: Model, transcripts: Sequence[Transcript], workspace: Workspace) -> Iterator[Answer]:
        """(pilot 1[most frequent] + 1 / options) / (pilot + 1)."""
        counts = {name: dict(map(tuple, pairs)) for name, pairs in model.parameters["counts"].items()}
        people = model.parameters["pilot"]
        known: dict[tuple[Item, ...], dict[str, list[float]]] = {}
        for each in transcripts:
            items = each.interview.items
            if items not in known:
                known[items] = {item.name: _chances(item, counts[item.name], people) for item in items}
            yield Answer(*each.interview.key, "ok", each.answers, known[items])


def _mode(item: Item, counts: Mapping[Value, int]) -> Value:
    return max(item.values, key=lambda value: counts.get(value, 0))


def _chances(item: Item, counts: Mapping[Value, int], people: int) -> list[float]:
    mode, uniform = _mode(item, counts), 1 / len(item.values)
    return [(people * (value == mode) + uniform) / (people + 1) for value in item.values]
