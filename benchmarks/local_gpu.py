"""An 8B-shaped Llama with random bf16 weights on one card: answering 929 participants, one epoch on 232.

    python benchmarks/local_gpu.py             # needs a CUDA card with 40 GB or more
    python benchmarks/local_gpu.py --tiny      # the same script on a processor with a tiny model: does it run?

For each: seconds, peak memory, and the share of the card's own matrix-multiply rate (measured first, 8192 x 8192 in
bf16) that the unavoidable tokens account for: 2 operations per weight and token forward, 2 more back through frozen
weights, the output layer only where a probability is needed. Beside it transformers' batched generate and Trainer.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _local import Timing, choose_shared, generate, timed, train_packed, train_with_peer

from simbench.experiments.information_disclosure import InformationDisclosure
from simbench.interview import Transcript
from simbench_local.attention import IMPLEMENTATION, register
from simbench_local.loading import Loaded, Placement, load_tokenizer
from simbench_local.store import DEFAULT, Source, resolve

SHAPE = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 49152,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--participants", type=int, default=929)
    parser.add_argument("--transcripts", type=int, default=232)
    parser.add_argument("--batch", type=int, default=32, help="transcripts per training step")
    parser.add_argument("--tokenizer", type=Path, help="a folder with one, where the embedded model is not at hand")
    given = parser.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        raise SystemExit("no CUDA card here: these rows stay open (--tiny checks that the script runs)")
    device = torch.device("cpu" if given.tiny else "cuda")
    rate = matmul_rate(device, 512 if given.tiny else 8192)
    name = "processor, tiny model" if given.tiny else torch.cuda.get_device_name(device)
    print(f"{name}: {rate / 1e12:.1f} TFLOP/s measured\n")
    print(f"{'':<46}{'seconds':>9}{'per s':>9}{'share':>8}{'peak GB':>9}{'ratio':>8}")
    words = Source("random", given.tokenizer, None, "random weights") if given.tokenizer else resolve(DEFAULT)
    people = transcripts(max(given.participants, given.transcripts))
    asked = [each.interview for each in people[: given.participants]]
    pilot = people[: given.transcripts]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        answering: dict[str, Callable[[Loaded], Callable[[], int]]] = {
            "answering, choice (this project)": lambda m: lambda: choose_shared(m, asked, folder),
            "answering, transformers batched generate": lambda m: lambda: generate(m, asked, 128),
        }
        training: dict[str, Callable[[Loaded], Callable[[], int]]] = {
            "one epoch, packed (this project)": lambda m: train_packed(m, pilot, given.batch),
            "one epoch, transformers Trainer": lambda m: train_with_peer(m, pilot, given.batch, "trainer", folder),
        }
        for contestants, back in ((answering, 0), (training, 2)):
            own = None
            for title, prepare in contestants.items():
                model = random_model(device, TINY if given.tiny else SHAPE, words)
                found, work = measure(model, prepare, back)
                own = own or found.seconds
                share = f"{work / found.seconds / rate:>8.0%}" if work else f"{'':>8}"
                print(
                    f"{title:<46}{found.seconds:>9.1f}{found.units / found.seconds:>9.1f}{share}"
                    f"{peak(device):>9.1f}{found.seconds / own:>8.1f}",
                    flush=True,
                )
                del model
                if device.type == "cuda":
                    torch.cuda.empty_cache()


def measure(model: Loaded, prepare: Callable[[Loaded], Callable[[], int]], back: int) -> tuple[Timing, float]:
    """Time one contestant; count the operations of what went through :meth:`Loaded.logits`."""
    total = sum(weight.numel() for weight in model.model.parameters())
    head = model.model.get_output_embeddings().weight.numel()
    body = total - head - model.model.get_input_embeddings().weight.numel()
    counted, plain = [0.0], Loaded.logits

    def counting(self: Loaded, tokens: torch.Tensor, positions: torch.Tensor, keep: Any, **more: Any) -> Any:
        rows = tokens.shape[0] * (keep if isinstance(keep, int) else len(keep))
        counted[0] += (2 + back) * (body * tokens.numel() + head * rows)
        return plain(self, tokens, positions, keep, **more)

    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    work = prepare(model)
    Loaded.logits = counting  # type: ignore[method-assign]
    try:
        return timed(work, model.device), counted[0]
    finally:
        Loaded.logits = plain  # type: ignore[method-assign]


def peak(device: torch.device) -> float:
    """Gigabytes of card memory at most."""
    return torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else float("nan")


def matmul_rate(device: torch.device, size: int) -> float:
    """Operations per second of a square bf16 product, the best of several."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))

    def multiply() -> int:
        for _ in range(10):
            left @ right
        return 10

    return max(20.0 * size**3 / timed(multiply, device).seconds for _ in range(5))


def random_model(device: torch.device, shape: dict[str, int], words: Source) -> Loaded:
    """A random Llama, with the tokenizer of ``words``."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    register()
    config = LlamaConfig(**shape, max_position_embeddings=8192, eos_token_id=2, pad_token_id=2)
    torch.manual_seed(0)
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    model.set_attn_implementation(IMPLEMENTATION)
    source = Source("random", Path("nowhere"), None, "random weights")
    return Loaded(model, load_tokenizer(words), Placement(str(device), "bf16"), source, True)


def transcripts(count: int) -> list[Transcript]:
    """People of the information-disclosure design (synthetic)."""
    experiment = InformationDisclosure(InformationDisclosure.Config())
    return list(experiment.script().transcripts(experiment.people()))[:count]


if __name__ == "__main__":
    main()
