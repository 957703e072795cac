"""The models the stand-in offers: real names, so that clients' tables of capabilities are exercised."""

from __future__ import annotations

from simbench_api.testing._state import ModelSpec

__all__ = ["MODELS"]

MODELS = {
    spec.id: spec
    for spec in (
        ModelSpec("gpt-4.1", finetunable=True, shutdown_date="2099-01-14"),
        ModelSpec("gpt-4.1-2025-04-14", finetunable=True, shutdown_date="2099-01-14"),
        ModelSpec("gpt-4o-mini", finetunable=True),
        ModelSpec("gpt-6-luna", sampling=False, logprobs=False, reasoning=64),
        ModelSpec("gpt-5-mini", sampling=False, logprobs=False, reasoning=64),
        ModelSpec("gpt-3.5-turbo-0301", shutdown_date="2024-09-13"),
        ModelSpec("stand-in", finetunable=True),
        ModelSpec("claude-sonnet-4-6", "anthropic"),
        ModelSpec("claude-haiku-4-5", "anthropic"),
        ModelSpec("claude-haiku-5-5", "anthropic", sampling=False),
        ModelSpec("claude-opus-5", "anthropic", sampling=False),
        ModelSpec("claude-retired", "anthropic", shutdown_date="2024-01-01"),
    )
}
