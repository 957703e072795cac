"""The same probabilities with no cache, no sharing and no tree: one full forward pass per option.

For models whose attention cannot look at a shared prefix (recurrent, sliding window, biased by distance),
and the reference that the fast way is tested against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from simbench.arrays import Floats
from simbench_local.encode import ItemPlan
from simbench_local.loading import Loaded
from simbench_local.scoring import Choose, Request, Scored

__all__ = ["score_plainly"]


def score_plainly(
    loaded: Loaded, requests: Sequence[Request], plans: Sequence[ItemPlan], choose: Choose
) -> list[Scored]:
    """Score and choose every item, one participant after another."""
    done = []
    for request in requests:
        one, text = Scored(request), list(request.prompt)
        for plan in plans:
            text += plan.forced
            logprobs = np.array([_logprob(loaded, text, option) for option in plan.tree.options])
            one.take(choose, logprobs, _hidden(loaded, text) if loaded.watched else None)
            text += plan.tree.options[one.chosen[-1]]
        done.append(one)
    return done


@torch.inference_mode()
def _logprob(loaded: Loaded, text: Sequence[int], option: Sequence[int]) -> float:
    tokens = torch.tensor([[*text, *option]], device=loaded.device)
    with loaded.plain() as model:
        logits = model(input_ids=tokens, use_cache=False).logits[0, len(text) - 1 : -1]
    following = torch.tensor(option, device=loaded.device)[:, None]
    return float(logits.float().log_softmax(dim=-1).gather(1, following).double().sum())


@torch.inference_mode()
def _hidden(loaded: Loaded, text: Sequence[int]) -> Floats:
    """The watched layers' states (layers, d) at the last token."""
    with loaded.plain() as model:
        out = model(input_ids=torch.tensor([text], device=loaded.device), use_cache=False, output_hidden_states=True)
    return np.asarray(loaded.hidden(out, -1)[0].double().cpu().numpy())
