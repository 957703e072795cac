"""Free looks at the provider before anything is paid for, and the paid probe of an unknown model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from simbench.design import Item
from simbench.errors import BackendError, CredentialsError, ModelError, UnsupportedError
from simbench.files import digest
from simbench.interview import json_schema
from simbench_api.budget import Claim, Purse
from simbench_api.retry import persist
from simbench_api.tokens import message_tokens
from simbench_api.wire import Ask, Provider, Trouble, raised

if TYPE_CHECKING:
    from simbench_api.terms import Terms

__all__ = ["ending", "look_up", "probe"]

PROBED = {"temperature": 0.9, "top_p": 0.9, "logprobs": True, "seed": 1}
QUESTION = "colour: Which colour? Options: red | blue"


NOTICE_DAYS = 60


def look_up(provider: Provider, model: str, terms: Terms, say: Callable[[str], None]) -> dict[str, Any]:
    """Ask for the model: ModelError where it does not exist, or is past its announced shutdown date."""
    try:
        found = persist(terms.patience(say), lambda: provider.look_up(model))
    except (CredentialsError, BackendError) as error:
        words = f"{error}. Where models can be asked but not looked up, say backend.check_model=false"
        raise type(error)(words) from None
    if found.exists is False:
        raise ModelError(f"the model {model!r} does not exist at {terms.config.base_url}, or not for your key")
    shutdown = (found.shutdown or terms.shutdown(model) or "")[:10] or None
    if shutdown is not None and shutdown <= datetime.now(UTC).date().isoformat():
        raise ModelError(
            f"the model {model!r} was shut down on {shutdown}, as the provider announced: choose another "
            f"(backend.model), or, if it still answers you, ask it nevertheless with backend.check_model=false"
        )
    if (notice := ending(model, shutdown)) is not None:
        say(notice)
    sent = terms.settled(model).sent
    if denied := sorted(name for name, takes in found.capabilities.items() if not takes and name in sent):
        raise UnsupportedError(f"the provider says that {model!r} does not take: {', '.join(denied)}")
    return {"exists": found.exists, "shutdown": shutdown}


def ending(model: str, shutdown: str | None) -> str | None:
    """What to tell of a model that is past its shutdown date or within 60 days of it; None of any other."""
    if shutdown is None:
        return None
    try:
        days = (date.fromisoformat(shutdown) - datetime.now(UTC).date()).days
    except ValueError:
        return None
    if days > NOTICE_DAYS:
        return None
    if days <= 0:
        return f"the model {model!r} was to be shut down on {shutdown}, as the provider announced"
    return (
        f"the model {model!r} will be shut down on {shutdown}, in {days} days; nobody can repeat the run after that"
    )


def probe(provider: Provider, terms: Terms, purse: Purse) -> dict[str, bool]:
    """Find out which settings a model takes by one tiny request each; only what nobody declared is tried.

    What they cost is booked in ``purse``. BudgetError where its budget does not allow for one.
    """
    unknown = terms.capabilities().unknown([*PROBED, "json_schema"])
    price = terms.price()
    item = Item("colour", "attitude", "Which colour?", ("red", "blue"))

    async def ask(settings: dict[str, Any], schema: bool) -> bool:
        messages = [{"role": "user", "content": f"{QUESTION}\n\ncolour?"}]
        room = terms.answer_limit((item,))
        limit = {"max_tokens": room}
        wanted = json_schema((item,)) if schema else None
        body = terms.request(Ask(terms.config.model, messages, (item,), settings | limit, wanted))
        claim = Claim(digest(body), None if price is None else price.most(message_tokens(messages)[1], room))
        purse.sent(claim)
        try:
            reply = await provider.send(body)
        except Trouble as trouble:
            (purse.lost if trouble.doubtful else purse.free)(claim)
            purse.settle(claim, 0.0)
            if any(word in str(trouble).lower() for word in ("context", "maximum length", "too many tokens")):
                raise ModelError(f"the probe does not fit: {trouble}. Set backend.max_tokens lower") from None
            if trouble.status == 400 or trouble.kind == "unsupported":
                return False
            raise raised(trouble) from None
        purse.settle(claim, None if price is None else price.cost(reply.usage))
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
