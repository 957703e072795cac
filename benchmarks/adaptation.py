"""Which way of learning from a pilot foretells people outside it best? The comparison of docs/results/protocol.md.

    python benchmarks/adaptation.py read framing welfare_wording     # the model reads a study once: minutes each
    python benchmarks/adaptation.py learn framing --pilots 66        # seconds per pilot and seed
    python benchmarks/adaptation.py show                             # tables in Markdown of what has been done

What was done is kept in ``--out`` and not done again. Every way learns from the same pilots and is asked about the
same people, each answer given the person's own earlier answers; the figures are bits per answer.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.backends import blend as blending
from simbench.backends.base import Workspace
from simbench.backends.blend import answers_of, pilot_folds
from simbench.backends.logits import offered
from simbench.backends.resample import Resample
from simbench.backends.tabular import Tabular, TabularConfig, chances_of
from simbench.design import Item, People
from simbench.harness.config import Plan, assemble
from simbench.harness.pilot import draw_pilot
from simbench.harness.progress import Silent
from simbench.interview import Transcript
from simbench.plugin.manager import load_plugins
from simbench.settings import NoConfig
from simbench.stats.pooling import Stack, fit_weights, pooled

Floats = NDArray[np.float64]
DEVELOPMENT = ("framing", "crop_insurance", "voluntary_collaboration", "job_training")
MOST, LEAST_OUTSIDE = 400, 30
ROWS, USED = 20, 8  # of a person with more rows than the first, so many are used
PILOTS, SEEDS = (30, 66, 116), (0, 1, 2, 3, 4)
WAYS = ("uniform", "frequencies", "copies", "tabular", "model", "calibrated", "head", "table only", "blend")
MEMBERS = ("copies", "tabular", "head")
PAIRS = (
    ("blend", "frequencies"),
    ("blend", "copies"),
    ("blend", "tabular"),
    ("blend", "table only"),
    ("head", "tabular"),
)
Z = 1.959964


def main() -> None:
    """Read, learn or show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("read", "learn", "show"))
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--pilots", type=int, nargs="+", default=list(PILOTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--most", type=int, default=MOST, help="rows of a study that are used")
    parser.add_argument("--out", type=Path, default=Path("runs/adaptation"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.what == "show":
        show(given.out)
    for name in given.studies:
        if given.what == "read":
            read(name, given.most, given.out)
        else:
            for n in given.pilots:
                for seed in given.seeds:
                    learn(name, n, seed, given.out)


@dataclass
class Study:
    """A study's people, and what the model says of them: hidden states (n, items, layers, d), log-probabilities."""

    plan: Plan
    people: People
    transcripts: list[Transcript]
    layers: tuple[int, ...]
    hidden: Floats
    logprobs: list[list[Floats]]


def sample(people: People, most: int) -> People:
    """Rows without a gap, of persons in a drawn order, as the protocol has it."""
    people = people.where(people.frame[[item.name for item in people.design.items]].notna().all(axis=1))
    rng = np.random.default_rng(20261127)
    if people.person.value_counts().max() > ROWS:
        lots = people.person.groupby(people.person).transform(lambda own: rng.permutation(len(own)))
        people = people.where(lots < USED)
    if len(people) <= most:
        return people
    rows: dict[str, int] = people.person.value_counts().to_dict()
    total, kept = 0, set()
    for at in np.random.default_rng(20261127).permutation(len(rows)):
        person = sorted(rows, key=str)[at]
        if total + rows[person] > most:
            break
        kept.add(person)
        total += rows[person]
    return people.where(people.person.isin(kept))


def read(name: str, most: int, out: Path) -> None:
    """Send everybody through the model once."""
    from simbench_local.encode import Encoder
    from simbench_local.head import candidates
    from simbench_local.loading import load, place
    from simbench_local.lookup import look_up
    from simbench_local.store import DEFAULT, resolve

    path = out / f"{name}.npz"
    if path.exists():
        return
    plan = assemble({"experiment": name, "backend": "uniform", "sampler": "none"}, load_plugins())
    people = sample(plan.experiment.people(), most)
    transcripts = list(plan.experiment.script().transcripts(people))
    loaded = load(resolve(DEFAULT), place("cpu"))
    layers = candidates(int(loaded.model.config.get_text_config().num_hidden_layers))
    started = time.perf_counter()
    workspace = Workspace(out, 0, Silent())
    said = look_up(replace(loaded, watched=layers), Encoder(loaded.tokenizer), transcripts, workspace, "")
    told = {
        "ids": np.array(list(people.ids)),
        "layers": np.array(layers),
        "hidden": np.stack([np.stack(one.hidden) for one in said]).astype(np.float32),
        "logprobs": np.array(json.dumps([[list(map(float, each)) for each in one.logprobs] for one in said])),
        "seconds": np.array(time.perf_counter() - started),
    }
    np.savez(path, **told)
    print(
        f"{name}: {len(people)} rows of {people.person.nunique()} people read in {told['seconds']:.0f} s", flush=True
    )


def study_of(name: str, n: int, seed: int, out: Path) -> Study:
    """A study that was read, and the plan of one pilot of it."""
    with np.load(out / f"{name}.npz") as told:
        ids, layers, hidden = list(told["ids"]), tuple(map(int, told["layers"])), told["hidden"].astype(np.float64)
        logprobs = [[np.array(each) for each in one] for one in json.loads(str(told["logprobs"]))]
    given = {"experiment": name, "backend": "uniform", "sampler": {"name": "random", "n": n}, "seed": seed}
    plan = assemble(given, load_plugins())
    people = plan.experiment.people()
    people = people.at(np.array([list(people.ids).index(each) for each in ids]))
    return Study(plan, people, list(plan.experiment.script().transcripts(people)), layers, hidden, logprobs)


def learn(name: str, n: int, seed: int, out: Path) -> None:
    """One pilot: bits of every way for everybody outside it, per item, and what the pool weighs."""
    path = out / f"{name}-{n}-{seed}.json"
    if path.exists() or not (out / f"{name}.npz").exists():
        return
    study = study_of(name, n, seed, out)
    humans = max(1, round(n * study.people.person.nunique() / len(study.people)))
    if humans >= study.people.person.nunique():
        return
    sampler = {"name": "random", "n": humans}
    plan = assemble({"experiment": name, "backend": "uniform", "sampler": sampler, "seed": seed}, load_plugins())
    pilot = np.zeros(len(study.people), dtype=bool)
    pilot[list(draw_pilot(plan, study.people))] = True
    if (~pilot).sum() < LEAST_OUTSIDE:
        return
    tables, facts = forecasts(study, pilot, seed, out)
    _, codes = answers_of(study.transcripts)
    outside = [own[~pilot] for own in codes]
    rows = np.arange(int((~pilot).sum()))
    bits = {
        way: np.mean([np.log2(each[rows, own]) for each, own in zip(found, outside, strict=True)], axis=0).tolist()
        for way, found in tables.items()
    }
    told = {"pilot": int(pilot.sum()), "person": list(map(str, study.people.person[~pilot])), "bits": bits, **facts}
    path.write_text(json.dumps(told))
    means = ", ".join(f"{way} {np.mean(each):.3f}" for way, each in bits.items())
    print(f"{name} {n} {seed}: {means}; {json.dumps(facts['seconds'])}", flush=True)


def forecasts(
    study: Study, pilot: NDArray[np.bool_], seed: int, out: Path
) -> tuple[dict[str, list[Floats]], dict[str, Any]]:
    """Per way and item, probabilities (outside, K) of all options; and facts."""
    from simbench_local.head import fit_head

    workspace = Workspace(out, seed, Silent())
    known = [each for each, inside in zip(study.transcripts, pilot, strict=True) if inside]
    others = [each for each, inside in zip(study.transcripts, pilot, strict=True) if not inside]
    items, codes = answers_of(study.transcripts)
    offers = [offered(item, at, [each.interview for each in others]) for at, item in enumerate(items)]
    inside = [own[pilot] for own in codes]
    folds = pilot_folds(known, seed)
    clock = _Clock()
    found: dict[str, list[Floats]] = {"uniform": [_shared(each) for each in offers]}
    counts = [np.bincount(own, minlength=len(item.values)) for own, item in zip(inside, items, strict=True)]
    found["frequencies"] = [_shared((c + blending.SEEN) * o) for c, o in zip(counts, offers, strict=True)]
    found["copies"] = _as_tables(items, others, Resample(NoConfig()), known, workspace)
    table = Tabular(TabularConfig())
    whole = table.adapt(known, workspace)
    answers = {item.name: [each.answers[item.name] for each in others] for item in items}
    asked = [each.interview for each in others]
    found["tabular"] = [
        _shared(chances_of(whole, item.name, asked, answers) * each) for item, each in zip(items, offers, strict=True)
    ]
    clock.lap("tabular")
    members = [*blending.table_out_of_fold(known, folds, workspace)] if folds.any() else []
    clock.lap("table out of fold")
    logprobs = [_padded(items[at], at, study) for at in range(len(items))]
    found["model"] = [_softmax(each[~pilot]) for each in logprobs]
    found["calibrated"] = [
        _calibrated(each[pilot], own, each[~pilot]) for each, own in zip(logprobs, inside, strict=True)
    ]
    clock.lap("calibrated")
    head, heads, facts = fit_head(study.layers, study.hidden[pilot], items, inside, folds)
    layer = study.layers.index(head.layer)
    found["head"] = [
        _shared(head.chances(item.name, study.hidden[~pilot, at, layer]) * offers[at])
        for at, item in enumerate(items)
    ]
    clock.lap("head, with the out-of-fold part")
    if not folds.any():  # too small for a pool
        nothing = np.zeros((len(items), len(MEMBERS))).tolist()
        facts |= {"weights": nothing, "deviations": nothing, "gain": None, "seconds": clock.laps}
        return found | dict.fromkeys(("table only", "blend"), found["frequencies"]), facts
    members.append(heads)
    for way, names in (("table only", MEMBERS[:2]), ("blend", MEMBERS)):
        stacks: list[Stack] = blending._stacks(known, items, inside, folds, members[: len(names)])
        weights = fit_weights(stacks, blending.COMMON, blending.OWN)
        found[way] = [
            pooled(found["frequencies"][at], np.stack([found[each][at] for each in names]), weights.value[at])
            for at in range(len(items))
        ]
        if way == "blend":
            gain = blending._gain(stacks, folds, [each.interview.human for each in known])
            facts |= {"weights": weights.value.tolist(), "deviations": weights.deviation.tolist(), "gain": gain}
    clock.lap("pools")
    return found, facts | {"seconds": clock.laps}


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.process_time()

    def lap(self, name: str) -> None:
        """Note the processor's seconds since the last lap."""
        now = time.process_time()
        self.laps[name], self.last = round(now - self.last, 2), now


def _shared(table: Floats) -> Floats:
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def _softmax(logs: Floats) -> Floats:
    return _shared(np.exp(logs - logs.max(axis=1, keepdims=True)))


def _padded(item: Item, at: int, study: Study) -> Floats:
    """Log-probabilities (n, K) of all options, minus infinity where not offered."""
    table = np.full((len(study.transcripts), len(item.values)), -np.inf)
    for row, each in enumerate(study.transcripts):
        columns = [item.values.index(value) for value in each.interview.items[at].values]
        table[row, columns] = study.logprobs[row][at]
    return table


def _calibrated(known: Floats, chosen: NDArray[np.int64], asked: Floats) -> Floats:
    from simbench.backends.calibration import fit

    fitted = fit(known, chosen)
    scores = np.where(np.isfinite(asked), asked, 0.0) * fitted["scale"] + np.array(fitted["bias"])
    return _softmax(np.where(np.isfinite(asked), scores, -np.inf))  # also where the scale is 0


def _as_tables(
    items: Sequence[Item], others: Sequence[Transcript], backend: Any, known: Sequence[Transcript], lent: Workspace
) -> list[Floats]:
    said = {each.key: each for each in backend.score(backend.adapt(known, lent), others, lent)}
    tables = [np.zeros((len(others), len(item.values))) for item in items]
    for row, each in enumerate(others):
        for at, (item, asked) in enumerate(zip(items, each.interview.items, strict=True)):
            columns = [item.values.index(value) for value in asked.values]
            tables[at][row, columns] = said[each.interview.key].probabilities[item.name]
    return tables


def show(out: Path) -> None:
    """Print what has been learned: bits of every way, and the paired differences with 95 % intervals."""
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for path in sorted(out.glob("*-*-*.json")):
        name, n, _ = path.stem.rsplit("-", 2)
        cells.setdefault((name, int(n)), []).append(json.loads(path.read_text()))
    for half, wanted in (("Development", True), ("Confirmation", False)):
        mine = {key: each for key, each in cells.items() if (key[0] in DEVELOPMENT) == wanted}
        if not mine:
            continue
        print(f"\n### {half} half: bits per answer\n\n| study | pilot | pilots drawn | " + " | ".join(WAYS) + " |")
        print("| --- | ---: | ---: |" + " ---: |" * len(WAYS))
        for (name, n), runs in sorted(mine.items()):
            means = [np.mean([np.mean(each["bits"][way]) for each in runs]) for way in WAYS]
            best = max(means)
            shown = " | ".join(f"**{mean:.3f}**" if mean > best - 0.0005 else f"{mean:.3f}" for mean in means)
            print(f"| {name} | {n} | {len(runs)} | {shown} |")
        print(f"\n### {half} half: differences, with 95 % intervals (bold: 0 is left out)\n")
        print("| study | pilot | " + " | ".join(f"{a} - {b}" for a, b in PAIRS) + " |")
        print("| --- | ---: |" + " ---: |" * len(PAIRS))
        for (name, n), runs in sorted(mine.items()):
            print(f"| {name} | {n} | " + " | ".join(difference(runs, *pair) for pair in PAIRS) + " |")
    print("\n### Weights of the pool and processor seconds\n\n| study | pilot | copies | tabular | head | seconds |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for (name, n), runs in sorted(cells.items()):
        weights = np.mean([np.mean(each["weights"], axis=0) for each in runs], axis=0)
        deviations = np.mean([np.mean(each["deviations"], axis=0) for each in runs], axis=0)
        both = " | ".join(f"{w:.2f} ± {d:.2f}" for w, d in zip(weights, deviations, strict=True))
        seconds = np.mean([sum(each["seconds"].values()) for each in runs])
        print(f"| {name} | {n} | {both} | {seconds:.1f} |")


def difference(runs: Sequence[Mapping[str, Any]], one: str, other: str) -> str:
    """Mean difference with its interval, as the protocol has it: over persons, and between pilots."""
    by_person: dict[str, list[float]] = {}
    for each in runs:
        for person, gain in _by_person(each, one, other):
            by_person.setdefault(person, []).append(gain)
    persons = np.array([np.mean(each) for each in by_person.values()])
    pilots = np.array([np.mean(np.subtract(each["bits"][one], each["bits"][other])) for each in runs])
    error = persons.std(ddof=1) ** 2 / len(persons)
    error += pilots.var(ddof=1) / len(pilots) if len(pilots) > 1 else 0.0
    mean, half = float(pilots.mean()), Z * float(np.sqrt(error))
    words = f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"
    return f"**{words}**" if abs(mean) > half else words


def _by_person(run: Mapping[str, Any], one: str, other: str) -> Iterator[tuple[str, float]]:
    gains = np.subtract(run["bits"][one], run["bits"][other])
    persons = np.array(run["person"])
    for person in dict.fromkeys(run["person"]):
        yield person, float(gains[persons == person].mean())


if __name__ == "__main__":
    main()
