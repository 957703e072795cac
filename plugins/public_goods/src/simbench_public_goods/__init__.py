"""simbench experiment ``voluntary_collaboration``: a threshold public goods game, played by 191 people."""

from __future__ import annotations

from simbench.plugin.marker import hookimpl
from simbench_public_goods.experiment import VoluntaryCollaboration, VoluntaryCollaborationConfig

__all__ = ["VoluntaryCollaboration", "VoluntaryCollaborationConfig", "simbench_experiments"]


@hookimpl
def simbench_experiments() -> tuple[type[VoluntaryCollaboration]]:
    """Register the experiment."""
    return (VoluntaryCollaboration,)
