"""The Batch API of the OpenAI protocol: output and error files, in no particular order."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from simbench_api.testing._answers import count_tokens, flatten
from simbench_api.testing._chat import complete
from simbench_api.testing._faults import uniform
from simbench_api.testing._openai import BODY, STATE, file_of, lose, openai_error, page
from simbench_api.testing._state import ApiError, BatchRecord, FileRecord, State

__all__ = ["digest_of", "routes", "scrambled", "written"]

ENDPOINT = "/v1/chat/completions"
MOST_REQUESTS = 50_000


def digest_of(value: Any) -> str:
    """sha256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def scrambled(lines: list[dict[str, Any]], seed: object) -> list[dict[str, Any]]:
    """The lines in an order that has nothing to do with that of the requests."""
    keyed = [(uniform("order", seed, line["custom_id"], n), n, line) for n, line in enumerate(lines)]
    return [line for _, _, line in sorted(keyed, key=lambda each: each[:2])]


def _problem(requests: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Code and message of what makes a whole input file unusable."""
    ids = [request.get("custom_id") for request in requests]
    if not requests:
        return "empty_file", "The input file has no requests."
    if len(requests) > MOST_REQUESTS:
        return "too_many_tasks", f"The input file has more than {MOST_REQUESTS} requests."
    if len(set(ids)) != len(ids) or not all(ids):
        return "duplicate_custom_id", "The custom_id of each request must be present and unique."
    if any(request.get("url") != ENDPOINT or request.get("method") != "POST" for request in requests):
        return "invalid_url", f"Every request must be a POST to {ENDPOINT}."
    if len({request.get("body", {}).get("model") for request in requests}) > 1:
        return "mismatched_model", "All requests of a batch must name the same model."
    return None


async def _create(request: web.Request) -> web.StreamResponse:
    state, body = request.app[STATE], request[BODY]
    file = file_of(state, str(body.get("input_file_id")))
    if file.purpose != "batch" or body.get("endpoint") != ENDPOINT or body.get("completion_window") != "24h":
        raise ApiError(400, "Expected a batch file, the chat endpoint and a window of 24h.", "invalid_request_error")
    requests = [json.loads(line) for line in file.data.splitlines()]
    fault = _problem(requests)
    batch = BatchRecord(state.new_id("batch_"), time.time(), state.batch_seconds, body, requests)
    if fault is None and (waiting := _enqueued(state)) + _tokens(requests) > state.enqueued_tokens:
        words = f"Enqueued token limit reached: {state.enqueued_tokens:.0f} may wait, {waiting} do. Try again later."
        fault = "token_limit_exceeded", words
    if fault is not None:
        batch.error = {"code": fault[0], "message": fault[1], "line": None, "param": None}
    state.batches[batch.id] = batch
    if lose(request, "batch", json.dumps(body, sort_keys=True)):
        return web.Response()
    return web.json_response(_say(state, batch))


def _tokens(requests: list[dict[str, Any]]) -> int:
    said = (message for request in requests for message in request.get("body", {}).get("messages", ()))
    return sum(count_tokens(flatten(message.get("content"))) + 4 for message in said)


def _enqueued(state: State) -> int:
    """Tokens of the batches under way."""
    now = time.time()
    return sum(_tokens(each.requests) for each in state.batches.values() if not each.error and not each.ended(now))


def _work(state: State, batch: BatchRecord) -> None:
    """Answer every request of a batch that has run its time, once."""
    now = time.time()
    if batch.results is not None or batch.error is not None or not batch.ended(now):
        return
    batch.results = []
    for entry in batch.requests:
        good, line = _line(state, entry, cancelled=batch.cancelled_at is not None)
        fault = line.pop("fault")
        if fault == "batch_lost":
            continue
        line["torn"] = fault == "batch_torn"
        for _ in range(2 if fault == "batch_duplicate" else 1):
            (batch.results if good else batch.errors).append(line)
    for kind, lines in (("output", batch.results), ("error", batch.errors)):
        if lines:
            text = "".join(written(line) + "\n" for line in scrambled(lines, batch.id))
            name = f"{batch.id}_{kind}.jsonl"
            file = FileRecord(state.new_id("file-"), name, "batch_output", text.encode(), int(now))
            state.files[file.id] = file
            batch.files[kind] = file.id


def written(line: dict[str, Any]) -> str:
    """A line as it stands in a file: with ends of lines other than a line feed inside, as JSON may have."""
    kept = {name: value for name, value in line.items() if name != "torn"}
    text = json.dumps({**kept, "note": "one\u2028two\x85three"}, ensure_ascii=False)
    return text[: len(text) // 2] if line.get("torn") else text


def _line(state: State, entry: Mapping[str, Any], *, cancelled: bool) -> tuple[bool, dict[str, Any]]:
    """Whether a request succeeded, and its line."""
    digest = digest_of(entry["body"])
    fault = "batch_expired" if cancelled else state.dice.line(digest)
    line: dict[str, Any] = {
        "id": state.new_id("batch_req_"),
        "custom_id": entry["custom_id"],
        "response": None,
        "error": None,
        "fault": fault,
    }
    if fault == "batch_expired":
        words = "This request could not be executed before the completion window expired."
        line["error"] = {"code": "batch_cancelled" if cancelled else "batch_expired", "message": words}
        return False, line
    try:
        if fault == "batch_error":
            raise ApiError(500, "The server had an error while processing your request.", "server_error")
        content = state.dice.sticky(digest) or state.dice.content(digest)
        status, body = 200, complete(state, entry["body"], content)
    except ApiError as error:
        status, body = error.status, openai_error(error)
    line["response"] = {"status_code": status, "request_id": state.new_id("req_"), "body": body}
    return status == 200, line


def _status(batch: BatchRecord, now: float) -> str:
    if batch.error is not None:
        return "failed"
    if batch.cancelled_at is not None:
        return "cancelled"
    if not batch.ended(now):
        return "validating" if now < batch.created + 0.2 * batch.seconds else "in_progress"
    expired = any((line["error"] or {}).get("code") == "batch_expired" for line in batch.errors)
    return "expired" if expired else "completed"


def _say(state: State, batch: BatchRecord) -> dict[str, Any]:
    _work(state, batch)
    now = time.time()
    status = _status(batch, now)
    done = len({line["custom_id"] for line in batch.results or ()})
    usages = [line["response"]["body"]["usage"] for line in batch.results or ()]
    stamp = int(batch.created + batch.seconds)
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": ENDPOINT,
        "model": batch.requests[0].get("body", {}).get("model") if batch.requests else None,
        "errors": {"object": "list", "data": [batch.error]} if batch.error else None,
        "input_file_id": batch.body["input_file_id"],
        "completion_window": "24h",
        "status": status,
        "output_file_id": batch.files.get("output"),
        "error_file_id": batch.files.get("error"),
        "created_at": int(batch.created),
        "in_progress_at": int(batch.created),
        "expires_at": int(batch.created) + 86_400,
        "completed_at": stamp if status == "completed" else None,
        "failed_at": int(batch.created) if status == "failed" else None,
        "expired_at": stamp if status == "expired" else None,
        "cancelled_at": int(batch.cancelled_at) if batch.cancelled_at else None,
        "request_counts": {"total": len(batch.requests), "completed": done, "failed": len(batch.errors)},
        "usage": _usage(usages) if status in ("completed", "expired") else None,
        "metadata": batch.body.get("metadata"),
    }


def _usage(usages: list[dict[str, Any]]) -> dict[str, Any]:
    prompt = sum(usage["prompt_tokens"] for usage in usages)
    completion = sum(usage["completion_tokens"] for usage in usages)
    cached = sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in usages)
    reasoning = sum(usage["completion_tokens_details"]["reasoning_tokens"] for usage in usages)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }


def _batch(request: web.Request) -> BatchRecord:
    batch = request.app[STATE].batches.get(request.match_info["id"])
    if batch is None:
        raise ApiError(404, f"No batch found with id '{request.match_info['id']}'.", "invalid_request_error")
    return batch


async def _retrieve(request: web.Request) -> web.Response:
    return web.json_response(_say(request.app[STATE], _batch(request)))


async def _list(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return page(request, state.listed(state.batches), lambda batch: _say(state, batch))


async def _cancel(request: web.Request) -> web.Response:
    batch = _batch(request)
    if batch.results is None:
        batch.cancelled_at = time.time()
    return web.json_response(_say(request.app[STATE], batch))


def routes() -> Mapping[tuple[str, str], Any]:
    """Handlers by method and path."""
    return {
        ("POST", "/v1/batches"): _create,
        ("GET", "/v1/batches"): _list,
        ("GET", "/v1/batches/{id}"): _retrieve,
        ("POST", "/v1/batches/{id}/cancel"): _cancel,
    }
