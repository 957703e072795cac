"""The backend keeps the contract of its kind, against the local stand-in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from simbench.testing import checks
from simbench_api.testing import LocalServer

KEY = "sk-never-to-be-seen"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices: [{model: '*', input: 0.1, output: 0.1}]")
    with LocalServer(keys=[KEY]) as server:
        url = os.fspath(server.anthropic_url)
        yield {"model": "claude-haiku-4-5", "base_url": url, "prices": str(prices)}


def test_contract(settings: dict[str, object]) -> None:
    said = {each.name: each.outcome() for each in checks.checks_of("backend", "anthropic", settings)}
    failed = {name for name, words in said.items() if words.startswith("FAILED")}
    assert failed <= {"replicates_differ"}, (
        said
    )  # the API takes no seed, and the stand-in says the same to the same words
    assert said["one_valid_answer_each"].startswith("ok: 12 of 12 ok")
    assert said["order_does_not_matter"] == "ok"
