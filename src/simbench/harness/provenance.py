"""What a result depends on, and the identity of a run that follows from it."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from simbench.files import canonical
from simbench.interview import Interview

__all__ = ["environment", "interviews_digest"]

CORE = ("numpy", "pandas", "scipy", "statsmodels")
PACKAGES = (*CORE, "torch", "transformers", "peft", "simbench-api", "openai", "anthropic")


def interviews_digest(interviews: Iterable[Interview]) -> str:
    """sha256 over every word that interviews consist of."""
    total = hashlib.sha256()
    for each in interviews:
        items = [[i.name, i.role, i.text, list(i.values), list(i.labels)] for i in each.items]
        total.update(canonical([*each.key, each.shared, each.persona, items]).encode())
    return total.hexdigest()


def environment(plugins: Mapping[str, str], scorers: Mapping[str, str]) -> dict[str, Any]:
    """Versions, platform and git state, for the manifest."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "plugins": dict(plugins),
        "scorers": dict(scorers),
        "git": _git(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """Commit and state of the repository of the current folder, or None outside of one."""
    try:
        commit = _ask_git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_ask_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _ask_git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
