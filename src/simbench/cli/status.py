"""``simbench status``: how far the runs and sweeps of a folder came, and what they cost."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simbench.errors import ConfigError
from simbench.files import as_path
from simbench.harness.spending import usage_of
from simbench.harness.store import RunFolder, folders_at
from simbench.harness.sweeps import STATES, Job, jobs_of, sweeps_in

__all__ = ["main", "status_of"]

MOST = 20


def main(words: Sequence[str]) -> int:
    """Show runs that are done, failed, running or interrupted, what sweeps still miss, and the spend."""
    parser = argparse.ArgumentParser(prog="simbench status", description=main.__doc__)
    parser.add_argument("out", nargs="?", default="runs", help="folder that holds the run folders (default: runs)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    folder = as_path(asked.out)
    if not folder.is_dir():
        raise ConfigError(
            f"status: there is no folder {asked.out}; name the one that holds the run folders (out=...)"
        )
    found = status_of(folder)
    if asked.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print(found)
    return 0


def status_of(folder: Path) -> dict[str, Any]:
    """Counts of runs by state, spend by state, the jobs that sweeps miss, and what is wrong with what failed."""
    runs = [RunFolder(path) for path in folders_at(folder)]
    manifests = {run.run_id: run.manifest for run in runs}
    usages = {run.run_id: usage_of(run) for run in runs}
    states = {run.run_id: run.state or "missing" for run in runs}
    jobs = jobs_of(sweeps_in(folder))
    missing = [job for job in jobs if job.state == "missing"]
    known = {job.run.name for job in jobs if job.run}
    lost = [
        job for job in jobs if job.state == "failed" and (job.run is None or states.get(job.run.name) != "failed")
    ]
    lost = [job for job in lost if job.run is None or states.get(job.run.name) != "done"]
    counts = Counter(states.values())
    counts.update({"missing": len(missing), "failed": len(lost)})
    return {
        "counts": {state: counts[state] for state in STATES},
        "spend": _spend(manifests, usages, states),
        "failed": [
            *({"run": run, "reason": _reason(manifests[run])} for run in states if states[run] == "failed"),
            *({"run": _words(job), "reason": job.error or "unknown"} for job in lost),
        ],
        "interrupted": [run for run in states if states[run] == "interrupted"],
        "running": [run for run in states if states[run] == "running"],
        "missing": [job.words for job in missing],
        "outside_sweeps": len(set(states) - known),
    }


def _words(job: Job) -> str:
    return job.run.name if job.run else job.words


def _reason(manifest: dict[str, Any]) -> str:
    error = manifest.get("error") or {}
    return f"{error.get('type', 'unknown')}: {error.get('message', 'no reason was written down')}"


def _spend(
    manifests: dict[str, dict[str, Any]], usages: dict[str, dict[str, Any]], states: dict[str, str]
) -> dict[str, Any]:
    """Tokens by kind, US dollars where known, and for how many runs they are not: of runs in every state."""
    tokens: Counter[str] = Counter()
    cost, doubtful, unknown, seconds = 0.0, 0.0, 0, 0.0
    for name, manifest in manifests.items():
        usage = usages[name]
        tokens.update(usage.get("tokens") or {})
        cost += usage.get("cost") or 0.0
        doubtful += usage.get("doubtful") or 0.0
        unknown += bool(usage.get("tokens")) and usage.get("cost") is None
        seconds += sum(manifest.get(name) or 0.0 for name in ("adapt_seconds", "respond_seconds"))
    unfinished = sum(state not in ("done",) for state in states.values())
    return {
        "tokens": dict(tokens),
        "us_dollars": round(cost, 6),
        "doubtful_us_dollars": round(doubtful, 6),
        "runs_of_unknown_cost": unknown,
        "runs_not_done": unfinished,
        "seconds": round(seconds, 1),
    }


def _print(found: dict[str, Any]) -> None:
    print(", ".join(f"{count} {state}" for state, count in found["counts"].items()))
    spend = found["spend"]
    tokens = ", ".join(f"{count} {kind}" for kind, count in spend["tokens"].items()) or "none"
    unknown = f", plus {spend['runs_of_unknown_cost']} runs of unknown cost" if spend["runs_of_unknown_cost"] else ""
    lost = spend["doubtful_us_dollars"]
    doubt = f" ({lost:.4f} of it set aside for requests whose end is unknown)" if lost else ""
    known = f"{spend['us_dollars']:.4f} US dollars"
    if not spend["us_dollars"] and unknown:
        known, unknown = f"price unknown ({spend['runs_of_unknown_cost']} runs)", ""
    print(f"spend: {known}{doubt}{unknown}; tokens: {tokens}; {spend['seconds']:.0f} s of model time")
    for each in found["failed"][:MOST]:
        print(f"failed: {each['run']}: {each['reason']}")
    for state in ("running", "interrupted", "missing"):
        for each in found[state][:MOST]:
            print(f"{state}: {each}")
        if len(found[state]) > MOST:
            print(f"{state}: and {len(found[state]) - MOST} more")
    if len(found["failed"]) > MOST:
        print(f"failed: and {len(found['failed']) - MOST} more (--json lists all)")
    if found["failed"]:
        print("what a budget, key or connection stopped goes on by the same command; the rest with retry_failed=true")
    if found["missing"] or found["interrupted"]:
        print("what is missing or interrupted goes on by the same command")
