"""``adapt=blend`` through OpenAI's own library, against the local stand-in."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from simbench.backends.base import Model
from simbench.backends.resample import Copies
from simbench.backends.tabular import chances_of
from simbench.errors import BudgetError, ConfigError, UnsupportedError
from simbench.interview import Transcript
from simbench.testing.study import ITEMS, MemoryCache, interviews, transcripts, workspace
from simbench_api import Takes
from simbench_api.testing import LocalServer
from simbench_openai.backend import OpenAI, OpenAIConfig

TAKES = dict.fromkeys(("temperature", "top_p", "seed", "logprobs", "json_schema", "batch", "finetune"), True)
TAKES["thinking"] = False


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-to-be-seen")


@pytest.fixture
def server():
    with LocalServer(keys=["sk-never-to-be-seen"]) as running:
        yield running


@pytest.fixture
def prices(tmp_path: Path) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text("prices: [{model: '*', input: 10.0, cached_input: 1.0, output: 100.0}]")
    return str(path)


def backend(server: LocalServer, **settings) -> OpenAI:
    chosen = {"model": "gpt-4.1", "base_url": server.openai_url, "give_up_after": 20.0, "adapt": "blend"}
    chosen |= {"elicitation": "turns", "logprobs": True, "capabilities": Takes(**TAKES)}
    return OpenAI(OpenAIConfig(**chosen | settings))


def asked_of(server: LocalServer) -> int:
    return sum("completions" in entry.path for entry in server.log)


def as_the_model(server: LocalServer, folder: Path, people: int, noise: float = 0.0, seed: int = 1):
    """A pilot that answers as the model does, or, by ``noise``, with answers dealt out anew."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    drawn = backend(server, adapt="none")
    found = {
        each.key: each
        for each in drawn.score(drawn.adapt([], workspace(folder)), transcripts(people), workspace(folder))
    }
    rows = []
    for each in transcripts(people):
        chances = found[each.interview.key].probabilities
        rows.append({item.name: item.values[rng.choice(len(item.values), p=chances[item.name])] for item in ITEMS})
    order = rng.permutation(people) if noise else np.arange(people)
    return [Transcript(each.interview, rows[at]) for each, at in zip(transcripts(people), order, strict=True)]


def test_probabilities_are_the_product_of_the_parts(server, tmp_path) -> None:
    """log p = log f + sum of w (log p_m - log f), put together here from the handle and the model's own words."""
    pilot, asked = as_the_model(server, tmp_path / "p", 20), interviews(3)
    made, lent = backend(server), workspace(tmp_path)
    made.check(pilot, asked)
    model = Model.from_json(json.loads(json.dumps(made.adapt(pilot, lent).to_json())))
    answers = {each.key: each for each in backend(server).respond(model, asked, lent)}
    plain = backend(server, adapt="none")
    own = [Transcript(each, answers[each.key].answers) for each in asked]
    words = {each.key: each for each in plain.score(plain.adapt([], lent), own, lent)}
    blend, fitted = model.parameters["blend"], model.parameters["calibration"]
    table = Model.from_json(blend["tabular"])
    for each in asked:
        before: dict = {}
        for item in each.items:
            known = blend["items"][item.name]
            base = np.array(known["counts"]) + 0.5
            base = base / base.sum()
            scores = fitted[item.name]["scale"] * np.log(np.maximum(words[each.key].probabilities[item.name], 1e-6))
            scores = np.exp(scores + np.array(fitted[item.name]["bias"]))
            members = {
                "own words": scores / scores.sum(),
                "tabular": chances_of(table, item.name, [each], {name: [value] for name, value in before.items()})[0],
                "resample": Copies.of(blend["rows"], each.items).after(tuple(before.values())),
            }
            total = np.log(base)
            for name, weight in known["weights"].items():
                member = np.maximum(members[name], 1e-6)
                total = total + weight * (np.log(member / member.sum()) - np.log(base))
            expected = np.exp(total) / np.exp(total).sum()
            assert answers[each.key].probabilities[item.name] == pytest.approx(expected, abs=1e-9)
            before[item.name] = answers[each.key].answers[item.name]


def test_real_answers_are_looked_up_with_the_pooled_probabilities(server, tmp_path) -> None:
    pilot, asked = as_the_model(server, tmp_path / "p", 12), interviews(2)
    lent, cache = workspace(tmp_path, cache=MemoryCache()), MemoryCache()
    model = backend(server).adapt(pilot, lent)
    drawn = {each.key: each for each in backend(server).respond(model, asked, workspace(tmp_path, cache=cache))}
    own = [Transcript(each, drawn[each.key].answers) for each in asked]
    for told in backend(server).score(model, own, lent):
        assert told.answers == drawn[told.key].answers
        for item in ITEMS:
            assert told.probabilities[item.name] == pytest.approx(drawn[told.key].probabilities[item.name])


def test_draws_follow_from_the_pool_seed_and_participant_alone(server, tmp_path) -> None:
    pilot = as_the_model(server, tmp_path / "p", 12)
    lent = workspace(tmp_path)
    model = backend(server).adapt(pilot, lent)
    asked = interviews(1, replicates=100)
    found = {each.key: each for each in backend(server).respond(model, asked, lent)}
    again = {each.key: each for each in backend(server, concurrency=2).respond(model, asked[::-1], lent)}
    assert {key: each.answers for key, each in found.items()} == {key: each.answers for key, each in again.items()}
    first = next(iter(found.values())).probabilities["expected"]
    for value, chance in zip(ITEMS[0].values, first, strict=True):
        share = np.mean([each.answers["expected"] == value for each in found.values()])
        assert share == pytest.approx(chance, abs=4 * math.sqrt(0.25 / 100))


@pytest.mark.slow
def test_a_model_that_knows_people_gets_weight_and_one_that_does_not_next_to_none(server, tmp_path) -> None:
    weights = {}
    for name, noise in (("knows", 0.0), ("shuffled", 1.0)):
        pilot = as_the_model(server, tmp_path / name, 150, noise)
        blend = backend(server).adapt(pilot, workspace(tmp_path / name)).parameters["blend"]
        weights[name] = np.mean([each["weights"]["own words"] for each in blend["items"].values()])
        gain = blend["gain"]
        assert (gain["low"] > 0) == (name == "knows")
    assert weights["shuffled"] < 0.1 < 0.5 < weights["knows"]


def test_the_pilot_is_paid_for_once_and_within_the_estimate_and_the_budget(server, tmp_path, prices) -> None:
    pilot, asked = transcripts(20), interviews(3)
    cache = MemoryCache()
    priced = {"prices": prices}
    with pytest.raises(BudgetError, match="budget"):
        backend(server, **priced).adapt(pilot, workspace(tmp_path, budget=0.05, cache=cache))
    paid = asked_of(server)
    assert 0 < paid < 60
    made = backend(server, **priced)
    model = made.adapt(pilot, workspace(tmp_path, cache=cache))
    assert asked_of(server) == 60
    spent = made.record()["adapting"]["spent"]
    told = made.estimate(pilot, [])
    assert told.cost is not None
    assert 0 < told.cost[0] <= spent <= told.cost[1]
    assert told.adaptation_tokens[0] > 0
    assert any("20 people of the pilot" in note for note in told.notes)
    asking = backend(server, **priced)
    with pytest.raises(BudgetError):
        list(asking.respond(model, asked, workspace(tmp_path, cache=cache, budget=spent)))


def test_without_probabilities_it_stops_after_a_few(server, tmp_path) -> None:
    """Two labels that share their first word cannot be told apart at a token."""
    made = backend(server, concurrency=2)
    pilot = []
    for each in transcripts(40):
        items = list(each.interview.items)
        alike = dataclasses.replace(items[0], options=("very little", "very much"))
        interview = dataclasses.replace(each.interview, items=(alike, *items[1:]))
        pilot.append(Transcript(interview, {**each.answers, alike.name: "very much"}))
    with pytest.raises(UnsupportedError, match="needs the probabilities of the options"):
        made.adapt(pilot, workspace(tmp_path))
    assert asked_of(server) < 20


def test_what_blend_needs_is_said_before_anything_is_sent(server, tmp_path) -> None:
    for settings in ({"elicitation": "json"}, {"logprobs": False}):
        with pytest.raises(ConfigError, match=r"elicitation=turns and backend\.logprobs=true"):
            backend(server, **settings).check(transcripts(12), interviews(2))
    deaf = backend(server, capabilities=Takes(**TAKES | {"logprobs": False}))
    with pytest.raises(UnsupportedError, match="logprobs"):
        deaf.check(transcripts(12), interviews(2))
    new = dataclasses.replace(
        ITEMS[0], options=(*ITEMS[0].options, dataclasses.replace(ITEMS[0].options[0], value=99, label="More"))
    )
    unknown = [dataclasses.replace(each, items=(new, *each.items[1:])) for each in interviews(1)]
    with pytest.raises(ConfigError, match="nobody in it was offered 'More' of item"):
        backend(server).check(transcripts(12), unknown)
    assert asked_of(server) == 0
