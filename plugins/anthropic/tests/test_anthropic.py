"""Answering through Anthropic's own library, against the local stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from simbench.backends.base import Model
from simbench.errors import BackendError, ConfigError, CredentialsError, ModelError, UnsupportedError
from simbench.testing.study import ITEMS, MemoryCache, interviews, transcripts, workspace
from simbench_anthropic.backend import Anthropic, AnthropicConfig
from simbench_anthropic.client import AnthropicProvider
from simbench_api import BatchLine, Takes
from simbench_api.testing import Faults, LocalServer

SECRET = "ak-never-to-be-seen"
OLD = "2023-06-01"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)


@pytest.fixture
def server():
    with LocalServer(keys=[SECRET], batch_seconds=0.2) as running:
        yield running


def backend(server: LocalServer, **settings) -> Anthropic:
    chosen = {"base_url": server.anthropic_url, "model": "claude-opus-5", "poll_seconds": 0.02, "give_up_after": 20.0}
    chosen |= settings
    return Anthropic(AnthropicConfig(**chosen | {"capabilities": Takes(**chosen.get("capabilities", {}))}))


def answers(made: Anthropic, folder: Path, people=30, pilot=(), asked=None, **lent):
    folder.mkdir(exist_ok=True)
    space = workspace(folder, **lent)
    asked = asked or interviews(people)
    made.check(pilot, asked)
    found = list(made.respond(made.adapt(list(pilot), space), asked, space))
    assert len(found) == len(asked) == len({each.key for each in found})
    return {each.key: each for each in found}


def bodies(server: LocalServer) -> list[dict]:
    return [json.loads(entry.body) for entry in server.log if entry.path.endswith("/messages")]


@pytest.mark.parametrize("form", ["json", "lines", "turns"])
def test_every_form_of_asking_gives_complete_answers(server, tmp_path, form) -> None:
    found = answers(backend(server, elicitation=form), tmp_path)
    assert {each.status for each in found.values()} == {"ok"}
    for each in found.values():
        assert all(each.answers[item.name] in item.values for item in ITEMS)
    assert all(("output_config" in body) == (form == "json") for body in bodies(server))
    assert all("seed" not in body and "temperature" not in body for body in bodies(server))
    assert {entry.headers["anthropic-version"] for entry in server.log} == {"2026-10-21"}


def test_the_version_of_the_api_decides_about_temperature(server, tmp_path) -> None:
    with pytest.raises(UnsupportedError, match="temperature"):
        answers(backend(server, temperature=0.5), tmp_path)
    with pytest.raises(UnsupportedError, match="nothing is declared about temperature"):
        answers(backend(server, temperature=0.5, api_version=OLD), tmp_path)
    assert not server.log
    old = backend(server, model="claude-sonnet-4-6", temperature=0.5, api_version=OLD)
    answers(old, tmp_path)
    assert {body["temperature"] for body in bodies(server)} == {0.5}
    assert old.record()["sent"]["temperature"] == 0.5
    dropped = backend(server, temperature=0.5, on_unsupported="drop")
    answers(dropped, tmp_path)
    assert dropped.record()["dropped"] == {"temperature": 0.5}


def test_a_probe_finds_out_and_a_wrong_declaration_is_told(server, tmp_path) -> None:
    probed = backend(server, temperature=0.5, api_version=OLD, probe=True, on_unsupported="drop")
    answers(probed, tmp_path)
    assert probed.record()["capabilities"]["temperature"] == {"takes": False, "source": "probed"}
    wrong = backend(server, temperature=0.5, api_version=OLD, capabilities={"temperature": True})
    with pytest.raises(UnsupportedError, match="temperature"):
        answers(wrong, tmp_path / "wrong")


@pytest.mark.parametrize("setting", [{"logprobs": True}, {"adapt": "finetune"}])
def test_what_anthropic_does_not_offer_is_said(server, tmp_path, setting) -> None:
    with pytest.raises(UnsupportedError, match=next(iter(setting)) if "logprobs" in setting else "finetune"):
        answers(backend(server, **setting), tmp_path, pilot=transcripts(12))
    assert not server.log


def test_the_shared_part_is_cached_by_the_provider(server, tmp_path) -> None:
    found = answers(backend(server, few_shot_tokens=20_000), tmp_path, people=40, pilot=transcripts(200))
    usage = Counter()
    for each in found.values():
        usage.update(each.usage)
    assert usage["cache_write"] > 1024
    assert usage["cached"] > 20 * 1024
    assert usage["input"] >= usage["cached"] + usage["cache_write"]
    marked = [m for m in bodies(server)[0]["messages"] if isinstance(m["content"], list)]
    assert len(marked) == 1
    answers(backend(server, prompt_cache=False), tmp_path / "b", people=2)
    assert "cache_control" not in server.log[-1].body


def test_cost_counts_cache_reads_and_writes(server, tmp_path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices: [{model: '*', input: 10.0, cached_input: 1.0, cache_write: 12.5, output: 50.0}]")
    made = backend(server, prices=str(prices), few_shot_tokens=20_000)
    for each in answers(made, tmp_path, pilot=transcripts(200)).values():
        u = Counter(each.usage)
        plain = u["input"] - u["cached"] - u["cache_write"]
        expected = plain * 10 + u["cached"] * 1 + u["cache_write"] * 12.5 + u["output"] * 50
        assert each.cost == pytest.approx(expected / 1e6)


def test_outcomes_are_told_apart_and_kept(server, tmp_path) -> None:
    server.set_faults(Faults(refusal=0.2, truncated=0.2, broken_json=0.2, overloaded=0.1, rate_limit=0.1))
    cache = MemoryCache()
    found = answers(backend(server), tmp_path / "a", people=80, cache=cache)
    assert set(Counter(each.status for each in found.values())) == {"ok", "refused", "truncated", "invalid"}
    refused = next(each for each in found.values() if each.status == "refused")
    assert "general_harms" in refused.error
    before = len(server.log)
    again = answers(backend(server), tmp_path / "b", people=80, cache=cache)
    assert len(server.log) == before
    assert {key: each.status for key, each in again.items()} == {key: each.status for key, each in found.items()}


def test_people_with_one_profile_are_asked_one_by_one(server, tmp_path) -> None:
    """There is no seed: two people whose prompts are word for word the same are two draws all the same."""
    first = interviews(1)[0]
    alike = [replace(first, participant_id=f"q{n}") for n in range(10)]
    answers(backend(server, concurrency=1), tmp_path, asked=alike, cache=MemoryCache())
    assert len(bodies(server)) == 10


def test_keys_models_and_spend_limits(server, tmp_path, monkeypatch) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        answers(backend(server, model="claude-nothing-5"), tmp_path)
    server.set_faults(Faults(quota=1.0))
    with pytest.raises(BackendError, match="quota"):
        answers(backend(server), tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "ak-wrong")
    with pytest.raises(CredentialsError):
        answers(backend(server), tmp_path)
    with pytest.raises(ConfigError, match="temperature"):
        backend(server, temperature=1.5)


def test_batches_are_told_by_their_requests(server, tmp_path) -> None:
    server.set_faults(
        Faults(batch_error=0.1, batch_expired=0.1, batch_canceled=0.1, batch_lost=0.1, batch_duplicate=0.1)
    )
    made = backend(server, mode="batch")
    found = answers(made, tmp_path, people=100)
    counts = Counter(each.status for each in found.values())
    assert counts["ok"] > 85
    assert set(counts) <= {"ok", "expired", "failed"}
    assert len(server.summary()["message_batches"]) == 3
    live = answers(backend(server), tmp_path / "live", people=100)
    for key, each in found.items():
        if each.status == "ok":
            assert each.answers == live[key].answers


def test_a_lost_answer_to_a_creation_makes_no_second_batch(server, tmp_path) -> None:
    """Even beside a batch of the same size that is not ours."""
    (tmp_path / "other").mkdir()
    other = workspace(tmp_path / "other", seed=8)
    list(backend(server, mode="batch").respond(Model("anthropic", "claude-opus-5"), interviews(10, first=50), other))
    server.set_faults(Faults(lost_creation=1.0))
    answers(backend(server, mode="batch"), tmp_path / "own", people=10)
    assert len(server.summary()["message_batches"]) == 2


def test_importing_the_plugin_imports_no_library() -> None:
    words = "import sys, simbench_anthropic; simbench_anthropic.simbench_backends(); "
    words += "print([m for m in ('anthropic', 'tenacity', 'asyncio', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_batch_goes_out_without_being_in_memory_as_a_whole() -> None:
    answer = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress"}
    sizes: list[int] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            left = size = int(self.headers["content-length"])
            while left:
                left -= len(self.rfile.read(min(left, 2**16)))
            sizes.append(size)
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    shared = "x" * 40_000
    lines = [BatchLine(f"id-{n}", {"messages": [{"role": "user", "content": shared}]}) for n in range(500)]
    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as sink:
        threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        provider = AnthropicProvider(f"http://127.0.0.1:{sink.server_port}", "k", "2026-10-21", 20.0, 0.1)
        tracemalloc.start()
        try:
            assert provider.batch_create(lines, "intent", "run") == "msgbatch_1"
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            provider.close()
            sink.shutdown()
    assert sizes[0] > 20_000_000
    assert peak < 5_000_000
