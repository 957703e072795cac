"""A local stand-in for the OpenAI and Anthropic APIs, for tests of anything that talks to them.

It keeps to the providers' protocols (paths, fields, error bodies, rules of versions and models, finetuning
jobs, batches) and makes faults on demand, so that a client's retries, resumption and bookkeeping can be
tried through the real SDKs at no cost. It is **not a model**: answers come from a seeded formula
(:mod:`simbench_api.testing._answers`), tokens are counted as one per four characters, and nothing is trained.
No number that comes from it says anything about people or about any provider's model.

>>> from simbench_api.testing import Faults, LocalServer
>>> with LocalServer(Faults(rate_limit=0.2)) as server:  # doctest: +SKIP
...     client = openai.OpenAI(base_url=server.openai_url, api_key="any")

Needs the extra ``simbench-api[testing]`` (aiohttp).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simbench_api.testing._answering import answering as answering
    from simbench_api.testing._faults import Faults as Faults
    from simbench_api.testing._state import LoggedRequest as LoggedRequest
    from simbench_api.testing._state import ModelSpec as ModelSpec
    from simbench_api.testing.server import LocalServer as LocalServer
    from simbench_api.testing.server import RemoteServer as RemoteServer

_HOME = {
    "Faults": "simbench_api.testing._faults",
    "LocalServer": "simbench_api.testing.server",
    "LoggedRequest": "simbench_api.testing._state",
    "ModelSpec": "simbench_api.testing._state",
    "RemoteServer": "simbench_api.testing.server",
    "answering": "simbench_api.testing._answering",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'simbench_api.testing' has no attribute {name!r}")
