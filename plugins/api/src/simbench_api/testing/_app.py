"""The aiohttp application: keys, log, latency and transport faults around the routes."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simbench_api.testing import _anthropic, _batches, _jobs, _openai
from simbench_api.testing._faults import Dice, Faults
from simbench_api.testing._messages import anthropic_error
from simbench_api.testing._openai import BODY, FAULT, RAW, STATE, openai_error
from simbench_api.testing._state import SETTINGS, ApiError, LoggedRequest, State

__all__ = ["create_app"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ANSWERING = ("/v1/chat/completions", "/anthropic/v1/messages")
QUOTA = "You exceeded your current quota, please check your plan and billing details."
CONTROL = "/_control/"


def create_app(state: State) -> web.Application:
    """An application over ``state``. Paths under ``/_control/`` are the test's own and never logged."""
    app = web.Application(middlewares=[_record, _errors, _gate], client_max_size=300 * 2**20)
    app[STATE] = state
    for module in (_openai, _jobs, _batches, _anthropic):
        for (method, path), handler in module.routes().items():
            app.router.add_route(method, path, handler)
    app.router.add_get(CONTROL + "summary", _summary)
    app.router.add_get(CONTROL + "log", _log)
    app.router.add_post(CONTROL + "faults", _set_faults)
    app.router.add_post(CONTROL + "settings", _set_settings)
    return app


@web.middleware
async def _record(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log the request, count it as in flight, and parse its JSON body."""
    if request.path.startswith(CONTROL):
        return await handler(request)
    state = request.app[STATE]
    multipart = request.content_type.startswith("multipart/")
    raw = b"" if multipart else await request.read()
    request[RAW], request[FAULT] = raw, None
    entry = LoggedRequest(
        len(state.log),
        time.time(),
        request.method,
        request.path,
        dict(request.headers),
        raw.decode("utf-8", "replace"),
    )
    state.log.append(entry)
    state.in_flight += 1
    state.most_in_flight = max(state.most_in_flight, state.in_flight)
    began = time.perf_counter()
    try:
        response = await handler(request)
        gone = request.transport is None or request.transport.is_closing()
        entry.status = 0 if gone else response.status
        return response
    finally:
        entry.fault = request[FAULT]
        entry.seconds = time.perf_counter() - began
        state.in_flight -= 1


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an ApiError into the provider's error body."""
    try:
        return await handler(request)
    except ApiError as error:
        identifier = request.app[STATE].new_id("req_")
        claude = _is_anthropic(request)
        body = anthropic_error(error, identifier) if claude else openai_error(error)
        header = "request-id" if claude else "x-request-id"
        return web.json_response(body, status=error.status, headers={header: identifier})


def _is_anthropic(request: web.Request) -> bool:
    return request.path.startswith("/anthropic/")


@web.middleware
async def _gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check the key, wait out the latency, and make the transport fault the dice say."""
    if request.path.startswith(CONTROL):
        return await handler(request)
    state = request.app[STATE]
    _authenticate(request, state)
    if request.content_type == "application/json" and request[RAW]:
        try:
            request[BODY] = json.loads(request[RAW])
        except ValueError:
            raise ApiError(
                400, "We could not parse the JSON body of your request.", "invalid_request_error"
            ) from None
    _jobs.offer_finished(state)
    if request.path not in ANSWERING or request.method != "POST":
        return await handler(request)
    digest = hashlib.sha256(request[RAW]).hexdigest()
    fault = state.dice.answer(digest) or state.dice.sticky(digest)
    request[FAULT] = fault
    if state.latency > 0:
        await asyncio.sleep(state.latency)
    if (early := await _transport(request, state, fault)) is not None:
        return early
    response = await handler(request)
    if fault == "lost_reply" and request.transport is not None:
        request.transport.abort()
    if fault == "broken_body" and isinstance(response, web.Response) and isinstance(response.body, bytes):
        return web.Response(body=response.body[: len(response.body) // 2], content_type="application/json")
    return response


def _authenticate(request: web.Request, state: State) -> None:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    key = request.headers.get("x-api-key") or request.headers.get("api-key") or bearer
    if key and (state.keys is None or key in state.keys):
        return
    if _is_anthropic(request):
        raise ApiError(401, "invalid x-api-key", "authentication_error")
    raise ApiError(401, "Incorrect API key provided.", "invalid_request_error", code="invalid_api_key")


async def _transport(request: web.Request, state: State, fault: str | None) -> web.StreamResponse | None:
    """The response of a transport fault, or None to answer."""
    faults, claude = state.dice.faults, _is_anthropic(request)
    if fault == "rate_limit":
        error = ApiError(
            429, "Rate limit reached.", "rate_limit_error", code=None if claude else "rate_limit_exceeded"
        )
        body = anthropic_error(error, state.new_id("req_")) if claude else openai_error(error)
        return web.json_response(body, status=429, headers={"retry-after": f"{faults.retry_after:g}"})
    if fault == "quota":
        code = "enforced_spend_limit_reached" if claude else "insufficient_quota"
        raise ApiError(429, QUOTA, "rate_limit_error" if claude else "insufficient_quota", code=code)
    if fault == "unauthorized":
        raise ApiError(401, "The key was revoked.", "authentication_error" if claude else "invalid_request_error")
    if fault == "server_error":
        raise ApiError(500, "The server had an error.", "api_error" if claude else "server_error")
    if fault == "overloaded":
        raise ApiError(529 if claude else 503, "Overloaded", "overloaded_error" if claude else "server_error")
    if fault == "hang":
        await asyncio.sleep(faults.hang_seconds)
    if fault in ("hang", "drop"):
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    return None


async def _summary(request: web.Request) -> web.Response:
    return web.json_response(request.app[STATE].summary())


async def _log(request: web.Request) -> web.Response:
    rows: list[dict[str, Any]] = [dataclasses.asdict(entry) for entry in request.app[STATE].log]
    return web.json_response(rows)


async def _set_faults(request: web.Request) -> web.Response:
    state = request.app[STATE]
    fresh = Dice(Faults.of(await request.json()))
    fresh.seen, fresh.hits = state.dice.seen, state.dice.hits
    state.dice = fresh
    return web.json_response({})


async def _set_settings(request: web.Request) -> web.Response:
    for name, value in (await request.json()).items():
        if name not in SETTINGS:
            raise web.HTTPBadRequest(text=f"unknown setting {name}")
        setattr(request.app[STATE], name, float(value))
    return web.json_response({})
