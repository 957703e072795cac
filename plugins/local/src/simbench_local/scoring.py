"""Exact option probabilities, item by item, each answer conditioning the next.

What a group of prompts has in common goes through the model once, and so does every beginning that some of
the participants' own tokens share; all options of an item go through it in one pass per item (see
:mod:`simbench_local.attention`). Participants who stand at the same point (the same prompt, the same answers
so far) share one row, so that further draws for the same participant cost only what makes them differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simbench.arrays import Floats
from simbench_local.attention import CachedPass, PrefixPass
from simbench_local.encode import ItemPlan, common_prefix
from simbench_local.loading import Loaded
from simbench_local.tree import Forest, OptionTree, ancestors

__all__ = ["Choose", "Request", "Scored", "edge_logprobs", "option_logprobs", "prefix_length", "score"]

Choose = Callable[["Request", int, Floats, Floats | None], int]
FOREST = {"cpu": 512, "cuda": 1024}  # distinct prompt tokens in one pass, each of which looks at all others


@dataclass(frozen=True, eq=False)
class Request:
    """One interview to be answered: its prompt's tokens, and whatever the caller needs to know it by."""

    prompt: tuple[int, ...]
    key: object = None


@dataclass
class Scored:
    """What came of one request: per item, log-probabilities (k,) of its options and which was chosen.

    The log-probabilities are the model's own, of exactly the option's text and nothing else; they sum to
    the valid mass, not to one. ``hidden`` are the watched layers' states (layers, d) at the token before the answer,
    where any are watched.
    """

    request: Request
    logprobs: list[Floats] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    hidden: list[Floats] = field(default_factory=list)

    def take(self, choose: Choose, logprobs: Floats, hidden: Floats | None) -> None:
        """Note what the model said of the next item, and choose."""
        if hidden is not None:
            self.hidden.append(hidden)
        self.logprobs.append(logprobs)
        self.chosen.append(choose(self.request, len(self.chosen), logprobs, hidden))


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

    ``choose(request, item position, logprobs (k,), hidden (layers, d) or None)`` says which option is taken.
    """
    state = _State(loaded, prefix, shared, requests)
    scored = [Scored(request) for request in requests]
    for position, plan in enumerate(plans):
        logprobs, hidden = state.ask(plan)
        for one, row in zip(scored, state.row_of, strict=True):
            one.take(choose, logprobs[row], None if hidden is None else hidden[row])
        if position + 1 < len(plans):
            state.settle(plan.tree, [one.chosen[-1] for one in scored])
    return scored


@torch.inference_mode()
def run_prompts(loaded: Loaded, prefix: PrefixPass, shared: int, prompts: Sequence[Sequence[int]]) -> CachedPass:
    """Send the own tokens of prompts, which stand behind ``shared`` others, through the model: a row for each.

    Rows are as long as the longest prompt. Prompts in lexical order share most.
    """
    longest = max(map(len, prompts))
    parts = []
    for some in _at_once(prompts, FOREST.get(loaded.device.type, 512)):
        forest = Forest.of(some)
        part = CachedPass(prefix)
        part.see(_tensor(loaded, ancestors(forest.parents)[None]))
        tokens, positions = np.array(forest.tokens), shared + forest.depth
        loaded.logits(_tensor(loaded, tokens[None]), _tensor(loaded, positions[None]), 1, shared=part)
        part.spread(_tensor(loaded, np.array([[*path, *[0] * (longest - len(path))] for path in forest.paths])))
        parts.append(part)
    whole, *others = parts
    whole.append(others)
    return whole


def _at_once(prompts: Sequence[Sequence[int]], most: int) -> Iterator[list[Sequence[int]]]:
    """Prompts in parts of at most so many distinct tokens, or of one prompt."""
    part: list[Sequence[int]] = []
    fed = 0
    for prompt in prompts:
        new = len(prompt) - (common_prefix([part[-1], prompt]) if part else 0)
        if part and fed + new > most:
            yield part
            part, fed, new = [], 0, len(prompt)
        part.append(prompt)
        fed += new
    yield part


class _State:
    """Where a batch stands: one row per distinct (prompt, answers so far).

    ``row_of[i]`` is the row of request i. ``seen`` (R, T) marks the own tokens that count for what follows,
    ``place`` (R,) is the text position of the next token, ``pending`` (R, 0 or 1) are tokens not fed yet:
    the last one of the chosen option.
    """

    def __init__(self, loaded: Loaded, prefix: PrefixPass, shared: int, requests: Sequence[Request]) -> None:
        self.loaded = loaded
        rows: dict[tuple[int, ...], int] = {}
        self.row_of = [rows.setdefault(request.prompt[shared:], len(rows)) for request in requests]
        self.cache = run_prompts(loaded, prefix, shared, list(rows))
        lengths = np.array([len(own) for own in rows])
        self.pending = np.zeros((len(rows), 0), dtype=np.int64)
        self.seen = np.arange(lengths.max())[None] < lengths[:, None]
        self.place = shared + lengths

    def ask(self, plan: ItemPlan) -> tuple[Floats, Floats | None]:
        """Log-probabilities (R, k) of an item's options, and hidden states (R, layers, d) where they are watched."""
        rows, start = self.pending.shape
        chain = start + len(plan.forced)
        tail = np.array([*plan.forced, *plan.tree.nodes], dtype=np.int64)
        tokens = np.concatenate((self.pending, np.tile(tail, (rows, 1))), axis=1)
        parents = [*range(-1, chain - 1), *(chain + p if p >= 0 else chain - 1 for p in plan.tree.parents)]
        within = np.broadcast_to(ancestors(parents), (rows, len(parents), len(parents)))
        before = np.broadcast_to(self.seen[:, None, :], (rows, len(parents), self.seen.shape[1]))
        ahead = np.concatenate((np.arange(chain), chain - 1 + plan.tree.depth))
        self.cache.see(self._tensor(np.concatenate((before, within), axis=2)))
        scoring = [chain - 1, *range(chain, chain + len(plan.tree.nodes))]
        positions = self.place[:, None] + ahead[None]
        keep = self._tensor(np.array(scoring))
        logits, hidden = self.loaded.states(
            self._tensor(tokens), self._tensor(positions), keep, chain - 1, shared=self.cache
        )
        self.seen = np.concatenate((self.seen, np.ones((rows, chain), dtype=np.bool_)), axis=1)
        self.place = self.place + chain
        return option_logprobs(logits, plan.tree), None if hidden is None else hidden.double().cpu().numpy()

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

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return _tensor(self.loaded, array)


def _tensor(loaded: Loaded, array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(loaded.device)


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
