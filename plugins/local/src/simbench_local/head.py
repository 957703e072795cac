"""``adapt=head``: a ridge-penalised multinomial logit per item on a middle layer of the model, before the answer.

No gradient goes through the model: it reads the pilot once. The hidden state at the token before the answer is
standardised by the pilot's mean and spread and turned onto the pilot's principal components, which changes nothing
of a ridge penalty as long as all components are kept; a few are enough and are quicker. Layer and penalties are
chosen by cross-validation in the pilot, humans whole: the layer for all items together, the penalty for each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.backends.logits import logits, predict_logit
from simbench.design import Item
from simbench.errors import ModelError
from simbench.files import write_whole
from simbench_local.reading import reading

__all__ = ["Head", "candidates", "fit_head"]

PENALTIES = (0.003, 0.012, 0.05, 0.2, 0.8)
"""Inverse strengths (scikit-learn's C) that cross-validation chooses from."""
COMPONENTS = 20
SCALE = 3.0  # standardised states are multiplied by this over the root of their dimension
DEPTHS = (0.3, 0.4, 0.5)  # of the model: which layers are candidates
Codes = NDArray[np.int64]


def candidates(layers: int) -> tuple[int, ...]:
    """Which hidden states of a model with so many layers are tried (0 is the embedding)."""
    return tuple(sorted({max(1, round(depth * layers)) for depth in DEPTHS}))


@dataclass(frozen=True, eq=False)
class Head:
    """What was learned from ``people`` people, of hidden states of ``layer``.

    ``items`` holds per item ``values`` and arrays: ``mean`` and ``spread`` (d,) of the states, ``weights`` (K, d) and
    ``intercepts`` (K,), minus infinity for options that nobody in the pilot gave.
    """

    layer: int
    people: int
    items: Mapping[str, Mapping[str, Any]]

    def chances(self, name: str, hidden: Floats) -> Floats:
        """Probabilities (n, K) of an item's options from hidden states (n, d) of the layer.

        One made-up person who answers uniformly is added to the pilot's, so that no option is impossible. Numbers
        that are none count as the pilot's mean.
        """
        known = self.items[name]
        design = np.nan_to_num((hidden - known["mean"]) / known["spread"], nan=0.0, posinf=0.0, neginf=0.0)
        return predict_logit(known, design, self.people)

    def save(self, path: Path) -> str:
        """Write it; the sha256 of what was written, which depends on nothing but the content."""
        from safetensors.numpy import save

        arrays = {
            f"{at}.{key}": np.ascontiguousarray(known[key], dtype=np.float64)
            for at, known in enumerate(self.items.values())
            for key in ARRAYS
        }
        told = {
            "layer": self.layer,
            "people": self.people,
            "items": [[n, list(k["values"])] for n, k in self.items.items()],
        }
        content = save(arrays, {"head": json.dumps(told)})
        write_whole(path, lambda file: file.write(content))
        return hashlib.sha256(content).hexdigest()

    @classmethod
    def load(cls, path: Path, sha256: str | None) -> Head:
        """Read what :meth:`save` wrote; ModelError where it is anything else."""
        from safetensors import safe_open

        with reading(f"{path} (the head that was learned) cannot be read"):
            if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                raise ModelError(
                    f"{path} (the head that was learned) is not what this run was made with. Put it back, or move "
                    "the run's folder away to start anew."
                )
            with safe_open(str(path), framework="np") as stored:
                told = json.loads(stored.metadata()["head"])
                items = {
                    name: {key: stored.get_tensor(f"{at}.{key}") for key in ARRAYS} | {"values": tuple(values)}
                    for at, (name, values) in enumerate(told["items"])
                }
            return cls(told["layer"], told["people"], items)


ARRAYS = ("mean", "spread", "weights", "intercepts")


def fit_head(
    layers: Sequence[int],
    hidden: Floats,
    items: Sequence[Item],
    codes: Sequence[Codes],
    folds: Codes,
    out_of_fold: bool = True,
) -> tuple[Head, list[Floats], dict[str, Any]]:
    """Learn from hidden states (n, items, layers, d), answers (n,) per item, and folds (n,) of whole humans.

    Returns the head; per item the probabilities (n, K) for everybody of heads that were learned, layer and penalties
    chosen, without that person's fold (nested cross-validation; none without ``out_of_fold``, which is two thirds of
    the work); and facts. ``folds`` all alike: too few people for cross-validation; the middle layer and the strongest
    penalty are taken, and the probabilities are the head's own.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the matrices are too small for threads to do anything but wait
        return _fit(layers, hidden, items, codes, folds, out_of_fold)


def _fit(
    layers: Sequence[int],
    hidden: Floats,
    items: Sequence[Item],
    codes: Sequence[Codes],
    folds: Codes,
    out_of_fold: bool,
) -> tuple[Head, list[Floats], dict[str, Any]]:
    usable = [at for at in range(len(layers)) if np.isfinite(hidden[:, :, at]).any(axis=(0, 1)).any()]
    if not usable:
        raise ModelError(
            "the model's hidden states are no numbers (too large for this number format); try backend.dtype=fp32"
        )
    parts = [[_Features.of(hidden[:, at, layer]) for layer in usable] for at in range(len(items))]
    sizes = [len(item.values) for item in items]
    numbers = [int(each) for each in np.unique(folds)]
    if len(numbers) < 2:
        layer, strengths = len(usable) // 2, [PENALTIES[0]] * len(items)
        head = _head(layers[usable[layer]], [part[layer] for part in parts], items, codes, strengths)
        tables = [head.chances(item.name, hidden[:, at, usable[layer]]) for at, item in enumerate(items)]
        return head, tables, {"layer": head.layer, "penalties": strengths, "folds": 0}
    tried = _Tried(parts, codes, sizes, folds, combinations(numbers, 2) if out_of_fold else ())
    layer, chosen = tried.choice(numbers)
    out = [np.empty((len(folds), size)) for size in sizes] if out_of_fold else []
    for number in numbers if out_of_fold else ():
        best, best_penalties = tried.choice([other for other in numbers if other != number], without=number)
        mine = folds == number
        for at, table in enumerate(out):
            table[mine] = tried.table(at, best, best_penalties[at], {number})[mine]
    strengths = [PENALTIES[each] for each in chosen]
    head = _head(layers[usable[layer]], [part[layer] for part in parts], items, codes, strengths)
    facts = {"layer": head.layer, "penalties": strengths, "folds": len(numbers)}
    return head, out, facts


@dataclass(frozen=True)
class _Features:
    """Standardised hidden states (n, r) on their principal components, and the way there."""

    design: Floats
    mean: Floats
    spread: Floats
    axes: Floats  # (r, d)

    @classmethod
    def of(cls, states: Floats) -> _Features:
        finite = np.isfinite(states)
        count = np.maximum(finite.sum(axis=0), 1)
        mean = np.where(finite, states, 0.0).sum(axis=0) / count
        centred = np.where(finite, states - mean, 0.0)
        spread = np.sqrt((centred**2).sum(axis=0) / count)
        varies = spread > 1e-6 * np.maximum(np.abs(mean), 1e-6)
        # What does not vary is divided by infinity: it has no part in anything.
        divisor = np.where(varies, spread, np.inf) * np.sqrt(states.shape[1]) / SCALE
        scaled = centred / divisor
        _, sizes, axes = np.linalg.svd(scaled, full_matrices=False)
        kept = axes[: min(COMPONENTS, int((sizes > 1e-6 * max(sizes[0], 1e-12)).sum()))]
        return cls(scaled @ kept.T, mean, divisor, kept)


class _Tried:
    """Forecasts of every layer and penalty, learned without a fold or a pair of folds, for the people in them."""

    def __init__(
        self,
        parts: Sequence[Sequence[_Features]],
        codes: Sequence[Codes],
        sizes: Sequence[int],
        folds: Codes,
        pairs: Iterable[tuple[int, int]],
    ) -> None:
        self.parts, self.codes, self.sizes, self.folds = parts, codes, sizes, folds
        numbers = [int(each) for each in np.unique(folds)]
        self.tables: dict[tuple[int, int, frozenset[int]], list[Floats]] = {}
        for left_out in [*({a} for a in numbers), *map(set, pairs)]:
            for at in range(len(parts)):
                for layer in range(len(parts[at])):
                    self.tables[at, layer, frozenset(left_out)] = self._forecasts(at, layer, left_out)

    def _forecasts(self, at: int, layer: int, left_out: set[int]) -> list[Floats]:
        design, out = self.parts[at][layer].design, np.isin(self.folds, list(left_out))
        found = []
        for known in logits(design[~out], self.codes[at][~out], self.sizes[at], PENALTIES):
            table = np.full((len(out), self.sizes[at]), np.nan)
            table[out] = predict_logit(known, design[out], int((~out).sum()))
            found.append(table)
        return found

    def table(self, at: int, layer: int, penalty: int, left_out: set[int]) -> Floats:
        """Forecasts (n, K) of an item for the people left out, NaN for others."""
        return self.tables[at, layer, frozenset(left_out)][penalty]

    def choice(self, among: Sequence[int], without: int | None = None) -> tuple[int, list[int]]:
        """The layer and each item's penalty, as positions, that foretell these folds best; ``without`` is unseen."""
        losses = np.zeros((len(self.parts), len(self.parts[0]), len(PENALTIES)))
        for number in among:
            mine = np.flatnonzero(self.folds == number)
            left_out = {number} if without is None else {number, without}
            for at, codes in enumerate(self.codes):
                for layer in range(losses.shape[1]):
                    for penalty in range(len(PENALTIES)):
                        chances = self.table(at, layer, penalty, left_out)[mine, codes[mine]]
                        losses[at, layer, penalty] -= np.log(chances).sum()
        layer = int(losses.min(axis=2).sum(axis=0).argmin())
        return layer, [int(each) for each in losses[:, layer].argmin(axis=1)]


def _head(
    layer: int, parts: Sequence[_Features], items: Sequence[Item], codes: Sequence[Codes], strengths: Sequence[float]
) -> Head:
    found = {}
    for part, item, own, strength in zip(parts, items, codes, strengths, strict=True):
        known = next(logits(part.design, own, len(item.values), (strength,), exact=True))
        intercepts = np.array([-np.inf if each is None else each for each in known["intercepts"]])
        weights = np.array(known["weights"]).reshape(len(item.values), len(part.axes)) @ part.axes
        found[item.name] = {
            "values": item.values,
            "mean": part.mean,
            "spread": part.spread,
            "weights": weights,
            "intercepts": intercepts,
        }
    return Head(layer, len(codes[0]), found)
