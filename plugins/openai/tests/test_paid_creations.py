"""Finetuning jobs and batches: found again, never created twice, whatever gets lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from simbench.backends.base import Model
from simbench.errors import BudgetError, ConfigError, DataError, ModelError, UnsupportedError
from simbench.testing.study import MemoryCache, interviews, transcripts, workspace
from simbench_api import Takes
from simbench_api.testing import Faults, LocalServer
from simbench_openai.backend import OpenAI, OpenAIConfig

TAKES = dict.fromkeys(("temperature", "seed", "json_schema", "batch", "finetune"), True) | {"thinking": False}
SECRET = "sk-never-to-be-seen"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def server():
    with LocalServer(keys=[SECRET], job_seconds=0.2, batch_seconds=0.2) as running:
        yield running


def backend(server: LocalServer, **settings) -> OpenAI:
    chosen = {
        "model": "gpt-4.1",
        "base_url": server.openai_url,
        "capabilities": TAKES,
        "poll_seconds": 0.02,
        "give_up_after": 20.0,
    }
    chosen |= settings
    return OpenAI(OpenAIConfig(**chosen | {"capabilities": Takes(**chosen["capabilities"])}))


def posts(server: LocalServer, path: str) -> int:
    return sum(entry.method == "POST" and entry.path == path for entry in server.log)


# -- finetuning


def finetune(server: LocalServer, folder: Path, pilot=None, **settings) -> Model:
    made = backend(server, adapt="finetune", **settings)
    pilot = transcripts(29) if pilot is None else pilot
    made.check(pilot, interviews(3))
    return made.adapt(pilot, workspace(folder))


def test_a_pilot_becomes_a_model_and_the_model_learned_it(server, tmp_path) -> None:
    made = backend(server, adapt="finetune", n_epochs=4, suffix="pilot")
    lent = workspace(tmp_path)
    model = made.adapt(transcripts(29), lent)
    assert model.adapter.startswith("ft:gpt-4.1:")
    assert model.parameters["hyperparameters"]["n_epochs"] == 4
    assert model.parameters["usage"]["training"] > 0
    assert [c["step"] for c in model.parameters["checkpoints"]] == sorted(
        c["step"] for c in model.parameters["checkpoints"]
    )
    assert any("Fine-tuning job started" in line for line in lent.progress.said)
    assert Model.from_json(json.loads(json.dumps(model.to_json()))) == model
    found = list(made.respond(model, interviews(40), lent))
    assert {each.status for each in found} == {"ok"}
    assert {each.answers["trust"] for each in found} <= {"Never", "Sometimes", "Always"}
    trained = next(entry for entry in server.log if entry.path.endswith("/jobs") and entry.method == "POST")
    body = json.loads(trained.body)
    assert body["metadata"]["simbench_run"] == "study-1"
    assert body["method"]["supervised"]["hyperparameters"] == {"n_epochs": 4}


def test_without_a_pilot_the_model_is_as_it_is(server, tmp_path) -> None:
    model = finetune(server, tmp_path, pilot=[])
    assert model.adapter is None
    assert not server.summary()["jobs"]


def test_a_lost_answer_to_a_creation_makes_no_second_job(server, tmp_path) -> None:
    server.set_faults(Faults(lost_creation=1.0, lost_upload=0.5))
    model = finetune(server, tmp_path)
    assert model.adapter
    assert len(server.summary()["jobs"]) == 1
    assert posts(server, "/v1/fine_tuning/jobs") == 1


def test_a_lost_folder_finds_its_job_again(server, tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert finetune(server, tmp_path / "a").adapter == finetune(server, tmp_path / "b").adapter
    assert len(server.summary()["jobs"]) == 1


def test_other_settings_or_people_make_another_job(server, tmp_path) -> None:
    for number, (people, epochs) in enumerate([(29, 3), (29, 4), (30, 3)]):
        (tmp_path / str(number)).mkdir()
        finetune(server, tmp_path / str(number), pilot=transcripts(people), n_epochs=epochs)
    assert len(server.summary()["jobs"]) == 3


def test_a_failed_job_says_why_and_may_be_tried_again(server, tmp_path) -> None:
    server.set_faults(Faults(job_failed=1.0))
    with pytest.raises(ModelError, match="failed on the stand-in's wish"):
        finetune(server, tmp_path)
    server.set_faults(Faults())
    assert finetune(server, tmp_path).adapter
    assert sorted(server.summary()["jobs"].values()) == ["failed", "succeeded"]


def test_training_files_are_checked_before_anything_is_sent(server, tmp_path) -> None:
    with pytest.raises(DataError, match="at least 10 examples"):
        finetune(server, tmp_path, pilot=transcripts(9))
    with pytest.raises(UnsupportedError, match="finetune"):
        finetune(server, tmp_path, capabilities={**TAKES, "finetune": False})
    with pytest.raises(UnsupportedError, match="finetuning"):
        finetune(server, tmp_path, capabilities={**TAKES, "finetune": False}, on_unsupported="drop")
    assert not server.log


def test_training_stops_at_the_budget_before_it_is_paid_for(server, tmp_path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices: [{model: '*', input: 1.0, output: 1.0, training: 1000.0}]")
    made = backend(server, adapt="finetune", prices=str(prices))
    with pytest.raises(BudgetError, match="finetuning"):
        made.adapt(transcripts(29), workspace(tmp_path, budget=1.0))
    with pytest.raises(ConfigError, match="price"):
        backend(server, adapt="finetune").adapt(transcripts(29), workspace(tmp_path, budget=1.0))
    assert not server.summary()["jobs"]
    model = made.adapt(transcripts(29), workspace(tmp_path, budget=100.0))
    assert model.parameters["cost"] == pytest.approx(model.parameters["usage"]["training"] / 1000)
    low, high = made.estimate(transcripts(29), []).adaptation_tokens
    assert low <= model.parameters["usage"]["training"] <= high


# -- batches


def run_batches(server: LocalServer, folder: Path, people: int = 60, **lent):
    made = backend(server, mode="batch")
    space = workspace(folder, **lent)
    found = list(made.respond(made.adapt([], space), interviews(people), space))
    assert len(found) == people == len({each.key for each in found})
    return {each.key: each for each in found}


def test_a_batch_answers_as_live_requests_do_at_half_the_price(server, tmp_path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices: [{model: '*', input: 10.0, output: 100.0}]")
    live, batch = (backend(server, mode=mode, prices=str(prices)) for mode in ("live", "batch"))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = {a.key: a for a in live.respond(Model("openai", "gpt-4.1"), interviews(20), workspace(tmp_path / "a"))}
    two = {a.key: a for a in batch.respond(Model("openai", "gpt-4.1"), interviews(20), workspace(tmp_path / "b"))}
    assert {key: a.answers for key, a in one.items()} == {key: a.answers for key, a in two.items()}
    for key, answer in two.items():
        assert answer.cost == pytest.approx(one[key].cost / 2)
    assert posts(server, "/v1/batches") == 1


def test_what_a_batch_loses_is_sent_again_and_nothing_else(server, tmp_path) -> None:
    rates = {"batch_error": 0.1, "batch_expired": 0.1, "batch_lost": 0.1, "batch_duplicate": 0.1}
    server.set_faults(Faults(**rates))
    found = run_batches(server, tmp_path, people=150)
    counts = Counter(each.status for each in found.values())
    assert counts["ok"] > 140
    assert set(counts) <= {"ok", "failed", "expired"}
    sizes = [len(batch.requests) for batch in server._state.batches.values()]
    assert sizes[0] == 150
    assert len(sizes) == 3
    assert sizes[1] < 75
    assert sizes[2] < sizes[1]


def test_invalid_answers_of_a_batch_are_asked_again_in_the_next(server, tmp_path) -> None:
    server.set_faults(Faults(invalid_option=0.3))
    found = run_batches(server, tmp_path)
    mended = [each for each in found.values() if each.status == "ok" and len(each.attempts) == 2]
    assert len(mended) > 5
    assert posts(server, "/v1/batches") == 2


def test_a_lost_answer_to_a_batch_creation_makes_no_second_batch(server, tmp_path) -> None:
    server.set_faults(Faults(lost_creation=1.0))
    made = backend(server, mode="batch")
    lent = workspace(tmp_path)
    assert len(list(made.respond(Model("openai", "gpt-4.1"), interviews(10), lent))) == 10
    assert len(server.summary()["batches"]) == 1
    assert any("looking whether it was created" in line for line in lent.progress.said)


def test_batches_are_cut_to_size_and_to_the_budget(server, tmp_path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices: [{model: '*', input: 10.0, output: 100.0}]")
    made = backend(server, mode="batch", batch_size=25)
    lent = workspace(tmp_path)
    assert len(list(made.respond(Model("openai", "gpt-4.1"), interviews(60), lent))) == 60
    assert sorted(len(b.requests) for b in server._state.batches.values()) == [10, 25, 25]
    cheap = backend(server, mode="batch", prices=str(prices))
    (tmp_path / "b").mkdir()
    got = []
    lent = workspace(tmp_path / "b", budget=0.02)
    with pytest.raises(BudgetError):
        got.extend(cheap.respond(Model("openai", "gpt-4.1"), interviews(60), lent))
    assert 0 < len(got) < 60
    assert sum(each.cost for each in got) <= 0.02


def test_a_batch_fills_the_cache(server, tmp_path) -> None:
    cache = MemoryCache()
    run_batches(server, tmp_path, people=20, cache=cache)
    before = len(server.log)
    (tmp_path / "again").mkdir()
    run_batches(server, tmp_path / "again", people=20, cache=cache)
    assert len(server.log) == before


def test_one_by_one_cannot_be_batched(server) -> None:
    with pytest.raises(ConfigError, match="turns"):
        backend(server, mode="batch", elicitation="turns").check([], [])
