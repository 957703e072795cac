"""``adapt=head`` of the embedded model for many draws: what it reads is read once, heads are fitted anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simbench.arrays import Floats
from simbench.backends.base import Answer, Model, Workspace
from simbench.backends.blend import answers_of, pilot_folds
from simbench.backends.logits import all_options
from simbench.backends.tabular import Tabular
from simbench.design import People
from simbench.harness.inferring import treatments, under
from simbench.harness.pilot import asking_script
from simbench.harness.progress import Silent
from simbench.interview import Interview, Transcript
from simbench.stats.rng import generator

Key = tuple[Any, ...]


def key(interview: Interview, before: Sequence[Any]) -> Key:
    """What a hidden state depends on: what is asked of whom, and the answers before."""
    return (interview.shared, interview.persona, *before)


def read_everybody(plan: Any, everybody: People, file: Path) -> dict[Key, Floats]:
    """Hidden states (layers, d) before every answer, of everybody under every arm after all answers to the others."""
    import pandas as pd

    names = list(everybody.condition.unique())
    known = treatments(everybody.design)
    frames = [under(everybody, [name] * len(everybody), known) for name in names]
    frame = pd.concat(frames, ignore_index=True)
    frame["participant_id"] = [f"{each}@{at}" for at, each in enumerate(frame["participant_id"])]
    asked = list(asking_script(plan).interviews(People(everybody.design, frame), 1))
    asked = list({key(each, ()): each for each in asked}.values())
    scripts = [
        Transcript(
            each, dict(zip([item.name for item in each.items], (*before, each.items[-1].values[0]), strict=True))
        )
        for each in asked
        for before in product(*(item.values for item in each.items[:-1]))
    ]
    stored = Path(f"{file}.npy")
    if stored.exists():
        hidden = np.load(stored, mmap_mode="r")
    else:
        hidden = _read(scripts)
        np.save(stored, hidden)
    found: dict[Key, Floats] = {}
    for script, states in zip(scripts, hidden, strict=True):
        answers = list(script.answers.values())
        for position in range(len(answers)):
            found.setdefault(key(script.interview, answers[:position]), states[position])
    return found


def _read(scripts: Sequence[Transcript]) -> Any:
    from simbench_local.config import LocalConfig
    from simbench_local.encode import Encoder
    from simbench_local.head import candidates
    from simbench_local.loading import load, place
    from simbench_local.lookup import look_up
    from simbench_local.store import resolve

    loaded = load(resolve(LocalConfig().model), place("cpu", "auto"))
    loaded = replace(loaded, watched=candidates(int(loaded.model.config.get_text_config().num_hidden_layers)))
    said = look_up(loaded, Encoder(loaded.tokenizer), scripts, Workspace(Path("."), 0, Silent()), "reading")
    return np.stack([np.stack(one.hidden) for one in said]).astype(np.float32)


class Remembered(Tabular):
    """A head on hidden states that were read before. Takes the settings of ``tabular`` and has no use for them."""

    name = "remembered"
    states: ClassVar[dict[Key, Floats]] = {}
    heads: ClassVar[dict[str, Any]] = {}

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """As ``backend=local adapt=head``."""
        from simbench_local.head import fit_head

        items, codes = answers_of(pilot)
        hidden = np.stack([self._hidden(each.interview, list(each.answers.values())) for each in pilot])
        layers = tuple(range(hidden.shape[2]))
        head, *_ = fit_head(layers, hidden, items, codes, pilot_folds(pilot, workspace.seed), False)
        self.heads[str(workspace.folder)] = head
        return Model("test", "remembered")

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Item after item, each given the answers drawn before."""
        head, items = self.heads.pop(str(workspace.folder)), all_options([each.items for each in interviews])
        points = np.stack([generator(workspace.seed, *each.key).random(len(items)) for each in interviews])
        before: list[list[Any]] = [[] for _ in interviews]
        tables = []
        for position, item in enumerate(items):
            asked = [self.states[key(each, said)][head.layer] for each, said in zip(interviews, before, strict=True)]
            table = head.chances(item.name, np.stack(asked).astype(np.float64))
            codes = np.minimum((table.cumsum(axis=1) <= points[:, position, None]).sum(axis=1), table.shape[1] - 1)
            for said, code in zip(before, codes, strict=True):
                said.append(item.values[code])
            tables.append(table)
        for row, each in enumerate(interviews):
            names = [item.name for item in items]
            chances = {name: table[row].tolist() for name, table in zip(names, tables, strict=True)}
            yield Answer(*each.key, "ok", dict(zip(names, before[row], strict=True)), chances)

    def _hidden(self, interview: Interview, answers: Sequence[Any]) -> Floats:
        """(items, layers, d)."""
        return np.stack([self.states[key(interview, answers[:at])] for at in range(len(answers))]).astype(np.float64)
