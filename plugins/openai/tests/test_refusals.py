"""What a provider turns down or answers oddly, told as what it is."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from simbench.errors import BackendError, ModelError
from simbench.testing.study import interviews, transcripts, workspace
from simbench_api import Takes, Trouble
from simbench_openai.backend import OpenAI, OpenAIConfig
from simbench_openai.client import OpenAIProvider


@pytest.fixture
def server():
    """A server that answers POSTs by rules: from a path to status and body."""
    rules = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say(200, {"id": "gpt-4.1", "object": "model", "data": [], "created": 1, "owned_by": "x"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.say(*rules[self.path])

        def say(self, status, body) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words) -> None: ...

    made = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield rules, f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def error(message: str, code=None):
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


@pytest.mark.parametrize(("code", "kind"), [(502, "unavailable"), (429, "busy"), (None, "unavailable")])
def test_an_error_in_a_body_of_200_is_that_error(server, code, kind) -> None:
    rules, url = server
    rules["/chat/completions"] = (200, {"error": {"message": "Provider returned error", "code": code}})

    async def ask():
        provider = OpenAIProvider(url, "sk-some-key-of-mine", 5.0)
        try:
            await provider.send({"model": "m", "messages": []})
        finally:
            await provider.aclose()

    with pytest.raises(Trouble, match="Provider returned error") as told:
        asyncio.run(ask())
    assert told.value.kind == kind
    assert told.value.doubtful is (code == 502)  # a gateway does not know whether it was carried out


FILE = {"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "fine-tune"}
NOT_YOURS = error("Model gpt-4.1 is not available for fine-tuning to your organization.", "model_not_available")
FULL = error("You have reached the maximum number of active fine-tuning jobs (3).", "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        ((403, NOT_YOURS), ModelError, r"cannot be finetuned, or not by your organization: .*gpt-4.1-2025-04-14"),
        ((400, error("invalid model")), ModelError, "gpt-4o-mini-2024-07-18"),
        ((400, FULL), BackendError, r"could not be created: .*maximum number of active"),
        ((429, FULL), BackendError, r"could not be created: .*maximum number of active"),
    ],
)
def test_a_refused_finetuning_is_told_as_what_it_is(server, tmp_path, monkeypatch, refusal, kind, words) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-some-key-of-mine")
    monkeypatch.setattr("simbench_openai.finetuning.ROOM_PAUSE", 0.1)
    rules, url = server
    rules["/files"], rules["/fine_tuning/jobs"] = (200, FILE), refusal
    takes = Takes(finetune=True, json_schema=True, thinking=False)
    config = OpenAIConfig(model="gpt-4.1", base_url=url, adapt="finetune", capabilities=takes, give_up_after=0.5)
    lent = workspace(tmp_path)
    with pytest.raises(kind, match=words):
        OpenAI(config).adapt(transcripts(12), lent)
    assert any("no room for it now" in line for line in lent.progress.said) is (refusal[1] is FULL)


def test_what_azure_wants_before_a_finetuned_model_answers_is_said_before_anything_is_paid() -> None:
    url = "https://mine.openai.azure.com/openai/v1"
    takes = Takes(finetune=True, json_schema=True, thinking=False)
    made = OpenAI(OpenAIConfig(model="gpt-4.1", base_url=url, adapt="finetune", capabilities=takes))
    assert any("only once it is deployed" in note for note in made.estimate(transcripts(12), interviews(3)).notes)
