"""Interviews as tokens: the prompt, and for each item what is forced and what is chosen.

The assistant's turn is one line per item, ``name: label`` and a line feed, in the form ``lines`` of
:mod:`simbench.interview`. The same tokens are used for training and for asking. The line feed belongs to the
option: it is what tells ``5`` from ``50``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from simbench.design import Item
from simbench.errors import ModelError
from simbench.interview import Interview, Message, Transcript, line_cue, messages
from simbench_local.reading import reading
from simbench_local.tree import OptionTree

__all__ = ["Encoder", "ItemPlan", "common_prefix", "render"]

FORM = "lines"


@dataclass(frozen=True)
class ItemPlan:
    """One item as tokens: ``forced`` (at least one token), then one of the options of ``tree``."""

    item: Item
    forced: tuple[int, ...]
    tree: OptionTree


class Encoder:
    """Turns interviews and items into tokens of one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.plan = lru_cache(maxsize=256)(self._plan)
        self._has_system = lru_cache(maxsize=2)(lambda shots: _takes_system(tokenizer, shots))
        self._item = lru_cache(maxsize=1024)(self._encode_item)

    def prompt(self, asked: Sequence[Message]) -> list[int]:
        """Tokens up to where the assistant's words begin."""
        shots = any(turn["role"] == "assistant" for turn in asked)
        return self._tokens(render(self.tokenizer, asked, self._has_system(shots)))

    def interview(self, interview: Interview, before: Sequence[Message] = ()) -> list[int]:
        """Tokens of an interview's prompt, behind earlier turns ``before`` (few-shot examples)."""
        return self.prompt(_joined([*before, *messages(interview, FORM)]))

    def _plan(self, items: tuple[Item, ...]) -> tuple[ItemPlan, ...]:
        return tuple(self._item(item) for item in items)

    def answer(self, transcript: Transcript) -> list[int]:
        """Tokens of the assistant's turn of a transcript, with the token that ends it."""
        tokens: list[int] = []
        for plan in self.plan(transcript.interview.items):
            if plan.item.digits:
                tokens += self._behind_line(f"{line_cue(plan.item)}{transcript.label(plan.item)}\n")
                continue
            tokens += plan.forced
            tokens += plan.tree.options[plan.item.code(transcript.answers[plan.item.name])]
        return [*tokens, self.end]

    @property
    def end(self) -> int:
        """The token that ends the assistant's turn."""
        end = self.tokenizer.eos_token_id
        if end is None:
            raise ModelError("the tokenizer names no end-of-text token (eos_token)")
        return int(end)

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _behind_line(self, text: str) -> list[int]:
        """Tokens of ``text`` at the start of a line, where tokenizers put no space of their own."""
        feed, whole = self._tokens("\n"), self._tokens("\n" + text)
        return whole[len(feed) :] if whole[: len(feed)] == feed else self._tokens(text)

    def _encode_item(self, item: Item) -> ItemPlan:
        cue = line_cue(item)
        lines = [self._behind_line(f"{cue}{label}\n") for label in item.labels]
        start = self._behind_line(cue.rstrip())
        clean = bool(start) and all(line[: len(start)] == start for line in lines)
        forced = len(start) if clean else min(common_prefix(lines), min(map(len, lines)) - 1)
        options = tuple(tuple(line[forced:]) for line in lines)
        self._check(item, forced, options)
        return ItemPlan(item, tuple(lines[0][:forced]), OptionTree(options))

    def _check(self, item: Item, forced: int, options: tuple[tuple[int, ...], ...]) -> None:
        """ModelError unless the options can be told apart token by token."""
        fault = ""
        unknown = getattr(self.tokenizer, "unk_token_id", None)
        if forced < 1 or not all(options):
            fault = "the text before its options has no token of its own"
        for a, first in enumerate(options):
            if unknown is not None and unknown in first and unknown != self.tokenizer.eos_token_id:
                fault = f"option {item.labels[a]!r} holds characters the tokenizer does not know"
            for b, second in enumerate(options):
                if a != b and second[: len(first)] == first:
                    fault = f"options {item.labels[a]!r} and {item.labels[b]!r} cannot be told apart"
        if fault:
            raise ModelError(
                f"this model's tokenizer splits the options of item {item.name!r} ambiguously: {fault}. "
                "Choose other option labels or another model."
            )


def common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences have in common at their start."""
    ordered = sorted(map(tuple, sequences))
    first, last = ordered[0], ordered[-1]  # in lexical order these two differ first
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return shared


def render(tokenizer: Any, asked: Sequence[Message], has_system: bool) -> str:
    """Messages as text, by the model's chat template, else plainly.

    The plain form: every message's content, separated by blank lines, and a last line ``Answers:``.
    """
    if tokenizer.chat_template is None:
        parts = [turn["content"].rstrip("\n") for turn in asked]
        bos = tokenizer.bos_token or ""
        return bos + "\n\n".join(parts) + "\n\nAnswers:\n"
    turns = list(asked)
    if not has_system and turns[0]["role"] == "system":
        opening = f"{turns[0]['content']}\n\n{turns[1]['content']}"
        turns = [{"role": "user", "content": opening}, *turns[2:]]
    with reading("the chat template of this model cannot be used"):
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _takes_system(tokenizer: Any, shots: bool) -> bool:
    """Whether the chat template has a place for a system message (some raise, some drop it).

    ModelError where it loses what a user says, or with ``shots`` what an assistant said before.
    """
    if tokenizer.chat_template is None:
        return True
    turns = ("user", "assistant", "user") if shots else ("user",)
    for system in (True, False):
        if _carries(tokenizer, ("system", *turns) if system else turns):
            return system
    raise ModelError(
        f"the chat template of this model cannot be used: it fails, or loses the words of one of {', '.join(turns)}. "
        "Choose an instruct model with a working template, or remove the template to have messages written plainly."
    )


def _carries(tokenizer: Any, roles: Sequence[str]) -> bool:
    """Whether what each role says is in the text that the chat template makes."""
    words = [f"PROBE{place}OF{role}" for place, role in enumerate(roles)]
    turns = [{"role": role, "content": said} for role, said in zip(roles, words, strict=True)]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except Exception:  # noqa: BLE001 - a template is somebody else's program
        return False
    return all(said in text for said in words)


def _joined(turns: Sequence[Message]) -> list[Message]:
    """One system message at the front: a later one opens the user turn that follows it, where it is new."""
    joined: list[Message] = []
    said, pending = "", ""
    for turn in turns:
        if turn["role"] == "system" and joined:
            pending = "" if turn["content"] == said else f"{turn['content']}\n\n"
            said = turn["content"]
        else:
            said = turn["content"] if turn["role"] == "system" else said
            joined.append({"role": turn["role"], "content": pending + turn["content"]})
            pending = ""
    return joined
