"""The four hooks, one per kind. Each returns classes; it must import nothing heavy to do so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simbench.plugin.marker import hookspec

__all__ = ["KINDS", "simbench_backends", "simbench_experiments", "simbench_metrics", "simbench_samplers"]

KINDS = ("experiment", "sampler", "backend", "metric")


@hookspec
def simbench_experiments() -> Sequence[type[Any]]:
    """Return subclasses of :class:`simbench.Experiment`."""
    return ()


@hookspec
def simbench_samplers() -> Sequence[type[Any]]:
    """Return subclasses of :class:`simbench.Sampler`."""
    return ()


@hookspec
def simbench_backends() -> Sequence[type[Any]]:
    """Return subclasses of :class:`simbench.Backend`."""
    return ()


@hookspec
def simbench_metrics() -> Sequence[type[Any]]:
    """Return subclasses of :class:`simbench.Metric`."""
    return ()
