"""A stranger's API backend gets retries, cache, re-asking, budget and record for a provider of 30 lines."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest

from simbench.settings import setting
from simbench.testing.study import MemoryCache, interviews, transcripts, workspace
from simbench_api import ApiBackend, ApiConfig, Declared, Found, Provider, Reply, Trouble


class Flaky(Provider):
    """Answers in memory; every third request fails once, every fifth answer is nonsense at first."""

    name = "flaky"

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.closed = 0

    async def send(self, body) -> Reply:
        self.asked.append(dict(body))
        number, times = len(self.asked), self.asked.count(dict(body))
        await asyncio.sleep(0)
        if number % 3 == 0 and times == 1:
            raise Trouble("unavailable", "gone", status=502, retry_after=0.001)
        words = "nonsense" if number % 5 == 0 else json.dumps({"expected": "Nothing", "trust": "Never", "sent": "3"})
        return Reply("ok", words, usage={"input": 10, "output": 5}, model="flaky-1")

    async def aclose(self) -> None:
        self.closed += 1

    def close(self) -> None: ...

    def look_up(self, model) -> Found:
        return Found(True, None)


@dataclass(frozen=True)
class FlakyConfig(ApiConfig):
    model: str = setting("flaky-1", "the model")
    base_url: str = setting("https://flaky.example", "where it is")
    key_env: str = setting("FLAKY_KEY", "where the key is", runtime=True)


class FlakyBackend(ApiBackend[FlakyConfig]):
    """A stranger's backend."""

    name = "flaky"
    Config = FlakyConfig
    table = (Declared("flaky-*", {"json_schema": True, "seed": True, "thinking": False}),)

    def __init__(self, config: FlakyConfig) -> None:
        super().__init__(config)
        self.flaky = Flaky()

    def provider(self, key: str) -> Provider:
        assert key == "k"
        return self.flaky

    def body(self, ask) -> dict:
        return {"messages": list(ask.messages), "schema": ask.schema, **ask.settings}


@pytest.fixture
def made(monkeypatch) -> FlakyBackend:
    monkeypatch.setenv("FLAKY_KEY", "k")
    return FlakyBackend(FlakyConfig(reask=3))


def test_it_gets_everything(made, tmp_path) -> None:
    cache, lent = MemoryCache(), workspace(tmp_path, cache=MemoryCache())
    model = made.adapt(transcripts(10), lent)
    found = list(made.respond(model, interviews(40), lent))
    assert {each.status for each in found} == {"ok"}
    assert found[0].answers == {"expected": 0, "trust": "Never", "sent": 3}
    assert any(len(each.attempts) > 1 for each in found)
    assert made.record()["traffic"]["faults"]["502"] > 0
    assert made.flaky.closed == 1
    asked = len(made.flaky.asked)
    assert {a.key for a in made.respond(model, interviews(40), lent)} == {a.key for a in found}
    assert len(made.flaky.asked) == asked
    assert not cache.stored
    assert lent.progress.done == 80


def test_an_attempt_to_ask_again_draws_anew(made, tmp_path) -> None:
    lent = workspace(tmp_path)
    list(made.respond(made.adapt([], lent), interviews(40), lent))
    by_person: dict[str, set[int]] = {}
    for body in made.flaky.asked:
        by_person.setdefault(body["messages"][-1]["content"], set()).add(body["seed"])
    assert max(map(len, by_person.values())) > 1  # a nonsense answer was asked again under another seed
    assert len(set().union(*by_person.values())) == sum(map(len, by_person.values()))


def test_a_fault_of_the_provider_itself_is_not_hidden(made, tmp_path) -> None:
    async def broken(body):
        raise ZeroDivisionError("a bug")

    made.flaky.send = broken
    lent = workspace(tmp_path)
    with pytest.raises(ZeroDivisionError):
        list(made.respond(made.adapt([], lent), interviews(3), lent))


def test_changed_examples_are_noticed(made, tmp_path) -> None:
    lent = workspace(tmp_path)
    model = made.adapt(transcripts(10), lent)
    (tmp_path / "few_shot.json").write_text("[]")
    with pytest.raises(Exception, match="not what the run began with"):
        list(made.respond(model, interviews(3), lent))
