"""How many passes should LoRA make where nobody chooses? Fixed numbers, and the choice inside the pilot.

    python benchmarks/passes.py crop_insurance job_training --epochs 3 6 9     # minutes to hours each
    python benchmarks/passes.py crop_insurance --epochs 0                      # chosen and calibrated in the pilot
    python benchmarks/passes.py                                                # the table of what was done

Bits per answer of people outside the pilot, each answer given the person's own earlier answers, by the rules of
docs/results/protocol.md. What was done is kept in ``--out`` and not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from adaptation import sample

from simbench.backends.base import Backend, Workspace
from simbench.backends.blend import SEEN, answers_of
from simbench.backends.logits import offered
from simbench.backends.tabular import Tabular, TabularConfig
from simbench.harness.config import assemble
from simbench.harness.pilot import draw_pilot
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench.plugin.manager import load_plugins


def main() -> None:
    """Train, look, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--pilot", type=int, default=30, help="rows in the pilot, persons whole")
    parser.add_argument("--outside", type=int, default=60, help="rows looked at outside the pilot, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, nargs="+", default=[3, 6, 9])
    parser.add_argument("--out", type=Path, default=Path("runs/passes"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.studies:
        for epochs in given.epochs:
            learn(name, given.pilot, given.seed, epochs, given.outside, given.out)
    show(given.out)


def learn(name: str, n: int, seed: int, epochs: int, most: int, out: Path) -> None:
    """One training and what it says of people outside; frequencies and tabular beside it."""
    from simbench_local import Local, LocalConfig

    path = out / f"{name}-{n}-{seed}-{epochs}.json"
    if path.exists():
        return
    plan = assemble({"experiment": name, "backend": "uniform", "sampler": "none"}, load_plugins())
    people = sample(plan.experiment.people(), 400)
    humans = max(1, round(n * people.person.nunique() / len(people)))
    given = {"experiment": name, "backend": "uniform", "sampler": {"name": "random", "n": humans}, "seed": seed}
    inside = np.zeros(len(people), dtype=bool)
    inside[list(draw_pilot(assemble(given, load_plugins()), people))] = True
    outside = np.random.default_rng(20261127).permutation(np.flatnonzero(~inside))[:most]
    transcripts = list(plan.experiment.script().transcripts(people))
    pilot = [each for each, drawn in zip(transcripts, inside, strict=True) if drawn]
    others = [transcripts[int(row)] for row in outside]
    started, used = time.perf_counter(), time.process_time()
    local = Local(LocalConfig(epochs=epochs))
    lent = Workspace(out / path.stem, seed, Silent())
    model = local.adapt(pilot, lent)
    took = {"wall": round(time.perf_counter() - started), "processor": round(time.process_time() - used)}
    bits = {"finetuned": said(local, model, others, lent)}
    table = Tabular(TabularConfig())
    bits |= {"tabular": said(table, table.adapt(pilot, lent), others, lent), "frequencies": shares(pilot, others)}
    told = {"pilot": len(pilot), "bits": bits, "seconds": took, "passes": model.parameters.get("passes")}
    path.write_text(json.dumps(told))
    print(
        f"{path.stem}: { ({way: round(float(np.mean(each)), 3) for way, each in bits.items()}) } {took}", flush=True
    )


def said(backend: Backend[Any], model: Any, others: list[Transcript], lent: Workspace) -> list[float]:
    """Bits per answer of every person."""
    answers = {each.key: each for each in backend.score(model, others, lent)}
    return [
        float(
            np.mean(
                [
                    np.log2(answers[each.interview.key].probabilities[item.name][item.code(each.answers[item.name])])
                    for item in each.interview.items
                ]
            )
        )
        for each in others
    ]


def shares(pilot: list[Transcript], others: list[Transcript]) -> list[float]:
    """The same of the pilot's shares with half a person added to every option."""
    items, codes = answers_of([*pilot, *others])
    found = np.zeros(len(others))
    for at, (item, own) in enumerate(zip(items, codes, strict=True)):
        table = np.bincount(own[: len(pilot)], minlength=len(item.values)) + SEEN
        table = table * offered(item, at, [each.interview for each in others])
        table = table / table.sum(axis=1, keepdims=True)
        found += np.log2(table[np.arange(len(others)), own[len(pilot) :]]) / len(items)
    return [float(each) for each in found]


def show(out: Path) -> None:
    """Print a line per study, pilot and number of passes."""
    print("| study | pilot | seed | passes | finetuned | tabular | frequencies | processor seconds |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for path in sorted(out.glob("*.json")):
        told = json.loads(path.read_text())
        name, _, seed, epochs = path.stem.rsplit("-", 3)
        passes = f"{told['passes']['chosen']}, chosen in it" if told["passes"] else epochs
        means = " | ".join(f"{np.mean(told['bits'][way]):.3f}" for way in ("finetuned", "tabular", "frequencies"))
        print(f"| {name} | {told['pilot']} | {seed} | {passes} | {means} | {told['seconds']['processor']} |")


if __name__ == "__main__":
    main()
