"""``adapt=blend``: the model's own option probabilities pooled with what the pilot's table says.

The pilot's people are asked about once, item by item behind their own answers. Their option probabilities, calibrated
out of fold, enter the pool of :mod:`simbench.backends.blend` as the voice ``own words``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from simbench.backends.base import Answer, Model, Workspace
from simbench.backends.blend import Blend, answers_of, pilot_folds
from simbench.backends.calibration import Row, calibrated, fit_item, out_of_fold
from simbench.design import Item, Value
from simbench.errors import BackendError, UnsupportedError
from simbench.interview import Interview, Transcript

__all__ = ["Pool", "learn", "pool_of"]

Pool = Callable[[Interview, int, Mapping[str, Value], Sequence[float]], list[float]]
"""Probabilities (k,) of an item's options from interview, position of the item, answers before, the model's own."""

VOICE = "own words"
LEAST = 1e-6  # chance of an option that a server did not list
SAME = 5  # people without probabilities, and nobody with any: the others will have none either


def learn(pilot: Sequence[Transcript], answers: Iterator[Answer], workspace: Workspace) -> dict[str, Any]:
    """What a handle should hold: ``blend``, ``calibration``, and how many of the pilot's people were learned from.

    ``answers``: the model's probabilities behind everybody's own answers, in any order. UnsupportedError where there
    are none, BackendError where some were lost on the way. Who has none is left out, and that is said.
    """
    told = _heard(answers)
    kept = [each for each in pilot if told[each.interview.key].status == "ok"]
    lost = [answer for answer in told.values() if answer.status in ("failed", "expired")]
    if lost:
        raise BackendError(
            f"the model's probabilities for {len(lost)} of the pilot's {len(pilot)} people did not come: "
            f"{lost[0].error}. Run the same command again to go on from here"
        )
    without = [told[each.interview.key] for each in pilot if told[each.interview.key].status != "ok"]
    if not kept:
        raise UnsupportedError(_none(without))
    if without:
        workspace.progress.say(
            f"{len(without)} of the pilot's {len(pilot)} people are not learned from: the model gave no option "
            f"probabilities for them ({without[0].error or without[0].status})"
        )
    rows = {
        item.name: [_row(each, at, told[each.interview.key]) for each in kept]
        for at, item in enumerate(kept[0].interview.items)
    }
    items, folds = answers_of(kept)[0], pilot_folds(kept, workspace.seed)
    voice = [out_of_fold(rows[item.name], item.values, folds) for item in items]
    blend = Blend.fit(kept, {VOICE: voice}, workspace)
    workspace.progress.say(blend.in_words())
    fitted = {name: fit_item(own) for name, own in rows.items()}
    return {"blend": dict(blend.known), "calibration": fitted, "learned_from": len(kept), "of": len(pilot)}


def pool_of(model: Model) -> Pool | None:
    """How a handle that was made by :func:`learn` pools; None of any other."""
    if model.parameters.get("adapt") != "blend":
        return None
    blend, fitted = Blend(model.parameters["blend"]), model.parameters["calibration"]

    def pool(interview: Interview, at: int, before: Mapping[str, Value], chances: Sequence[float]) -> list[float]:
        item = interview.items[at]
        values = blend.known["items"][item.name]["values"]
        columns = [values.index(value) for value in item.values]
        voice = np.zeros((1, len(values)))
        voice[0, columns] = calibrated(fitted[item.name], item, _logs(chances))
        answers = {name: [value] for name, value in before.items()}
        return [float(each) for each in blend.chances(at, [interview], answers, {VOICE: voice})[0, columns]]

    return pool


def _heard(answers: Iterator[Answer]) -> dict[tuple[str, int], Answer]:
    told: dict[tuple[str, int], Answer] = {}
    for answer in answers:
        told[answer.key] = answer
        if len(told) == SAME and all(each.status == "invalid" for each in told.values()):
            raise UnsupportedError(_none(list(told.values())))
    return told


def _none(without: Sequence[Answer]) -> str:
    return (
        f"backend.adapt=blend needs the probabilities of the options, and of the first {len(without)} people of the "
        f"pilot none came ({without[0].error or without[0].status}). Ask a server that gives log probabilities of "
        f"tokens (logprobs), with labels whose first words differ, or use backend.adapt=few_shot"
    )


def _row(transcript: Transcript, at: int, told: Answer) -> Row:
    item: Item = transcript.interview.items[at]
    return item, _logs(told.probabilities[item.name]), int(item.code(transcript.answers[item.name]))


def _logs(chances: Sequence[float]) -> Any:
    return np.log(np.maximum(np.asarray(chances, dtype=np.float64), LEAST))
