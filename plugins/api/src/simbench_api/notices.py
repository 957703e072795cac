"""What a server does in silence, noticed from its replies and told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from simbench_api.tokens import message_tokens
from simbench_api.wire import Ask, Reply

__all__ = ["Notices"]

SHORT = 0.6  # of the fewest tokens that a prompt is likely to be
LEAST = 300  # tokens of a prompt from which that is judged


@dataclass
class Notices:
    """Looks at every reply of a run; each thing noticed is told once."""

    say: Callable[[str], None]
    told: set[str] = field(default_factory=set)

    def look(self, ask: Ask, reply: Reply) -> None:
        """Notice a prompt that was cut, and probabilities that were asked for and did not come."""
        if "cut" not in self.told and (count := reply.usage.get("input", 0)):
            likely = message_tokens(ask.messages)[0]
            if likely >= LEAST and count < SHORT * likely:
                self._tell(
                    "cut",
                    f"the server counted {count} tokens of a prompt that is likely {likely} or more: it may cut long "
                    f"prompts in silence, as Ollama does beyond its num_ctx. Raise its context, or send less "
                    f"(backend.few_shot_tokens)",
                )
        if ask.settings.get("logprobs") and reply.status == "ok" and reply.tokens is None:
            self._tell(
                "logprobs", "backend.logprobs=true, but the server sends none that fit its text: no probabilities"
            )

    def _tell(self, what: str, words: str) -> None:
        if what not in self.told:
            self.told.add(what)
            self.say(words)
