"""The core and one study from their wheels in an empty environment: what the README shows, without any model.

``python tests/core_alone.py`` (from anywhere; about a minute) makes the environment in a temporary folder, runs every
command of the README and every verb there, and ends with exit code 1 where one of them does not do as it says. What
names the backend ``local`` must say in one line what to install.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
QUICK = ("scoring.resamples=20", "scoring.splits=2", "scoring.floors=2")
WORKING = (
    "new plugin mine --kind sampler",
    "check sampler mine n=20",
    "--help",
    "--version",
    "status",
    "compare runs --different-humans",
    "report runs backend=majority sampler=random -o page",
    "score runs backend=majority sampler=random --metric total_variation",
    "export runs",
    "cache show",
    "show backend uniform",
    "estimate experiment=framing backend=uniform",
    "-m +study=ablation cell=unadapted,full experiment=framing backend=uniform",
)
REFUSED = ("seed=1", "-m seed=0,1", "-m backend=uniform,local", "-m +study=cross_model", "estimate")
ABSENT = "import importlib.util as u, simbench; assert not any(map(u.find_spec, ('torch', 'openai', 'anthropic')))"
INSTALLED = ("simbench_eval-", "simbench_studies-")
INSTALL = "pip install simbench-local"


def main() -> int:
    """Make the environment and try everything in it; the exit code."""
    with tempfile.TemporaryDirectory(prefix="core-alone-") as folder:
        home = Path(folder)
        python, faults = installed(home)
        work = home / "work"
        work.mkdir()
        shutil.copy(ROOT / "docs" / "examples" / "immigration.csv", work / "people.csv")  # for the README's own table
        commands = [
            ("python", ABSENT, True),
            *((kind, words, not needs_local(words)) for kind, words in readme_commands()),
            *(("simbench", words, True) for words in WORKING),
            *(("simbench", words, False) for words in REFUSED),
        ]
        faults += [fault for each in commands if (fault := tried(python, work, *each))]
    for fault in faults:
        print(f"core alone: {fault}", file=sys.stderr)
    print(f"core alone: {len(commands) - len(faults)} of {len(commands)} commands do as the README says")
    return 1 if faults else 0


def installed(home: Path) -> tuple[Path, list[str]]:
    """The interpreter of an environment with the core and the shelf, and faults of all distributions' wheels."""
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    limits = ["-c", str(ROOT / "constraints.txt")]
    sources = [str(ROOT), *map(str, sorted((ROOT / "plugins").glob("*/")))]
    subprocess.run([*pip, "wheel", "-qq", "--no-deps", "-w", str(home), *limits, *sources], check=True)
    wheels = sorted(home.glob("*.whl"))
    wanted = [str(each) for each in wheels if each.name.startswith(INSTALLED)]
    subprocess.run([*pip, "install", "-qq", "--no-compile", *limits, *wanted], check=True)
    return python, [fault for each in wheels if (fault := lacking(each))]


def lacking(wheel: Path) -> str:
    """What a wheel should hold and does not."""
    names = ZipFile(wheel).namelist()
    found = {Path(name).name for name in names}
    lost = [name for name in ("py.typed", "LICENSE", "METADATA") if name not in found]
    stray = [name for name in names if "tests/" in name and "testing" not in name]
    return f"{wheel.name} lacks {', '.join(lost)}" if lost else f"{wheel.name} holds {stray[0]}" if stray else ""


def readme_commands() -> Iterator[tuple[str, str]]:
    """Every command and every example in Python of the README: ``simbench`` or ``python``, and the words or code."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S):
        if language == "python":
            yield "python", block
        else:
            lines = (line.partition(" #")[0].split() for line in block.splitlines())
            yield from (("simbench", " ".join(words[1:])) for words in lines if words[:1] == ["simbench"])
    yield from (("simbench", words) for words in re.findall(r"`simbench (\w+=[^`]*)`", text))


def needs_local(words: str) -> bool:
    """Whether a command of the README needs the backend ``local``, by its name or as the default of a run."""
    is_run = words.startswith(("-m ", "+")) or "=" in words.partition(" ")[0]
    return bool(re.search(r"\blocal\b", words)) or (is_run and "backend=" not in words)


def tried(python: Path, work: Path, kind: str, words: str, works: bool) -> str | None:
    """What is wrong with what a command did; None where it worked, or was refused with what to install."""
    if "RUN" in words.split():  # of the README: a finished run
        words = words.replace("RUN", str(next(iter(sorted(work.glob("runs/framing-uniform-*"))), "RUN")))
    command = [str(python), "-c", words] if kind == "python" else [str(python.with_name("simbench")), *words.split()]
    if kind == "simbench" and works and re.match(r"-m |demo\b|\w+=", words):
        command += (*QUICK, "metric=js_distance") if words.startswith("-m") else QUICK
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SIMBENCH"))}
    done = subprocess.run(command, cwd=work, env=clean, capture_output=True, text=True, timeout=300, check=False)
    told = done.stderr.strip().splitlines()
    if works:
        right = done.returncode == 0 and "Traceback" not in done.stderr
    else:
        right = done.returncode == 2 and len(told) == 1 and INSTALL in told[0]
    return None if right else f"{kind} {words!r}: exit code {done.returncode}: {' '.join(told[-3:])}"


if __name__ == "__main__":
    sys.exit(main())
