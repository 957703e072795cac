"""What the harness itself costs in a sweep, and how long ``status`` and ``compare`` take over its runs.

    python benchmarks/sweep_overhead.py [--runs 200] [--experiment information_disclosure]

A sweep of the uniform backend, which answers at no cost, in one process. CPU time is divided into scoring
(metrics, resamples, baselines: statistics, by default settings cut down to few resamples) and everything else,
which is the harness: composing, loading and validating people, interviews, journal, Parquet files, manifest,
printing, and the start of the process. The promise is: below 0.5 s of CPU per run outside scoring; status and
compare below 2 s each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CUT = ("metric=[js_distance]", "scoring.resamples=20", "scoring.splits=2", "scoring.floors=1")


def main() -> None:
    """Run the sweep in a temporary folder and print one JSON object."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--experiment", default="information_disclosure")
    parser.add_argument("--worker", nargs="*", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker is not None:
        return sweep(asked.worker)
    words = [f"experiment={asked.experiment}", "backend=uniform", "sampler=random", "evaluate=all"]
    words += [f"seed=range({asked.runs})", *CUT]
    with tempfile.TemporaryDirectory() as folder:
        whole = measured(Path(folder), [sys.executable, str(Path(__file__).resolve()), "--worker", *words])
        scoring = float((Path(folder) / "scoring").read_text())
        found = {
            "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
            "python": platform.python_version(),
            "runs": asked.runs,
            "experiment": asked.experiment,
            "cpu_seconds_per_run_of_the_harness": round((whole["cpu"] - scoring) / asked.runs, 3),
            "cpu_seconds_per_run_of_scoring": round(scoring / asked.runs, 3),
            "wall_seconds_per_run": round(whole["wall"] / asked.runs, 3),
            **{
                f"{verb}_seconds": measured(Path(folder), [sys.executable, "-m", "simbench", *line])
                for verb, line in VERBS.items()
            },
        }
    print(json.dumps(found, indent=1))


VERBS = {
    "status": ("status",),
    "compare": ("compare", "runs", "--format", "csv"),
    "compare_again_as_a_table": ("compare", "runs", "--part", "leaderboard"),
}


def sweep(words: list[str]) -> None:
    """Carry out the sweep in this process and leave the CPU seconds that scoring took in a file."""
    from simbench.cli import main as command
    from simbench.harness import run

    real, spent = run.score, [0.0]

    def timed(*given: Any, **named: Any) -> Any:
        started = time.process_time()
        scored = real(*given, **named)
        spent[0] += time.process_time() - started
        return scored

    run.score = timed
    code = command(["-m", *words])
    Path("scoring").write_text(str(spent[0]))
    sys.exit(code)


def measured(folder: Path, command: list[str]) -> dict[str, float]:
    """Wall and CPU seconds of one command, children included."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": round(time.monotonic() - started, 2), "cpu": round(cpu, 2)}


if __name__ == "__main__":
    main()
