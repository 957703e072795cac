"""Exact probabilities of an item's options, from a server that scores texts: vLLM and SGLang.

The prompt and the answer's lines become tokens by the server's own chat template and tokenizer (``/tokenize``). Every
option is sent behind the prompt (``/completions`` with ``echo``) and comes back with the log probability of each of
its tokens; these are summed along the option, line feed included, which tells ``5`` from ``50``. The tokens are those
of the backend ``local``: prompt, earlier lines and line are tokenised apart, so that the numbers are the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from simbench_api import Reply, Trouble

__all__ = ["SCORED", "Scorer"]

SCORED = (
    "model",
    "item",
    "messages",
    "before",
    "cue",
    "labels",
)  # the fields of a body that asks for an item's options
Post = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
KEPT = 4096  # prompts whose tokens are remembered
IMPOSSIBLE = -9000.0  # servers write -9999 for what has no probability at all


class Scorer:
    """Asks a server for the probabilities of options. ``post`` sends a body to a path and returns what comes.

    ``root`` is the server's address without ``/v1``, where its tokenizer answers.
    """

    def __init__(self, post: Post, root: str) -> None:
        self._post = post
        self._root = root
        self._lines: dict[str, Sequence[int]] = {}
        self._prompts: dict[str, Sequence[int]] = {}

    async def chances(self, body: Mapping[str, Any]) -> Reply:
        """Probabilities (k,) of the labels, and the share of the model's own that lies on them."""
        more = {name: value for name, value in body.items() if name not in SCORED}
        named = {"model": body["model"], **more}
        prompt = [*await self._prompt(body["messages"], named)]
        for line in body["before"]:
            prompt += await self._line(line, named)
        forced, options = await self._options(body["cue"], body["labels"], named)
        request = {"prompt": [[*prompt, *each] for each in options], "echo": True, "logprobs": 1, "max_tokens": 1}
        said = await self._post("/completions", {**named, "temperature": 1.0, **request})
        start = len(prompt) + forced
        summed = [
            _along(choice, start, len(prompt) + len(option))
            for choice, option in zip(_in_order(said), options, strict=True)
        ]
        most = max(summed)
        if not math.isfinite(most) or most < IMPOSSIBLE:
            raise Trouble("rejected", f"the server gives no option of {body['item']!r} a probability")
        weights = [math.exp(each - most) for each in summed]
        mass = math.exp(most) * sum(weights)
        found = [[each / sum(weights) for each in weights], min(1.0, mass)]
        usage = said.get("usage") or {}
        counts = {"input": usage.get("prompt_tokens"), "output": usage.get("completion_tokens")}
        kept = {name: int(count) for name, count in counts.items() if count}
        return Reply("ok", usage=kept, model=said.get("model"), chances={body["item"]: found})

    async def _prompt(self, messages: Sequence[Mapping[str, str]], named: Mapping[str, Any]) -> Sequence[int]:
        """Tokens up to where the model's own words begin."""
        key = json.dumps(messages)
        if key not in self._prompts:
            found = await self._tokens({**named, "messages": list(messages), "add_generation_prompt": True})
            while len(self._prompts) >= KEPT:
                self._prompts.pop(next(iter(self._prompts)))
            self._prompts[key] = found
        return self._prompts[key]

    async def _text(self, text: str, named: Mapping[str, Any]) -> Sequence[int]:
        if text not in self._lines:
            self._lines[text] = await self._tokens({**named, "prompt": text, "add_special_tokens": False})
        return self._lines[text]

    async def _tokens(self, body: Mapping[str, Any]) -> Sequence[int]:
        found = (await self._post(f"{self._root}/tokenize", body))["tokens"]
        if not all(isinstance(each, int) for each in found):
            raise TypeError("tokens that are no integers")
        return list(found)

    async def _line(self, text: str, named: Mapping[str, Any]) -> Sequence[int]:
        """Tokens of a text at the start of a line, where tokenizers put no space of their own."""
        feed, whole = await self._text("\n", named), await self._text(f"\n{text}", named)
        return whole[len(feed) :] if whole[: len(feed)] == feed else await self._text(text, named)

    async def _options(
        self, cue: str, labels: Sequence[str], named: Mapping[str, Any]
    ) -> tuple[int, list[Sequence[int]]]:
        """How many tokens of the lines are forced, and the lines: those of the cue, or what all lines begin with."""
        lines = [await self._line(f"{cue}{label}\n", named) for label in labels]
        start = await self._line(cue.rstrip(), named)
        clean = bool(start) and all(line[: len(start)] == start for line in lines)
        forced = len(start) if clean else min(_common(lines), min(map(len, lines)) - 1)
        for label, line in zip(labels, lines, strict=True):
            if len(line) <= forced or any(line != other and other[: len(line)] == line for other in lines):
                raise Trouble("unsupported", f"the server's tokenizer cannot tell the option {label!r} from another")
        return forced, lines


def _common(lines: Sequence[Sequence[int]]) -> int:
    """How many tokens all lines begin with."""
    return next(
        (at for at, column in enumerate(zip(*lines, strict=False)) if len(set(column)) > 1), min(map(len, lines))
    )


def _in_order(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(said["choices"], key=lambda choice: int(choice["index"]))


def _along(choice: Mapping[str, Any], start: int, end: int) -> float:
    """Sum of the log probabilities of the prompt's tokens from ``start`` to ``end``; one more may stand behind."""
    told = choice["logprobs"]["token_logprobs"]
    if len(told) not in (end, end + 1):
        raise ValueError(f"log probabilities of {len(told)} tokens for a prompt of {end}")
    return float(sum(told[start:end]))
