"""A pilot in which nobody answered everything teaches nothing, and is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

import simbench
from simbench.errors import PilotError

STUDY = """
name: halves
introduction: A survey.
data: halves.csv
items:
  a: {role: attitude, text: "A?", options: [1, 2]}
  b: {role: attitude, text: "B?", options: [1, 2]}
"""


def test_nobody_of_the_pilot_answered_everything(tmp_path: Path) -> None:
    rows = [f"{1 + row % 2}," if row % 3 else f",{1 + row % 2}" for row in range(60)]
    (tmp_path / "halves.csv").write_text("\n".join(["a,b", *rows]))
    (tmp_path / "halves.yaml").write_text(STUDY)
    experiment = {"name": "yaml", "file": str(tmp_path / "halves.yaml")}
    for backend in ("tabular", "majority", "resample"):
        with pytest.raises(PilotError, match="none of the 15 drawn did"):
            simbench.run(experiment, backend, "random", out=str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
