"""Option probabilities are exact, whatever is shared, batched or packed to get them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.nn.utils.rnn import pad_sequence

from simbench.backends.base import Workspace
from simbench.design import Item
from simbench.interview import Interview, Transcript, transcript_messages
from simbench_local import batches, scoring
from simbench_local.answering import Chooser, answer_by_choice, draw, probabilities
from simbench_local.config import LocalConfig
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded, load, place
from simbench_local.plain import score_plainly
from simbench_local.scoring import Choose, Request, prefix_length, run_prefix, score
from simbench_local.store import DEFAULT, resolve
from simbench_local.tree import Forest, ancestors

Study = Callable[..., list[Transcript]]


def requests_of(encoder: Encoder, interviews: Sequence[Interview]) -> list[Request]:
    return [Request(tuple(encoder.interview(each)), each) for each in interviews]


def fixed(options: np.ndarray) -> Choose:
    """Take options that were drawn beforehand, by participant and item."""
    return lambda request, position, logprobs, _: (
        int(options[int(request.key.participant_id[1:]), position]) % len(logprobs)  # type: ignore[attr-defined, index]
    )


def greatest_difference(
    loaded: Loaded, interviews: Sequence[Interview], shared: int | None = None
) -> tuple[float, float]:
    """Largest difference to one plain forward pass per option: in probability, and relative to it."""
    encoder = Encoder(loaded.tokenizer)
    plans = encoder.plan(interviews[0].items)
    requests = requests_of(encoder, interviews)
    options = np.random.default_rng(1).integers(0, 60, size=(1000, len(plans)))
    common = prefix_length([request.prompt for request in requests]) if shared is None else shared
    prefix = run_prefix(loaded, requests[0].prompt[:common])
    fast = score(loaded, prefix, common, requests, plans, fixed(options))
    slow = score_plainly(loaded, requests, plans, fixed(options))
    absolute = relative = 0.0
    for a, b in zip(fast, slow, strict=True):
        assert a.chosen == b.chosen
        for x, y in zip(a.logprobs, b.logprobs, strict=True):
            absolute = max(absolute, float(np.abs(np.exp(x) - np.exp(y)).max()))
            relative = max(relative, float(np.abs(x - y).max()))
    return absolute, relative


@pytest.mark.parametrize("count", [1, 2, 9])
def test_shared_batched_scoring_equals_plain_forward_passes(loaded: Loaded, study: Study, count: int) -> None:
    interviews = [t.interview for t in study(count, conditions=1)]
    absolute, relative = greatest_difference(loaded, interviews)
    assert absolute < 1e-5
    assert relative < 1e-4


def test_scoring_is_exact_with_one_shared_token_and_very_different_lengths(loaded: Loaded, study: Study) -> None:
    interviews = [
        replace(t.interview, persona=t.interview.persona + " and so on" * (7 * i))
        for i, t in enumerate(study(5, conditions=1))
    ]
    absolute, relative = greatest_difference(loaded, interviews, shared=1)
    assert absolute < 1e-5
    assert relative < 1e-4


def test_what_prompts_begin_with_alike_is_fed_once_and_scoring_stays_exact(
    loaded: Loaded, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts of at most 100 tokens, with lengths from short to long in one row block."""
    first = study(1)[0].interview
    personas = [f"{first.persona} You like {'tea ' * (i // 4)}{'a lot' * (i % 4)}" for i in range(12)]
    interviews = [replace(first, participant_id=f"p{i}", persona=persona) for i, persona in enumerate(personas)]
    monkeypatch.setitem(scoring.FOREST, "cpu", 100)
    fed: list[torch.Size] = []
    plain = Loaded.logits
    monkeypatch.setattr(
        Loaded, "logits", lambda self, tokens, *a, **k: fed.append(tokens.shape) or plain(self, tokens, *a, **k)
    )
    assert greatest_difference(loaded, interviews)[0] < 1e-5
    prompts = requests_of(Encoder(loaded.tokenizer), interviews)
    common = prefix_length([request.prompt for request in prompts])
    parts = [tokens for rows, tokens in fed[1:] if rows == 1]  # behind the prefix; then twelve rows per item
    assert len(parts) > 1
    assert sum(parts) < 0.8 * sum(len(request.prompt) - common for request in prompts)


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=8))
def test_a_forest_holds_every_beginning_once(sequences: list[list[int]]) -> None:
    forest = Forest.of(sequences)
    assert [[forest.tokens[i] for i in path] for path in forest.paths] == sequences
    beginnings = {tuple(each[:length]) for each in sequences for length in range(1, len(each) + 1)}
    assert len(forest.tokens) == len(beginnings)
    seen = ancestors(forest.parents)
    for path in forest.paths:
        for depth, token in enumerate(path):
            assert np.flatnonzero(seen[token]).tolist() == sorted(path[: depth + 1])
            assert forest.depth[token] == depth


def test_scoring_is_exact_for_reversed_options(loaded: Loaded, study: Study) -> None:
    turned = tuple(
        Item(i.name, i.role, i.text, i.options[::-1], i.ordered) for i in study(1)[0].interview.items[::-1]
    )
    interviews = [replace(t.interview, items=turned) for t in study(4, conditions=1)]
    assert greatest_difference(loaded, interviews)[0] < 1e-5


@pytest.mark.parametrize("side", ["left", "right"])
@torch.inference_mode()
def test_scoring_equals_transformers_own_batch_padded_on_either_side(loaded: Loaded, study: Study, side: str) -> None:
    """An item's options, each whole behind every prompt, in one padded batch of transformers' own."""
    encoder = Encoder(loaded.tokenizer)
    interviews = [
        replace(t.interview, persona=t.interview.persona + " and so on" * (3 * i), items=t.interview.items[1:2])
        for i, t in enumerate(study(4, conditions=1))
    ]
    requests, plan = requests_of(encoder, interviews), encoder.plan(interviews[0].items)[0]
    assert len({len(option) for option in plan.tree.options}) > 1
    common = prefix_length([request.prompt for request in requests])
    prefix = run_prefix(loaded, requests[0].prompt[:common])
    scored = score(loaded, prefix, common, requests, [plan], lambda *_: 0)

    starts = [len(request.prompt) + len(plan.forced) for request in requests for _ in plan.tree.options]
    texts = [[*request.prompt, *plan.forced, *option] for request in requests for option in plan.tree.options]
    tokens = pad_sequence([torch.tensor(text) for text in texts], batch_first=True, padding_side=side)
    mask = pad_sequence([torch.ones(len(text), dtype=torch.int64) for text in texts], True, padding_side=side)
    begins = mask.argmax(1).tolist()
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with loaded.plain() as model:
        logs = model(input_ids=tokens, attention_mask=mask, position_ids=positions).logits.log_softmax(-1)
    expected = [
        sum(float(logs[row, begin + place - 1, text[place]]) for place in range(start, len(text)))
        for row, (begin, start, text) in enumerate(zip(begins, starts, texts, strict=True))
    ]
    np.testing.assert_allclose(
        np.exp(np.concatenate([one.logprobs[0] for one in scored])), np.exp(expected), atol=1e-5
    )
    np.testing.assert_allclose(np.concatenate([one.logprobs[0] for one in scored]), expected, atol=1e-4)


@pytest.mark.slow
def test_scoring_with_the_embedded_model_equals_plain_forward_passes(study: Study) -> None:
    torch.set_num_threads(2)
    real = load(resolve(DEFAULT), place("cpu", "fp32"))
    absolute, _ = greatest_difference(real, [t.interview for t in study(3, conditions=1)])
    assert absolute < 1e-5


def test_probabilities_of_all_continuations_sum_to_one(loaded: Loaded, study: Study) -> None:
    """A tree over the whole vocabulary is a distribution: nothing is counted twice or left out."""
    from simbench_local.tree import OptionTree

    encoder = Encoder(loaded.tokenizer)
    interview = study(1)[0].interview
    plan = encoder.plan(interview.items)[0]
    options = tuple((first,) for first in range(1, 600)) + tuple((0, second) for second in range(600))
    whole = replace(plan, tree=OptionTree(options), item=plan.item)
    request = Request(tuple(encoder.interview(interview)), interview)
    prefix = run_prefix(loaded, request.prompt[:5])
    one = score(loaded, prefix, 5, [request], [whole], lambda *_: 0)[0]
    assert np.exp(one.logprobs[0]).sum() == pytest.approx(1.0, abs=1e-5)


def test_answers_do_not_depend_on_batch_order_or_company(loaded: Loaded, study: Study, workspace: Workspace) -> None:
    encoder, chooser = Encoder(loaded.tokenizer), Chooser(3)
    interviews = [t.interview for t in study(20)]
    whole = {a.key: a for a in answer_by_choice(loaded, encoder, interviews, chooser, workspace)}
    parts = [*interviews[:7][::-1], *interviews[7:]]
    again = {
        a.key: a
        for part in (parts[:3], parts[3:])
        for a in answer_by_choice(loaded, encoder, part, chooser, workspace, batch_size=3)
    }
    assert {key: a.answers for key, a in whole.items()} == {key: a.answers for key, a in again.items()}


def test_replicates_share_rows_and_differ_in_their_draws(
    loaded: Loaded, study: Study, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    plain = Loaded.logits
    monkeypatch.setattr(
        Loaded, "logits", lambda self, tokens, *a, **k: rows.append(len(tokens)) or plain(self, tokens, *a, **k)
    )
    first = study(1)[0].interview
    interviews = [replace(first, replicate=r) for r in range(40)]
    answers = list(answer_by_choice(loaded, Encoder(loaded.tokenizer), interviews, Chooser(0), workspace))
    assert len(answers) == 40
    assert len({tuple(a.answers.values()) for a in answers}) > 3
    assert rows[:3] == [1, 1, 1]  # the prefix, the one prompt, and one row for all forty on the first item


def test_draws_follow_the_probabilities_of_the_joint_answers(
    loaded: Loaded, study: Study, workspace: Workspace
) -> None:
    """Chi-square of 3,000 draws against the product of conditional probabilities, by enumeration."""
    first = study(1)[0].interview
    items = (first.items[1], first.items[2])
    asked = replace(first, items=items)
    encoder = Encoder(loaded.tokenizer)
    interviews = [replace(asked, replicate=r) for r in range(3000)]
    answers = list(answer_by_choice(loaded, encoder, interviews, Chooser(5), workspace, batch_size=1000))
    expected = np.zeros((4, 2))
    for answer in answers:
        code = items[0].code(answer.answers["fear"])
        expected[code] = answer.probabilities["fear"][code] * np.array(answer.probabilities["act"])
    observed = np.zeros((4, 2))
    for answer in answers:
        observed[items[0].code(answer.answers["fear"]), items[1].code(answer.answers["act"])] += 1
    enough = expected * 3000 > 5
    table = (
        np.append(observed[enough], observed[~enough].sum()),
        np.append(expected[enough], 1 - expected[enough].sum()),
    )
    assert stats.chisquare(table[0], table[1] * 3000).pvalue > 0.001


def test_temperature_sharpens_and_zero_takes_the_likeliest() -> None:
    logprobs = np.log([0.2, 0.1, 0.4])
    assert probabilities(logprobs) == pytest.approx(np.array([2, 1, 4]) / 7)
    assert probabilities(logprobs, 0.5) == pytest.approx(np.array([4, 1, 16]) / 21)
    assert probabilities(logprobs, 0).tolist() == [0, 0, 1]


def test_a_draw_never_takes_an_option_without_probability() -> None:
    chances = np.array([0.0, 1.0, 0.0])
    assert {draw(chances, point) for point in (0.0, 0.5, np.nextafter(1.0, 0.0))} == {1}


def test_running_out_of_memory_halves_the_batch_and_loses_nobody(
    loaded: Loaded, study: Study, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, sizes = Loaded.logits, []

    def tight(self: Loaded, tokens: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        sizes.append(len(tokens))
        if len(tokens) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, tokens, *args, **kwargs)

    encoder, interviews = Encoder(loaded.tokenizer), [t.interview for t in study(17, conditions=1)]
    roomy = {a.key: a.answers for a in answer_by_choice(loaded, encoder, interviews, Chooser(0), workspace)}
    monkeypatch.setattr(Loaded, "logits", tight)
    answers = list(answer_by_choice(loaded, encoder, interviews, Chooser(0), workspace))
    assert {a.key: a.answers for a in answers} == roomy
    assert max(sizes) > 3


def test_memory_short_for_a_single_participant_is_one_clear_message() -> None:
    def never(_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(Exception, match="single participant at a time"):
        list(batches.halving([1, 2, 3, 4], len, never))


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    def broken(_: object) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(batches.halving([1, 2], len, broken))


def test_bfloat16_rounds_weights_and_not_positions(make_model: Callable[..., Path], study: Study) -> None:
    folder = make_model(initializer_range=0.2)
    exact, rounded = (load(resolve(str(folder)), place("cpu", dtype)) for dtype in ("fp32", "bf16"))
    assert {p.dtype for p in rounded.model.parameters()} == {torch.bfloat16}
    assert {b.dtype for b in rounded.model.buffers()} == {torch.float32}
    encoder = Encoder(exact.tokenizer)
    requests = requests_of(encoder, [t.interview for t in study(4, conditions=1)])
    plans = encoder.plan(study(1)[0].interview.items)
    both = [
        score(m, run_prefix(m, requests[0].prompt[:20]), 20, requests, plans, lambda *_: 0) for m in (exact, rounded)
    ]
    for a, b in zip(*both, strict=True):
        for x, y in zip(a.logprobs, b.logprobs, strict=True):
            assert 0.5 * np.abs(probabilities(x) - probabilities(y)).sum() < 0.03


def test_training_text_and_asking_text_are_the_same_tokens(loaded: Loaded, study: Study) -> None:
    """The chat template's rendering of a whole transcript, with a line feed after the last answer."""
    encoder = Encoder(loaded.tokenizer)
    for transcript in study(6):
        turns = transcript_messages(transcript, "lines")
        turns[-1]["content"] += "\n"
        text = loaded.tokenizer.apply_chat_template(turns, tokenize=False).removesuffix("\n")
        tokens = encoder.interview(transcript.interview) + encoder.answer(transcript)
        assert loaded.tokenizer.decode(tokens) == text
        assert tokens == loaded.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"adapt": "lora"}, {"epochs": -1}, {"dtype": "fp64"}, {"learning_rate": 0.0}, {"shots": 0}):
        with pytest.raises(Exception, match="backend"):
            LocalConfig(**wrong)
