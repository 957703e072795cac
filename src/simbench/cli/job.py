"""One job of the command line: carry out a run, print what came of it, survive what goes wrong."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simbench.cli.terminal import progress, show
from simbench.errors import SimbenchError
from simbench.harness.config import assemble
from simbench.harness.run import Run, run
from simbench.plugin.manager import load_plugins
from simbench.report.table import run_table, sweep_table

__all__ = ["Outcome", "carry_out", "read_outcomes", "report_sweep", "write_outcome"]


@dataclass(frozen=True)
class Outcome:
    """How one job ended; the exit code is 0 for a run that is done."""

    code: int
    run: str | None = None
    job: str = ""
    error: str | None = None


def carry_out(config: Mapping[str, Any], job: str = "") -> Outcome:
    """Carry out one run and print its table. What goes wrong is printed and returned, never raised."""
    try:
        with progress() as bars:
            if job:
                bars.say(job)
            done = run(assemble(config, load_plugins()), bars)
        show(run_table(done))
        return Outcome(0, str(done.folder.path), job)
    except SimbenchError as error:
        print(f"simbench: {error}", file=sys.stderr)
        return Outcome(error.exit_code, None, job, f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - a bug in one job must not stop the sweep; it is shown in full
        traceback.print_exc()
        return Outcome(1, None, job, f"{type(error).__name__}: {error}")


def write_outcome(folder: Path, number: int, outcome: Outcome) -> None:
    """Leave a job's outcome for the process that started the sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")


def read_outcomes(folder: Path) -> list[Outcome]:
    """The outcomes of a sweep's jobs, in the order of the jobs."""
    files = sorted(folder.glob("[0-9]*.json"), key=lambda path: int(path.stem))
    return [Outcome(**json.loads(path.read_text(encoding="utf-8"))) for path in files]


def report_sweep(outcomes: list[Outcome]) -> int:
    """Print one line per job of a sweep; 0 where every job is done."""
    if not outcomes:
        return 0
    done = [Run.at(Path(each.run)) for each in outcomes if each.run]
    failed = [each for each in outcomes if each.code]
    show(sweep_table(done))
    print(f"{len(done)} of {len(outcomes)} runs done")
    for each in failed:
        print(f"failed: {each.job}: {each.error}", file=sys.stderr)
    return max((each.code for each in failed), default=0)
