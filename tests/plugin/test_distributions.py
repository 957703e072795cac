"""Every distribution says what an index and an installer want to know of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT, *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]
KNOWN = ("simbench-eval[", "pandas-stubs", "types-")
"""Requirements of the tools that need no bound."""


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def test_licence_types_and_classifiers_are_there(folder: Path) -> None:
    about = project(folder)
    assert about["license"] == "Apache-2.0"
    assert [(folder / name).read_text("utf-8") for name in about["license-files"]] == [
        (ROOT / "LICENSE").read_text("utf-8")
    ]
    assert about["description"]
    assert (folder / about["readme"]).is_file()
    assert about["requires-python"] == project(ROOT)["requires-python"]
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(about["classifiers"])
    packages = [path for path in (folder / "src").iterdir() if (path / "__init__.py").is_file()]
    assert packages
    assert all((path / "py.typed").is_file() for path in packages)


def test_requirements_are_bounded(folder: Path) -> None:
    about = project(folder)
    optional = {name: found for name, found in about.get("optional-dependencies", {}).items() if name != "dev"}
    wanted = [*about["dependencies"], *(each for found in optional.values() for each in found)]
    assert not [each for each in wanted if "<" not in each.partition(";")[0] and not each.startswith(KNOWN)]
