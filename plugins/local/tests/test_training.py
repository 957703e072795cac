"""Finetuning learns, from the answers alone, the same way every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simbench.backends.base import Workspace
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench_local import training
from simbench_local.adapters import adapter_digest, adapter_files
from simbench_local.config import LocalConfig
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded, load, place
from simbench_local.packing import examples, pack, packed_loss, padded_loss
from simbench_local.store import resolve
from simbench_local.training import Recipe, recipe_for, train

Study = Callable[..., list[Transcript]]


def fresh(tiny: Path) -> Loaded:
    return load(resolve(str(tiny)), place("cpu", "fp32"), learning=True)


def digest(folder: Path) -> str:
    return adapter_digest(adapter_files(folder))


def recipe(**changes: Any) -> Recipe:
    return replace(recipe_for(8, LocalConfig(learning_rate=0.005, rank=16, epochs=3)), **changes)


@pytest.mark.parametrize("loss", ["answer", "contest"])
def test_a_tiny_model_overfits_eight_transcripts(tiny: Path, study: Study, tmp_path: Path, loss: str) -> None:
    log = train(fresh(tiny), study(8), recipe(epochs=60, loss=loss), 0, tmp_path / "a", Silent())
    assert log["epochs"][0]["loss"] > 0.5
    assert log["epochs"][-1]["loss"] < 0.08


@pytest.mark.parametrize("loss", ["answer", "contest"])
def test_the_packed_loss_and_its_gradients_are_those_of_the_padded_batch(tiny: Path, study: Study, loss: str) -> None:
    loaded = fresh(tiny)
    loaded.model.requires_grad_(True)
    prefixes, made = examples(Encoder(loaded.tokenizer), study(7, conditions=1), loss)
    found = []
    for measure in (packed_loss, padded_loss):
        loaded.model.zero_grad()
        value = measure(loaded, prefixes[0], made)
        (value / sum(len(example.targets) for example in made)).backward()
        found.append(({n: p.grad.clone() for n, p in loaded.model.named_parameters()}, float(value.detach())))
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)
    for name, gradient in found[0][0].items():
        assert torch.allclose(gradient, found[1][0][name], atol=1e-5), name


@pytest.mark.parametrize("item", range(3))
def test_contests_are_probabilities_of_the_options_and_the_form_counts_a_tenth(
    tiny: Path, study: Study, item: int
) -> None:
    """Over all options of an item, exp(-contest) sums to one, and is what a plain pass over each option says."""
    loaded = fresh(tiny)
    encoder = Encoder(loaded.tokenizer)
    interview = study(1)[0].interview
    asked = replace(interview, items=interview.items[item : item + 1])
    plan = encoder.plan(asked.items)[0]
    shares = []
    for value, option in zip(plan.item.values, plan.tree.options, strict=True):
        transcript = [Transcript(asked, {plan.item.name: value})]
        with torch.no_grad():
            (prefix,), made = examples(encoder, transcript, "answer")
            told = padded_loss(loaded, prefix, made)
            whole = padded_loss(loaded, prefix, examples(encoder, transcript, "contest")[1])
        with torch.no_grad(), loaded.plain() as model:
            text = [*encoder.interview(asked), *plan.forced]
            chances = model(torch.tensor([[*text, *option]])).logits[0, len(text) - 1 :].softmax(-1)
        expected = 1.0
        for depth, token in enumerate(option):
            ways = sorted({other[depth] for other in plan.tree.options if other[:depth] == option[:depth]})
            expected *= float(chances[depth, token] / chances[depth, ways].sum())
        shares.append(float(torch.exp(0.1 * told - whole)))
        assert shares[-1] == pytest.approx(expected, rel=1e-3)
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)


def test_only_the_answers_are_learned(tiny: Path, study: Study) -> None:
    """Targets are the answer's tokens: gradients of the logits before every other token are zero."""
    loaded = fresh(tiny)
    encoder = Encoder(loaded.tokenizer)
    transcript = study(1)[0]
    prefixes, made = examples(encoder, [transcript], "answer")
    packed = pack(prefixes[0], made, loaded.device)
    answer = encoder.answer(transcript)
    whole = [*prefixes[0], *made[0].own, answer[-1]]
    assert [token for _, token in made[0].targets] == answer
    assert [whole[place + 1] for place in packed.scored.tolist()] == answer
    assert whole == encoder.interview(transcript.interview) + answer


def test_one_seed_gives_one_adapter_and_another_seed_another(tiny: Path, study: Study, tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(fresh(tiny), study(10), recipe(dropout=0.1), seed, tmp_path / name, Silent())
        digests.append(digest(tmp_path / name))
    assert digests[0] == digests[1] != digests[2]


def test_a_killed_training_goes_on_to_the_same_adapter(
    tiny: Path, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = recipe(epochs=4, dropout=0.1, validation=0.3, patience=9)
    train(fresh(tiny), study(10), options, 0, tmp_path / "whole", Silent())

    steps = training._Run.steps

    def killed(self: Any) -> Any:
        for number, step in enumerate(steps(self)):
            if self.epoch == 2 and number == 1:
                raise KeyboardInterrupt
            yield step

    monkeypatch.setattr(training._Run, "steps", killed)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(tiny), study(10), options, 0, tmp_path / "parts", Silent())
    seen: list[int] = []
    monkeypatch.setattr(training._Run, "steps", lambda self: seen.append(self.epoch) or steps(self))
    train(fresh(tiny), study(10), options, 0, tmp_path / "parts", Silent())
    assert seen == [2, 3]
    assert digest(tmp_path / "whole") == digest(tmp_path / "parts")


def test_a_checkpoint_of_another_pilot_is_not_gone_on_from(tiny: Path, study: Study, tmp_path: Path) -> None:
    first = training._Run(fresh(tiny), study(6), recipe(), 0, tmp_path)
    list(first.steps())
    first.close_epoch()
    assert training._Run(fresh(tiny), study(6), recipe(), 0, tmp_path).epoch == 1
    assert training._Run(fresh(tiny), study(6, seed=1), recipe(), 0, tmp_path).epoch == 0
    assert training._Run(fresh(tiny), study(6), recipe(epochs=7), 0, tmp_path).epoch == 0


def test_early_stopping_keeps_the_best_epoch(tiny: Path, study: Study, tmp_path: Path) -> None:
    """A rate this high soon makes the watched people's answers less likely."""
    options = recipe(epochs=40, learning_rate=0.05, validation=0.4, patience=2, schedule="constant")
    log = train(fresh(tiny), study(10), options, 0, tmp_path / "a", Silent())
    watched = [entry["watched_loss"] for entry in log["epochs"]]
    assert log["watched"] == 4
    assert len(watched) < 40
    assert log["kept_epoch"] == 1 + int(np.argmin(watched)) == len(watched) - 2
    reloaded = load(resolve(str(tiny)), place("cpu", "fp32"), tmp_path / "a")
    run = training._Run(fresh(tiny), study(10), options, 0, tmp_path / "none")
    run.loaded = reloaded
    assert run._watched_loss() == pytest.approx(min(watched), rel=1e-4)


def test_people_are_watched_in_bfloat16_too(tiny: Path, study: Study, tmp_path: Path) -> None:
    loaded = load(resolve(str(tiny)), place("cpu", "bf16"), learning=True)
    log = train(loaded, study(8), recipe(epochs=1, validation=0.3), 0, tmp_path / "a", Silent())
    assert log["watched"] == 2
    assert log["epochs"][0]["watched_loss"] > 0


def test_small_pilots_are_learned_from_whole() -> None:
    assert recipe_for(50, LocalConfig()).validation == 0.0
    assert recipe_for(300, LocalConfig()).validation == 0.1


def test_workspace_holds_adapter_log_and_card(tiny: Path, study: Study, workspace: Workspace) -> None:
    from simbench_local import Local

    backend = Local(LocalConfig(model=str(tiny), epochs=2, rank=4))
    model = backend.adapt(study(8), workspace)
    names = {path.name for path in (workspace.folder / "adapter").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "training_log.json", "README.md"} <= names
    assert "checkpoint.pt" not in names
    assert model.sha256 == digest(workspace.folder / "adapter")
    assert "8" in (workspace.folder / "adapter" / "README.md").read_text()
