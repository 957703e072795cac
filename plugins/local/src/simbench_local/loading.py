"""A model in memory: device, number format, adapter, and the checks that it can do what is asked."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simbench.errors import ConfigError, ModelError, UnsupportedError, closest
from simbench_local.attention import IMPLEMENTATION, register
from simbench_local.reading import reading
from simbench_local.store import Source

__all__ = [
    "Loaded",
    "Placement",
    "check_targets",
    "load",
    "load_tokenizer",
    "outline",
    "place",
    "quiet_peft",
    "with_adapter",
]

CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
LOCAL = {"trust_remote_code": False, "local_files_only": True}
_LAYER = re.compile(r"\.\d+\.")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Placement:
    """Where a model computes, and in which number format."""

    device: str
    dtype: str
    four_bit: bool = False

    @property
    def torch_dtype(self) -> torch.dtype:
        """The format as torch calls it."""
        return DTYPES[self.dtype]


@dataclass
class Loaded:
    """A model that is ready to answer or to learn."""

    model: Any
    tokenizer: Any
    placement: Placement
    source: Source
    shared: bool  # whether its attention can look at a shared prefix
    watched: tuple[int, ...] = ()  # layers whose hidden states are wanted beside the logits (0: the embedding)

    @property
    def device(self) -> torch.device:
        """Where its inputs go."""
        return torch.device(self.placement.device)

    @contextmanager
    def plain(self) -> Iterator[Any]:
        """The model with transformers' own attention, for passes that share nothing."""
        if not self.shared:
            yield self.model
            return
        base = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        base.set_attn_implementation("sdpa")
        try:
            yield self.model
        finally:
            base.set_attn_implementation(IMPLEMENTATION)

    @property
    def context(self) -> int:
        """The longest text, in tokens, that it was made for."""
        return context_of(self.model.config)

    def logits(self, tokens: Tensor, positions: Tensor, keep: Tensor | int, **kwargs: Any) -> Tensor:
        """Logits (B, len(keep), V) of ``tokens`` (B, Q) standing at ``positions`` (B, Q)."""
        out = self.model(input_ids=tokens, position_ids=positions, use_cache=False, logits_to_keep=keep, **kwargs)
        logits: Tensor = out.logits
        return logits

    def states(
        self, tokens: Tensor, positions: Tensor, keep: Tensor, at: int, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None]:
        """As :meth:`logits`, and the watched layers' hidden states (B, layers, d) of token ``at``, in fp32."""
        if not self.watched:
            return self.logits(tokens, positions, keep, **kwargs), None
        out = self.model(
            input_ids=tokens,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=keep,
            output_hidden_states=True,
            **kwargs,
        )
        return out.logits, self.hidden(out, at)

    def hidden(self, out: Any, at: int) -> Tensor:
        """The watched layers' hidden states (B, layers, d) of token ``at`` in what a pass gave, in fp32."""
        states = getattr(out, "hidden_states", None)
        if not states or len(states) <= max(self.watched):
            raise ModelError(
                f"{self.source.name} does not give the hidden states of its layers, which backend.adapt=head and "
                "blend learn from; use backend.adapt=calibrate or finetune"
            )
        return torch.stack([states[layer][:, at] for layer in self.watched], dim=1).float()


def place(device: str = "auto", dtype: str = "auto", four_bit: bool = False) -> Placement:
    """Choose what was left to choice.

    A graphics card is taken where there is one. bfloat16 is taken on a graphics card, and on a processor
    that multiplies it natively (AMX or AVX512-BF16: there it was measured to be 2 to 3 times as fast).
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    elif device == "mps" and not torch.backends.mps.is_available():
        raise UnsupportedError("backend.device=mps: torch finds no Apple GPU here; auto takes what is there")
    elif device.startswith("cuda"):
        count, wanted = torch.cuda.device_count(), int(device.partition(":")[2] or 0)
        if wanted >= count:
            found = f"{count} CUDA device(s), the first is cuda:0" if count else "no CUDA device"
            raise UnsupportedError(
                f"backend.device={device}: torch finds {found} on this machine; auto takes what is there"
            )
    if dtype == "auto":
        dtype = "bf16" if device.startswith("cuda") or _native_bf16() else "fp32"
    if four_bit and not device.startswith("cuda"):
        raise UnsupportedError(f"backend.four_bit needs a CUDA device; this run is on {device}")
    return Placement(device, dtype, four_bit)


def _native_bf16() -> bool:
    capable = torch.cpu.get_capabilities()
    return bool(capable.get("amx_bf16") or capable.get("amx_tile") or capable.get("avx512_bf16"))


def context_of(config: Any) -> int:
    """Longest text in tokens; a model that states none has no limit we know of."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 30)


def load_tokenizer(source: Source) -> Any:
    """The model's tokenizer; ModelError where there is none that can be read."""
    from transformers import AutoTokenizer

    with reading(f"{source.name}: its tokenizer cannot be read"):
        return AutoTokenizer.from_pretrained(source.folder, **LOCAL)


def load(source: Source, placement: Placement, adapter: Path | None = None, learning: bool = False) -> Loaded:
    """Load a model. ``adapter`` is merged into its weights (kept beside them when in 4 bits).

    ``learning`` on a processor keeps the weights in fp32, whatever the placement says.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    register()
    model = _weights(source, placement, fp32=adapter is not None or learning)
    tokenizer = load_tokenizer(source)
    if adapter is not None:
        model = with_adapter(model, adapter, source, merge=not placement.four_bit)
    if not learning or placement.device != "cpu":
        _to_dtype(model, placement)
    model.eval()
    shared = bool(model.config.get_text_config()._attn_implementation == IMPLEMENTATION)
    return Loaded(model, tokenizer, placement, source, shared)


def _weights(source: Source, placement: Placement, fp32: bool) -> Any:
    from transformers import AutoModelForCausalLM

    on_cpu = placement.device == "cpu"
    options: dict[str, Any] = {"dtype": torch.float32 if fp32 and on_cpu else placement.torch_dtype}
    if placement.four_bit:
        options |= {"quantization_config": _four_bit(placement), "device_map": placement.device}
    config = _configuration(source)
    with reading(f"{source.name}: its weights cannot be read, or do not fit its config.json or {placement.device}"):
        model, report = AutoModelForCausalLM.from_pretrained(
            source.folder, config=config, use_safetensors=True, output_loading_info=True, **LOCAL, **options
        )
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"{source.name}: {len(missing)} weight(s) are missing, first {missing[0]!r}; the file is "
            "incomplete or the model has no language-model head"
        )
    if left := _layers_left_out(model, report["unexpected_keys"]):
        raise ModelError(
            f"{source.name}: its config.json leaves out layers that its weights have, first {left[0]!r}; the two "
            "do not belong together"
        )
    if placement.device != "cpu" and not placement.four_bit:
        model.to(placement.device)
    if _shareable(model):
        model.set_attn_implementation(IMPLEMENTATION)
    return model


def _layers_left_out(model: Any, unexpected: Sequence[str]) -> list[str]:
    """Weights without a place in the model that have one in another of its layers."""
    kinds = {_LAYER.sub(".N.", name, count=1) for name in model.state_dict()}
    return sorted(name for name in unexpected if _LAYER.sub(".N.", name, count=1) in kinds and _LAYER.search(name))


def _configuration(source: Source) -> Any:
    """What the model says of itself; ModelError where it writes no text."""
    from transformers import AutoConfig

    with reading(f"{source.name} cannot be loaded as a causal language model: its config.json cannot be used"):
        config = AutoConfig.from_pretrained(source.folder, **LOCAL)
        _check_head(config, source)
    return config


def outline(source: Source) -> Any:
    """The model without weights, on torch's device ``meta``: its layers, for checks and counts. Quick."""
    from transformers import AutoModelForCausalLM

    config = _configuration(source)
    with reading(f"{source.name} cannot be loaded as a causal language model"), torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def check_targets(source: Source, targets: Sequence[str]) -> None:
    """ConfigError for a name in ``backend.targets`` that is no linear layer inside the model.

    The output layer is none: its weights are often those of the embedding too, and both would be changed.
    """
    from transformers.pytorch_utils import Conv1D

    if tuple(targets) == ("all-linear",):
        return
    model = outline(source)
    output = model.get_output_embeddings()
    linear = [
        name
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear | Conv1D) and part is not output
    ]
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in linear):
            known = dict.fromkeys(name.rpartition(".")[2] for name in linear)
            raise ConfigError(
                f"backend.targets: {source.name} has no linear layer {target!r}{closest(target, known)}"
            )


def _check_head(config: Any, source: Source) -> None:
    named = config.architectures or ()
    if config.is_encoder_decoder or (named and not any(name.endswith(CAUSAL) for name in named)):
        raise ModelError(
            f"{source.name} is no causal language model (its architecture is {', '.join(named) or 'unnamed'}); "
            "choose one that writes text, such as an instruct model"
        )
    if getattr(config.get_text_config(), "num_hidden_layers", 1) < 1:
        raise ModelError(f"{source.name}: its config.json gives it no layers")


def _four_bit(placement: Placement) -> Any:
    from importlib.util import find_spec

    if find_spec("bitsandbytes") is None:
        raise UnsupportedError("backend.four_bit needs bitsandbytes: pip install 'simbench-local[quantized]'")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=placement.torch_dtype,
    )


def _shareable(model: Any) -> bool:
    """Whether the model's attention goes through transformers' interface and sees the whole text."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ("full_attention",))
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    plain = kinds == {"full_attention"} and (not windowed or "layer_types" in config.to_dict())
    return bool(plain and getattr(model, "_supports_attention_backend", False))


def with_adapter(model: Any, adapter: Path, source: Source, merge: bool, learning: bool = False) -> Any:
    """The model with an adapter's weights: beside its own, which ``learning`` may change, or merged into them."""
    from peft import PeftModel

    with reading(f"the adapter {adapter} does not fit {source.name}, or is damaged"), quiet_peft():
        for fault in ("Found missing adapter keys", "Model with `tie_word_embeddings=True`"):
            warnings.filterwarnings("error", message=fault)  # half an adapter, or one that merging would spoil
        adapted = PeftModel.from_pretrained(model, str(adapter), is_trainable=learning, local_files_only=True)
        return adapted.merge_and_unload() if merge else adapted


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Keep back a deprecation warning of transformers that peft's own code sets off."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        yield


def _to_dtype(model: Any, placement: Placement) -> None:
    """Round the weights alone: rotary frequencies are buffers, and rounded ones misplace every token."""
    if placement.four_bit:
        return
    for parameter in model.parameters():
        parameter.data = parameter.data.to(placement.torch_dtype)


def describe(placement: Placement) -> Mapping[str, Any]:
    """What a manifest should hold of a placement."""
    facts: dict[str, Any] = {"device": placement.device, "dtype": placement.dtype, "torch": torch.__version__}
    if placement.device.startswith("cuda"):
        facts["card"] = torch.cuda.get_device_name(placement.device)
    else:
        facts["threads"] = torch.get_num_threads()
    return facts | ({"four_bit": True} if placement.four_bit else {})
