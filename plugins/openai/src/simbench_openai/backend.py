"""The backend: what OpenAI's models take, and the body of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simbench.backends.base import Estimate, Model, Workspace
from simbench.errors import DataError, Problem
from simbench.files import read_object, write_json
from simbench.interview import Interview, Transcript, line_cue, unbounded
from simbench_api import ApiBackend, Ask, Declared, Provider
from simbench_openai.config import HOST, OpenAIConfig, deploys
from simbench_openai.servers import AUTO, SERVERS, Server, by_address

__all__ = ["OpenAI", "OpenAIConfig"]

MET = "server.json"
DEPLOY = (
    "at Azure a finetuned model answers only once it is deployed: after the training this run stops. Deploy it, then "
    "ask it with backend.adapt=none backend.model=DEPLOYMENT"
)

CHAT = {"temperature": True, "top_p": True, "seed": True, "logprobs": True, "batch": True, "thinking": False}
THINKING = {"temperature": False, "top_p": False, "logprobs": False, "batch": True, "thinking": True}
THINKING |= {"json_schema": True, "finetune": False}


# Announced on https://developers.openai.com/api/docs/deprecations, read in November 2026; finetuned models end with
# theirs. They hold at OpenAI itself: Azure and others have dates of their own.
SHUTDOWN = {
    "2026-10-23": ("gpt-4o-2024-05-13", "gpt-4.1-nano", "o1", "o3-mini", "o4-mini"),
    "2026-12-11": ("gpt-5", "gpt-5-mini", "gpt-5-nano", "o3"),
    "2027-01-14": ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini"),
    "2027-04-01": ("gpt-5.1", "gpt-5.4-nano"),
}
# https://developers.openai.com/api/docs/models: chat completions, batches and structured outputs, no finetuning.
# Whether they take sampling settings depends on reasoning_effort, and reports differ: not declared, so ask or probe.
NEW: tuple[str, ...] = (
    "gpt-5.1",
    "gpt-5.2",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "gpt-5.5",
    "gpt-5.6",
    "gpt-5.6-sol",
)
NEW += ("gpt-5.6-terra", "gpt-5.6-luna", "gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-6.1-sol", "gpt-6.1-terra")


def _ends(name: str) -> str | None:
    return next((date for date, names in SHUTDOWN.items() if name in names), None)


def _rows() -> list[Declared]:
    """What is known of OpenAI's own models, wherever they are served; of others nothing is assumed."""
    new, tuned = {**CHAT, "json_schema": True}, {**CHAT, "json_schema": True, "finetune": True}
    rows = [("gpt-4o-2024-05-13", {**CHAT, "json_schema": False, "finetune": False})]
    rows += [
        (f"{name}{date}", tuned) for name in ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano") for date in ("", "-20*")
    ]
    rows += [(f"{name}{date}", tuned) for name in ("gpt-4o", "gpt-4o-mini") for date in ("", "-20*")]
    rows += [("ft:gpt-4.1*", new), ("ft:gpt-4o*", new)]
    thinking = ("o1", "o3", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano")
    rows += [(f"{name}{date}", THINKING) for name in thinking for date in ("", "-20*")]
    known = {"json_schema": True, "batch": True, "thinking": True, "finetune": False}
    rows += [(f"{name}{date}", known) for name in NEW for date in ("", "-20*")]
    return [
        Declared(model, takes, shutdown=_ends(model) or _ends(model.removesuffix("-20*"))) for model, takes in rows
    ]


class OpenAI(ApiBackend[OpenAIConfig]):
    """OpenAI's models, or any server of the same protocol: few-shot, finetuned or as they are."""

    name = "openai"
    Config = OpenAIConfig
    table = _rows()
    own_host = HOST

    def __init__(self, config: OpenAIConfig) -> None:
        super().__init__(config)
        self.server = by_address(config.base_url) if config.server == AUTO else SERVERS[config.server]

    def declared(self) -> Sequence[Declared]:
        """What the server's row says of all its models, then the table of OpenAI's own."""
        return self.table if self.server is None else [self.server.row(), *self.table]

    def meets(self) -> bool:
        """Whether the server is asked what it is: its address does not say, and the model is none of OpenAI's."""
        config = self.config
        known = any(row.covers(config.model, self.version) for row in self.table)
        return config.server == AUTO and by_address(config.base_url) is None and config.check_model and not known

    def meet(self, workspace: Workspace) -> None:
        """Ask the server what it is, or read what it said before; tell what is assumed."""
        how, version = "by its address" if self.config.server == AUTO else "as set", None
        if self.meets():
            told = read_object(workspace.folder / MET)
            if told is None:
                told = self._ask_server(workspace)
                write_json(workspace.folder / MET, told)
            how, version = "as it says of itself", told["version"]
            self.server = SERVERS.get(str(told["server"]))
        if self.server is None and not self.meets():  # one of OpenAI's models, or nothing may be asked
            self._record["server"] = {"name": "openai", "how": "as nothing else is known", "version": None}
            return
        if self.server is None:
            workspace.progress.say(
                f"server: nobody knows what answers at {self.config.host}: nothing is assumed of it"
            )
            self._record["server"] = None
            return
        self._record["server"] = {"name": self.server.name, "how": how, "version": version}
        if self.server.hosts != SERVERS["openai"].hosts or self.config.server != AUTO:
            workspace.progress.say(f"server: {self.server.title}{f' {version}' if version else ''}, {how}")

    def _ask_server(self, workspace: Workspace) -> dict[str, str | None]:
        from simbench_api import persist
        from simbench_api.redact import Redactor
        from simbench_openai.client import OpenAIProvider

        provider = self.ready()
        assert isinstance(provider, OpenAIProvider)  # noqa: S101 - made below
        try:
            with Redactor(self.key()).cleaning():
                server, version = persist(self.terms.patience(workspace.progress.say), provider.identify)
        finally:
            provider.close()
        return {"server": None if server is None else server.name, "version": version}

    def tokens_per_piece(self) -> tuple[float, float]:
        """As measured on interviews with OpenAI's published tokenizers: 1.00 to 1.03 (benchmarks/RESULTS.md)."""
        return 0.97, 1.1

    def provider(self, key: str) -> Provider:
        """The API through OpenAI's own library."""
        from simbench_openai.client import OpenAIProvider

        return OpenAIProvider(self.config.base_url, key, self.config.request_timeout)

    def body(self, ask: Ask) -> dict[str, Any]:
        """A request for a chat completion, or for the probabilities of an item's options."""
        body: dict[str, Any] = {"model": ask.model, "messages": list(ask.messages)}
        server: Server = self.server or SERVERS["openai"]
        if ask.before is not None:
            (item,) = ask.items
            asked = {
                "item": item.name,
                "before": list(ask.before),
                "cue": line_cue(item),
                "labels": list(item.labels),
            }
            return {**body, **asked}
        for name, value in ask.settings.items():
            if name == "max_tokens":
                body[self.config.limit_field or server.limit] = value
            elif name == "logprobs":
                body |= {"logprobs": True, "top_logprobs": server.top_logprobs}
            elif name == "seed":
                body[server.seed] = value
            else:
                body[name] = value
        if self.config.reasoning_effort is not None:
            body["reasoning_effort"] = self.config.reasoning_effort
        if ask.schema is not None:
            bounded = self.config.host == HOST and not ask.model.startswith("ft:")  # others take no ends of numbers
            schema = ask.schema if bounded else unbounded(ask.schema)
            named = {"name": "answers", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return body

    def estimate(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> Estimate:
        """Ranges of tokens and cost; says, too, where a finetuned model cannot be asked at once."""
        found = super().estimate(pilot, interviews)
        apart = self.config.adapt == "finetune" and pilot and deploys(self.config.host)
        return replace(found, notes=(*found.notes, DEPLOY)) if apart else found

    def check_pilot(self, pilot: Sequence[Transcript]) -> None:
        """What OpenAI's finetuning demands of a training file, checked here and for free."""
        from simbench_openai.finetuning import training_problems

        problems = training_problems(pilot, self.config.form)
        if problems:
            raise DataError("the pilot as a training file", [Problem("transcripts", *each) for each in problems])

    def finetune(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Upload, start or find the job, wait, and return the finetuned model."""
        from simbench_openai.client import OpenAIProvider
        from simbench_openai.finetuning import Finetuning

        if deploys(self.config.host):
            workspace.progress.say(DEPLOY)
        provider = self.ready()
        assert isinstance(provider, OpenAIProvider)  # noqa: S101 - made above
        try:
            return Finetuning(self.config, self.terms, provider, workspace).run(pilot)
        finally:
            provider.close()
