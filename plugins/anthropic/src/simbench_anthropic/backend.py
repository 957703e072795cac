"""The backend: settings, what Anthropic's models take under which API version, and the body of a request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simbench.errors import ConfigError
from simbench.interview import unbounded
from simbench.settings import setting
from simbench_api import ApiBackend, ApiConfig, Ask, Declared, Provider

__all__ = ["Anthropic", "AnthropicConfig"]

HOST = "api.anthropic.com"
OLD, NEW = "2023-06-01", "2026-10-21"
PLAIN = (
    "haiku-4-5",
    "sonnet-4-5",
    "opus-4-5",
    "sonnet-4-6",
    "opus-4-6",
)  # as Claude 3 cut texts, no thinking
# Announced on https://platform.claude.com/docs/en/about-claude/model-deprecations, as litellm 1.110.2 and Anthropic's
# release notes have it in November 2026; nothing earlier than a year after its release is announced of the others.
SHUTDOWN = {
    "2026-06-15": ("sonnet-4-20250514", "sonnet-4-0", "opus-4-20250514", "opus-4-0"),
    "2026-08-05": ("opus-4-1*",),
    "2026-11-30": ("sonnet-4-5*",),
}


def _rows() -> list[Declared]:
    """What is known of Anthropic's models; the version of the API decides about sampling settings."""
    never = {"seed": False, "logprobs": False, "finetune": False}
    batch = {"batch": True, "json_schema": True}
    rows = [Declared("*", never), Declared("*", {"temperature": False, "top_p": False}, version=NEW)]
    for line in PLAIN:
        rows.append(Declared(f"claude-{line}*", {"temperature": True, "thinking": False}, OLD))
        rows.append(Declared(f"claude-{line}*", {**batch, "thinking": False}))
    rows += [Declared(f"claude-{line}", batch) for line in ("*-4-7*", "*-4-8*", "*-5", "*-5-*")]
    return [*rows, *(Declared(f"claude-{line}", {}, shutdown=day) for day in SHUTDOWN for line in SHUTDOWN[day])]


@dataclass(frozen=True)
class AnthropicConfig(ApiConfig):
    """Settings of the backend ``anthropic``."""

    model: str = setting("claude-haiku-5-5", "the model's name")
    base_url: str = setting(
        lambda: os.environ.get("ANTHROPIC_BASE_URL") or f"https://{HOST}",
        "where the API is (default: $ANTHROPIC_BASE_URL, else Anthropic)",
    )
    key_env: str = setting("ANTHROPIC_API_KEY", "environment variable that holds the key", runtime=True)
    api_version: str = setting(NEW, f"version of the API; under {OLD} some models take a temperature")
    prompt_cache: bool = setting(True, "have the shared part of prompts cached by the provider", runtime=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature is not None and self.temperature > 1:
            raise ConfigError(f"backend.temperature: Anthropic takes 0 to 1, found {self.temperature}")


class Anthropic(ApiBackend[AnthropicConfig]):
    """Anthropic's models: few-shot, or as they are."""

    name = "anthropic"
    Config = AnthropicConfig
    table = _rows()
    own_host = HOST

    @property
    def version(self) -> str:
        """The version of the API that is spoken."""
        return self.config.api_version

    def tokens_per_piece(self) -> tuple[float, float]:
        """Anthropic's word: about 3.5 letters a token, and from 4.7 on about 30 % more tokens than before."""
        plain = any(line in self.config.model for line in PLAIN)
        return (1.0, 1.3) if plain else (1.1, 1.7)

    def provider(self, key: str) -> Provider:
        """The API through Anthropic's own library."""
        from simbench_anthropic.client import AnthropicProvider

        config = self.config
        return AnthropicProvider(
            config.base_url, key, config.api_version, config.request_timeout, config.poll_seconds
        )

    def body(self, ask: Ask) -> dict[str, Any]:
        """A request for a message."""
        system = [each["content"] for each in ask.messages if each["role"] == "system"]
        messages: list[Mapping[str, Any]] = [each for each in ask.messages if each["role"] != "system"]
        body: dict[str, Any] = {"model": ask.model, "messages": messages}
        if system:
            body["system"] = [{"type": "text", "text": "\n\n".join(system)}]
        if self.config.prompt_cache:
            _mark_shared(body, ask.shared - len(system))
        body |= ask.settings
        if ask.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": unbounded(ask.schema)}}
        return body


def _mark_shared(body: dict[str, Any], shared: int) -> None:
    """Set the cache breakpoint after what many requests share: ``shared`` messages, or the system text."""
    marked = {"cache_control": {"type": "ephemeral"}}
    if shared > 0:
        last = body["messages"][shared - 1]  # shared by the requests themselves, too: not to be changed
        body["messages"][shared - 1] = {**last, "content": [{"type": "text", "text": last["content"], **marked}]}
    elif "system" in body:
        body["system"][-1] |= marked
