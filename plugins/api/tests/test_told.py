"""What a user is told of a run behind an API: what was not sent, who is missing, what all of it cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simbench_api.testing import Faults

SECRET = "sk-do-not-show-me-anywhere"
DROP = ("backend.model=gpt-5-mini", "backend.temperature=0.5", "backend.on_unsupported=drop")
DECLARED = "backend.capabilities={json_schema: true, thinking: true}"


def manifest_of(folder: Path) -> dict:
    (path,) = (folder / "runs").glob("crowd-*/manifest.json")
    return json.loads(path.read_text())


def test_what_was_not_sent_and_who_is_missing_is_in_plain_sight(simbench, stand_in, tmp_path) -> None:
    stand_in.set_faults(Faults(refusal=0.3))
    assert simbench(*DROP, DECLARED, "experiment.people=60").wait(120) == 0
    told = (tmp_path / "log.txt").read_text()
    manifest = manifest_of(tmp_path)
    backend, counts = manifest["backend"], manifest["outcomes"]
    assert backend["requested"]["temperature"] == 0.5
    assert "temperature" not in backend["sent"]
    bodies = [json.loads(entry.body) for entry in stand_in.log if entry.path.endswith("completions")]
    assert len(bodies) == 60
    assert not any("temperature" in body for body in bodies)
    assert "NOT SENT, since the model does not take it: temperature=0.5" in told
    assert "only ok ones are compared" in told
    (row,) = [line.split() for line in told.splitlines() if line.strip().startswith("treatment low")]
    assert row[2:] == [str(counts["condition"]["low"][status]) for status in ("ok", "refused")]
    page = next((tmp_path / "runs").glob("crowd-*/report.html")).read_text()
    assert "NOT SENT, since the model does not take it: temperature=0.5" in page
    assert simbench(*DROP, DECLARED, "experiment.people=60", "scoring.resamples=30").wait(120) == 0
    assert len(stand_in.log) == len(bodies) + 1  # the look at the model: nobody is asked again
    assert manifest_of(tmp_path)["backend"] == backend


def test_the_cost_of_a_run_holds_its_finetuning(simbench, stand_in, tmp_path) -> None:
    (tmp_path / "prices.yaml").write_text("prices: [{model: '*', input: 1.0, output: 4.0, training: 20.0}]")
    words = ("backend.adapt=finetune", "sampler=random", "sampler.n=20", "experiment.people=60")
    assert simbench(*words, "backend.prices=prices.yaml").wait(120) == 0, (tmp_path / "log.txt").read_text()
    manifest = manifest_of(tmp_path)
    training = manifest["model"]["parameters"]
    journal = next((tmp_path / "runs").glob("crowd-*/responses.jsonl")).read_text()
    asking = sum(json.loads(line)["cost"] for line in journal.splitlines())
    assert training["cost"] > 0
    assert manifest["usage"]["cost"] == pytest.approx(training["cost"] + asking, abs=1e-5)
    assert manifest["usage"]["tokens"]["training"] == training["usage"]["training"]


def test_a_run_that_stops_at_its_budget_tells_what_it_sent(simbench, stand_in, tmp_path) -> None:
    (tmp_path / "prices.yaml").write_text("prices: [{model: '*', input: 100.0, output: 400.0}]")
    words = ("experiment.people=60", "backend.prices=prices.yaml", "budget=0.5")
    assert simbench(*words).wait(120) != 0
    manifest = manifest_of(tmp_path)
    assert manifest["error"]["type"] == "BudgetError"
    assert 0 < manifest["backend"]["spent"] <= 0.5
    assert manifest["backend"]["sent"] == {"json_schema": True}


def test_an_estimate_says_that_the_run_would_be_refused(simbench, stand_in, tmp_path) -> None:
    words = (
        "experiment=crowd",
        "backend=openai",
        "backend.model=nobody-knows",
        "backend.server=openai",
        "sampler=none",
    )
    assert simbench("estimate", *words, plain=True).wait(60) == 0
    told = (tmp_path / "log.txt").read_text()
    assert "would stop before anything is sent: nothing is declared about json_schema" in told
    assert "price unknown" in told
    assert not stand_in.log


def test_every_declarable_capability_is_shown_by_the_name_it_is_set_by(simbench, tmp_path) -> None:
    assert simbench("show", "backend", "openai", plain=True).wait(60) == 0
    told = (tmp_path / "log.txt").read_text()
    assert "backend.capabilities.json_schema: bool" in told
    assert "Takes(" not in told


def test_no_key_is_in_any_file(simbench, stand_in, tmp_path) -> None:
    stand_in.set_faults(Faults(unauthorized=1.0))
    assert simbench("experiment.people=20").wait(60) != 0
    stand_in.set_faults(Faults())
    assert simbench("experiment.people=20").wait(60) == 0
    assert any(SECRET in str(entry.headers) for entry in stand_in.log)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
