"""The wheels in an empty environment: what the README shows without any model, then all distributions together.

``python tests/core_alone.py`` (about two minutes) makes the environment in a temporary folder, runs every
command of the README and every verb there, and ends with exit code 1 where one of them does not do as it says. What
names the backend ``local`` must say in one line what to install. Then the other wheels come into that environment,
and every backend is looked at and a provider's asked, whose part the stand-in plays.
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
LIMITS = ("-c", str(ROOT / "constraints.txt"))
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
WHOLE = (
    "plugins",
    "show backend local",
    "show backend anthropic",
    "check backend uniform",
    "estimate experiment=framing backend=local backend.adapt=none sampler=none",
)
ASKED = """
import simbench
from simbench_api.testing import LocalServer
with LocalServer() as server:
    backend = {"name": "openai", "base_url": server.openai_url, "model": "gpt-4o-mini", "adapt": "none"}
    few = {"resamples": 5, "splits": 2, "floors": 1}
    done = simbench.run("framing", backend, "none", evaluate_n=8, scoring=few, metric=["js_distance"])
assert done.manifest["status"] == "done" and (done.responses["status"] == "ok").all()
"""


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
        pip(python, "install", "-qq", "--no-compile", *LIMITS, *map(str, sorted(home.glob("*.whl"))))
        pip(python, "check")
        whole = [("python", ASKED, True), *(("simbench", words, True) for words in WHOLE)]
        faults += [fault for each in whole if (fault := tried(python, work, *each))]
        commands += whole
    for fault in faults:
        print(f"core alone: {fault}", file=sys.stderr)
    print(f"core alone: {len(commands) - len(faults)} of {len(commands)} commands do as the README says")
    return 1 if faults else 0


def installed(home: Path) -> tuple[Path, list[str]]:
    """The interpreter of an environment with the core and the shelf, and faults of all distributions' wheels."""
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / "bin" / "python"
    build = [sys.executable, str(ROOT / ".ci" / "wheels.py"), str(home), "--url", "https://example.org/simbench"]
    subprocess.run(build, check=True)
    wheels = sorted(home.glob("*.whl"))
    wanted = [str(each) for each in wheels if each.name.startswith(INSTALLED)]
    pip(python, "install", "-qq", "--no-compile", *LIMITS, *wanted)
    return python, [fault for each in wheels if (fault := lacking(each))]


def pip(python: Path, *words: str) -> None:
    """Run pip there."""
    subprocess.run([str(python), "-m", "pip", "--disable-pip-version-check", *words], check=True)


def lacking(wheel: Path) -> str:
    """What a wheel should hold and does not."""
    names = ZipFile(wheel).namelist()
    about = ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    if "Project-URL" not in about or re.search(r"\]\((?!\w+:|#)", about):
        return f"{wheel.name}: no project URL, or a relative link in its README"
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
    clean = {"OPENAI_API_KEY": "of-the-stand-in"} | {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SIMBENCH"))
    }
    done = subprocess.run(command, cwd=work, env=clean, capture_output=True, text=True, timeout=300, check=False)
    told = done.stderr.strip().splitlines()
    if works:
        right = done.returncode == 0 and "Traceback" not in done.stderr
    else:
        right = done.returncode == 2 and len(told) == 1 and INSTALL in told[0]
    return None if right else f"{kind} {words!r}: exit code {done.returncode}: {' '.join(told[-3:])}"


if __name__ == "__main__":
    sys.exit(main())
