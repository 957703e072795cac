"""The backend ``anthropic``: Anthropic's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simbench import hookimpl

__all__ = ["simbench_backends"]


@hookimpl
def simbench_backends() -> Sequence[type[Any]]:
    """Offer the backend ``anthropic``."""
    from simbench_anthropic.backend import Anthropic

    return [Anthropic]
