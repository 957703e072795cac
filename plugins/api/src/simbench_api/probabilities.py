"""Option probabilities from the token log probabilities of one answer.

Only the token at which an option begins is looked at: there, the provider lists the likeliest tokens with
their probabilities, whichever was drawn. An alternative counts for the one option it can begin. Where that
does not decide, there is no probability rather than a wrong one:

* items with two labels that share their first word, or of which one begins the other, have none (numbers
  excepted: ``1`` and ``10`` are told apart where the list shows ``10`` as a token of its own);
* an answer where more than ``UNDECIDED`` of the probability lies on alternatives that could begin two
  options, or with an option missing from a list that leaves more than that unlisted, has none.

With all questions answered in one text, an item's probabilities are given the answers before it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from simbench.design import Item
from simbench_api.wire import Token

__all__ = ["UNDECIDED", "option_chances"]

UNDECIDED = 0.01
Chances = tuple[list[float], float]


def option_chances(tokens: Sequence[Token], items: Sequence[Item], form: str) -> dict[str, Chances]:
    """``{item: (probabilities (k,) that sum to 1, share of the probability on valid options)}``.

    ``tokens`` are those of the whole answer. Items without a trustworthy answer are left out.
    """
    text = "".join(token for token, _, _ in tokens)
    found = {}
    for item in items:
        labels = [_written(label, form) for label in item.labels]
        start = None if item.digits else _start(text, item, form)
        if start is None or not _distinct(labels):
            continue
        chances = _at(tokens, start, labels, "" if form == "turns" else {"json": '"', "lines": "\n"}[form])
        if chances is not None:
            found[item.name] = chances
    return found


def _written(label: str, form: str) -> str:
    return json.dumps(label, ensure_ascii=False)[1:-1] if form == "json" else label


def _start(text: str, item: Item, form: str) -> int | None:
    """Where the item's answer begins in the text."""
    if form == "turns":
        return len(text) - len(text.lstrip())
    name = re.escape(json.dumps(item.name, ensure_ascii=False) if form == "json" else item.name)
    pattern = rf'{name}\s*:\s*"' if form == "json" else rf"^\s*{name}\s*: *"
    places = list(re.finditer(pattern, text, re.MULTILINE))
    return places[0].end() if len(places) == 1 else None


def _distinct(labels: Sequence[str]) -> bool:
    """Whether every label has a first word of its own, and none begins another unless both are numbers."""
    words = [label.split(" ", 1)[0] for label in labels]
    begun = any(a != b and b.startswith(a) and not (a.isdigit() and b.isdigit()) for a in labels for b in labels)
    return len(set(words)) == len(words) and not begun


def _at(tokens: Sequence[Token], start: int, labels: Sequence[str], end: str) -> Chances | None:
    """Chances of the labels at the token that covers position ``start``."""
    position = 0
    for token, _, alternatives in tokens:
        if position <= start < position + len(token):
            return _weigh(alternatives, token[: start - position], labels, end)
        position += len(token)
    return None


def _weigh(alternatives: Sequence[tuple[str, float]], lead: str, labels: Sequence[str], end: str) -> Chances | None:
    """Chances of the labels from the alternatives of one token, of which ``lead`` precedes the option."""
    blank = not lead.strip()
    said = [(token.lstrip() if blank else token.removeprefix(lead), token, math.exp(p)) for token, p in alternatives]
    whole = {rest for rest, _, _ in said}
    mass, undecided = [0.0] * len(labels), 0.0
    for rest, token, chance in said:
        if not rest:
            undecided += chance  # the option would begin in the token after
        elif blank or token.startswith(lead):
            fits = [i for i, label in enumerate(labels) if _begins(rest, label, end)]
            if len(fits) > 1 and rest in labels:
                fits = [i for i in fits if labels[i] == rest or labels[i] not in whole]
            if len(fits) == 1:
                mass[fits[0]] += chance
            elif fits:
                undecided += chance
    total, listed = sum(mass), sum(chance for _, _, chance in said)
    unseen = 1.0 - listed if 0.0 in mass else 0.0
    if total <= 0.0 or undecided + max(0.0, unseen) > UNDECIDED:
        return None
    return [each / total for each in mass], min(1.0, total)


def _begins(said: str, label: str, end: str) -> bool:
    """Whether a token can begin this label, or hold all of it and what follows it."""
    return label.startswith(said) or said.rstrip() == label or (bool(end) and said.startswith(label + end))
