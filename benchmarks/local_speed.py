"""How fast SmolLM2 learns from and answers the framing interviews here, beside the usual ways.

    python benchmarks/local_speed.py                         # everything, about 40 minutes on 2 quiet cores
    python benchmarks/local_speed.py --only answer           # or: train, gradients
    python benchmarks/local_speed.py --participants 64 --transcripts 29

Every contestant is a process of its own, so that its peak memory is its own; slow ones do fewer units. All take
their turn in every round, because a machine's speed drifts: a ratio is of seconds per unit to this project's in
the same round, given as the median of the rounds and the range. TRL is measured where ``pip install trl`` was done.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

ANSWER = {
    "choice, shared prefix, bf16 (this project)": ("shared", "bf16", 1.0),
    "choice, shared prefix, fp32 (this project)": ("shared", "fp32", 0.5),
    "the same with a head's probabilities": ("asked head", "bf16", 1.0),
    "the same with a blend's probabilities": ("asked blend", "bf16", 1.0),
    "choice, nothing shared, bf16": ("unshared", "bf16", 0.25),
    "generate in batches of 32, bf16": ("batched", "bf16", 0.25),
    "generate in batches of 32, fp32": ("batched", "fp32", 0.125),
    "generate one by one, bf16": ("single", "bf16", 0.0625),
    "generate one by one, fp32": ("single", "fp32", 0.04),
}
TRAIN = {
    "packed behind the shared prefix (this project)": ("packed", "bf16", 1.0),
    "transformers Trainer": ("trainer", "bf16", 1.0),
    "TRL SFTTrainer": ("trl", "bf16", 1.0),
}
ADAPT = {
    "head: read, layer and penalties by cross-validation": ("head", "bf16", 1.0),
    "blend: the same and the pool, out of fold": ("blend", "bf16", 1.0),
    "calibrate": ("calibrate", "bf16", 1.0),
    "LoRA, one of nine passes": ("packed", "bf16", 1.0),
}
BATCH, PILOT = 16, 66


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=("answer", "adapt", "train", "gradients"))
    parser.add_argument("--participants", type=int, default=256)
    parser.add_argument("--transcripts", type=int, default=116)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", nargs=3, metavar=("KIND", "DTYPE", "UNITS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(work(given.worker[0], given.worker[1], int(given.worker[2]), given.threads)))
        return
    if given.only in (None, "answer"):
        table("answering, ms per participant", ANSWER, given.participants, given.rounds, given.threads)
    if given.only in (None, "adapt"):
        title = f"adapting to a pilot of {PILOT}, ms per transcript"
        table(title, ADAPT, PILOT, given.rounds, given.threads)
    if given.only in (None, "train"):
        title = f"one LoRA epoch, batch {BATCH}, ms per transcript"
        table(title, TRAIN, given.transcripts, given.rounds, given.threads)
    if given.only in (None, "gradients"):
        found = measured("gradients", "fp32", 4, given.threads)
        print(f"gradients, packed against padded, fp32: largest difference {found['difference']:.1e}, relative "
              f"to the largest gradient {found['relative']:.1e}")  # fmt: skip


def table(title: str, contestants: dict[str, tuple[str, str, float]], units: int, rounds: int, threads: int) -> None:
    """Let every contestant take its turn in every round and print one line for each."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, (kind, dtype, share) in contestants.items():
            print(f"round {number} of {rounds}: {name}", file=sys.stderr, flush=True)
            found[name].append(measured(kind, dtype, max(2, round(units * share)), threads))
    print(f"\n{title:<50}{'ms':>9}{'CPU ms':>9}{'ratio':>8}{'range':>15}{'units':>7}{'peak MB':>9}")
    own: list[float] | None = None  # the first contestant's, which is this project
    for name, turns in found.items():
        errors = [turn["error"] for turn in turns if "error" in turn]
        if errors:
            print(f"{name:<50}  open: {errors[0]}")
            if own is None:
                raise SystemExit("nothing to compare with: this project's own contestant failed")
            continue
        each = [1000 * turn["seconds"] / turn["units"] for turn in turns]
        cpu = [1000 * turn["cpu"] / turn["units"] for turn in turns]
        own = own or each
        ratios = [one / ours for one, ours in zip(each, own, strict=True)]
        print(
            f"{name:<50}{median(each):>9.1f}{median(cpu):>9.1f}{median(ratios):>8.1f}"
            f"{f'{min(ratios):.1f} to {max(ratios):.1f}':>15}{turns[0]['units']:>7}"
            f"{max(turn['peak_mb'] for turn in turns):>9.0f}",
            flush=True,
        )


def measured(kind: str, dtype: str, units: int, threads: int) -> dict[str, Any]:
    """One contestant in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(threads), "--worker", kind, dtype, str(units)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def work(kind: str, dtype: str, units: int, threads: int) -> dict[str, Any]:
    """What one contestant does, and what it took. One unmeasured round of a few units comes first."""
    import torch
    from _local import choose_shared, choose_unshared, generate, timed, train_packed, train_with_peer

    from simbench_local.loading import load, place
    from simbench_local.store import DEFAULT, resolve

    torch.set_num_threads(threads)
    if kind == "trl":
        import trl  # noqa: F401  said before anything is loaded
    loaded = load(resolve(DEFAULT), place("cpu", dtype), learning=kind in ("packed", "trainer", "trl", "gradients"))
    people = transcripts(units)
    asked = [each.interview for each in people]
    if kind == "gradients":
        return gradients(loaded, people)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if kind in ("shared", "unshared", "batched", "single"):
            ways = {
                "shared": lambda some: choose_shared(loaded, some, folder),
                "unshared": lambda some: choose_unshared(loaded, some, BATCH),
                "batched": lambda some: generate(loaded, some, 32),
                "single": lambda some: generate(loaded, some, 1),
            }
            ways[kind](asked[:2])
            found = timed(lambda: ways[kind](asked), loaded.device)
        elif kind in ("head", "blend", "calibrate"):
            found = timed(lambda: adapted(loaded, people, kind, folder), loaded.device)
        elif kind.startswith("asked"):
            found = answered(loaded, people, kind.split()[1], folder)
        elif kind == "packed":
            found = timed(train_packed(loaded, people, BATCH), loaded.device)
        else:
            found = timed(train_with_peer(loaded, people, BATCH, kind, folder), loaded.device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": found.seconds, "cpu": found.cpu, "units": found.units, "peak_mb": peak}


def adapted(loaded: Any, people: list[Any], how: str, folder: Path) -> int:
    """Everything between a loaded model and one that is adapted; the number of people learned from."""
    from simbench.backends.base import Workspace
    from simbench.harness.progress import Silent
    from simbench_local.calibration import calibrate
    from simbench_local.encode import Encoder
    from simbench_local.voices import learn

    workspace = Workspace(folder, 0, Silent())
    if how == "calibrate":
        calibrate(loaded, Encoder(loaded.tokenizer), people, workspace)
    else:
        told = learn(loaded, Encoder(loaded.tokenizer), people, workspace, how, False, 0)
        (folder / "told.json").write_text(json.dumps({"adapt": how, **told}))
    return len(people)


def answered(loaded: Any, people: list[Any], how: str, folder: Path) -> Any:
    """Answering with what was learned, unmeasured, from other people."""
    from dataclasses import replace

    from _local import timed

    from simbench.backends.base import Model, Workspace
    from simbench.harness.progress import Silent
    from simbench_local.answering import Chooser, answer_by_choice
    from simbench_local.encode import Encoder
    from simbench_local.voices import voice_of

    adapted(loaded, transcripts(PILOT), how, folder)
    voice = voice_of(Model("local", "", parameters=json.loads((folder / "told.json").read_text())), folder)
    watched, encoder = replace(loaded, watched=voice.watched), Encoder(loaded.tokenizer)
    asked, chooser = [each.interview for each in people], Chooser(0, forecast=voice.forecast)
    workspace = Workspace(folder, 0, Silent())
    return timed(lambda: sum(1 for _ in answer_by_choice(watched, encoder, asked, chooser, workspace)), loaded.device)


def transcripts(count: int) -> list[Any]:
    """Framing's people, again from the first where more are wanted, in an order that mixes conditions."""
    import numpy as np

    from simbench.plugin.manager import load_plugins

    framing = load_plugins().get("experiment", "framing").cls
    experiment = framing(framing.Config())
    people = list(experiment.script().transcripts(experiment.people()))
    mixed = [people[int(i)] for i in np.random.default_rng(0).permutation(len(people))]
    return list(islice(cycle(mixed), count))


def gradients(loaded: Any, people: list[Any]) -> dict[str, float]:
    """Largest difference between the gradients of the packed row and of the padded batch."""
    from simbench_local.encode import Encoder
    from simbench_local.packing import examples, packed_loss, padded_loss

    group = [each for each in people if each.interview.condition == people[0].interview.condition]
    prefixes, made = examples(Encoder(loaded.tokenizer), group, "answer")
    found = []
    loaded.model.requires_grad_(True)
    for measure in (packed_loss, padded_loss):
        loaded.model.zero_grad()
        (measure(loaded, prefixes[0], made) / sum(example.scored for example in made)).backward()
        found.append([weight.grad.clone() for weight in loaded.model.parameters()])
    difference = max(float((a - b).abs().max()) for a, b in zip(*found, strict=True))
    largest = max(float(a.abs().max()) for a in found[0])
    return {"difference": difference, "relative": difference / largest}


if __name__ == "__main__":
    main()
