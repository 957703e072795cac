"""How long ``status``, ``compare`` and ``report`` take over a thousand runs, and how much memory.

    python benchmarks/sweep_scale.py [--runs 1000] [--folder DIR] [--only status compare ...]

Runs of framing (real people, ``evaluate=reserved``, every metric, 1,000 resamples) by the backends that cost
nothing: 14 settings with two seeds each are carried out, and copied under other seeds and run ids until there are
enough. A copy is as large as a run and is read like one, but its figures are those of the run that it was copied
from. ``--folder`` keeps the runs, so that a second call measures only. Each verb then runs in a process of its own;
its seconds by the clock and of the processor (children's too), its peak memory and the size of what it wrote are
printed as JSON. The promise for 1,000 runs: status and compare below 5 s, a site (without drawings) below 60 s. On a
machine that others use, read the seconds of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEEDS = 2
SAMPLERS = ("random", "balanced")
SIZES = (30, 60)
LEARNING = ("majority", "resample", "tabular")
PAUSE = 0.05

VERBS = {
    "status": ("status", "runs"),
    "compare": ("compare", "runs"),
    "compare_csv": ("compare", "runs", "--format", "csv"),
    "compare_apart": ("compare", "runs", "--apart", "--format", "csv"),
    "site_without_drawings": ("report", "runs", "--no-figures", "--site", "plain"),
    "site_without_drawings_again": ("report", "runs", "--no-figures", "--site", "plain"),
    "site": ("report", "runs", "--site", "site"),
    "report": ("report", "runs", "-o", "page", "--no-figures"),
}


def main() -> None:
    """Make the runs, measure the verbs, print one JSON object."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where runs are, or are made, and kept (default: thrown away)")
    parser.add_argument("--only", nargs="+", choices=VERBS, default=list(VERBS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as thrown:
        folder = asked.folder or Path(thrown)
        made = make(folder / "runs", asked.runs)
        found: dict[str, Any] = {
            "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
            "load_before": round(os.getloadavg()[0], 1),
            "runs": asked.runs,
            "making": made,
        }
        for name in asked.only:
            found[name] = measured(folder, VERBS[name])
            print(json.dumps({name: found[name]}), file=sys.stderr)
    print(json.dumps(found, indent=1))


def settings() -> Iterator[dict[str, Any]]:
    """The settings that differ, without seeds."""
    yield {"backend": "uniform", "sampler": "none"}
    yield {"backend": "uniform", "sampler": {"name": "random", "n": SIZES[0]}}
    for backend in LEARNING:
        for sampler in SAMPLERS:
            for size in SIZES:
                yield {"backend": backend, "sampler": {"name": sampler, "n": size}}


def make(out: Path, wanted: int) -> dict[str, Any]:
    """Carry out the runs that are not there yet, and copy them until there are as many as wanted."""
    import simbench
    from simbench.harness.store import RunFolder, folders_at

    if out.is_dir() and len(folders_at(out)) == wanted:
        return {"seconds": 0.0, "carried_out": 0}
    started = time.monotonic()
    real = [
        simbench.run("framing", evaluate="reserved", seed=seed, out=str(out), report=False, **each)
        for each in settings()
        for seed in range(SEEDS)
    ]
    carried_out = time.monotonic() - started
    for number in range(wanted - len(real)):
        run = real[number % len(real)]
        seed = run.manifest["seed"] + SEEDS * (1 + number // len(real))
        name = f"{run.run_id[:-12]}{number:012x}"
        if (out / name).exists():
            continue
        shutil.copytree(run.folder.path, out / name)
        copy = RunFolder(out / name)
        copy.update(run_id=name, seed=seed, config={**copy.manifest["config"], "seed": seed})
    return {
        "seconds": round(time.monotonic() - started, 1),
        "carried_out": len(real),
        "seconds_to_carry_out": round(carried_out, 1),
    }


def measured(folder: Path, words: tuple[str, ...]) -> dict[str, float]:
    """Seconds of one verb, the most memory that it and its children held at once, and megabytes written."""
    target = folder / words[-1] if "--site" in words else folder / "page" if "-o" in words else None
    before = os.times()
    started = time.monotonic()
    command = [sys.executable, "-m", "simbench", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        peak = [0.0]
        watcher = threading.Thread(target=watch, args=(process.pid, process, peak), daemon=True)
        watcher.start()
        _, said = process.communicate()
        watcher.join()
    if process.returncode:
        raise SystemExit(said.decode()[-2000:])
    wall, after = time.monotonic() - started, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    found = {"seconds": round(wall, 2), "processor_seconds": round(spent, 2), "peak_megabytes": round(peak[0])}
    if target is not None:
        pages = [each.stat().st_size for each in target.rglob("*.html")]
        whole = sum(each.stat().st_size for each in target.rglob("*") if each.is_file())
        found |= {"pages": len(pages), "largest_page_megabytes": round(max(pages) / 1e6, 2)}
        found |= {"written_megabytes": round(whole / 1e6, 1)}
    return found


def watch(pid: int, process: subprocess.Popen[bytes], peak: list[float]) -> None:
    """Keep the most memory (megabytes, shared pages counted once per process) of a process and its descendants."""
    import psutil

    while process.poll() is None:
        held = 0
        try:
            whole = psutil.Process(pid)
            for each in (whole, *whole.children(recursive=True)):
                held += each.memory_info().rss
        except psutil.Error:
            pass
        peak[0] = max(peak[0], held / 1e6)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
