"""The journal survives what a kill leaves, and says so when a file was damaged otherwise."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simbench.backends.base import STATUSES, Answer
from simbench.errors import PluginError, StorageError
from simbench.harness.journal import Journal

text = st.text(max_size=40)
answers = st.builds(
    Answer,
    participant_id=text,
    replicate=st.integers(0, 5),
    status=st.sampled_from(STATUSES),
    answers=st.dictionaries(text, st.one_of(st.integers(-5, 5), text), max_size=3),
    probabilities=st.dictionaries(text, st.lists(st.floats(0, 1), min_size=1, max_size=3), max_size=2),
    text=text,
    error=st.none() | text.filter(bool),
    usage=st.dictionaries(text, st.integers(0, 10**9), max_size=2),
    cost=st.none() | st.floats(0, 100),
)


@given(answers)
def test_an_answer_survives_json(answer: Answer) -> None:
    assert Answer.from_json(answer.to_json()) == answer


def write(path: Path, *each: Answer) -> None:
    with Journal(path) as journal:
        for answer in each:
            journal.append(answer)


def test_every_cut_leaves_the_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    given = [Answer(f"pé{n}", 0, "ok", {"belief": n}, text="a\nb\x00\ud800") for n in range(4)]
    write(path, *given)
    content = path.read_bytes()
    whole = [n for n, byte in enumerate(content, 1) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        left = sum(end <= cut for end in whole)
        assert list(Journal(path).read()) == [("pé" + str(n), 0) for n in range(left)]
        write(path, Answer("last", 0, "failed"))
        assert len(Journal(path).read()) == left + 1


def test_a_later_line_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    write(path, Answer("p", 0, "failed"), Answer("p", 1, "ok"), Answer("p", 0, "ok", {"belief": 1}))
    assert {key: a.status for key, a in Journal(path).read().items()} == {("p", 0): "ok", ("p", 1): "ok"}


def test_damage_in_the_middle_counts_as_not_there(tmp_path: Path) -> None:
    """Whatever a flipped bit makes of a line, it is never taken for an answer, and the others stay."""
    path = tmp_path / "responses.jsonl"
    write(path, *(Answer(name, 0, "ok", {"belief": 3}, cost=0.25) for name in "pqr"))
    content = path.read_bytes()
    ends = [number for number, byte in enumerate(content) if byte == ord("\n")]
    for at in range(ends[1] + 1):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        hit = 0 if at <= ends[0] else 1
        lost = {hit, hit + 1} if at in ends else {hit}
        left = [name for number, name in enumerate("pqr") if number not in lost]
        journal = Journal(path)
        assert list(journal.read()) == [(name, 0) for name in left]
        assert journal.spent() == 0.25 * len(left)
    assert "damaged in 1 line(s), first line 2; kept as damaged-responses.jsonl" in str(journal.set_aside_damage())
    assert journal.set_aside_damage() is None
    write(path, Answer("q", 0, "ok", {"belief": 1}))
    assert list(Journal(path).read()) == [("p", 0), ("q", 0)]


def test_an_unknown_status_is_the_plugins_fault() -> None:
    with pytest.raises(PluginError, match="found 'fine'"):
        Answer("p", 0, "fine")


@pytest.mark.skipif(os.getuid() != 0, reason="a small file system can only be mounted by root")
def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        path = disk / "responses.jsonl"
        with pytest.raises(StorageError, match="disk is full"):
            write(path, *(Answer(f"p{n}", 0, "ok", text="x" * 900) for n in range(100)))
        kept = len(Journal(path).read())
        assert 30 < kept < 80
        (disk / "filler").unlink(missing_ok=True)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
