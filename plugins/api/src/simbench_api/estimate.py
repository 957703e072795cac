"""What a run would take: ranges of tokens and US dollars, from the texts and the price table alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from simbench.backends.base import Estimate
from simbench.errors import SimbenchError
from simbench.interview import Interview, Message, Transcript, json_schema, messages, transcript_messages
from simbench_api.fewshot import choose, example_messages, with_examples
from simbench_api.preflight import ending
from simbench_api.tokens import answer_tokens, message_pieces, message_tokens, pieces, readings

if TYPE_CHECKING:
    from simbench_api.prices import Price
    from simbench_api.terms import Terms

__all__ = ["automatic_epochs", "estimate", "training_tokens"]

CACHE_FROM = 1024  # tokens from which providers cache a common prefix
SCHEMA_AROUND = 20  # pieces of the words that a provider may put around a schema
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
        adaptation = training_tokens(pilot, config.form, epochs)
        called = f"ft:{config.model}:"
        notes.append(f"{len(pilot)} training examples, {epochs} epochs")
    examples = []
    if config.adapt == "few_shot" and pilot:
        examples = example_messages(choose(pilot, config.form, config.few_shot_tokens, 0), config.form)
    asked = _asked(terms, interviews, examples)
    said = _said(interviews, config.elicitation)
    first = [each.interview for each in pilot] if config.adapt == "blend" else []
    before = _asked(terms, first, []), _said(first, config.elicitation)
    if first:
        adaptation = _sum(*before)
        notes.append(f"the model is asked about the {len(first)} people of the pilot first, item by item")
    price = terms.price(called)
    if price is None:
        notes.append(f"the price of {called} at {config.host} is unknown: give it in a file (backend.prices)")
    else:
        notes.append(f"prices as of {price.as_of or 'an unknown day'} ({price.source or 'no source given'})")
    if (notice := ending(called, terms.shutdown(called))) is not None:
        notes.append(notice)
    hidden = 0
    if thinking := terms.thinking_limit():
        hidden = (
            thinking
            * (len(interviews) + len(first))
            * (1 if config.elicitation != "turns" else _turns(interviews or first))
        )
        known = terms.capabilities().takes("thinking")
        word = "thinks" if known else "may think (say backend.capabilities.thinking=true or false if you know)"
        notes.append(
            f"the model {word} before it answers; that is billed as output: room for {thinking:,} hidden "
            f"tokens a question{_share(price, hidden, config.mode)} on top"
        )
    if config.elicitation != "choice":
        notes.append("answers that are asked again come on top")
    if terms.unmet:
        notes.append(f"what {config.host} is and takes it is asked when the run starts, before anything is spent")
    try:
        check(pilot, interviews)
    except SimbenchError as error:
        notes.append(f"the run itself would stop before anything is sent: {error}")
    common = _common(terms, interviews, examples)
    trained = (0, 0) if first else adaptation
    billed = _sum(asked, before[0]), _sum(said, before[1])
    cost = None if price is None else _cost(price, trained, *billed, common, config.mode)
    if price is not None and cost is None:
        notes.append(f"the price of training {config.model} is unknown")
    extra = None if price is None else price.most(0, hidden, batch=config.mode == "batch")
    return Estimate(called, adaptation, asked, said, cost, None, tuple(notes), hidden, extra)


def _sum(one: Range, other: Range) -> Range:
    return one[0] + other[0], one[1] + other[1]


def _share(price: Price | None, hidden: int, mode: str) -> str:
    """What so many hidden tokens cost, in words; nothing where there is no price."""
    return "" if price is None else f", at most ${price.most(0, hidden, batch=mode == 'batch'):.4f}"


def _turns(interviews: Sequence[Interview]) -> int:
    """Questions per interview, at most."""
    return max((len(each.items) for each in interviews), default=1)


def _asked(terms: Terms, interviews: Sequence[Interview], examples: Any) -> Range:
    """Prompt tokens of all interviews; in turns, every question sends what was said before again."""
    form = terms.config.elicitation
    base = message_pieces(examples)
    schemas: dict[Any, tuple[float, float]] = {}
    low = high = 0.0
    for interview in interviews:
        if interview.items not in schemas:
            schemas[interview.items] = _schema(terms, interview)
        schema = schemas[interview.items]
        for said in _rounds(interview, form):
            own = with_examples(examples, interview, terms.config.form, said[0])[len(examples) :]
            least, most = message_pieces(own)
            low, high = (
                low + said[1][0] * (least + base[0]) + schema[0],
                high + said[1][1] * (most + base[1]) + schema[1],
            )
    return int(low * terms.per_piece[0]), math.ceil(high * terms.per_piece[1])


def _schema(terms: Terms, interview: Interview) -> tuple[float, float]:
    """Pieces of the schema that answers must keep to. The providers bill it as a part of the prompt, OpenAI without
    what is the same in all (https://github.com/openai/openai-cookbook/issues/2140); other servers may not."""
    if terms.config.elicitation != "json" or terms.capabilities().takes("json_schema") is False:
        return 0.0, 0.0
    schema = json_schema(interview.items)
    least = pieces(json.dumps({"type": schema["type"], "properties": schema["properties"]}))[0]
    most = pieces(json.dumps(schema))[1] + SCHEMA_AROUND
    return (least if terms.config.host == terms.own_host else 0.0), most


def _rounds(interview: Interview, form: str) -> list[tuple[list[Message], Range]]:
    """What is sent for one interview, and how often each is read, at least and at most."""
    if form not in ("turns", "choice"):
        return [(messages(interview, form), (1, 1))]
    given: dict[str, Any] = {}
    rounds = []
    for item in interview.items:
        if form == "turns":
            rounds.append((messages(interview, form, given), (1, 1)))
        else:
            lines = "".join(f"{name}: {answer}\n" for name, answer in given.items())
            said = [*messages(interview, "lines"), {"role": "assistant", "content": lines}]
            rounds.append((said, readings(item)))
        longest = max(item.options, key=lambda option: len(option.label))
        given[item.name] = longest.value if form == "turns" else longest.label
    return rounds


def _said(interviews: Sequence[Interview], form: str) -> Range:
    known: dict[Any, Range] = {}
    low = high = 0
    for interview in interviews:
        if interview.items not in known:
            behind = sum(
                readings(item)[1] for item in interview.items
            )  # one token behind every prompt that is scored
            known[interview.items] = (0, behind) if form == "choice" else answer_tokens(interview.items, form)
        low, high = low + known[interview.items][0], high + known[interview.items][1]
    return low, high


def _common(terms: Terms, interviews: Sequence[Interview], examples: Any) -> int:
    """Prompt tokens that a provider's cache can serve at best.

    The first requests of a kind, as many as are sent at once, set out before any of them can have been cached.
    """
    at_once = terms.config.concurrency if terms.config.mode == "live" else 1
    base = int(message_pieces(examples)[0] * terms.per_piece[0])
    seen: Counter[str] = Counter()
    total = 0
    for interview in interviews:
        shared = base if examples else int(message_pieces(messages(interview, "json")[:1])[0] * terms.per_piece[0])
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
