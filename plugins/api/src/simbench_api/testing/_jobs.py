"""Finetuning jobs of the OpenAI protocol. Nothing is trained: the job counts the answers in its file."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from simbench_api.testing._answers import Knowledge, count_tokens, flatten
from simbench_api.testing._chat import model_of
from simbench_api.testing._openai import BODY, STATE, file_of, lose, page
from simbench_api.testing._state import ApiError, JobRecord, ModelSpec, State

__all__ = ["automatic_epochs", "offer_finished", "routes"]

MIN_EXAMPLES = 10
_METADATA = re.compile(r"metadata\[(.+)\]")


def automatic_epochs(examples: int) -> int:
    """The provider's published rule for ``n_epochs="auto"``: 3, more for fewer than 34 examples."""
    if 3 * examples < 100:
        return max(1, min(25, 100 // examples))
    return 3


def _hyperparameters(body: Mapping[str, Any]) -> dict[str, Any]:
    method = body.get("method") or {}
    if method and method.get("type") != "supervised":
        raise ApiError(400, "This stand-in knows method supervised.", "invalid_request_error", param="method")
    given = (method.get("supervised") or {}).get("hyperparameters") or body.get("hyperparameters") or {}
    unknown = set(given) - {"n_epochs", "batch_size", "learning_rate_multiplier"}
    if unknown:
        raise ApiError(400, f"Unknown parameter: '{sorted(unknown)[0]}'.", "invalid_request_error")
    return {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto", **given}


def _problem(examples: list[Any]) -> dict[str, Any] | None:
    """What is wrong with a training file, as the failed job reports it."""
    for number, example in enumerate(examples, start=1):
        roles = [m.get("role") for m in example.get("messages", ())] if isinstance(example, dict) else []
        if not roles or "assistant" not in roles:
            return {
                "code": "invalid_training_file",
                "param": "training_file",
                "message": f"Example {number} has no assistant message.",
            }
    if len(examples) < MIN_EXAMPLES:
        return {
            "code": "invalid_n_examples",
            "param": "training_file",
            "message": f"Training file has {len(examples)} example(s), but must have at least "
            f"{MIN_EXAMPLES} examples",
        }
    return None


async def _create(request: web.Request) -> web.StreamResponse:
    state, body = request.app[STATE], request[BODY]
    spec = model_of(state, body.get("model"))
    if not spec.finetunable:
        raise ApiError(
            403,
            f"Model {spec.id} is not available for fine-tuning.",
            "invalid_request_error",
            code="model_not_available",
        )
    hyper = _hyperparameters(body)
    metadata = body.get("metadata") or {}
    if len(metadata) > 16 or any(len(k) > 64 or len(str(v)) > 512 for k, v in metadata.items()):
        raise ApiError(400, "Invalid 'metadata'.", "invalid_request_error", param="metadata")
    if len(body.get("suffix") or "") > 64:
        raise ApiError(400, "'suffix' is too long.", "invalid_request_error", param="suffix")
    file = file_of(state, str(body.get("training_file")))
    job = _new_job(state, spec, body, [json.loads(line) for line in file.data.splitlines()], hyper)
    state.jobs[job.id] = job
    if lose(request, "job", json.dumps(body, sort_keys=True)):
        return web.Response()
    return web.json_response(_say_job(job))


def _new_job(
    state: State, spec: ModelSpec, body: Mapping[str, Any], examples: list[Any], hyper: Mapping[str, Any]
) -> JobRecord:
    error = _problem(examples)
    digest = hashlib.sha256(json.dumps(examples).encode()).hexdigest()
    if error is None and state.dice.job_fails(digest):
        error = {"code": "server_error", "param": None, "message": "The job failed on the stand-in's wish."}
    epochs = automatic_epochs(len(examples)) if hyper["n_epochs"] == "auto" else int(hyper["n_epochs"])
    tokens = sum(count_tokens(flatten(m.get("content"))) + 4 for e in examples for m in e.get("messages", ()))
    identifier = state.new_id("ftjob-")
    name = f"ft:{spec.id}:simbench-testing:{body.get('suffix') or ''}:{identifier[-6:]}"
    if error is None:
        knowledge = Knowledge()
        for example in examples:
            knowledge.learn(example["messages"])
        for model in (name, *(f"{name}:ckpt-step-{step}" for step in _steps(len(examples), epochs)[-3:-1])):
            state.knowledge[model] = knowledge
    return JobRecord(
        id=identifier,
        model=spec.id,
        training_file=str(body["training_file"]),
        created=time.time(),
        seconds=state.job_seconds,
        body=body,
        error=error,
        trained_tokens=tokens * epochs,
        n_epochs=epochs,
        fine_tuned_model=name,
    )


def _steps(examples: int, epochs: int) -> list[int]:
    """Step numbers at the end of every epoch."""
    return [examples * epoch for epoch in range(1, epochs + 1)]


def _say_job(job: JobRecord) -> dict[str, Any]:
    now = time.time()
    status = job.status(now)
    done = status == "succeeded"
    over = status in ("succeeded", "failed", "cancelled")
    hyper = {**_hyperparameters(job.body), "n_epochs": job.n_epochs}
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": int(job.created),
        "error": job.error if status == "failed" else None,
        "fine_tuned_model": job.fine_tuned_model if done else None,
        "finished_at": int(now) if over else None,
        "estimated_finish": int(job.created + job.seconds) if status == "running" else None,
        "hyperparameters": hyper,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyper}},
        "model": job.model,
        "organization_id": "org-simbench-testing",
        "result_files": [],
        "seed": job.body.get("seed") or 0,
        "status": status,
        "trained_tokens": job.trained_tokens if done else None,
        "training_file": job.training_file,
        "validation_file": job.body.get("validation_file"),
        "integrations": [],
        "metadata": job.body.get("metadata"),
    }


def _job(request: web.Request) -> JobRecord:
    """The job named in the path, its model offered once it has succeeded."""
    state = request.app[STATE]
    job = state.jobs.get(request.match_info["id"])
    if job is None:
        raise ApiError(
            404,
            f"Could not find fine tune: {request.match_info['id']}",
            "invalid_request_error",
            code="fine_tune_not_found",
            param="fine_tune_id",
        )
    return job


def offer_finished(state: State) -> None:
    """Make the models of succeeded jobs callable."""
    now = time.time()
    for job in state.jobs.values():
        if job.fine_tuned_model not in state.models and job.status(now) == "succeeded":
            base = state.models[job.model]
            for name in [name for name in state.knowledge if name.startswith(job.fine_tuned_model)]:
                state.models[name] = ModelSpec(
                    name,
                    sampling=base.sampling,
                    logprobs=base.logprobs,
                    reasoning=base.reasoning,
                    shutdown_date=base.shutdown_date,
                    created=int(now),
                )


async def _retrieve(request: web.Request) -> web.Response:
    return web.json_response(_say_job(_job(request)))


async def _list(request: web.Request) -> web.Response:
    wanted = {m.group(1): value for key, value in request.query.items() if (m := _METADATA.fullmatch(key))}
    jobs = [
        job
        for job in request.app[STATE].listed(request.app[STATE].jobs)
        if all((job.body.get("metadata") or {}).get(key) == value for key, value in wanted.items())
    ]
    return page(request, jobs, _say_job)


async def _cancel(request: web.Request) -> web.Response:
    job = _job(request)
    if job.status(time.time()) in ("succeeded", "failed", "cancelled"):
        raise ApiError(400, "Job has already finished.", "invalid_request_error")
    job.cancelled_at = time.time()
    return web.json_response(_say_job(job))


async def _pause(request: web.Request) -> web.Response:
    job = _job(request)
    job.paused_at = job.paused_at or time.time()
    return web.json_response(_say_job(job))


async def _resume(request: web.Request) -> web.Response:
    job = _job(request)
    if job.paused_at is not None:
        job.paused_for += time.time() - job.paused_at
        job.paused_at = None
    return web.json_response(_say_job(job))


def _happened(job: JobRecord) -> list[dict[str, Any]]:
    """The job's events so far, oldest first."""
    done, words = job.progress(time.time()), ["Created fine-tuning job: " + job.id]
    words += ["Validating training file: " + job.training_file] if done > 0 else []
    words += ["Files validated, moving job to queued state"] if done >= 0.15 and not job.error else []
    words += ["Fine-tuning job started"] if done >= 0.3 and not job.error else []
    ends = [end for end in range(1, job.n_epochs + 1) if done >= 0.3 + 0.7 * end / job.n_epochs]
    events: list[tuple[str, dict[str, float] | None]] = [(word, None) for word in words]
    if not job.error:
        events += [(f"Step {n}: training loss={1 / n:.2f}", {"step": n, "train_loss": 1 / n}) for n in ends]
    if job.error and done >= 0.15:
        events.append((f"The job failed: {job.error['message']}", None))
    if done >= 1.0 and not job.error:
        events.append(("The job has successfully completed", None))
    return [
        {
            "id": f"ftevent-{job.id}-{number:03d}",
            "object": "fine_tuning.job.event",
            "created_at": int(job.created),
            "level": "error" if word.startswith("The job failed") else "info",
            "message": word,
            "data": data or {},
            "type": "metrics" if data else "message",
        }
        for number, (word, data) in enumerate(events)
    ]


class _Row:
    """Something with an id that is already a JSON object."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.id, self.value = value["id"], value


async def _events(request: web.Request) -> web.Response:
    return page(request, [_Row(event) for event in _happened(_job(request))], lambda row: row.value)


async def _checkpoints(request: web.Request) -> web.Response:
    job = _job(request)
    offer_finished(request.app[STATE])
    ready = job.status(time.time()) == "succeeded"
    examples = len(file_of(request.app[STATE], job.training_file).data.splitlines()) if ready else 0
    rows = []
    for step in _steps(examples, job.n_epochs)[-3:] if ready else []:
        last = step == examples * job.n_epochs
        name = job.fine_tuned_model if last else f"{job.fine_tuned_model}:ckpt-step-{step}"
        rows.append(
            _Row(
                {
                    "id": f"ftckpt-{job.id}-{step:06d}",
                    "object": "fine_tuning.job.checkpoint",
                    "created_at": int(job.created),
                    "fine_tuned_model_checkpoint": name,
                    "fine_tuning_job_id": job.id,
                    "metrics": {"step": step, "train_loss": examples / step},
                    "step_number": step,
                }
            )
        )
    return page(request, rows, lambda row: row.value)


def routes() -> Mapping[tuple[str, str], Any]:
    """Handlers by method and path."""
    base = "/v1/fine_tuning/jobs"
    return {
        ("POST", base): _create,
        ("GET", base): _list,
        ("GET", base + "/{id}"): _retrieve,
        ("POST", base + "/{id}/cancel"): _cancel,
        ("POST", base + "/{id}/pause"): _pause,
        ("POST", base + "/{id}/resume"): _resume,
        ("GET", base + "/{id}/events"): _events,
        ("GET", base + "/{id}/checkpoints"): _checkpoints,
    }
