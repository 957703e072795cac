"""The stand-in speaks the providers' protocols: everything here goes through the real SDKs."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from typing import Any

import anthropic
import openai
import pytest

from simbench_api.testing import Faults, LocalServer, RemoteServer
from simbench_api.testing.server import main as server_main

SHARED = "Questions:\nhow: How much? Options: A lot | A little | Nothing\nsent: Sent? Options: 1 | 2 | 3"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "how": {"type": "string", "enum": ["A lot", "A little", "Nothing"]},
        "sent": {"type": "string", "enum": ["1", "2", "3"]},
    },
    "required": ["how", "sent"],
    "additionalProperties": False,
}
STRICT = {"type": "json_schema", "json_schema": {"name": "answers", "schema": SCHEMA, "strict": True}}


def asked(persona: object) -> list[dict[str, str]]:
    return [{"role": "system", "content": SHARED}, {"role": "user", "content": f"About you: {persona}"}]


@pytest.fixture
def server():
    with LocalServer(keys=["right"], job_seconds=0.2, batch_seconds=0.2) as running:
        yield running


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.openai_url, api_key="right", max_retries=0) as made:
        yield made


@pytest.fixture
def claude(server):
    with anthropic.Anthropic(base_url=server.anthropic_url, api_key="right", max_retries=0) as made:
        yield made


def chat(client: openai.OpenAI, persona: object = "", **settings):
    return client.chat.completions.create(model="gpt-4.1", messages=asked(persona), **settings)


def test_answers_fit_the_schema_and_follow_from_messages_and_seed(client) -> None:
    first = [chat(client, n, response_format=STRICT, seed=1).choices[0].message.content for n in range(30)]
    again = [chat(client, n, response_format=STRICT, seed=1).choices[0].message.content for n in range(30)]
    other = [chat(client, n, response_format=STRICT, seed=2).choices[0].message.content for n in range(30)]
    assert first == again
    assert first != other
    for text in first:
        found = json.loads(text)
        assert all(found[name] in SCHEMA["properties"][name]["enum"] for name in SCHEMA["properties"])
    assert len(set(first)) > 2


def test_logprobs_are_those_of_the_distribution_drawn_from(client) -> None:
    """The first token's alternatives are a distribution, and drawing many seeds reproduces it."""
    first = chat(client, response_format=STRICT, logprobs=True, top_logprobs=20, seed=0, temperature=2.0)
    tokens = first.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == first.choices[0].message.content
    value = next(token for token in tokens if token.token in ("A", "Nothing"))
    shares = {each.token: math.exp(each.logprob) for each in value.top_logprobs}
    assert sum(shares.values()) == pytest.approx(1.0)
    drawn = Counter(
        json.loads(chat(client, response_format=STRICT, seed=n, temperature=2.0).choices[0].message.content)["how"]
        for n in range(200)
    )
    expected = 200 * shares["Nothing"]
    assert abs(drawn["Nothing"] - expected) < 5 * math.sqrt(200 * 0.25)


def test_without_a_schema_it_answers_the_questions_it_finds(client) -> None:
    lines = chat(client).choices[0].message.content.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["how", "sent"]
    messages = [asked("")[0], {"role": "user", "content": "About you\n\nsent?"}]
    one = client.chat.completions.create(model="gpt-4.1", messages=messages)
    assert one.choices[0].message.content in ("1", "2", "3")


@pytest.mark.parametrize(
    ("model", "settings", "error"),
    [
        ("gpt-5-mini", {"temperature": 0.5}, openai.BadRequestError),
        ("gpt-5-mini", {"max_tokens": 5}, openai.BadRequestError),
        ("gpt-4.1", {"temperature": 2.5}, openai.BadRequestError),
        ("gpt-4.1", {"top_logprobs": 3}, openai.BadRequestError),
        ("gpt-nothing", {}, openai.NotFoundError),
        ("gpt-3.5-turbo-0301", {}, openai.NotFoundError),
    ],
)
def test_rules_of_models(client, model, settings, error) -> None:
    with pytest.raises(error):
        client.chat.completions.create(model=model, messages=asked(""), **settings)


def test_strict_schemas_are_checked(client) -> None:
    loose = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": loose, "strict": True}}
    with pytest.raises(openai.BadRequestError, match="additionalProperties"):
        chat(client, response_format=wanted)


def test_length_reasoning_and_usage(client) -> None:
    cut = chat(client, response_format=STRICT, max_completion_tokens=3)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 3
    thought = client.chat.completions.create(model="gpt-5-mini", messages=asked(""), response_format=STRICT)
    assert thought.usage.completion_tokens_details.reasoning_tokens == 64
    long = [{"role": "system", "content": SHARED + " x" * 4000}, {"role": "user", "content": "hello"}]
    first, second = (client.chat.completions.create(model="gpt-4.1", messages=long).usage for _ in range(2))
    assert first.prompt_tokens_details.cached_tokens == 0
    assert 1024 <= second.prompt_tokens_details.cached_tokens <= second.prompt_tokens


def training_file(client: openai.OpenAI, examples: int) -> str:
    answer = {"role": "assistant", "content": json.dumps({"how": "Nothing", "sent": "3"})}
    lines = [json.dumps({"messages": [*asked(n), answer]}) for n in range(examples)]
    return client.files.create(file=("pilot.jsonl", "\n".join(lines).encode()), purpose="fine-tune").id


def finish(client: openai.OpenAI, job):
    while job.status not in ("succeeded", "failed", "cancelled"):
        time.sleep(0.03)
        job = client.fine_tuning.jobs.retrieve(job.id)
    return job


def test_a_finetuning_job_from_file_to_model(client) -> None:
    job = client.fine_tuning.jobs.create(
        model="gpt-4.1",
        training_file=training_file(client, 29),
        suffix="pilot",
        metadata={"run": "a"},
        seed=7,
    )
    assert job.status == "validating_files"
    job = finish(client, job)
    assert job.status == "succeeded"
    assert job.hyperparameters.n_epochs == 3
    assert job.trained_tokens
    assert [j.id for j in client.fine_tuning.jobs.list(metadata={"run": "a"})] == [job.id]
    assert not list(client.fine_tuning.jobs.list(metadata={"run": "b"}))
    events = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=3)]
    assert events[0] == "The job has successfully completed"
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert checkpoints[0].fine_tuned_model_checkpoint == job.fine_tuned_model
    assert len(checkpoints) == 3
    answers = Counter(
        json.loads(
            client.chat.completions.create(model=job.fine_tuned_model, messages=asked(n), response_format=STRICT)
            .choices[0]
            .message.content
        )["how"]
        for n in range(40)
    )
    assert answers["Nothing"] > 30


def test_a_job_with_too_few_examples_fails_and_says_why(client) -> None:
    job = client.fine_tuning.jobs.create(model="gpt-4.1", training_file=training_file(client, 9))
    job = finish(client, job)
    assert job.status == "failed"
    assert job.error.code == "invalid_n_examples"


def test_a_job_can_be_paused_resumed_and_cancelled(client) -> None:
    job = client.fine_tuning.jobs.create(model="gpt-4.1", training_file=training_file(client, 12))
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    time.sleep(0.3)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "paused"
    assert client.fine_tuning.jobs.resume(job.id).status != "paused"
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def run_batch(client: openai.OpenAI, personas, **create):
    bodies = [{"model": "gpt-4.1", "messages": asked(n), "response_format": STRICT} for n in personas]
    lines = [
        json.dumps({"custom_id": f"p{n}", "method": "POST", "url": "/v1/chat/completions", "body": body})
        for n, body in zip(personas, bodies, strict=True)
    ]
    file = client.files.create(file=("batch.jsonl", "\n".join(lines).encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **create
    )
    while batch.status in ("validating", "in_progress"):
        time.sleep(0.03)
        batch = client.batches.retrieve(batch.id)
    read = [
        [] if file_id is None else [json.loads(line) for line in client.files.content(file_id).content.splitlines()]
        for file_id in (batch.output_file_id, batch.error_file_id)
    ]
    return batch, *read


def test_a_batch_comes_back_in_another_order_with_the_live_answers(client) -> None:
    batch, output, errors = run_batch(client, range(20), metadata={"run": "a"})
    assert batch.status == "completed"
    assert not errors
    ids = [line["custom_id"] for line in output]
    assert sorted(ids) == sorted(f"p{n}" for n in range(20))
    assert ids != [f"p{n}" for n in range(20)]
    live = chat(client, 3, response_format=STRICT).choices[0].message.content
    line = next(line for line in output if line["custom_id"] == "p3")
    assert line["response"]["body"]["choices"][0]["message"]["content"] == live
    assert next(iter(client.batches.list())).metadata == {"run": "a"}
    assert batch.usage.input_tokens == sum(line["response"]["body"]["usage"]["prompt_tokens"] for line in output)


def test_batch_faults(server, client) -> None:
    rates = dict.fromkeys(("batch_error", "batch_expired", "batch_duplicate", "batch_lost"), 0.2)
    server.set_faults(Faults(**rates))
    batch, output, errors = run_batch(client, range(100))
    assert batch.status == "expired"
    hits = server.summary()["faults"]
    assert min(hits.values()) > 5
    assert (
        len(output)
        == 100 - hits["batch_error"] - hits["batch_expired"] - hits["batch_lost"] + hits["batch_duplicate"]
    )
    expired = [line for line in errors if line["response"] is None]
    assert len(expired) == hits["batch_expired"]
    assert all(line["error"]["code"] == "batch_expired" for line in expired)


def test_a_batch_with_a_repeated_id_fails_whole(client) -> None:
    batch, _, _ = run_batch(client, [1, 1])
    assert batch.status == "failed"
    assert batch.errors.data[0].code == "duplicate_custom_id"


def message(claude: anthropic.Anthropic, model: str = "claude-opus-5", **settings):
    return claude.messages.create(
        model=model,
        max_tokens=100,
        system=SHARED,
        messages=[{"role": "user", "content": asked("7")[1]["content"]}],
        **settings,
    )


def test_anthropic_versions_decide_about_temperature(claude) -> None:
    old = {"extra_headers": {"anthropic-version": "2023-06-01"}, "extra_body": {"temperature": 0.5}}
    assert message(claude, "claude-sonnet-4-6", **old).stop_reason == "end_turn"
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        message(claude, "claude-sonnet-4-6", extra_body={"temperature": 0.5})
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        message(claude, "claude-opus-5", **old)
    with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
        message(claude, extra_headers={"anthropic-version": "1999-01-01"})


def test_anthropic_schema_cache_and_refusal(server, claude) -> None:
    wanted = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert json.loads(message(claude, output_config=wanted).content[0].text)["sent"] in ("1", "2", "3")
    system = [{"type": "text", "text": SHARED + " x" * 4000, "cache_control": {"type": "ephemeral"}}]
    usages = [
        claude.messages.create(
            model="claude-opus-5",
            max_tokens=100,
            system=system,
            messages=[{"role": "user", "content": str(n)}],
        ).usage
        for n in range(2)
    ]
    assert usages[0].cache_creation_input_tokens == usages[1].cache_read_input_tokens > 1024
    assert usages[1].input_tokens == 1
    server.set_faults(Faults(refusal=1.0))
    assert message(claude).stop_reason == "refusal"


def test_message_batches(server, claude) -> None:
    server.set_faults(Faults(batch_error=0.2, batch_expired=0.2, batch_canceled=0.2, batch_lost=0.1))
    params = {"model": "claude-opus-5", "max_tokens": 50}
    requests = [
        {"custom_id": f"p{n}", "params": {**params, "messages": [{"role": "user", "content": str(n)}]}}
        for n in range(60)
    ]
    batch = claude.messages.batches.create(requests=requests)
    while batch.processing_status != "ended":
        time.sleep(0.03)
        batch = claude.messages.batches.retrieve(batch.id)
    kinds = Counter(row.result.type for row in claude.messages.batches.results(batch.id))
    assert set(kinds) == {"succeeded", "errored", "canceled", "expired"}
    assert sum(kinds.values()) == 60 - server.summary()["faults"]["batch_lost"]
    assert next(iter(claude.messages.batches.list())).id == batch.id


def test_transport_faults_look_like_the_providers(server, client, claude) -> None:
    def fault(**rates: float) -> None:
        server.set_faults(Faults(retry_after=0.25, hang_seconds=0.1, **rates))

    fault(rate_limit=1.0)
    with pytest.raises(openai.RateLimitError) as limited:
        chat(client)
    assert limited.value.response.headers["retry-after"] == "0.25"
    with pytest.raises(anthropic.RateLimitError):
        message(claude)
    fault(quota=1.0)
    with pytest.raises(openai.RateLimitError) as broke:
        chat(client)
    assert broke.value.code == "insufficient_quota"
    fault(overloaded=1.0)
    with pytest.raises(anthropic.OverloadedError):
        message(claude)
    fault(drop=1.0)
    with pytest.raises(openai.APIConnectionError):
        chat(client)
    fault(hang=1.0)
    with pytest.raises(anthropic.APIConnectionError):
        message(claude)
    fault(broken_body=1.0)
    with pytest.raises((openai.APIError, ValueError)):
        chat(client)
    fault(broken_json=1.0)
    with pytest.raises(ValueError, match=r"."):
        json.loads(chat(client, response_format=STRICT).choices[0].message.content)
    fault(content_filter=1.0)
    assert chat(client).choices[0].finish_reason == "content_filter"
    fault(refusal=1.0)
    assert chat(client).choices[0].message.refusal


def test_a_lost_creation_exists_all_the_same(server, client) -> None:
    file = training_file(client, 12)
    server.set_faults(Faults(lost_creation=1.0))
    with pytest.raises(openai.APIConnectionError):
        client.fine_tuning.jobs.create(model="gpt-4.1", training_file=file, metadata={"run": "x"})
    assert len(list(client.fine_tuning.jobs.list(metadata={"run": "x"}))) == 1


def test_faults_do_not_depend_on_the_order_of_requests(client, server) -> None:
    def outcomes(order) -> dict[int, str]:
        server.set_faults(Faults(seed=3, server_error=0.3, rate_limit=0.2))
        server._state.dice.seen.clear()
        found = {}
        for n in order:
            try:
                chat(client, n)
                found[n] = "ok"
            except openai.APIStatusError as error:
                found[n] = str(error.status_code)
        return found

    assert outcomes(range(40)) == outcomes(reversed(range(40)))


def test_keys_and_log(server, client) -> None:
    chat(client, "somebody")
    stranger = openai.OpenAI(base_url=server.openai_url, api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        chat(stranger)
    last = server.log[-2]
    assert last.headers["Authorization"] == "Bearer right"
    assert "somebody" in last.body
    assert [entry.status for entry in server.log] == [200, 401]


def test_wrong_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="drop"):
        Faults(drop=1.5)
    with pytest.raises(ValueError, match="sum"):
        Faults(drop=0.6, hang=0.6)
    with pytest.raises(ValueError, match="unknown fault"):
        Faults.of({"hnag": 0.1})


def test_a_taken_port_is_said_so(server) -> None:
    with pytest.raises(OSError), LocalServer(port=server.port):
        pass


def test_help_of_the_process_form(capsys) -> None:
    with pytest.raises(SystemExit):
        server_main(["--help"])
    assert "stand-in" in capsys.readouterr().out


def test_remote_control(server) -> None:
    remote = RemoteServer(server.port)
    remote.set_faults(Faults(server_error=1.0))
    remote.set(latency=0.01)
    client = openai.OpenAI(base_url=remote.openai_url, api_key="right", max_retries=0)
    with client, pytest.raises(openai.InternalServerError):
        chat(client)
    assert remote.summary()["faults"] == {"server_error": 1}
    assert remote.log[0].fault == "server_error"
