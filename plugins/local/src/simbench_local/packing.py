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
from simbench_local.tree import ancestors

__all__ = ["Example", "Packed", "examples", "losses", "pack", "padded_loss"]


FORM_WEIGHT = 0.1
"""What a token of the answer counts beside a contest between options, so that the form is learned too."""


@dataclass(frozen=True)
class Contest:
    """One item of one transcript: the packed-row places and tokens of its tree's edges."""

    places: Tensor  # (e,) index among the scored positions
    tokens: Tensor  # (e,)
    paths: Tensor  # (k, e)
    chosen: int


@dataclass(frozen=True)
class Example:
    """A transcript as tokens behind a prefix: ``own`` tokens with their ``parents`` (-1: the prefix).

    ``depth`` counts places behind the prefix. ``targets`` are (own position, next token) pairs of the
    whole answer; ``contests`` are (scoring positions, edges (e, 2), paths (k, e), chosen) per item.
    """

    group: int
    own: tuple[int, ...]
    parents: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]
    contests: tuple[tuple[tuple[int, ...], np.ndarray, np.ndarray, int], ...] = ()

    @property
    def scored(self) -> int:
        """How many terms it has in the loss."""
        return len(self.contests) or len(self.targets)


@dataclass(frozen=True)
class Packed:
    """A batch on its device: the arguments of one forward pass and what its loss needs."""

    tokens: Tensor  # (1, P + B * T)
    positions: Tensor
    shared: PackedPass
    scored: Tensor  # (s,) places in the row whose logits are needed
    told: Tensor  # (t,) which of the scored places have a next token
    targets: Tensor  # (t,) the next tokens
    contests: tuple[Contest, ...]


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
            make = _contest_example if loss == "contest" else _answer_example
            made[index] = make(encoder, transcripts[index], own, len(prefixes))
        prefixes.append(tuple(prompts[indices[0]][:length]))
    return prefixes, [made[index] for index in range(len(transcripts))]


def _answer_example(encoder: Encoder, transcript: Transcript, own: list[int], group: int) -> Example:
    answer = encoder.answer(transcript)
    tokens = [*own, *answer[:-1]]
    start = len(own) - 1
    targets = tuple((start + i, token) for i, token in enumerate(answer))
    return Example(group, tuple(tokens), tuple(range(-1, len(tokens) - 1)), targets)


def _contest_example(encoder: Encoder, transcript: Transcript, own: list[int], group: int) -> Example:
    tokens, parents, contests, targets = list(own), list(range(-1, len(own) - 1)), [], []
    here = len(own) - 1  # the token that the next one follows
    for plan in encoder.plan(transcript.interview.items):
        for token in plan.forced:
            targets.append((here, token))
            tokens.append(token)
            parents.append(here)
            here = len(tokens) - 1
        root, start, tree = here, len(tokens), plan.tree
        for token, parent in zip(tree.nodes, tree.parents, strict=True):
            tokens.append(token)
            parents.append(root if parent < 0 else start + parent)
        scoring = (root, *range(start, len(tokens)))
        chosen = plan.item.code(transcript.answers[plan.item.name])
        contests.append((scoring, tree.edges, tree.paths, chosen))
        behind = np.flatnonzero(tree.kept[chosen])
        way = [root, *(start + int(i) for i in behind)]
        targets += list(zip(way, tree.options[chosen], strict=True))
        parents.append(way[-1])
        tokens.append(int(tree.last[chosen]))
        here = len(tokens) - 1
    targets.append((here, encoder.end))
    return Example(group, tuple(tokens), tuple(parents), tuple(targets), tuple(contests))


def pack(prefix: Sequence[int], batch: Sequence[Example], device: torch.device) -> Packed:
    """One packed row from examples that share ``prefix``; shorter ones are padded behind their end."""
    own = max(len(example.own) for example in batch)
    tokens = np.zeros((len(batch), own), dtype=np.int64)
    depth = np.zeros((len(batch), own), dtype=np.int64)
    visible = np.broadcast_to(np.eye(own, dtype=np.bool_), (len(batch), own, own)).copy()
    for row, example in enumerate(batch):
        size = len(example.own)
        tokens[row, :size] = example.own
        visible[row, :size, :size] = ancestors(example.parents)
        depth[row, :size] = visible[row, :size, :size].sum(axis=1) - 1
    start = len(prefix)
    places: list[int] = []
    told: list[int] = []
    nexts: list[int] = []
    contests = []
    for row, example in enumerate(batch):
        offset = start + row * own
        told += range(len(places), len(places) + len(example.targets))
        places += [offset + place for place, _ in example.targets]
        nexts += [token for _, token in example.targets]
        for scoring, edges, paths, chosen in example.contests:
            first = len(places)
            places += [offset + place for place in scoring]
            contests.append(
                Contest(
                    torch.from_numpy(first + edges[:, 0]).to(device),
                    torch.from_numpy(edges[:, 1].copy()).to(device),
                    torch.from_numpy(paths).float().to(device),
                    chosen,
                )
            )
    line = np.concatenate((np.asarray(prefix, dtype=np.int64), tokens.reshape(-1)))
    where = np.concatenate((np.arange(start), (start + depth).reshape(-1)))
    return Packed(
        torch.from_numpy(line)[None].to(device),
        torch.from_numpy(where)[None].to(device),
        PackedPass(start, torch.from_numpy(visible).to(device)),
        torch.tensor(places, device=device),
        torch.tensor(told, dtype=torch.int64, device=device),
        torch.tensor(nexts, dtype=torch.int64, device=device),
        tuple(contests),
    )


def padded_loss(loaded: Loaded, prefix: Sequence[int], batch: Sequence[Example]) -> tuple[Tensor, int]:
    """The loss ``answer`` of a batch with nothing shared: one padded row per transcript.

    For models whose attention cannot look at a shared prefix, and the reference for those that can.
    """
    width = len(prefix) + max(len(example.own) for example in batch)
    tokens = torch.zeros((len(batch), width), dtype=torch.int64)
    mask = torch.zeros_like(tokens)
    places, nexts = [], []
    for row, example in enumerate(batch):
        text = [*prefix, *example.own]
        tokens[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
        places += [row * width + len(prefix) + place for place, _ in example.targets]
        nexts += [token for _, token in example.targets]
    with loaded.plain() as model:
        logits = model(
            input_ids=tokens.to(loaded.device), attention_mask=mask.to(loaded.device), use_cache=False
        ).logits
    picked = logits.flatten(0, 1)[torch.tensor(places, device=loaded.device)].float()
    targets = torch.tensor(nexts, device=loaded.device)
    return torch.nn.functional.cross_entropy(picked, targets, reduction="sum"), len(nexts)


def losses(loaded: Loaded, packed: Packed) -> tuple[Tensor, int]:
    """Summed negative log-likelihood (nats) of a batch, and of how many tokens or contests it is the sum.

    Where contests count, the tokens of the answers are added at ``FORM_WEIGHT``: a model that learned from
    contests alone never writes a valid answer, and one that learns from all tokens alike spends the first
    steps, and Adam's memory of them, on the form.
    """
    logits = loaded.logits(packed.tokens, packed.positions, packed.scored, shared=packed.shared)[0].float()
    total = torch.nn.functional.cross_entropy(logits[packed.told], packed.targets, reduction="sum")
    if not packed.contests:
        return total, len(packed.targets)
    norm = torch.logsumexp(logits, dim=-1)
    total = FORM_WEIGHT * total
    for contest in packed.contests:
        edges = logits[contest.places, contest.tokens] - norm[contest.places]
        total = total - torch.log_softmax(contest.paths @ edges, dim=0)[contest.chosen]
    return total, len(packed.contests)
