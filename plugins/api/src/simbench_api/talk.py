"""One interview as a conversation with a model, apart from any input or output.

A :class:`Talk` says what to ask next and hears what was replied, until it has an Answer. Whether a reply
comes from the cache, from a live request or from a batch makes no difference to it.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from simbench.backends.base import Answer
from simbench.design import Item, Value
from simbench.interview import Interview, Message, json_schema, line_cue, messages, read, read_answer, wanted
from simbench.stats.rng import generator
from simbench_api.fewshot import with_examples
from simbench_api.probabilities import option_chances
from simbench_api.tokens import readings
from simbench_api.wire import Ask, Reply

if TYPE_CHECKING:
    from simbench_api.blending import Pool

__all__ = ["Manner", "Talk", "chances_of"]

TEXT_KEPT = 200  # characters of an invalid text in the log of attempts


@dataclass(frozen=True)
class Manner:
    """How every interview of a run is asked: the same for all, so that it is worked out once.

    ``settings`` are those sent; ``seed`` is the run's, and ``seeded`` whether the model takes one. With a ``pool``
    answers are drawn from what it makes of the model's option probabilities, item by item. ``exact``: the server
    computes the probabilities of the options themselves, and answers are drawn here, at ``temperature``.
    """

    model: str
    form: str
    settings: Mapping[str, Any]
    enforce: bool
    reask: int
    seed: int
    seeded: bool
    limit: Callable[[Sequence[Item]], int]
    examples: Sequence[Message] = ()
    pool: Pool | None = None
    exact: bool = False
    temperature: float = 1.0
    _worked_out: dict[tuple[str, ...], tuple[int, Mapping[str, Any] | None]] = field(default_factory=dict, repr=False)

    def limits_used(self) -> list[int]:
        """The limits of an answer that were sent, smallest first."""
        return sorted({limit for limit, _ in self._worked_out.values()})

    def ask(self, interview: Interview, items: tuple[Item, ...], said: Sequence[Message], attempt: int) -> Ask:
        """The request for ``items``; the attempt-th time of asking (0: first) draws with another seed."""
        limit, schema = self._of_items(items)
        settings = {**self.settings, "max_tokens": limit}
        if self.seeded:
            settings["seed"] = _seed(self.seed, *interview.key, items[0].name, attempt)
        asked = with_examples(self.examples, interview, self.form, said)
        return Ask(self.model, asked, items, settings, schema, len(self.examples) or 1)

    def ask_chances(self, interview: Interview, at: int, given: Mapping[str, Value]) -> Ask:
        """The request for the probabilities of the item at a place, behind the answers ``given`` to those before."""
        item = interview.items[at]
        if not self.exact:
            return self.ask(interview, (item,), messages(interview, "turns", given), 0)
        asked = with_examples(self.examples, interview, self.form)
        said = tuple(_line(each, given[each.name]) for each in interview.items[:at])
        return Ask(self.model, asked, (item,), {"max_tokens": readings(item)[1]}, before=said)

    def drawn_by(self) -> str:
        """The stream of random numbers that answers are drawn by: exact ones like those of the backend ``local``, of
        which a server of the same weights is then the same draw."""
        return "local" if self.exact and self.pool is None else "pooled"

    def _of_items(self, items: tuple[Item, ...]) -> tuple[int, Mapping[str, Any] | None]:
        """Limit and schema of an answer to these items: the same for everybody, so worked out once."""
        names = tuple(item.name for item in items)
        if names not in self._worked_out:
            schema = json_schema(items) if self.enforce and self.form == "json" else None
            self._worked_out[names] = (self.limit(items), schema)
        return self._worked_out[names]


def _seed(*parts: str | int) -> int:
    """A seed of 31 bits for the provider that depends on ``parts`` and nothing else."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@dataclass
class _Log:
    """What the attempts at one interview came to."""

    usage: Counter[str] = field(default_factory=Counter)
    costs: list[float | None] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    chances: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)

    def hear(self, reply: Reply) -> None:
        self.usage.update(reply.usage)
        self.costs.append(reply.cost)
        self.chances.update(reply.chances)
        entry: dict[str, Any] = {"status": reply.status, "error": reply.error, "retries": reply.retries}
        entry |= {"cached": reply.cached, "model": reply.model}
        self.attempts.append({name: value for name, value in entry.items() if value})

    def invalid(self, why: str, text: str) -> None:
        """The last reply could not be read."""
        self.attempts[-1] |= {"status": "invalid", "error": why, "text": text[:TEXT_KEPT]}

    def answer(self, interview: Interview, status: str, answers: Mapping[str, Value], error: str | None) -> Answer:
        known = [cost for cost in self.costs if cost is not None]
        notable = len(self.attempts) > 1 or any(set(each) - {"status", "model"} for each in self.attempts)
        chances = self.chances if status == "ok" else {}
        return Answer(
            *interview.key,
            status,
            answers,
            {item: list(chance[0]) for item, chance in chances.items()},
            {item: chance[1] for item, chance in chances.items()},
            "\n".join(self.texts),
            error,
            +self.usage,
            sum(known) if len(known) == len(self.costs) else None,
            self.attempts if notable else (),
            dict(self.numbers) if status == "ok" else {},
        )


class Talk:
    """One interview under way. ``ask`` is the request that is open."""

    def __init__(self, interview: Interview, manner: Manner, own: Mapping[str, Value] | None = None) -> None:
        """``own``: answers that are put in the place of the model's, item by item."""
        self.interview = interview
        if own is not None or manner.pool is not None or manner.exact:
            self._talk = _chances_in_turns(interview, manner, own)
        else:
            self._talk = _turns(interview, manner) if manner.form == "turns" else _at_once(interview, manner)
        self.ask, self.attempt = next(self._talk)

    def hear(self, reply: Reply) -> Answer | None:
        """Take the reply to the open request; returns the Answer once there is one."""
        try:
            self.ask, self.attempt = self._talk.send(reply)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        return None


Conversation = Generator[tuple[Ask, int], Reply, Answer]


def _at_once(interview: Interview, manner: Manner) -> Conversation:
    log, said = _Log(), messages(interview, manner.form)
    answers: Mapping[str, Value] = {}
    error = None
    for attempt in range(manner.reask + 1):
        reply = yield manner.ask(interview, interview.items, said, attempt), attempt
        log.hear(reply)
        if reply.status != "ok":
            log.texts.append(reply.text)
            return log.answer(interview, reply.status, {}, reply.error)
        reading = read(reply.text, interview.items, manner.form)
        answers, error = reading.answers, "; ".join(reading.problems)
        if reading.ok:
            log.numbers |= reading.numbers
            log.texts.append(reply.text)
            return log.answer(interview, "ok", answers, None)
        log.invalid(error, reply.text)
    log.texts.append(reply.text)
    return log.answer(interview, "invalid", answers, error)


def _turns(interview: Interview, manner: Manner) -> Conversation:
    log = _Log()
    answers: dict[str, Value] = {}
    for item in interview.items:
        said = messages(interview, "turns", answers, log.numbers)
        for attempt in range(manner.reask + 1):
            reply = yield manner.ask(interview, (item,), said, attempt), attempt
            log.hear(reply)
            found = read_answer(reply.text, item) if reply.status == "ok" else None
            if found is not None or reply.status != "ok":
                break
            log.invalid(f"{item.name}: expected {wanted(item)}, found {reply.text[:80]!r}", reply.text)
        log.texts.append(reply.text)
        if found is None:
            status = "invalid" if reply.status == "ok" else reply.status
            return log.answer(interview, status, answers, log.attempts[-1].get("error"))
        answers[item.name] = found[0]
        if found[1] is not None:
            log.numbers[item.name] = found[1]
    return log.answer(interview, "ok", answers, None)


def _chances_in_turns(interview: Interview, manner: Manner, own: Mapping[str, Value] | None) -> Conversation:
    """What counts of a reply are the probabilities of the options, pooled where there is a pool.

    Exact ones are the model's own, and brought to the temperature asked for here.

    Every item is asked behind the person's ``own`` answers to the items before, or behind drawn ones. A draw depends
    on the seed, the participant, the replicate and the item's position alone.
    """
    log, pool = _Log(), manner.pool
    points = generator(manner.seed, manner.drawn_by(), *interview.key).random(len(interview.items))
    given: dict[str, Value] = {}
    for at, item in enumerate(interview.items):
        reply = yield manner.ask_chances(interview, at, given), 0
        log.hear(reply)
        if reply.status != "ok":
            return log.answer(interview, reply.status, {}, reply.error)
        if item.name not in log.chances:
            why = f"{item.name}: the reply holds no probabilities of its options"
            return log.answer(interview, "invalid", {}, why)
        chances, valid = log.chances[item.name]
        if pool is not None:
            chances = pool(interview, at, given, chances)
        elif manner.exact:
            chances = _tempered(chances, manner.temperature)
        log.chances[item.name] = [chances, valid]
        given[item.name] = own[item.name] if own is not None else item.values[_drawn(chances, points[at])]
    return log.answer(interview, "ok", given, None)


def _line(item: Item, answer: Value) -> str:
    return f"{line_cue(item)}{item.labels[item.code(answer)]}\n"


def _tempered(chances: Sequence[float], temperature: float) -> list[float]:
    """Probabilities (k,) at a temperature; at 0, all on the first of the likeliest."""
    most = max(chances)
    if temperature == 0:
        return [float(at == list(chances).index(most)) for at in range(len(chances))]
    weights = [(each / most) ** (1.0 / temperature) for each in chances]
    return [each / sum(weights) for each in weights]


def _drawn(chances: Sequence[float], point: float) -> int:
    """The option at ``point`` in [0, 1) of the cumulated probabilities (k,)."""
    reached = list(accumulate(chances))
    return min(bisect_right(reached, point * reached[-1]), len(reached) - 1)


def chances_of(reply: Reply, ask: Ask, form: str) -> dict[str, Any]:
    """The option probabilities that a reply holds, or its tokens do, by item."""
    if ask.before is not None:
        return dict(reply.chances) if reply.status == "ok" else {}
    if reply.tokens is None or reply.status != "ok":
        return {}
    return {name: list(found) for name, found in option_chances(reply.tokens, ask.items, form).items()}
