"""The API through Anthropic's library: one attempt each, errors named, nothing retried here."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import anthropic
from anthropic.types.messages import MessageBatch

from simbench_api import BatchLine, BatchState, Found, Provider, Reply, Trouble, lost, turned_down

__all__ = ["AnthropicProvider", "named", "read_message"]

QUOTA = ("enforced_spend_limit_reached", "contract_spend_limit_reached", "credit_balance_too_low")
BATCHES = "/v1/messages/batches"
SKEW = 3600.0  # seconds that the provider's clock may differ
STATUSES = {"max_tokens": "truncated", "model_context_window_exceeded": "truncated", "refusal": "refused"}
REFUSED = ("invalid_request_error", "not_found_error", "permission_error", "request_too_large")
CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]+)"')
SAMPLING = ("temperature", "top_p", "top_k", "output_config")


def named(error: Exception) -> Trouble:
    """The trouble that an error of the library, or of reading its answer, means."""
    if isinstance(error, anthropic.APIStatusError):
        said = error.api_message or error.message
        broke = error.error_code in QUOTA or error.type == "billing_error" or "credit balance is too low" in said
        unsupported = error.status_code == 400 and any(said.lstrip("`").startswith(name) for name in SAMPLING)
        headers = error.response.headers
        return turned_down(error.status_code, said, headers, quota=broke, unsupported=unsupported)
    if isinstance(error, anthropic.APITimeoutError):
        return lost("timed out", error.__cause__)
    if isinstance(error, anthropic.APIConnectionError):
        cause = error.__cause__ or error
        return lost(f"connection lost: {type(cause).__name__}", cause)
    return lost(f"unreadable answer: {type(error).__name__}: {error}")


READING = (anthropic.AnthropicError, ValueError, KeyError, TypeError, IndexError, AttributeError)


@contextlib.contextmanager
def named_errors() -> Iterator[None]:
    """Raise what goes wrong inside as a Trouble."""
    try:
        yield
    except READING as error:
        raise named(error) from None


def read_message(body: Mapping[str, Any]) -> Reply:
    """A ``message`` object as a reply. Raises KeyError and the like for one that is none."""
    reason = body["stop_reason"]
    text = "".join(block["text"] for block in body["content"] if block["type"] == "text")
    status = STATUSES.get(reason, "ok")
    usage = body.get("usage") or {}
    cached, written = (usage.get(f"cache_{what}_input_tokens") or 0 for what in ("read", "creation"))
    counts = {
        "input": (usage.get("input_tokens") or 0) + cached + written,
        "cached": cached,
        "cache_write": written,
        "output": usage.get("output_tokens") or 0,
    }
    details = body.get("stop_details") or {}
    why = None if status == "ok" else ": ".join(filter(None, (f"stop_reason {reason}", details.get("category"))))
    kept = {name: int(count) for name, count in counts.items() if count}
    return Reply(status, text, why, kept, None, body.get("model"))


class AnthropicProvider(Provider):
    """Anthropic's protocol at one base URL and version. Retries of the library are off."""

    name = "anthropic"

    def __init__(self, base_url: str, key: str, version: str, timeout: float, poll_seconds: float) -> None:
        self._settings: dict[str, Any] = {
            "base_url": base_url,
            "api_key": key,
            "timeout": timeout,
            "max_retries": 0,
            "default_headers": {"anthropic-version": version},
        }
        self._asynchronous: anthropic.AsyncAnthropic | None = None
        self._poll_seconds = poll_seconds
        self.client = anthropic.Anthropic(**self._settings)

    async def send(self, body: Mapping[str, Any]) -> Reply:
        """One message."""
        if self._asynchronous is None:
            # httpx looks through all its connections at every request; aiohttp's transport does not
            transport = anthropic.DefaultAioHttpClient()
            self._asynchronous = anthropic.AsyncAnthropic(**self._settings, http_client=transport)
        try:
            said: Any = await self._asynchronous.post("/v1/messages", cast_to=object, body=body)  # JSON as it came
            return read_message(said)
        except READING as error:
            raise named(error) from None

    async def aclose(self) -> None:
        """Close the connections for messages, and the others."""
        if self._asynchronous is not None:
            await self._asynchronous.close()
        self.close()

    def close(self) -> None:
        """Close the connections for everything else."""
        self.client.close()

    def look_up(self, model: str) -> Found:
        """The model as the catalogue lists it, with what it says the model takes."""
        try:
            with named_errors():
                found = self.client.models.retrieve(model)
        except Trouble as trouble:
            if trouble.status == 404:
                return Found(False)
            if trouble.status == 403:  # the key may do without the right to read models
                return Found(None)
            raise
        known = found.capabilities
        takes = {"batch": known.batch.supported, "json_schema": known.structured_outputs.supported} if known else {}
        retired = found.retires_at
        gone = None if retired is None or found.lifecycle != "retired" else retired.date().isoformat()
        return Found(found.lifecycle != "retired", gone, takes)

    def batch_create(self, lines: Sequence[BatchLine], intent: str, run_id: str) -> str:
        """Create the batch. There is no metadata: the custom ids are what it is known by."""
        with named_errors(), tempfile.TemporaryFile() as data:  # not all in memory
            data.write(b'{"requests": [')
            for number, each in enumerate(lines):
                row = json.dumps({"custom_id": each.custom_id, "params": each.body}).encode()
                data.write(b", " + row if number else row)
            data.write(b"]}")
            data.seek(0)
            kind: Any = {"headers": {"content-type": "application/json"}}
            made: MessageBatch = self.client.post(BATCHES, cast_to=MessageBatch, content=data, options=kind)
            return made.id

    def batch_find(self, intent: str, since: float, ids: frozenset[str]) -> str | None:
        """The batch with these custom ids.

        They show only once a batch has ended: for one of the right size and time that has not, this waits.
        """
        with named_errors():
            for batch in self.client.messages.batches.list(limit=100):
                if batch.created_at.timestamp() < since - SKEW:
                    return None
                counts = batch.request_counts
                total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
                if total == len(ids) and self._holds(batch.id, ids):
                    return batch.id
        return None

    def _holds(self, batch: str, ids: frozenset[str]) -> bool:
        """Whether a batch's results are for these ids, waiting for them if need be."""
        while not self.batch_state(batch).ended:
            time.sleep(self._poll_seconds)
        return any(identifier in ids for identifier, _ in self.batch_results(batch))

    def batch_state(self, batch: str) -> BatchState:
        """How a batch stands. Unknown words mean that it goes on."""
        with named_errors():
            found = self.client.messages.batches.retrieve(batch)
        counts = found.request_counts
        done = counts.succeeded + counts.errored + counts.canceled + counts.expired
        stopped = found.cancel_initiated_at is not None
        return BatchState(found.processing_status == "ended", done, cancelled=stopped)

    def batch_results(self, batch: str) -> Iterator[tuple[str, Reply]]:
        """Every line of the results. They end in line feeds alone: JSON strings may hold other ends of lines."""
        with named_errors(), self.client.messages.batches.with_streaming_response.results(batch) as response:
            content = response.read()
        for line in filter(None, map(bytes.strip, content.split(b"\n"))):
            try:
                row = json.loads(line)
                yield row["custom_id"], _read_result(row["result"])
            except READING as error:  # it was answered, and cannot be read: an outcome of its own
                if (named_id := CUSTOM_ID.search(line)) is not None:
                    words = f"unreadable line: {type(error).__name__}: {error}"
                    yield named_id[1].decode(), Reply("failed", error=words, doubtful=True)


def _read_result(result: Mapping[str, Any]) -> Reply:
    kind = result["type"]
    if kind == "succeeded":
        return read_message(result["message"])
    if kind in ("expired", "canceled"):
        return Reply("expired", error=f"the batch {kind} before this request was answered")
    told = (result.get("error") or {}).get("error") or {}
    refused = told.get("type") in REFUSED
    return Reply("failed", error=f"{told.get('type')}: {told.get('message')}", rejected=refused)
