"""LoRA weights on a model: new ones, drawn from a seed, or those of an adapter that is trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simbench_local.adapters import SETTINGS
from simbench_local.loading import Loaded, quiet_peft, with_adapter
from simbench_local.reading import reading

__all__ = ["devices", "shape_of", "with_lora"]


def shape_of(adapter: Path) -> dict[str, Any]:
    """``rank``, ``alpha``, ``dropout`` and ``targets`` of an adapter, as the settings of the same names have them."""
    with reading(f"the adapter {adapter}: {SETTINGS} is damaged"):
        told: dict[str, Any] = dict(json.loads((adapter / SETTINGS).read_text()))
        targets = told["target_modules"]
        return {
            "rank": int(told["r"]),
            "alpha": int(told["lora_alpha"]),
            "dropout": float(told["lora_dropout"]),
            "targets": targets if isinstance(targets, str) else ",".join(sorted(targets)),
        }


def with_lora(loaded: Loaded, recipe: Any, seed: int, start: Path | None = None) -> Any:
    """The model with LoRA weights that can be trained, those of the adapter ``start`` where one is given."""
    from peft import LoraConfig, get_peft_model

    names = [name.strip() for name in recipe.targets.split(",")]
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
        task_type="CAUSAL_LM",
        revision=loaded.source.revision,
    )
    with torch.random.fork_rng(devices=devices(loaded)), quiet_peft():
        torch.manual_seed(int(np.random.default_rng([seed, 0]).integers(2**62)))
        if start is None:
            adapted = get_peft_model(loaded.model, config)
        else:
            adapted = with_adapter(loaded.model, start, loaded.source, merge=False, learning=True)
    adapted.peft_config["default"].base_model_name_or_path = loaded.source.name
    if loaded.placement.dtype == "bf16" and not loaded.placement.four_bit:
        # what autocast would round at every step is rounded once
        for name, module in adapted.named_modules():
            if name.endswith("base_layer"):
                module.weight.data = module.weight.data.to(torch.bfloat16)
    return adapted


def devices(loaded: Loaded) -> list[torch.device]:
    """The cards whose random numbers are forked beside the processor's."""
    return [loaded.device] if loaded.device.type == "cuda" else []
