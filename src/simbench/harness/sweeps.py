"""What a sweep was to do and how far it came, on disk: ``<out>/.sweeps/<id>/``.

``plan.json`` is written before the first job starts; each job leaves ``<n>.begun`` (the folder of its run)
when it starts to work, and ``<n>.json`` (how it ended). Jobs are known by their words, so the same command
given again, whatever its launcher, continues the same jobs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simbench.errors import StorageError
from simbench.files import storage, write_json
from simbench.harness.store import RunFolder, now

__all__ = [
    "FOLDER",
    "STATES",
    "Job",
    "Outcome",
    "Sweep",
    "jobs_of",
    "sweeps_in",
    "write_begun",
    "write_outcome",
    "write_plan",
]

FOLDER = ".sweeps"
STATES = ("done", "failed", "running", "interrupted", "missing")


@dataclass(frozen=True)
class Outcome:
    """How one job ended; the exit code is 0 for a run that is done, and for one that was left out (without a run)."""

    code: int
    run: str | None = None
    job: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its words, what has become of it, and the folder of its run where that is known.

    ``state`` is ``done``, ``failed``, ``running`` (a process holds the run now), ``interrupted`` (begun, and
    nobody is at it) or ``missing`` (never begun).
    """

    words: str
    state: str
    run: Path | None = None
    error: str | None = None


@dataclass(frozen=True)
class Sweep:
    """The folder of one sweep."""

    folder: Path

    @property
    def plan(self) -> dict[str, Any]:
        """Command, time of start, and the words of every job; empty for a folder without a plan."""
        found: dict[str, Any] = _json(self.folder / "plan.json") or {}
        return found

    def jobs(self) -> list[Job]:
        """Every job that was planned, in order."""
        return [self._job(number, words) for number, words in enumerate(self.plan.get("jobs", []))]

    def outcomes(self) -> list[Outcome]:
        """How jobs ended, in the order of the jobs; those without an end are left out."""
        files = sorted(self.folder.glob("[0-9]*.json"), key=lambda path: int(path.stem))
        return [Outcome(**stored) for path in files if (stored := _json(path))]

    def forget(self) -> None:
        """Remove the plan of a sweep that was refused before any of its jobs began."""
        if not any(self.folder.glob("[0-9]*.*")):
            with contextlib.suppress(OSError):
                for name in ("plan.json", "multirun.yaml"):
                    (self.folder / name).unlink(missing_ok=True)
                self.folder.rmdir()
                self.folder.parent.rmdir()

    def _job(self, number: int, words: str) -> Job:
        stored = _json(self.folder / f"{number}.json")
        begun = _json(self.folder / f"{number}.begun") or {}
        run = Path(begun["run"]) if begun else None
        if stored:
            outcome = Outcome(**stored)
            run = Path(outcome.run) if outcome.run else run
            return Job(words, "failed" if outcome.code else "done", run, outcome.error)
        if run is None:
            return Job(words, "missing")
        return Job(words, RunFolder(run).state or "missing", run)


def sweeps_in(out: Path) -> list[Sweep]:
    """The sweeps that were started with this folder of runs, oldest first."""
    return [Sweep(path.parent) for path in sorted((out / FOLDER).glob("*/plan.json"))]


def jobs_of(sweeps: Sequence[Sweep]) -> list[Job]:
    """Every job of these sweeps once, in the state that its latest attempt has left; done stays done."""
    latest: dict[str, Job] = {}
    for sweep in sweeps:
        for job in sweep.jobs():
            known = latest.get(job.words)
            if known is None or job.state == "done" or (known.state != "done" and job.state != "missing"):
                latest[job.words] = job
    return list(latest.values())


def write_plan(folder: Path, command: Sequence[str], jobs: Sequence[str]) -> None:
    """Leave what a sweep is to do, before it begins."""
    _write(folder / "plan.json", {"command": list(command), "started": now(), "jobs": list(jobs)})


def write_begun(folder: Path, number: int, run: Path) -> None:
    """Leave which run a job works on."""
    _write(folder / f"{number}.begun", {"run": str(run.absolute())})


def write_outcome(folder: Path, number: int, outcome: Outcome) -> None:
    """Leave how a job ended."""
    _write(folder / f"{number}.json", asdict(outcome))


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)


def _json(path: Path) -> dict[str, Any] | None:
    """An object on disk; None where there is none. StorageError where it is damaged."""
    if not path.exists():
        return None
    try:
        with storage(path):
            stored = json.loads(path.read_bytes())
    except ValueError as error:
        raise StorageError(f"{path} is damaged ({error}); remove it, the same command makes it again") from None
    if not isinstance(stored, dict):
        raise StorageError(f"{path} is damaged (no object); remove it, the same command makes it again")
    return stored
