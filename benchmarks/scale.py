"""How time and memory of one whole run grow with the number of people: 1,000, 10,000 and 100,000 of them.

    python benchmarks/scale.py [--sizes 1000 10000 100000] [--backends uniform tabular]

The people are drawn from the reference population of ``information_disclosure`` (four beliefs, a decision, eight
treatment groups), a pilot of 232 is left out of the comparison; all metrics, default scoring. Each run has a process
of its own. Prints a row per run as it ends, then the slope of log time and log memory between the two largest sizes:
1 is linear.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from math import log
from pathlib import Path
from typing import Any

from many_people import measured

from simbench.experiments.reference_population import Parameters, reference_population

PILOT = 232


def main() -> None:
    """Run every size with every backend."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--backends", nargs="+", default=["uniform", "tabular"])
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        print(json.dumps(measured(asked.one)))
        return
    print("| backend | people | clock, s | processor, s | peak memory, GB | load average |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for backend in asked.backends:
        found = [in_own_process(people, backend) for people in sorted(asked.sizes)]
        if len(found) > 1:
            few, many = found[-2:]
            steps = log(many["compared"] / few["compared"])
            slopes = (f"{what} {log(many[what] / few[what]) / steps:.2f}" for what in ("processor", "memory"))
            print(f"{backend}, slopes: {', '.join(slopes)}", flush=True)


def in_own_process(people: int, backend: str) -> dict[str, Any]:
    """One run of so many people, besides the pilot."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "people.csv"
        reference_population(Parameters(n=people + PILOT)).to_csv(data, index=False)
        words = ["information_disclosure", f"data={data}", f"n={PILOT}", f"backend={backend}"]
        load = os.getloadavg()[0]
        line = [sys.executable, str(Path(__file__).resolve()), "--one", *words]
        done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    row = (f"{found['clock']:.1f}", f"{found['processor']:.1f}", f"{found['memory']:.2f}", f"{load:.1f}")
    print(f"| {backend} | {found['compared']:,} | {' | '.join(row)} |", flush=True)
    return found


if __name__ == "__main__":
    main()
