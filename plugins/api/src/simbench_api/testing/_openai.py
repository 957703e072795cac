"""Routes of the OpenAI protocol: models, files, chat completions. Jobs and batches have their own files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from simbench_api.testing._chat import complete, model_of
from simbench_api.testing._state import ApiError, FileRecord, ModelSpec, State

__all__ = ["BODY", "FAULT", "RAW", "STATE", "file_of", "lose", "openai_error", "page", "routes", "say_file"]

STATE: web.AppKey[State] = web.AppKey("state", State)
RAW: web.RequestKey[bytes] = web.RequestKey("raw", bytes)
BODY: web.RequestKey[Any] = web.RequestKey("body", object)
FAULT: web.RequestKey[str | None] = web.RequestKey("fault", str)
Say = Callable[[Any], dict[str, Any]]


def openai_error(error: ApiError) -> dict[str, Any]:
    """An error body as the OpenAI protocol writes it."""
    return {"error": {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}}


def page(request: web.Request, records: list[Any], say: Say) -> web.Response:
    """A cursor page, newest first, honouring ``after`` and ``limit``."""
    newest = list(reversed(records))
    after = request.query.get("after")
    if after is not None:
        ids = [record.id for record in newest]
        newest = newest[ids.index(after) + 1 :] if after in ids else []
    limit = int(request.query.get("limit", 20))
    shown = [say(record) for record in newest[:limit]]
    return web.json_response(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(newest) > limit,
        }
    )


def lose(request: web.Request, kind: str, digest: str) -> bool:
    """Whether the answer to this creation gets lost; if so the connection is gone."""
    if not request.app[STATE].dice.creation(kind, digest):
        return False
    request[FAULT] = f"lost {kind}"
    if request.transport is not None:
        request.transport.abort()
    return True


def _say_model(spec: ModelSpec) -> dict[str, Any]:
    return {
        "id": spec.id,
        "object": "model",
        "created": spec.created,
        "owned_by": "simbench-testing",
        "shutdown_date": spec.shutdown_date,
    }


async def _models(request: web.Request) -> web.Response:
    specs = request.app[STATE].models.values()
    return web.json_response(
        {"object": "list", "data": [_say_model(spec) for spec in specs if spec.provider == "openai"]}
    )


async def _model(request: web.Request) -> web.Response:
    name = request.match_info["model"]
    spec = request.app[STATE].models.get(name)
    if spec is None or spec.provider != "openai":
        model_of(request.app[STATE], None if spec is None else "")
    assert spec is not None  # noqa: S101 - model_of raised
    return web.json_response(_say_model(spec))


async def _chat(request: web.Request) -> web.Response:
    return web.json_response(complete(request.app[STATE], request[BODY], request[FAULT]))


def say_file(file: FileRecord) -> dict[str, Any]:
    """A ``file`` object."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.data),
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def file_of(state: State, identifier: str) -> FileRecord:
    """The file of that id, or 404."""
    if identifier not in state.files:
        raise ApiError(404, f"No such File object: {identifier}", "invalid_request_error", param="id")
    return state.files[identifier]


async def _upload(request: web.Request) -> web.StreamResponse:
    state = request.app[STATE]
    form = await request.post()
    upload, purpose = form.get("file"), str(form.get("purpose", ""))
    if not isinstance(upload, web.FileField) or purpose not in ("fine-tune", "batch"):
        raise ApiError(400, "Expected a file and a purpose of fine-tune or batch.", "invalid_request_error")
    data = upload.file.read()
    if purpose == "batch" and len(data) > state.batch_bytes:
        raise ApiError(400, f"The file is larger than {state.batch_bytes:.0f} bytes.", "invalid_request_error")
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            json.loads(line)
        except ValueError:
            raise ApiError(
                400,
                f"Invalid file format. Line {number} is not valid JSON.",
                "invalid_request_error",
                param="file",
            ) from None
    file = FileRecord(state.new_id("file-"), upload.filename, purpose, data, int(time.time()))
    state.files[file.id] = file
    if lose(request, "file", hashlib.sha256(data).hexdigest()):
        return web.Response()
    return web.json_response(say_file(file))


async def _files(request: web.Request) -> web.Response:
    wanted = request.query.get("purpose")
    files = [f for f in request.app[STATE].files.values() if wanted in (None, f.purpose)]
    return page(request, files, say_file)


async def _file(request: web.Request) -> web.Response:
    return web.json_response(say_file(file_of(request.app[STATE], request.match_info["id"])))


async def _content(request: web.Request) -> web.Response:
    file = file_of(request.app[STATE], request.match_info["id"])
    return web.Response(body=file.data, content_type="application/octet-stream")


async def _delete(request: web.Request) -> web.Response:
    file = file_of(request.app[STATE], request.match_info["id"])
    del request.app[STATE].files[file.id]
    return web.json_response({"id": file.id, "object": "file", "deleted": True})


def routes() -> Mapping[tuple[str, str], Any]:
    """Handlers by method and path."""
    return {
        ("GET", "/v1/models"): _models,
        ("GET", "/v1/models/{model:.+}"): _model,
        ("POST", "/v1/chat/completions"): _chat,
        ("POST", "/v1/files"): _upload,
        ("GET", "/v1/files"): _files,
        ("GET", "/v1/files/{id}"): _file,
        ("GET", "/v1/files/{id}/content"): _content,
        ("DELETE", "/v1/files/{id}"): _delete,
    }
