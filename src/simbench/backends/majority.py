"""A baseline without diversity: everybody gives the pilot's most frequent answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.interview import Interview, Transcript
from simbench.settings import NoSettings

__all__ = ["Majority"]


class Majority(Backend[NoSettings]):
    """The pilot's most frequent answer to each item, for everybody. No profile, no condition."""

    name = "majority"
    needs_pilot = True

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Find each item's mode; ties go to the option that comes first."""
        modes = {}
        for item in pilot[0].interview.items:
            counts = Counter(transcript.answers[item.name] for transcript in pilot)
            modes[item.name] = max(item.values, key=lambda value: counts[value])
        return Model("simbench", "majority", parameters={"modes": modes, "pilot": len(pilot)})

    def respond(
        self, model: Model, interviews: Sequence[Interview], workspace: Workspace
    ) -> Iterator[Answer]:
        """The same answers for everybody."""
        modes = model.parameters["modes"]
        for interview in interviews:
            yield Answer(*interview.key, "ok", {item.name: modes[item.name] for item in interview.items})
