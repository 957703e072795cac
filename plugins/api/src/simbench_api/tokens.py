"""How many tokens a text is, without the provider's tokenizer: a range.

A byte-pair tokenizer makes about one token of 3 to 5 bytes of UTF-8 in the languages it was trained on. The
range is for estimates and reservations; what is billed and recorded is the provider's own count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from simbench.design import Item
from simbench.interview import Message

__all__ = ["PER_MESSAGE", "answer_tokens", "message_tokens", "text_tokens"]

PER_MESSAGE = 4  # role and separators of a chat message
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
