"""What a run would take on this machine, before it is begun."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from simbench.backends.base import Estimate
from simbench.interview import Interview, Transcript
from simbench_local.config import LocalConfig
from simbench_local.encode import Encoder, common_prefix
from simbench_local.loading import Placement, load_tokenizer, place
from simbench_local.shots import Shots
from simbench_local.store import Source, already_here
from simbench_local.training import recipe_for

__all__ = ["forecast"]

# Measured time over the time that the tokens' matrix products alone would take at this machine's rate.
SLOWER = (1.3, 4.0)
SAMPLE = 6  # people per group whose tokens are counted


def forecast(settings: LocalConfig, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> Estimate:
    """Count tokens, measure how fast this machine multiplies, and put the two together."""
    source = already_here(settings.model, settings.revision or None)
    placement = place(settings.device, settings.dtype, settings.four_bit)
    if source is None:
        note = f"{settings.model} is not on this machine yet and would be fetched first; no estimate before that"
        return Estimate(settings.model, cost=(0.0, 0.0), notes=(note,))
    weights = _weights(source)
    encoder = Encoder(load_tokenizer(source))
    recipe = recipe_for(len(pilot), settings)
    adapting = settings.adapt if pilot and not settings.adapter else "none"
    learned = _tokens(encoder, [t.interview for t in pilot], recipe.batch_size, {})
    learned *= {"finetune": recipe.epochs, "calibrate": 1}.get(adapting, 0)
    shots = Shots.of(pilot, settings.shots, 0) if settings.adapt == "few_shot" and pilot else None
    before = {each.condition: shots.before(each) for each in interviews} if shots else {}
    asked = _tokens(encoder, interviews, len(interviews), before)
    said = sum(_answer_tokens(encoder, each) for each in interviews)
    passes = 4 if adapting == "finetune" else 2  # forward, and back through frozen weights
    work = weights * (passes * learned + 2 * asked)
    seconds = work / _rate(placement)
    return Estimate(
        source.title,
        adaptation_tokens=(learned, learned),
        input_tokens=(asked, asked),
        output_tokens=(said, said),
        cost=(0.0, 0.0),
        seconds=(seconds * SLOWER[0], seconds * SLOWER[1]),
        notes=(
            f"{weights / 1e6:,.0f} million weights, {placement.dtype} on {placement.device}",
            f"memory about {_memory(weights, placement, adapting):.1f} GB",
            "tokens are those that go through the model: what a condition shares counts once",
        ),
    )


def _weights(source: Source) -> int:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(config).num_parameters())


def _tokens(
    encoder: Encoder, interviews: Sequence[Interview], batch: int, before: dict[str, list[dict[str, str]]]
) -> int:
    """Tokens through the model, from a few people of every group: the shared ones once per ``batch``."""
    groups: dict[str, list[Interview]] = {}
    for interview in interviews:
        groups.setdefault(interview.shared, []).append(interview)
    total = 0.0
    for members in groups.values():
        told = before.get(members[0].condition, [])
        sample = [encoder.interview(each, told) for each in members[:SAMPLE]]
        shared = common_prefix(sample) if len(sample) > 1 else 0
        own = sum(len(prompt) - shared for prompt in sample) / len(sample)
        own += _answer_tokens(encoder, members[0])
        total += len(members) * own + shared * -(-len(members) // max(batch, 1))
    return round(total)


def _answer_tokens(encoder: Encoder, interview: Interview) -> int:
    return sum(len(plan.forced) + len(plan.tree.nodes) + 1 for plan in encoder.plan(interview.items))


def _rate(placement: Placement) -> float:
    """Floating-point operations per second of a matrix product here, the best of a few."""
    rows, width = (4096, 4096) if placement.device != "cpu" else (1024, 1024)
    left = torch.randn(rows, width).to(placement.device, placement.torch_dtype)
    right = torch.randn(width, width).to(placement.device, placement.torch_dtype)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits until a graphics card is done
        best = min(best, time.perf_counter() - start)
    return 2.0 * rows * width * width / best


def _memory(weights: int, placement: Placement, adapting: str) -> float:
    """Gigabytes: the weights, and a batch's activations as measured for a small model."""
    size = 0.6 if placement.four_bit else {"fp32": 4, "bf16": 2}[placement.dtype]
    if placement.device == "cpu" and adapting == "finetune":
        size = 4
    return (weights * size * 1.1 + (2.5e9 if adapting == "finetune" else 1e9)) / 1e9
