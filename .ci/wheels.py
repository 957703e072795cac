"""The wheels of every distribution, as an index wants them: ``python .ci/wheels.py FOLDER [--url URL]``.

Made from copies. With the address of the repository they get project URLs, and links of their READMEs, which lead to
files of a checkout, lead to that address; without one such links become words. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[(?P<words>[^\]]*)\]\((?!\w+:|#)(?P<path>[^)]+)\)")
NOT_COPIED = shutil.ignore_patterns("tests", "__pycache__", "*.egg-info", "dist", "build")


def main() -> None:
    """Build into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="", help="the repository's address, https://...")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="simbench-wheels-") as work:
        sources = [copied(home, Path(work), asked.url.rstrip("/")) for home in distributions()]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-qq", "--no-deps"]
        limits = ["-c", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, "-w", str(asked.folder), *limits, *map(str, sources)], check=True)


def distributions() -> list[Path]:
    """The folders that hold a distribution, the core first."""
    return [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def copied(home: Path, work: Path, url: str) -> Path:
    """A copy of what makes a distribution, with absolute addresses."""
    place = work / (home.name if home != ROOT else "core")
    place.mkdir()
    for name in ("src", "conf", "pyproject.toml", "README.md", "LICENSE"):
        if (home / name).is_dir():
            shutil.copytree(home / name, place / name, ignore=NOT_COPIED)
        elif (home / name).exists():
            shutil.copy(home / name, place)
    readme, project = place / "README.md", place / "pyproject.toml"
    readme.write_text(absolute(readme.read_text("utf-8"), home, url), "utf-8")
    if url:
        pages = {"Repository": url, "Documentation": f"{url}/blob/main/docs/index.md", "Issues": f"{url}/issues"}
        pages["Changelog"] = f"{url}/blob/main/CHANGELOG.md"
        lines = "\n".join(f'{name} = "{page}"' for name, page in pages.items())
        project.write_text(f"{project.read_text('utf-8')}\n[project.urls]\n{lines}\n", "utf-8")
    return place


def absolute(text: str, home: Path, url: str) -> str:
    """A README in which no link is relative."""
    here = PurePosixPath(home.relative_to(ROOT).as_posix())

    def link(found: re.Match[str]) -> str:
        path, mark, anchor = found["path"].partition("#")
        target = (ROOT / here / path).resolve().relative_to(ROOT).as_posix()
        words = found["words"]
        return f"[{words}]({url}/blob/main/{target}{mark}{anchor})" if url else words

    return LINK.sub(link, text)


if __name__ == "__main__":
    main()
