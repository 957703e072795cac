"""Attention over a prefix that a whole batch has in common, for training and for asking.

What a treatment group shares (introduction, vignette, questions) is most of a prompt. Here it goes through
the model once, as one row, and every participant's own tokens attend to it without a copy. The own tokens
form a *tree*, given by a visibility mask, so that all options of an item are scored in one pass.

The function :func:`attend` is registered with transformers' ``AttentionInterface`` and finds the pass at
hand in the keyword argument ``shared``. Keys reach it with their positions already applied, so nothing here
knows of rotary embeddings; ``position_ids`` say where in the text a token stands.

Shapes: B rows, H query heads, K key-value heads (H a multiple of K), D head width, P prefix tokens,
Q tokens of this pass per row, T own tokens per row so far including this pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["IMPLEMENTATION", "CachedPass", "PackedPass", "PrefixPass", "attend", "register"]

IMPLEMENTATION = "simbench_shared"


class Pass(Protocol):
    """One forward pass through the model."""

    def layer(self, index: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Attention of one layer: q (B, H, Q, D), k and v (B, K, Q, D) to (B, H, Q, D)."""


@dataclass
class PrefixPass:
    """The shared tokens (one row, causal). Afterwards ``keys[l]`` and ``values[l]`` are (1, K, P, D)."""

    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)

    def layer(self, index: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        self.keys[index], self.values[index] = k, v
        return _causal(q, k, v, scale)


@dataclass
class CachedPass:
    """Participants' own tokens (B rows) behind a prefix that was computed before.

    ``visible`` (B, Q, T) says which own tokens each token of this pass may look at. Own keys and values are
    kept in ``keys`` and ``values`` for the next pass.
    """

    prefix: PrefixPass
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)
    hidden: Tensor | None = None
    visible: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.bool))

    def see(self, visible: Tensor) -> None:
        """Say what the tokens of the next pass may look at."""
        self.visible, self.hidden = visible, None

    def layer(self, index: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        if index in self.keys:
            k = torch.cat((self.keys[index], k), dim=2)
            v = torch.cat((self.values[index], v), dim=2)
        self.keys[index], self.values[index] = k, v
        if self.hidden is None:
            self.hidden = _hidden(self.visible, q.shape[1] // k.shape[1], q.dtype)
        far = self.prefix.keys[index], self.prefix.values[index]
        return _behind_prefix(q, *far, k, v, self.hidden, scale)

    def spread(self, tokens: Tensor) -> None:
        """From one row to many: token t of row r becomes old token ``tokens[r, t]`` of the only row."""
        for store in (self.keys, self.values):
            for index, tensor in store.items():
                store[index] = tensor[0][:, tokens].transpose(0, 1)

    def append(self, others: Sequence[CachedPass]) -> None:
        """Put the rows of other passes of as many tokens below one's own."""
        for name in ("keys", "values"):
            store = getattr(self, name)
            for index in store:
                store[index] = torch.cat([store[index], *(getattr(other, name)[index] for other in others)])

    def select(self, rows: Tensor) -> None:
        """Keep, repeat and reorder rows: row i becomes old row ``rows[i]``."""
        for store in (self.keys, self.values):
            for index, tensor in store.items():
                store[index] = tensor.index_select(0, rows)


@dataclass(frozen=True)
class PackedPass:
    """Prefix and participants in one row of P + B * T tokens, for training: gradients reach both.

    ``visible`` (B, T, T) says which own tokens each own token may look at.
    """

    prefix: int
    visible: Tensor

    def layer(self, index: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        del index
        rows, own = self.visible.shape[0], self.visible.shape[1]
        head = [x[:, :, : self.prefix] for x in (q, k, v)]
        tail = [_rows(x[:, :, self.prefix :], rows, own) for x in (q, k, v)]
        first = _causal(head[0], head[1], head[2], scale)
        hidden = _hidden(self.visible, q.shape[1] // k.shape[1], torch.float32)
        rest = _behind_prefix(tail[0], head[1], head[2], tail[1], tail[2], hidden, scale)
        heads, width = rest.shape[1], rest.shape[3]
        return torch.cat((first, rest.transpose(0, 1).reshape(1, heads, rows * own, width)), dim=2)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    shared: Pass | None = None,
    **unused: Any,
) -> tuple[Tensor, None]:
    """The attention function handed to transformers; returns (B, Q, H, D)."""
    del attention_mask, dropout
    if shared is None or unused.get("softcap") is not None or unused.get("s_aux") is not None:
        raise NotImplementedError("this model's attention is not the plain kind that prefix sharing needs")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out = shared.layer(int(module.layer_idx), query, key, value, scale)  # type: ignore[arg-type]
    return out.transpose(1, 2).contiguous(), None


def register() -> None:
    """Make the function known to transformers under :data:`IMPLEMENTATION`."""
    from transformers import AttentionInterface

    AttentionInterface.register(IMPLEMENTATION, attend)


def _rows(x: Tensor, rows: int, own: int) -> Tensor:
    """(1, K, B * T, D) to (B, K, T, D)."""
    return x.reshape(x.shape[1], rows, own, x.shape[3]).transpose(0, 1)


def _causal(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)


def _behind_prefix(q: Tensor, pk: Tensor, pv: Tensor, k: Tensor, v: Tensor, hidden: Tensor, scale: float) -> Tensor:
    """Softmax attention over [prefix, own tokens]: q (B, H, Q, D), pk, pv (1, K, P, D), k, v (B, K, T, D).

    ``hidden`` (B, 1, H / K * Q, T) is 0 where an own token may be looked at, else minus infinity. Products with
    the prefix are one large one per key-value head over the tokens of all rows, those with own tokens a small
    one per row; softmax is over both together (torch computes it in fp32 and gives what it was given).
    """
    rows, heads, length, width = q.shape
    kv = k.shape[1]

    def together(x: Tensor) -> Tensor:
        return x.transpose(0, 1).reshape(1, kv, -1, x.shape[3])

    def apart(x: Tensor) -> Tensor:
        return x.reshape(kv, rows, -1, x.shape[3]).transpose(0, 1)

    q = (q * scale).reshape(rows, kv, -1, width)
    far = apart(torch.matmul(together(q), pk.transpose(2, 3)))
    near = torch.matmul(q, k.transpose(2, 3)) + hidden
    weights = torch.softmax(torch.cat((far, near), dim=3), dim=3).to(v.dtype)
    prefix = pk.shape[2]
    out = apart(torch.matmul(together(weights[..., :prefix]), pv)) + torch.matmul(weights[..., prefix:], v)
    return out.reshape(rows, heads, length, width)


def _hidden(visible: Tensor, groups: int, dtype: torch.dtype) -> Tensor:
    """(B, Q, T) as what is added to scores: (B, 1, groups * Q, T), 0 or minus infinity."""
    bias = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return bias.masked_fill_(~visible, float("-inf")).repeat(1, groups, 1)[:, None]
