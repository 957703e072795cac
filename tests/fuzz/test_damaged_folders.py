"""Whatever becomes of a run's files: nothing broken is trusted, and the same command makes them again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simbench
from simbench.errors import StorageError
from simbench.harness.run import Run

from .conftest import STUDY, CommandLine, people

PRODUCTS = (
    *("manifest.json", "model.json", "people.parquet", "pilot.parquet"),
    *("responses.jsonl", "responses.parquet", "resamples.parquet", "scores.parquet"),
)
READERS: dict[tuple[str, ...], set[str]] = {
    ("status",): {"manifest.json"},
    ("compare",): set(PRODUCTS) - {"model.json", "responses.jsonl"},
    ("export",): set(PRODUCTS),
    ("report", "--no-figures"): set(PRODUCTS) - {"model.json", "responses.jsonl", "pilot.parquet"},
}
SETTINGS = {"scoring": {"resamples": 5, "splits": 2, "floors": 2, "baseline_resamples": 2}, "out": "runs"}


def _flip(at: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(at * (len(content) - 1))] ^= 1
        path.write_bytes(content)

    return damage


def _cut(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _other_schema(path: Path) -> None:
    if path.suffix == ".parquet":
        pd.DataFrame({"x": [1, 2]}).to_parquet(path)
    else:
        path.write_text('{"x": 1}\n')


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut to a third": _cut(0.3),
    "last bytes cut": _cut(0.99),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "first byte": _flip(0),
    "a bit in the middle": _flip(0.5),
    "a bit near the end": _flip(0.9),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "not an object": lambda path: path.write_text("[1, 2]\n"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00{}"),
    "other schema": _other_schema,
    "gone": lambda path: path.unlink(),
    "a folder": _folder,
    "a dangling link": _dangling,
}


def again(backend: str = "tabular", **settings: Any) -> Run:
    """The same command as ever."""
    sampler = {"name": "random", "n": 20}
    given = {"metric": ["js_distance", "value_action_gap"], **SETTINGS, **settings}
    return simbench.run({"name": "yaml", "file": "tiny.yaml"}, backend, sampler, **given)


def folder_of(home: Path) -> Path:
    (folder,) = (home / "runs").glob("*tabular*")
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study and a finished run of it."""
    home = tmp_path_factory.mktemp("finished")
    (home / "tiny.yaml").write_text(STUDY)
    people().to_csv(home / "tiny.csv", index=False)
    before = Path.cwd()
    os.chdir(home)
    try:
        again("tabular")
        again("uniform")
    finally:
        os.chdir(before)
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be damaged, as the current folder."""
    place = tmp_path / "home"
    shutil.copytree(finished, place)
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_mended(home: Path, product: str, damage: str, command_line: CommandLine) -> None:
    folder = folder_of(home)
    sound = {name: (folder / name).read_bytes() for name in PRODUCTS if name.endswith(".parquet")}
    DAMAGES[damage](folder / product)
    forgotten = product == "manifest.json" and damage == "gone"  # then nothing says that this is a run
    for words, reads in READERS.items():
        if words[0] == "report" and (product not in reads or forgotten):
            continue  # drawing a page takes a second
        ended = command_line(*words, "runs")
        alone = forgotten and words[0] == "compare"
        assert ended.code == (2 if alone or (product in reads and not forgotten) else 0)
        if ended.code and not forgotten:
            assert product in ended.text
            assert len(ended.text.strip().splitlines()) == 1
    if (
        damage == "a folder" and product != "responses.jsonl"
    ):  # which may hold what somebody wants to keep: it stays, and is named
        with pytest.raises(StorageError, match=product):
            again()
        (folder / product).rmdir()
    mended = again()
    assert mended.manifest["status"] == "done"
    assert {name: (mended.folder / name).read_bytes() for name in sound} == sound
    assert not [name for name in mended.folder.damaged() if name != "responses.jsonl"]


@given(
    product=st.sampled_from(PRODUCTS),
    at=st.floats(0, 1),
    content=st.binary(max_size=8),
    kept=st.booleans(),
)
def test_any_bytes_anywhere(
    finished: Path,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    product: str,
    at: float,
    content: bytes,
    kept: bool,
) -> None:
    """Bytes put in, with what follows kept or cut: named by whoever reads the file, and by nobody else."""
    monkeypatch.chdir(finished)
    path = folder_of(finished) / product
    sound = path.read_bytes()
    place = int(at * len(sound))
    broken = sound[:place] + content + (sound[place + len(content) :] if kept else b"")
    path.write_bytes(broken)
    try:
        for words in (("status",), ("compare",), ("export",)):
            ended = command_line(*words, "runs")
            if broken != sound and product in READERS[words] and product != "manifest.json":
                assert ended.code == 2
                assert product in ended.text
                assert len(ended.text.strip().splitlines()) == 1
    finally:
        path.write_bytes(sound)


def test_a_new_metric_does_not_score_damaged_answers(home: Path) -> None:
    folder = folder_of(home)
    sound = pd.read_parquet(folder / "responses.parquet")
    sound.assign(hope=0).to_parquet(folder / "responses.parquet")
    run = again(metric=["js_distance", "individual"])
    assert run.folder.path.name == folder.name
    assert run.responses["hope"].tolist() == sound["hope"].tolist()


def test_damaged_answers_are_asked_again_and_no_others(home: Path) -> None:
    folder = folder_of(home)
    lines = (folder / "responses.jsonl").read_bytes().split(b"\n")
    lines[3] = lines[3].replace(b'"hope":', b'"hope": ')
    (folder / "responses.jsonl").write_bytes(b"\n".join(lines))
    (folder / "responses.parquet").unlink()
    before = pd.read_parquet(folder / "scores.parquet")
    pd.testing.assert_frame_equal(again().scores, before)
    after = (folder / "responses.jsonl").read_bytes().split(b"\n")
    assert after[:-2] == [*lines[:3], *lines[4:-1]]
    assert (folder / "damaged-responses.jsonl").read_bytes().split(b"\n") == lines
