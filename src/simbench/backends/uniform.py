"""The floor: answers drawn at random from the options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.interview import Interview, Transcript
from simbench.settings import NoConfig
from simbench.stats.rng import generator

__all__ = ["Uniform"]


class Uniform(Backend[NoConfig]):
    """Every option with the same probability: the floor. Learns nothing."""

    name = "uniform"

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Nothing to learn."""
        return Model("simbench", "uniform")

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Independent uniform draws per item."""
        for interview in interviews:
            rng = generator(workspace.seed, "uniform", *interview.key)
            answers = {item.name: item.values[int(rng.integers(len(item.values)))] for item in interview.items}
            yield Answer(*interview.key, "ok", answers, _chances(interview))

    def score(self, model: Model, transcripts: Sequence[Transcript], workspace: Workspace) -> Iterator[Answer]:
        """1 / (number of options), whatever was answered."""
        for each in transcripts:
            yield Answer(*each.interview.key, "ok", each.answers, _chances(each.interview))


def _chances(interview: Interview) -> dict[str, list[float]]:
    return {item.name: [1 / len(item.values)] * len(item.values) for item in interview.items}
