"""Settings that every backend behind an API has."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from simbench.errors import ConfigError
from simbench.interview import FORMS
from simbench.settings import one_of, setting
from simbench_api.redact import shown_url

__all__ = ["ADAPTATIONS", "ApiConfig", "Takes"]

LEAST_TEMPERATURE = 1e-4
OURS: tuple[str, ...] = (
    "model",
    "messages",
    "system",
    "stream",
    "n",
    "response_format",
    "output_config",
    "temperature",
    "top_p",
    "seed",
    "random_seed",
)
OURS += ("logprobs", "top_logprobs", "max_tokens", "max_completion_tokens")
ADAPTATIONS = ("none", "few_shot", "finetune", "blend")


@dataclass(frozen=True)
class Takes:
    """What the user says an unknown model takes; null: not said."""

    temperature: bool | None = setting(None, "a sampling temperature")
    top_p: bool | None = setting(None, "nucleus sampling")
    seed: bool | None = setting(None, "a seed")
    logprobs: bool | None = setting(None, "log probabilities of tokens")
    json_schema: bool | None = setting(None, "a JSON schema that it keeps to")
    choice: bool | None = setting(None, "exact probabilities of given options (elicitation=choice)")
    batch: bool | None = setting(None, "batches")
    finetune: bool | None = setting(None, "finetuning")
    thinking: bool | None = setting(None, "it thinks before it answers")

    def known(self) -> dict[str, bool]:
        """What was said."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class ApiConfig:
    """What may be set about a model behind an API. A provider's backend adds its own.

    ``elicitations`` are the ways of asking that the backend knows.
    """

    elicitations: ClassVar[Sequence[str]] = FORMS

    model: str = setting("", "the model's name, as the provider writes it; an already finetuned one too")
    base_url: str = setting("", "where the API is")
    key_env: str = setting("", "environment variable that holds the key", runtime=True)
    adapt: str = setting("few_shot", f"what is done with the pilot: {', '.join(ADAPTATIONS)}")
    few_shot_tokens: int = setting(8000, "tokens of the prompt that pilot transcripts may take, at most")
    elicitation: str = setting("json", "all questions at once (json, lines) or one by one (turns)")
    temperature: float | None = setting(None, "sampling temperature (null: the provider's default)")
    top_p: float | None = setting(None, "nucleus sampling (null: the provider's default)")
    max_tokens: int | None = setting(None, "limit of an answer (null: room for the longest valid one)")
    thinking_tokens: int = setting(4000, "added to that limit for models that think before they answer")
    logprobs: bool = setting(False, "ask for the options' probabilities too")
    extra_body: Any = setting(None, "more fields of every request: routing, chat templates (a mapping)")
    reask: int = setting(1, "how often an invalid answer is asked again")
    on_unsupported: str = setting("error", "a setting the model does not take is an error, or is left out: drop")
    capabilities: Takes = setting(Takes, "what an unknown model takes, where you know it")
    check_model: bool = setting(True, "first ask the provider whether the model exists, for free", runtime=True)
    probe: bool = setting(False, "find out what an unknown model takes by a few tiny paid requests")
    mode: str = setting("live", "live, or batch: half the price, within a day", runtime=True)
    concurrency: int = setting(50, "requests in flight at once, at most", runtime=True)
    requests_per_minute: float | None = setting(None, "a limit of your account, if you know it", runtime=True)
    request_timeout: float = setting(120.0, "seconds one attempt at a request may take", runtime=True)
    give_up_after: float = setting(900.0, "seconds of attempts and waiting per request", runtime=True)
    retry_after_cap: float = setting(300.0, "longest wait asked for by the provider that is obeyed", runtime=True)
    poll_seconds: float = setting(15.0, "time between looks at a job or a batch", runtime=True)
    batch_size: int = setting(10_000, "requests in one batch, at most", runtime=True)
    batch_tokens: int | None = setting(None, "tokens in batches under way, at most (your account's)", runtime=True)
    doubt_seconds: float = setting(180.0, "how long what may exist is looked for, before it is made", runtime=True)
    batch_rounds: int = setting(3, "how often what a batch lost or did not finish is sent again", runtime=True)
    prices: str | None = setting(None, "YAML file of prices that goes before the shipped one", runtime=True)

    def __post_init__(self) -> None:
        one_of("backend.adapt", self.adapt, ADAPTATIONS)
        one_of("backend.elicitation", self.elicitation, self.elicitations)
        one_of("backend.on_unsupported", self.on_unsupported, ("error", "drop"))
        one_of("backend.mode", self.mode, ("live", "batch"))
        self._within("temperature", 0, 2)
        if self.temperature is not None and 0 < self.temperature < LEAST_TEMPERATURE:
            raise ConfigError(
                f"backend.temperature: expected 0 or at least {LEAST_TEMPERATURE:g}, found {self.temperature}"
            )
        self._check_extra()
        self._within("top_p", 0, 1)
        for name, least in (
            ("few_shot_tokens", 0),
            ("max_tokens", 1),
            ("thinking_tokens", 0),
            ("reask", 0),
            ("concurrency", 1),
            ("request_timeout", 0.01),
            ("give_up_after", 0.01),
            ("retry_after_cap", 0),
            ("poll_seconds", 0.01),
            ("batch_size", 1),
            ("batch_rounds", 1),
            ("batch_tokens", 1),
            ("doubt_seconds", 0),
            ("requests_per_minute", 0.1),
        ):
            self._within(name, least, float("inf"))
        self._check_address()
        if not self.model:
            raise ConfigError("backend.model: expected a model's name, found nothing")

    def _check_extra(self) -> None:
        """Refuse fields that have settings of their own, or that are no JSON."""
        if self.extra_body is not None and not isinstance(self.extra_body, dict):
            raise ConfigError(f"backend.extra_body: expected a mapping, {{name: value}}, found {self.extra_body!r}")
        if taken := sorted(set(self.extra_body or ()) & set(OURS)):
            raise ConfigError(
                f"backend.extra_body: {', '.join(taken)} cannot be set here; it has a setting of its own"
            )
        try:
            json.dumps(self.extra_body, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"backend.extra_body: expected fields that can be written as JSON: {error}") from None

    def _check_address(self) -> None:
        """Refuse what is no address, and secrets in it or in the name of the key's variable, which stay unsaid."""
        shown = shown_url(self.base_url)
        try:
            parts = urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(f"backend.base_url: expected http(s)://host/..., found {shown!r}")
        if parts.query or parts.fragment:
            raise ConfigError(
                f"backend.base_url: expected no '?' or '#', found {shown!r}. A key belongs into the environment "
                f"variable that backend.key_env names. Azure's endpoint without an "
                f"api-version is https://NAME.openai.azure.com/openai/v1, with the deployment's name as model"
            )
        if parts.username or parts.password:
            raise ConfigError("backend.base_url: a user or password does not belong there; use backend.key_env")
        name = self.key_env
        secret = len(name) >= 20 and re.search("[a-z]", name) and re.search("[A-Z0-9]", name)
        if secret or not re.fullmatch(r"([A-Za-z_]\w*)?", name, re.ASCII):
            raise ConfigError(
                "backend.key_env: expected the name of an environment variable, such as OPENAI_API_KEY, found "
                "something else (not shown, as it may be a key)"
            )

    def _within(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            bound = f"in [{low:g}, {high:g}]" if high != float("inf") else f"of at least {low:g}"
            raise ConfigError(f"backend.{name}: expected a number {bound}, found {value}")

    @property
    def form(self) -> str:
        """How answers are written, one of FORMS: chosen among, they are lines."""
        return "lines" if self.elicitation == "choice" else self.elicitation

    @property
    def host(self) -> str:
        """Host name of the API."""
        return urlsplit(self.base_url).hostname or ""
