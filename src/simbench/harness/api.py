"""simbench without a command line."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from simbench.harness.config import assemble
from simbench.harness.progress import Silent
from simbench.harness.run import Run
from simbench.harness.run import run as carry_out
from simbench.plugin.manager import load_plugins

__all__ = ["run"]


def run(
    experiment: str | Mapping[str, Any] = "information_disclosure",
    backend: str | Mapping[str, Any] = "local",
    sampler: str | Mapping[str, Any] = "balanced",
    **settings: Any,
) -> Run:
    """Carry out one run and return it; ``.scores`` is a DataFrame.

    A plugin is given by name, or as a mapping with its settings:
    ``run("framing", backend="uniform", sampler={"name": "balanced", "n": 60}, seed=1)``. The other settings
    are those of the command line (``evaluate``, ``seed``, ``replicates``, ``out``, ``metric``, ...), groups
    of settings as mappings (``scoring={"resamples": 200}``).

    Raises:
        simbench.errors.UserError: bad settings, data or pilot, before anything is spent.
    """
    config = {"experiment": experiment, "backend": backend, "sampler": sampler, **settings}
    registry = load_plugins()
    for lost in registry.broken:
        warnings.warn(str(lost), UserWarning, stacklevel=2)
    return carry_out(assemble(config, registry), Silent())
