"""simbench experiment ``framing``: news about immigration, read and answered by 265 real people."""

from __future__ import annotations

from simbench.plugin.marker import hookimpl
from simbench_framing.experiment import Framing

__all__ = ["Framing", "simbench_experiments"]


@hookimpl
def simbench_experiments() -> tuple[type[Framing]]:
    """Register the experiment."""
    return (Framing,)
