"""How long a person waits before anything happens: the verbs, and a finished run asked for again.

    python benchmarks/startup.py

Each figure is the median of several starts, printed beside a bare ``python -c "import pandas"`` measured in the same
run, so that it can be read on a machine of any speed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

REPEATS = 7
SIMBENCH = (sys.executable, "-m", "simbench")
RUN = (*SIMBENCH, "experiment=framing", "backend=uniform", "sampler=balanced")


def median_seconds(command: tuple[str, ...], folder: str) -> float:
    """Median wall time of a command over several starts, after one to warm the disk cache."""
    seconds = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def main() -> None:
    """Print one line per command."""
    with tempfile.TemporaryDirectory() as folder:
        pandas = median_seconds((sys.executable, "-c", "import pandas"), folder)
        commands = {
            "import pandas (for comparison)": (sys.executable, "-c", "import pandas"),
            "simbench plugins (goal: under 0.5 s)": (*SIMBENCH, "plugins"),
            "simbench show sampler balanced": (*SIMBENCH, "show", "sampler", "balanced"),
            "a finished run again (goal: under 2.5 s)": RUN,
        }
        print(f"{'command':<44}{'seconds':>9}{'x pandas':>10}")
        for name, command in commands.items():
            seconds = median_seconds(command, folder)
            print(f"{name:<44}{seconds:>9.2f}{seconds / pandas:>10.1f}")


if __name__ == "__main__":
    main()
