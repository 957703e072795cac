"""The price table: whose price it is, what it comes to, and what is wrong with a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simbench.errors import ConfigError
from simbench_api.prices import find_price


def file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    return str(path)


def test_a_published_example_is_reproduced() -> None:
    """gpt-4.1 costs $2 in and $8 out per million: 1,000 in and 500 out are $0.006, by batch half of it."""
    price = find_price("api.openai.com", "gpt-4.1")
    assert price.cost({"input": 1000, "output": 500}) == pytest.approx(0.006)
    assert price.cost({"input": 1000, "output": 500}, batch=True) == pytest.approx(0.003)


def test_cached_and_written_tokens_are_parts_of_the_input() -> None:
    price = find_price("api.anthropic.com", "claude-opus-5")
    usage = {"input": 1_000_000, "cached": 400_000, "cache_write": 100_000}
    assert price.cost(usage) == pytest.approx(0.5 * 5 + 0.4 * 0.5 + 0.1 * 6.25)
    assert price.most(1_000_000, 0) == pytest.approx(6.25)


def test_finetuned_models_have_their_own_prices() -> None:
    tuned = find_price("api.openai.com", "ft:gpt-4.1-2025-04-14:org::id")
    assert tuned.output > find_price("api.openai.com", "gpt-4.1").output
    assert tuned.training_cost(1_000_000) == pytest.approx(25.0)
    assert find_price("api.openai.com", "ft:gpt-4.1-mini-2025-04-14:org::id").training_cost(10) is None


def test_unknown_models_and_other_hosts_have_no_price() -> None:
    assert find_price("api.openai.com", "gpt-99") is None
    assert find_price("my-host.example", "gpt-4.1") is None


def test_a_users_file_goes_first(tmp_path) -> None:
    path = file(
        tmp_path, "as_of: 2026-11-01\nprices:\n- {host: my-host.example, model: 'llama*', input: 1, output: 2}\n"
    )
    assert find_price("my-host.example", "llama-3", path).as_of == "2026-11-01"
    assert find_price("api.openai.com", "gpt-4.1", path).input == 2.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prices: 3", "list of rows"),
        ("prices: [{model: x, input: 1}]", "row 1: output is missing"),
        ("prices: [{model: x, input: 1, output: -2}]", "at least 0"),
        ("prices: [{model: x, input: 1, output: .nan}]", "at least 0"),
        ("prices: [{model: x, input: 1, output: 2, outptu: 3}]", "unknown outptu"),
        ("prices: [", "not readable YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, words) -> None:
    with pytest.raises(ConfigError, match=words):
        find_price("h", "m", file(tmp_path, text))


def test_a_missing_file_is_said(tmp_path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        find_price("h", "m", str(tmp_path / "nothing.yaml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: " + "[" * 3000 + "]" * 3000, "too deeply nested"),
        ("prices: [3]", "a list of rows"),
        ("prices: [{model: 3, input: 1, output: 2}]", "model: expected text"),
        ("prices: [{1: 3}]", "unknown 1"),
        ("- 1", "expected a mapping"),
    ],
)
def test_what_is_no_table_of_prices_is_said_in_a_line(tmp_path, text, words) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        find_price("h", "m", file(tmp_path, text))
    assert len(str(refused.value).splitlines()) == 1


def test_a_pipe_is_no_file(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="no plain file"):
        find_price("h", "m", str(tmp_path / "pipe"))
