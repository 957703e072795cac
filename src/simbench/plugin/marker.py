"""The marker with which a plugin registers: ``from simbench import hookimpl``."""

from __future__ import annotations

import pluggy

__all__ = ["PLUGIN_API", "PROJECT", "hookimpl", "hookspec"]

PROJECT = "simbench"
PLUGIN_API = 1
"""Version of the contracts of the four kinds. A plugin says ``PLUGIN_API = 1``: the number, not this name."""
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
