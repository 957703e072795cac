"""Machinery for backends behind an API, for first-party and third-party plugins alike.

A plugin subclasses :class:`ApiBackend` and implements a :class:`Provider`: how one request is written, sent
and read. Concurrency, retries, limits, the response cache, re-asking, batches, budgets, estimates, few-shot
prompts and the record in the manifest are here. What creates something paid of its own (a finetuning job) finds
what it needs here, too: intentions on disk, patience, purses, and how a doubt is resolved. A local stand-in for
providers, for tests, is :mod:`simbench_api.testing`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from simbench_api.backend import ApiBackend
from simbench_api.capabilities import CAPABILITIES, Capabilities, Declared
from simbench_api.config import ApiConfig, Takes
from simbench_api.terms import Terms
from simbench_api.wire import Ask, BatchLine, BatchState, Found, Provider, Reply, Token, Trouble, raised

if TYPE_CHECKING:
    from simbench_api.budget import Purse as Purse
    from simbench_api.creation import create_once as create_once
    from simbench_api.creation import resolve_doubt as resolve_doubt
    from simbench_api.estimate import automatic_epochs as automatic_epochs
    from simbench_api.estimate import training_tokens as training_tokens
    from simbench_api.http import lost as lost
    from simbench_api.http import retry_after as retry_after
    from simbench_api.http import turned_down as turned_down
    from simbench_api.intents import Intent as Intent
    from simbench_api.intents import Intents as Intents
    from simbench_api.prices import Price as Price
    from simbench_api.prices import find_price as find_price
    from simbench_api.retry import Patience as Patience
    from simbench_api.retry import persist as persist
    from simbench_api.tokens import message_tokens as message_tokens

__all__ = [
    "CAPABILITIES",
    "ApiBackend",
    "ApiConfig",
    "Ask",
    "BatchLine",
    "BatchState",
    "Capabilities",
    "Declared",
    "Found",
    "Intent",
    "Intents",
    "Patience",
    "Price",
    "Provider",
    "Purse",
    "Reply",
    "Takes",
    "Terms",
    "Token",
    "Trouble",
    "automatic_epochs",
    "create_once",
    "find_price",
    "lost",
    "message_tokens",
    "persist",
    "raised",
    "resolve_doubt",
    "retry_after",
    "training_tokens",
    "turned_down",
]
_HOME = {
    "create_once": "creation",
    "resolve_doubt": "creation",
    "Purse": "budget",
    "automatic_epochs": "estimate",
    "training_tokens": "estimate",
    "lost": "http",
    "retry_after": "http",
    "turned_down": "http",
    "Intent": "intents",
    "Intents": "intents",
    "Price": "prices",
    "find_price": "prices",
    "Patience": "retry",
    "persist": "retry",
    "message_tokens": "tokens",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"simbench_api.{_HOME[name]}"), name)
    raise AttributeError(f"module 'simbench_api' has no attribute {name!r}")
