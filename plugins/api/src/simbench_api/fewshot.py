"""Pilot transcripts in the prompt: which, in what order, and as what messages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from simbench.interview import Interview, Message, Transcript, messages, transcript_messages
from simbench.stats.rng import generator
from simbench_api.tokens import message_tokens

__all__ = ["choose", "example_messages", "with_examples"]

OPENING = (
    "You take the part of participants of a study. First you see interviews with real participants and their "
    "answers; then you answer as another participant would."
)


def choose(pilot: Sequence[Transcript], form: str, budget: int, seed: int) -> list[Transcript]:
    """As many transcripts as fit into ``budget`` tokens, balanced over the conditions.

    Each condition's transcripts are shuffled by the seed and taken in turns, one per condition; one that no
    longer fits ends the choice, so that no condition is favoured for its shorter texts. The result is
    grouped by condition, in the order the pilot names them.
    """
    by_condition: dict[str, list[Transcript]] = {}
    for transcript in pilot:
        by_condition.setdefault(transcript.interview.condition, []).append(transcript)
    for condition, group in by_condition.items():
        order = generator(seed, "few_shot", condition).permutation(len(group))
        by_condition[condition] = [group[position] for position in order]
    conditions = list(by_condition)
    chosen: list[Transcript] = []
    for turn in zip_longest(*by_condition.values()):
        for transcript in (each for each in turn if each is not None):
            more = _grouped([*chosen, transcript], conditions)
            if message_tokens(example_messages(more, form))[1] > budget:
                return chosen
            chosen = more
    return chosen


def _grouped(chosen: Sequence[Transcript], conditions: Sequence[str]) -> list[Transcript]:
    return sorted(chosen, key=lambda each: conditions.index(each.interview.condition))


def example_messages(chosen: Sequence[Transcript], form: str) -> list[Message]:
    """The conversation before the interview: what a condition's people share is said once, to the first."""
    if not chosen:
        return []
    told: list[Message] = [{"role": "system", "content": OPENING}]
    shared = None
    for transcript in chosen:
        first, second, *rest = transcript_messages(transcript, form)
        if first["content"] != shared:
            shared = first["content"]
            second = {"role": "user", "content": f"{shared}\n\n{second['content']}"}
        told += [second, *rest]
    return told


def with_examples(
    examples: Sequence[Message], interview: Interview, form: str, asked: Sequence[Message] | None = None
) -> list[Message]:
    """The examples, then the interview; without examples, the interview alone.

    ``asked`` are the interview's own messages so far (default: its opening).
    """
    own = list(asked or messages(interview, form))
    if not examples:
        return own
    first, second, *rest = own
    return [*examples, {"role": "user", "content": f"{first['content']}\n\n{second['content']}"}, *rest]
