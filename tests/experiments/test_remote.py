"""Files that a study downloads: the right ones only, whole, once, and one clear message for everything else."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from simbench.errors import ConfigError
from simbench.experiments.remote import Remote, read_checksums

pytest.importorskip("pooch")

CONTENT = {"people.csv": b"participant_id,x\n" + b"a,1\n" * 5000, "sub/more.csv": b"participant_id,y\na,2\n"}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
FETCH = """
import json, pathlib, sys
from simbench.experiments.remote import Remote
Remote("study", sys.argv[1], json.loads(sys.argv[2])).download(pathlib.Path(sys.argv[3]))
"""


class Public(ThreadingHTTPServer):
    """A server of CONTENT that counts what is asked for, and can be slow, broken or wrong."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.cut, self.slow = False, 0.0
        self.served = dict(CONTENT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    server: Public

    def do_GET(self) -> None:
        name = self.path[1:]
        self.server.asked[name] += 1
        if name not in self.server.served:
            self.send_error(404)
            return
        content = self.server.served[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        self.wfile.flush()
        time.sleep(self.server.slow)
        if not self.server.cut:
            self.wfile.write(content[half:])

    def log_message(self, format: str, *words: object) -> None:
        """Nothing on the screen."""


@pytest.fixture
def public() -> Iterator[Public]:
    server = Public()
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def found(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_the_right_files_are_downloaded_once(
    public: Public, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remote = Remote("study", public.url, SUMS)
    folder = remote.find("", {})
    assert tmp_path in folder.parents
    assert found(folder) == CONTENT
    assert remote.find("", {}) == folder
    assert public.asked == dict.fromkeys(CONTENT, 1)
    (folder / "people.csv").write_bytes(b"damaged")
    assert found(remote.find("", {})) == CONTENT
    assert public.asked["people.csv"] == 2
    assert capfd.readouterr() == ("", "")


def test_a_wrong_file_is_not_kept(public: Public, tmp_path: Path) -> None:
    public.served["people.csv"] = b"participant_id,x\nforged,1\n"
    with pytest.raises(ConfigError, match=r"people\.csv is not the published file, and was not kept: SHA256") as told:
        Remote("study", public.url, SUMS).download(tmp_path)
    assert SUMS["people.csv"] in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert found(tmp_path) == {}


def test_a_download_that_breaks_off_leaves_nothing(public: Public, tmp_path: Path) -> None:
    public.cut = True
    with pytest.raises(ConfigError, match=r"people\.csv cannot be downloaded: .*\. Put people\.csv, sub/more\.csv"):
        Remote("study", public.url, SUMS).download(tmp_path)
    assert found(tmp_path) == {}
    public.cut = False
    Remote("study", public.url, SUMS).download(tmp_path)
    assert found(tmp_path) == CONTENT


def test_what_the_address_no_longer_has(public: Public, tmp_path: Path) -> None:
    del public.served["sub/more.csv"]
    with pytest.raises(
        ConfigError, match=r"sub/more\.csv cannot be downloaded: 404 .*\. Put people\.csv, sub/more\.csv from"
    ):
        Remote("study", public.url, SUMS).download(tmp_path)
    assert found(tmp_path) == {"people.csv": CONTENT["people.csv"]}


def test_no_network_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        Remote("study", "http://127.0.0.1:9/data/", SUMS).download(tmp_path)
    assert re.fullmatch(
        r"http://127\.0\.0\.1:9/data/people\.csv cannot be downloaded: .*[Cc]onnection refused\. Put people\.csv, "
        r"sub/more\.csv from http://127\.0\.0\.1:9/data/ into study/ in the folder that SIMBENCH_DATA names, or set "
        r"experiment\.data=FOLDER",
        str(told.value),
    )
    assert found(tmp_path) == {}


def process(public: Public, folder: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", FETCH, public.url, json.dumps(SUMS), str(folder)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once_download_each_file_once(public: Public, tmp_path: Path) -> None:
    public.slow = 0.4
    both = [process(public, tmp_path) for _ in range(2)]
    for each in both:
        _, told = each.communicate(timeout=60)
        assert (each.returncode, told) == (0, "")
    assert found(tmp_path) == CONTENT
    assert public.asked == dict.fromkeys(CONTENT, 1)


def test_a_process_that_is_killed_leaves_no_file_to_be_trusted(public: Public, tmp_path: Path) -> None:
    public.slow = 30
    killed = process(public, tmp_path)
    while not public.asked:
        time.sleep(0.02)
    time.sleep(0.1)
    killed.kill()
    killed.communicate()
    assert not set(found(tmp_path)) & set(CONTENT)
    public.slow = 0
    Remote("study", public.url, SUMS).download(tmp_path)
    assert {name: content for name, content in found(tmp_path).items() if name in CONTENT} == CONTENT


def test_a_folder_of_the_users_is_checked_and_never_written(public: Public, tmp_path: Path) -> None:
    remote = Remote("study", public.url, SUMS)
    for name, content in CONTENT.items():
        path = tmp_path / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for given, environ in (
        (str(tmp_path), {}),
        (str(tmp_path / "study"), {}),
        ("", {"SIMBENCH_DATA": str(tmp_path)}),
    ):
        assert remote.find(given, environ) == tmp_path / "study"
    (tmp_path / "study" / "people.csv").write_text("participant_id\n")
    with pytest.raises(ConfigError, match=r"SIMBENCH_DATA: .*is not the published file: expected sha256"):
        remote.find("", {"SIMBENCH_DATA": str(tmp_path)})
    (tmp_path / "study" / "people.csv").unlink()
    with pytest.raises(ConfigError, match=r"experiment\.data: expected the study's file .*people\.csv"):
        remote.find(str(tmp_path))
    assert not public.asked


@pytest.mark.parametrize(
    "line", ["abc  people.csv", f"{'0' * 64}  ../people.csv", f"{'0' * 64}  /people.csv", "0" * 64, f"{'g' * 64}  a"]
)
def test_lists_of_checksums_that_are_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="expected lines 'sha256  name'"):
        read_checksums(line)


def test_a_list_of_checksums_is_what_sha256sum_writes() -> None:
    text = f"{'0' * 64}  ./a.csv\n\n{'1' * 64} *sub/b.csv\n"
    assert read_checksums(text) == {"a.csv": "0" * 64, "sub/b.csv": "1" * 64}
