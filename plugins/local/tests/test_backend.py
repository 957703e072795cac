"""The backend through its contract, with a tiny random model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from simbench.backends.base import Model, Workspace
from simbench.backends.calibration import PRIOR, fit
from simbench.errors import UserError
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench_local import Local, LocalConfig
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.shots import Shots

Study = Callable[..., list[Transcript]]


def backend(tiny: Path, **settings: object) -> Local:
    return Local(LocalConfig(model=str(tiny), device="cpu", dtype="fp32", **settings))  # type: ignore[arg-type]


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, simbench_local; print([m for m in ('torch', 'transformers', 'peft') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("adapt", ["finetune", "calibrate", "few_shot", "none"])
def test_every_way_of_adapting_answers_everybody(tiny: Path, study: Study, workspace: Workspace, adapt: str) -> None:
    local = backend(tiny, adapt=adapt, epochs=1, rank=4, shots=3)
    people = study(14)
    model = local.adapt(people[:6], workspace)
    stored = Model.from_json(json.loads(json.dumps(model.to_json())))
    interviews = [t.interview for t in people[6:]]
    answers = {a.key: a for a in local.respond(stored, interviews, workspace)}
    assert set(answers) == {i.key for i in interviews}
    for interview in interviews:
        answer = answers[interview.key]
        assert answer.status == "ok"
        for item in interview.items:
            assert answer.answers[item.name] in item.values
            assert sum(answer.probabilities[item.name]) == pytest.approx(1)
            assert 0 < answer.valid_mass[item.name] <= 1
    assert model.parameters["adapt"] == adapt
    assert local.record()["dtype"] == "fp32"


def test_without_a_pilot_the_unadapted_model_answers(tiny: Path, study: Study, workspace: Workspace) -> None:
    model = backend(tiny, adapt="finetune").adapt([], workspace)
    assert model.parameters["adapt"] == "none"
    assert model.adapter is None


def test_an_interrupted_run_gives_the_same_answers(tiny: Path, study: Study, workspace: Workspace) -> None:
    local = backend(tiny, adapt="none", batch_size=4)
    model = local.adapt([], workspace)
    interviews = [t.interview for t in study(15)]
    whole = {a.key: a.answers for a in local.respond(model, interviews, workspace)}
    begun = local.respond(model, interviews, workspace)
    first = [next(begun) for _ in range(6)]
    begun.close()  # type: ignore[attr-defined]
    left = [i for i in interviews if i.key not in {a.key for a in first}]
    rest = list(local.respond(model, left, workspace))
    assert {a.key: a.answers for a in (*first, *rest)} == whole


def test_finetuning_moves_answers_to_those_of_the_pilot(tiny: Path, study: Study, workspace: Workspace) -> None:
    """Everybody in the pilot says yes and 5."""
    pilot = [replace(t, answers={"harm": 5, "fear": 2, "act": 1}) for t in study(8)]
    local = backend(tiny, epochs=60, learning_rate=0.01)
    model = local.adapt(pilot, workspace)
    answers = list(local.respond(model, [t.interview for t in study(12, seed=1)], workspace))
    assert np.mean([a.answers["harm"] == 5 and a.answers["act"] == 1 for a in answers]) > 0.7


def test_an_adapter_is_reused_and_gives_the_same_answers(
    tiny: Path, study: Study, workspace: Workspace, tmp_path: Path
) -> None:
    first = backend(tiny, epochs=3, learning_rate=0.01)
    model = first.adapt(study(8), workspace)
    interviews = [t.interview for t in study(6, seed=1)]
    other = Workspace(tmp_path / "other", 0, Silent())
    second = backend(tiny, adapt="none", adapter=str(workspace.folder / "adapter"))
    second.check(study(8), interviews)
    reused = second.adapt(study(8), other)
    assert reused.sha256 == model.sha256
    answers = [
        {a.key: a.answers for a in local.respond(m, interviews, w)}
        for local, m, w in ((first, model, workspace), (second, reused, other))
    ]
    assert answers[0] == answers[1]


def test_finetuning_goes_on_from_an_adapter_whose_shape_holds(
    tiny: Path, study: Study, workspace: Workspace, tmp_path: Path
) -> None:
    """Hardly trained, it answers as the adapter does; trained on people who answer alike, it forgets others."""
    folder, others = workspace.folder / "adapter", study(6, seed=1)
    first = backend(tiny, epochs=6, learning_rate=0.01, rank=4, targets="q_proj,v_proj")
    known = first.adapt(study(12), workspace)
    pilot = [replace(t, answers={"harm": 5, "fear": 2, "act": 1}) for t in study(8)]
    told = [{a.key: a.probabilities for a in first.score(known, others, workspace)}]
    for name, rate, epochs in (("hardly", 1e-8, 1), ("much", 0.01, 40)):
        local = backend(tiny, adapter=str(folder), learning_rate=rate, epochs=epochs, rank=16)
        lent = Workspace(tmp_path / name, 0, Silent())
        model = local.adapt(pilot, lent)
        recipe = model.parameters["recipe"]
        assert (recipe["rank"], recipe["targets"], recipe["start"]) == (4, "q_proj,v_proj", known.sha256)
        assert model.sha256 != known.sha256
        assert model.adapter == "adapter"
        told.append({a.key: a.probabilities for a in local.score(model, others, lent)})
    start, hardly, much = (np.array([p["act"] for p in each.values()]) for each in told)
    np.testing.assert_allclose(start, hardly, atol=1e-4)
    assert np.abs(start - much).max() > 0.01


def test_free_text_is_parsed_and_its_draws_do_not_depend_on_company(
    tiny: Path, study: Study, workspace: Workspace
) -> None:
    pilot = [replace(t, answers={"harm": 5, "fear": 0, "act": t.answers["act"]}) for t in study(8)]
    local = backend(tiny, decoding="generate", epochs=80, learning_rate=0.005, temperature=0.5)
    model = local.adapt(pilot, workspace)
    interviews = [t.interview for t in pilot]
    together = {a.key: a for a in local.respond(model, interviews, workspace)}
    alone = {a.key: a for i in interviews for a in local.respond(model, [i], workspace)}
    assert {k: a.text for k, a in together.items()} == {k: a.text for k, a in alone.items()}
    assert {a.status for a in together.values()} <= {"ok", "invalid", "truncated"}
    assert sum(a.status == "ok" for a in together.values()) >= 5
    for answer in together.values():
        assert (answer.status == "ok") == (answer.error is None)
        if answer.status == "ok":
            assert answer.text.startswith(f"harm: {answer.answers['harm']}\nfear: ")


def test_an_adapted_models_choices_are_distributed_like_its_valid_free_answers(
    make_model: Callable[..., Path], study: Study, workspace: Workspace
) -> None:
    """Chi-square of 800 choices against the valid ones of as many free texts, most of which are."""
    folder = make_model(hidden_size=128, intermediate_size=256, initializer_range=0.2)
    asked = replace(study(1)[0].interview, items=study(1)[0].interview.items[1:])
    given = [
        {"fear": fear, "act": act} for fear, act in ((0, 0), (1, 1), (3, 1), (0, 1), (3, 1), (1, 0), (3, 0), (2, 1))
    ]
    local = backend(folder, epochs=40, learning_rate=0.003, rank=64, loss="answer")
    model = local.adapt(
        [Transcript(replace(asked, participant_id=str(i)), a) for i, a in enumerate(given)], workspace
    )
    interviews = [replace(asked, replicate=r) for r in range(800)]
    counts = []
    for decoding in ("choice", "generate"):
        answers = backend(folder, decoding=decoding).respond(model, interviews, workspace)
        counts.append(Counter((a.answers["fear"], a.answers["act"]) for a in answers if a.status == "ok"))
    assert counts[1].total() > 500
    table = np.array([[each[cell] for cell in sorted(counts[0] | counts[1])] for each in counts])
    assert table.shape[1] >= 6
    assert stats.chi2_contingency(table[:, table.sum(axis=0) >= 10]).pvalue > 0.001


def test_text_that_is_cut_off_is_called_truncated(tiny: Path, study: Study, workspace: Workspace) -> None:
    local = backend(tiny, adapt="none", decoding="generate", max_new_tokens=2)
    answers = list(local.respond(local.adapt([], workspace), [study(1)[0].interview], workspace))
    assert [a.status for a in answers] == ["truncated"]
    assert "harm" in str(answers[0].error)


def test_choices_and_restricted_free_text_have_one_distribution(
    loaded: Loaded, study: Study, workspace: Workspace
) -> None:
    """Free text that happens to be valid follows the choice probabilities: P(yes | valid), first token on."""
    from simbench_local.answering import Chooser, answer_by_choice

    interview = replace(study(1)[0].interview, items=study(1)[0].interview.items[2:])
    encoder = Encoder(loaded.tokenizer)
    answer = next(iter(answer_by_choice(loaded, encoder, [interview], Chooser(0), workspace)))
    plan = encoder.plan(interview.items)[0]
    text = [*encoder.interview(interview), *plan.forced]
    weights = []
    for option in plan.tree.options:
        weight, sofar = 1.0, list(text)
        for token in option:
            with torch.inference_mode(), loaded.plain() as model:
                weight *= float(model(torch.tensor([sofar])).logits[0, -1].softmax(-1)[token])
            sofar.append(token)
        weights.append(weight)
    assert answer.valid_mass["act"] == pytest.approx(sum(weights), rel=1e-4)
    assert answer.probabilities["act"] == pytest.approx(np.array(weights) / sum(weights), abs=1e-5)


def test_calibration_is_the_maximum_of_the_penalised_likelihood() -> None:
    rng = np.random.default_rng(0)
    logprobs = rng.normal(size=(40, 3)) * 2
    chosen = rng.integers(3, size=40)

    def loss(theta: np.ndarray) -> float:
        total = 0.5 * PRIOR * float(theta[1:] @ theta[1:])
        for row, c in zip(logprobs, chosen, strict=True):
            weights = np.exp(theta[0] ** 2 * row + theta[1:])
            total -= float(np.log(weights[c] / weights.sum()))
        return total

    found = fit(logprobs, chosen)
    best = optimize.minimize(loss, [0.5, 0, 0, 0], method="Nelder-Mead", options={"maxiter": 9000, "fatol": 1e-12})
    assert loss(np.array([found["scale"] ** 0.5, *found["bias"]])) == pytest.approx(best.fun, abs=1e-6)


def test_calibration_recovers_the_pilots_frequencies_and_keeps_unseen_options_possible() -> None:
    logprobs = np.tile(np.log([0.9, 0.05, 0.03, 0.02]), (100, 1))
    chosen = np.repeat([1, 2], [70, 30])
    fitted = fit(logprobs, chosen)
    weights = np.exp(fitted["scale"] * logprobs[0] + np.array(fitted["bias"]))
    shares = weights / weights.sum()
    assert shares[1] == pytest.approx(0.7, abs=0.03)
    assert 0 < shares[3] < 0.02


def test_few_shot_examples_come_from_the_participants_own_condition_first(study: Study) -> None:
    pilot = study(10)
    shots = Shots.of(pilot, 6, seed=0)
    turns = shots.before(study(2)[1].interview)
    asked = [turn["content"] for turn in turns if turn["role"] == "system"]
    own = study(2)[1].interview.shared
    assert len(asked) == 6
    assert [text.startswith(own) for text in asked] == [False] + [True] * 5
    assert Shots.of(pilot, 6, seed=0) == shots != Shots.of(pilot, 6, seed=1)


def test_few_shot_prompts_say_a_conditions_text_once(tiny: Path, study: Study, loaded: Loaded) -> None:
    pilot, asked = study(6, conditions=1), study(7, conditions=1)[6].interview
    encoder = Encoder(loaded.tokenizer)
    text = loaded.tokenizer.decode(encoder.interview(asked, Shots.of(pilot, 3, 0).before(asked)))
    assert text.count("A study with a story") == 1
    assert text.count("About you:") == 4


def test_a_missing_adapter_is_refused_before_anything_is_loaded(tiny: Path, study: Study) -> None:
    with pytest.raises(UserError, match="there is no adapter /nowhere"):
        backend(tiny, adapter="/nowhere").check([], [])


@pytest.mark.parametrize("adapt", ["none", "few_shot", "calibrate"])
def test_real_answers_are_as_likely_as_in_a_plain_forward_pass(
    tiny: Path, study: Study, workspace: Workspace, adapt: str
) -> None:
    """Each item behind the person's real answers before: the library's own model, whole texts, no cache, fp32."""
    from transformers import AutoModelForCausalLM

    people = study(16)
    local = backend(tiny, adapt=adapt, shots=2, temperature=1.3)
    model = local.adapt(people[:6], workspace)
    said = {each.key: each for each in local.score(model, people[6:], workspace)}
    plain = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    encoder = Encoder(_tokenizer(tiny))
    if adapt == "few_shot":
        before = Shots.load(workspace.folder / "few_shot.json", model.parameters["shots_sha256"]).before
    fitted, bits = model.parameters.get("calibration", {}), []
    for each in people[6:]:
        assert said[each.interview.key].answers == each.answers
        text = encoder.interview(each.interview, before(each.interview) if adapt == "few_shot" else ())
        for plan in encoder.plan(each.interview.items):
            text = [*text, *plan.forced]
            logprobs = np.array([_whole_logprob(plain, text, option) for option in plan.tree.options])
            if adapt == "calibrate":
                logprobs = fitted[plan.item.name]["scale"] * logprobs + fitted[plan.item.name]["bias"]
            expected = np.exp(logprobs / 1.3) / np.exp(logprobs / 1.3).sum()
            found = said[each.interview.key].probabilities[plan.item.name]
            assert found == pytest.approx(expected, abs=1e-5)
            own = plan.item.code(each.answers[plan.item.name])
            bits.append((np.log2(found[own]), np.log2(expected[own])))
            text += plan.tree.options[own]
    assert np.mean(bits, axis=0)[0] == pytest.approx(np.mean(bits, axis=0)[1], abs=1e-5)


def _tokenizer(folder: Path) -> object:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def _whole_logprob(plain: torch.nn.Module, text: list[int], option: tuple[int, ...]) -> float:
    logits = plain(input_ids=torch.tensor([[*text, *option]]), use_cache=False).logits[0].double()
    rows = logits.log_softmax(dim=-1)[len(text) - 1 : -1]
    return float(sum(row[token] for row, token in zip(rows, option, strict=True)))


def test_the_likelihood_of_free_text_is_not_known(tiny: Path, study: Study, workspace: Workspace) -> None:
    local = backend(tiny, adapt="none", decoding="generate")
    with pytest.raises(UserError, match="decoding=choice"):
        local.score(local.adapt([], workspace), study(2), workspace)
