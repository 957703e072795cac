"""What the four kinds of parts (experiment, sampler, backend, metric) have in common."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar, Generic, TypeVar

from simbench.settings import NoConfig

__all__ = ["C", "Part"]

C = TypeVar("C")


class Part(ABC, Generic[C]):
    """Chosen by its ``name``; ``Config`` is the dataclass of its settings, ``config`` those that it was made with."""

    name: ClassVar[str]
    Config: ClassVar[type[Any]] = NoConfig

    def __init__(self, config: C) -> None:
        self.config = config
