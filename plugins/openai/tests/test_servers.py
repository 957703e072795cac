"""Every kind of server, held against an exchange with it: recorded or documented, as exchanges.yaml says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from simbench.errors import BackendError, ConfigError, ModelError, UnsupportedError
from simbench.testing.study import interviews, workspace
from simbench_api import Takes
from simbench_api.testing import answering
from simbench_openai.backend import OpenAI, OpenAIConfig
from simbench_openai.servers import SERVERS, by_address, by_owner, table

EXCHANGES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "exchanges.yaml").read_text("utf-8"))
ANSWER = json.dumps({"expected": "Half of it", "trust": "Never", "sent": "7"})
DOCS = Path(__file__).parents[3] / "docs" / "api_backends.md"


class Replay:
    """A server that says what an exchange says, and remembers what it was sent."""

    def __init__(self, exchange: dict[str, Any]) -> None:
        self.exchange = exchange
        self.reply: tuple[int, Any] = (
            200,
            json.loads(json.dumps(exchange["reply"]).replace('"ANSWER"', json.dumps(ANSWER))),
        )
        self.bodies: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def of(self, path: str, body: bytes) -> tuple[int, Any]:
        self.asked.append(path)
        if path == "/v1/chat/completions":
            self.bodies.append(json.loads(body))
            return self.reply
        says = self.exchange.get("says", {})
        if path in says:
            return 200, says[path]
        status, said = says.get("elsewhere", (404, {"detail": "Not Found"}))
        return status, said


@pytest.fixture
def replays(monkeypatch) -> Iterator[Any]:
    """Starts a server that replays the exchange of that name; returns it and its address."""
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with ExitStack() as running:

        def start(name: str) -> tuple[Replay, str]:
            replay = Replay(EXCHANGES[name])
            return replay, running.enter_context(answering(replay.of))

        yield start


def made(name: str, url: str, **settings) -> OpenAI:
    """The backend as it would be set for that server: by itself where the server says what it is."""
    server = "auto" if EXCHANGES[name]["told"]["how"] == "as it says of itself" else name
    known = SERVERS[name].takes.get("json_schema")
    chosen = {"model": "m", "base_url": url, "server": server, "adapt": "none", "reask": 0, "give_up_after": 5.0}
    if known is None:
        settings.setdefault("capabilities", Takes(json_schema=True))
    return OpenAI(OpenAIConfig(**{**chosen, **settings}))


def carried_out(backend: OpenAI, folder: Path, people: int = 1):
    folder.mkdir(exist_ok=True)
    space = workspace(folder)
    asked = interviews(people)
    backend.check([], asked)
    model = backend.adapt([], space)
    return list(backend.respond(model, asked, space)), space.progress.said


def test_every_server_has_an_exchange_and_a_source() -> None:
    assert set(EXCHANGES) == set(SERVERS)
    for name, server in SERVERS.items():
        assert server.sources
        assert all(each.startswith("https://") for each in server.sources)
        assert EXCHANGES[name]["from"].startswith("recorded" if server.recorded else "documented")


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_server_is_recognised_asked_in_its_own_words_and_understood(name, replays, tmp_path) -> None:
    exchange = EXCHANGES[name]
    replay, url = replays(name)
    backend = made(name, url)
    (answer,), said = carried_out(backend, tmp_path)
    assert answer.status == "ok"
    assert answer.answers == {"expected": 1, "trust": "Never", "sent": 7}
    assert backend.record()["server"] == exchange["told"]
    assert any(SERVERS[name].title in line and exchange["told"]["how"] in line for line in said)
    (body,) = replay.bodies
    assert set(exchange["sends"]) <= set(body)
    assert not set(exchange["never"]) & set(body)


@pytest.mark.parametrize("name", [name for name, each in EXCHANGES.items() if "refuses" in each])
def test_what_a_server_turns_down_ends_the_run_with_its_words(name, replays, tmp_path) -> None:
    replay, url = replays(name)
    replay.reply = tuple(EXCHANGES[name]["refuses"])
    with pytest.raises((BackendError, ModelError, UnsupportedError)) as told:
        carried_out(made(name, url, concurrency=1), tmp_path, people=12)
    assert str(replay.reply[0]) in str(told.value)


@pytest.mark.parametrize("name", [name for name, each in EXCHANGES.items() if {"filters", "declines"} & set(each)])
def test_a_refusal_is_one_persons_outcome(name, replays, tmp_path) -> None:
    replay, url = replays(name)
    filters = EXCHANGES[name].get("filters")
    replay.reply = tuple(filters) if filters else (200, EXCHANGES[name]["declines"])
    (answer,), _ = carried_out(made(name, url), tmp_path)
    assert answer.status == ("content_filter" if filters else "refused")


@pytest.mark.parametrize("name", EXCHANGES)
def test_whatever_a_server_promises_answers_are_validated(name, replays, tmp_path) -> None:
    replay, url = replays(name)
    replay.reply[1]["choices"][0]["message"]["content"] = ANSWER.replace("Never", "Hardly ever")
    (answer,), _ = carried_out(made(name, url), tmp_path)
    assert answer.status == "invalid"


def test_what_a_server_does_not_take_is_refused_or_left_out_and_recorded(replays, tmp_path) -> None:
    replay, url = replays("lmstudio")
    with pytest.raises(UnsupportedError, match=r"logprobs \(declared for LM Studio\)"):
        made("lmstudio", url, server="lmstudio", logprobs=True).check([], interviews(1))
    with pytest.raises(UnsupportedError, match="logprobs"):  # the same where the server itself says what it is
        carried_out(made("lmstudio", url, logprobs=True), tmp_path / "refused")
    assert not replay.bodies
    backend = made("lmstudio", url, logprobs=True, on_unsupported="drop")
    carried_out(backend, tmp_path / "dropped")
    assert backend.record()["dropped"] == {"logprobs": True}
    assert "logprobs" not in replay.bodies[0]


def test_exact_options_are_never_replaced_by_something_else(replays) -> None:
    _, url = replays("ollama")
    for how in ("error", "drop"):
        with pytest.raises(UnsupportedError, match="choice"):
            made("ollama", url, server="ollama", elicitation="choice", on_unsupported=how).check([], interviews(1))


def test_a_resumed_run_does_not_ask_the_server_again(replays, tmp_path) -> None:
    replay, url = replays("vllm")
    carried_out(made("vllm", url), tmp_path)
    before = replay.asked.count("/version")
    backend = made("vllm", url)
    carried_out(backend, tmp_path)
    assert replay.asked.count("/version") == before == 1
    assert backend.record()["server"]["name"] == "vllm"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1", "azure"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.together.xyz/v1", "together"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("http://localhost:11434/v1", None),
        ("https://openrouter.ai.example.org/v1", None),
    ],
)
def test_an_address_that_gives_the_server_away(address, name) -> None:
    found = by_address(address)
    assert (found and found.name) == name


@pytest.mark.parametrize("said", [None, [], {"data": None}, {"data": [1, {"owned_by": ["vllm"]}]}, {"data": "vllm"}])
def test_a_list_of_models_that_makes_no_sense_says_nothing(said) -> None:
    assert by_owner(said) is None


def test_a_server_that_is_none_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="vllm"):
        OpenAIConfig(model="m", server="vlm")


def test_the_table_in_the_documentation_is_the_table_in_the_code() -> None:
    assert "\n".join(table()) in DOCS.read_text("utf-8")
    for server in SERVERS.values():
        assert all(source in DOCS.read_text("utf-8") for source in server.sources), server.name
