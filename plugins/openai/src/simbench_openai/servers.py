"""The servers that speak OpenAI's protocol, and how each departs from it: one row per server.

A row holds what is true of every model there; what depends on the model, or could not be looked up, is left out
and so unknown. Rows go before the table of OpenAI's own models. Whatever a row promises, answers are validated.
Looked up in November 2026; ``recorded`` rows were also held against the server itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from simbench_api import Declared

__all__ = ["AUTO", "SERVERS", "Server", "by_address", "by_owner", "table"]

AUTO = "auto"
NEW, OLD = "max_completion_tokens", "max_tokens"
SAMPLING = {"temperature": True, "top_p": True, "seed": True}
OWN = {"batch": False, "finetune": False}  # its own interface, or none: not OpenAI's files and jobs


@dataclass(frozen=True)
class Server:
    """One kind of server.

    ``takes`` is declared of all its models. ``limit`` and ``seed`` are what it calls the limit of an answer and the
    seed; ``top_logprobs`` how many alternatives per token it lists at most. ``hosts`` are patterns of its addresses,
    ``owner`` what its list of models names as owner. ``schema``, ``refusal`` and ``batch`` are words for the reader,
    ``unsure`` names what could not be looked up, ``sources`` where the rest is from.
    """

    name: str
    title: str
    limit: str
    takes: Mapping[str, bool]
    schema: str
    refusal: str
    sources: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    owner: str = ""
    lists: bool = True
    seed: str = "seed"
    top_logprobs: int = 20
    batch: str = "none"
    unsure: str = ""
    recorded: str = ""

    def row(self) -> Declared:
        """What is declared of all models of this server."""
        return Declared("*", self.takes, source=f"declared for {self.title}")


TEXT = "in words, as an answer"
_ROWS = (
    Server(
        "openai",
        "OpenAI",
        NEW,
        {"choice": False},
        schema="by model",
        refusal="`refusal` of the message; `finish_reason` content_filter",
        batch="files",
        hosts=("api.openai.com", "*.api.openai.com"),
        sources=("https://developers.openai.com/api/docs/models",),
    ),
    Server(
        "azure",
        "Azure OpenAI",
        NEW,
        {"choice": False},
        schema="by model",
        refusal="status 400 with code content_filter; `refusal` of the message",
        batch="files, of batch deployments",
        hosts=("*.azure.com", "*.azure.us", "*.azure.cn"),
        sources=("https://learn.microsoft.com/en-us/azure/ai-foundry/openai/latest",),
    ),
    Server(
        "vllm",
        "vLLM",
        NEW,
        {**SAMPLING, "json_schema": True, "logprobs": True, "choice": True, **OWN},
        schema="enforced (xgrammar); probabilities are then those among what it allows",
        refusal=TEXT,
        batch="offline only",
        owner="vllm",
        sources=(
            "https://docs.vllm.ai/en/stable/serving/openai_compatible_server/",
            "https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/completion/protocol.py",
        ),
        recorded="0.32.0",
    ),
    Server(
        "sglang",
        "SGLang",
        NEW,
        {**SAMPLING, "json_schema": True, "logprobs": True, "choice": True, "finetune": False},
        schema="enforced (json_schema, regex, ebnf)",
        refusal=TEXT,
        batch="not looked up",
        owner="sglang",
        unsure="batches; a limit of alternatives per token",
        sources=(
            "https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/entrypoints/openai/protocol.py",
            "https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/entrypoints/openai/serving_completions.py",
        ),
    ),
    Server(
        "ollama",
        "Ollama",
        OLD,
        {**SAMPLING, "json_schema": True, "logprobs": True, "choice": False, **OWN},
        schema="`format` by grammar",
        refusal=TEXT,
        hosts=("ollama.com",),
        unsure="from which version on log probabilities come; where none come, that is told",
        sources=(
            "https://docs.ollama.com/api/openai-compatibility",
            "https://github.com/ollama/ollama/blob/main/openai/openai.go",
        ),
    ),
    Server(
        "llamacpp",
        "llama.cpp",
        OLD,
        {**SAMPLING, "json_schema": True, "logprobs": True, "choice": False, **OWN},
        schema="by grammar; a chat format that cuts code fences leaves probabilities that do not fit the text",
        refusal=TEXT,
        owner="llamacpp",
        sources=("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",),
        recorded="xllamacpp 2026.10.11549",
    ),
    Server(
        "lmstudio",
        "LM Studio",
        OLD,
        {**SAMPLING, "json_schema": True, "logprobs": False, "choice": False, **OWN},
        schema="by grammar",
        refusal=TEXT,
        sources=(
            "https://github.com/lmstudio-ai/docs/blob/main/1_developer/3_openai-compat/chat-completions.md",
            "https://lmstudio.ai/docs/advanced/structured-output",
            "https://github.com/lmstudio-ai/lms/issues/60",
        ),
    ),
    Server(
        "openrouter",
        "OpenRouter",
        OLD,
        {"choice": False, **OWN},
        schema="by model and provider",
        refusal="status 403 with the moderation's reasons; else by provider",
        hosts=("openrouter.ai",),
        unsure="what a model's provider takes: `extra_body={provider: {require_parameters: true}}` holds it to it",
        sources=("https://openrouter.ai/docs/api_reference/parameters", "https://openrouter.ai/docs/requests"),
    ),
    Server(
        "together",
        "Together",
        OLD,
        {**SAMPLING, "logprobs": False, "choice": False, **OWN},
        schema="by model",
        refusal=TEXT,
        batch="of its own shape",
        hosts=("api.together.xyz", "api.together.ai"),
        unsure="which models keep to a schema; log probabilities come in a shape of their own, which is not read",
        sources=(
            "https://github.com/togethercomputer/openapi/blob/main/openapi.yaml",
            "https://docs.together.ai/docs/logprobs",
            "https://docs.together.ai/docs/batch-inference",
        ),
    ),
    Server(
        "gemini",
        "Gemini",
        NEW,
        {"temperature": True, "top_p": True, "seed": False, "json_schema": True, "choice": False, **OWN},
        schema="`response_format`, as its guide has it",
        refusal="not looked up",
        batch="its files go another way",
        hosts=("generativelanguage.googleapis.com",),
        unsure="log probabilities; what a refusal looks like",
        sources=(
            "https://ai.google.dev/api/compatibility",
            "https://ai.google.dev/gemini-api/docs/openai",
            "https://github.com/Vali-98/ChatterUI/issues/227",
        ),
    ),
    Server(
        "mistral",
        "Mistral",
        OLD,
        {**SAMPLING, "json_schema": True, "logprobs": False, "choice": False, **OWN},
        schema="`response_format` json_schema, strict",
        refusal=TEXT,
        batch="/v1/batch/jobs",
        hosts=("api.mistral.ai",),
        seed="random_seed",
        sources=("https://github.com/mistralai/client-python/blob/main/docs/models/chatcompletionrequest.md",),
    ),
)
SERVERS: Mapping[str, Server] = {each.name: each for each in _ROWS}


def by_address(base_url: str) -> Server | None:
    """The server that a host's name gives away, or None."""
    host = urlsplit(base_url).hostname or ""
    return next((each for each in _ROWS if any(fnmatchcase(host, pattern) for pattern in each.hosts)), None)


def by_owner(listed: Any) -> Server | None:
    """The server that a list of models names as their owner, or None. ``listed`` is untrusted."""
    rows = listed.get("data") if isinstance(listed, dict) else None
    owners = {
        row.get("owned_by") for row in rows or () if isinstance(row, dict) and isinstance(row.get("owned_by"), str)
    }
    return next((each for each in _ROWS if each.owner and each.owner in owners), None)


def table() -> list[str]:
    """The rows as lines of a table in Markdown."""

    def word(server: Server, name: str) -> str:
        return {True: "yes", False: "no", None: "by model"}[server.takes.get(name)]

    lines = [
        "| `backend.server` | limit of an answer | strict schema | log probabilities | exact options | seed "
        "| lists models | batches | a refusal |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in _ROWS:
        numbers = word(each, "logprobs").replace("yes", f"{each.top_logprobs} a token")
        seed = f"`{each.seed}`" if each.takes.get("seed") else word(each, "seed")
        schema = each.schema if word(each, "json_schema") == "yes" else word(each, "json_schema")
        cells = [f"`{each.name}`", f"`{each.limit}`", schema, numbers, word(each, "choice"), seed]
        cells += ["yes" if each.lists else "no", each.batch, each.refusal]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
