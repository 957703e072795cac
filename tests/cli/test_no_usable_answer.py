"""A run whose answers all went wrong says so, with the commonest reason, and does not end with exit code 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Command = Callable[..., CompletedProcess[str]]
PLUGIN = '''
from dataclasses import dataclass

from simbench import Answer, Backend, Model, hookimpl, setting


@dataclass(frozen=True)
class Settings:
    ends: str = setting("failed", "status of all answers but the last tenth")
    rest: str = setting("failed", "status of the others")


class Wrong(Backend):
    """Answers badly."""

    name = "wrong"
    Config = Settings

    def adapt(self, pilot, workspace):
        return Model("test", "wrong")

    def respond(self, model, interviews, workspace):
        for number, each in enumerate(interviews):
            status = self.config.ends if number % 10 else self.config.rest
            answers = {item.name: item.values[0] for item in each.items} if status == "ok" else {}
            yield Answer(*each.key, status, answers, error=None if status == "ok" else f"reason\\n{number % 10 > 1}")


@hookimpl
def simbench_backends():
    return (Wrong,)
'''
QUICK = ("scoring.resamples=5", "scoring.splits=2", "scoring.floors=1", "sampler=none", "backend=wrong")


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path) -> None:
    (tmp_path / "simbench_plugins.py").write_text(PLUGIN)


@pytest.mark.parametrize("status", ["invalid", "failed"])
def test_no_answer_can_be_used(command: Command, status: str) -> None:
    for _ in range(2):  # told again by the same command
        words = (f"backend.ends={status}", f"backend.rest={status}", "metric=js_distance")
        done = command(*QUICK, *words, "scoring.interval=bca", "report=false")
        assert done.returncode == 1
        assert f"no answer can be used (0 ok, {929 * (status == 'invalid')} invalid" in done.stderr
        assert ("retry_failed=true" in done.stderr) == (status == "failed")
        assert "Traceback" not in done.stderr
        assert f"{status}, most often (743 of 929): reason True" in done.stdout


def test_some_answers_can(command: Command) -> None:
    done = command(*QUICK, "backend.rest=ok", "metric=js_distance", "report=false")
    assert (done.returncode, done.stderr.count("simbench: ")) == (0, 0)
    assert "answers: 93 ok, 0 invalid, 0 refused, 836 failed" in done.stdout
    assert "failed, most often (743 of 836): reason True" in done.stdout


def test_a_sweep_tells_of_the_run_without_answers(command: Command) -> None:
    done = command("-m", *QUICK, "backend.rest=ok,failed", "metric=js_distance")
    assert done.returncode == 1
    assert "failed: #1 " in done.stderr
    assert "no answer can be used" in done.stderr
    assert json.loads(command("status", "--json").stdout)["counts"]["done"] == 2
