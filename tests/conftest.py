"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # time is measured in benchmarks/, not asserted here
settings.load_profile("patient")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads of torch spin against each other on small models
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # ppi-python compiles for longer than it runs our small cases

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run ``python -m simbench WORDS`` in an empty folder, as a user would."""

    def run(
        *words: str, cwd: Path = tmp_path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "simbench", *words],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
