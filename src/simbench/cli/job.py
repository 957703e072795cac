"""One job of the command line: carry out a run, print what came of it, survive what goes wrong."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from simbench.cli.quiet import quiet
from simbench.cli.terminal import progress, show
from simbench.errors import ConfigError, SimbenchError
from simbench.harness.config import Plan, assemble
from simbench.harness.library import Runs
from simbench.harness.run import Run, run
from simbench.harness.store import ERROR_LOG, RunFolder
from simbench.harness.sweeps import Outcome, Sweep
from simbench.plugin.blame import told
from simbench.plugin.manager import load_plugins
from simbench.report.formats import as_table
from simbench.report.outcomes import useless
from simbench.report.table import run_table, sweep_table
from simbench.samplers.none import NoPilot

__all__ = ["refuse", "report_sweep", "run_job"]


def run_job(config: Mapping[str, Any], job: str = "", begun: Callable[[RunFolder], None] | None = None) -> Outcome:
    """Carry out one run and print its table. What goes wrong is printed and returned, never raised.

    A run that is done without a single answer that can be used ends with exit code 1, too.
    """
    folders: list[RunFolder] = []

    def opened(folder: RunFolder) -> None:
        folders.append(folder)
        if begun:
            begun(folder)

    try:
        with terminable(), quiet(), progress() as bars:  # a launcher's worker starts here
            if job:
                bars.say(job)
            registry = load_plugins()
            plan = assemble(config, registry)
            if words := _not_for_this(plan):
                bars.say(f"left out: {words}")
                return Outcome(0, None, job, f"left out: {words}")
            done = run(plan, bars, opened)
        if config.get("report") is not False:
            _report(done)
        show(run_table(done, registry))
        lost = useless(done.manifest)
        if lost:
            print(f"simbench: {lost}", file=sys.stderr)
        return Outcome(1 if lost else 0, str(done.folder.path.absolute()), job, lost)
    except SimbenchError as error:
        return refuse(error, job)
    except MemoryError as error:
        words = f"this machine has too little memory for it ({error or 'no more was given'})"
        return refuse(ConfigError(f"{words}; fewer resamples, replicates or people take less"), job)
    except Exception as error:  # noqa: BLE001 - a bug in one job must not stop the sweep
        return _broken(error, job, folders)


def refuse(error: SimbenchError, job: str = "") -> Outcome:
    """How a job ends that is refused; prints why."""
    print(f"simbench: {error}", file=sys.stderr)
    return Outcome(error.exit_code, None, job, f"{type(error).__name__}: {error}")


def _broken(error: Exception, job: str, folders: Sequence[RunFolder]) -> Outcome:
    """How a job ends by an exception that nobody raised on purpose: one line, the traceback in the run's folder.

    A traceback that no run's folder keeps is printed.
    """
    words = told(error)
    log = next((folder / ERROR_LOG for folder in folders if (folder / ERROR_LOG).exists()), None)
    if log is None:
        traceback.print_exception(error)
    kept = "" if log is None else f". This is a fault of a plugin or of simbench; its traceback is in {log}"
    print(f"simbench: {words}{kept}", file=sys.stderr)
    return Outcome(1, None, job, words)


def _not_for_this(plan: Plan) -> str:
    """Why a study's cell is nothing for this backend, if so: one without a pilot, for a backend that needs it.

    Asked for outside a study, such a run fails and says why.
    """
    if plan.settings.study and plan.backend.needs_pilot and plan.sampler.name == NoPilot.name:
        return f"backend {plan.backend.name!r} learns from a pilot, and the cell {plan.settings.cell!r} draws none"
    return ""


class _Terminated(KeyboardInterrupt):
    """A handler of SIGTERM asked for the end of the process, with SystemExit as the cause."""


@contextmanager
def terminable() -> Iterator[None]:
    """Where a launcher ends its worker by SystemExit (Ray, when a driver or node is gone), the run is interrupted.

    Without this the SystemExit would come out of whatever plugin is at work, and be taken for its failure.
    """
    kept = signal.getsignal(signal.SIGTERM)
    if not callable(kept) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        try:
            kept(number, frame)
        except SystemExit as stop:
            raise _Terminated from stop

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except _Terminated as stopped:
        raise stopped.__cause__ or stopped from None
    finally:
        signal.signal(signal.SIGTERM, kept)


def _report(done: Run) -> Path:
    """The run's page; written anew only where it is older than the run."""
    path = done.folder / "report.html"
    if not path.exists() or path.stat().st_mtime < (done.folder / "manifest.json").stat().st_mtime:
        from simbench.report.page import write_report

        write_report(Runs([done.folder]), load_plugins(), done.folder.path, figures=False)
    return path


def _show_paper(runs: Runs) -> None:
    """The study ``paper`` beside the published figures; nothing for other runs."""
    from simbench.report.paper import PUBLISHED_NOTE, in_brief, paper_table

    table = paper_table(runs)
    if table is not None:
        show(as_table(in_brief(table), "the source paper's figures beside this study's"))
        print(PUBLISHED_NOTE)


def report_sweep(sweep: Sweep) -> int:
    """Print one line per job of a sweep; 0 where every job that was planned is done."""
    planned, outcomes = sweep.plan.get("jobs", []), sweep.outcomes()
    if not planned and not outcomes:
        return 0
    done = [Run.at(Path(each.run)) for each in outcomes if each.run]
    failed = [each for each in outcomes if each.code]
    left = [each for each in outcomes if not each.code and not each.run]
    show(sweep_table(done))
    if done:
        _show_paper(Runs([each.folder for each in done]))
    print(f"{len(done)} of {max(len(planned), len(outcomes)) - len(left)} runs done")
    for each in left:
        print(f"{each.job}: {each.error}")
    for each in failed:
        print(f"failed: {each.job}: {each.error}", file=sys.stderr)
    lost = len(planned) - len(outcomes)
    if lost > 0:
        print(f"{lost} runs did not end; the same command goes on with them", file=sys.stderr)
    return max((each.code for each in failed), default=1 if lost > 0 else 0)
