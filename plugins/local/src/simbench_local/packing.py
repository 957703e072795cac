"""Transcripts packed behind the text they share, for training.

A batch is one row ``[shared prefix][transcript 1][transcript 2]...`` (see
:class:`simbench_local.attention.PackedPass`): the prefix is computed, and learned from, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from simbench.interview import Transcript
from simbench_local.attention import PackedPass
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.scoring import prefix_length

__all__ = ["Example", "Packed", "examples", "loss_of", "pack", "packed_loss", "padded_loss"]


FORM_WEIGHT = 0.1
"""What a token of the answer counts beside a contest between options, so that the form is learned too."""


@dataclass(frozen=True)
class Example:
    """A transcript as tokens behind a prefix (``group`` is the prefix's position).

    ``targets`` are (place among the own tokens, next token) of the whole answer. ``rivals`` has, where the options
    of an item part, (which target, the tokens that some option goes on with); empty unless contests are learned.
    """

    group: int
    own: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]
    rivals: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @property
    def scored(self) -> int:
        """How many terms it has in the loss."""
        return len(self.rivals) or len(self.targets)


@dataclass(frozen=True)
class Packed:
    """A batch on its device: the arguments of one forward pass."""

    tokens: Tensor  # (1, P + B * T)
    positions: Tensor
    shared: PackedPass
    scored: Tensor  # (s,) places in the row whose logits are needed


def examples(
    encoder: Encoder, transcripts: Sequence[Transcript], loss: str
) -> tuple[list[tuple[int, ...]], list[Example]]:
    """The shared prefixes, and every transcript behind its own (``group`` is the prefix's position)."""
    prompts = [encoder.interview(transcript.interview) for transcript in transcripts]
    members: dict[str, list[int]] = {}
    for index, transcript in enumerate(transcripts):
        members.setdefault(transcript.interview.shared, []).append(index)
    prefixes: list[tuple[int, ...]] = []
    made: dict[int, Example] = {}
    for indices in members.values():
        length = prefix_length([prompts[index] for index in indices])
        for index in indices:
            own = prompts[index][length:]
            made[index] = _example(encoder, transcripts[index], own, len(prefixes), loss == "contest")
        prefixes.append(tuple(prompts[indices[0]][:length]))
    return prefixes, [made[index] for index in range(len(transcripts))]


def _example(encoder: Encoder, transcript: Transcript, own: list[int], group: int, contest: bool) -> Example:
    answer = encoder.answer(transcript)
    rivals, told = [], 0
    for plan in encoder.plan(transcript.interview.items):
        told += len(plan.forced)
        chosen = plan.tree.options[plan.item.code(transcript.answers[plan.item.name])]
        for depth in range(len(chosen)):
            ways = {option[depth] for option in plan.tree.options if option[:depth] == chosen[:depth]}
            if contest and len(ways) > 1:
                rivals.append((told + depth, tuple(sorted(ways))))
        told += len(chosen)
    targets = tuple((len(own) - 1 + i, token) for i, token in enumerate(answer))
    return Example(group, (*own, *answer[:-1]), targets, tuple(rivals))


def pack(prefix: Sequence[int], batch: Sequence[Example], device: torch.device) -> Packed:
    """One packed row from examples that share ``prefix``; shorter ones are padded behind their end."""
    start, own = len(prefix), max(len(example.own) for example in batch)
    tokens = np.zeros((len(batch), own), dtype=np.int64)
    visible = np.broadcast_to(np.eye(own, dtype=np.bool_), (len(batch), own, own)).copy()
    places: list[int] = []
    for row, example in enumerate(batch):
        size = len(example.own)
        tokens[row, :size] = example.own
        visible[row, :size, :size] = np.tri(size, dtype=np.bool_)
        places += [start + row * own + place for place, _ in example.targets]
    depth = visible.sum(axis=2) - 1
    line = np.concatenate((np.asarray(prefix, dtype=np.int64), tokens.reshape(-1)))
    where = np.concatenate((np.arange(start), (start + depth).reshape(-1)))
    return Packed(
        torch.from_numpy(line)[None].to(device),
        torch.from_numpy(where)[None].to(device),
        PackedPass(start, torch.from_numpy(visible).to(device)),
        torch.tensor(places, device=device),
    )


def packed_loss(loaded: Loaded, prefix: Sequence[int], batch: Sequence[Example]) -> Tensor:
    """Summed loss of a batch (see :func:`loss_of`) from one packed row."""
    packed = pack(prefix, batch, loaded.device)
    logits = loaded.logits(packed.tokens, packed.positions, packed.scored, shared=packed.shared)[0]
    return loss_of(logits, batch)


def padded_loss(loaded: Loaded, prefix: Sequence[int], batch: Sequence[Example]) -> Tensor:
    """The same with nothing shared: one padded row per transcript.

    For models whose attention cannot look at a shared prefix, and the reference for those that can.
    """
    width = len(prefix) + max(len(example.own) for example in batch)
    tokens = torch.zeros((len(batch), width), dtype=torch.int64)
    mask = torch.zeros_like(tokens)
    places: list[int] = []
    for row, example in enumerate(batch):
        text = [*prefix, *example.own]
        tokens[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
        places += [row * width + len(prefix) + place for place, _ in example.targets]
    with loaded.plain() as model:
        logits = model(
            input_ids=tokens.to(loaded.device), attention_mask=mask.to(loaded.device), use_cache=False
        ).logits
    return loss_of(logits.flatten(0, 1)[torch.tensor(places, device=loaded.device)], batch)


def loss_of(logits: Tensor, batch: Sequence[Example]) -> Tensor:
    """Summed negative log-likelihood (nats) of a batch's answers from the logits (s, V) of all its targets.

    Without rivals every token counts alike. With them, wherever options part the chosen one is held against its
    rivals alone, and the tokens count at ``FORM_WEIGHT``: a model that learned from contests alone never writes a
    valid answer, and one that learns from all tokens alike spends its first steps, and Adam's memory of them, on
    the form.
    """
    logits = logits.float()
    targets = torch.tensor([token for each in batch for _, token in each.targets], device=logits.device)
    total = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    contests = _contests(batch)
    if not contests:
        return total
    rows, ways = zip(*contests, strict=True)
    rivals = torch.nn.utils.rnn.pad_sequence([torch.tensor(each) for each in ways], True, -1).to(logits.device)
    held = logits[torch.tensor(rows, device=logits.device)]
    against = held.gather(1, rivals.clamp(min=0)).masked_fill(rivals < 0, float("-inf"))
    own = held.gather(1, targets[list(rows)][:, None])[:, 0]
    return FORM_WEIGHT * total + (torch.logsumexp(against, dim=1) - own).sum()


def _contests(batch: Sequence[Example]) -> list[tuple[int, tuple[int, ...]]]:
    """(row among the batch's targets, the tokens in contest) of every place where options part."""
    found, start = [], 0
    for example in batch:
        found += [(start + target, ways) for target, ways in example.rivals]
        start += len(example.targets)
    return found
