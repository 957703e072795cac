"""The first words that anybody types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simbench.cli import demo, launch, main
from simbench.cli.verbs import VERBS


def test_no_word_is_a_short_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    said = capsys.readouterr().out
    commands = re.findall(r"^  simbench (\S+)", said, flags=re.MULTILINE)
    assert len(commands) == 3
    assert all(word in VERBS or "=" in word for word in commands)
    assert len(said.splitlines()) < 16
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "blocked", "job", "lacking"),
    [
        ([], "", ["experiment=framing", "backend=local", "backend.adapt=blend", "sampler=balanced"], []),
        (
            ["backend=uniform", "seed=1"],
            "",
            ["experiment=framing", "sampler=balanced", "backend=uniform", "seed=1"],
            [],
        ),
        (
            ["seed=1"],
            "simbench-local",
            ["experiment=framing", "backend=tabular", "sampler=balanced", "seed=1"],
            ["local"],
        ),
    ],
)
def test_the_demo_is_a_run_in_plain_words(
    given: list[str],
    blocked: str,
    job: list[str],
    lacking: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[list[str]] = []
    monkeypatch.setattr(launch, "run_hydra", lambda words: done.append(words) or 3)
    monkeypatch.setenv("SIMBENCH_DISABLE_PLUGINS", blocked)
    assert demo.main(given) == 3
    assert done == [job]
    said = capsys.readouterr().out
    assert f"simbench {' '.join(job)}" in said
    assert re.findall(r"pip install simbench-(\w+)", said) == lacking
