"""A model behind a server that scores texts says what it says here: option probabilities, draws, likelihoods.

The server is a stand-in that computes with the very model, in the exchange of vLLM (recorded from 0.32.0) and of
SGLang (documented: python/sglang/srt/entrypoints/openai/protocol.py and serving_completions.py in its repository).
With ``SIMBENCH_VLLM`` the path of a ``vllm`` command, vLLM itself is started, with the embedded model and an adapter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
import torch

from simbench.backends.base import Workspace
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench_local.backend import Local
from simbench_local.config import LocalConfig

pytest.importorskip("simbench_openai")

from simbench_api.testing import answering
from simbench_openai.backend import OpenAI, OpenAIConfig


def space(folder: Path) -> Workspace:
    folder.mkdir(exist_ok=True)
    return Workspace(folder, 0, Silent())


PAGE = Path(__file__).parents[3] / "docs" / "serving.md"


class Engine:
    """Answers ``/tokenize`` and ``/v1/completions`` as vLLM or SGLang do, by full forward passes of a model."""

    def __init__(self, model: Any, tokenizer: Any, kind: str) -> None:
        self.model, self.tokenizer, self.kind = model, tokenizer, kind
        self.lock = Lock()
        self.scored: list[dict[str, Any]] = []

    def of(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": self.kind}]}
        if path == "/tokenize":
            return 200, {"tokens": self._tokens(body), "count": 0, "max_model_len": 1024}
        if path == "/v1/completions":
            return self._completions(body)
        return 404, {"detail": "Not Found"}

    def _tokens(self, body: dict[str, Any]) -> list[int]:
        if "prompt" in body:
            return list(self.tokenizer(body["prompt"], add_special_tokens=body["add_special_tokens"])["input_ids"])
        ready = body.get("add_generation_prompt", True)
        text = self.tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=ready)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _completions(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["max_tokens"] < 1 and self.kind == "sglang":
            return 400, {"object": "error", "message": "max_tokens must be positive", "code": 400}
        with self.lock, torch.inference_mode():
            self.scored.append(body)
            choices = [self._choice(at, ids, body) for at, ids in enumerate(body["prompt"])]
        if self.kind == "vllm":
            choices.reverse()  # in any order: the index counts
        count = sum(map(len, body["prompt"]))
        usage = {"prompt_tokens": count, "completion_tokens": len(choices), "total_tokens": count + len(choices)}
        return 200, {"id": "c", "object": "text_completion", "model": "m", "choices": choices, "usage": usage}

    def _choice(self, index: int, ids: list[int], body: dict[str, Any]) -> dict[str, Any]:
        logs = self.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        best = int(logs[-1].argmax())  # the one token that is written behind the prompt
        told: list[float | None] = [float(logs[-1, best])]
        listed: list[dict[str, float] | None] = [{"x": float(logs[-1, best])}]
        if body.get("echo"):
            told = [None, *(float(logs[at, token]) for at, token in enumerate(ids[1:])), *told]
            listed = [None] * len(ids) + listed
        if self.kind == "vllm" and "logprob_token_ids" in body:  # others know no such field, and say nothing of it
            listed = [{f"token_id:{each}": float(logs[-1, each]) for each in {best, *body["logprob_token_ids"]}}]
        logprobs = {"token_logprobs": told, "top_logprobs": listed}
        return {"index": index, "text": "", "logprobs": logprobs, "finish_reason": "length"}


def serving(engine: Engine) -> AbstractContextManager[str]:
    return answering(lambda path, body: engine.of(path, json.loads(body) if body else {}))


@pytest.fixture(params=["vllm", "sglang"])
def engine(request, tiny, monkeypatch) -> Engine:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("OPENAI_API_KEY", "any")
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    return Engine(model, AutoTokenizer.from_pretrained(tiny), request.param)


def remote(url: str, **settings: Any) -> OpenAI:
    chosen = {"model": "m", "base_url": url, "elicitation": "choice", "adapt": "none", "give_up_after": 5.0}
    return OpenAI(OpenAIConfig(**{**chosen, **settings}))


def asked(backend: Any, interviews: Any, room: Workspace) -> dict[Any, Any]:
    backend.check([], interviews)
    return {each.key: each for each in backend.respond(backend.adapt([], room), interviews, room)}


def close(there: dict[Any, Any], here: dict[Any, Any], rounding: float = 1e-5) -> None:
    assert set(there) == set(here)
    for key, answer in here.items():
        assert there[key].status == "ok", there[key].error
        assert there[key].answers == answer.answers
        for item, chances in answer.probabilities.items():
            assert there[key].probabilities[item] == pytest.approx(chances, abs=rounding)
            assert there[key].valid_mass[item] == pytest.approx(answer.valid_mass[item], rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_a_served_model_gives_the_numbers_and_the_answers_that_it_gives_here(
    engine, tiny, tmp_path, study, temperature
) -> None:
    interviews = [each.interview for each in study(12)]
    here = asked(
        Local(LocalConfig(model=str(tiny), adapt="none", dtype="fp32", temperature=temperature)),
        interviews,
        space(tmp_path / "a"),
    )
    with serving(engine) as url:
        backend = remote(url, temperature=temperature)
        close(asked(backend, interviews, space(tmp_path / "b")), here)
    assert backend.record()["server"]["name"] == engine.kind
    assert backend.record()["sent"] == {"choice": True}
    assert not backend.record()["seeded"]


def test_how_likely_real_answers_are_is_the_same_too(engine, tiny, tmp_path, study) -> None:
    pilot = study(6)
    local = Local(LocalConfig(model=str(tiny), adapt="none", dtype="fp32"))
    room = space(tmp_path / "a")
    here = {each.key: each for each in local.score(local.adapt([], room), pilot, room)}
    with serving(engine) as url:
        backend, there = remote(url), space(tmp_path / "b")
        close({each.key: each for each in backend.score(backend.adapt([], there), pilot, there)}, here)


def test_what_determines_a_probability_is_asked_once(engine, tmp_path, study) -> None:
    from dataclasses import replace

    from simbench.testing.study import MemoryCache

    one = study(1)[0].interview
    twins = [replace(one, participant_id=f"twin {at}", replicate=at) for at in range(6)]
    with serving(engine) as url:
        room = space(tmp_path)
        room = replace(room, cache=MemoryCache())
        asked(remote(url, concurrency=1), twins, room)
    first = [body for body in engine.scored if body["prompt"] == engine.scored[-1]["prompt"]]
    assert len(first) == 1


@pytest.mark.parametrize("fault", ["short", "missing", "fewer", "impossible"])
def test_numbers_that_do_not_fit_what_was_asked_are_no_answer(engine, tmp_path, study, fault) -> None:
    whole = engine._completions

    def broken(body: dict[str, Any]) -> tuple[int, Any]:
        status, said = whole(body)
        if fault == "fewer":
            said["choices"].pop()
        for choice in said["choices"]:
            numbers, listed = choice["logprobs"]["token_logprobs"], choice["logprobs"]["top_logprobs"]
            if fault == "short":
                del numbers[-3:], listed[-3:]
            elif fault == "missing":
                numbers[-2:] = [None] * len(numbers[-2:])
                listed[-1] = dict.fromkeys(listed[-1])
            elif fault == "impossible":
                choice["logprobs"] = {"token_logprobs": [-9999.0] * len(numbers), "top_logprobs": listed}
                listed[-1] = dict.fromkeys(listed[-1], -9999.0)
        return status, said

    engine._completions = broken
    with serving(engine) as url:
        backend = remote(url, give_up_after=0.3, concurrency=1)
        (answer,) = asked(backend, [study(1)[0].interview], space(tmp_path)).values()
    assert answer.status == "failed"
    assert not answer.probabilities


def test_a_prompt_is_read_whole_by_servers_alone_that_do_not_tell_of_tokens_by_id(engine, tmp_path, study) -> None:
    with serving(engine) as url:
        asked(remote(url, concurrency=1), [study(1)[0].interview], space(tmp_path))
    echoed = [bool(body.get("echo")) for body in engine.scored]
    assert echoed == ([False] * 3 if engine.kind == "vllm" else [False, True, True, True])


def merged(adapter: Path, base: Path, to: Path) -> Path:
    """What the page says: the adapter read by plain PEFT and merged into its model."""
    block = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    names, paths = "base, adapter, merged = ", (str(base), str(adapter), str(to))
    words = [f"{names}{paths!r}" if line.startswith(names) else line for line in block[1].splitlines()]
    assert f"{names}{paths!r}" in words
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers in its old words
        exec(compile("\n".join(words), str(PAGE), "exec"), {})  # noqa: S102 - our own page
    return to


def tuned(model: str, pilot: list[Transcript], room: Workspace, **settings: Any) -> tuple[Any, Any, Path]:
    backend = Local(LocalConfig(model=model, dtype="fp32", **{"epochs": 2, "rank": 4, **settings}))
    handle = backend.adapt(pilot, room)
    return backend, handle, room.folder / str(handle.adapter)


def test_an_adapter_is_plain_peft_and_merged_it_answers_as_the_run_did(engine, tiny, tmp_path, study) -> None:
    from transformers import AutoModelForCausalLM

    room, interviews = space(tmp_path / "a"), [each.interview for each in study(8, seed=2)]
    backend, handle, adapter = tuned(str(tiny), study(8), room)
    here = {each.key: each for each in backend.respond(handle, interviews, room)}
    whole = merged(adapter, tiny, tmp_path / "whole")
    engine.model = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32)
    with serving(engine) as url:
        close(asked(remote(url), interviews, space(tmp_path / "b")), here, rounding=1e-4)
    again = Local(LocalConfig(model=str(whole), adapt="none", dtype="fp32"))
    close(asked(again, interviews, space(tmp_path / "c")), here, rounding=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif("SIMBENCH_VLLM" not in os.environ, reason="SIMBENCH_VLLM is not the path of a vllm command")
def test_vllm_itself_serves_model_and_adapter_with_the_same_numbers(tmp_path, monkeypatch, study) -> None:
    from simbench_local.store import resolve

    monkeypatch.setenv("OPENAI_API_KEY", "any")
    room, interviews = space(tmp_path / "a"), [each.interview for each in study(2, seed=2)]
    backend, handle, adapter = tuned("smollm2-135m-instruct", study(8), room, epochs=1, rank=8)
    here = {each.key: each for each in backend.respond(handle, interviews, room)}
    plain = Local(LocalConfig(adapt="none", dtype="fp32"))
    bare = asked(plain, interviews, space(tmp_path / "b"))
    base = resolve("smollm2-135m-instruct").folder
    words = [os.environ["SIMBENCH_VLLM"], "serve", str(base), "--served-model-name", "base", "--dtype", "float32"]
    words += ["--enable-lora", "--max-lora-rank", "8", "--lora-modules", f"tuned={adapter}"]
    words += ["--max-model-len", "2048", "--enforce-eager", "--host", "127.0.0.1", "--port", "18123"]
    with (tmp_path / "log.txt").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            _wait(process, "http://127.0.0.1:18123/v1/models")
            settings = {"concurrency": 1, "request_timeout": 900.0, "give_up_after": 1800.0}
            for name, expected in (("base", bare), ("tuned", here)):
                there = remote("http://127.0.0.1:18123/v1", model=name, **settings)
                close(asked(there, interviews, space(tmp_path / name)), expected, rounding=1e-3)
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], address: str, seconds: float = 900.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).read()  # noqa: S310 - this machine
            return
        except OSError:
            time.sleep(2)
    raise AssertionError("vllm did not start")
