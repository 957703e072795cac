"""Machinery for backends behind an API, for first-party and third-party plugins alike.

A plugin subclasses :class:`ApiBackend` and implements a :class:`Provider`: how one request is written, sent
and read. Concurrency, retries, limits, the response cache, re-asking, batches, budgets, estimates, few-shot
prompts and the record in the manifest are here. Needs the extra ``simbench-eval[api]``.
"""

from simbench.backends.api.backend import ApiBackend
from simbench.backends.api.capabilities import CAPABILITIES, Capabilities, Declared
from simbench.backends.api.config import ApiConfig, Takes
from simbench.backends.api.wire import Ask, BatchLine, BatchState, Found, Provider, Reply, Token, Trouble

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
    "Provider",
    "Reply",
    "Takes",
    "Token",
    "Trouble",
]
