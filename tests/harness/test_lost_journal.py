"""A finished run whose journal is damaged: nobody is asked again, and all that can be done with a run still can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simbench
from simbench.cli import main
from simbench.harness.run import Run

PLUGIN = '''
from pathlib import Path

from simbench import Answer, Backend, Model, hookimpl


class Counting(Backend):
    """Another answer whenever it is asked, and a note of how often it was."""

    name = "counting"

    def adapt(self, pilot, workspace):
        return Model("test", "counting")

    def respond(self, model, interviews, workspace):
        log = Path("asked.log")
        before = len(log.read_text()) if log.exists() else 0
        for number, each in enumerate(interviews):
            with log.open("a") as file:
                file.write(".")
            answers = {item.name: item.values[(number + (before > 0)) % len(item.values)] for item in each.items}
            yield Answer(*each.key, "ok", answers, text=f"raw {number}")


@hookimpl
def simbench_backends():
    return (Counting,)
'''
SETTINGS = {"scoring": {"resamples": 5, "splits": 2, "floors": 2, "baseline_resamples": 2}, "out": "runs"}


def gone(path: Path) -> None:
    path.unlink()


def broken(path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"x" + lines[1], *lines[2:]]))


def shorter(path: Path) -> None:
    path.write_bytes(b"\n".join([*path.read_bytes().split(b"\n")[:3], b""]))


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def again(metric: str = "js_distance") -> Run:
    return simbench.run("information_disclosure", "counting", "none", metric=[metric], **SETTINGS)


@pytest.mark.parametrize("damage", [gone, broken, shorter, dangling])
def test_answers_stand_without_their_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "simbench_plugins.py").write_text(PLUGIN)
    run = again()
    answers, asked = run.responses, (tmp_path / "asked.log").read_text()
    damage(run.folder / "responses.jsonl")
    assert main(["export", "runs"]) == 2
    assert "responses.jsonl is damaged" in capsys.readouterr().err
    other = again("total_variation")  # scored anew at once, with a damaged journal
    assert other.run_id == run.run_id
    for _ in range(2):
        again()
    assert (tmp_path / "asked.log").read_text() == asked
    assert run.responses.equals(answers)
    assert run.folder.damaged() == []
    assert "damaged" in run.manifest["journal_lost"]
    assert run.manifest["outcomes"]["all"] == {"ok": 929}
    assert main(["export", "runs"]) == 0
    assert main(["score", "runs", "--metric", "js_distance"]) == 0
