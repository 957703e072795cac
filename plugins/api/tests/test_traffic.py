"""Concurrency, pauses, patience: how requests go out. No network, a clock of the event loop's own."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest

from simbench.errors import BackendError
from simbench_api.gate import Gate
from simbench_api.http import retry_after, turned_down
from simbench_api.retry import Patience, persist
from simbench_api.wire import Trouble


def test_no_more_go_through_than_the_limit() -> None:
    async def scenario() -> Gate:
        gate, now, most = Gate(3), 0, 0

        async def request() -> None:
            nonlocal now, most
            async with gate:
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1

        await asyncio.gather(*(request() for _ in range(30)))
        assert most == 3
        return gate

    gate = asyncio.run(scenario())
    assert gate.highest == 3
    assert gate.in_flight == 0


def test_too_much_pauses_all_and_lowers_the_limit_once_per_pause() -> None:
    async def scenario() -> tuple[Gate, float]:
        gate = Gate(10)
        for _ in range(5):  # five answers of one burst are one signal
            gate.too_much(0.05)
        began = asyncio.get_running_loop().time()
        async with gate:
            return gate, asyncio.get_running_loop().time() - began

    gate, waited = asyncio.run(scenario())
    assert gate.limit == pytest.approx(7.0)
    assert gate.pauses == 1
    assert waited >= 0.045


def test_the_limit_recovers_but_never_passes_the_most() -> None:
    async def scenario() -> Gate:
        gate = Gate(10)
        gate.too_much(0.0)
        for _ in range(7):
            gate.answered()
        assert 7.5 < gate.limit < 8.5  # about one more per limit's worth of answers
        for _ in range(1000):
            gate.answered()
        return gate

    assert asyncio.run(scenario()).limit == 10.0


def test_starts_are_spaced() -> None:
    async def scenario() -> list[float]:
        gate, starts = Gate(10, per_minute=60 / 0.02), []

        async def request() -> None:
            async with gate:
                starts.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(request() for _ in range(6)))
        return starts

    starts = asyncio.run(scenario())
    assert starts[-1] - starts[0] >= 0.095


def test_a_request_that_is_given_up_while_queueing_leaves_its_place() -> None:
    async def scenario() -> None:
        gate = Gate(1)
        async with gate:
            queued = asyncio.create_task(gate.__aenter__())
            await asyncio.sleep(0)
            queued.cancel()
            with pytest.raises(asyncio.CancelledError):
                await queued
        async with gate:
            assert gate.in_flight == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": formatdate(time.time() - 30, usegmt=True)}) == 0.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "unavailable") for status in (408, 409, 500, 503, 529)),
        *((status, "rejected") for status in (400, 422)),
        *((status, "credentials") for status in (401, 403)),
        (429, "busy"),
        (402, "quota"),
        (404, "no_model"),
    ],
)
def test_what_a_status_means(status, kind) -> None:
    trouble = turned_down(status, "the message quotes sk-1234", {})
    assert trouble.kind == kind
    assert "sk-1234" not in str(trouble)


def test_waits_grow_obey_the_provider_and_are_capped() -> None:
    patience = Patience(give_up_after=100.0, retry_after_cap=10.0)
    plain = Trouble("unavailable", "x")
    waits = [patience.pause(plain, n) for n in (1, 2, 3, 50)]
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0 <= waits[2] <= 2.0
    assert waits[3] <= 60.0
    assert 4.0 <= patience.pause(Trouble("busy", "x", retry_after=4.0), 1) <= 4.4
    assert patience.pause(Trouble("busy", "x", retry_after=3600.0), 1) <= 11.0


def test_patience_ends() -> None:
    calls = []

    def always() -> None:
        calls.append(1)
        raise Trouble("unavailable", "down", retry_after=0.02)

    with pytest.raises(BackendError, match="down"):
        persist(Patience(give_up_after=0.1, retry_after_cap=1.0), always)
    assert 3 <= len(calls) <= 6


def test_slow_attempts_use_up_patience_too() -> None:
    calls = []

    def slow() -> None:
        calls.append(1)
        time.sleep(0.05)
        raise Trouble("unavailable", "slow", retry_after=0.0)

    with pytest.raises(BackendError, match="slow"):
        persist(Patience(give_up_after=0.2, retry_after_cap=1.0), slow)
    assert len(calls) <= 4


def test_what_cannot_be_mended_is_not_tried_again() -> None:
    calls = []

    def never() -> None:
        calls.append(1)
        raise Trouble("rejected", "no")

    with pytest.raises(BackendError, match="no"):
        persist(Patience(10.0, 10.0), never)
    assert len(calls) == 1
