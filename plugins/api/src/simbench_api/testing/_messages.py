"""Messages of the Anthropic protocol: version rules and message bodies, used live and in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from simbench_api.testing._answers import compose, count_tokens, flatten
from simbench_api.testing._chat import model_of
from simbench_api.testing._state import ApiError, ModelSpec, State

__all__ = ["VERSIONS", "anthropic_error", "check_version", "write"]

VERSIONS = {"2023-06-01": True, "2026-10-21": False}  # version -> whether sampling settings are taken at all
SAMPLING = ("temperature", "top_p", "top_k")
CACHEABLE = 1024
BREAKPOINTS = 4


def anthropic_error(error: ApiError, request_id: str) -> dict[str, Any]:
    """An error body as the Anthropic protocol writes it."""
    inner: dict[str, Any] = {"type": error.kind, "message": error.message}
    if error.code is not None:
        inner["details"] = {"error_code": error.code}
    return {"type": "error", "error": inner, "request_id": request_id}


def _bad(message: str) -> ApiError:
    return ApiError(400, message, "invalid_request_error")


def check_version(version: str | None) -> str:
    """The value of the header ``anthropic-version``, or 400."""
    if version is None:
        raise _bad("anthropic-version: header is required")
    if version not in VERSIONS:
        raise _bad(f"anthropic-version: {version!r} is not a valid version")
    return version


def _check(body: Mapping[str, Any], spec: ModelSpec, version: str) -> None:
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise _bad("max_tokens: Field required")
    if body["max_tokens"] > spec.max_output:
        raise _bad(f"max_tokens: {body['max_tokens']} > {spec.max_output}, the maximum for {spec.id}")
    _check_messages(body.get("messages"))
    _check_sampling(body, spec, version)
    for name in ("seed", "logprobs", "n", "response_format"):
        if name in body:
            raise _bad(f"{name}: Extra inputs are not permitted")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise _bad("messages: at least one message is required")
    for position, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant"):
            raise _bad(f"messages.{position}.role: Input should be 'user' or 'assistant'")
        if not flatten(message.get("content")).strip():
            raise _bad(f"messages.{position}: text content blocks must be non-empty")
    if messages[-1]["role"] == "assistant":
        raise _bad("This model does not support assistant message prefill.")


def _check_sampling(body: Mapping[str, Any], spec: ModelSpec, version: str) -> None:
    for name in SAMPLING:
        if body.get(name) is None:
            continue
        if not VERSIONS[version]:
            raise _bad(f"{name}: Extra inputs are not permitted with anthropic-version {version}")
        if not spec.sampling:
            raise _bad(f"`{name}` is not supported with this model")
    if not 0.0 <= (body.get("temperature") or 0.0) <= 1.0:
        raise _bad("temperature: Input should be less than or equal to 1")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = (body.get("output_config") or {}).get("format")
    if wanted is None:
        return None
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        raise _bad("output_config.format: expected a json_schema")
    schema: dict[str, Any] = wanted["schema"]
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise _bad(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    return schema


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Every text block in prompt order, and whether a cache breakpoint stands after it."""
    contents = [body.get("system") or ""] + [message["content"] for message in body["messages"]]
    for content in contents:
        if isinstance(content, str):
            yield content, False
            continue
        for block in content:
            yield block.get("text", ""), block.get("cache_control") is not None


def _usage(state: State, body: Mapping[str, Any], spec: ModelSpec, spent: int) -> dict[str, Any]:
    blocks = list(_blocks(body))
    if sum(marked for _, marked in blocks) > BREAKPOINTS:
        raise _bad(f"A maximum of {BREAKPOINTS} blocks with cache_control may be provided.")
    running = hashlib.sha256(spec.id.encode())
    total = read = written = 0
    for text, marked in blocks:
        total += count_tokens(text)
        running.update(text.encode() + b"\x00")
        if marked and total >= CACHEABLE:
            key = f"anthropic:{running.hexdigest()}"
            read, written = (total, 0) if key in state.prefixes else (read, total - read)
            state.prefixes.add(key)
    return {
        "input_tokens": total - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": spent,
        "service_tier": "standard",
    }


def write(state: State, body: Mapping[str, Any], version: str, fault: str | None = None) -> dict[str, Any]:
    """A ``message`` object for a request body; ApiError for one against the rules."""
    spec = model_of(state, body.get("model"), "anthropic")
    _check(body, spec, version)
    system = {"role": "system", "content": body.get("system") or ""}
    temperature = body.get("temperature")
    reply = compose(
        [system, *body["messages"]],
        _schema(body),
        temperature=1.0 if temperature is None else float(temperature),
    )
    text, reason, details = reply.text, "end_turn", None
    if count_tokens(text) > body["max_tokens"]:
        text, reason = text[: 4 * body["max_tokens"]], "max_tokens"
    elif fault == "truncated":
        text, reason = text[: len(text) // 2], "max_tokens"
    elif fault == "broken_json":
        text = text.rstrip("}")[:-1] + ' "oops'
    elif fault == "invalid_option":
        text = text.replace(next((p.text for p in reply.pieces if p.options), text), "none of these", 1)
    elif fault in ("refusal", "content_filter"):
        text, reason = "", "refusal"
        details = {"type": "refusal", "category": "general_harms", "explanation": None}
    usage = _usage(state, body, spec, count_tokens(text))
    read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    state.charge(usage["input_tokens"] + read + written, read, usage["output_tokens"])
    return {
        "id": state.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": spec.id,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": details,
        "usage": usage,
    }
