"""The contract of a backend: what answers interviews, and may be adapted to a pilot first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from simbench.design import Value
from simbench.errors import PluginError, UnsupportedError
from simbench.interview import Interview, Transcript
from simbench.part import C, Part

__all__ = ["STATUSES", "Answer", "Backend", "Cache", "Estimate", "Model", "Progress", "Task", "Workspace"]

STATUSES = ("ok", "invalid", "refused", "content_filter", "truncated", "failed", "expired")


@dataclass(frozen=True)
class Model:
    """A handle to what answers: small, JSON-able, enough to find the same model again.

    ``sha256`` is a hash of the adapter's or the weights' content where there is one; ``parameters`` holds
    whatever else the backend needs to answer and the reader needs to know (revision, dtype, epochs, ...).
    """

    provider: str
    base: str
    adapter: str | None = None
    sha256: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As written to ``model.json`` and the manifest."""
        return {
            "provider": self.provider,
            "base": self.base,
            "adapter": self.adapter,
            "sha256": self.sha256,
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Model:
        """The handle that :meth:`to_json` wrote."""
        return cls(**stored)


@dataclass(frozen=True)
class Answer:
    """What came of one interview.

    ``answers`` maps items to option values (complete when ``status`` is ``ok``); ``probabilities`` maps
    items to the options' probabilities in the order of ``interview.items[...].options``, given the answers
    before; ``valid_mass`` is the share of the model's own probability that lies on valid answers, per item.
    ``usage`` counts tokens (``input``, ``output``, ``cached``, ``training``); ``cost`` is in US dollars where
    known. ``attempts`` logs what was asked again and why. ``numbers`` holds the numbers themselves of items that were
    asked for in digits (``Item.digits``), whose ``answers`` are the bins.
    """

    participant_id: str
    replicate: int
    status: str
    answers: Mapping[str, Value] = field(default_factory=dict)
    probabilities: Mapping[str, Sequence[float]] = field(default_factory=dict)
    valid_mass: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    error: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: float | None = None
    attempts: Sequence[Mapping[str, Any]] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise PluginError(
                f"an answer's status is one of {', '.join(STATUSES)}; found {self.status!r} "
                f"for participant {self.participant_id!r}"
            )

    @property
    def key(self) -> tuple[str, int]:
        """The interview it belongs to."""
        return (self.participant_id, self.replicate)

    def to_json(self) -> dict[str, Any]:
        """One line of the journal; empty fields are left out."""
        always = {"participant_id": self.participant_id, "replicate": self.replicate, "status": self.status}
        known: dict[str, Any] = {
            "answers": dict(self.answers),
            "probabilities": {item: list(p) for item, p in self.probabilities.items()},
            "valid_mass": dict(self.valid_mass),
            "text": self.text,
            "error": self.error,
            "usage": dict(self.usage),
            "cost": self.cost,
            "attempts": [dict(attempt) for attempt in self.attempts],
            "numbers": dict(self.numbers),
        }
        return always | {name: value for name, value in known.items() if value not in (None, "", {}, [])}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Answer:
        """The answer that :meth:`to_json` wrote."""
        return cls(**stored)


class Task(Protocol):
    """One bar of progress."""

    def advance(self, amount: int = 1) -> None:
        """Count ``amount`` more units as done."""

    def note(self, text: str) -> None:
        """Show a few words beside the bar (loss, spend, batch size)."""


class Progress(Protocol):
    """How a backend tells the person at the terminal what it does."""

    def task(self, title: str, total: int | None, unit: str = "") -> AbstractContextManager[Task]:
        """Open a bar of ``total`` units."""

    def say(self, text: str) -> None:
        """Print one line that stays."""


class Cache(Protocol):
    """A store of answers already paid for, by the sha256 of what determines them."""

    def get(self, key: Mapping[str, Any]) -> Any | None:
        """The JSON value stored under a key, or None."""

    def put(self, key: Mapping[str, Any], value: Any) -> None:
        """Store a JSON value. Committed when this returns."""


@dataclass(frozen=True)
class Workspace:
    """What the harness lends to a backend for one run.

    ``folder`` survives a kill and belongs to the backend; ``seed`` is the run's; ``run_id`` may be put into a
    provider's metadata. ``budget`` is in US dollars (None: no limit), ``spent`` what earlier attempts at this
    run cost.
    """

    folder: Path
    seed: int
    progress: Progress
    run_id: str = ""
    cache: Cache | None = None
    budget: float | None = None
    spent: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """What a run would take: ranges (low, high) of tokens and US dollars (None: price unknown).

    ``hidden_tokens`` and ``hidden_cost``: what thinking before the answers can take on top, at most.
    """

    model: str
    adaptation_tokens: tuple[int, int] = (0, 0)
    input_tokens: tuple[int, int] = (0, 0)
    output_tokens: tuple[int, int] = (0, 0)
    cost: tuple[float, float] | None = None
    seconds: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    hidden_tokens: int = 0
    hidden_cost: float | None = None


class Backend(Part[C]):
    """Answers interviews; may be adapted to a pilot first.

    A subclass sets ``name`` and ``Config`` (a frozen dataclass whose fields are declared with
    :func:`simbench.settings.setting`) and implements :meth:`respond`; one that learns also implements
    :meth:`adapt`, and one that knows probabilities :meth:`score` (``scores_for_money``: it is then asked only with
    ``likelihood=true``). Draws must depend on ``workspace.seed``, the participant and the replicate alone, never on
    the order or batch of asking, so that an interrupted run gives the same answers.
    """

    needs_pilot: ClassVar[bool] = False
    scores_for_money: ClassVar[bool] = False

    @property
    def writes(self) -> bool:
        """Whether answers are written as text, so that a number can be asked for in digits."""
        return False

    def check(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> None:
        """Refuse what cannot work, before anything is spent. The default accepts everything.

        Raises UserError subclasses. Must be quick and free.
        """

    def estimate(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> Estimate:
        """What adapting and answering would take. The default knows nothing and says so."""
        return Estimate(self.name, cost=(0.0, 0.0), notes=("runs on this machine; no estimate",))

    @abstractmethod
    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Adapt to the pilot (empty: hand out the unadapted model) and return the handle.

        Called again with the same workspace after a kill, until it has returned once: go on from what is in
        ``workspace.folder``. Once it has returned, its handle is on disk and it is never called again.
        """

    @abstractmethod
    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Yield exactly one Answer per interview, in any order, as they arrive.

        Asked of a fresh instance, never of the one that adapted: what it needs is in ``workspace.folder`` and in
        the handle, so that a run that was killed in between goes on from there. After a kill it is asked for
        what is still open. One that cannot be had is yielded with its status, never raised, unless nothing further
        can work.
        """

    def score(self, model: Model, transcripts: Sequence[Transcript], workspace: Workspace) -> Iterator[Answer]:
        """How likely the model finds what real people answered: one Answer per transcript, in any order. Optional.

        ``answers`` are the person's own. ``probabilities`` hold, for *every* item, the natural probabilities of the
        options (in the order of ``interview.items[...].options``, adding up to 1) with which a simulated participant
        would be given them, had the items before been answered as this person answered them. So their product over
        the items is the probability of this person's answers together. Asked like :meth:`respond`: of a fresh
        instance, after a kill for what is open, and what cannot be had is yielded with its status. The default, and
        whoever has no such probabilities, raises UnsupportedError with the reason before anything is yielded.
        """
        raise UnsupportedError(
            self.cannot_score() or f"backend {self.name!r} does not say how likely it finds answers"
        )

    def cannot_score(self) -> str:
        """Why :meth:`score` will refuse, as far as the settings say; empty where they do not. Free, asks nobody.

        ``simbench estimate`` counts the scoring of real answers where this is empty.
        """
        if type(self).score is Backend.score:
            return f"backend {self.name!r} does not say how likely it finds an answer"
        return ""

    def learned_before(self) -> Sequence[Mapping[str, Any]]:
        """Studies that what this backend starts from has learned from, as ``simbench pretrain`` wrote them down.

        A run that evaluates one of them is refused. The default starts from nothing that has. Quick and free.
        """
        return ()

    def record(self) -> Mapping[str, Any]:
        """What the manifest should hold of how this backend worked (device, sent parameters, ...)."""
        return {}
