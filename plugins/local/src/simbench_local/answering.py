"""Interviews to answers by choosing among options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from simbench.arrays import Floats
from simbench.backends.base import Answer, Workspace
from simbench.design import Item, Value
from simbench.errors import ModelError
from simbench.interview import Interview, Message
from simbench.stats.rng import generator
from simbench_local.batches import fitting, halving
from simbench_local.encode import Encoder, ItemPlan
from simbench_local.loading import Loaded
from simbench_local.plain import score_plainly
from simbench_local.scoring import Choose, Request, Scored, prefix_length, run_prefix, score

__all__ = ["Before", "Chooser", "Moment", "answer_by_choice", "check_lengths", "probabilities"]

Before = Callable[[Interview], Sequence[Message]]


@dataclass(frozen=True)
class Moment:
    """What is known when an item is about to be answered.

    ``answered`` holds the answers before, ``logprobs`` (k,) what the model says of the options that are offered, and
    ``hidden`` (layers, d) the watched layers' states at the token before the answer, where any are watched.
    """

    interview: Interview
    position: int
    answered: Mapping[str, Value]
    logprobs: Floats
    hidden: Floats | None = None

    @property
    def item(self) -> Item:
        """The item to be answered."""
        return self.interview.items[self.position]


@dataclass(frozen=True)
class Chooser:
    """Draws options: from the model's own probabilities, or from those that ``forecast`` makes of a moment.

    ``forecast`` returns log-probabilities (k,), up to a constant. A draw depends on the seed, the participant, the
    replicate and the item's position alone.
    """

    seed: int
    temperature: float = 1.0
    forecast: Callable[[Moment], Floats] | None = None

    def distribution(self, moment: Moment) -> Floats:
        """Probabilities (k,) that an option is drawn with. ModelError where the model gives none."""
        logprobs = moment.logprobs
        if np.isnan(logprobs).any() or not np.isfinite(logprobs.max()):
            raise ModelError(
                f"the model gives no probabilities for {moment.item.name!r} (no numbers, or all 0): its weights are "
                "damaged or too large for this number format; try backend.dtype=fp32, or a lower "
                "backend.learning_rate"
            )
        return probabilities(self.forecast(moment) if self.forecast else logprobs, self.temperature)

    def points(self, interview: Interview) -> Floats:
        """Numbers (items,) in [0, 1), one per item, that decide the draws of one interview."""
        rng = generator(self.seed, "local", interview.participant_id, interview.replicate)
        return np.asarray(rng.random(len(interview.items)))


def probabilities(logprobs: Floats, temperature: float = 1.0) -> Floats:
    """Softmax of (k,) log-probabilities at a temperature; at 0, all on the first of the likeliest."""
    if temperature == 0:
        return np.asarray(np.arange(len(logprobs)) == int(np.argmax(logprobs)), dtype=np.float64)
    scaled = (logprobs - logprobs.max()) / temperature
    weights = np.exp(scaled)
    return np.asarray(weights / weights.sum())


def draw(chances: Floats, point: float) -> int:
    """The option at ``point`` in [0, 1) of the cumulated probabilities (k,)."""
    reached = np.searchsorted(np.cumsum(chances), point * chances.sum(), side="right")
    return int(min(reached, np.flatnonzero(chances)[-1]))


def answer_by_choice(
    loaded: Loaded,
    encoder: Encoder,
    interviews: Sequence[Interview],
    chooser: Chooser,
    workspace: Workspace,
    before: Before = lambda _: (),
    batch_size: int = 0,
    own: Mapping[tuple[str, int], Mapping[str, Value]] | None = None,
) -> Iterator[Answer]:
    """Yield one Answer per interview, batch by batch.

    ``own`` holds everybody's own answers, by interview: these are taken instead of drawn ones, so that the
    probabilities of every item are given what the person really answered before.
    """
    requests = [Request(tuple(encoder.interview(each, before(each))), each) for each in interviews]
    check_lengths(loaded, encoder, requests)
    points = {request: chooser.points(_interview(request)) for request in requests}
    told: dict[Request, list[Floats]] = {}
    said: dict[Request, dict[str, Value]] = {}

    def choose(request: Request, position: int, logprobs: Floats, hidden: Floats | None) -> int:
        interview = _interview(request)
        if position == 0:  # also where a batch that was too large is begun anew
            told[request], said[request] = [], {}
        moment = Moment(interview, position, said[request], logprobs, hidden)
        told[request].append(chooser.distribution(moment))
        item = moment.item
        if own is not None:
            code = item.code(own[interview.key][item.name])
        else:
            code = draw(told[request][-1], float(points[request][position]))
        said[request][item.name] = item.values[code]
        return code

    title = "answering" if own is None else "looking up real answers"
    with workspace.progress.task(title, len(interviews), "participants") as task:
        for plans, group in _groups(encoder, requests):
            for shared, batch in score_group(loaded, plans, group, choose, batch_size):
                task.advance(len(batch))
                task.note(f"batch of {len(batch)}")
                yield from (_answer(one, plans, told.pop(one.request), shared) for one in batch)


def score_group(
    loaded: Loaded,
    plans: tuple[ItemPlan, ...],
    requests: Sequence[Request],
    choose: Choose,
    batch_size: int = 0,
) -> Iterator[tuple[int, list[Scored]]]:
    """Score requests that ask the same items; yields the number of shared tokens and a scored batch."""
    if not loaded.shared:
        for done in halving(requests, lambda _: batch_size or 8, lambda b: score_plainly(loaded, b, plans, choose)):
            yield 0, done
        return
    ordered = sorted(requests, key=lambda request: request.prompt)  # those that begin alike side by side
    shared = prefix_length([request.prompt for request in ordered])
    prefix = next(halving([ordered[0].prompt[:shared]], len, lambda one: run_prefix(loaded, one[0])))

    own = max(len(request.prompt) for request in ordered) - shared

    for done in halving(
        ordered,
        lambda _: batch_size or fitting(loaded, own, shared, plans),
        lambda b: score(loaded, prefix, shared, b, plans, choose),
    ):
        yield shared, done


def check_lengths(loaded: Loaded, encoder: Encoder, requests: Sequence[Request]) -> None:
    """ModelError unless the longest interview and its longest answer fit the model's context."""
    longest, needed = None, 0
    for request in requests:
        plans = encoder.plan(_interview(request).items)
        answer = sum(len(plan.forced) + int(plan.tree.lengths.max()) for plan in plans)
        if len(request.prompt) + answer > needed:
            longest, needed = request, len(request.prompt) + answer
    if longest is not None and needed > loaded.context:
        raise ModelError(
            f"the interview of participant {_interview(longest).participant_id!r} takes {needed} tokens, and "
            f"{loaded.source.name} reads at most {loaded.context}. Shorten the vignette, use fewer shots, or "
            "choose a model with a longer context."
        )


def _interview(request: Request) -> Interview:
    return cast(Interview, request.key)


def _groups(encoder: Encoder, requests: Sequence[Request]) -> Iterator[tuple[tuple[ItemPlan, ...], list[Request]]]:
    """Requests with the same shared text and items, in the order of their first."""
    groups: dict[tuple[str, Any], list[Request]] = {}
    for request in requests:
        interview = _interview(request)
        groups.setdefault((interview.shared, interview.items), []).append(request)
    for (_, items), members in groups.items():
        yield encoder.plan(items), members


def _answer(one: Scored, plans: Sequence[ItemPlan], chances: Sequence[Floats], shared: int) -> Answer:
    interview = _interview(one.request)
    parts = list(zip(plans, one.logprobs, one.chosen, strict=True))
    said = sum(len(plan.forced) + int(plan.tree.lengths[chosen]) for plan, _, chosen in parts)
    return Answer(
        interview.participant_id,
        interview.replicate,
        "ok",
        answers={plan.item.name: plan.item.values[chosen] for plan, _, chosen in parts},
        probabilities={plan.item.name: [float(p) for p in each] for plan, each in zip(plans, chances, strict=True)},
        valid_mass={
            plan.item.name: float(min(1.0, np.exp(np.logaddexp.reduce(logprobs)))) for plan, logprobs, _ in parts
        },
        usage={"input": len(one.request.prompt), "output": said, "cached": shared},
    )
