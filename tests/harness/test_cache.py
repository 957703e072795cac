"""The response cache: what was paid for is found again, by any process, after any death."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simbench.errors import ConfigError
from simbench.harness.cache import ResponseCache


def key(number: int, replicate: int = 0, **more: Any) -> dict[str, Any]:
    return {"backend": "openai", "model": {"base": "m"}, "messages": [number], "replicate": replicate, **more}


def test_an_answer_is_found_again_by_its_key(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        assert cache.get(key(1)) is None
        cache.put(key(1), {"text": "é", "status": "refused"})
        assert cache.get(key(1)) == {"text": "é", "status": "refused"}
        assert cache.get(key(1, replicate=1)) is None
        assert cache.get({**key(1), "temperature": 0.5}) is None
    with ResponseCache(tmp_path) as cache:
        assert cache.get(dict(reversed(key(1).items()))) == {"text": "é", "status": "refused"}
    assert list((tmp_path / "shards").iterdir()) == []


@given(st.dictionaries(st.text(max_size=8), st.recursive(st.integers() | st.text(max_size=8) | st.none(), st.lists)))
@settings(max_examples=40, deadline=None)
def test_any_json_value(value: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with ResponseCache(Path(folder)) as cache:
            cache.put(key(1), value)
        with ResponseCache(Path(folder)) as cache:
            assert cache.get(key(1)) == value


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from simbench.harness.cache import ResponseCache\n"
        "worker = int(sys.argv[2])\n"
        "with ResponseCache(Path(sys.argv[1])) as cache:\n"
        "    for n in range(100): cache.put({'n': n % 50, 'worker': worker}, [n, worker])\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(n)]) for n in range(4)]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 4
    with ResponseCache(tmp_path) as cache:
        assert sum(line.answers for line in cache.lines()) == 200
        assert cache.get({"n": 49, "worker": 3}) == [99, 3]


def test_what_a_killed_process_paid_for_is_kept(tmp_path: Path) -> None:
    program = (
        "import os, sys, signal; from pathlib import Path; from simbench.harness.cache import ResponseCache\n"
        "cache = ResponseCache(Path(sys.argv[1]))\n"
        "for n in range(200):\n"
        "    cache.put({'n': n}, n)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    with ResponseCache(tmp_path) as cache:
        assert [cache.get({"n": n}) for n in range(200)] == list(range(200))
    assert list((tmp_path / "shards").iterdir()) == []


def test_a_process_killed_before_its_first_answer_is_in_nobodys_way(tmp_path: Path) -> None:
    """Between making its file and the table in it, a killed process leaves an empty file."""
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "host-1-0.sqlite").touch()
    with ResponseCache(tmp_path) as cache:
        assert cache.get(key(1)) is None
        cache.put(key(1), 1)
    assert list((tmp_path / "shards").glob("*.sqlite")) == []


def test_a_living_process_keeps_its_shard(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as writer:
        writer.put(key(1), 1)
        code = "import sys; from pathlib import Path; from simbench.harness.cache import ResponseCache as C\n"
        code += "print(C(Path(sys.argv[1])).get({'n': 0}))"
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "None"
        assert writer.get(key(1)) == 1
    with ResponseCache(tmp_path) as cache:
        assert cache.get(key(1)) == 1


def test_show_prune_and_merge(tmp_path: Path) -> None:
    for name, numbers in (("a", range(3)), ("b", range(2, 5))):
        with ResponseCache(tmp_path / name) as cache:
            for number in numbers:
                cache.put(key(number), number)
            cache.put({"backend": "anthropic", "model": "k", "n": name}, name)
    with ResponseCache(tmp_path / "a") as cache:
        assert cache.merge(tmp_path / "b") == 3
        assert [(line.backend, line.model, line.answers) for line in cache.lines()] == [
            ("anthropic", "k", 2),
            ("openai", "m", 5),
        ]
    with ResponseCache(tmp_path / "a") as cache:
        assert cache.prune(backend="anthropic") == 2
        assert cache.prune(before="2001-01-01") == 0
        assert cache.get(key(4)) == 4
        with pytest.raises(ConfigError, match="no response cache"):
            cache.merge(tmp_path / "nothing")


def test_values_are_json_never_pickle(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache, pytest.raises(TypeError):
        cache.put(key(1), object())
    raw = (tmp_path / "answers.sqlite").read_bytes() if (tmp_path / "answers.sqlite").exists() else b""
    assert b"pickle" not in raw
