"""What lies in the run's folder is never trusted when it is not what was written there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simbench.backends.base import Answer, Model, Progress, Workspace
from simbench.errors import ModelError
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench_local import Local, LocalConfig, gguf, training
from simbench_local.adapters import adapter_digest, adapter_files
from simbench_local.loading import load, place
from simbench_local.store import resolve
from simbench_local.training import recipe_for, train

Study = Callable[..., list[Transcript]]


def backend(folder: Path, **settings: Any) -> Local:
    return Local(LocalConfig(**{"model": str(folder), "device": "cpu", "dtype": "fp32", "epochs": 2, **settings}))


def answers(local: Local, model: Model, people: list[Transcript], workspace: Workspace) -> dict[Any, Answer]:
    stored = Model.from_json(json.loads(json.dumps(model.to_json())))
    return {a.key: a for a in local.respond(stored, [t.interview for t in people], workspace)}


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def other_alpha(file: Path) -> None:
    file.write_text(file.read_text().replace('"lora_alpha": 32', '"lora_alpha": 64'))


@pytest.mark.parametrize("adapt", ["finetune", "few_shot", "calibrate", "none"])
def test_a_fresh_backend_answers_from_folder_and_handle_alone(
    tiny: Path, study: Study, workspace: Workspace, adapt: str
) -> None:
    """As after a kill between adapting and answering: adapt is not called again."""
    people = study(10)
    first = backend(tiny, adapt=adapt)
    model = first.adapt(people[:5], workspace)
    expected = answers(first, model, people[5:], workspace)
    assert answers(backend(tiny, adapt=adapt), model, people[5:], workspace) == expected
    assert len(expected) == 5


@pytest.mark.parametrize(
    ("name", "change"), [("adapter_model.safetensors", flip), ("adapter_config.json", other_alpha)]
)
@pytest.mark.parametrize("own", [True, False])
def test_a_changed_adapter_does_not_answer(
    tiny: Path,
    study: Study,
    workspace: Workspace,
    tmp_path: Path,
    name: str,
    change: Callable[[Path], None],
    own: bool,
) -> None:
    """Flipped bits, another alpha: of the run's own adapter, and of one that backend.adapter names."""
    people = study(6)
    local = backend(tiny)
    model = local.adapt(people[:4], workspace)
    file = workspace.folder / "adapter" / name
    if not own:
        local = backend(tiny, adapt="none", adapter=str(file.parent))
        workspace = Workspace(tmp_path / "other", 0, Silent())
        model = local.adapt(people[:4], workspace)
    before = file.read_bytes()
    assert len(answers(local, model, people[4:], workspace)) == 2
    change(file)
    assert file.read_bytes() != before
    with pytest.raises(ModelError, match=rf"is not the one that this run was made with: {name} changed or damaged"):
        answers(local, model, people[4:], workspace)
    file.unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        answers(local, model, people[4:], workspace)


@pytest.mark.parametrize("adapt", ["none", "finetune"])
@pytest.mark.parametrize("content", ["", "[]", "null", '{"r": "x"}', '{"peft_type": "LORA", "r": 0, "nope": 1}'])
def test_a_broken_adapter_configuration_is_refused(
    tiny: Path, study: Study, workspace: Workspace, tmp_path: Path, content: str, adapt: str
) -> None:
    backend(tiny).adapt(study(4), workspace)
    (workspace.folder / "adapter" / "adapter_config.json").write_text(content)
    local = backend(tiny, adapt=adapt, adapter=str(workspace.folder / "adapter"))
    other = Workspace(tmp_path / "other", 0, Silent())
    with pytest.raises(ModelError, match=r"adapter .* damaged") as told:
        answers(local, local.adapt(study(4), other), study(2), other)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("adapt", ["none", "finetune"])
def test_half_an_adapter_is_refused(
    tiny: Path, study: Study, workspace: Workspace, tmp_path: Path, adapt: str
) -> None:
    from safetensors.torch import load_file, save_file

    backend(tiny).adapt(study(4), workspace)
    file = workspace.folder / "adapter" / "adapter_model.safetensors"
    save_file({name: w for name, w in load_file(file).items() if "layers.1" not in name}, file)
    local = backend(tiny, adapt=adapt, adapter=str(file.parent))
    other = Workspace(tmp_path / "other", 0, Silent())
    with pytest.raises(ModelError, match="missing adapter keys"):
        answers(local, local.adapt(study(4), other), study(2), other)


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "garbage"])
def test_a_broken_checkpoint_is_named_and_training_starts_anew(
    tiny: Path, study: Study, tmp_path: Path, how: str, told: Any
) -> None:
    recipe = recipe_for(6, LocalConfig(epochs=2, rank=4))

    def trained(folder: Path, progress: Progress) -> str:
        model = load(resolve(str(tiny)), place("cpu", "fp32"), learning=True)
        train(model, study(6), recipe, 0, folder, progress)
        return adapter_digest(adapter_files(folder))

    expected = trained(tmp_path / "whole", Silent())
    model = load(resolve(str(tiny)), place("cpu", "fp32"), learning=True)
    (tmp_path / "parts").mkdir()
    begun = training._Run(model, study(6), recipe, 0, tmp_path / "parts")
    list(begun.steps())
    begun.close_epoch()
    file = tmp_path / "parts" / "checkpoint.pt"
    content = file.read_bytes()
    if how == "flipped":
        flip(file)
    else:
        file.write_bytes({"cut": content[:-9], "empty": b"", "garbage": b"\x80" * 99}[how])
    assert trained(tmp_path / "parts", told) == expected
    assert told.lines[0].startswith(f"{file} is damaged")
    assert told.lines[0].endswith("training starts anew")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("training_log.json", b"{"),
        ("training_log.json", b"[1]"),
        ("training_log.json", b"{}"),
        ("training_log.json", b"\xff"),
        ("adapter_model.safetensors", None),
        ("adapter_config.json", b""),
    ],
)
def test_a_finished_training_is_not_trusted_when_damaged(
    tiny: Path, study: Study, workspace: Workspace, name: str, content: bytes | None, told: Any
) -> None:
    """As after a kill between training and writing the handle down."""
    model = backend(tiny).adapt(study(4), workspace)
    file = workspace.folder / "adapter" / name
    if content is None:
        flip(file)
    else:
        file.write_bytes(content)
    again = backend(tiny).adapt(study(4), Workspace(workspace.folder, 0, told))
    assert again == model
    assert any(str(file) in line and line.endswith("training starts anew") for line in told.lines)
    told.lines.clear()
    assert backend(tiny).adapt(study(4), Workspace(workspace.folder, 0, told)) == model
    assert "training" not in told.lines


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"count": 3, "examples": []}'])
def test_changed_examples_are_not_shown_to_the_model(
    tiny: Path, study: Study, workspace: Workspace, content: bytes | None
) -> None:
    local = backend(tiny, adapt="few_shot")
    model = local.adapt(study(4), workspace)
    file = workspace.folder / "few_shot.json"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"few_shot\.json .*(not what this run was begun with|cannot be read)"):
        answers(local, model, study(2), workspace)


def test_one_adapter_has_one_configuration(tiny: Path, study: Study, workspace: Workspace, told: Any) -> None:
    """peft writes the names of the layers in the order of a set, which differs from process to process."""
    backend(tiny).adapt(study(4), workspace)
    told = json.loads((workspace.folder / "adapter" / "adapter_config.json").read_text())
    assert told["target_modules"] == sorted(told["target_modules"])
    assert len(told["target_modules"]) > 2


@pytest.mark.parametrize("how", ["flipped", "cut", "a half"])
def test_a_damaged_conversion_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Bits that flipped in the cache, and what a kill of an earlier version may have left."""
    file, folder, said = tmp_path / "weights.gguf", tmp_path / "cache" / "weights", []
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(gguf, "_convert", lambda _, made: (made / "model.safetensors").write_bytes(b"12345678"))
    gguf.convert(file, folder, said.append)
    gguf.convert(file, folder, said.append)
    assert said == ["converting weights.gguf (once)"]
    if how == "flipped":
        flip(folder / "model.safetensors")
        assert gguf.is_whole(folder, read=False)
    elif how == "cut":
        (folder / "model.safetensors").write_bytes(b"1234")
    else:
        (folder / gguf.MARK).unlink()
    assert not gguf.is_whole(folder)
    gguf.convert(file, folder, said.append)
    assert gguf.is_whole(folder)
    assert len(said) == 2
    assert ("is damaged" in said[1]) == (how != "a half")
