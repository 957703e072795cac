"""LoRA on a pilot: a plain loop that can be killed at any moment and gives one adapter per seed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simbench.backends.base import Progress
from simbench.errors import ModelError
from simbench.interview import Transcript
from simbench_local.adapters import adapter_digest, adapter_files, in_order
from simbench_local.batches import halving, is_out_of_memory
from simbench_local.checkpoints import read_state, write_state, writing
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.lora import devices, shape_of, with_lora
from simbench_local.packing import Example, examples, packed_loss, padded_loss
from simbench_local.reading import reading

__all__ = ["LONGEST", "Recipe", "precision", "recipe_for", "summary", "train"]

LOG = "training_log.json"
BETAS = (0.9, 0.95)  # the large gradients of the first steps must not rule the few that follow
LONGEST = 9  # passes of the training paths that a number of passes is chosen from
WARMUP = 0.1  # share of the steps over which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    """Everything that determines an adapter besides the model, the data and the seed."""

    epochs: int
    learning_rate: float
    batch_size: int
    rank: int
    alpha: int
    dropout: float
    targets: str
    schedule: str
    loss: str
    validation: float
    patience: int
    passes: int | None = None  # after which training stops, where that is before the schedule's end
    start: str = ""  # digest of the adapter that is trained on; empty: weights drawn from the seed


def recipe_for(people: int, settings: Any, start: Path | None = None) -> Recipe:
    """The settings as they hold for a pilot of this size; ``start``, an adapter, has its own rank and targets."""
    new = {
        "rank": settings.rank,
        "alpha": settings.alpha or 2 * settings.rank,
        "dropout": settings.dropout,
        "targets": settings.targets,
    }
    return Recipe(
        epochs=settings.epochs or LONGEST,
        learning_rate=settings.learning_rate,
        batch_size=settings.train_batch,
        schedule=settings.schedule,
        loss=settings.loss,
        validation=settings.validation if settings.epochs and people >= settings.validation_from else 0.0,
        patience=settings.patience,
        start=adapter_digest(adapter_files(start)) if start else "",
        **(shape_of(start) if start else new),
    )


def train(
    loaded: Loaded,
    pilot: Sequence[Transcript],
    recipe: Recipe,
    seed: int,
    folder: Path,
    progress: Progress,
    begin: Callable[[int], None] = lambda _: None,
    start: Path | None = None,
    look: Callable[[Loaded, int], Any] | None = None,
) -> dict[str, Any]:
    """Train an adapter into ``folder`` and return its log. Goes on from the last finished epoch.

    ``folder`` must belong to this (model, pilot, recipe, seed) alone. ``begin`` is told how many epochs are ahead.
    ``start`` is an adapter whose weights are trained on. What ``look`` says of the model after a pass is kept in the
    log as that pass's ``seen``, and must be JSON.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    run = _Run(loaded, pilot, recipe, seed, folder, start, look)
    finished = run.finished()
    for note in run.notes:
        progress.say(note)
    if finished is not None:
        return finished
    if run.epoch:
        progress.say(f"training goes on after epoch {run.epoch} of {run.last}")
    begin(run.last - run.epoch)
    with progress.task("training", (run.last - run.epoch) * len(run.learners), "transcripts") as task:
        while run.epoch < run.last and not run.stopped:
            for batch, loss in run.steps():
                task.advance(len(batch))
                task.note(f"epoch {run.epoch + 1}, loss {loss:.3f}")
            run.close_epoch()
    run.finish()
    return run.log


class _Run:
    """The state of one training: model, optimiser, and what is in the log."""

    def __init__(
        self,
        loaded: Loaded,
        pilot: Sequence[Transcript],
        recipe: Recipe,
        seed: int,
        folder: Path,
        start: Path | None = None,
        look: Callable[[Loaded, int], Any] | None = None,
    ) -> None:
        self.loaded, self.recipe, self.seed, self.folder, self.look = loaded, recipe, seed, folder, look
        self.last = recipe.passes or recipe.epochs
        self.prefixes, made = examples(Encoder(loaded.tokenizer), pilot, recipe.loss)
        held = _held_out(made, recipe.validation, seed)
        self.learners = [example for i, example in enumerate(made) if i not in held]
        self.watched = [made[i] for i in sorted(held)]
        self.epoch = 0
        self.at_once = recipe.batch_size
        self.log: dict[str, Any] = {"recipe": asdict(recipe), "seed": seed, "epochs": []}
        self.log |= {"learned_from": len(self.learners), "watched": len(self.watched)}
        loaded.model = with_lora(loaded, recipe, seed, start)
        self.weights = {n: p for n, p in loaded.model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(list(self.weights.values()), lr=0.0, betas=BETAS, weight_decay=0.0)
        self.best: dict[str, torch.Tensor] | None = None
        self.notes: list[str] = []
        self._restore()

    @property
    def stopped(self) -> bool:
        """Whether the watched part has not improved for ``patience`` epochs."""
        if not self.watched or not self.log["epochs"]:
            return False
        seen = [entry["watched_loss"] for entry in self.log["epochs"]]
        return len(seen) - 1 - int(np.argmin(seen)) >= self.recipe.patience

    def steps(self) -> Iterator[tuple[list[Example], float]]:
        """One epoch; yields each batch with its mean loss (nats per token or contest)."""
        model = self.loaded.model.train()
        batches = self._batches()
        self.started, self.sums = time.monotonic(), [0.0, 0.0]
        with torch.random.fork_rng(devices=devices(self.loaded)):
            torch.manual_seed(self._draw_seed(self.epoch))
            for step, batch in enumerate(batches):
                self._set_rate((self.epoch + step / len(batches)) / self.recipe.epochs)
                loss, count = self._learn(batch)
                torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)
                self.sums[0] += loss
                self.sums[1] += count
                yield batch, loss / count
        model.eval()

    def _learn(self, batch: Sequence[Example]) -> tuple[float, int]:
        """Gradients of the mean loss of a batch; in parts, from the first time that memory runs out."""
        total = sum(example.scored for example in batch)
        summed = 0.0
        for loss in halving(batch, lambda _: self.at_once, lambda part: self._gradients(part, total)):
            summed += loss
        if not math.isfinite(summed):
            raise ModelError(
                f"training diverged in epoch {self.epoch + 1}: the loss is {summed}. Lower backend.learning_rate "
                f"({self.recipe.learning_rate:g})."
            )
        return summed, total

    def _gradients(self, part: Sequence[Example], total: int) -> float:
        held = [None if p.grad is None else p.grad.clone() for p in self.weights.values()]
        try:
            with precision(self.loaded):
                loss = self._loss(part)
            (loss / total).backward()  # type: ignore[no-untyped-call]
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                self.at_once = max(1, len(part) // 2)
                for weight, gradient in zip(self.weights.values(), held, strict=True):
                    weight.grad = gradient  # a backward pass may have got half-way
            raise
        return float(loss.detach())

    def close_epoch(self) -> None:
        """Log, watch and save: after this a kill loses nothing before it."""
        entry: dict[str, Any] = {"epoch": self.epoch + 1, "loss": self.sums[0] / self.sums[1]}
        entry["seconds"] = round(time.monotonic() - self.started, 2)
        if self.watched:
            entry["watched_loss"] = self._watched_loss()
            if all(entry["watched_loss"] < old["watched_loss"] for old in self.log["epochs"]):
                self.best = {n: p.detach().clone() for n, p in self.weights.items()}
        if self.look is not None:
            with precision(self.loaded):
                entry["seen"] = self.look(self.loaded, self.epoch + 1)
        self.log["epochs"].append(entry)
        self.epoch += 1
        self._save()

    def finished(self) -> dict[str, Any] | None:
        """The log of this very training, if its adapter lies there already."""
        stored = self.folder / LOG
        if not stored.is_file() or self._checkpoint.is_file():
            return None
        try:
            with reading(f"{stored} is damaged"):
                log: dict[str, Any] = dict(json.loads(stored.read_text()))
                if log["fingerprint"] != self._fingerprint:
                    return None
                known = dict(log["files"])
            damaged = [self.folder / name for name, now in adapter_files(self.folder).items() if now != known[name]]
            if damaged:
                raise ModelError(f"{damaged[0]} is damaged: its content is not what was written")
        except ModelError as error:
            self.notes.append(f"{error}; training starts anew")
            return None
        return log

    def finish(self) -> None:
        """Write the adapter (of the best epoch, where some were watched) and its log."""
        if self.best is not None:
            with torch.no_grad():
                for name, weight in self.weights.items():
                    weight.copy_(self.best[name])
        self.log["kept_epoch"] = (
            1 + int(np.argmin([e["watched_loss"] for e in self.log["epochs"]])) if self.watched else self.epoch
        )
        with writing(self.folder):
            self.loaded.model.save_pretrained(str(self.folder), save_embedding_layers=False)
            in_order(self.folder)
            self.log["files"] = adapter_files(self.folder)
            scratch = self.folder / f"{LOG}.tmp"
            scratch.write_text(json.dumps(self.log | {"fingerprint": self._fingerprint}, indent=1))
            scratch.replace(self.folder / LOG)
            self._checkpoint.unlink(missing_ok=True)

    def _loss(self, batch: Sequence[Example]) -> torch.Tensor:
        measure = packed_loss if self.loaded.shared else padded_loss
        return measure(self.loaded, self.prefixes[batch[0].group], batch)

    @torch.no_grad()
    def _watched_loss(self) -> float:
        total, count = 0.0, 0
        for group in range(len(self.prefixes)):
            members = [example for example in self.watched if example.group == group]
            for start in range(0, len(members), self.recipe.batch_size):
                batch = members[start : start + self.recipe.batch_size]
                with precision(self.loaded):
                    total += float(self._loss(batch))
                count += sum(example.scored for example in batch)
        return total / count

    def _batches(self) -> list[list[Example]]:
        """This epoch's batches: each of one group, people and batches in a drawn order."""
        rng = np.random.default_rng([self.seed, 1, self.epoch])
        batches: list[list[Example]] = []
        for group in range(len(self.prefixes)):
            members = [example for example in self.learners if example.group == group]
            order = rng.permutation(len(members))
            parts = max(1, math.ceil(len(members) / self.recipe.batch_size))
            batches += [[members[i] for i in part] for part in np.array_split(order, parts) if len(part)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def _set_rate(self, done: float) -> None:
        rate = self.recipe.learning_rate * min(1.0, done / WARMUP + 0.02) * _decay(self.recipe.schedule, done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _draw_seed(self, epoch: int) -> int:
        return int(np.random.default_rng([self.seed, 2, epoch]).integers(2**62))

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _save(self) -> None:
        state = {
            "fingerprint": self._fingerprint,
            "log": json.dumps(self.log),
            "weights": {name: weight.detach() for name, weight in self.weights.items()},
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
        }
        write_state(self._checkpoint, state)

    def _restore(self) -> None:
        if not self._checkpoint.is_file():
            return
        try:
            state = read_state(self._checkpoint, self.loaded.device)
        except ModelError as error:
            self.notes.append(f"{error}; training starts anew")
            return
        if state["fingerprint"] != self._fingerprint:
            return
        self.log, self.best = json.loads(state["log"]), state["best"]
        self.epoch = len(self.log["epochs"])
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state["weights"][name])

    @property
    def _fingerprint(self) -> str:
        """Of what the checkpoint was made from: another pilot or recipe starts anew."""
        rows = [(example.group, example.own) for example in (*self.learners, *self.watched)]
        shapes = [list(weight.shape) for weight in self.weights.values()]
        told = [asdict(self.recipe), self.seed, self.loaded.source.revision, rows, shapes]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def precision(loaded: Loaded) -> contextlib.AbstractContextManager[Any]:
    """Passes through a model that is learning, in the placement's number format."""
    if loaded.placement.dtype == "bf16":
        return torch.autocast(loaded.device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def _decay(schedule: str, done: float) -> float:
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    return 1.0 - done if schedule == "linear" else 1.0


def _held_out(made: Sequence[Example], share: float, seed: int) -> set[int]:
    """Positions of the watched examples: the same share of every group, drawn; one is always learned from."""
    rng = np.random.default_rng([seed, 3])
    held: set[int] = set()
    for group in {example.group for example in made} if share else ():
        members = [i for i, example in enumerate(made) if example.group == group]
        held |= {int(i) for i in rng.permutation(members)[: min(round(share * len(members)), len(members) - 1)]}
    return held


def summary(log: Mapping[str, Any]) -> str:
    """The log in a line."""
    last = log["epochs"][-1]
    return f"{log['learned_from']} transcripts, {len(log['epochs'])} epochs, loss {last['loss']:.3f}"
