"""simbench backend ``local``: open models on this machine, adapted by LoRA, asked by option probabilities.

Importing this imports neither torch nor transformers nor peft: they come with the first model.
"""

from __future__ import annotations

from simbench.plugin.marker import hookimpl
from simbench_local.backend import Local
from simbench_local.config import LocalConfig

__all__ = ["Local", "LocalConfig", "simbench_backends"]


@hookimpl
def simbench_backends() -> tuple[type[Local]]:
    """Register the backend."""
    return (Local,)
