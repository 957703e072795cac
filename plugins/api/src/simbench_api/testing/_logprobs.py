"""Token log probabilities of a stand-in answer, exact under its own distribution."""

from __future__ import annotations

import math
from typing import Any

from simbench_api.testing._answers import Reply, tokens_of

__all__ = ["content_logprobs"]

UNLIKELY = -9999.0  # the provider's own sign for "not among the likely ones"


def content_logprobs(reply: Reply, top: int) -> list[dict[str, Any]]:
    """``choices[].logprobs.content``: one entry per token, with ``top`` alternatives at most."""
    entries: list[dict[str, Any]] = []
    ending: dict[str, float] = {}  # probability that a longer option goes on after a finished choice
    for piece in reply.pieces:
        if piece.options:
            chosen, ending = _choice_entries(piece.text, piece.options, piece.probabilities, top)
            entries += chosen
            continue
        for token in tokens_of(piece.text):
            others = {**ending, token: 1.0 - sum(ending.values())}
            entries.append(_entry(token, others, top))
            ending = {}
    return entries


def _choice_entries(
    text: str, options: tuple[str, ...], probabilities: tuple[float, ...], top: int
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Entries of a chosen option, and what a token after it would be had a longer option been chosen."""
    paths = [(tokens_of(option), p) for option, p in zip(options, probabilities)]
    entries = []
    for depth, token in enumerate(tokens_of(text)):
        alternatives = _next_tokens(paths, depth)
        entries.append(_entry(token, alternatives, top))
        paths = [(path, p) for path, p in paths if len(path) > depth and path[depth] == token]
    return entries, _next_tokens(paths, len(tokens_of(text)))


def _next_tokens(paths: list[tuple[list[str], float]], depth: int) -> dict[str, float]:
    total = sum(p for _, p in paths)
    found: dict[str, float] = {}
    for path, p in paths:
        if len(path) > depth:
            found[path[depth]] = found.get(path[depth], 0.0) + (p / total if total else 0.0)
    return found


def _log(p: float) -> float:
    return math.log(p) if p > 0.0 else UNLIKELY


def _word(token: str, p: float) -> dict[str, Any]:
    return {"token": token, "bytes": list(token.encode()), "logprob": _log(p)}


def _entry(token: str, alternatives: dict[str, float], top: int) -> dict[str, Any]:
    ranked = sorted(alternatives.items(), key=lambda pair: -pair[1])[:top]
    return {**_word(token, alternatives[token]), "top_logprobs": [_word(t, p) for t, p in ranked]}
