"""The shelf: real experiments with real people, each chosen by one word."""

from __future__ import annotations

from simbench.experiments.studies import Study, studies
from simbench.plugin.marker import hookimpl
from simbench_studies.game import VoluntaryCollaboration
from simbench_studies.trust import TrustGame

__all__ = ["TrustGame", "VoluntaryCollaboration", "simbench_experiments"]


@hookimpl
def simbench_experiments() -> tuple[type[Study], ...]:
    """Every YAML file of this folder; in Python, what YAML cannot say of them."""
    return studies(__name__, TrustGame, VoluntaryCollaboration)
