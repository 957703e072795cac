"""Which models are declared, until when they live, and what servers say of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest

from simbench.errors import BackendError, ConfigError, ModelError, UnsupportedError
from simbench.testing.study import interviews, transcripts, workspace
from simbench_api import Found, Takes, Trouble
from simbench_api.preflight import look_up
from simbench_api.talk import Talk
from simbench_api.testing import LocalServer, answering
from simbench_api.tokens import message_tokens, pieces
from simbench_openai.backend import OpenAI, OpenAIConfig
from simbench_openai.client import OpenAIProvider

TODAY = "2026-11-24"
Answer = Callable[[str], tuple[int, object]]


class Says:
    """A provider that says one thing of any model."""

    def __init__(self, found: Found) -> None:
        self.found = found

    def look_up(self, model: str) -> Found:
        return self.found


@pytest.fixture(autouse=True)
def today(monkeypatch) -> None:
    """The tests' own day, so that they do not age."""
    from datetime import UTC, datetime

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromisoformat(TODAY).replace(tzinfo=UTC)

    monkeypatch.setattr("simbench_api.preflight.datetime", Clock)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-some-key-of-mine")


def made(model: str, **settings) -> OpenAI:
    return OpenAI(OpenAIConfig(**{"model": model, "base_url": "https://api.openai.com/v1", **settings}))


def told(model: str, found: Found, **settings) -> list[str]:
    said: list[str] = []
    look_up(Says(found), model, made(model, **settings).terms, said.append)  # type: ignore[arg-type]
    return said


@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-4.1-nano", "gpt-4o-2024-05-13"])
def test_a_model_that_was_shut_down_is_refused_with_the_way_out(model) -> None:
    with pytest.raises(ModelError, match=r"2026-10-23.*check_model=false"):
        told(model, Found(None))


@pytest.mark.parametrize(
    ("model", "date"), [("gpt-5", "2026-12-11"), ("gpt-5-nano-2025-08-07", "2026-12-11"), ("gpt-4.1", "2027-01-14")]
)
def test_a_model_within_sixty_days_of_its_end_is_warned_of(model, date) -> None:
    (said,) = told(model, Found(True))
    assert date in said
    (note,) = [each for each in made(model).estimate([], interviews(2)).notes if "shut down" in each]
    assert date in note


def test_the_servers_own_date_counts_and_other_hosts_have_none() -> None:
    assert told("gpt-4.1", Found(True, "2028-01-01")) == []
    assert told("gpt-4.1", Found(None), base_url="https://mine.openai.azure.com/openai/v1") == []
    assert (
        told("gpt-5.1", Found(True)) == told("a-new-model", Found(None), capabilities=Takes(json_schema=True)) == []
    )
    (said,) = told("ft:gpt-4.1-2025-04-14:org::id", Found(True), adapt="none")
    assert "2027-01-14" in said


def test_the_default_lives_and_what_is_newer_is_declared() -> None:
    default = OpenAIConfig().model
    assert made(default).terms.shutdown() is None
    for model in (default, "gpt-5.2", "gpt-5.4-mini", "gpt-5.5", "gpt-5.6-terra", "gpt-6-sol", "gpt-6.1-terra"):
        backend = made(model)
        backend.check([], [])
        assert backend.terms.capabilities().takes("finetune") is False
        assert backend.terms.price() is not None


@pytest.fixture
def server() -> Iterator[tuple[list[Answer], str]]:
    """A server that answers every request as the one function in the list says."""
    rule: list[Answer] = []

    with answering(lambda path, _: rule[0](path)) as url:
        yield rule, url


def error(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "t", **more}}


SCOPE = "You have insufficient permissions for this operation. Missing scopes: api.model.read."


@pytest.mark.parametrize(
    ("listed", "model", "exists"),
    [
        ((200, [{"id": "m"}]), "m", None),
        ((200, [{"id": "m"}]), "n", False),
        ((200, {"models": [{"name": "m"}]}), "n", False),
        ((200, {"data": [{"id": "org/m"}]}), "org/m:nitro", None),
        ((200, {"data": [{"id": "org/m"}]}), "org/m:floor", None),
        ((200, "models"), "m", None),
        ((403, error("no")), "m", None),
        ((401, error(SCOPE)), "m", None),
    ],
)
def test_odd_lists_of_models_are_read_or_say_nothing(server, listed, model, exists) -> None:
    rule, url = server
    rule.append(lambda path: listed if path.endswith("/models") else (404, error("no such path")))
    provider = OpenAIProvider(url, "sk-some-key-of-mine", 5.0)
    assert provider.look_up(model).exists is exists
    provider.close()


@pytest.mark.parametrize(("listed", "exists"), [([{"id": "m"}], None), ([{"id": "n"}], False)])
@pytest.mark.parametrize("status", [400, 404, 405, 422])
def test_a_server_that_does_not_take_the_question_is_asked_for_its_list(server, status, listed, exists) -> None:
    rule, url = server
    rule.append(lambda path: (200, {"data": listed}) if path.endswith("/models") else (status, error("bad path")))
    provider = OpenAIProvider(url, "sk-some-key-of-mine", 5.0)
    assert provider.look_up("m").exists is exists
    provider.close()


def test_a_look_that_fails_says_how_to_do_without_it(server) -> None:
    rule, url = server
    rule.append(lambda path: (500, error("oh")))
    with pytest.raises(BackendError, match=r"oh.*backend\.check_model=false"):
        made("m", base_url=url, capabilities=Takes(json_schema=True), give_up_after=0.1).ready()


def test_what_an_account_may_not_do_is_not_called_a_bad_key(server) -> None:
    rule, url = server
    rule.append(lambda path: (403, error("Country, region, or territory not supported")))

    async def ask() -> None:
        provider = OpenAIProvider(url, "sk-some-key-of-mine", 5.0)
        try:
            await provider.send({"model": "m", "messages": []})
        finally:
            await provider.aclose()

    with pytest.raises(Trouble, match=r"key or account.*not supported") as told:
        asyncio.run(ask())
    assert told.value.fatal


@pytest.mark.parametrize(("status", "said"), [(403, error("no")), (401, error(SCOPE))])
def test_a_key_that_may_not_read_models_may_ask_them(server, status, said) -> None:
    rule, url = server
    rule.append(lambda path: (status, said))
    provider = OpenAIProvider(url, "sk-some-key-of-mine", 5.0)
    assert provider.look_up("m").exists is None
    provider.close()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, error("The prompt was filtered.", code="content_filter", innererror={"code": "Policy"})),
        (
            403,
            error("Your input was flagged", metadata={"reasons": ["x"], "flagged_input": "y", "provider_name": "z"}),
        ),
    ],
)
def test_a_prompt_that_a_filter_turned_down_is_an_outcome(server, status, said) -> None:
    rule, url = server
    rule.append(lambda path: (status, said))

    async def ask():
        provider = OpenAIProvider(url, "sk-some-key-of-mine", 5.0)
        try:
            return await provider.send({"model": "m", "messages": []})
        finally:
            await provider.aclose()

    assert asyncio.run(ask()).status == "content_filter"


def test_no_look_at_the_model_where_it_is_not_wanted(tmp_path) -> None:
    takes = Takes(json_schema=True, thinking=False)
    with LocalServer() as running:
        settings = {"base_url": running.openai_url, "capabilities": takes, "check_model": False}
        backend = made("stand-in", **settings)
        lent = workspace(tmp_path)
        found = list(backend.respond(backend.adapt([], lent), interviews(3), lent))
        assert {each.status for each in found} == {"ok"}
        assert not any("/models" in entry.path for entry in running.log)


def test_room_for_thinking_is_small_where_nothing_is_known_and_none_where_it_is_off() -> None:
    url = "http://127.0.0.1:9/v1"
    known = dict.fromkeys(("json_schema", "seed"), True)
    assert made("x", base_url=url, capabilities=Takes(**known)).terms.thinking_limit() == 1000
    assert made("gpt-6-luna", reasoning_effort="none").terms.thinking_limit() == 0
    assert made("gpt-6-luna").terms.thinking_limit() == 4000


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": 1e-320},
        {"learning_rate_multiplier": float("inf")},
        {"learning_rate_multiplier": 1e-320},
        {"give_up_after": float("inf")},
        {"extra_body": {"messages": []}},
        {"extra_body": {"provider": float("nan")}},
    ],
)
def test_numbers_and_fields_that_cannot_be_are_refused(wrong) -> None:
    with pytest.raises(ConfigError, match=f"backend.{next(iter(wrong))}"):
        made("gpt-4.1", **wrong)


def test_more_fields_are_sent_with_every_request_and_cut_prompts_are_told(server, tmp_path) -> None:
    rule, url = server
    answer = {"choices": [{"message": {"content": "no"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9}}
    rule.append(lambda path: (200, answer if path.endswith("completions") else {"id": "m"}))
    takes = Takes(json_schema=True, thinking=False, logprobs=True)
    more = {"provider": {"order": ["x"]}}
    backend = made("m", base_url=url, capabilities=takes, extra_body=more, logprobs=True, reask=0, check_model=False)
    lent = workspace(tmp_path)
    pilot = transcripts(20)
    list(backend.respond(backend.adapt(pilot, lent), interviews(3, first=50), lent))
    said = lent.progress.said
    assert len([each for each in said if "cut long prompts in silence" in each]) == 1
    assert len([each for each in said if "no probabilities" in each]) == 1
    with LocalServer() as running:
        backend = made("stand-in", base_url=running.openai_url, capabilities=takes, extra_body=more)
        list(backend.respond(backend.adapt([], lent), interviews(3), lent))
        bodies = [json.loads(entry.body) for entry in running.log if entry.path.endswith("completions")]
        assert [body["provider"] for body in bodies] == [{"order": ["x"]}] * 3


def test_drop_is_not_suggested_where_it_cannot_help() -> None:
    with pytest.raises(UnsupportedError) as refused:
        made("gpt-6-luna", adapt="finetune").check([], [])
    assert "on_unsupported" not in str(refused.value)


def test_the_range_of_an_estimate_says_what_of_it_is_hidden_and_caches_nothing_that_sets_out_at_once() -> None:
    from simbench.testing.study import interviews, transcripts

    pilot, asked = transcripts(60), interviews(100)

    def told(**settings):
        return OpenAI(OpenAIConfig(model="gpt-6-luna", few_shot_tokens=8000, **settings)).estimate(pilot, asked)

    lows = [told(concurrency=most).cost[0] for most in (1, 50, 100)]
    assert lows == sorted(set(lows))  # 99, 50 and none of the prompts can be cached
    thinking, plain = told(), told(reasoning_effort="none")
    assert thinking.cost == plain.cost  # what is hidden is told apart
    assert (plain.hidden_tokens, thinking.hidden_tokens) == (0, 100 * 4000)
    assert thinking.hidden_cost == pytest.approx(100 * 4000 * 0.5 / 1e6)
    assert any(f"${thinking.hidden_cost:.4f}" in note for note in thinking.notes)
    assert plain.cost[1] < 8 * plain.cost[0]


# Tokens that OpenAI's o200k_base and cl100k_base make, counted by bpe-openai 0.1.4.
COUNTED = [
    ("You are 34 years old, female, and live in the North. How much of $100 do you send?", 24, 24),
    ("expected_return: How much will come back? Options: nothing | half | all", 16, 16),
    ("Do you agree that newcomers strengthen the country's economy, or not?", 13, 14),
    ("Wie stark stimmen Sie den folgenden Aussagen über Einwanderung zu?", 13, 17),
    ("请想象您正在参加一项调查。", 10, 13),
]


@pytest.mark.parametrize(("text", "o200k", "cl100k"), COUNTED)
def test_pieces_are_about_as_many_as_published_tokenizers_make_tokens(text, o200k, cl100k) -> None:
    low, high = pieces(text)
    assert 0.9 * low <= min(o200k, cl100k)
    assert max(o200k, cl100k) <= 1.35 * high
    assert not text.isascii() or low == high


def test_an_estimate_holds_the_schema_and_keeps_its_prompt_within_a_third() -> None:
    for form in ("json", "lines"):
        low, high = made("gpt-4.1", elicitation=form, adapt="none").estimate([], interviews(50)).input_tokens
        assert high < 1.34 * low
    told = [
        made("gpt-4.1", elicitation=form, adapt="none").estimate([], interviews(50)) for form in ("json", "lines")
    ]
    assert told[0].input_tokens[0] > told[1].input_tokens[0] + 50 * 40  # a schema of 40 tokens or more is billed


def test_a_promise_holds_the_schema(tmp_path) -> None:
    most = []
    for form in ("json", "lines"):
        backend = made("gpt-4.1", elicitation=form, adapt="none", max_tokens=100)
        lent = workspace(tmp_path)
        session = backend._session(backend.adapt([], lent), lent)
        ask = Talk(interviews(1)[0], session.manner).ask
        most.append(session.desk.most_prompt(ask) - message_tokens(ask.messages)[1] * 1.1)
    assert most[0] > most[1] + 40


def test_a_promise_for_a_batch_is_at_its_price(tmp_path) -> None:
    most = []
    for mode in ("live", "batch"):
        backend = made("gpt-4.1", mode=mode, adapt="none")
        lent = workspace(tmp_path)
        session = backend._session(backend.adapt([], lent), lent)
        most.append(session.desk._advance(Talk(interviews(1)[0], session.manner)).claim.most)  # type: ignore[union-attr]
    assert most[1] == pytest.approx(most[0] / 2)
