"""What the four kinds of parts (experiment, sampler, backend, metric) have in common."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from simbench.settings import NoConfig

if TYPE_CHECKING:  # a default is Python 3.13's; type checkers know it from this package, which need not be installed
    from typing_extensions import TypeVar

    C = TypeVar("C", default=NoConfig)
else:
    from typing import TypeVar

    C = TypeVar("C")

__all__ = ["C", "Part"]


class Part(ABC, Generic[C]):
    """Chosen by its ``name``; ``Config`` is the dataclass of its settings, ``config`` those that it was made with."""

    name: ClassVar[str]
    Config: ClassVar[type[Any]] = NoConfig

    def __init__(self, config: C) -> None:
        self.config = config
