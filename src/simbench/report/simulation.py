"""What is said of simulated people: whose model, what its verdict allows, what is extrapolation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simbench.harness.conclusions import verdicts
from simbench.harness.library import Runs
from simbench.harness.pilot import SEEN
from simbench.harness.run import Run
from simbench.harness.store import RunFolder, folders_at
from simbench.report.formats import number

__all__ = ["allowed", "carried_over", "simulation_said"]

STUDY, YES = "cross_treatment", "yes"


def simulation_said(source: Run, manifest: dict[str, Any]) -> Iterator[str]:
    """Lines for the terminal."""
    yield from allowed(source)
    if manifest["extrapolation"]:
        names = ", ".join(manifest["extrapolation"])
        yield f"EXTRAPOLATION: the model has not learned from anybody under {names}; nothing was judged there."
        yield carried_over(source)
    counts = manifest["outcomes"]["all"]
    lost = {status: count for status, count in counts.items() if status != "ok"}
    n = sum(counts.values())
    yield f"{counts.get('ok', 0):,} of {n:,} simulated answers can be used" + (
        f" ({', '.join(f'{count} {status}' for status, count in lost.items())})" if lost else ""
    )
    if manifest["humans"].get("synthetic"):
        yield "The people behind this model are SYNTHETIC, too: no figure says anything about real people."


def allowed(source: Run) -> Iterator[str]:
    """The verdict of the run whose model answers, and what it allows."""
    found = verdicts(source.manifest, source.scores)
    if not found:
        yield "The run that this model is of was not judged (metric verdict): what it may be used for is not known."
        return
    yes = [purpose for purpose, (answer, _) in found.items() if answer == YES]
    for purpose, (answer, words) in found.items():
        yield f"for {purpose}: {answer} ({words})"
    if yes:
        yield f"So they may stand in for people for {', '.join(yes)}, under the conditions judged, and no more."
    else:
        yield (
            "So these answers may NOT stand in for people for any purpose judged. With people's own answers they can "
            "still be used: simbench infer."
        )


def carried_over(source: Run) -> str:
    """What runs of the study ``cross_treatment`` beside this one say of groups that a pilot has not seen."""
    import pandas as pd

    manifest = source.manifest
    name, backend = manifest["experiment"]["name"], manifest["config"]["backend"]["name"]
    beside = []
    for path in folders_at(source.folder.path.parent):
        folder = RunFolder(path)
        other = folder.manifest
        config = other.get("config", {})
        if (
            other.get("status") == "done"
            and config.get("study") == STUDY
            and other.get("experiment", {}).get("name") == name
            and config["backend"]["name"] == backend
        ):
            beside.append(folder)
    if beside:
        scores = Runs(beside).scores
        of = scores[(scores["subgroup"] == SEEN) & (scores["metric"] == "js_distance") & (scores["item"] == "mean")]
        means: pd.Series = of.groupby("level")["value"].mean()
        if {"seen", "unseen"} <= set(means.index):
            seen, unseen = number(float(means["seen"])), number(float(means["unseen"]))
            return (
                f"In {len(beside)} runs of the study {STUDY} with this backend, the mean distance of answers (JS, 0 "
                f"to 1) was {unseen} in treatment groups that the pilot had not seen, {seen} in those it had."
            )
    return f"The study {STUDY} says by how much unseen groups are missed; it was not run here with this backend."
