"""Settings and files that cannot work: each is refused in one line, and nothing but a UserError comes out."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simbench.backends.base import Answer, Workspace
from simbench.errors import UserError
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench_local import Local, LocalConfig
from simbench_local.store import DEFAULT

Study = Callable[..., list[Transcript]]
INF, NAN, HUGE = math.inf, math.nan, 10**20


def carry_out(folder: Path, settings: dict[str, Any], people: list[Transcript], out: Path) -> list[Answer]:
    """The way of a run: settings, check, adapt, respond."""
    local = Local(LocalConfig(**{"model": str(folder), "device": "cpu", "dtype": "fp32", "epochs": 1, **settings}))
    workspace, asked = Workspace(out, 0, Silent()), [t.interview for t in people[4:]]
    local.check(people[:4], asked)
    return list(local.respond(local.adapt(people[:4], workspace), asked, workspace))


def refused(words: str, folder: Path, settings: dict[str, Any], people: list[Transcript], out: Path) -> None:
    with pytest.raises(UserError, match=words) as told:
        carry_out(folder, settings, people, out)
    assert "\n" not in str(told.value)


SETTINGS: list[tuple[dict[str, Any], str]] = [
    *(({"device": each}, "expected auto, cpu, cuda") for each in ("nope", "meta", "", "cpu:5", "cuda:", "cuda:-1")),
    ({"device": "cuda:99"}, "backend.device=cuda:99: torch finds"),
    *(({"rank": each}, "backend.rank: expected 1 to 1024") for each in (-1, 0, 99999999999)),
    *(({"targets": each}, "names of linear layers with commas") for each in ("", " ", ",", "q_proj,,v_proj")),
    *(({"targets": each}, "has no linear layer") for each in ("nope", "q_proj,nope", "mlp", ".*", "lm_head", "norm")),
    ({"targets": "q_porj"}, "did you mean 'q_proj'"),
    *(
        ({"model": each}, "a folder that exists")
        for each in ("../x", "./no-such-model", "/no/such", "", " ", "a/b/c")
    ),
    *(({"model": each}, "no model and no path") for each in ("~nosuchuser/x", "~nosuchuser/x.gguf", "x" * 5000)),
    ({"model": "smollm2-135m-instruct", "revision": "nope"}, "has only this one, sha256:b179c9"),
    ({"model": DEFAULT, "revision": "sha256:00"}, "expected sha256:00, found sha256:b179c9"),
    ({"revision": "main"}, "names a commit of a Hugging Face id; .* has none"),
    *(({"temperature": each}, "backend.temperature: expected 0, or") for each in (NAN, INF, -1.0, 1e-320, 1e300)),
    *(({"learning_rate": each}, "learning_rate: expected 1e-08 to 1") for each in (NAN, INF, 0.0, -1.0, 1e-320, 2.0)),
    *(({"epochs": each}, "backend.epochs: expected 0 to 1000") for each in (-1, HUGE)),
    *(({"train_batch": each}, "backend.train_batch: expected 1 to") for each in (-1, 0, HUGE)),
    *(({"batch_size": each}, "backend.batch_size: expected 0 to") for each in (-1, HUGE)),
    *(({name: HUGE}, f"backend.{name}: expected") for name in ("shots", "alpha", "patience", "max_new_tokens")),
    *(({name: each}, f"backend.{name}: expected in") for name in ("dropout", "validation") for each in (NAN, 1.0)),
    ({"adapter": "/nowhere"}, "there is no adapter /nowhere"),
    ({"adapter": "/etc/passwd"}, "there is no adapter /etc/passwd"),
    ({"adapter": "~nosuchuser/x"}, "is no folder"),
    ({"four_bit": True}, "four_bit needs a CUDA device"),
]


@pytest.mark.parametrize(("settings", "words"), SETTINGS, ids=lambda each: repr(each)[:40])
def test_a_setting_that_cannot_work_is_refused_before_anything_is_loaded(
    tiny: Path, study: Study, tmp_path: Path, settings: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simbench_local.loading.load", lambda *_, **__: pytest.fail("a model was loaded"))
    refused(words, tiny, settings, study(6), tmp_path)


def damage(how: str, file: Path) -> None:
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "a folder":
        file.unlink()
        file.mkdir()
    else:
        half = content[: len(content) // 2]
        noise = bytes([*half, content[len(half)] ^ 0xFF, *content[len(half) + 1 :]])
        file.write_bytes({"cut": half, "empty": b"", "flipped": noise, "null": b"null", "list": b"[]"}.get(how, b"5"))


@pytest.mark.parametrize("how", ["gone", "a folder", "cut", "empty", "flipped", "null", "list", "number"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_a_damaged_model_folder_is_refused_or_answers(
    tiny: Path, study: Study, tmp_path: Path, name: str, how: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    damage(how, folder / name)
    if (name, how) in {
        ("tokenizer_config.json", "gone"),
        ("tokenizer_config.json", "a folder"),
        ("model.safetensors", "flipped"),  # nothing says what the weights of somebody's own folder should be
    }:
        assert carry_out(folder, {"adapt": "none"}, study(5), tmp_path)[0].status == "ok"
    else:
        refused("config.json|tokenizer|weights|safetensors", folder, {"adapt": "none"}, study(5), tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 1}, "leaves out layers .* 'model.layers.1.input_layernorm.weight'"),
        ({"num_hidden_layers": -1}, "no layers"),
        ({"num_hidden_layers": 3}, "are missing"),
        ({"num_hidden_layers": "x"}, "num_hidden_layers"),
        ({"hidden_size": 10**12}, "do not fit its config.json"),
        ({"num_attention_heads": 0}, "config.json cannot be used"),
        ({"architectures": 5}, "config.json cannot be used"),
        ({"quantization_config": 5}, "config.json cannot be used"),
        ({"max_position_embeddings": -5}, "reads at most -5"),
    ],
)
def test_a_configuration_that_is_not_of_these_weights_is_refused(
    tiny: Path, study: Study, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | changes))
    refused(words, folder, {"adapt": "none"}, study(5), tmp_path)


@pytest.mark.parametrize(
    "template",
    ["", "5", "{% for %}", "{{ nope.x.y }}", "{{ raise_exception('no') }}", "{{ 10**10**10 }}", "{{ ''.__class__ }}"],
)
@pytest.mark.parametrize("adapt", ["none", "few_shot"])
def test_a_chat_template_that_loses_words_is_refused(
    tiny: Path, study: Study, tmp_path: Path, template: str, adapt: str
) -> None:
    """An empty or constant template would ask everybody the same nothing."""
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "chat_template.jinja").write_text(template)
    refused("chat template", folder, {"adapt": adapt}, study(5), tmp_path)


def test_examples_whose_answers_a_template_loses_are_refused(tiny: Path, study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    template = "{% for m in messages %}{% if m.role != 'assistant' %}{{ m.content }}{% endif %}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    assert carry_out(folder, {"adapt": "none"}, study(5), tmp_path)[0].status == "ok"
    refused("words of one of user, assistant, user", folder, {"adapt": "few_shot"}, study(5), tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ""),
        ("[]", "TypeError|AttributeError"),
        *((f'{{"eos_token_id": {each}}}', "eos_token_id") for each in ('"x"', '[1, "x"]')),
    ],
)
def test_a_damaged_generation_config_is_refused_or_ignored(
    tiny: Path, study: Study, tmp_path: Path, content: str, words: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "generation_config.json").write_text(content)
    settings = {"adapt": "none", "decoding": "generate", "max_new_tokens": 2}
    if words:
        refused(words, folder, settings, study(5), tmp_path)
    else:
        assert carry_out(folder, settings, study(5), tmp_path)[0].status == "truncated"


def test_weights_that_are_no_numbers_are_refused(tiny: Path, study: Study, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][3] = NAN
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused("gives no probabilities for 'harm'", folder, {"adapt": "none"}, study(5), tmp_path)
    refused("diverged in epoch 1: the loss is nan", folder, {}, study(5), tmp_path)


def test_somebody_is_learned_from_whatever_share_is_watched(tiny: Path, study: Study, tmp_path: Path) -> None:
    settings = {"validation": 0.99, "validation_from": 0, "rank": 2}
    assert carry_out(tiny, settings, study(5), tmp_path)[0].status == "ok"


@pytest.mark.parametrize(
    "settings", [{"targets": " q_proj , v_proj "}, {"learning_rate": 1.0}, {"temperature": 0.01}]
)
def test_settings_at_the_edge_work(tiny: Path, study: Study, tmp_path: Path, settings: dict[str, Any]) -> None:
    assert carry_out(tiny, {"rank": 2, **settings}, study(5), tmp_path)[0].status == "ok"
