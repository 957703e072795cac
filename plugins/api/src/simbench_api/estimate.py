"""What a run would take: ranges of tokens and US dollars, from the texts and the price table alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from simbench.backends.base import Estimate
from simbench.errors import SimbenchError
from simbench.interview import Interview, Transcript, messages, transcript_messages
from simbench_api.fewshot import choose, example_messages, with_examples
from simbench_api.preflight import ending
from simbench_api.tokens import answer_tokens, message_tokens

if TYPE_CHECKING:
    from simbench_api.prices import Price
    from simbench_api.terms import Terms

__all__ = ["automatic_epochs", "estimate", "training_tokens"]

CACHE_FROM = 1024  # tokens from which providers cache a common prefix
Range = tuple[int, int]


def automatic_epochs(examples: int) -> int:
    """Epochs of OpenAI's published rule for ``n_epochs="auto"``: 3, and up to 25 for very few examples."""
    return max(1, min(25, 100 // examples)) if 3 * examples < 100 else 3


def training_tokens(pilot: Sequence[Transcript], form: str, epochs: int) -> Range:
    """Fewest and most tokens trained on, epochs counted."""
    low = high = 0
    for transcript in pilot:
        least, most = message_tokens(transcript_messages(transcript, form))
        low, high = low + least, high + most
    return low * epochs, high * epochs


def estimate(
    terms: Terms,
    pilot: Sequence[Transcript],
    interviews: Sequence[Interview],
    check: Callable[[Sequence[Transcript], Sequence[Interview]], None],
) -> Estimate:
    """Tokens and cost of adapting to the pilot and of asking every interview once.

    ``check`` raises what would stop the run itself, which becomes a note.
    """
    config = terms.config
    notes = []
    adaptation: Range = (0, 0)
    called = config.model
    if config.adapt == "finetune" and pilot:
        epochs = getattr(config, "n_epochs", None) or automatic_epochs(len(pilot))
        adaptation = training_tokens(pilot, config.elicitation, epochs)
        called = f"ft:{config.model}:"
        notes.append(f"{len(pilot)} training examples, {epochs} epochs")
    examples = []
    if config.adapt == "few_shot" and pilot:
        examples = example_messages(choose(pilot, config.elicitation, config.few_shot_tokens, 0), config.elicitation)
    asked = _asked(interviews, examples, config.elicitation)
    said = _said(interviews, config.elicitation)
    price = terms.price(called)
    if price is None:
        notes.append(f"the price of {called} at {config.host} is unknown: give it in a file (backend.prices)")
    else:
        notes.append(f"prices as of {price.as_of or 'an unknown day'} ({price.source or 'no source given'})")
    if (notice := ending(called, terms.shutdown(called))) is not None:
        notes.append(notice)
    if thinking := terms.thinking_limit():
        hidden = thinking * len(interviews) * (1 if config.elicitation != "turns" else _turns(interviews))
        said = (said[0], said[1] + hidden)
        known = terms.capabilities().takes("thinking")
        word = "thinks" if known else "may think (say backend.capabilities.thinking=true or false if you know)"
        notes.append(
            f"the model {word} before it answers; the upper bound holds up to {thinking:,} hidden tokens a question"
            f"{_share(price, hidden, config.mode)}"
        )
    notes.append("answers that are asked again come on top")
    try:
        check(pilot, interviews)
    except SimbenchError as error:
        notes.append(f"the run itself would stop before anything is sent: {error}")
    common = _common(interviews, examples, config.concurrency if config.mode == "live" else 1)
    cost = None if price is None else _cost(price, adaptation, asked, said, common, config.mode)
    if price is not None and cost is None:
        notes.append(f"the price of training {config.model} is unknown")
    return Estimate(called, adaptation, asked, said, cost, None, tuple(notes))


def _share(price: Price | None, hidden: int, mode: str) -> str:
    """What so many hidden tokens are of the upper bound, in words; nothing where there is no price."""
    return "" if price is None else f", ${price.most(0, hidden, batch=mode == 'batch'):.4f} of it"


def _turns(interviews: Sequence[Interview]) -> int:
    """Questions per interview, at most."""
    return max((len(each.items) for each in interviews), default=1)


def _asked(interviews: Sequence[Interview], examples: Any, form: str) -> Range:
    """Prompt tokens of all interviews; in turns, every question sends what was said before again."""
    base = message_tokens(examples)
    low = high = 0
    for interview in interviews:
        rounds = _rounds(interview, form)
        for said in rounds:
            own = with_examples(examples, interview, form, said)[len(examples) :]
            least, most = message_tokens(own)
            low, high = low + least + base[0], high + most + base[1]
    return low, high


def _rounds(interview: Interview, form: str) -> list[Any]:
    if form != "turns":
        return [messages(interview, form)]
    given: dict[str, Any] = {}
    rounds = []
    for item in interview.items:
        rounds.append(messages(interview, "turns", given))
        given[item.name] = max(item.options, key=lambda option: len(option.label)).value
    return rounds


def _said(interviews: Sequence[Interview], form: str) -> Range:
    known: dict[Any, Range] = {}
    low = high = 0
    for interview in interviews:
        if interview.items not in known:
            known[interview.items] = answer_tokens(interview.items, form)
        low, high = low + known[interview.items][0], high + known[interview.items][1]
    return low, high


def _common(interviews: Sequence[Interview], examples: Any, at_once: int) -> int:
    """Prompt tokens that a provider's cache can serve at best.

    The first ``at_once`` requests of a kind set out before any of them can have been cached.
    """
    base = message_tokens(examples)[0]
    seen: Counter[str] = Counter()
    total = 0
    for interview in interviews:
        shared = base if examples else message_tokens(messages(interview, "json")[:1])[0]
        key = "" if examples else interview.shared
        if seen[key] >= at_once and shared >= CACHE_FROM:
            total += shared
        seen[key] += 1
    return total


def _cost(
    price: Price, adaptation: Range, asked: Range, said: Range, common: int, mode: str
) -> tuple[float, float] | None:
    batch = mode == "batch"
    training = [price.training_cost(tokens) if tokens else 0.0 for tokens in adaptation]
    if training[0] is None or training[1] is None:
        return None
    low = price.cost({"input": asked[0], "cached": min(common, asked[0]), "output": said[0]}, batch=batch)
    high = price.most(asked[1], said[1], batch=batch)
    return training[0] + low, training[1] + high
