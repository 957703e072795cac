"""The API through OpenAI's library: one attempt each, errors named, nothing retried here."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import openai

from simbench_api import BatchLine, BatchState, Found, Provider, Reply, Token, Trouble, lost, turned_down
from simbench_openai.choice import SCORED, Scorer
from simbench_openai.config import deploys
from simbench_openai.servers import SERVERS, Server, by_owner

__all__ = ["OpenAIProvider", "named", "read_completion"]

QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
UNSUPPORTED = ("unsupported_parameter", "unsupported_value")
NO_ROUTE = (400, 404, 405, 422, 501)  # there is no such path, or no such model
ENDPOINT: Final = "/v1/chat/completions"
SKEW = 3600.0  # seconds that the provider's clock may differ
CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]+)"')
REFUSED = (400, 403, 404, 413, 422)
CROWDED = ("token_limit_exceeded", "enqueued token limit")
ENDED = ("completed", "expired", "cancelled", "failed")


def named(error: Exception) -> Trouble:
    """The trouble that an error of the library, or of reading its answer, means."""
    if isinstance(error, openai.APIStatusError):
        code = error.code or error.type or ""
        return turned_down(
            error.status_code,
            error.message,
            error.response.headers,
            quota=code in QUOTA or error.type in QUOTA,
            unsupported=code in UNSUPPORTED,
        )
    if isinstance(error, openai.APITimeoutError):
        return lost("timed out", error.__cause__)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        return lost(f"connection lost: {type(cause).__name__}", cause)
    return lost(f"unreadable answer: {type(error).__name__}: {error}")


def _unsaid(trouble: Trouble) -> bool:
    """Whether a look at the models says nothing: the key may not read them, though it may ask them."""
    scoped = any(word in str(trouble).lower() for word in ("scope", "permission"))
    return trouble.status == 403 or (trouble.status == 401 and scoped)


def filtered(error: Exception) -> Reply | None:
    """The outcome where a filter turned down this one prompt: Azure's 400, OpenRouter's 403 of its moderation."""
    if not isinstance(error, openai.APIStatusError) or error.status_code not in (400, 403):
        return None
    body: Any = error.body
    told = body.get("error", body) if isinstance(body, dict) else {}
    metadata = told.get("metadata") if isinstance(told, dict) else None
    moderated = isinstance(metadata, dict) and ("flagged_input" in metadata or "reasons" in metadata)
    if (error.status_code == 400 and error.code == "content_filter") or (error.status_code == 403 and moderated):
        return Reply("content_filter", error=f"the prompt was turned down: {error.message[:500]}")
    return None


def _version(said: Mapping[str, Any]) -> str | None:
    """The version in an answer, where it has the shape of one: it is shown and kept."""
    found = said.get("version")
    return found if isinstance(found, str) and re.fullmatch(r"[\w.+-]{1,40}", found) else None


READING = (openai.OpenAIError, ValueError, KeyError, TypeError, IndexError, AttributeError)


@contextlib.contextmanager
def named_errors() -> Iterator[None]:
    """Raise what goes wrong inside as a Trouble."""
    try:
        yield
    except READING as error:
        raise named(error) from None


def read_completion(body: Mapping[str, Any]) -> Reply:
    """A ``chat.completion`` object as a reply. Raises KeyError and the like for one that is none.

    Some servers answer 200 with an error in it, which is read as if its code had been the status.
    """
    if not body.get("choices") and isinstance(told := body.get("error"), Mapping):
        code = told.get("code")
        number = code if isinstance(code, int) and 400 <= code < 600 else 500
        raise turned_down(number, str(told.get("message") or told), {}, quota=code in QUOTA)
    choice = body["choices"][0]
    message = choice["message"]
    text, refusal, reason = message.get("content") or "", message.get("refusal"), choice.get("finish_reason")
    if refusal:
        status, text = "refused", refusal
    else:
        status = {"content_filter": "content_filter", "length": "truncated"}.get(reason, "ok")
    usage = body.get("usage") or {}
    parts = usage.get("prompt_tokens_details") or {}
    counts = {
        "input": usage.get("prompt_tokens"),
        "cached": parts.get("cached_tokens"),
        "cache_write": parts.get("cache_write_tokens"),
        "output": usage.get("completion_tokens"),
        "reasoning": (usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }
    error = None if status == "ok" else "the model refused" if refusal else f"finish_reason {reason}"
    kept = {name: int(count) for name, count in counts.items() if count}
    return Reply(status, text, error, kept, _tokens(choice, text), body.get("model"))


def _tokens(choice: Mapping[str, Any], text: str) -> list[Token] | None:
    """Token log probabilities, where there are some and they add up to the text."""
    listed = (choice.get("logprobs") or {}).get("content")
    if not listed or "".join(each["token"] for each in listed) != text:
        return None
    return [
        (each["token"], each["logprob"], [(other["token"], other["logprob"]) for other in each["top_logprobs"]])
        for each in listed
    ]


class OpenAIProvider(Provider):
    """OpenAI's protocol at one base URL. Retries of the library are off: they are the machinery's."""

    name = "openai"

    def __init__(self, base_url: str, key: str, timeout: float) -> None:
        self._settings: dict[str, Any] = {
            "base_url": base_url,
            "api_key": key,
            "timeout": timeout,
            "max_retries": 0,
        }
        self._asynchronous: openai.AsyncOpenAI | None = None
        self._root = base_url.rstrip("/").removesuffix("/v1")
        self._scorer = Scorer(self._post, self._root)
        # Azure is called by names of deployments and lists models: that a name is not listed says nothing
        self._deployments = deploys(urlsplit(base_url).hostname or "")
        self.client = openai.OpenAI(**self._settings)

    async def send(self, body: Mapping[str, Any]) -> Reply:
        """One chat completion, or the probabilities of one item's options."""
        try:
            if "labels" in body and set(SCORED) <= set(body):
                return await self._scorer.chances(body)
            return read_completion(await self._post("/chat/completions", body))
        except READING as error:
            if (outcome := filtered(error)) is not None:
                return outcome
            raise named(error) from None

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that comes back from a path, or from a whole address."""
        if self._asynchronous is None:
            # httpx looks through all its connections at every request; aiohttp's transport does not
            transport = openai.DefaultAioHttpClient()
            self._asynchronous = openai.AsyncOpenAI(**self._settings, http_client=transport)
        return await self._asynchronous.post(path, cast_to=dict[str, Any], body=body)

    def identify(self) -> tuple[Server | None, str | None]:
        """What answers at this address, as it says of itself, and which version; free. None where it does not say."""
        server = by_owner(self._said("/models"))
        if server is not None:
            return server, _version(self._said(f"{self._root}/version"))
        if _version(ollama := self._said(f"{self._root}/api/version")) and set(ollama) == {"version"}:
            return SERVERS["ollama"], _version(ollama)
        rows = self._said(f"{self._root}/api/v0/models").get("data")
        if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "compatibility_type" in rows[0]:
            return SERVERS["lmstudio"], None
        return None, None

    def _said(self, path: str) -> dict[str, Any]:
        """The JSON object at a path; an empty one where there is none, or nothing that can be read."""
        try:
            with named_errors():
                said: Any = self.client.get(path, cast_to=object)
        except Trouble as trouble:
            if trouble.status in NO_ROUTE or _unsaid(trouble) or trouble.kind == "unavailable":
                return {}
            raise
        return said if isinstance(said, dict) else {}

    async def aclose(self) -> None:
        """Close the connections for chat completions, and the others."""
        if self._asynchronous is not None:
            await self._asynchronous.close()
        self.close()

    def close(self) -> None:
        """Close the connections for everything else."""
        self.client.close()

    def look_up(self, model: str) -> Found:
        """The model as the server lists it; servers that list no models, or not deployments, do not say."""
        try:
            with named_errors():
                found = self.client.models.retrieve(model)
        except Trouble as trouble:
            if _unsaid(trouble):
                return Found(None)
            if trouble.status not in NO_ROUTE:
                raise
            unlisted = not self._deployments and self._listed(model) is False
            return Found(False if unlisted else None)
        shutdown = getattr(found, "shutdown_date", None)  # a server may answer anything
        return Found(True, shutdown if isinstance(shutdown, str) else None)

    def _listed(self, model: str) -> bool | None:
        """Whether the list of models holds it; None where there is no list, or none that can be read.

        A name may end in a variant that is not listed, as OpenRouter's ``:nitro`` and ``:floor``.
        """
        try:
            with named_errors():
                said: Any = self.client.get("/models", cast_to=object)
        except Trouble as trouble:
            if trouble.status in NO_ROUTE or _unsaid(trouble):
                return None
            raise
        rows = (said.get("data") or said.get("models")) if isinstance(said, dict) else said
        rows = rows if isinstance(rows, list) else []
        names = {row.get("id") or row.get("name") for row in rows if isinstance(row, dict)}
        return bool(names & {model, model.partition(":")[0]}) if names else None

    def batch_create(self, lines: Sequence[BatchLine], intent: str, run_id: str) -> str:
        """Upload the requests, then create the batch, with the intention in its metadata."""
        with named_errors(), tempfile.TemporaryFile() as data:  # not all in memory
            for each in lines:
                row = {"custom_id": each.custom_id, "method": "POST", "url": ENDPOINT, "body": each.body}
                data.write(json.dumps(row).encode() + b"\n")
            data.seek(0)
            file = self.client.files.create(file=(f"{intent[-40:]}.jsonl", data), purpose="batch")
            return self.client.batches.create(
                input_file_id=file.id,
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata={"simbench_run": run_id[:512], "simbench_intent": intent[:512]},
            ).id

    def batch_find(self, intent: str, since: float, ids: frozenset[str]) -> str | None:
        """The batch with this intention in its metadata."""
        with named_errors():
            for batch in self.client.batches.list(limit=100):
                if batch.created_at < since - SKEW:
                    return None
                if (batch.metadata or {}).get("simbench_intent") == intent[:512]:
                    return batch.id
        return None

    def batch_state(self, batch: str) -> BatchState:
        """How a batch stands. Unknown words mean that it goes on."""
        with named_errors():
            found = self.client.batches.retrieve(batch)
        counts = found.request_counts
        done = counts.completed + counts.failed if counts is not None else 0
        if found.status != "failed":
            return BatchState(found.status in ENDED, done, cancelled=found.status == "cancelled")
        errors = found.errors.data if found.errors is not None and found.errors.data else []
        words = "; ".join(f"{each.code}: {each.message}" for each in errors[:3])
        crowded = any(word in words.lower() for word in CROWDED)
        return BatchState(True, done, words or "no reason given", crowded)

    def batch_results(self, batch: str) -> Iterator[tuple[str, Reply]]:
        """Every readable line of the output and error files."""
        with named_errors():
            found = self.client.batches.retrieve(batch)
            for file in (found.output_file_id, found.error_file_id):
                if file is not None:
                    yield from _read_lines(self.client.files.content(file).content)


def _read_lines(content: bytes) -> Iterator[tuple[str, Reply]]:
    """The lines of a file of results. They end in line feeds alone: JSON strings may hold other ends of lines."""
    for line in filter(None, map(bytes.strip, content.split(b"\n"))):
        try:
            yield _read_line(line)
        except (*READING, Trouble) as error:  # it was answered, and cannot be read: an outcome of its own
            if (named_id := CUSTOM_ID.search(line)) is not None:
                words = f"unreadable line: {type(error).__name__}: {error}"
                yield named_id[1].decode(), Reply("failed", error=words, doubtful=True)


def _read_line(line: bytes) -> tuple[str, Reply]:
    row = json.loads(line)
    response, error = row.get("response"), row.get("error") or {}
    if response is not None and response.get("status_code") == 200:
        return row["custom_id"], read_completion(response["body"])
    if response is None and "expired" in str(error.get("code")):
        return row["custom_id"], Reply("expired", error=error.get("message"))
    told = error or ((response or {}).get("body") or {}).get("error") or {}
    status = (response or {}).get("status_code")
    if status == 400 and told.get("code") == "content_filter":
        return row["custom_id"], Reply("content_filter", error=f"the prompt was turned down: {told.get('message')}")
    refused = status in REFUSED
    return row["custom_id"], Reply("failed", error=f"{told.get('message')} (HTTP {status})", rejected=refused)
