"""The settings of the backend."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from simbench.errors import ConfigError
from simbench.interview import FORMS
from simbench.settings import one_of, setting
from simbench_api import ApiConfig
from simbench_openai.servers import AUTO, SERVERS

__all__ = ["HOST", "OpenAIConfig", "deploys"]

HOST = "api.openai.com"
AZURE = (".azure.com", ".azure.us", ".azure.cn")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class OpenAIConfig(ApiConfig):
    """Settings of the backend ``openai``."""

    elicitations: ClassVar[Sequence[str]] = (*FORMS, "choice")
    model: str = setting("gpt-6-luna", "the model's name; an already finetuned one too (with adapt=none)")
    base_url: str = setting(
        lambda: os.environ.get("OPENAI_BASE_URL") or f"https://{HOST}/v1",
        "where the API is (default: $OPENAI_BASE_URL, else OpenAI): Azure (.../openai/v1), your own server",
    )
    server: str = setting(
        AUTO, f"what answers there: {AUTO} (by its address, or as it says of itself), {', '.join(SERVERS)}"
    )
    elicitation: str = setting(
        "json",
        "all questions at once (json, lines), one by one (turns), or drawn by exact probabilities of the "
        "options, as the backend local does (choice: vLLM and SGLang)",
    )
    key_env: str = setting("OPENAI_API_KEY", "environment variable that holds the key", runtime=True)
    reasoning_effort: str | None = setting(None, "how long a thinking model thinks (null: its default)")
    limit_field: str | None = setting(None, "how the server calls the limit of an answer (null: as is known of it)")
    n_epochs: int | None = setting(None, "finetuning: epochs (null: the provider's rule)")
    train_batch_size: int | None = setting(None, "finetuning: examples per step (null: the provider's rule)")
    learning_rate_multiplier: float | None = setting(None, "finetuning: factor of the learning rate (null: its rule)")
    suffix: str = setting("simbench", "finetuning: part of the new model's name, 64 characters at most")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("backend.server", self.server, (AUTO, *SERVERS))
        if self.limit_field is not None:
            one_of("backend.limit_field", self.limit_field, ("max_completion_tokens", "max_tokens"))
        if self.elicitation == "choice" and self.top_p is not None:
            raise ConfigError(
                "backend.top_p has no part in elicitation=choice: options are drawn here, by temperature"
            )
        if self.reasoning_effort is not None:
            one_of("backend.reasoning_effort", self.reasoning_effort, EFFORTS)
        if len(self.suffix) > 64:
            raise ConfigError(f"backend.suffix: at most 64 characters, found {len(self.suffix)}")
        self._within("learning_rate_multiplier", 1e-6, 1000)
        for name in ("n_epochs", "train_batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"backend.{name}: expected at least 1, found {value}")


def deploys(host: str) -> bool:
    """Whether models answer at this host only once somebody has deployed them, under the deployment's name: Azure."""
    return host.endswith(AZURE)
