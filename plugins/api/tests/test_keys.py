"""A key never reaches the screen or a file, whatever its shape and however a server quotes it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from simbench.cli import main
from simbench_api.redact import PART, Redactor, shown_url
from simbench_api.testing import LocalServer

STUDY = """
name: tiny
introduction: A survey.
vignettes: "Your arm: {arm}."
factors: {arm: {a: first, b: second}}
profile: {age: {bins: [40]}}
items:
  give: {role: decision, text: "Do you give?", options: {0: "no", 1: "yes"}}
data: tiny.csv
"""
KEYS = {
    "openai": "sk-proj-T4mJq8Zr2Lw9_XvKb7Yc3Nd6-HfG5sPa1oEu0iQ",
    "anthropic": "sk-ant-api03-q9WeR7tY5uI3oP1aS8dF6gH4jK2lZ0xC-AAAA",
    "gemini": "AIzaSyD9tSrke72PouQMnMXa7eZSW0jkFMBWYqQ",
    "groq": "gsk_7aB8cD9eF0gH1iJ2kL3mN4oP5qR6sT7uV8wX9yZ0",
    "huggingface": "hf_QwErTyUiOpAsDfGhJkLzXcVbNm12345678",
    "xai": "xai-Zx9Cv8Bn7Ml6Kj5Hg4Fd3Sa2Po1Iu0Yt",
    "together": "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0",
    "mistral": "Lk3Jh5Gf7Ds9Aq2We4Rt6Yu8Io0Pz1Xc",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzaW1iZW5jaCJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g",
    "password": 'c0rrect/horse"battery+staple&9',
}
BODIES = ("400", "401", "403", "500", "200 with an error", "the answer", "batch line", "batch failed")
PAIRS = [
    (shape, BODIES[(number * step + step) % len(BODIES)]) for step in (1, 3) for number, shape in enumerate(KEYS)
]


@dataclass
class Quoting:
    """A server that says the key it is sent, whole, in part, masked and encoded."""

    how: str = "400"
    lines: list[str] = field(default_factory=list)

    def words(self, key: str) -> str:
        masks = f"{key[:7]}********{key[-4:]}, {key[:3]}...{key[-4:]}, ***{key[-6:]}"
        return f"key {key} / {masks} / ?api_key={quote(key, safe='')}&x=1 / {key[:14]} / ends in {key[-4:]}"

    def answer(self, method: str, path: str, key: str, body: str) -> tuple[int, object]:
        """Status and JSON object, or text, of an answer."""
        error = {"error": {"message": self.words(key), "type": "t", "code": "c"}}
        message = {"role": "assistant", "content": self.words(key)}
        good = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {}, "model": f"m-{key}"}
        if path.endswith("/chat/completions"):
            if self.how == "200 with an error":
                return 200, error
            return (200, good) if self.how == "the answer" else (int(self.how), error)
        batch = {"id": "b1", "object": "batch", "created_at": 4e9, "endpoint": "e", "completion_window": "24h"}
        batch |= {"input_file_id": "f1", "status": "completed", "output_file_id": "f2"}
        if self.how == "batch failed":
            batch |= {"status": "failed", "errors": {"data": [{"code": "c", "message": self.words(key)}]}}
        if path.endswith("/files"):
            self.lines = [each for each in body.splitlines() if each.startswith("{")]
            return 200, {
                "id": "f1",
                "object": "file",
                "bytes": 1,
                "created_at": 1,
                "filename": "f",
                "purpose": "batch",
            }
        if path.endswith("/content"):
            said = [{"custom_id": json.loads(each)["custom_id"], "response": {"status_code": 400, "body": error}}
                    for each in self.lines]  # fmt: skip
            return 200, "".join(json.dumps(each) + "\n" for each in said)
        if "/batches" in path:
            return 200, batch if path.endswith("b1") or method == "POST" else {"object": "list", "data": []}
        return 200, {"id": "m", "object": "model", "created": 1, "owned_by": "o"}


@pytest.fixture
def quoting() -> Iterator[tuple[Quoting, str]]:
    """The server and its base URL."""
    state = Quoting()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            key = self.headers["authorization"].removeprefix("Bearer ")
            status, said = state.answer(self.command, self.path, key, body)
            data = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state, f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Carry out a run in this process; returns what stood on the screen and the exit code."""
    (tmp_path / "tiny.yaml").write_text(STUDY)
    people = (f"p{n},{'ab'[n % 2]},{20 + n},{n % 2}\n" for n in range(20))
    (tmp_path / "tiny.csv").write_text("participant_id,arm,age,give\n" + "".join(people))
    monkeypatch.chdir(tmp_path)
    takes = "{json_schema: true, batch: true, thinking: false}"
    quick = ["scoring.resamples=5", "scoring.splits=2", "scoring.floors=2", "sampler=none", "metric=js_distance"]
    fixed = [
        "experiment=yaml",
        "experiment.file=tiny.yaml",
        "backend=openai",
        "backend.model=m",
        f"backend.capabilities={takes}",
        *quick,
    ]

    def go(*words: str) -> tuple[int, str]:
        capfd.readouterr()
        with contextlib.chdir("."):
            code = main([*fixed, *words])
        return int(code or 0), "".join(capfd.readouterr())

    return go


def leaks(key: str, text: str) -> list[str]:
    """Stretches of the key that stand in a text."""
    parts = {key[at : at + PART] for at in range(len(key) - PART + 1)}
    return sorted(part for part in parts if part in text)


@pytest.mark.parametrize(("shape", "how"), PAIRS)
def test_no_key_on_the_screen_or_in_a_file(quoting, run, monkeypatch, tmp_path, shape, how) -> None:
    server, url = quoting
    server.how, key = how, KEYS[shape]
    monkeypatch.setenv("OPENAI_API_KEY", key)
    mode = "batch" if how.startswith("batch") else "live"
    words = (f"backend.base_url={url}", f"backend.mode={mode}", "backend.give_up_after=0.3")
    _, screen = run(*words, "backend.poll_seconds=0.02", "backend.batch_rounds=1", "backend.retry_after_cap=0.1")
    assert leaks(key, screen) == []
    assert "Traceback" not in screen
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in written), screen
    for path in written:
        text = path.read_bytes().decode("utf-8", "replace")
        assert leaks(key, text) == [], path
        assert f"********{key[-4:]}" not in text, path


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_redactor_cuts_out_wholes_parts_and_masks_and_leaves_answers_alone(key) -> None:
    redact = Redactor(key)
    said = redact(Quoting().words(key))
    assert leaks(key, said) == []
    assert key[-4:] not in said
    assert json.dumps(key)[1:-1] not in redact(json.dumps({"error": key}))
    plain = 'There is no model "m" at this address (HTTP 404); see https://host.example/docs?page=2'
    assert redact(plain) == plain
    assert redact.answer('{"give": "yes"}') == '{"give": "yes"}'


def test_a_short_key_is_cut_from_errors_as_a_word_and_from_no_answer() -> None:
    redact = Redactor("any")
    assert redact("bad key any, as many") == "bad key [key], as many"
    assert redact.answer('{"give": "any"}') == '{"give": "any"}'


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-with space", "sk-schlüssel-ß", "sk-\x00nul"[:3] + "\x7f"])
def test_a_key_that_cannot_be_sent_is_refused_in_a_line(run, monkeypatch, key) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with LocalServer() as server:
        code, screen = run(f"backend.base_url={server.openai_url}")
        assert not server.log
    assert code == 2
    assert "plain ASCII without white space" in screen
    assert leaks(key, screen) == []


def test_white_space_around_a_key_is_dropped(run, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-right-key-of-mine\r\n")
    with LocalServer(keys=["sk-right-key-of-mine"]) as server:
        code, screen = run(f"backend.base_url={server.openai_url}", "backend.model=stand-in")
    assert code == 0, screen


@pytest.mark.parametrize(
    "url",
    [
        "https://host.example/v1?api_key=Abc9Def8Ghi7Jkl6",
        "https://me:Abc9Def8Ghi7Jkl6@host.example/v1",
        "https://Abc9Def8Ghi7Jkl6@host.example/v1?x=1",
        "host.example/v1?api_key=Abc9Def8Ghi7Jkl6",
        "http://[::1?api_key=Abc9Def8Ghi7Jkl6",
        "https://host.example/v1#Abc9Def8Ghi7Jkl6",
    ],
)
def test_a_secret_in_the_address_is_refused_and_not_shown(run, monkeypatch, tmp_path, url) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    code, screen = run(f"backend.base_url='{url}'")
    assert code == 2
    assert "Abc9Def8" not in screen + shown_url(url)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"Abc9Def8" not in path.read_bytes(), path


@pytest.mark.parametrize("name", [*KEYS.values()])
def test_a_key_in_place_of_its_variable_is_not_shown(run, name) -> None:
    code, screen = run(f"backend.key_env={json.dumps(name)}")
    assert code == 2
    assert leaks(name, screen) == []
