"""Exact option probabilities, item by item, each answer conditioning the next.

What a group of prompts has in common goes through the model once; every participant's own tokens and all
options of an item go through it in one pass per item (see :mod:`simbench_local.attention`). Participants who
stand at the same point (the same prompt, the same answers so far) share one row, so that further draws for
the same participant cost only what makes them differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simbench_local.attention import CachedPass, PrefixPass
from simbench_local.encode import ItemPlan, common_prefix
from simbench_local.loading import Loaded
from simbench_local.tree import OptionTree, ancestors

__all__ = ["Choose", "Request", "Scored", "edge_logprobs", "option_logprobs", "prefix_length", "score"]

Floats = NDArray[np.float64]
Choose = Callable[["Request", int, Floats], int]


@dataclass(frozen=True, eq=False)
class Request:
    """One interview to be answered: its prompt's tokens, and whatever the caller needs to know it by."""

    prompt: tuple[int, ...]
    key: object = None


@dataclass
class Scored:
    """What came of one request: per item, log-probabilities (k,) of its options and which was chosen.

    The log-probabilities are the model's own, of exactly the option's text and nothing else; they sum to
    the valid mass, not to one.
    """

    request: Request
    logprobs: list[Floats] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)


def prefix_length(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens at the start that all prompts share, leaving each at least one of its own."""
    return min(common_prefix(prompts), min(map(len, prompts)) - 1)


@torch.inference_mode()
def run_prefix(loaded: Loaded, tokens: Sequence[int]) -> PrefixPass:
    """Send the shared tokens (P,) through the model once."""
    prefix = PrefixPass()
    row = torch.tensor([tokens], device=loaded.device)
    positions = torch.arange(len(tokens), device=loaded.device)[None]
    loaded.logits(row, positions, 1, shared=prefix)
    return prefix


@torch.inference_mode()
def score(
    loaded: Loaded,
    prefix: PrefixPass,
    shared: int,
    requests: Sequence[Request],
    plans: Sequence[ItemPlan],
    choose: Choose,
) -> list[Scored]:
    """Score and choose every item for requests whose first ``shared`` tokens are those of ``prefix``.

    ``choose(request, item position, logprobs (k,))`` says which option is taken.
    """
    state = _State(loaded, prefix, shared, requests)
    scored = [Scored(request) for request in requests]
    for position, plan in enumerate(plans):
        logprobs = state.ask(plan)
        for one, row in zip(scored, state.row_of, strict=True):
            one.logprobs.append(logprobs[row])
            one.chosen.append(choose(one.request, position, logprobs[row]))
        if position + 1 < len(plans):
            state.settle(plan.tree, [one.chosen[-1] for one in scored])
    return scored


class _State:
    """Where a batch stands: one row per distinct (prompt, answers so far).

    ``row_of[i]`` is the row of request i. ``seen`` (R, T) marks the own tokens that count for what follows,
    ``place`` (R,) is the text position of the next token, ``pending`` (R, p) are tokens not fed yet: at the
    start the prompt's own tokens, padded on the left, afterwards the last token of the chosen option.
    """

    def __init__(self, loaded: Loaded, prefix: PrefixPass, shared: int, requests: Sequence[Request]) -> None:
        self.loaded = loaded
        self.cache = CachedPass(prefix)
        rows: dict[tuple[int, ...], int] = {}
        self.row_of = [rows.setdefault(request.prompt[shared:], len(rows)) for request in requests]
        longest = max(map(len, rows))
        self.pending = np.zeros((len(rows), longest), dtype=np.int64)
        self.real = np.zeros((len(rows), longest), dtype=np.bool_)
        for own, row in rows.items():
            self.pending[row, longest - len(own) :] = own
            self.real[row, longest - len(own) :] = True
        self.seen = np.zeros((len(rows), 0), dtype=np.bool_)
        self.place = np.full(len(rows), shared, dtype=np.int64)

    def ask(self, plan: ItemPlan) -> Floats:
        """Log-probabilities (R, k) of an item's options."""
        rows, start = self.pending.shape
        chain = start + len(plan.forced)
        tail = np.array([*plan.forced, *plan.tree.nodes], dtype=np.int64)
        tokens = np.concatenate((self.pending, np.tile(tail, (rows, 1))), axis=1)
        parents = [*range(-1, chain - 1), *(chain + p if p >= 0 else chain - 1 for p in plan.tree.parents)]
        real = np.concatenate((self.real, np.ones((rows, len(tail)), dtype=np.bool_)), axis=1)
        within = ancestors(parents)[None] & (real[:, None, :] | np.eye(len(parents), dtype=np.bool_))
        before = np.broadcast_to(self.seen[:, None, :], (rows, len(parents), self.seen.shape[1]))
        ahead = np.concatenate((np.arange(chain), chain - 1 + plan.tree.depth))
        padding = start - self.real.sum(axis=1)
        positions = np.maximum(self.place[:, None] + ahead[None] - padding[:, None], 0)
        self.cache.see(self._tensor(np.concatenate((before, within), axis=2)))
        scoring = [chain - 1, *range(chain, chain + len(plan.tree.nodes))]
        logits = self.loaded.logits(
            self._tensor(tokens), self._tensor(positions), self._tensor(np.array(scoring)), shared=self.cache
        )
        self.seen = np.concatenate((self.seen, real[:, :chain]), axis=1)
        self.place = self.place + chain - padding
        return option_logprobs(logits, plan.tree)

    def settle(self, tree: OptionTree, chosen: Sequence[int]) -> None:
        """Go on from the chosen options: requests that no longer agree get rows of their own."""
        rows: dict[tuple[int, int], int] = {}
        self.row_of = [
            rows.setdefault((row, option), len(rows)) for row, option in zip(self.row_of, chosen, strict=True)
        ]
        old = np.array([row for row, _ in rows])
        taken = np.array([option for _, option in rows])
        if not np.array_equal(old, np.arange(len(self.place))):
            self.cache.select(self._tensor(old))
        self.seen = np.concatenate((self.seen[old], tree.kept[taken]), axis=1)
        self.place = self.place[old] + tree.lengths[taken] - 1
        self.pending = tree.last[taken][:, None]
        self.real = np.ones_like(self.pending, dtype=np.bool_)

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.loaded.device)


def edge_logprobs(logits: Tensor, tree: OptionTree) -> Tensor:
    """Log-probabilities (R, e) of the tree's edges from logits (R, 1 + nodes, V), in fp32."""
    norm = torch.stack([torch.logsumexp(row.float(), dim=-1) for row in logits])
    row = torch.from_numpy(tree.edges[:, 0]).to(logits.device)
    token = torch.from_numpy(tree.edges[:, 1]).to(logits.device)
    return logits[:, row, token].float() - norm[:, row]


def option_logprobs(logits: Tensor, tree: OptionTree) -> Floats:
    """Log-probabilities (R, k) of an item's options from logits (R, 1 + nodes, V)."""
    edges = edge_logprobs(logits, tree).double().cpu().numpy()
    return np.asarray(edges @ tree.paths.T)


def in_batches(requests: Sequence[Request], size: int) -> Iterator[list[Request]]:
    """Requests in batches of similar length, longest first (so that memory is short at once or never)."""
    ordered = sorted(requests, key=lambda request: len(request.prompt), reverse=True)
    for start in range(0, len(ordered), size):
        yield list(ordered[start : start + size])
