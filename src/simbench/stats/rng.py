"""Independent streams of random numbers, by name.

One seed serves a whole run; every part of it draws from a stream of its own, so that adding a metric
or a resample somewhere does not shift the numbers anywhere else.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

__all__ = ["generator"]


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """Return the generator of the stream named by ``keys`` under ``seed``.

    The same seed and keys give the same numbers in every process, on every platform and under every
    ``PYTHONHASHSEED``: the entropy is the SHA-256 of the canonical JSON of ``[seed, *keys]``, and the bit
    generator is named (PCG64), so a new default in numpy changes nothing. ``1`` and ``"1"`` are different
    keys, and so are ``("ab", "c")`` and ``("a", "bc")``.

    Raises:
        TypeError: a seed or key that is neither an integer nor a string.
    """
    parts: list[str | int] = [_plain(seed), *(_plain(key) for key in keys)]
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def _plain(key: str | int) -> str | int:
    if isinstance(key, str):
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return int(key)
    raise TypeError(f"a stream is named by strings and integers, found {type(key).__name__}: {key!r}")
