"""A study of the shelf by its name, skipped with a reason where its data are not at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from simbench.experiments.studies import Study
from simbench_studies import simbench_experiments

Shelf = Callable[..., Study]


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    """``shelf(name)``: the study; tests download nothing, so what is in no package must be in SIMBENCH_DATA."""
    known = {cls.name: cls for cls in simbench_experiments()}

    @cache
    def study(name: str, data: str = "") -> Study:
        found = known[name](known[name].Config(data))
        remote = found.declaration.data.remote
        if remote and not data and not (Path(os.environ.get("SIMBENCH_DATA", "")) / remote.folder).is_dir():
            pytest.skip(f"SIMBENCH_DATA does not name a folder with {remote.folder}/")
        return found

    return study
