"""How many passes LoRA makes over a pilot, and how its options are calibrated: both chosen inside the pilot.

Whole people are dealt into folds. For every fold an adapter is trained on the others, by the very schedule that the
final training follows, and after each pass the people left out are looked at, every answer given their own answers
before. So one training per fold tells of every number of passes. The number is taken whose forecasts, calibrated on
the other folds, foretell those left out best; scale and biases are then fitted to all that was said out of fold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.backends.base import Workspace
from simbench.backends.blend import answers_of
from simbench.backends.calibration import Row, fit_item, out_of_fold
from simbench.backends.logits import folds_of
from simbench.interview import Transcript
from simbench.stats.rng import generator
from simbench_local.calibration import told_by
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.lookup import look_up
from simbench_local.training import Recipe, train

__all__ = ["FOLDS", "TOO_SMALL", "Chosen", "choose", "deal"]

FOLDS = 3
TOO_SMALL = f"cross-validation takes {2 * FOLDS} transcripts of {FOLDS} people or more"
Said = list[list[Floats]]  # per transcript and item, log-probabilities (k,) of its options


@dataclass(frozen=True, eq=False)
class Chosen:
    """A number of passes, and what adapters of so many passes said of everybody out of fold.

    ``calibrated`` and ``plain`` are bits per answer of people left out, by number of passes: with scale and biases
    fitted to the other folds, and as the model says it. ``rows`` are per item what was said after the chosen pass,
    ``forecasts`` (n, K) per item the same, calibrated on the other folds.
    """

    passes: int
    calibrated: dict[int, float]
    plain: dict[int, float]
    rows: dict[str, list[Row]]
    forecasts: list[Floats]

    def calibration(self) -> dict[str, dict[str, Any]]:
        """Scale and biases by item, fitted to what was said of everybody out of fold."""
        return {name: fit_item(rows) for name, rows in self.rows.items()}

    def facts(self) -> dict[str, Any]:
        """For a model's handle; numbers of passes are texts, as JSON has them."""
        told = {"calibrated": self.calibrated, "plain": self.plain}
        curves = {name: {str(n): round(bits, 4) for n, bits in curve.items()} for name, curve in told.items()}
        return {"chosen": self.passes, "folds": FOLDS, **curves}

    def in_words(self) -> str:
        """The choice and the curve it rests on."""
        curve = ", ".join(f"{bits:.3f} after {number}" for number, bits in self.calibrated.items())
        return (
            f"{self.passes} passes are made, as chosen in the pilot; bits per answer of people left out, "
            f"calibrated: {curve}"
        )


def deal(pilot: Sequence[Transcript], seed: int) -> NDArray[np.int64] | None:
    """Which fold (n,) each transcript is in, humans whole; None where a pilot is :data:`TOO_SMALL`."""
    if len({each.interview.human for each in pilot}) < FOLDS or len(pilot) < 2 * FOLDS:
        return None
    return folds_of(pilot, FOLDS, generator(seed, "passes", "folds"))


def choose(
    fresh: Callable[[], Loaded],
    pilot: Sequence[Transcript],
    folds: NDArray[np.int64],
    recipe: Recipe,
    wanted: Collection[int],
    workspace: Workspace,
    start: Path | None = None,
    batch_size: int = 0,
) -> Chosen:
    """Train without each of the ``folds`` and choose among the ``wanted`` numbers of passes.

    ``fresh`` loads the model, ready to learn. The trainings lie in ``workspace.folder`` and are gone on with.
    """
    said: dict[int, Said] = {number: [[] for _ in pilot] for number in sorted(wanted)}
    for number in map(int, np.unique(folds)):
        inside = [each for each, fold in zip(pilot, folds, strict=True) if fold != number]
        rows = [int(row) for row in np.flatnonzero(folds == number)]
        looked = _Look([pilot[row] for row in rows], said, workspace, batch_size)
        folder = workspace.folder / str(number + 1)
        progress = workspace.progress
        progress.say(f"fold {number + 1} of {FOLDS}: learning from {len(inside)}, leaving out {len(rows)}")
        log = train(fresh(), inside, recipe, workspace.seed, folder, progress, start=start, look=looked)
        for after, told in said.items():
            for row, own in zip(rows, log["epochs"][after - 1]["seen"], strict=True):
                told[row] = [np.array(each) for each in own]
    items, codes = answers_of(pilot)
    bits: dict[str, dict[int, float]] = {"calibrated": {}, "plain": {}}
    tables: dict[int, list[Floats]] = {}
    for after, told in said.items():
        rows_of = told_by(pilot, told)
        tables[after] = [out_of_fold(rows_of[item.name], item.values, folds) for item in items]
        people = np.arange(len(pilot))
        own = [np.log2(each[people, chosen]).mean() for each, chosen in zip(tables[after], codes, strict=True)]
        bits["calibrated"][after] = float(np.mean(own))
        bits["plain"][after] = float(np.mean([_bits(row) for each in rows_of.values() for row in each]))
    best = max(said, key=lambda after: bits["calibrated"][after])
    return Chosen(best, bits["calibrated"], bits["plain"], told_by(pilot, said[best]), tables[best])


def _bits(row: Row) -> float:
    """log2 of the chance, among an item's options, of the one that was chosen."""
    _, logprobs, chosen = row
    return float(logprobs[chosen] - np.logaddexp.reduce(logprobs)) / float(np.log(2))


@dataclass(frozen=True)
class _Look:
    """What a model that learns says of ``people``, after the passes that anybody wants to know of."""

    people: Sequence[Transcript]
    wanted: Collection[int]
    workspace: Workspace
    batch_size: int

    def __call__(self, loaded: Loaded, after: int) -> list[list[list[float]]] | None:
        if after not in self.wanted:
            return None
        encoder = Encoder(loaded.tokenizer)
        said = look_up(loaded, encoder, self.people, self.workspace, f"after pass {after}", self.batch_size)
        return [[each.tolist() for each in one.logprobs] for one in said]
