"""Answering through OpenAI's own library, against the local stand-in."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from simbench.errors import BackendError, BudgetError, ConfigError, CredentialsError, ModelError, UnsupportedError
from simbench.interview import Transcript
from simbench.testing.study import ITEMS, MemoryCache, interviews, transcripts, workspace
from simbench_api import Takes
from simbench_api.testing import Faults, LocalServer, ModelSpec
from simbench_openai.backend import OpenAI, OpenAIConfig
from simbench_openai.client import OpenAIProvider

TAKES = dict.fromkeys(("temperature", "top_p", "seed", "logprobs", "json_schema", "batch", "finetune"), True)
TAKES["thinking"] = False
SECRET = "sk-never-to-be-seen"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def server():
    with LocalServer(keys=[SECRET], job_seconds=0.2, batch_seconds=0.2) as running:
        yield running


@pytest.fixture
def prices(tmp_path: Path) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text("prices: [{model: '*', input: 10.0, cached_input: 1.0, output: 100.0, training: 50.0}]")
    return str(path)


def backend(server: LocalServer, **settings) -> OpenAI:
    chosen = {
        "model": "gpt-4.1",
        "base_url": server.openai_url,
        "capabilities": TAKES,
        "poll_seconds": 0.03,
        "give_up_after": 20.0,
    }
    chosen |= settings
    return OpenAI(OpenAIConfig(**chosen | {"capabilities": Takes(**chosen["capabilities"])}))


def answers(made: OpenAI, folder: Path, people=30, pilot=(), asked=None, **changes):
    """One run of a backend in a folder: check, adapt, respond."""
    folder.mkdir(exist_ok=True)
    lent = workspace(folder, **changes)
    asked = asked or interviews(people)
    made.check(pilot, asked)
    model = made.adapt(list(pilot), lent)
    found = list(made.respond(model, asked, lent))
    assert len(found) == len(asked) == len({each.key for each in found})
    return {each.key: each for each in found}


@pytest.mark.parametrize("form", ["json", "lines", "turns"])
def test_every_form_of_asking_gives_complete_answers(server, tmp_path, form) -> None:
    found = answers(backend(server, elicitation=form), tmp_path)
    assert {each.status for each in found.values()} == {"ok"}
    for each in found.values():
        assert all(each.answers[item.name] in item.values for item in ITEMS)
    requests = [json.loads(entry.body) for entry in server.log if entry.path.endswith("completions")]
    assert len(requests) == 30 * (3 if form == "turns" else 1)
    assert ("response_format" in requests[0]) == (form == "json")


def test_draws_follow_from_seed_participant_and_replicate(server, tmp_path) -> None:
    asked = interviews(20, replicates=2)
    first = answers(backend(server), tmp_path / "a", asked=asked)
    again = answers(backend(server, concurrency=3), tmp_path / "b", asked=asked[::-1])
    other = answers(backend(server), tmp_path / "c", asked=asked, seed=8)
    assert {key: each.answers for key, each in first.items()} == {key: each.answers for key, each in again.items()}
    assert first != other
    assert any(first[f"p{n}", 0].answers != first[f"p{n}", 1].answers for n in range(20))


@pytest.mark.parametrize("form", ["json", "turns", "lines"])
def test_probabilities_are_those_of_the_model(server, tmp_path, form) -> None:
    """With one person asked often, the probabilities reported match the shares drawn."""
    asked = interviews(1, replicates=300)
    found = answers(backend(server, elicitation=form, logprobs=True, temperature=1.0), tmp_path, asked=asked)
    first = next(iter(found.values()))
    assert set(first.probabilities) == {"expected", "trust", "sent"}
    item = ITEMS[0]
    chances = first.probabilities["expected"]
    assert sum(chances) == pytest.approx(1.0)
    assert first.valid_mass["expected"] == pytest.approx(1.0)
    shares = Counter(each.answers["expected"] for each in found.values())
    for value, chance in zip(item.values, chances, strict=True):
        assert shares[value] / 300 == pytest.approx(chance, abs=4 * math.sqrt(0.25 / 300))


def test_real_answers_are_looked_up_item_by_item_behind_real_answers(server, tmp_path) -> None:
    """The stand-in's choices depend on the persona alone, so the probabilities are those of its own answers."""
    made = backend(server, elicitation="turns", logprobs=True, temperature=1.0)
    drawn = answers(made, tmp_path / "a", people=6)
    own = [Transcript(each, {"expected": 0, "trust": "Always", "sent": 10}) for each in interviews(6)]
    lent = workspace(tmp_path / "a")
    before = len(server.log)
    found = {each.key: each for each in made.score(made.adapt([], lent), own, lent)}
    assert {each.status for each in found.values()} == {"ok"}
    for each in own:
        told = found[each.interview.key]
        assert told.answers == each.answers
        assert told.probabilities["expected"] == pytest.approx(drawn[each.interview.key].probabilities["expected"])
        assert set(told.probabilities) == {"expected", "trust", "sent"}
        assert told.cost is None
    bodies = [json.loads(entry.body)["messages"] for entry in server.log[before:] if "completions" in entry.path]
    assert len(bodies) == 6 * 3
    said = sorted({tuple(m["content"] for m in body if m["role"] == "assistant") for body in bodies}, key=len)
    assert said == [(), ("Nothing",), ("Nothing", "Always")]


def test_where_there_are_no_probabilities_real_answers_cannot_be_looked_up(server, tmp_path) -> None:
    for settings in ({"elicitation": "json", "logprobs": True}, {"elicitation": "turns"}):
        made = backend(server, **settings)
        lent = workspace(tmp_path)
        with pytest.raises(UnsupportedError, match=r"elicitation=turns and backend\.logprobs=true"):
            made.score(made.adapt([], lent), transcripts(2), lent)
    assert not any("completions" in entry.path for entry in server.log)


def test_few_shot_examples_are_balanced_and_come_first(server, tmp_path) -> None:
    made = backend(server, few_shot_tokens=900)
    pilot = transcripts(60)
    answers(made, tmp_path, pilot=pilot)
    model = made.adapt(pilot, workspace(tmp_path))
    counts = model.parameters["by_condition"]
    assert set(counts) == {"low stake", "high stake"}
    assert abs(counts["low stake"] - counts["high stake"]) <= 1
    assert 2 < model.parameters["examples"] < 60
    bodies = [json.loads(entry.body)["messages"] for entry in server.log if entry.path.endswith("completions")]
    prefix = bodies[0][:-1]
    assert all(messages[:-1] == prefix for messages in bodies)
    assert [m["role"] for m in prefix][:3] == ["system", "user", "assistant"]
    assert len({messages[-1]["content"] for messages in bodies}) == len(bodies)


def test_the_cache_spares_every_paid_answer_and_keeps_replicates_apart(server, tmp_path) -> None:
    server.set_faults(Faults(refusal=0.2, invalid_option=0.2, truncated=0.1))
    cache, asked = MemoryCache(), interviews(30, replicates=2)
    first = answers(backend(server), tmp_path / "a", asked=asked, cache=cache)
    before = len(server.log)
    again = answers(backend(server), tmp_path / "b", asked=asked, cache=cache)
    assert len(server.log) == before
    assert {each.status for each in first.values()} >= {"ok", "refused", "truncated"}
    for key, each in first.items():
        assert (again[key].status, again[key].answers, again[key].text) == (each.status, each.answers, each.text)
        assert again[key].cost in (0.0, None)


def test_people_with_one_profile_are_different_draws(server, tmp_path) -> None:
    """Two participants whose prompts are word for word the same must not share an answer in the cache."""
    alike = [
        each.__class__(f"q{n}", each.condition, each.shared, "You.", each.items)
        for n, each in enumerate(interviews(1) * 40)
    ]
    found = answers(backend(server), tmp_path, asked=alike, cache=MemoryCache())
    assert len({json.dumps(dict(each.answers)) for each in found.values()}) > 3


def test_outcomes_are_told_apart(server, tmp_path) -> None:
    server.set_faults(
        Faults(refusal=0.15, content_filter=0.15, truncated=0.15, broken_json=0.15, invalid_option=0.15)
    )
    found = answers(backend(server, reask=1), tmp_path, people=150)
    counts = Counter(each.status for each in found.values())
    assert set(counts) == {"ok", "refused", "content_filter", "truncated", "invalid"}
    invalid = next(each for each in found.values() if each.status == "invalid")
    assert len(invalid.attempts) == 2
    assert invalid.error
    mended = [each for each in found.values() if each.status == "ok" and each.attempts]
    assert mended
    assert mended[0].attempts[0]["status"] == "invalid"
    assert mended[0].usage["output"] > found["p0", 0].usage["output"] / 2


def test_reask_zero_asks_once(server, tmp_path) -> None:
    server.set_faults(Faults(broken_json=1.0))
    found = answers(backend(server, reask=0), tmp_path, people=5)
    assert {each.status for each in found.values()} == {"invalid"}
    assert sum(entry.path.endswith("completions") for entry in server.log) == 5


def test_a_setting_the_model_does_not_take_is_an_error_before_anything_is_sent(server, tmp_path) -> None:
    takes = {**TAKES, "temperature": False}
    with pytest.raises(UnsupportedError, match="temperature"):
        answers(backend(server, capabilities=takes, temperature=0.7), tmp_path)
    assert not server.log
    made = backend(server, capabilities=takes, temperature=0.7, on_unsupported="drop")
    answers(made, tmp_path)
    assert made.record()["requested"]["temperature"] == 0.7
    assert made.record()["dropped"] == {"temperature": 0.7}
    assert "temperature" not in made.record()["sent"]
    assert all('"temperature"' not in entry.body for entry in server.log)


def test_unknown_models_are_declared_or_probed_never_guessed(tmp_path) -> None:
    with LocalServer(models=[ModelSpec("deep", sampling=False, logprobs=False, reasoning=64)]) as server:
        _unknown_models(server, tmp_path)


def _unknown_models(server, tmp_path) -> None:
    with pytest.raises(UnsupportedError, match=r"json_schema.*backend\.probe"):
        OpenAI(OpenAIConfig(model="stand-in", base_url=server.openai_url, server="openai")).check([], interviews(1))
    assert not server.log
    with pytest.raises(UnsupportedError, match=r"json_schema.*backend\.probe"):  # nor does the server say what it is
        answers(backend(server, model="stand-in", capabilities={}), tmp_path)
    assert {each.method for each in server.log} == {"GET"}
    made = backend(server, model="deep", capabilities={}, probe=True, temperature=0.5, on_unsupported="drop")
    answers(made, tmp_path, people=3)
    known = made.record()["capabilities"]
    assert known["temperature"] == {"takes": False, "source": "probed"}
    assert known["json_schema"] == {"takes": True, "source": "probed"}
    assert made.record()["dropped"] == {"temperature": 0.5}
    before = len(server.log)
    again = backend(server, model="deep", capabilities={}, probe=True, temperature=0.5, on_unsupported="drop")
    answers(again, tmp_path, people=1)
    assert len(server.log) == before + 2  # the model is looked up, one answer is asked; no second probe
    (probed,) = tmp_path.rglob("probed.json")
    whole = probed.read_bytes()
    for torn in (whole[:9], b"", b"[]"):  # as a kill may leave it: probed once more
        probed.write_bytes(torn)
        torn_one = backend(server, model="deep", capabilities={}, probe=True, temperature=0.5, on_unsupported="drop")
        answers(torn_one, tmp_path, people=1)
        assert probed.read_bytes() == whole


def test_openais_own_models_are_declared() -> None:
    def takes(model: str, **settings) -> OpenAI:
        made = OpenAI(OpenAIConfig(model=model, **settings))
        made.check([], [])
        return made

    takes("gpt-4.1", temperature=1.0, logprobs=True)
    takes("ft:gpt-4.1:org:name:id", temperature=1.0, adapt="none")
    with pytest.raises(UnsupportedError, match="temperature"):
        takes("gpt-5-mini", temperature=1.0)
    with pytest.raises(UnsupportedError, match="nothing is declared"):
        takes("gpt-nine")


def test_a_missing_key_or_model_stops_before_anything_is_paid(server, tmp_path, monkeypatch) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        answers(backend(server, model="gpt-nothing"), tmp_path)
    with pytest.raises(ModelError, match="2024-09-13"):
        answers(backend(server, model="gpt-3.5-turbo-0301"), tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with pytest.raises(CredentialsError) as turned_down:
        answers(backend(server), tmp_path)
    assert "sk-wrong" not in str(turned_down.value)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(CredentialsError, match="OPENAI_API_KEY"):
        answers(backend(server), tmp_path)
    assert not any(entry.path.endswith("completions") for entry in server.log)


def test_a_deployment_that_is_not_listed_may_exist_and_a_model_may_not(server, monkeypatch) -> None:
    def exists(name: str) -> bool | None:
        provider = OpenAIProvider(server.openai_url, SECRET, 10.0)
        try:
            return provider.look_up(name).exists
        finally:
            provider.close()

    assert exists("my-deployment") is False
    monkeypatch.setattr("simbench_openai.config.AZURE", ("127.0.0.1",))
    assert exists("my-deployment") is None
    assert exists("gpt-4.1") is True


@pytest.mark.parametrize(("fault", "error"), [("quota", BackendError), ("unauthorized", CredentialsError)])
def test_what_no_waiting_mends_ends_the_run_at_once_and_it_goes_on_later(server, tmp_path, fault, error) -> None:
    server.set_faults(Faults(**{fault: 0.05}))
    made, cache, asked, got = backend(server, concurrency=5), MemoryCache(), interviews(200), []
    lent = workspace(tmp_path, cache=cache)
    model = made.adapt([], lent)
    with pytest.raises(error):
        got.extend(made.respond(model, asked, lent))
    assert 0 < len(got) < 200
    assert all(each.status == "ok" for each in got)
    server.set_faults(Faults())
    rest = [each for each in asked if each.key not in {a.key for a in got}]
    later = list(backend(server).respond(model, rest, lent))
    assert len(later) + len(got) == 200


def test_an_unreachable_provider_ends_the_run_rather_than_failing_everybody(server, tmp_path) -> None:
    server.set_faults(Faults(drop=1.0))
    made = backend(server, concurrency=4, give_up_after=0.05)
    lent = workspace(tmp_path)
    model, got = made.adapt([], lent), []
    with pytest.raises(BackendError, match="in a row"):
        got.extend(made.respond(model, interviews(400), lent))
    assert {each.status for each in got} == {"failed"}
    assert len(got) < 30


def test_one_failed_request_never_ends_the_run(server, tmp_path) -> None:
    server.set_faults(Faults(server_error=0.5, seed=3))
    found = answers(backend(server, give_up_after=0.3, concurrency=50), tmp_path, people=60)
    counts = Counter(each.status for each in found.values())
    assert set(counts) == {"ok", "failed"}
    failed = next(each for each in found.values() if each.status == "failed")
    assert "500" in failed.error


def test_retry_after_pauses_everybody_and_concurrency_gives_way(server, tmp_path) -> None:
    server.set_faults(Faults(rate_limit=0.2, retry_after=0.5))
    made = backend(server, concurrency=20)
    answers(made, tmp_path, people=80)
    traffic = made.record()["traffic"]
    assert traffic["faults"]["429"] == server.summary()["faults"]["rate_limit"] > 0
    assert traffic["pauses"] >= 1
    stops = [entry for entry in server.log if entry.status == 429]
    late = [e for e in server.log if stops[0].time + 0.2 < e.time < stops[0].time + 0.45]
    assert not late  # what was in flight when the first 429 came may still arrive; nothing is sent after


def test_hanging_connections_are_cut_and_asked_again(server, tmp_path) -> None:
    server.set_faults(Faults(hang=0.2, hang_seconds=30.0))
    found = answers(backend(server, request_timeout=0.4), tmp_path, people=30)
    assert {each.status for each in found.values()} == {"ok"}


def test_cost_budget_and_going_on(server, tmp_path, prices) -> None:
    whole = answers(backend(server, prices=prices), tmp_path / "whole", people=60)
    total = sum(each.cost for each in whole.values())
    usage = whole["p0", 0].usage
    assert whole["p0", 0].cost == pytest.approx((usage["input"] * 10 + usage["output"] * 100) / 1e6)
    made, lent = backend(server, prices=prices, concurrency=4), workspace(tmp_path, budget=total / 2)
    model, got = made.adapt([], lent), []
    with pytest.raises(BudgetError, match="higher budget"):
        got.extend(made.respond(model, interviews(60), lent))
    spent = sum(each.cost for each in got)
    assert 0.3 * total < spent <= total / 2
    rest = [each for each in interviews(60) if each.key not in {a.key for a in got}]
    more = list(made.respond(model, rest, workspace(tmp_path, budget=2 * total, spent=spent)))
    assert len(more) + len(got) == 60
    assert any("$" in note for note in lent.progress.notes)


def test_a_budget_without_a_price_is_refused(server, tmp_path) -> None:
    with pytest.raises(ConfigError, match="price"):
        answers(backend(server), tmp_path, budget=1.0)
    assert not any(entry.path.endswith("completions") for entry in server.log)


def test_the_estimate_contains_what_it_then_costs(server, tmp_path, prices) -> None:
    pilot = transcripts(20)
    for settings in ({}, {"adapt": "none"}, {"elicitation": "turns"}, {"mode": "batch"}):
        made = backend(server, prices=prices, **settings)
        told = made.estimate(pilot, interviews(40))
        folder = tmp_path / str(len(server.log))
        found = answers(made, folder, people=40, pilot=pilot)
        spent = sum(each.cost for each in found.values())
        used = Counter()
        for each in found.values():
            used.update(each.usage)
        assert told.cost[0] <= spent <= told.cost[1]
        assert told.input_tokens[0] <= used["input"] <= told.input_tokens[1]
        assert told.output_tokens[0] <= used["output"] <= told.output_tokens[1]
    unknown = backend(server).estimate(pilot, interviews(40))
    assert unknown.cost is None
    assert any("unknown" in note for note in unknown.notes)


def test_a_pilot_that_is_partly_asked_is_refused(server, tmp_path) -> None:
    pilot = [*transcripts(5), *transcripts(1, first=0)]
    with pytest.raises(Exception, match="p0"):
        answers(backend(server), tmp_path, pilot=pilot)


def test_thinking_models_get_room_to_think(tmp_path) -> None:
    with LocalServer(models=[ModelSpec("deep", sampling=False, logprobs=False, reasoning=3000)]) as server:
        made = backend(server, model="deep", capabilities={"json_schema": True, "thinking": True})
        assert {each.status for each in answers(made, tmp_path, people=3).values()} == {"ok"}
        tight = backend(server, model="deep", capabilities={"json_schema": True}, max_tokens=100)
        assert {each.status for each in answers(tight, tmp_path, people=3).values()} == {"truncated"}


def test_it_works_inside_a_running_event_loop(server, tmp_path) -> None:
    import asyncio

    async def notebook_cell():
        return answers(backend(server), tmp_path, people=5)

    assert len(asyncio.run(notebook_cell())) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://x"},
        {"base_url": "https://user:secret@host/v1"},
        {"base_url": "https://NAME.openai.azure.com/openai/deployments/d?api-version=2024-10-21"},
        {"adapt": "finetun"},
        {"elicitation": "xml"},
        {"temperature": 3.0},
        {"concurrency": 0},
        {"model": ""},
        {"reasoning_effort": "huge"},
        {"suffix": "x" * 65},
    ],
)
def test_wrong_settings_are_refused(wrong) -> None:
    with pytest.raises(ConfigError, match=f"backend.{next(iter(wrong))}"):
        OpenAIConfig(**wrong)


def test_importing_the_plugin_imports_no_library() -> None:
    import subprocess
    import sys

    words = "import sys, simbench_openai; simbench_openai.simbench_backends(); "
    words += "print([m for m in ('openai', 'aiohttp', 'tenacity', 'asyncio', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
