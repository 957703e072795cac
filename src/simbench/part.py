"""What the four kinds of parts (experiment, sampler, backend, metric) have in common."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar, Generic, TypeVar

from simbench.settings import NoSettings

__all__ = ["C", "Part"]

C = TypeVar("C")


class Part(ABC, Generic[C]):
    """Has a ``name`` by which it is chosen, and settings: ``Config`` is their frozen dataclass, ``config`` one of it."""

    name: ClassVar[str]
    Config: ClassVar[type[Any]] = NoSettings

    def __init__(self, config: C) -> None:
        self.config = config
