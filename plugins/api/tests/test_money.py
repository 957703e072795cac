"""Books against the truth: what simbench says was spent, beside what the stand-in carried out and would charge."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from simbench.errors import BackendError, BudgetError
from simbench.ledger import SPEND, Ledger
from simbench.testing.study import MemoryCache, interviews, transcripts, workspace
from simbench_api import Intent, Intents, Patience, Takes, create_once, lost, turned_down
from simbench_api.testing import Faults, LocalServer

openai = pytest.importorskip("simbench_openai.backend")
anthropic = pytest.importorskip("simbench_anthropic.backend")

TAKES = dict.fromkeys(("seed", "json_schema", "batch", "finetune"), True) | {"thinking": False}
INPUT, OUTPUT = 100.0, 400.0  # US dollars per million tokens


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with LocalServer(batch_seconds=0.2, job_seconds=0.2) as running:
        yield running


@pytest.fixture
def prices(tmp_path) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text(f"prices: [{{model: '*', input: {INPUT}, output: {OUTPUT}, batch: 1.0, training: 1.0}}]")
    return str(path)


def backend(server: LocalServer, prices: str, **settings):
    chosen = {"model": "gpt-4.1", "base_url": server.openai_url, "capabilities": Takes(**TAKES), "prices": prices}
    chosen |= {"poll_seconds": 0.02, "give_up_after": 5.0, "concurrency": 4, "adapt": "none"} | settings
    return openai.OpenAI(openai.OpenAIConfig(**chosen))


def truth(server: LocalServer) -> float:
    """US dollars for all that the server carried out."""
    time.sleep(server._state.latency + 0.05)  # what is still being answered counts too
    charged = server.summary()["charged"]
    return (charged.get("input", 0) * INPUT + charged.get("output", 0) * OUTPUT) / 1e6


def books(folder: Path) -> Ledger:
    return Ledger(folder / SPEND)


def ask(made, lent, people: int):
    return list(made.respond(made.adapt([], lent), interviews(people), lent))


def test_requests_that_time_out_cost_what_was_set_aside_and_stop_at_the_budget(server, prices, tmp_path) -> None:
    server.set(latency=0.3)
    made, lent = backend(server, prices, request_timeout=0.1), workspace(tmp_path, budget=1.0)
    with pytest.raises(BudgetError, match="whose end is unknown"):
        ask(made, lent, 40)
    assert 0 < truth(server) <= books(tmp_path).spent <= 1.0
    assert made.record()["spent"] == pytest.approx(books(tmp_path).spent, abs=1e-5)
    assert made.record()["doubtful"] == made.record()["spent"]
    server.set(latency=0.0)
    with pytest.raises(BudgetError):  # the next attempt knows what the first one may have cost
        ask(backend(server, prices), workspace(tmp_path, budget=1.0), 40)
    assert truth(server) <= books(tmp_path).spent <= 1.0
    assert len(ask(backend(server, prices), workspace(tmp_path, budget=9.0), 40)) == 40


@pytest.mark.parametrize("fault", ["lost_reply", "broken_body"])
def test_lost_replies_are_in_the_books(server, prices, tmp_path, fault) -> None:
    server.set_faults(Faults(**{fault: 0.3}))
    with pytest.raises(BudgetError):
        ask(backend(server, prices), workspace(tmp_path, budget=0.6), 100)
    assert 0.2 < truth(server) <= books(tmp_path).spent <= 0.6
    assert books(tmp_path).doubtful > 0


def test_what_surely_was_not_carried_out_costs_nothing(server, prices, tmp_path) -> None:
    server.set_faults(Faults(rate_limit=0.2, server_error=0.2, retry_after=0.01))
    found = ask(backend(server, prices, give_up_after=30.0), workspace(tmp_path), 30)
    assert sum(each.cost for each in found) == pytest.approx(truth(server))
    assert books(tmp_path).total == pytest.approx(truth(server))
    assert books(tmp_path).doubtful == 0


@pytest.mark.parametrize(("status", "in_doubt"), [(500, False), (503, False), (502, True), (504, True), (520, True)])
def test_what_a_gateway_lost_may_have_been_carried_out(status, in_doubt) -> None:
    assert turned_down(status, "", {}).doubtful is in_doubt


def test_nobody_there_costs_nothing(server, prices, tmp_path) -> None:
    nowhere = backend(server, prices, base_url="http://127.0.0.1:9/v1", check_model=False, give_up_after=0.3)
    with pytest.raises(BackendError):
        ask(nowhere, workspace(tmp_path), 12)
    assert books(tmp_path).total == 0.0


def test_replies_of_unfinished_interviews_keep_their_cost(server, prices, tmp_path) -> None:
    cache, found = MemoryCache(), {}
    for budget in (0.3, 0.5, 0.9, 20.0):
        made, lent = (
            backend(server, prices, elicitation="turns"),
            workspace(tmp_path, budget=budget, cache=cache),
        )
        left = [each for each in interviews(60) if each.key not in found]
        try:
            for answer in made.respond(made.adapt([], lent), left, lent):
                found[answer.key] = answer
        except BudgetError:
            assert budget < 20
        assert books(tmp_path).total == pytest.approx(truth(server))
        assert books(tmp_path).total <= budget
    assert server.summary()["charged"]["requests"] == 180  # nothing was paid for twice
    assert sum(each.cost for each in found.values()) == pytest.approx(truth(server))
    charged = server.summary()["charged"]
    assert sum(each.usage["input"] for each in found.values()) == charged["input"]


def test_a_killed_run_of_interviews_in_turns_knows_what_it_cost(simbench, stand_in, tmp_path) -> None:
    (tmp_path / "prices.yaml").write_text(f"prices: [{{model: '*', input: {INPUT}, output: {OUTPUT}}}]")
    words = ("backend.elicitation=turns", "backend.prices=prices.yaml", "experiment.people=40", "backend.adapt=none")
    for moment in (60,):
        process = simbench(*words, "backend.concurrency=4")
        while process.poll() is None and stand_in.summary()["requests"] < moment:
            time.sleep(0.01)
        process.kill()
        process.wait()
        charged = stand_in.summary()["charged"]
        true = (charged["input"] * INPUT + charged["output"] * OUTPUT) / 1e6
        assert simbench("status", "--json", plain=True, log="status.json").wait(60) == 0
        spend = json.loads((tmp_path / "status.json").read_text())["spend"]
        (tmp_path / "status.json").unlink()
        assert spend["us_dollars"] - spend["doubtful_us_dollars"] <= true <= spend["us_dollars"] > 0
    assert simbench(*words).wait(120) == 0, (tmp_path / "log.txt").read_text()
    charged = stand_in.summary()["charged"]
    true = (charged["input"] * INPUT + charged["output"] * OUTPUT) / 1e6
    usage = json.loads(next((tmp_path / "runs").glob("crowd-*/manifest.json")).read_text())["usage"]
    assert usage["cost"] - usage.get("doubtful", 0.0) - 1e-5 <= true <= usage["cost"]


def test_probes_are_in_the_books_and_within_the_budget(server, prices, tmp_path) -> None:
    with pytest.raises(BudgetError):
        ask(backend(server, prices, capabilities=Takes(), probe=True), workspace(tmp_path, budget=0.0001), 5)
    assert truth(server) == books(tmp_path).total == 0
    found = ask(backend(server, prices, capabilities=Takes(), probe=True), workspace(tmp_path), 5)
    assert {each.status for each in found} == {"ok"}
    assert sum(each.cost for each in found) < truth(server) == pytest.approx(books(tmp_path).total)


# -- batches and jobs: one of each, read whatever the lines look like


def test_a_slow_upload_takes_nothing_from_the_time_in_which_a_lost_creation_is_looked_for(tmp_path) -> None:
    made: list[str] = []
    looks = iter([None, None, "batch-1"])

    def create() -> str:
        made.append("batch")
        time.sleep(0.6)  # longer than the window, and the reply to it is lost
        raise lost("connection lost")

    intent = create_once(
        Intents(tmp_path), Intent("batch-0000"), create, lambda: next(looks), Patience(9.0, 1.0), 0.5, print
    )
    assert (intent.id, made) == ("batch-1", ["batch"])


@pytest.mark.parametrize("what", ["batch", "anthropic", "job"])
def test_a_list_that_lags_makes_nothing_twice(server, prices, tmp_path, what) -> None:
    server.set_faults(Faults(lost_creation=1.0))
    server.set(list_lag=1.5, batch_seconds=0.1)
    assert openai.OpenAIConfig().doubt_seconds >= 120  # minutes, whatever poll_seconds is
    settings = {"poll_seconds": 0.01, "doubt_seconds": 4.0}
    if what == "job":
        made = backend(server, prices, adapt="finetune", **settings)
        assert made.adapt(transcripts(20), workspace(tmp_path)).adapter
        assert len(server.summary()["jobs"]) == 1
        return
    if what == "batch":
        made = backend(server, prices, mode="batch", **settings)
    else:
        config = anthropic.AnthropicConfig(base_url=server.anthropic_url, mode="batch", adapt="none", **settings)
        made = anthropic.Anthropic(config)
    assert len(ask(made, workspace(tmp_path), 10)) == 10
    state = server.summary()
    assert len(state["batches"]) + len(state["message_batches"]) == 1


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_line_that_cannot_be_read_is_an_outcome_and_locks_nothing(server, prices, tmp_path, provider) -> None:
    server.set_faults(Faults(batch_torn=0.3))
    if provider == "openai":
        made = backend(server, prices, mode="batch", batch_rounds=2)
    else:
        settings = {"base_url": server.anthropic_url, "mode": "batch", "adapt": "none", "batch_rounds": 2}
        made = anthropic.Anthropic(anthropic.AnthropicConfig(**settings, prices=prices, poll_seconds=0.02))
    found = ask(made, workspace(tmp_path), 60)
    assert len({each.key for each in found}) == 60
    assert {each.status for each in found} == {"ok", "failed"}
    assert {each.error.partition(":")[0] for each in found if each.status == "failed"} == {"unreadable line"}
    assert 0 < sum(each.status == "failed" for each in found) < 15
    assert truth(server) <= books(tmp_path).spent
    assert books(tmp_path).spent - books(tmp_path).doubtful < truth(server)


def test_batches_are_split_by_bytes_and_wait_side_by_side(server, prices, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("simbench_openai.client.OpenAIProvider.batch_bytes", 30_000)
    server.set(batch_bytes=30_000, batch_seconds=1.5)
    assert len(ask(backend(server, prices, mode="batch"), workspace(tmp_path), 60)) == 60
    batches = server._state.batches.values()
    assert len(batches) > 2
    assert max(each.created for each in batches) < min(each.created for each in batches) + 1.5


@pytest.mark.parametrize("known", [None, 6_000])
def test_no_more_tokens_wait_than_the_account_may_have(server, prices, tmp_path, known) -> None:
    server.set(enqueued_tokens=6_000)
    made, lent = backend(server, prices, mode="batch", batch_tokens=known), workspace(tmp_path)
    assert {each.status for each in ask(made, lent, 60)} == {"ok"}
    turned_down = [each for each in server._state.batches.values() if each.error]
    assert bool(turned_down) is (known is None)
    assert books(tmp_path).total == pytest.approx(truth(server))


def test_a_batch_that_somebody_cancelled_is_not_sent_again_at_once(server, prices, tmp_path) -> None:
    server.set(batch_seconds=30.0)

    def cancel() -> None:
        while not server.summary()["batches"]:
            time.sleep(0.02)
        (batch,) = server.summary()["batches"]
        server._state.batches[batch].cancelled_at = time.time()

    by_hand = threading.Thread(target=cancel)
    by_hand.start()
    with pytest.raises(BackendError, match="cancelled at the provider, and 10 of its requests"):
        ask(backend(server, prices, mode="batch"), workspace(tmp_path), 10)
    by_hand.join()
    assert len(server.summary()["batches"]) == 1
    assert books(tmp_path).total == 0
    server.set(batch_seconds=0.1)
    assert len(ask(backend(server, prices, mode="batch"), workspace(tmp_path), 10)) == 10
