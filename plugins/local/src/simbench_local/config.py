"""The settings of ``backend=local``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simbench.errors import ConfigError
from simbench.settings import one_of, setting

__all__ = ["ADAPT", "LocalConfig"]

ADAPT = ("finetune", "few_shot", "calibrate", "head", "blend", "blend_finetuned", "none")
READS = ("calibrate", "head", "blend", "blend_finetuned")  # learn from the probabilities of options
BOUNDS = {
    "shots": (1, 1000),
    "rank": (1, 1024),
    "alpha": (0, 65536),
    "epochs": (0, 1000),
    "learning_rate": (1e-8, 1),
    "train_batch": (1, 4096),
    "validation_from": (0, 10**9),
    "patience": (1, 1000),
    "batch_size": (0, 65536),
    "max_new_tokens": (0, 65536),
}
TEMPERATURE = (0.01, 100)
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class LocalConfig:
    """What can be set of the local backend."""

    model: str = setting(
        "smollm2-135m-instruct",
        "the embedded smollm2-135m-instruct, a folder, a .gguf file or a Hugging Face id",
    )
    revision: str = setting("", "branch, tag or commit of a Hugging Face id (empty: main, pinned when run)")
    adapt: str = setting("finetune", f"how the pilot is learned from: {', '.join(ADAPT)}")
    adapter: str = setting("", "folder of a LoRA adapter to start from: finetune trains it on, none uses it as it is")
    decoding: str = setting("choice", "choice (exact option probabilities) or generate (free text, parsed)")
    temperature: float = setting(1.0, "of the options' probabilities; 0 takes the likeliest")
    shots: int = setting(8, "examples in a few-shot prompt, of the participant's own condition first")
    rank: int = setting(16, "LoRA rank (with backend.adapter: the adapter's own, as alpha, dropout and targets)")
    alpha: int = setting(0, "LoRA scale (0: twice the rank)")
    dropout: float = setting(0.0, "LoRA dropout")
    targets: str = setting("all-linear", "layers that get LoRA weights: all-linear, or names with commas")
    epochs: int = setting(
        9, "passes over the pilot (0: chosen in it by cross-validation, options calibrated out of fold; 3 to 4 times)"
    )
    learning_rate: float = setting(1e-3, "highest learning rate of AdamW")
    schedule: str = setting("cosine", "of the learning rate after its rise: cosine, linear or constant")
    train_batch: int = setting(8, "transcripts per training step")
    loss: str = setting(
        "contest",
        "contest (between an item's options, the rest of the answer at a tenth) or answer (every token alike)",
    )
    validation: float = setting(0.1, "share of the pilot watched for early stopping, never learned from")
    validation_from: int = setting(200, "people in the pilot from which on a part of it is watched")
    patience: int = setting(3, "epochs without improvement of the watched part before training stops")
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps", runtime=True)
    dtype: str = setting("auto", "number format: auto, fp32 or bf16")
    four_bit: bool = setting(False, "load the weights in 4 bits (needs CUDA and bitsandbytes)")
    batch_size: int = setting(0, "participants per batch when answering (0: by memory)", runtime=True)
    max_new_tokens: int = setting(0, "decoding=generate: longest answer in tokens (0: by the items)")

    def __post_init__(self) -> None:
        one_of("backend.adapt", self.adapt, ADAPT)
        one_of("backend.decoding", self.decoding, ("choice", "generate"))
        one_of("backend.loss", self.loss, ("answer", "contest"))
        one_of("backend.schedule", self.schedule, ("cosine", "linear", "constant"))
        one_of("backend.dtype", self.dtype, ("auto", "fp32", "bf16"))
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(self, name) <= most:  # NaN is in no interval
                raise ConfigError(f"backend.{name}: expected {least} to {most}, found {getattr(self, name)}")
        if self.temperature != 0 and not TEMPERATURE[0] <= self.temperature <= TEMPERATURE[1]:
            least, most = TEMPERATURE
            raise ConfigError(f"backend.temperature: expected 0, or {least} to {most}, found {self.temperature}")
        if not DEVICE.fullmatch(self.device):
            raise ConfigError(f"backend.device: expected auto, cpu, cuda, cuda:N or mps, found {self.device!r}")
        if not all(self.target_names):
            raise ConfigError(
                "backend.targets: expected all-linear, or names of linear layers with commas between them, "
                f"found {self.targets!r}"
            )
        for name in ("dropout", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"backend.{name}: expected in [0, 1), found {getattr(self, name)}")
        if self.decoding == "generate" and self.adapt in READS:
            raise ConfigError(f"backend.adapt={self.adapt} needs backend.decoding=choice")
        if self.decoding == "generate" and self.adapt == "finetune" and not self.epochs:
            raise ConfigError("backend.epochs=0 calibrates the options and needs backend.decoding=choice")

    @property
    def target_names(self) -> tuple[str, ...]:
        """The names in ``targets``."""
        return tuple(name.strip() for name in self.targets.split(","))
