"""Time and memory of one whole run on many people: all metrics, default scoring, ``backend=tabular``.

Run with ``python benchmarks/many_people.py [experiment] [name=value ...]``, by default welfare_wording: 36,501
people, whose data are in SIMBENCH_DATA, or downloaded. Prints seconds by the clock and of the processor, peak
memory, and how many figures came out; the load of the machine first, since it decides what the clock says.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from typing import Any

import simbench


def main(words: list[str]) -> None:
    """Run once in a folder that is thrown away."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    found = measured(words)
    print(f"{found['experiment']}: {found['compared']:,} people compared, pilot of {found['pilot']:,}")
    print(
        f"{found['figures']:,} figures, {found['missing']} of them missing with a reason; faults: {found['faults']}"
    )
    print(f"answering {found['answering']:.1f} s, likelihoods {found['likelihoods']:.1f} s")
    print(
        f"whole run {found['clock']:.1f} s by the clock, {found['processor']:.1f} s of the processor, "
        f"peak memory {found['memory']:.2f} GB"
    )


def measured(words: list[str]) -> dict[str, Any]:
    """One run, and what it took."""
    name = next((word for word in words if "=" not in word), "welfare_wording")
    given = dict(word.split("=", 1) for word in words if "=" in word)
    experiment = {"name": name, **{key: given.pop(key) for key in ("file", "data") if key in given}}
    pilot = {"name": "random", "n": int(given.pop("n", 1000))}
    started, spent = time.monotonic(), time.process_time()
    settings = {"experiment": experiment, "sampler": pilot, "backend": given.pop("backend", "tabular"), **given}
    with tempfile.TemporaryDirectory() as folder:
        run = simbench.run(**settings, out=folder, report=False)
        seconds, processor = time.monotonic() - started, time.process_time() - spent
        scores, manifest = run.scores, run.manifest
    return {
        "experiment": name,
        "pilot": pilot["n"],
        "compared": manifest["humans"]["n_evaluated"],
        "figures": len(scores),
        "missing": int(scores["value"].isna().sum()),
        "faults": manifest["metric_faults"] or "none",
        "answering": manifest["respond_seconds"],
        "likelihoods": manifest["likelihood"].get("seconds", 0),
        "clock": seconds,
        "processor": processor,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
