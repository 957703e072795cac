"""Free looks at the provider before anything is paid for, and the paid probe of an unknown model."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simbench.backends.api.retry import persist
from simbench.backends.api.wire import Ask, Provider, Trouble, raised
from simbench.design import Item
from simbench.errors import ModelError, UnsupportedError
from simbench.interview import json_schema

if TYPE_CHECKING:
    from simbench.backends.api.backend import ApiBackend

__all__ = ["look_up", "probe"]

PROBED = {"temperature": 0.9, "top_p": 0.9, "logprobs": True, "seed": 1}
QUESTION = "colour: Which colour? Options: red | blue"


def look_up(provider: Provider, model: str, backend: ApiBackend[Any]) -> dict[str, Any]:
    """Ask for the model: ModelError where it does not exist, or is past its announced shutdown date."""
    found = persist(backend.patience(), lambda: provider.look_up(model))
    if found.exists is False:
        raise ModelError(f"the model {model!r} does not exist at {backend.config.base_url}, or not for your key")
    today = datetime.now(UTC).date().isoformat()
    if found.shutdown is not None and found.shutdown[:10] <= today:
        raise ModelError(f"the model {model!r} was shut down on {found.shutdown[:10]}")
    sent = backend.settled(model).sent
    if denied := sorted(name for name, takes in found.capabilities.items() if not takes and name in sent):
        raise UnsupportedError(f"the provider says that {model!r} does not take: {', '.join(denied)}")
    return {"exists": found.exists, "shutdown": found.shutdown}


def probe(provider: Provider, backend: ApiBackend[Any]) -> dict[str, bool]:
    """Find out which settings a model takes by one tiny request each; only what nobody declared is tried."""
    unknown = backend.capabilities().unknown([*PROBED, "json_schema"])
    item = Item("colour", "attitude", "Which colour?", ("red", "blue"))

    async def ask(settings: dict[str, Any], schema: bool) -> bool:
        messages = [{"role": "user", "content": f"{QUESTION}\n\ncolour?"}]
        limit = {"max_tokens": backend.answer_limit((item,))}
        wanted = json_schema((item,)) if schema else None
        body = backend.body(Ask(backend.config.model, messages, (item,), settings | limit, wanted))
        try:
            await provider.send(body)
        except Trouble as trouble:
            if trouble.status == 400 or trouble.kind == "unsupported":
                return False
            raise raised(trouble) from None
        return True

    async def every() -> dict[str, bool]:
        found = {}
        for name in unknown:
            settings = {} if name == "json_schema" else {name: PROBED[name]}
            found[name] = await ask(settings, name == "json_schema")
        await provider.aclose()
        return found

    with ThreadPoolExecutor(1) as thread:  # the caller's own thread may be running an event loop
        return thread.submit(lambda: asyncio.run(every())).result()
