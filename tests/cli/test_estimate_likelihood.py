"""estimate: what looking up real answers takes is in it, where that will be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from simbench.cli import main

PLUGIN = '''
from simbench import Backend, hookimpl
from simbench.backends.base import Estimate


class Counting(Backend):
    """Ten tokens an interview, at a cent each."""

    name = "counting"
    scores_for_money = True

    def estimate(self, pilot, interviews):
        n = 10 * len(interviews)
        return Estimate("counted", input_tokens=(n, 2 * n), cost=(0.01 * n, 0.02 * n))

    def adapt(self, pilot, workspace):
        raise NotImplementedError

    def respond(self, model, interviews, workspace):
        yield from ()


class Scoring(Counting):
    """The same, and can say how likely it finds answers."""

    name = "scoring"

    def score(self, model, transcripts, workspace):
        yield from ()


@hookimpl
def simbench_backends():
    return (Counting, Scoring)
'''


@pytest.mark.parametrize(
    ("words", "times"),
    [
        ("scoring likelihood=true", 2),
        ("scoring likelihood=false", 1),
        ("scoring", 1),
        ("counting likelihood=true", 1),
    ],
)
def test_scoring_is_counted_where_it_is_asked_for_and_can_be_had(
    words: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everybody outside the pilot of 100 is asked, and, with likelihood=true, looked up: twice the tokens."""
    (tmp_path / "simbench_plugins.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    name, *more = words.split()
    asked = ["experiment=information_disclosure", f"backend={name}", "sampler=random", "sampler.n=100", *more]
    assert main(["estimate", *asked]) == 0
    said = capsys.readouterr().out
    tokens = 10 * 829 * times
    assert f"{tokens:,}" in said
    assert ("looking up what 829 people" in said) == (times == 2)
    if times == 2:
        assert "8,290 to 16,580 input tokens" in said
        assert "82.9000 to 165.8000 US dollars" in said
