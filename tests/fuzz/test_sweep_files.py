"""Studies (named sweeps) that somebody else wrote: they set what runs have, or are refused in a line.

Nothing of Hydra's may stand in them, since it would run code.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import QUICK, CommandLine

WORDS = ("experiment=yaml", "experiment.file=tiny.yaml", "sampler=none", *QUICK)
COPY = "{_target_: shutil.copyfile, src: tiny.csv, dst: canary}"
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a callback": (f"settings: {{hydra: {{callbacks: {{x: {COPY}}}}}}}", "no setting 'hydra'"),
    "a callback in a cell": (f"cells: {{a: {{hydra: {{callbacks: {{x: {COPY}}}}}}}}}", "no setting 'hydra'"),
    "a callback swept": (f'sweep: {{"+hydra.callbacks.x": "{COPY}"}}', "no setting '+hydra.callbacks.x'"),
    "a launcher": ("settings: {hydra/launcher: joblib}", "no setting 'hydra/launcher'"),
    "defaults": ("settings: {defaults: [x]}", "no setting 'defaults'"),
    "a tag": ("name: !!python/object/apply:os.system ['touch canary']", "not readable YAML"),
    "a flag": ('sweep: {"-m": 1}', "no setting '-m'"),
    "two words in one": ('sweep: {"seed=1 out": x}', "no setting 'seed=1 out'"),
    "another folder": ("settings: {out: elsewhere}", "no setting 'out'"),
    "another folder swept": ('sweep: {out: "a,b"}', "no setting 'out'"),
    "text": ("hello", "expected a mapping"),
    "nothing": ("", "expected a mapping"),
    "a list": ("- 1", "expected a mapping"),
    "settings 3": ("settings: 3", "settings: expected a mapping"),
    "cells true": ("cells: true", "cells: expected a mapping"),
    "cells in a list": ("cells: [a]", "cells: expected a mapping"),
    "a cell 3": ("cells: {a: 3}", "cells.a: expected a mapping"),
    "a cell called 1": ("cells: {1: {}}", "found 1"),
    "a cell with a comma": ('cells: {"a,b": {}}', "found 'a,b'"),
    "a cell above": ('cells: {"../x": {}}', "found '../x'"),
    "a cell without a name": ('cells: {"": {}}', "found ''"),
    "a sweep in a list": ("sweep: {seed: [1, 2]}", "sweep.seed: expected text"),
    "a sweep in a mapping": ("sweep: {seed: {a: 1}}", "sweep.seed: expected text"),
    "a sweep of nothing": ("sweep: {seed: null}", "sweep.seed: expected text"),
    "a backend 5": ("settings: {backend: 5}", "settings.backend: expected a name"),
    "a backend in a list": ("settings: {backend: [uniform]}", "settings.backend: expected a name"),
    "a backend's name in a list": ("settings: {backend: {name: [uniform]}}", "settings.backend: expected a name"),
    "a metric 5": ("settings: {metric: 5}", "settings.metric: expected a list of names"),
    "a metric that is not there": ("settings: {metric: [nope]}", "nope"),
    "a slip": ("settings: {sede: 1}", "did you mean 'seed'?"),
    "a key that is no text": ("settings: {1: 1}", "no setting 1"),
    "another key": ("cell: {}", "did you mean 'cells'?"),
    "deep": ("settings: " + "[" * 3000 + "]" * 3000, "too deeply nested"),
    "bytes": (b"\xff\xfe", "not readable YAML"),
    "open": ("settings: [1", "not readable YAML"),
    "twice": ("settings: {seed: 1, seed: 2}", "stands there twice"),
    "large": ("about: " + "a" * 300_000, "expected at most"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_study(study: Path, command_line: CommandLine, name: str) -> None:
    content, expected = REFUSED[name]
    path = study / "studies" / "odd.yaml"
    path.parent.mkdir()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    before = set(study.rglob("*"))
    ended = command_line("+study=odd", *WORDS, "backend=uniform")
    assert ended.code == 2
    assert expected in ended.text
    assert len(ended.text.strip().splitlines()) == 1
    assert {each for each in study.rglob("*") if each.is_file()} <= before


def test_pipes_folders_and_links(study: Path, command_line: CommandLine) -> None:
    folder = study / "studies"
    folder.mkdir()
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()
    (folder / "dangling.yaml").symlink_to("nowhere")
    for name in ("pipe", "folder", "dangling"):
        ended = command_line(f"+study={name}", *WORDS, "backend=uniform")
        assert ended.code == 2
        assert len(ended.text.strip().splitlines()) == 1


def test_a_cell_says_its_metrics_as_simbench_run_does(study: Path, command_line: CommandLine) -> None:
    (study / "studies").mkdir()
    cells = "{a: {metric: js_distance}, b: {metric: [js_distance]}}"
    (study / "studies" / "mine.yaml").write_text(f"cells: {cells}")
    ended = command_line("+study=mine", *WORDS, "backend=uniform")
    assert ended.code == 0
    assert "2 of 2 runs done" in ended.text
    assert "total_variation" not in ended.text
