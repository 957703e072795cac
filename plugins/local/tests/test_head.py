"""``adapt=head`` and ``adapt=blend``: what is learned from hidden states, and pooled with the pilot's table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from simbench.backends.base import Answer, Model, Workspace
from simbench.backends.blend import Blend, pilot_folds
from simbench.backends.resample import Resample
from simbench.backends.tabular import Tabular, TabularConfig
from simbench.errors import ConfigError, ModelError
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench.settings import NoConfig
from simbench_local import Local, LocalConfig
from simbench_local.encode import Encoder
from simbench_local.head import fit_head
from simbench_local.loading import Loaded, load, place
from simbench_local.lookup import look_up
from simbench_local.store import resolve
from simbench_local.voices import HEAD

Study = Callable[..., list[Transcript]]


@pytest.fixture(scope="session")
def learned(tiny: Path, study: Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Workspace]:
    """A blend learned from forty people, whose head can be asked alone: see :func:`alone`."""
    workspace = Workspace(tmp_path_factory.mktemp("learned"), 0, Silent())
    return backend(tiny, "blend").adapt(study(40), workspace), workspace


def alone(model: Model) -> Model:
    """The head of a blend as ``adapt=head`` would have made it."""
    return replace(model, parameters={**model.parameters, "adapt": "head"})


def backend(folder: Path, adapt: str, **settings: Any) -> Local:
    return Local(LocalConfig(**{"model": str(folder), "device": "cpu", "dtype": "fp32", "adapt": adapt, **settings}))


def scores(local: Local, model: Model, people: list[Transcript], workspace: Workspace) -> dict[str, Answer]:
    model = Model.from_json(json.loads(json.dumps(model.to_json())))
    return {a.participant_id: a for a in local.score(model, people, workspace)}


def dumped(loaded: Loaded, people: list[Transcript], layer: int) -> np.ndarray:
    """Hidden states (n, items, d) by a plain forward pass per person and item, given the person's own answers."""
    encoder, rows = Encoder(loaded.tokenizer), []
    for each in people:
        text, states = encoder.interview(each.interview), []
        for plan in encoder.plan(each.interview.items):
            text = [*text, *plan.forced]
            with torch.inference_mode(), loaded.plain() as model:
                out = model(input_ids=torch.tensor([text]), output_hidden_states=True)
            states.append(out.hidden_states[layer][0, -1].double().numpy())
            text = [*text, *plan.tree.options[plan.item.code(each.answers[plan.item.name])]]
        rows.append(np.stack(states))
    return np.stack(rows)


def bits(told: dict[str, Answer], people: list[Transcript]) -> float:
    """Mean log2 of the probability of people's own answers."""
    return float(
        np.mean(
            [
                np.log2(told[t.interview.participant_id].probabilities[i.name][i.code(t.answers[i.name])])
                for t in people
                for i in t.interview.items
            ]
        )
    )


def test_a_heads_probabilities_are_those_of_scikit_learn_on_the_dumped_states(
    tiny: Path, study: Study, learned: tuple[Model, Workspace]
) -> None:
    """A logit on standardised states' first components, fitted anew, with one made-up uniform person."""
    known = study(40)
    others = study(10, seed=5)
    model = alone(learned[0])
    told = scores(backend(tiny, "head"), model, others, learned[1])
    loaded = load(resolve(str(tiny)), place("cpu", "fp32"))
    states, new = (dumped(loaded, some, model.parameters["head"]["layer"]) for some in (known, others))
    for at, item in enumerate(known[0].interview.items):
        codes = np.array([item.code(t.answers[item.name]) for t in known])
        scaler = StandardScaler().fit(states[:, at])
        axes = np.linalg.svd(scaler.transform(states[:, at]), full_matrices=False)[2][:20]
        design, asked = (scaler.transform(x[:, at]) @ axes.T * 3 / np.sqrt(x.shape[2]) for x in (states, new))
        strength = model.parameters["head"]["penalties"][at]
        logit = LogisticRegression(C=strength, tol=1e-10, max_iter=50_000).fit(design, codes)
        expected = np.full((10, len(item.values)), 1 / len(item.values))
        expected[:, logit.classes_] += 40 * logit.predict_proba(asked)
        found = np.array([told[t.interview.participant_id].probabilities[item.name] for t in others])
        np.testing.assert_allclose(found, expected / 41, atol=1e-6)


def test_answers_follow_from_what_was_answered_before(
    tiny: Path, study: Study, learned: tuple[Model, Workspace]
) -> None:
    """Drawn answers have the probabilities that scoring them as a person's own gives."""
    asked = {t.interview.key: t.interview for t in study(12, seed=3)}
    for adapt, model in (("head", alone(learned[0])), ("blend", learned[0])):
        drawn = list(backend(tiny, adapt).respond(model, list(asked.values()), learned[1]))
        as_own = [Transcript(asked[a.key], a.answers) for a in drawn]
        again = scores(backend(tiny, adapt), model, as_own, learned[1])
        for answer in drawn:
            for name, chances in answer.probabilities.items():
                np.testing.assert_allclose(chances, again[answer.participant_id].probabilities[name], atol=1e-5)


def test_one_seed_gives_one_head_and_one_blend(
    tiny: Path, study: Study, learned: tuple[Model, Workspace], workspace: Workspace
) -> None:
    again = backend(tiny, "blend").adapt(study(40), workspace)
    assert again.to_json() == learned[0].to_json()
    assert (workspace.folder / HEAD).stat().st_size < 100_000


def test_a_blend_is_the_product_of_its_parts(tiny: Path, study: Study, learned: tuple[Model, Workspace]) -> None:
    """f (c / f)^a (t / f)^b (h / f)^d of the parts, asked one by one: shares, copies, ``tabular``, ``adapt=head``."""
    pilot, others, (model, workspace) = study(40), study(20, seed=5), learned
    told = scores(backend(tiny, "blend"), model, others, workspace)
    heads = scores(backend(tiny, "head"), alone(model), others, workspace)
    table = Tabular(TabularConfig())
    copies = Resample(NoConfig())
    rivals = {
        name: {a.participant_id: a for a in each.score(each.adapt(pilot, workspace), others, workspace)}
        for name, each in (("tabular", table), ("resample", copies))
    }
    for each in others:
        key = each.interview.participant_id
        for item in each.interview.items:
            weights = model.parameters["blend"]["items"][item.name]["weights"]
            counts = np.array([sum(t.answers[item.name] == v for t in pilot) for v in item.values]) + 0.5
            shares = counts / counts.sum()
            product = shares * (np.array(heads[key].probabilities[item.name]) / shares) ** weights["head"]
            for name, told_by in rivals.items():
                product *= (np.array(told_by[key].probabilities[item.name]) / shares) ** weights[name]
            np.testing.assert_allclose(told[key].probabilities[item.name], product / product.sum(), atol=1e-9)
    assert any(each["weights"]["tabular"] > 0.3 for each in model.parameters["blend"]["items"].values())


def test_from_shuffled_answers_a_blend_learns_nothing(
    tiny: Path, study: Study, learned: tuple[Model, Workspace], workspace: Workspace
) -> None:
    """The head gets weights near 0, and people are foretold no better, and hardly worse, than by frequencies."""
    pilot, others = study(80), study(60, seed=5)
    names = [item.name for item in pilot[0].interview.items]
    rng = np.random.default_rng(1)
    orders = [rng.permutation(len(pilot)) for _ in names]
    mixed = [
        Transcript(t.interview, {n: pilot[int(o[row])].answers[n] for n, o in zip(names, orders, strict=True)})
        for row, t in enumerate(pilot)
    ]
    model = backend(tiny, "blend").adapt(mixed, workspace)
    known = model.parameters["blend"]
    assert known["gain"]["low"] < 0
    assert mean_weight(known, "head") < 0.15
    assert mean_weight(known, "tabular") < 0.5 * mean_weight(learned[0].parameters["blend"], "tabular")
    zero = {name: {**each, "weights": dict.fromkeys(each["weights"], 0.0)} for name, each in known["items"].items()}
    frequencies = replace(model, parameters={**model.parameters, "blend": {**known, "items": zero}})
    told = [bits(scores(backend(tiny, "blend"), each, others, workspace), others) for each in (model, frequencies)]
    assert abs(told[0] - told[1]) < 0.01


def mean_weight(known: dict[str, Any], member: str) -> float:
    return float(np.mean([each["weights"][member] for each in known["items"].values()]))


def test_a_pilot_too_small_for_folds_falls_back_to_its_frequencies_and_says_so(
    tiny: Path, study: Study, tmp_path: Path, told: Any
) -> None:
    workspace = Workspace(tmp_path, 0, told)
    model = backend(tiny, "blend").adapt(study(7), workspace)
    assert all(w == 0 for each in model.parameters["blend"]["items"].values() for w in each["weights"].values())
    assert any("a pilot of 7 is too small" in line and "frequencies" in line for line in told.lines)
    answer = next(iter(backend(tiny, "blend").score(model, study(1), workspace)))
    for item in study(1)[0].interview.items:
        counts = np.array([sum(t.answers[item.name] == v for t in study(7)) for v in item.values]) + 0.5
        np.testing.assert_allclose(answer.probabilities[item.name], counts / counts.sum(), atol=1e-9)


def test_an_item_that_everybody_answers_alike_and_an_option_nobody_chose_keep_a_chance(
    tiny: Path, study: Study, tmp_path: Path, told: Any
) -> None:
    pilot = [
        Transcript(t.interview, {**t.answers, "act": 1, "fear": min(int(str(t.answers["fear"])), 2)})
        for t in study(20)
    ]
    workspace = Workspace(tmp_path, 0, told)
    model = backend(tiny, "blend").adapt(pilot, workspace)
    assert any("everybody in the pilot answers 'act' alike" in line for line in told.lines)
    for adapt, made in (("head", alone(model)), ("blend", model)):
        answer = next(iter(backend(tiny, adapt).score(made, study(1), workspace)))
        assert 0 < answer.probabilities["act"][0] < 0.1
        assert 0 < answer.probabilities["fear"][3] < 0.1


def test_people_who_are_offered_what_nobody_in_the_pilot_was_are_refused_at_once(tiny: Path, study: Study) -> None:
    people = study(12)
    few = people[0].interview.items[1]
    fewer = replace(few, options=few.options[:3])
    pilot = [
        Transcript(
            replace(t.interview, items=(t.interview.items[0], fewer, t.interview.items[2])), {**t.answers, "fear": 1}
        )
        for t in people
    ]
    backend(tiny, "head").check(pilot, [t.interview for t in pilot])
    with pytest.raises(ConfigError, match="nobody in it was offered 'very, very much' of item 'fear'"):
        backend(tiny, "blend").check(pilot, [people[0].interview])
    with pytest.raises(ConfigError, match=r"needs backend\.decoding=choice"):
        backend(tiny, "head", decoding="generate")


def test_numbers_too_large_for_their_format_are_left_out_and_none_at_all_is_an_error(study: Study) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(20, 1, 3, 8))
    item = study(1)[0].interview.items[2]
    codes = (hidden[:, 0, 1, 0] > 0).astype(np.int64)
    hidden[3, 0, :, 5] = np.inf
    hidden[:, 0, 2] = np.nan
    folds = np.arange(20) % 5
    head, tables, _ = fit_head((4, 5, 6), hidden, [item], [codes], folds)
    assert head.layer in (4, 5)
    assert np.isfinite(tables[0]).all()
    assert np.isfinite(head.chances(item.name, np.full((1, 8), np.inf))).all()
    with pytest.raises(ModelError, match=r"backend\.dtype=fp32"):
        fit_head((4,), np.full((20, 1, 1, 8), np.nan), [item], [codes], folds)


def test_a_model_that_shows_no_hidden_states_is_one_clear_message(
    tiny: Path, study: Study, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    plain = LlamaForCausalLM.forward

    def silent(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = plain(self, *args, **kwargs)
        out.hidden_states = None
        return out

    monkeypatch.setattr(LlamaForCausalLM, "forward", silent)
    with pytest.raises(ModelError, match=r"does not give the hidden states.*adapt=calibrate"):
        backend(tiny, "head").adapt(study(12), workspace)


def test_a_head_that_was_changed_does_not_answer(
    tiny: Path, study: Study, learned: tuple[Model, Workspace], workspace: Workspace
) -> None:
    content = bytearray((learned[1].folder / HEAD).read_bytes())
    content[-1] ^= 1
    (workspace.folder / HEAD).write_bytes(bytes(content))
    with pytest.raises(ModelError, match="not what this run was made with"):
        list(backend(tiny, "head").respond(alone(learned[0]), [study(1)[0].interview], workspace))


def test_models_that_cannot_share_a_prefix_have_the_same_states(
    loaded: Loaded, study: Study, workspace: Workspace
) -> None:
    people, encoder = study(3), Encoder(loaded.tokenizer)
    watched = replace(loaded, watched=(0, 1, 2))
    fast = look_up(watched, encoder, people, workspace, "")
    with watched.plain() as model:
        slow = look_up(replace(watched, model=model, shared=False), encoder, people, workspace, "")
    for a, b in zip(fast, slow, strict=True):
        np.testing.assert_allclose(np.stack(a.hidden), np.stack(b.hidden), atol=1e-4)
        np.testing.assert_allclose(
            np.stack(a.hidden)[:, 1],
            dumped(loaded, people, 1)[people.index(next(p for p in people if p.interview is a.request.key))],
            atol=1e-4,
        )


def test_rows_of_one_human_are_in_one_fold(study: Study) -> None:
    people = [Transcript(replace(t.interview, person=f"h{at // 3}"), t.answers) for at, t in enumerate(study(60))]
    folds = pilot_folds(people, 0)
    assert len(set(folds.tolist())) == 5
    assert all(len(set(folds[at : at + 3].tolist())) == 1 for at in range(0, 60, 3))
    assert not pilot_folds(people[:12], 0).any()  # four humans


def test_what_a_blend_says_in_words_is_what_its_gain_says(study: Study, workspace: Workspace) -> None:
    people = [
        Transcript(replace(t.interview, items=t.interview.items[1:2]), {"fear": t.answers["fear"]}) for t in study(50)
    ]
    item = people[0].interview.items[0]
    codes = np.array([item.code(t.answers["fear"]) for t in people])
    knowing = Blend.fit(people, {"oracle": [np.eye(4)[codes] * 0.9 + 0.1 / 4]}, workspace)
    assert "the model adds: +" in knowing.in_words()
    ignorant = Blend.fit(people, {"flat": [np.full((50, 4), 1 / 4)]}, workspace)
    assert "the model adds: " not in ignorant.in_words()
    weights = [each.known["items"]["fear"]["weights"] for each in (knowing, ignorant)]
    assert weights[0]["oracle"] > 0.5 > weights[1]["flat"]
