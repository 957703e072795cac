"""What the fuzz tests share: the command line in this process, and a study so small that a run takes a moment.

Every case must end in exit code 0 or 2 with a line of words, never in a traceback, and leave nothing behind that
was not asked for. Each test but those with ``@given`` is one case or several; each ``@given`` makes up 40 more.
``SIMBENCH_FUZZ=long python -m pytest tests/fuzz`` makes up 2,000 of each, in under ten minutes;
``python -m pytest --collect-only -q tests/fuzz`` counts the tests.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from simbench.cli import main

LENIENT = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much)
settings.register_profile("short", max_examples=40, deadline=None, suppress_health_check=LENIENT)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=LENIENT)
settings.load_profile(os.environ.get("SIMBENCH_FUZZ", "short"))

STUDY = """
name: tiny
introduction: A survey.
vignettes: "Your arm: {arm}."
factors: {arm: {a: first, b: second}}
profile: {age: {bins: [40]}, home: {levels: [north, south]}}
items:
  hope: {role: belief, text: "How much hope?", options: [0, 1, 2]}
  give: {role: decision, text: "Do you give?", options: {0: "no", 1: "yes"}}
coherence: (hope >= 1) == (give == 1)
regressions: ["hope ~ arm + age", {formula: give ~ arm + hope, family: logit}]
data: tiny.csv
"""
QUICK = ("scoring.resamples=10", "scoring.splits=2", "scoring.floors=2", "scoring.baseline_resamples=5")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and all that it printed."""

    code: int
    text: str


CommandLine = Callable[..., Ended]


def people(n: int = 60) -> pd.DataFrame:
    """Made-up people of the tiny study."""
    rng = np.random.default_rng(4)
    hope = rng.integers(0, 3, n)
    return pd.DataFrame(
        {
            "participant_id": [f"p{number}" for number in range(n)],
            "arm": np.array(["a", "b"])[np.arange(n) % 2],
            "age": rng.integers(18, 80, n),
            "home": rng.choice(["north", "south"], n),
            "hope": hope,
            "give": (rng.random(n) < 0.3 + 0.2 * hope).astype(int),
        }
    )


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the tiny study, as the current one."""
    (tmp_path / "tiny.yaml").write_text(STUDY)
    people().to_csv(tmp_path / "tiny.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command_line(capfd: pytest.CaptureFixture[str]) -> CommandLine:
    """Carry out one command in this process; fails on a traceback or another exit code than 0 or 2."""

    def run(*words: str) -> Ended:
        capfd.readouterr()
        code: object = 0
        logging.getLogger().handlers.clear()  # Hydra's write to the streams of the command before this one
        with contextlib.chdir("."):
            try:
                code = main(list(words))
            except SystemExit as stop:  # argparse
                code = stop.code
        out, err = capfd.readouterr()
        text = out + err
        assert "Traceback" not in text, f"{words}: {text[-2000:]}"
        assert code in (0, 2, None), f"{words}: exit code {code}: {text[-500:]}"
        return Ended(int(code or 0), text)  # type: ignore[call-overload]

    return run
