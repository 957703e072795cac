"""A storm of faults: every participant ends in exactly one outcome, and no key is anywhere."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from simbench_api.testing import Faults

SECRET = b"sk-do-not-show-me-anywhere"
STORM = Faults(
    seed=5,
    rate_limit=0.2,
    server_error=0.1,
    drop=0.05,
    broken_json=0.05,
    hang=0.02,
    retry_after=0.05,
    hang_seconds=60.0,
)


def weather(simbench, stand_in, folder: Path, people: int) -> pd.DataFrame:
    stand_in.set_faults(STORM)
    process = simbench(f"experiment.people={people}", "backend.request_timeout=1.0")
    assert process.wait(600) == 0, (folder / "log.txt").read_text()
    (run,) = (folder / "runs").glob("crowd-openai-*")
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "done"
    frame = pd.read_parquet(run / "responses.parquet")
    assert len(frame) == people
    assert not frame.duplicated(["participant_id", "replicate"]).any()
    lines = [json.loads(line) for line in (run / "responses.jsonl").read_text().splitlines()]
    assert Counter(line["participant_id"] for line in lines) == Counter(frame["participant_id"])
    assert manifest["outcomes"]["all"] == dict(Counter(frame["status"]))
    assert sum(sum(each.values()) for each in manifest["outcomes"]["condition"].values()) == people
    faults = manifest["backend"]["traffic"]["faults"]
    assert set(faults) == {"429", "500", "unavailable"}
    for path in folder.rglob("*"):
        assert not path.is_file() or SECRET not in path.read_bytes(), path
    return frame


def test_a_squall(simbench, stand_in, tmp_path) -> None:
    frame = weather(simbench, stand_in, tmp_path, 150)
    assert (frame["status"] == "ok").mean() > 0.95
    assert any("Bearer sk-do-not" in entry.headers.get("Authorization", "") for entry in stand_in.log)


@pytest.mark.slow
def test_a_storm_over_two_thousand(simbench, stand_in, tmp_path) -> None:
    frame = weather(simbench, stand_in, tmp_path, 2000)
    counts = Counter(frame["status"])
    assert set(counts) <= {"ok", "invalid"}
    assert counts["ok"] > 1970  # 5 % broken answers, asked again once: about 5 in 2,000 stay invalid
