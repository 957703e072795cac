"""Routes of the Anthropic protocol: models, messages, token counts, message batches."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from simbench_api.testing._answers import count_tokens, flatten
from simbench_api.testing._batches import digest_of, scrambled, written
from simbench_api.testing._chat import model_of
from simbench_api.testing._messages import anthropic_error, check_version, write
from simbench_api.testing._openai import BODY, FAULT, STATE, lose
from simbench_api.testing._state import ApiError, BatchRecord, ModelSpec, State

__all__ = ["routes"]

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MOST_REQUESTS = 100_000


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _list_page(request: web.Request, rows: list[dict[str, Any]]) -> web.Response:
    """A page of rows, honouring ``after_id``, ``before_id`` and ``limit``."""
    ids = [row["id"] for row in rows]
    start = ids.index(request.query["after_id"]) + 1 if request.query.get("after_id") in ids else 0
    end = ids.index(request.query["before_id"]) if request.query.get("before_id") in ids else len(rows)
    limit = int(request.query.get("limit", 20))
    shown = rows[start:end][:limit]
    return web.json_response(
        {
            "data": shown,
            "has_more": end - start > limit,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
        }
    )


def _say_model(spec: ModelSpec) -> dict[str, Any]:
    yes = {"supported": True}
    return {
        "type": "model",
        "id": spec.id,
        "display_name": spec.id,
        "created_at": _stamp(spec.created),
        "lifecycle": "deprecated" if spec.shutdown_date else "active",
        "deprecated_at": _stamp(spec.created) if spec.shutdown_date else None,
        "retires_at": f"{spec.shutdown_date}T00:00:00Z" if spec.shutdown_date else None,
        "max_input_tokens": spec.context,
        "max_tokens": spec.max_output,
        "capabilities": {"batch": yes, "structured_outputs": yes},
    }


async def _models(request: web.Request) -> web.Response:
    specs = [spec for spec in request.app[STATE].models.values() if spec.provider == "anthropic"]
    return _list_page(request, [_say_model(spec) for spec in specs])


async def _model(request: web.Request) -> web.Response:
    spec = request.app[STATE].models.get(request.match_info["model"])
    if spec is None or spec.provider != "anthropic":
        raise ApiError(404, f"model: {request.match_info['model']}", "not_found_error")
    return web.json_response(_say_model(spec))


async def _message(request: web.Request) -> web.Response:
    version = check_version(request.headers.get("anthropic-version"))
    return web.json_response(write(request.app[STATE], request[BODY], version, request[FAULT]))


async def _count(request: web.Request) -> web.Response:
    body = request[BODY]
    model_of(request.app[STATE], body.get("model"), "anthropic")
    texts = [flatten(body.get("system") or "")] + [flatten(m.get("content")) for m in body.get("messages", ())]
    return web.json_response({"input_tokens": sum(count_tokens(text) for text in texts)})


async def _create(request: web.Request) -> web.StreamResponse:
    state, body = request.app[STATE], request[BODY]
    requests = body.get("requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= MOST_REQUESTS:
        raise ApiError(400, f"requests: expected 1 to {MOST_REQUESTS} requests", "invalid_request_error")
    ids = [str(entry.get("custom_id")) for entry in requests]
    if len(set(ids)) != len(ids) or not all(_CUSTOM_ID.fullmatch(each) for each in ids):
        raise ApiError(400, "requests.custom_id: expected unique ids of [a-zA-Z0-9_-]{1,64}", "invalid_request_error")
    stored = {"version": check_version(request.headers.get("anthropic-version"))}
    batch = BatchRecord(state.new_id("msgbatch_"), time.time(), state.batch_seconds, stored, requests)
    state.message_batches[batch.id] = batch
    if lose(request, "batch", digest_of(requests)):
        return web.Response()
    return web.json_response(_say(request, batch))


def _work(state: State, batch: BatchRecord) -> None:
    """Answer every request of a batch that has run its time, once."""
    if batch.results is not None or not batch.ended(time.time()):
        return
    lines: list[dict[str, Any]] = []
    for entry in batch.requests:
        digest = digest_of(entry["params"])
        fault = "batch_canceled" if batch.cancelled_at else state.dice.line(digest)
        line = {
            "custom_id": entry["custom_id"],
            "result": _result(state, batch, entry["params"], digest, fault),
        }
        line["torn"] = fault == "batch_torn"
        lines += [line] * {"batch_lost": 0, "batch_duplicate": 2}.get(fault or "", 1)
    batch.results = scrambled(lines, batch.id)


def _result(
    state: State, batch: BatchRecord, params: Mapping[str, Any], digest: str, fault: str | None
) -> dict[str, Any]:
    if fault in ("batch_expired", "batch_canceled"):
        return {"type": fault.removeprefix("batch_")}
    try:
        if fault == "batch_error":
            raise ApiError(500, "Internal server error", "api_error")
        content = state.dice.sticky(digest) or state.dice.content(digest)
        message = write(state, params, batch.body["version"], content)
    except ApiError as error:
        return {"type": "errored", "error": anthropic_error(error, state.new_id("req_"))}
    message["usage"]["service_tier"] = "batch"
    return {"type": "succeeded", "message": message}


def _say(request: web.Request, batch: BatchRecord) -> dict[str, Any]:
    _work(request.app[STATE], batch)
    ended = batch.results is not None
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    if ended:
        kinds = {line["custom_id"]: line["result"]["type"] for line in batch.results or ()}
        for kind in kinds.values():
            counts[kind] += 1
        counts["succeeded"] += len(batch.requests) - len(kinds)  # lost lines: counted, yet not in the file
    else:
        counts["processing"] = len(batch.requests)
    url = str(request.url.origin()) + f"/anthropic/v1/messages/batches/{batch.id}/results"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": counts,
        "created_at": _stamp(batch.created),
        "expires_at": _stamp(batch.created + 86_400),
        "ended_at": _stamp(batch.created + batch.seconds) if ended else None,
        "cancel_initiated_at": _stamp(batch.cancelled_at) if batch.cancelled_at else None,
        "archived_at": None,
        "results_url": url if ended else None,
    }


def _batch(request: web.Request) -> BatchRecord:
    batch = request.app[STATE].message_batches.get(request.match_info["id"])
    if batch is None:
        raise ApiError(404, "Message batch not found.", "not_found_error")
    return batch


async def _retrieve(request: web.Request) -> web.Response:
    return web.json_response(_say(request, _batch(request)))


async def _list(request: web.Request) -> web.Response:
    state = request.app[STATE]
    batches = reversed(state.listed(state.message_batches))
    return _list_page(request, [_say(request, batch) for batch in batches])


async def _cancel(request: web.Request) -> web.Response:
    batch = _batch(request)
    if batch.results is None:
        batch.cancelled_at = time.time()
    return web.json_response(_say(request, batch))


async def _results(request: web.Request) -> web.Response:
    batch = _batch(request)
    _work(request.app[STATE], batch)
    if batch.results is None:
        raise ApiError(404, "The batch has not ended.", "not_found_error")
    text = "".join(written(line) + "\n" for line in batch.results)
    return web.Response(text=text, content_type="application/binary")


async def _delete(request: web.Request) -> web.Response:
    batch = _batch(request)
    del request.app[STATE].message_batches[batch.id]
    return web.json_response({"id": batch.id, "type": "message_batch_deleted"})


def routes() -> Mapping[tuple[str, str], Any]:
    """Handlers by method and path, below ``/anthropic``: one server speaks both protocols."""
    base = "/anthropic/v1/messages"
    return {
        ("GET", "/anthropic/v1/models"): _models,
        ("GET", "/anthropic/v1/models/{model}"): _model,
        ("POST", base): _message,
        ("POST", base + "/count_tokens"): _count,
        ("POST", base + "/batches"): _create,
        ("GET", base + "/batches"): _list,
        ("GET", base + "/batches/{id}"): _retrieve,
        ("GET", base + "/batches/{id}/results"): _results,
        ("POST", base + "/batches/{id}/cancel"): _cancel,
        ("DELETE", base + "/batches/{id}"): _delete,
    }
