"""Checks of a backend, on a small made-up study: no check needs more than 24 people."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from simbench.backends.base import Answer, Model, Task
from simbench.errors import ModelError, PilotError, UnsupportedError, UserError
from simbench.harness.responses import checked
from simbench.interview import Interview, Transcript
from simbench.plugin.blame import returned
from simbench.testing.checks._check import Check, Fault, Part, Unfit, no_global_randomness, offered
from simbench.testing.study import MemoryCache, Told, interviews, transcripts, workspace

__all__ = ["checks"]

ASKED, LEARNED = 12, 24
MOST_DOLLARS = 1.0  # for one call of a backend that costs money
Key = tuple[str, int]


def checks(part: Part) -> list[Check]:
    """All of them."""
    found = {
        "contract": offered,
        "accepts_a_study": _accepts,
        "handle_is_json": _handle,
        "one_valid_answer_each": _answers,
        "order_does_not_matter": _order,
        "replicates_differ": _replicates,
        "fresh_instance_answers": _fresh,
        "killed_while_adapting": _killed,
        "killed_while_answering": _stopped,
        "empty_pilot": _empty,
        "no_global_randomness": _global,
        "likelihood": _likelihood,
    }
    return [Check(name, part, run) for name, run in found.items()]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="simbench-check-") as name:
        yield Path(name)


def _pilot() -> list[Transcript]:
    return transcripts(LEARNED)


@dataclass(frozen=True, eq=False)
class _Ready:
    """A model adapted to the pilot, and the folder that it is in, which goes when nobody looks at it any more."""

    model: Model
    folder: Path


def _ready(part: Part) -> _Ready:
    """The model that most checks look at: adapting may take long, so it is done once."""

    def make() -> _Ready:
        folder = Path(tempfile.mkdtemp(prefix="simbench-check-"))
        try:
            ready = _Ready(_adapted(part, folder), folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(ready, shutil.rmtree, folder, ignore_errors=True)
        return ready

    return part.once("ready", make)


def _adapted(part: Part, folder: Path, pilot: Sequence[Transcript] | None = None, **lent: Any) -> Model:
    """What adapt gives for a pilot; Unfit where the backend cannot be used here (no key, no model)."""
    backend = part.make()
    pilot = _pilot() if pilot is None else pilot
    try:
        backend.check(pilot, interviews(ASKED))
        model: Model = returned("backend", backend, "adapt", backend.adapt(pilot, _lent(folder, **lent)), Model)
    except UserError as error:
        if isinstance(error, PilotError | UnsupportedError):
            raise
        raise Unfit(f"it cannot be used here: {str(error).splitlines()[0]}") from None
    return model


def _lent(folder: Path, **changes: Any) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    return workspace(folder, cache=MemoryCache(), budget=MOST_DOLLARS, **changes)


def _asked(part: Part, model: Model, asked: Sequence[Interview], folder: Path) -> dict[Key, Answer]:
    """The answers of a fresh instance, each as a run takes it. Fault for one that is no answer, or not asked for."""
    backend = part.make()
    open_ones = {each.key: each for each in asked}
    found: dict[Key, Answer] = {}
    for answer in backend.respond(model, list(asked), _lent(folder)):
        if not isinstance(answer, Answer):
            raise Fault(f"respond yields simbench.Answer; found {type(answer).__name__}")
        if answer.key not in open_ones:
            raise Fault(f"it answers interview {answer.key} {'twice' if answer.key in found else 'unasked'}")
        found[answer.key] = checked(answer, open_ones.pop(answer.key))
    if open_ones:
        raise Fault(f"{len(open_ones)} of {len(asked)} interviews got no answer, {next(iter(open_ones))} among them")
    return found


def _said(answers: dict[Key, Answer]) -> dict[Key, Any]:
    return {key: (each.status, dict(each.answers)) for key, each in answers.items()}


def _differing(one: dict[Key, Answer], other: dict[Key, Answer]) -> list[Key]:
    first, second = _said(one), _said(other)
    return [key for key in first if first[key] != second.get(key)]


def _accepts(part: Part) -> None:
    backend = part.make()
    try:
        told = backend.check(_pilot(), interviews(ASKED))
    except UserError as error:
        raise Unfit(f"it cannot be used here: {str(error).splitlines()[0]}") from None
    if told is not None:
        raise Fault(f"check returns nothing, or raises; found {told!r:.60}")
    json.dumps(dict(backend.record()), allow_nan=False)


def _handle(part: Part) -> str:
    """The handle survives JSON, and is small."""
    model = _ready(part).model
    try:
        text = json.dumps(model.to_json(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Fault(f"the handle is no JSON: {error}") from error
    if Model.from_json(json.loads(text)).to_json() != _plain(model.to_json()):
        raise Fault("the handle is another one after JSON; use text keys, lists and numbers")
    return f"{len(text):,} characters"


def _plain(value: Any) -> Any:
    """Tuples as lists; all else as it is, keys that are no text too."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _answers(part: Part) -> str:
    """Exactly one answer per interview; answers and probabilities as a run takes them."""
    ready = _ready(part)
    answers = _asked(part, ready.model, interviews(ASKED), ready.folder)
    for answer in answers.values():
        if answer.status == "failed" and "broke its contract" in (answer.error or ""):
            raise Fault(str(answer.error))
        if answer.status == "invalid" and "no option of its item" in (answer.error or ""):
            raise Fault(str(answer.error))
    statuses = [each.status for each in answers.values()]
    if "ok" not in statuses:
        wrong = next(iter(answers.values()))
        raise Fault(f"no answer is ok; the first is {wrong.status}: {wrong.error}")
    known = sum(bool(each.probabilities) for each in answers.values())
    return f"{statuses.count('ok')} of {len(statuses)} ok, {known} with probabilities"


def _order(part: Part) -> None:
    """Asked backwards, and in two parts, everybody answers the same."""
    asked = interviews(ASKED)
    model, folder = _ready(part).model, _ready(part).folder
    whole = _asked(part, model, asked, folder)
    backwards = _asked(part, model, asked[::-1], folder)
    parts = {**_asked(part, model, asked[:5], folder), **_asked(part, model, asked[5:], folder)}
    for how, other in (("backwards", backwards), ("in two parts", parts)):
        if wrong := _differing(whole, other):
            raise Fault(
                f"asked {how}, {len(wrong)} of {len(asked)} differ: draw from seed, participant and replicate"
            )


def _replicates(part: Part) -> None:
    asked = interviews(ASKED, replicates=3)
    answers = _said(_asked(part, _ready(part).model, asked, _ready(part).folder))
    if len({json.dumps(each) for each in answers.values()}) == 1:
        raise Unfit("it answers everybody alike")
    several: dict[str, set[str]] = {}
    for (name, _), said in answers.items():
        several.setdefault(name, set()).add(json.dumps(said))
    if all(len(each) == 1 for each in several.values()):
        raise Fault("three replicates of every participant are the same: the replicate is part of what is drawn from")


def _fresh(part: Part) -> None:
    """The folder and the handle, written and read, are all that answering needs."""
    asked = interviews(ASKED)
    model, folder = _ready(part).model, _ready(part).folder
    again = Model.from_json(json.loads(json.dumps(model.to_json())))
    first, second = _asked(part, again, asked, folder), _asked(part, again, asked, folder)
    if wrong := _differing(first, second):
        raise Fault(f"two fresh instances answer differently for {len(wrong)} of {len(asked)} participants")


class _Killed(KeyboardInterrupt):
    """The kill of a check."""


class _Killing(Told):
    """Progress that ends the process at its first step."""

    def advance(self, amount: int = 1) -> None:
        """Kill."""
        raise _Killed

    def task(self, title: str, total: int | None, unit: str = "") -> Any:
        """A bar that kills."""

        @contextmanager
        def bar() -> Iterator[Task]:
            yield self

        return bar()


def _killed(part: Part) -> str:
    """Killed at its first step, adapting goes on in the same folder and ends at the same model."""
    asked = interviews(ASKED)
    with _folder() as folder:
        expected = _asked(part, _ready(part).model, asked, _ready(part).folder)
        killed = False
        try:
            _adapted(part, folder / "killed", progress=_Killing())
        except _Killed:
            killed = True
        answers = _asked(part, _adapted(part, folder / "killed"), asked, folder / "killed")
    if wrong := _differing(expected, answers):
        raise Fault(
            f"{'killed and gone on' if killed else 'adapted again'}, {len(wrong)} of {len(asked)} answer otherwise"
        )
    return "" if killed else "it tells of no steps, so it was adapted again in the same folder"


def _stopped(part: Part) -> None:
    """Stopped after some answers, the others come as if it had not been."""
    asked = interviews(ASKED)
    model, folder = _ready(part).model, _ready(part).folder
    whole = _asked(part, model, asked, folder)
    arriving = iter(part.make().respond(model, asked, _lent(folder)))
    had = {each.key: each for each in islice(arriving, 4)}
    close = getattr(arriving, "close", None)
    if close is not None:
        close()
    rest = _asked(part, model, [each for each in asked if each.key not in had], folder)
    if wrong := _differing(whole, {**had, **rest}):
        raise Fault(f"stopped after {len(had)} and gone on, {len(wrong)} of {len(asked)} answer otherwise")


def _empty(part: Part) -> str:
    """Without a pilot it hands out the unadapted model, or refuses."""
    if part.cls.needs_pilot:
        return "it says that it needs a pilot"
    with _folder() as folder:
        try:
            model = _adapted(part, folder, [])
        except (PilotError, ModelError, UnsupportedError) as error:
            return f"refused: {str(error).splitlines()[0]}"
        _asked(part, model, interviews(4), folder)
    return ""


def _global(part: Part) -> None:
    ready = _ready(part)
    no_global_randomness(lambda: _asked(part, ready.model, interviews(4), ready.folder))


def _likelihood(part: Part) -> str:
    """One answer per real person, with the probabilities of every item, adding up to 1."""
    ready, own = _ready(part), transcripts(6, first=500)
    try:
        found = list(part.make().score(ready.model, own, _lent(ready.folder)))
    except UnsupportedError as error:
        raise Unfit(str(error).splitlines()[0]) from None
    if sorted(each.key for each in found) != sorted(each.interview.key for each in own):
        raise Fault(f"score gives one answer per transcript; it gave {len(found)} of {len(own)}")
    asked = {each.interview.key: each for each in own}
    for answer in found:
        whose = asked[answer.key]
        if answer.status != "ok":
            continue
        told = checked(answer, whose.interview)
        if told.status != "ok":
            raise Fault(str(told.error))
        if dict(answer.answers) != dict(whose.answers):
            raise Fault(f"score gives back the person's own answers; found {dict(answer.answers)!r:.80}")
        lacking = [item.name for item in whose.interview.items if item.name not in answer.probabilities]
        if lacking:
            raise Fault(f"score gives probabilities of every item; {lacking[0]!r} has none")
    return f"{sum(each.status == 'ok' for each in found)} of {len(found)} ok"
