"""How many participants go through the model at once, and what happens when that was too many."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import psutil
import torch

from simbench.errors import ModelError
from simbench_local.encode import ItemPlan
from simbench_local.loading import Loaded

__all__ = ["fitting", "halving", "is_out_of_memory"]

Q = TypeVar("Q")
A = TypeVar("A")
LARGEST = {"cpu": 64, "cuda": 512}  # on a processor larger ones gain nothing
SHARE = 0.5  # of the free memory that a batch may take by the estimate


def fitting(loaded: Loaded, own: int, shared: int, plans: Sequence[ItemPlan]) -> int:
    """Estimate how many participants with ``own`` prompt tokens behind ``shared`` ones fit into memory."""
    config = loaded.model.config.get_text_config()
    size = 2 if loaded.placement.dtype == "bf16" else 4
    length = max(len(plan.forced) + len(plan.tree.nodes) + 1 for plan in plans)
    kept = own + sum(len(plan.forced) + len(plan.tree.nodes) + 1 for plan in plans)
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    keys = getattr(config, "num_key_value_heads", None) or heads
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    cache = 2 * config.num_hidden_layers * keys * width * kept * size
    layer = length * (6 * config.hidden_size + 3 * inner) * size
    attention = 3 * heads * length * (shared + kept) * 4
    logits = max(1 + len(plan.tree.nodes) for plan in plans) * config.vocab_size * (size + 4)
    free = _free_bytes(loaded.device) * SHARE
    fits = int(free / (cache + layer + attention + logits))
    return max(1, min(fits, LARGEST.get(loaded.device.type, 64)))


def halving(queue: Sequence[Q], size: Callable[[Sequence[Q]], int], work: Callable[[Sequence[Q]], A]) -> Iterator[A]:
    """Work through ``queue`` in batches; when memory runs out, go on with half as many.

    ``size`` says how many of the rest to try. Nothing is lost: a batch that failed is cut and tried again.
    Raises ModelError when a single one does not fit; what was yielded before stays done.
    """
    rest, limit = list(queue), len(queue)
    while rest:
        count = min(size(rest), limit, len(rest))
        try:
            done = work(rest[:count])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if count == 1:
                raise ModelError(
                    "memory runs out with a single participant at a time. Use a smaller model, "
                    "backend.dtype=bf16, backend.four_bit=true on a graphics card, or a machine with more "
                    "memory; the answers so far are kept."
                ) from error
            limit = count // 2
        else:
            rest = rest[count:]
            yield done
            continue
        gc.collect()  # the failed batch's tensors are alive until its traceback is gone
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a graphics card or on the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error)
    return "can't allocate memory" in words or "not enough memory" in words or "out of memory" in words


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    return min(int(psutil.virtual_memory().available), 4 << 30)
