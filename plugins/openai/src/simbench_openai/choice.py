"""Exact probabilities of an item's options, from a server that scores texts: vLLM and SGLang.

The prompt and the answer's lines become tokens by the server's own chat template and tokenizer (``/tokenize``), as
those of the backend ``local``: prompt, earlier lines and line are tokenised apart, so that the numbers are the same.
The log probabilities of an option's tokens are summed along the option, line feed included, which tells ``5`` from
``50``. They come in one of two ways, by ``/completions``:

* Where a server takes ``logprob_token_ids`` (vLLM), one token is asked for behind the prompt and behind every
  beginning of an option, with the log probabilities of the tokens that can follow. The server's prefix cache holds
  the prompt, which is read once.
* Else every option is sent behind the prompt, and ``echo`` gives the log probability of each of its tokens: the
  prompt is read once per option.
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
        self._follows = True  # whether the server tells of tokens by their ids, as far as is known

    async def chances(self, body: Mapping[str, Any]) -> Reply:
        """Probabilities (k,) of the labels, and the share of the model's own that lies on them."""
        more = {name: value for name, value in body.items() if name not in SCORED}
        named = {"model": body["model"], **more}
        prompt = [*await self._prompt(body["messages"], named)]
        for line in body["before"]:
            prompt += await self._line(line, named)
        forced, options = await self._options(body["cue"], body["labels"], named)
        named = {**named, "temperature": 1.0, "max_tokens": 1, "logprobs": 1}
        summed, said = await (self._followed if self._follows else self._echoed)(prompt, forced, options, named)
        if summed is None:
            self._follows = False
            summed, said = await self._echoed(prompt, forced, options, named)
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

    async def _followed(
        self, prompt: Sequence[int], forced: int, options: Sequence[Sequence[int]], named: Mapping[str, Any]
    ) -> tuple[list[float] | None, Mapping[str, Any]]:
        """Log probabilities (k,) of the options from what can follow each of their beginnings, or None."""
        follow: dict[tuple[int, ...], set[int]] = {}
        for option in options:
            for at in range(forced, len(option)):
                follow.setdefault(tuple(option[:at]), set()).add(option[at])
        wanted = sorted(set().union(*follow.values()))
        asked = {"prompt": [[*prompt, *each] for each in follow], "logprob_token_ids": wanted}
        said = await self._post("/completions", {**named, **asked, "return_tokens_as_token_ids": True})
        told: dict[tuple[int, ...], float] = {}
        for choice, (start, tokens) in zip(_in_order(said), follow.items(), strict=True):
            listed = (choice["logprobs"].get("top_logprobs") or [{}])[0] or {}
            if not {f"token_id:{each}" for each in tokens} <= set(listed):
                return None, said
            told |= {(*start, each): float(listed[f"token_id:{each}"]) for each in tokens}
        return [sum(told[tuple(each[: at + 1])] for at in range(forced, len(each))) for each in options], said

    async def _echoed(
        self, prompt: Sequence[int], forced: int, options: Sequence[Sequence[int]], named: Mapping[str, Any]
    ) -> tuple[list[float], Mapping[str, Any]]:
        """Log probabilities (k,) of the options, each read whole behind the prompt."""
        asked = {"prompt": [[*prompt, *each] for each in options], "echo": True}
        said = await self._post("/completions", {**named, **asked})
        start = len(prompt) + forced
        ends = [len(prompt) + len(option) for option in options]
        return [_along(choice, start, end) for choice, end in zip(_in_order(said), ends, strict=True)], said

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
