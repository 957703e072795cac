"""A design as plain JSON, and back: what a run keeps of the study it asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from simbench.design.design import Design
from simbench.design.words import Factor, Item, Option, Profile, Regression
from simbench.errors import SimbenchError, StorageError

__all__ = ["design_from_json", "design_to_json"]

PARTS: Mapping[str, type[Any]] = {
    "factors": Factor,
    "profile": Profile,
    "items": Item,
    "options": Option,
    "regressions": Regression,
}


def design_to_json(design: Design) -> dict[str, Any]:
    """The design in lists, texts, numbers and objects; ``{value: word}`` as a list of pairs, which keeps types.

    Raises TypeError for a level or value that is neither text nor number.
    """
    content: dict[str, Any] = _plain(design)
    return content


def design_from_json(content: Mapping[str, Any]) -> Design:
    """The design that :func:`design_to_json` wrote, equal to it. Raises StorageError for what is none."""
    try:
        found: Design = _made(Design, content)
    except (SimbenchError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise StorageError(f"this is no design of a study, or one of a later version of simbench: {error}") from None
    return found


def _plain(value: Any) -> Any:
    if type(value) in (Design, *PARTS.values()):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, list | tuple | range):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"expected text or a number; found {type(value).__name__} {value!r:.80}")


def _made(cls: type[Any], content: Mapping[str, Any]) -> Any:
    parts: dict[str, Any] = {}
    for name, value in content.items():
        if name in PARTS:
            parts[name] = tuple(_made(PARTS[name], each) for each in value)
        else:
            worded = name == "levels" and value is not None and any(isinstance(each, list) for each in value)
            parts[name] = dict(value) if worded else _tuples(value)
    return cls(**parts)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
