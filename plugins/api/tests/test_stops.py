"""What stops a run, what is said of it, and how the same command goes on."""

from __future__ import annotations

import json
import re

import pytest

from simbench.errors import BackendError
from simbench.testing.study import interviews, workspace
from simbench_api import Takes
from simbench_api.testing import Faults, LocalServer, ModelSpec

openai = pytest.importorskip("simbench_openai.backend")

TAKES = {"json_schema": True, "seed": True, "batch": True, "thinking": False, "logprobs": True}
SECRETIVE = ModelSpec("secretive", logprobs=False)  # answers 400 to whoever asks for probabilities
PRICES = "prices: [{model: '*', input: 100.0, output: 400.0}]"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with LocalServer(models=[SECRETIVE], batch_seconds=0.1) as running:
        yield running


def backend(server: LocalServer, **settings):
    chosen = {"base_url": server.openai_url, "capabilities": Takes(**TAKES), "model": "gpt-4.1", "adapt": "none"}
    chosen |= {"poll_seconds": 0.02, "give_up_after": 3.0, "concurrency": 4} | settings
    return openai.OpenAI(openai.OpenAIConfig(**chosen))


@pytest.mark.parametrize("mode", ["live", "batch"])
def test_a_run_whose_first_requests_are_all_refused_stops_and_says_why(server, tmp_path, mode) -> None:
    made, lent = backend(server, model="secretive", logprobs=True, mode=mode), workspace(tmp_path)
    with pytest.raises(BackendError, match=r"turned down: .*not allowed to request logprobs"):
        list(made.respond(made.adapt([], lent), interviews(200), lent))
    asked = server.summary()["by_path"]
    assert asked.get("POST /v1/chat/completions", 0) < 20
    assert len(server.summary()["batches"]) == (mode == "batch")


@pytest.mark.parametrize(
    ("fault", "words"), [("server_error", r"no answer for \d+ s: \d+ x 500"), ("hang", "no word")]
)
def test_a_dead_or_hanging_server_is_spoken_of(server, tmp_path, monkeypatch, fault, words) -> None:

    monkeypatch.setattr("simbench_api.silence.AFTER", 0.3)
    server.set_faults(Faults(**{fault: 1.0}, hang_seconds=1.0))
    made, lent = backend(server, give_up_after=1.0), workspace(tmp_path)
    with pytest.raises(BackendError):
        list(made.respond(made.adapt([], lent), interviews(30), lent))
    (told, *_) = [line for line in lent.progress.said if re.search(words, line)]
    assert "requests are under way" in told


def test_after_a_fatal_error_nothing_is_waited_for_and_what_was_sent_is_in_the_books(
    server, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("simbench_api.engine.GRACE", 0.2)
    server.set_faults(Faults(hang=0.5, quota=0.2, hang_seconds=3600.0))
    (tmp_path / "prices.yaml").write_text(PRICES)
    settings = {"give_up_after": 3600.0, "request_timeout": 3600.0, "prices": str(tmp_path / "prices.yaml")}
    made, lent = backend(server, concurrency=16, **settings), workspace(tmp_path)
    with pytest.raises(BackendError, match="quota"):
        list(made.respond(made.adapt([], lent), interviews(60), lent))
    told = made.record()
    assert told["doubtful"] > 0
    assert told["spent"] >= told["doubtful"]
    again = workspace(tmp_path)
    server.set_faults(Faults())
    assert len([*made.respond(made.adapt([], again), interviews(60), again)]) == 60
    assert made.record()["doubtful"] == pytest.approx(told["doubtful"])


def test_a_preflight_that_gets_no_answer_is_spoken_of(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("simbench_api.silence.AFTER", 0.2)
    made, lent = backend(server, base_url="http://127.0.0.1:9/v1", give_up_after=1.0), workspace(tmp_path)
    with pytest.raises(BackendError):
        list(made.respond(made.adapt([], lent), interviews(3), lent))
    assert any(line.startswith("no answer for") and "trying for 1 s" in line for line in lent.progress.said)


def test_a_sweep_that_stopped_at_its_budget_goes_on_with_a_higher_one(simbench, stand_in, tmp_path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    words = ("seed=1,2", "backend.prices=prices.yaml", "experiment.people=30", "backend.adapt=none")
    assert simbench(*words, "budget=0.3", "-m").wait(200) == 2
    spent = status(simbench, tmp_path)
    assert spent["counts"]["failed"] == 2
    charged = stand_in.summary()["charged"]
    true = (charged["input"] * 100 + charged["output"] * 400) / 1e6
    assert spent["spend"]["us_dollars"] == pytest.approx(true, abs=1e-5)  # failed runs count
    assert simbench(*words, "budget=9", "-m").wait(200) == 0, (tmp_path / "log.txt").read_text()
    assert status(simbench, tmp_path)["counts"]["done"] == 2


def status(simbench, folder) -> dict:
    assert simbench("status", "--json", plain=True, log="status.json").wait(60) == 0
    told = json.loads((folder / "status.json").read_text())
    (folder / "status.json").unlink()
    return dict(told)


def test_a_setting_that_all_backends_of_a_sweep_have_is_for_all(simbench, stand_in, tmp_path) -> None:
    words: tuple[str, ...] = ("-m", "experiment=crowd", "experiment.people=20", "sampler=none", "metric=js_distance")
    words += ("scoring.resamples=10", "scoring.splits=2", "scoring.floors=2", "backend.mode=batch")
    words += ("backend.poll_seconds=0.1",)
    assert simbench(*words, "backend=openai,anthropic", plain=True).wait(200) == 0, (tmp_path / "log.txt").read_text()
    state = stand_in.summary()
    assert (len(state["batches"]), len(state["message_batches"])) == (1, 1)
    assert simbench(*words, "backend=openai,uniform", plain=True, log="other.txt").wait(60) == 2
    told = (tmp_path / "other.txt").read_text()
    assert "backend.mode: backend uniform has no such setting, openai has" in told
