"""How many tokens a text is, without the provider's tokenizer: a range.

Two counts. By bytes, quick and wide: a byte-pair tokenizer makes about one token of 3 to 5 bytes of UTF-8 in the
languages it was trained on; reservations and limits use it. By pieces, closer: such tokenizers first cut a text into
words, numbers of up to three digits, marks and ends of lines, and most of these are one token; estimates use it. Of
interviews in English OpenAI's o200k_base and cl100k_base make 1.00 to 1.03 tokens a piece (benchmarks/RESULTS.md).
What is billed and recorded is the provider's own count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from simbench.design import Item
from simbench.interview import Message

__all__ = [
    "ORDINARY",
    "PER_MESSAGE",
    "answer_tokens",
    "message_pieces",
    "message_tokens",
    "pieces",
    "readings",
    "text_tokens",
]

PER_MESSAGE = 4  # role and separators of a chat message, at most; 3 for some models
LOW_BYTES, HIGH_BYTES = 4.4, 3.0  # bytes a token holds: many, few; 3.1 to 4.3 were seen in English interviews


def text_tokens(text: str) -> tuple[int, int]:
    """Fewest and most tokens a text is likely to be."""
    size = len(text.encode("utf-8", "replace"))
    return int(size / LOW_BYTES), int(size / HIGH_BYTES) + 1


def message_tokens(messages: Iterable[Message]) -> tuple[int, int]:
    """Fewest and most tokens that chat messages are likely to be."""
    low = high = 0
    for message in messages:
        least, most = text_tokens(message["content"])
        low, high = low + least + PER_MESSAGE, high + most + PER_MESSAGE
    return low, high


_PIECE = re.compile(
    r"(?:[^\w\n]|_)?[^\W\d_]+(?:'[a-z]{1,2}\b)?"  # a word with what stands before it
    r"|\d{1,3}| ?(?:[^\w\s]|_)+\n*|\s*\n|\s+(?!\S)|\s"
)
LONG, MORE = 9, 8  # letters of a word that are surely one token with the space before it; and of each further one
ELSEWHERE = (9.0, 2.7)  # bytes a token holds in words beyond ASCII: many, few
ORDINARY = (0.9, 1.25)  # tokens that tokenizers of which nothing more is known make of a piece: fewest, most


@lru_cache(1024)
def pieces(text: str) -> tuple[float, float]:
    """Pieces of a text, about one token each: fewest and most, which differ in languages beyond ASCII alone."""
    low = high = 0.0
    for piece in _PIECE.findall(text):
        if piece.isascii():
            count = 1.0 + max(0, len(piece) - LONG) / MORE
            low, high = low + count, high + count
        else:
            size = len(piece.encode("utf-8", "replace"))
            low, high = low + max(1.0, size / ELSEWHERE[0]), high + max(1.0, size / ELSEWHERE[1])
    return low, high


def message_pieces(messages: Iterable[Message]) -> tuple[float, float]:
    """Fewest and most pieces of chat messages, those of roles and separators included."""
    low = high = 0.0
    for message in messages:
        least, most = pieces(message["content"])
        low, high = low + least + PER_MESSAGE - 1, high + most + PER_MESSAGE
    return low, high


def answer_tokens(items: Sequence[Item], form: str) -> tuple[int, int]:
    """Fewest and most tokens of a valid answer to ``items``: the shortest and the longest labels."""
    texts: Mapping[bool, list[str]] = {False: [], True: []}
    for item in items:
        by_size = sorted(item.labels, key=lambda label: len(label.encode()))
        texts[False].append(by_size[0])
        texts[True].append(by_size[-1])
    around = 0 if form == "turns" else sum(len(item.name.encode()) + 8 for item in items)
    low = (sum(len(label.encode()) for label in texts[False]) + around) / LOW_BYTES
    high = (sum(len(label.encode()) for label in texts[True]) + around) / HIGH_BYTES
    return max(len(items), int(low)), int(high) + 2 * len(items) + 8


def readings(item: Item) -> tuple[int, int]:
    """How often a server that scores texts reads a prompt for the probabilities of an item's options.

    Once per option at least; at most once per beginning of an option, a token each.
    """
    return len(item.labels), sum(text_tokens(label)[1] + 1 for label in item.labels)
