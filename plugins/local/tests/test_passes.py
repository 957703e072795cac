"""How many passes are made, chosen inside the pilot: nobody's forecast has seen the person."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simbench.backends.base import Answer, Model, Workspace
from simbench.backends.blend import Blend
from simbench.backends.calibration import fit_item
from simbench.errors import ConfigError
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench_local import Local, LocalConfig, passes, training
from simbench_local.calibration import told_by
from simbench_local.encode import Encoder
from simbench_local.loading import load, place
from simbench_local.lookup import look_up
from simbench_local.store import resolve
from simbench_local.training import recipe_for, train

Study = Callable[..., list[Transcript]]
FAST = {"rank": 4, "learning_rate": 0.01, "train_batch": 16}


def backend(folder: Path, **settings: Any) -> Local:
    return Local(
        LocalConfig(**{"model": str(folder), "device": "cpu", "dtype": "fp32", "epochs": 0, **FAST, **settings})
    )


def scores(local: Local, model: Model, people: list[Transcript], workspace: Workspace) -> dict[str, Answer]:
    model = Model.from_json(json.loads(json.dumps(model.to_json())))
    return {a.participant_id: a for a in local.score(model, people, workspace)}


@pytest.fixture(scope="session")
def tuned(tiny: Path, study: Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Workspace]:
    """Eighteen people, passes chosen among them, pooled with their table; see :func:`alone`."""
    workspace = Workspace(tmp_path_factory.mktemp("tuned"), 0, Silent())
    torch.set_num_threads(1)  # as for every test, whose fixture comes later
    return backend(tiny, adapt="blend_finetuned").adapt(study(18), workspace), workspace


def alone(model: Model) -> Model:
    """As ``adapt=finetune`` would have made it."""
    return replace(model, parameters={**model.parameters, "adapt": "finetune"})


def test_what_was_chosen_is_the_best_of_trainings_that_left_people_out(
    tiny: Path, study: Study, tuned: tuple[Model, Workspace], tmp_path: Path
) -> None:
    """By hand: a training per fold, stopped after the chosen pass, calibrated on the other folds, has these bits."""
    pilot, told = study(18), tuned[0].parameters["passes"]
    assert told["calibrated"][str(told["chosen"])] == max(told["calibrated"].values())
    assert list(told["calibrated"]) == [str(n) for n in range(1, training.LONGEST + 1)]
    folds = passes.deal(pilot, 0)
    assert folds is not None
    recipe = replace(recipe_for(18, LocalConfig(epochs=0, **FAST)), validation=0.0, passes=told["chosen"])
    said: list[Any] = [None] * 18
    for number in range(3):
        out = [int(row) for row in np.flatnonzero(folds == number)]
        folder = tmp_path / str(number)
        loaded = load(resolve(str(tiny)), place("cpu", "fp32"), learning=True)
        train(
            loaded, [t for t, fold in zip(pilot, folds, strict=True) if fold != number], recipe, 0, folder, Silent()
        )
        stopped = load(resolve(str(tiny)), place("cpu", "fp32"), folder)
        some = [pilot[row] for row in out]
        for row, one in zip(out, look_up(stopped, Encoder(stopped.tokenizer), some, tuned[1], ""), strict=True):
            said[row] = one.logprobs
    rows = told_by(pilot, said)
    bits = {"calibrated": [], "plain": []}  # type: dict[str, list[float]]
    for item, own in rows.items():
        for number in range(3):
            fitted = fit_item([row for row, fold in zip(own, folds, strict=True) if fold != number])
            for (asked, logprobs, chosen), fold in zip(own, folds, strict=True):
                if fold == number:
                    bias = [dict(zip(fitted["values"], fitted["bias"], strict=True))[value] for value in asked.values]
                    for name, points in (("plain", logprobs), ("calibrated", fitted["scale"] * logprobs + bias)):
                        chances = np.exp(points - points.max())
                        bits[name].append(float(np.log2(chances[chosen] / chances.sum())))
        kept = tuned[0].parameters["calibration"][item]
        assert kept["scale"] == pytest.approx(fit_item(own)["scale"], abs=1e-3)
    for name, found in bits.items():
        assert told[name][str(told["chosen"])] == pytest.approx(np.mean(found), abs=2e-3)


def test_the_adapter_is_trained_on_everybody_for_so_many_passes_of_the_same_schedule(
    tiny: Path, study: Study, tuned: tuple[Model, Workspace], tmp_path: Path
) -> None:
    model, workspace = tuned
    recipe = training.Recipe(**model.parameters["recipe"])
    assert (recipe.passes, recipe.epochs) == (model.parameters["passes"]["chosen"], training.LONGEST)
    assert model.parameters["learned_from"] == 18
    log = json.loads((workspace.folder / "adapter" / "training_log.json").read_text())
    assert len(log["epochs"]) == recipe.passes
    assert not (workspace.folder / "folds").exists()
    again = backend(tiny).adapt(study(18), Workspace(tmp_path, 0, Silent()))
    assert again.sha256 == model.sha256
    assert again.parameters["calibration"] == model.parameters["calibration"]


def test_answers_are_calibrated(tiny: Path, study: Study, tuned: tuple[Model, Workspace]) -> None:
    model, workspace = tuned
    others, known = study(8, seed=5), model.parameters["calibration"]
    told = scores(backend(tiny), alone(model), others, workspace)
    plain = replace(model, parameters={**alone(model).parameters, "calibration": {}})
    as_said = scores(backend(tiny), plain, others, workspace)
    for person, answer in told.items():
        for name, chances in answer.probabilities.items():
            points = np.log(as_said[person].probabilities[name]) * known[name]["scale"] + known[name]["bias"]
            expected = np.exp(points) / np.exp(points).sum()
            np.testing.assert_allclose(chances, expected, atol=1e-5)


def test_a_blend_with_the_finetuned_model_has_it_as_a_member(
    tiny: Path, study: Study, tuned: tuple[Model, Workspace]
) -> None:
    """Weights of 0 for the table leave its frequencies, moved towards the finetuned model by its weight."""
    model, workspace = tuned
    known = model.parameters["blend"]
    assert known["members"] == ["resample", "tabular", "own words"]
    weights = {"resample": 0.0, "tabular": 0.0, "own words": 0.5}
    items = {name: {**each, "weights": weights} for name, each in known["items"].items()}
    halved = replace(model, parameters={**model.parameters, "blend": {**known, "items": items}})
    others = study(5, seed=7)
    told, own = (scores(backend(tiny), each, others, workspace) for each in (halved, alone(model)))
    for person, answer in told.items():
        for name, chances in answer.probabilities.items():
            shares = np.array(known["items"][name]["counts"]) + 0.5
            product = shares * (np.array(own[person].probabilities[name]) / shares) ** 0.5
            np.testing.assert_allclose(chances, product / product.sum(), atol=1e-5)


def test_from_shuffled_answers_the_finetuned_member_gets_no_weight_that_it_would_have_got_in_sample(
    tiny: Path, study: Study, workspace: Workspace
) -> None:
    pilot, rng = study(24), np.random.default_rng(1)
    names = [item.name for item in pilot[0].interview.items]
    orders = [rng.permutation(len(pilot)) for _ in names]
    mixed = [
        Transcript(t.interview, {n: pilot[int(o[row])].answers[n] for n, o in zip(names, orders, strict=True)})
        for row, t in enumerate(pilot)
    ]
    local = backend(tiny, adapt="blend_finetuned", epochs=12, rank=16)
    model = local.adapt(mixed, workspace)
    assert mean_weight(model.parameters["blend"]) < 0.15
    told = scores(local, alone(model), mixed, workspace)
    seen = [np.array([told[t.interview.participant_id].probabilities[name] for t in mixed]) for name in names]
    assert mean_weight(Blend.fit(mixed, {"own words": seen}, workspace).known) > 0.3


def mean_weight(known: Mapping[str, Any]) -> float:
    return float(np.mean([each["weights"]["own words"] for each in known["items"].values()]))


def test_a_killed_choice_goes_on_with_the_trainings_that_are_done(
    tiny: Path, study: Study, tuned: tuple[Model, Workspace], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = training._Run.close_epoch

    def killed(self: Any) -> None:
        close(self)
        if self.folder.name == "2" and self.epoch == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Run, "close_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        backend(tiny).adapt(study(18), workspace)
    seen: list[tuple[str, int]] = []
    monkeypatch.setattr(
        training._Run, "close_epoch", lambda self: (seen.append((self.folder.name, self.epoch)), close(self))[1]
    )
    model = backend(tiny).adapt(study(18), workspace)
    assert ("2", 4) in seen
    assert not {("1", 0), ("2", 3)} & set(seen)
    assert model.sha256 == tuned[0].sha256
    assert model.parameters["passes"] == tuned[0].parameters["passes"]


def test_rows_of_one_human_are_left_out_together(study: Study) -> None:
    people = [Transcript(replace(t.interview, person=f"h{at // 4}"), t.answers) for at, t in enumerate(study(24))]
    folds = passes.deal(people, 0)
    assert folds is not None
    assert len(set(folds.tolist())) == passes.FOLDS
    assert all(len(set(folds[at : at + 4].tolist())) == 1 for at in range(0, 24, 4))
    assert passes.deal(people[:8], 0) is None  # two humans


@pytest.mark.parametrize("adapt", ["finetune", "blend_finetuned"])
def test_a_pilot_too_small_for_folds_is_learned_from_as_it_is_and_that_is_said(
    tiny: Path, study: Study, tmp_path: Path, told: Any, adapt: str
) -> None:
    workspace = Workspace(tmp_path, 0, told)
    model = backend(tiny, adapt=adapt).adapt(study(5), workspace)
    assert any("a pilot of 5 is too small to choose passes and to calibrate in it: 9 passes" in x for x in told.lines)
    assert "calibration" not in model.parameters
    answer = next(iter(backend(tiny).score(model, study(1), workspace)))
    assert all(sum(each) == pytest.approx(1) for each in answer.probabilities.values())


def test_the_estimate_counts_the_trainings_that_leave_people_out(tiny: Path, study: Study) -> None:
    people = study(20)
    asked = [t.interview for t in people[12:]]
    found = {
        epochs: backend(tiny, epochs=epochs).estimate(people[:12], asked).adaptation_tokens
        for epochs in (0, 1, training.LONGEST)
    }
    low, high = found[0]
    once, nine = found[1][0], found[training.LONGEST][0]
    looks = high - 3 * nine
    assert 0 < looks <= nine
    assert low == pytest.approx(2 * nine + once + looks, rel=1e-6)


def test_generated_text_is_not_calibrated() -> None:
    with pytest.raises(ConfigError, match=r"epochs=0 calibrates the options and needs backend\.decoding=choice"):
        LocalConfig(epochs=0, decoding="generate")
    with pytest.raises(ConfigError, match=r"adapt=blend_finetuned needs backend\.decoding=choice"):
        LocalConfig(adapt="blend_finetuned", decoding="generate")
