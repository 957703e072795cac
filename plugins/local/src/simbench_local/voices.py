"""What is made of a model's words and states: calibrated probabilities, a head's, a blend's with the pilot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from simbench.arrays import Floats
from simbench.backends.base import Model, Workspace
from simbench.backends.blend import TOO_SMALL, Blend, Voices, answers_of, pilot_folds
from simbench.backends.calibration import fit_item, out_of_fold, scaled
from simbench.interview import Transcript
from simbench_local.answering import Moment
from simbench_local.calibration import told_by
from simbench_local.encode import Encoder
from simbench_local.head import Codes, Head, candidates, fit_head
from simbench_local.loading import Loaded
from simbench_local.lookup import look_up

__all__ = ["OWN", "Voice", "learn", "pooled", "voice_of"]

HEAD = "head.safetensors"
OWN = "own words"  # the model's own option probabilities, calibrated, as a member of a blend


@dataclass(frozen=True)
class Voice:
    """How log-probabilities (k,) of a moment's options come about, and which layers that needs."""

    forecast: Callable[[Moment], Floats] | None = None
    watched: tuple[int, ...] = ()


def voice_of(model: Model, folder: Path) -> Voice:
    """The voice that a handle was made with; its files are in ``folder`` and must be what the handle says."""
    told = model.parameters
    how, own = told["adapt"], told.get("calibration")
    head = Head.load(folder / HEAD, told["head"]["sha256"]) if how in ("head", "blend") else None
    watched = (head.layer,) if head else ()
    if how in ("blend", "blend_finetuned"):
        blend = Blend(told["blend"])
        return Voice(lambda moment: _blended(blend, head, own, moment), watched)
    if head:
        return Voice(lambda moment: np.log(_offered(moment, head.items, _headed(head, moment))), watched)
    return Voice(lambda moment: _calibrated(own, moment)) if own is not None else Voice()


def learn(
    loaded: Loaded,
    encoder: Encoder,
    pilot: Sequence[Transcript],
    workspace: Workspace,
    how: str,
    own: bool,
    batch: int,
) -> dict[str, Any]:
    """Fit a head to the pilot, with ``how`` blend also the pool; what a handle should hold of it.

    ``own``: the model's own option probabilities, calibrated, are in the pool, too.
    """
    layers = candidates(int(loaded.model.config.get_text_config().num_hidden_layers))
    said = look_up(replace(loaded, watched=layers), encoder, pilot, workspace, "reading the pilot", batch)
    items, codes = answers_of(pilot)
    folds = pilot_folds(pilot, workspace.seed)
    hidden = np.stack([np.stack(one.hidden) for one in said])
    for words in _weak_points(loaded, pilot, hidden, folds):
        workspace.progress.say(words)
    head, heads, facts = fit_head(layers, hidden, items, codes, folds, out_of_fold=how == "blend")
    found: dict[str, Any] = {"head": facts | {"sha256": head.save(workspace.folder / HEAD)}}
    if how == "head":
        return found
    voices = {"head": heads}
    if own:
        told = told_by(pilot, [one.logprobs for one in said])
        found["calibration"] = {name: fit_item(rows) for name, rows in told.items()}
        voices[OWN] = [out_of_fold(told[item.name], item.values, folds) for item in items]
    return found | pooled(pilot, voices, workspace)


def pooled(pilot: Sequence[Transcript], voices: Voices, workspace: Workspace) -> dict[str, Any]:
    """A blend of the pilot's table and of voices that are out of fold, as a handle holds it."""
    blend = Blend.fit(pilot, voices, workspace)
    workspace.progress.say(blend.in_words())
    return {"blend": dict(blend.known)}


def _weak_points(loaded: Loaded, pilot: Sequence[Transcript], hidden: Floats, folds: Codes) -> Iterator[str]:
    """What is said of a pilot that a head can learn only part of."""
    if not folds.any():
        yield (
            f"a pilot of {len(pilot)} is too small to choose a layer and penalties in it: the middle layer and the "
            f"strongest penalty are taken ({TOO_SMALL})"
        )
    if lost := float((~np.isfinite(hidden)).mean()):
        yield f"{lost:.2%} of the model's hidden states are too large for {loaded.placement.dtype} and are left out"
    for item, given in zip(*answers_of(pilot), strict=True):
        if len(np.unique(given)) == 1:
            yield f"everybody in the pilot answers {item.name!r} alike: whoever is asked, the head says the same"


def _calibrated(calibration: Mapping[str, Any], moment: Moment) -> Floats:
    fitted = calibration.get(moment.item.name)
    return moment.logprobs if fitted is None else scaled(fitted, moment.item, moment.logprobs)


def _headed(head: Head, moment: Moment) -> Floats:
    """(K,) of all options that the pilot was offered."""
    if moment.hidden is None:
        raise AssertionError("a head was asked without the states that it reads")
    return np.asarray(head.chances(moment.item.name, moment.hidden[:1])[0])


def _offered(moment: Moment, items: Mapping[str, Any], chances: Floats) -> Floats:
    """(k,) of the options that are offered at this moment."""
    values = list(items[moment.item.name]["values"])
    return np.asarray(chances[[values.index(value) for value in moment.item.values]])


def _blended(blend: Blend, head: Head | None, own: Mapping[str, Any] | None, moment: Moment) -> Floats:
    items, voices = blend.known["items"], {}
    if head is not None:
        voices["head"] = _headed(head, moment)[None]
    if own is not None:
        scores = _calibrated(own, moment)
        chances = np.exp(scores - np.logaddexp.reduce(scores))
        by_value = dict(zip(moment.item.values, chances, strict=True))
        values = items[moment.item.name]["values"]
        voices[OWN] = np.array([[by_value.get(value, 0.0) for value in values]])
    answers = {name: [value] for name, value in moment.answered.items()}
    table = blend.chances(moment.position, [moment.interview], answers, voices)[0]
    return np.asarray(np.log(_offered(moment, items, table)))
