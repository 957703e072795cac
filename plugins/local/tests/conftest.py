"""A tiny random model with a tiny tokenizer, and a small made-up study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simbench.backends.base import Workspace
from simbench.design import Item
from simbench.harness.progress import Silent
from simbench.interview import Interview, Transcript
from simbench_local.loading import Loaded, load, place
from simbench_local.store import resolve

ITEMS = (
    Item("harm", "belief", "How much harm?", {i: str(i) for i in range(2, 13)}),
    Item("fear", "belief", "How afraid?", {0: "not at all", 1: "not very", 2: "very", 3: "very, very much"}),
    Item("act", "decision", "Do you act?", {0: "no", 1: "yes"}),
)
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


class Told(Silent):
    """Keeps what was said: lines and titles of tasks, and how many units each task has."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.totals: dict[str, int | None] = {}

    def say(self, text: str) -> None:
        self.lines.append(text)

    def task(self, title: str, total: int | None, unit: str = "") -> AbstractContextManager[Any]:
        self.lines.append(title)
        self.totals[title] = total
        return super().task(title, total, unit)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads of a tiny model spin against each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def people(count: int, seed: int = 0, conditions: int = 2) -> list[Transcript]:
    """Made-up transcripts: answers depend on condition and age."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        group, age = index % conditions, int(rng.integers(18, 90))
        words = "calm and friendly" if group else "alarming, dark and long"
        asked = "\n".join(f"{i.name}: {i.text} {' | '.join(i.labels)}" for i in ITEMS)
        shared = f"A study with a story that is {words}.\n\nQuestions:\n{asked}"
        persona = f"About you:\n- Age: {age}" + ("\n- Region: the far north" if rng.random() < 0.5 else "")
        harm = int(np.clip(7 + 3 * group - age // 30 + rng.integers(-1, 2), 2, 12))
        answers = {"harm": harm, "fear": int(rng.integers(4)), "act": int(harm > 6)}
        made.append(Transcript(Interview(f"p{index}", str(group), shared, persona, ITEMS), answers))
    return made


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a 2-layer random Llama and a byte-level BPE of 600 tokens."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    save_tokenizer(folder)
    save_llama(folder)
    return folder


def save_tokenizer(folder: Path, template: str | None = TEMPLATE) -> None:
    """Train the tokenizer on the study's own words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    words = [t.interview.shared + t.interview.persona + str(dict(t.answers)) for t in people(8)]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(words, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = template
    fast.save_pretrained(folder)


def save_llama(folder: Path, **changes: object) -> None:
    """A random Llama whose probabilities are far from uniform."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {
        "vocab_size": 600,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "eos_token_id": 1,
        "pad_token_id": 1,
        "initializer_range": 0.5,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(LlamaConfig(**(sizes | changes))).save_pretrained(folder)


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Makes folders with such a model, with changes to its configuration."""

    def make(template: str | None = TEMPLATE, **changes: object) -> Path:
        folder = tmp_path / "model"
        save_tokenizer(folder, template)
        save_llama(folder, **changes)
        return folder

    return make


@pytest.fixture
def loaded(tiny: Path) -> Loaded:
    """The tiny model in memory, in fp32."""
    return load(resolve(str(tiny)), place("cpu", "fp32"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path, 0, Silent())


@pytest.fixture
def told() -> Told:
    """A Progress that keeps what was said."""
    return Told()


@pytest.fixture(scope="session")
def study() -> Callable[..., list[Transcript]]:
    """Makes transcripts."""
    return people
