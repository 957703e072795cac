"""Which of Anthropic's models have an end, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simbench.errors import ModelError
from simbench.testing.study import interviews
from simbench_anthropic.backend import Anthropic, AnthropicConfig
from simbench_api.preflight import look_up
from simbench_api.prices import find_price
from simbench_api.wire import Found

OWN = "https://api.anthropic.com"


class Says:
    def look_up(self, model: str) -> Found:
        return Found(None)


@pytest.fixture(autouse=True)
def today(monkeypatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 11, 20, tzinfo=UTC)

    monkeypatch.setattr("simbench_api.preflight.datetime", Clock)


def made(model: str, base_url: str = OWN) -> Anthropic:
    return Anthropic(AnthropicConfig(model=model, base_url=base_url))


def told(model: str, base_url: str = OWN) -> list[str]:
    said: list[str] = []
    look_up(Says(), model, made(model, base_url).terms, said.append)  # type: ignore[arg-type]
    return said


@pytest.mark.parametrize("model", ["claude-opus-4-1-20250805", "claude-sonnet-4-20250514"])
def test_a_retired_model_is_refused(model) -> None:
    with pytest.raises(ModelError, match="was shut down on 2026-0"):
        told(model)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"])
def test_a_model_within_sixty_days_of_its_end_is_warned_of(model) -> None:
    (said,) = told(model)
    assert "2026-11-30, in 10 days" in said
    assert [each for each in made(model).estimate([], interviews(2)).notes if "shut down" in each] == [said]
    assert told(model, "https://bedrock.example") == []


def test_the_default_lives_and_has_a_price() -> None:
    default = AnthropicConfig().model
    for model in (default, "claude-opus-5-5", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-fable-5-1"):
        assert told(model) == []
        assert made(model).terms.capabilities().takes("json_schema") is True
        assert find_price("api.anthropic.com", model) is not None
