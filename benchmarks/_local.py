"""Contestants of the local benchmarks: this project's way, and the same work done by its peers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.nn.utils.rnn import pad_sequence

from simbench.backends.base import Workspace
from simbench.harness.progress import Silent
from simbench.interview import Interview, Transcript
from simbench_local import scoring
from simbench_local.answering import Chooser, answer_by_choice, draw, probabilities
from simbench_local.attention import CachedPass, PrefixPass
from simbench_local.batches import halving
from simbench_local.config import LocalConfig
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.lora import with_lora
from simbench_local.packing import examples
from simbench_local.scoring import Request
from simbench_local.training import Recipe, _Run, recipe_for

Interviews = Sequence[Interview]


@dataclass(frozen=True)
class Timing:
    """What a contestant took for how many units (participants or transcripts)."""

    seconds: float
    cpu: float
    units: int


def timed(work: Callable[[], int], device: torch.device) -> Timing:
    """Run ``work``, which returns the number of its units."""
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    units = work()
    _wait(device)
    return Timing(time.perf_counter() - wall, time.process_time() - cpu, units)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def choose_shared(loaded: Loaded, interviews: Interviews, folder: Path) -> int:
    """This project's way."""
    encoder, workspace = Encoder(loaded.tokenizer), Workspace(folder, 0, Silent())
    return sum(1 for _ in answer_by_choice(loaded, encoder, interviews, Chooser(0), workspace))


class Unshared:
    """The same scoring on transformers' own cache and attention: every prompt is computed whole."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded, self.device, self.caches = loaded, loaded.device, {}

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor, keep: Any, shared: Any) -> torch.Tensor:
        """As :meth:`Loaded.logits`, with a cache of its own for every batch."""
        from transformers import DynamicCache

        cache = self.caches.setdefault(id(shared), DynamicCache())
        out: torch.Tensor = self.loaded.model(
            input_ids=tokens,
            position_ids=positions,
            attention_mask=shared.visible[:, None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        ).logits
        return out

    def states(self, *given: Any, at: int = 0, **kwargs: Any) -> tuple[torch.Tensor, None]:
        """As :meth:`Loaded.states`, of a model that is not watched."""
        return self.logits(*given[:3], **kwargs), None


def choose_unshared(loaded: Loaded, interviews: Interviews, batch: int) -> int:
    """This project's scoring of items and options, without the shared prefix."""
    encoder = Encoder(loaded.tokenizer)
    requests = [Request(tuple(encoder.interview(each)), each) for each in interviews]
    plans = encoder.plan(interviews[0].items)
    points = {request: Chooser(0).points(each) for request, each in zip(requests, interviews, strict=True)}
    distinct = {request.prompt: request for request in requests}
    ordered = sorted(distinct.values(), key=lambda request: len(request.prompt))

    def choose(request: Request, position: int, logprobs: Any, hidden: Any) -> int:
        del hidden
        return draw(probabilities(logprobs), float(points[request][position]))

    with loaded.plain(), mock.patch.object(scoring, "run_prompts", whole_prompts):
        for start in range(0, len(ordered), batch):
            part: Any = Unshared(loaded)
            scoring.score(part, PrefixPass(), 0, ordered[start : start + batch], plans, choose)
    return len(ordered)


@torch.inference_mode()
def whole_prompts(loaded: Any, prefix: PrefixPass, shared: int, prompts: Sequence[Sequence[int]]) -> CachedPass:
    """In place of :func:`simbench_local.scoring.run_prompts`: a padded row for every prompt."""
    del shared
    tokens = pad_sequence([torch.tensor(prompt) for prompt in prompts], batch_first=True)
    length = tokens.shape[1]
    past = torch.ones(length, length, dtype=torch.bool).tril()
    real = torch.arange(length) < torch.tensor([len(prompt) for prompt in prompts])[:, None]
    whole = CachedPass(prefix)
    whole.see((past & (real[:, None] | torch.eye(length, dtype=torch.bool))).to(loaded.device))
    positions = torch.arange(length).expand_as(tokens)
    loaded.logits(tokens.to(loaded.device), positions.to(loaded.device), 1, shared=whole)
    return whole


def generate(loaded: Loaded, interviews: Interviews, batch: int) -> int:
    """transformers' ``generate``: sampled text of the length of a valid answer."""
    encoder = Encoder(loaded.tokenizer)
    plans = encoder.plan(interviews[0].items)
    length = sum(len(plan.forced) + int(plan.tree.lengths.min()) for plan in plans)
    prompts = sorted((encoder.interview(each) for each in interviews), key=len)

    def write(part: Sequence[list[int]]) -> None:
        width = max(map(len, part))
        tokens = torch.zeros((len(part), width), dtype=torch.int64)
        mask = torch.zeros_like(tokens)
        for row, prompt in enumerate(part):
            tokens[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        with torch.inference_mode(), loaded.plain() as model:
            model.generate(
                input_ids=tokens.to(loaded.device),
                attention_mask=mask.to(loaded.device),
                do_sample=True,
                min_new_tokens=length,
                max_new_tokens=length,
                pad_token_id=0,
            )

    for _ in halving(prompts, lambda _: batch, write):
        pass
    return len(prompts)


def recipe(batch: int) -> Recipe:
    """One epoch with the default settings."""
    return recipe_for(116, LocalConfig(epochs=1, train_batch=batch))


def train_packed(loaded: Loaded, pilot: Sequence[Transcript], batch: int) -> Callable[[], int]:
    """This project's training loop, one epoch."""
    run = _Run(loaded, pilot, recipe(batch), 0, Path("nowhere"))
    return lambda: sum(len(part) for part, _ in run.steps())


def train_with_peer(
    loaded: Loaded, pilot: Sequence[Transcript], batch: int, peer: str, folder: Path
) -> Callable[[], int]:
    """transformers' Trainer or TRL's SFTTrainer: the same data, batch, adapter, precision and masks."""
    encoder = Encoder(loaded.tokenizer)
    prefixes, made = examples(encoder, pilot, "answer")
    rows = []
    for example in made:
        text = [*prefixes[example.group], *example.own, example.targets[-1][1]]
        rows.append({"input_ids": text, "completion_mask": [0] * len(text)})
        for place, _ in example.targets:
            rows[-1]["completion_mask"][len(prefixes[example.group]) + place + 1] = 1
    loaded.model.set_attn_implementation("sdpa")
    adapted = with_lora(loaded, recipe(batch), 0)
    options: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": batch,
        "num_train_epochs": 1,
        "learning_rate": 5e-4,
        "bf16": loaded.placement.dtype == "bf16",
        "use_cpu": loaded.device.type == "cpu",
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "seed": 0,
        "dataloader_pin_memory": False,
    }
    trainer = _trl(adapted, loaded.tokenizer, rows, options) if peer == "trl" else _trainer(adapted, rows, options)

    def work() -> int:
        trainer.train()
        return len(rows)

    return work


def _trainer(model: Any, rows: list[dict[str, Any]], options: dict[str, Any]) -> Any:
    from transformers import Trainer, TrainingArguments

    def collate(part: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(len(row["input_ids"]) for row in part)
        made = {
            "input_ids": torch.zeros((len(part), width), dtype=torch.int64),
            "attention_mask": torch.zeros((len(part), width), dtype=torch.int64),
            "labels": torch.full((len(part), width), -100),
        }
        for i, row in enumerate(part):
            tokens, mask = torch.tensor(row["input_ids"]), torch.tensor(row["completion_mask"])
            made["input_ids"][i, : len(tokens)] = tokens
            made["attention_mask"][i, : len(tokens)] = 1
            made["labels"][i, : len(tokens)] = torch.where(mask == 1, tokens, -100)
        return made

    arguments = TrainingArguments(**options, remove_unused_columns=False)
    return Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate)  # type: ignore[arg-type]


def _trl(model: Any, tokenizer: Any, rows: list[dict[str, Any]], options: dict[str, Any]) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    arguments = SFTConfig(**options, completion_only_loss=True, max_length=None, gradient_checkpointing=False)
    return SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
