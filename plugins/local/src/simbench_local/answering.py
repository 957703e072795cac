"""Interviews to answers by choosing among options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from simbench.arrays import Floats
from simbench.backends.base import Answer, Workspace
from simbench.design import Value
from simbench.errors import ModelError
from simbench.interview import Interview, Message
from simbench.stats.rng import generator
from simbench_local.batches import fitting, halving
from simbench_local.encode import Encoder, ItemPlan
from simbench_local.loading import Loaded
from simbench_local.plain import score_plainly
from simbench_local.scoring import Request, Scored, prefix_length, run_prefix, score

__all__ = ["Before", "Chooser", "answer_by_choice", "check_lengths", "probabilities"]

Before = Callable[[Interview], Sequence[Message]]
Calibration = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Chooser:
    """Draws options: from the model's probabilities, calibrated where a calibration is given.

    A draw depends on the seed, the participant, the replicate and the item's position alone.
    """

    seed: int
    temperature: float = 1.0
    calibration: Calibration | None = None

    def distribution(self, plan: ItemPlan, logprobs: Floats) -> Floats:
        """Probabilities (k,) that an option is drawn with. ModelError where the model gives none."""
        if np.isnan(logprobs).any() or not np.isfinite(logprobs.max()):
            raise ModelError(
                f"the model gives no probabilities for {plan.item.name!r} (no numbers, or all 0): its weights are "
                "damaged or too large for this number format; try backend.dtype=fp32, or a lower "
                "backend.learning_rate"
            )
        fitted = (self.calibration or {}).get(plan.item.name)
        if fitted is not None:
            bias = dict(zip(fitted["values"], fitted["bias"], strict=True))
            logprobs = fitted["scale"] * logprobs + np.array([bias.get(v, 0.0) for v in plan.item.values])
        return probabilities(logprobs, self.temperature)

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

    def choose(request: Request, position: int, logprobs: Floats) -> int:
        interview = _interview(request)
        if own is not None:
            item = interview.items[position]
            return item.code(own[interview.key][item.name])
        plan = encoder.plan(interview.items)[position]
        return draw(chooser.distribution(plan, logprobs), float(points[request][position]))

    title = "answering" if own is None else "looking up real answers"
    with workspace.progress.task(title, len(interviews), "participants") as task:
        for plans, group in _groups(encoder, requests):
            for shared, batch in score_group(loaded, plans, group, choose, batch_size):
                task.advance(len(batch))
                task.note(f"batch of {len(batch)}")
                yield from (_answer(one, plans, chooser, shared) for one in batch)


def score_group(
    loaded: Loaded,
    plans: tuple[ItemPlan, ...],
    requests: Sequence[Request],
    choose: Callable[[Request, int, Floats], int],
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


def _answer(one: Scored, plans: Sequence[ItemPlan], chooser: Chooser, shared: int) -> Answer:
    interview = _interview(one.request)
    parts = list(zip(plans, one.logprobs, one.chosen, strict=True))
    said = sum(len(plan.forced) + int(plan.tree.lengths[chosen]) for plan, _, chosen in parts)
    return Answer(
        interview.participant_id,
        interview.replicate,
        "ok",
        answers={plan.item.name: plan.item.values[chosen] for plan, _, chosen in parts},
        probabilities={
            plan.item.name: [float(p) for p in chooser.distribution(plan, logprobs)] for plan, logprobs, _ in parts
        },
        valid_mass={
            plan.item.name: float(min(1.0, np.exp(np.logaddexp.reduce(logprobs)))) for plan, logprobs, _ in parts
        },
        usage={"input": len(one.request.prompt), "output": said, "cached": shared},
    )
