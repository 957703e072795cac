"""What is known of a model and of how it is to be asked, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simbench.errors import UnsupportedError
from simbench_api.capabilities import Capabilities, Declared, Settled, settle
from simbench_api.config import ApiConfig
from simbench_api.tokens import ORDINARY, answer_tokens
from simbench_api.wire import Ask

if TYPE_CHECKING:
    from simbench_api.prices import Price
    from simbench_api.retry import Patience

__all__ = ["Terms"]

UNDECLARED_THINKING = 1000  # tokens: room for a little thinking that fits into a context of 4,096


@dataclass(frozen=True, eq=False)
class Terms:
    """The settings of a backend, and what follows from them: capabilities, prices, limits, patience.

    ``name`` is the backend's, ``version`` the API's, ``table`` what is declared of the provider's models,
    ``own_host`` the provider's, ``body`` writes the JSON body of a request, ``found_out`` is what was probed,
    ``per_piece`` the fewest and most tokens that the model makes of a piece (see :mod:`simbench_api.tokens`),
    ``unmet`` whether the server has yet to be asked, for free, what it is.
    """

    name: str
    config: ApiConfig
    version: str
    table: Sequence[Declared]
    own_host: str
    body: Callable[[Ask], dict[str, Any]]
    found_out: Mapping[str, bool]
    per_piece: tuple[float, float] = ORDINARY
    unmet: bool = False

    def request(self, ask: Ask) -> dict[str, Any]:
        """The body of a request with the fields that the user adds to every one."""
        return {**self.body(ask), **(self.config.extra_body or {})}

    def capabilities(self, model: str | None = None) -> Capabilities:
        """What the model takes: the user's word, the table's, and what was probed."""
        config = self.config
        known = Capabilities.of(model or config.model, self.version, self.table, config.capabilities.known())
        return known.with_known(self.found_out, "probed")

    def requested(self) -> dict[str, Any]:
        """Capabilities asked for, with their values; None where not asked for."""
        config = self.config
        chosen = config.elicitation == "choice"  # here, at the temperature asked for: the server draws nothing
        return {
            "temperature": None if chosen else config.temperature,
            "top_p": config.top_p,
            "logprobs": None if chosen else config.logprobs or None,
            "json_schema": True if config.elicitation == "json" else None,
            "choice": True if chosen else None,
            "batch": True if config.mode == "batch" else None,
            "finetune": True if config.adapt == "finetune" else None,
        }

    def settled(self, model: str | None = None) -> Settled:
        """What is sent of what is requested. UnsupportedError as :func:`settle` raises it."""
        capabilities, wanted = self.capabilities(model), self.requested()
        if model is not None and model != self.config.model:
            wanted["finetune"] = None  # done: no longer a wish
        hard = [name for name, value in wanted.items() if value is not None]
        if (self.unmet or (self.config.probe and not self.found_out)) and capabilities.unknown(hard):
            return Settled(wanted, {}, {})  # to be found out before anything is asked
        settled = settle(wanted, capabilities, self.config.on_unsupported)
        if "finetune" in settled.dropped:
            raise UnsupportedError(f"the model {self.config.model!r} is not offered for finetuning")
        if "choice" in settled.dropped:
            who = capabilities.known["choice"][1]
            raise UnsupportedError(
                f"backend.elicitation=choice needs a server that scores texts, as vLLM and SGLang: {who}"
            )
        return replace(settled, seeded=False) if "choice" in settled.sent else settled  # nothing is drawn there

    def shutdown(self, model: str | None = None) -> str | None:
        """The ISO date at which the provider itself stops serving the model, as the table has it, or None."""
        if self.config.host != self.own_host:
            return None
        named = (model or self.config.model).removeprefix("ft:").partition(":")[0]  # finetuned ones end with theirs
        fitting = (row.shutdown for row in self.table if row.shutdown and row.covers(named, self.version))
        return next(fitting, None)

    def price(self, model: str | None = None) -> Price | None:
        """The price of the model, or None where nobody gave one."""
        from simbench_api.prices import find_price

        return find_price(self.config.host, model or self.config.model, self.config.prices)

    def answer_limit(self, items: Sequence[Any]) -> int:
        """Most tokens of an answer to ``items``, hidden thinking included."""
        if self.config.max_tokens is not None:
            return self.config.max_tokens
        return 2 * answer_tokens(items, self.config.form)[1] + 32 + self.thinking_limit()

    def thinking_limit(self) -> int:
        """Most hidden tokens before an answer: a model of which nothing is known gets room for a little."""
        if getattr(self.config, "reasoning_effort", None) == "none" or self.config.elicitation == "choice":
            return 0
        thinks = self.capabilities().takes("thinking")
        if thinks is None:
            return min(UNDECLARED_THINKING, self.config.thinking_tokens)
        return self.config.thinking_tokens if thinks else 0

    def patience(self, say: Callable[[str], None]) -> Patience:
        """When to give up on what may be tried again; ``say`` tells of what takes long."""
        from simbench_api.retry import Patience

        return Patience(self.config.give_up_after, self.config.retry_after_cap, say)
