"""``adapt=calibrate``: no weight changes; the model reads the pilot once, and its options are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simbench.arrays import Floats
from simbench.backends.base import Workspace
from simbench.backends.calibration import Row, fit_item
from simbench.interview import Transcript
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.lookup import look_up

__all__ = ["calibrate", "told_by"]


def calibrate(
    loaded: Loaded, encoder: Encoder, pilot: Sequence[Transcript], workspace: Workspace, batch_size: int = 0
) -> dict[str, dict[str, Any]]:
    """Fit every item to the pilot. Returns ``{item: {"values": [k], "scale": float, "bias": [k floats]}}``."""
    said = look_up(loaded, encoder, pilot, workspace, "calibrating", batch_size)
    return {name: fit_item(rows) for name, rows in told_by(pilot, [one.logprobs for one in said]).items()}


def told_by(pilot: Sequence[Transcript], said: Sequence[Sequence[Floats]]) -> dict[str, list[Row]]:
    """Per item, for everybody: the item as asked, log-probabilities (k,) of its options, and which was chosen.

    ``said``: per transcript the log-probabilities of each of its items.
    """
    rows: dict[str, list[Row]] = {}
    for own, transcript in zip(said, pilot, strict=True):
        for item, logprobs in zip(transcript.interview.items, own, strict=True):
            rows.setdefault(item.name, []).append((item, logprobs, item.code(transcript.answers[item.name])))
    return rows
