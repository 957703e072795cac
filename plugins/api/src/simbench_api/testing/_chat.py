"""Chat completions of the OpenAI protocol: rules and answer bodies, used live and in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from simbench_api.testing._answers import Knowledge, Reply, compose, count_tokens, flatten
from simbench_api.testing._logprobs import content_logprobs
from simbench_api.testing._state import ApiError, ModelSpec, State

__all__ = ["complete", "model_of"]

REFUSAL = "I'm sorry, but I can't help with that."
NOT_ON_REASONING = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
)


def model_of(state: State, name: Any, provider: str = "openai") -> ModelSpec:
    """The model of that name, past its shutdown or not; 404 as the provider says it."""
    spec = state.models.get(name) if isinstance(name, str) else None
    gone = spec is not None and spec.shutdown_date is not None and spec.shutdown_date <= time.strftime("%Y-%m-%d")
    if spec is None or spec.provider != provider or gone:
        if provider == "anthropic":
            raise ApiError(404, f"model: {name}", "not_found_error")
        raise ApiError(
            404,
            f"The model `{name}` does not exist or you do not have access to it.",
            "invalid_request_error",
            code="model_not_found",
        )
    return spec


def _bad(message: str, param: str | None, code: str | None = None) -> ApiError:
    return ApiError(400, message, "invalid_request_error", code=code, param=param)


def _check(body: Mapping[str, Any], spec: ModelSpec) -> None:
    """The rules a request is held to before anything is answered."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _bad("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages")
    for position, message in enumerate(messages):
        if message.get("role") not in ("developer", "system", "user", "assistant", "tool"):
            raise _bad(f"Invalid value: '{message.get('role')}'.", f"messages[{position}].role", "invalid_value")
    if spec.reasoning and body.get("max_tokens") is not None:
        raise _bad(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    if not spec.sampling:
        for name in NOT_ON_REASONING:
            if body.get(name) not in (None, False):
                raise _bad(
                    f"Unsupported parameter: '{name}' is not supported with this model.",
                    name,
                    "unsupported_parameter",
                )
    _check_numbers(body, spec)
    _schema(body)


def _check_numbers(body: Mapping[str, Any], spec: ModelSpec) -> None:
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("top_logprobs", 0, 20)):
        value = body.get(name)
        if value is not None and not low <= value <= high:
            raise _bad(f"Invalid '{name}': {value} is outside [{low}, {high}].", name, "decimal_above_max_value")
    if body.get("logprobs") and not spec.logprobs:
        raise _bad("You are not allowed to request logprobs from this model.", "logprobs")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise _bad("'top_logprobs' is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if body.get("n") not in (None, 1):
        raise _bad("This stand-in answers n = 1 only.", "n")
    if body.get("stream"):
        raise _bad("This stand-in does not stream.", "stream")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema asked for, checked as strict mode checks it."""
    wanted = body.get("response_format")
    if not wanted or wanted.get("type") == "text":
        return None
    if wanted.get("type") != "json_schema":
        raise _bad("This stand-in knows response_format text and json_schema.", "response_format")
    given = wanted.get("json_schema", {})
    name, schema = given.get("name"), given.get("schema", {})
    if not name or len(name) > 64:
        raise _bad("Missing or too long: 'response_format.json_schema.name'.", "response_format.json_schema.name")
    if given.get("strict") and schema.get("type") == "object":
        complaint = f"Invalid schema for response_format '{name}': In context=(), "
        if schema.get("additionalProperties") is not False:
            raise _bad(
                complaint + "'additionalProperties' is required to be supplied and to be false.",
                "response_format",
            )
        if sorted(schema.get("required", ())) != sorted(schema.get("properties", {})):
            raise _bad(
                complaint + "'required' is required to be supplied and to be an array including every key in "
                "properties.",
                "response_format",
            )
    return schema  # type: ignore[no-any-return]


def complete(state: State, body: Mapping[str, Any], fault: str | None = None) -> dict[str, Any]:
    """A ``chat.completion`` object for a request body; ApiError for one against the rules."""
    spec = model_of(state, body.get("model"))
    _check(body, spec)
    messages = body["messages"]
    trained = state.knowledge.get(spec.id, Knowledge())
    temperature = body.get("temperature")
    reply = compose(
        messages,
        _schema(body),
        seed=body.get("seed"),
        temperature=1.0 if temperature is None else float(temperature),
        trained=trained,
    )
    choice, spent = _choice(reply, body, spec, fault)
    prompt = "".join(flatten(message.get("content")) for message in messages)
    prompt_tokens = count_tokens(prompt) + 4 * len(messages)
    cached = state.cached_tokens("openai", spec.id, prompt)
    state.charge(prompt_tokens, cached, spent)
    return {
        "id": state.new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": spec.id,
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": spent,
            "total_tokens": prompt_tokens + spent,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {"reasoning_tokens": min(spec.reasoning, spent), "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_simbench_stand_in",
    }


def _choice(reply: Reply, body: Mapping[str, Any], spec: ModelSpec, fault: str | None) -> tuple[dict[str, Any], int]:
    """The one choice of a completion, and the tokens it is billed for."""
    text, reason, refusal = reply.text, "stop", None
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or spec.max_output
    room = max(0, limit - spec.reasoning)
    if count_tokens(text) > room:
        text, reason = text[: 4 * room], "length"
    elif fault == "truncated":
        text, reason = text[: len(text) // 2], "length"
    elif fault == "broken_json":
        text = text.rstrip("}")[:-1] + ' "oops'
    elif fault == "invalid_option":
        text = _wrong_option(reply)
    elif fault == "content_filter":
        text, reason = "", "content_filter"
    elif fault == "refusal":
        text, refusal = "", REFUSAL
    logprobs = None
    if body.get("logprobs"):
        whole = text == reply.text
        content = content_logprobs(reply, int(body.get("top_logprobs") or 0)) if whole else None
        logprobs = {"content": content, "refusal": None}
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if refusal is None else None,
        "refusal": refusal,
        "annotations": [],
    }
    spent = min(limit, spec.reasoning + count_tokens(text or refusal or ""))
    return {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": reason}, spent


def _wrong_option(reply: Reply) -> str:
    """The answer with the first choice replaced by something nobody offered."""
    for position, piece in enumerate(reply.pieces):
        if piece.options:
            others = [each.text for each in reply.pieces]
            others[position] = "none of these"
            return "".join(others)
    return "none of these"
