"""The backend ``openai``: OpenAI's API, and servers that speak the same protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simbench import hookimpl

__all__ = ["simbench_backends"]


@hookimpl
def simbench_backends() -> Sequence[type[Any]]:
    """Offer the backend ``openai``."""
    from simbench_openai.backend import OpenAI

    return [OpenAI]
