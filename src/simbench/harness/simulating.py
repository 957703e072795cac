"""A finished run's model answers for new people, in parts, each on disk before the next is asked for."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.arrays import Floats
from simbench.backends.base import Backend, Estimate, Model, Progress, Workspace
from simbench.design import PARTICIPANT, People
from simbench.errors import ConfigError, ModelError, closest
from simbench.experiments.recorded import Recorded, as_declared
from simbench.files import digest, file_digest, storage, write_whole
from simbench.harness.cache import ResponseCache
from simbench.harness.config import RunSettings, typed
from simbench.harness.kept import DESIGN, people_of
from simbench.harness.overlay import overlaid
from simbench.harness.pilot import style_without
from simbench.harness.profiles import read_profiles, treatments, under, without_answers
from simbench.harness.responses import journaled, response_frame, usage_totals
from simbench.harness.run import CACHE, Run
from simbench.harness.spending import BACKEND
from simbench.harness.store import RunFolder, now
from simbench.interview import Script, Transcript
from simbench.ledger import SPEND, Ledger
from simbench.plugin.manager import Registry
from simbench.stats.raking import raked
from simbench.stats.rng import generator

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "KIND",
    "RESPONSES",
    "TABLE",
    "Simulated",
    "Simulation",
    "Wanted",
    "cost_of",
    "prepare_simulation",
    "simulate",
]

SCHEMA = 1
KIND = "simulated"
RESPONSES, TABLE = "simulated_responses.parquet", "simulated_responses.csv"
PART = 2000
NOT_COPIED = (SPEND, "intent-*", "checkpoint*")


@dataclass(frozen=True)
class Wanted:
    """Who is to answer what.

    Attributes:
        people: a file of profiles; ``pilot``; None: drawn from the run's own people.
        n: how many are drawn with replacement (None: as many as there are, each once).
        margins: ``{variable: {level: share}}`` that the drawn people are raked to.
        conditions: names; empty: all that have words.
        every: each person under each condition, in place of one condition a person by chance.
        overlay: new levels, vignettes, introduction: see :mod:`simbench.harness.overlay`.
        replicates: answers per person and condition.
        seed: of drawing, of dealing out conditions, of answers.
    """

    people: Path | str | None = None
    n: int | None = None
    margins: Mapping[str, Mapping[Any, float]] | None = None
    conditions: tuple[str, ...] = ()
    every: bool = False
    overlay: Mapping[str, Any] | None = None
    replicates: int = 1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Simulation:
    """Everything that is known before anything is spent.

    ``condition`` (m,) of each of ``people`` (m rows: one per person and condition asked).
    """

    source: Run
    backend: Backend[Any]
    model: Model
    script: Script
    people: People
    condition: tuple[str, ...]
    extrapolated: frozenset[str]
    wanted: Wanted
    content: Mapping[str, Any]
    out: Path
    budget: float | None
    name: str

    @property
    def folder(self) -> RunFolder:
        """Where it is kept."""
        return RunFolder(self.out / self.name)

    def parts(self) -> Iterator[People]:
        """The people, so many at a time, each under the condition they are asked under."""
        known = treatments(self.script.design)
        for first in range(0, len(self.people), PART):
            some = self.people.at(range(first, min(first + PART, len(self.people))))
            yield People(self.script.design, under(some, self.condition[first : first + PART], known))


@dataclass(frozen=True, eq=False)
class Simulated:
    """Simulated people: their folder and what is in it."""

    folder: RunFolder

    @cached_property
    def responses(self) -> pd.DataFrame:
        """One row per simulated participant; the column ``source`` says simulated."""
        return self.folder.read_frame(RESPONSES)

    @property
    def manifest(self) -> dict[str, Any]:
        """Which run's model answered, for whom, under what."""
        return self.folder.manifest

    def __repr__(self) -> str:
        return f"Simulated({self.folder.path.name!r}, status={self.folder.status!r})"

    def _repr_html_(self) -> str:
        frame = self.responses
        shown = frame[[name for name in frame if not str(name).endswith(("__p", "__valid_mass"))]].head(10)
        warning = "These are SIMULATED answers, not people's."
        table: str = shown.to_html(index=False, na_rep="", border=0)
        return f"<code>{escape(repr(self))}</code><p>{warning} {len(frame):,} rows</p>{table}"


def prepare_simulation(
    run: Run, registry: Registry, wanted: Wanted, out: Path = Path("simulated"), budget: float | None = None
) -> Simulation:
    """Find the run's model and study, and the people to be asked. Spends nothing, writes nothing.

    Raises:
        ConfigError: a run that is not done or from before runs kept their study; unknown conditions, margins, keys.
        DataError: people who do not fit the study.
        ModelError: a run whose model is gone.
    """
    manifest = run.manifest
    if manifest.get("status") != "done" or "model" not in manifest or manifest.get("kind"):
        raise ConfigError(f"{run.folder.path}: expected a run that is done; found {manifest.get('status') or 'none'}")
    _refuse_impossible(wanted)
    record, changed = overlaid(_record(run), wanted.overlay or {})
    record = as_declared(record)
    study = Recorded(record)
    settings = typed(RunSettings, _known_settings(manifest["config"]), "")
    script = study.script(style_without(settings.interview, settings.ask_without))
    in_digits = sorted(manifest.get("in_digits") or ())
    script = replace(script, introduction=record["introduction"], digits=frozenset(in_digits))
    conditions = _conditions(record, study, wanted)
    people, dealt = _asked(run, study, wanted, conditions)
    pilot = people_of(study.design, run.pilot) if len(run.pilot) and not manifest["config"].get("adapt_on") else None
    seen = set() if pilot is None else set(pilot.condition)
    beyond = frozenset(name for name in conditions if name in changed or (seen and name not in seen))
    identity = {
        "schema": SCHEMA,
        "run": run.run_id,
        "model": manifest["model"],
        "study": record,
        "in_digits": in_digits,
        "people": people.digest,
        "conditions": digest(list(dealt)),
        "replicates": wanted.replicates,
        "seed": wanted.seed,
    }
    backend = _backend(run, registry)
    name = f"{run.run_id}-simulated-{digest(identity)[:12]}"
    model = Model.from_json(manifest["model"])
    return Simulation(run, backend, model, script, people, dealt, beyond, wanted, record, out, budget, name)


def cost_of(simulation: Simulation) -> Estimate:
    """What it would take, reckoned from the first part; what adapting the model took is not in it."""
    first = next(simulation.parts())
    interviews = list(simulation.script.interviews(first, simulation.wanted.replicates))
    pilot = _learned_from(simulation)
    found, adapting = (simulation.backend.estimate(pilot, asked) for asked in (interviews, []))
    times = len(simulation.people) / len(first)

    def scaled(pair: tuple[float, float] | None, less: tuple[float, float] | None) -> Any:
        return (
            None if pair is None or less is None else tuple(times * (a - b) for a, b in zip(pair, less, strict=True))
        )

    def counted(pair: tuple[int, int]) -> tuple[int, int]:
        return math.ceil(pair[0] * times), math.ceil(pair[1] * times)

    return replace(
        found,
        adaptation_tokens=(0, 0),
        input_tokens=counted(found.input_tokens),
        output_tokens=counted(found.output_tokens),
        cost=scaled(found.cost, adapting.cost),
        seconds=scaled(found.seconds, adapting.seconds),
        hidden_tokens=math.ceil(found.hidden_tokens * times),
        hidden_cost=None if found.hidden_cost is None else found.hidden_cost * times,
    )


def _learned_from(simulation: Simulation) -> list[Transcript]:
    """The pilot's transcripts, as the run's model was shown them: examples may be a part of every prompt."""
    run = simulation.source
    if not len(run.pilot) or run.manifest["config"].get("adapt_on"):
        return []
    return list(simulation.script.transcripts(people_of(simulation.script.design, run.pilot)))


def simulate(simulation: Simulation, progress: Progress) -> Simulated:
    """Ask part after part what is not on disk yet, then put the parts together. Memory does not grow with people."""
    folder = simulation.folder
    with folder.locked():
        if folder.set_aside_damage() is None and folder.status == "done" and not folder.damaged():
            return Simulated(folder)
        with folder.recording(_facts(simulation)):
            _lend_model(simulation)
            count = math.ceil(len(simulation.people) / PART)
            with progress.task("simulated people", len(simulation.people)) as bar:
                for number, part in enumerate(simulation.parts()):
                    _answered(simulation, number, part, progress)
                    bar.advance(len(part))
            _put_together(simulation, count)
            folder.update(status="done", finished=now(), **_totals(folder))
            for number in range(count):
                for path in _paths(folder, number):
                    path.unlink(missing_ok=True)
    return Simulated(folder)


def _answered(simulation: Simulation, number: int, part: People, progress: Progress) -> None:
    """One part's answers on disk: the frame, and what it took in the manifest."""
    folder = simulation.folder
    journal, frame_path = _paths(folder, number)
    known = folder.manifest.get("parts", {}).get(str(number))
    if known and frame_path.is_file() and file_digest(frame_path) == known["sha256"]:
        return
    interviews = list(simulation.script.interviews(part, simulation.wanted.replicates))
    backend = type(simulation.backend)(simulation.backend.config)
    spent = _spent(folder)
    with ResponseCache(simulation.out / CACHE) as cache:
        own = folder / BACKEND
        workspace = Workspace(own, simulation.wanted.seed, progress, folder.run_id, cache, simulation.budget, spent)
        answers = journaled(
            journal,
            interviews,
            lambda some: backend.respond(simulation.model, some, workspace),
            backend.name,
            progress.say,
        )
    frame = response_frame(part, interviews, answers)
    condition = part.design.condition(frame)
    frame.insert(0, "source", KIND)
    frame.insert(1, "extrapolation", condition.isin(simulation.extrapolated).to_numpy(dtype=bool))
    write_whole(frame_path, lambda file: frame.to_parquet(file, index=False))
    told = {"sha256": file_digest(frame_path), "outcomes": dict(Counter(frame["status"]))}
    told |= usage_totals(Model("", ""), answers.values())
    folder.update(parts={**folder.manifest.get("parts", {}), str(number): told})


def _put_together(simulation: Simulation, count: int) -> None:
    """All parts as one Parquet file, and as CSV with labels, a part at a time."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = simulation.folder
    paths = [_paths(folder, number)[1] for number in range(count)]
    schema = pa.unify_schemas(
        [pq.read_schema(path).remove_metadata() for path in paths], promote_options="permissive"
    )

    def parquet(file: Any) -> None:
        with pq.ParquetWriter(file, schema) as writer:
            for path in paths:
                part = pq.read_table(path).replace_schema_metadata(None)
                for field in schema:  # a part in which every interview failed has no probabilities
                    if field.name not in part.column_names:
                        part = part.append_column(field, pa.nulls(len(part), field.type))
                writer.write_table(part.select(schema.names).cast(schema))

    def table(file: Any) -> None:
        for at, path in enumerate(paths):
            text = _csv(simulation, pd.read_parquet(path).reindex(columns=schema.names))
            file.write((text if at == 0 else text.split("\n", 1)[1]).encode("utf-8", "replace"))

    write_whole(folder / RESPONSES, parquet)
    folder.made(RESPONSES)
    write_whole(folder / TABLE, table)
    folder.made(TABLE)
    pa.default_memory_pool().release_unused()


def _csv(simulation: Simulation, frame: pd.DataFrame) -> str:
    """Rows with the words that people read in place of values, without probabilities."""
    design = simulation.script.design
    words: dict[str, dict[Any, str]] = {
        item.name: dict(zip(item.values, item.labels, strict=True)) for item in design.items
    }
    words |= {factor.name: factor.words for factor in design.factors}
    words |= {variable.name: variable.words for variable in design.profile if variable.words}
    shown = frame[[name for name in frame if not str(name).endswith(("__p", "__valid_mass"))]].copy()
    for name, labels in words.items():
        shown[name] = shown[name].map(labels)
    text: str = shown.to_csv(index=False, lineterminator="\n")
    return text


def _asked(run: Run, study: Recorded, wanted: Wanted, conditions: Sequence[str]) -> tuple[People, tuple[str, ...]]:
    """The people, a row per person and condition asked, and the condition of every row."""
    people = _people(run, study, wanted)
    n, count = len(people), len(conditions)
    if wanted.every or study.design.person is not None:
        frame = people.frame.loc[people.frame.index.repeat(count)].reset_index(drop=True)
        dealt = tuple(conditions) * n
        frame[PARTICIPANT] = [f"{name}@{at}" for name, at in zip(frame[PARTICIPANT], dealt, strict=True)]
        return People(study.design, frame), dealt
    rng = generator(wanted.seed, "simulate", "conditions")
    order = rng.permutation(np.arange(n) % count)
    return people, tuple(conditions[at] for at in order)


def _people(run: Run, study: Recorded, wanted: Wanted) -> People:
    import pandas as pd

    design = study.design
    if isinstance(wanted.people, Path):
        return read_profiles(wanted.people, design)
    frames = [run.pilot] if wanted.people == "pilot" else [run.people, run.pilot]
    if run.manifest["config"].get("adapt_on"):
        frames = [run.people]
    columns = [*design.ids, *(each.name for each in design.profile), *((design.weight,) if design.weight else ())]
    base = pd.concat([each[columns] for each in frames], ignore_index=True)
    base = base.drop_duplicates(design.person or PARTICIPANT).reset_index(drop=True)
    if not len(base):
        raise ConfigError("people: this run has no pilot to take profiles from")
    if wanted.n is None and wanted.margins is None:
        return without_answers(design, base, "the run's people")
    weights = np.ones(len(base))
    if design.weight:
        weights = base[design.weight].to_numpy(dtype=np.float64)
    if wanted.margins is not None:
        weights = _raked(People(design, base), weights, wanted.margins)
    rng = generator(wanted.seed, "simulate", "people")
    drawn = rng.choice(len(base), size=wanted.n or len(base), p=weights / weights.sum())
    frame = base.iloc[drawn].reset_index(drop=True)
    frame = frame.assign(**{PARTICIPANT: [f"s{row + 1}" for row in range(len(frame))]})
    return without_answers(design, frame, "the run's people")


def _raked(base: People, weights: Floats, margins: Mapping[str, Mapping[Any, float]]) -> Floats:
    """Weights of the base people that have these margins; ConfigError where there are none."""
    codes, wanted = [], []
    kept = np.ones(len(base), dtype=bool)
    names = [variable.name for variable in base.design.profile]
    for name, shares in margins.items():
        if name not in names:
            raise ConfigError(f"margins: there is no profile variable {name!r}{closest(str(name), names)}")
        level = base.level(name)
        found = base.levels(name)
        given = {str(each): float(share) for each, share in shares.items()}
        for each, share in given.items():
            if each not in found:
                raise ConfigError(f"margins: {name}: none of the run's people is {each!r}{closest(each, found)}")
            if not share > 0:
                raise ConfigError(f"margins: {name}: {each}: expected a share above 0; found {share}")
        if abs(sum(given.values()) - 1) > 1e-3:
            raise ConfigError(f"margins: {name}: expected shares that add up to 1; found {sum(given.values()):g}")
        at = {each: code for code, each in enumerate(given)}
        code = np.array([at.get(each, -1) for each in level], dtype=np.int64)
        kept &= code >= 0
        codes.append(code)
        wanted.append(np.array(list(given.values())) / sum(given.values()))
    result = np.zeros(len(base))
    try:
        if not kept.any():
            raise ValueError("nobody of the run has a level of every margin")
        result[kept] = raked(weights[kept], [code[kept] for code in codes], wanted)
    except ValueError as error:
        raise ConfigError(f"margins: {error}") from None
    return result


def _conditions(record: Mapping[str, Any], study: Recorded, wanted: Wanted) -> tuple[str, ...]:
    """The conditions asked: those chosen, else all that have words."""
    known = [name for name in study.design.conditions if name in record["vignettes"]]
    for name in wanted.conditions:
        if name not in study.design.conditions:
            raise ConfigError(f"conditions: there is no condition {name!r}{closest(name, study.design.conditions)}")
        if name not in known:
            raise ConfigError(
                f"conditions: nobody of this run was in {name!r}, so its words were not kept; an overlay can give "
                f"them (overlay=FILE with vignettes: {{{name}: TEXT}})"
            )
    return wanted.conditions or tuple(known)


def _record(run: Run) -> dict[str, Any]:
    if DESIGN not in run.manifest.get("products", {}):
        raise ConfigError(f"{run.folder.path} was made before runs kept their study; run its command again")
    content: dict[str, Any] = json.loads(run.folder.verify(DESIGN).read_bytes())
    return content


def _backend(run: Run, registry: Registry) -> Backend[Any]:
    """The run's backend as it was set up; ModelError where its folder, and so perhaps the model, is gone."""
    config = dict(run.manifest["config"]["backend"])
    entry = registry.get("backend", config.pop("name"))
    model = run.manifest["model"]
    if model.get("adapter") and not Path(model["adapter"]).is_absolute() and not (run.folder / BACKEND).is_dir():
        raise ModelError(
            f"{run.folder.path}: the adapted model is gone ({run.folder / BACKEND} is not there). The command that "
            "made the run makes it again, once model.json and manifest.json are moved away"
        )
    backend: Backend[Any] = entry.cls(typed(entry.cls.Config, config, "backend."))
    return backend


def _lend_model(simulation: Simulation) -> None:
    """What the backend kept of its model, copied: what is spent here is booked here."""
    source, own = simulation.source.folder / BACKEND, simulation.folder / BACKEND
    with storage(own):
        if source.is_dir() and not own.exists():
            half = own.with_name("backend-copy")
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(source, half, ignore=shutil.ignore_patterns(*NOT_COPIED))
            half.rename(own)
        own.mkdir(exist_ok=True)


def _facts(simulation: Simulation) -> dict[str, Any]:
    source, wanted = simulation.source, simulation.wanted
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "what": "SIMULATED answers by a model, not by people",
        "source_run": {"run_id": source.run_id, "path": str(source.folder.path), "config": source.manifest["config"]},
        "model": source.manifest["model"],
        "humans": {name: source.manifest["humans"].get(name) for name in ("source", "synthetic", "sha256")},
        "n": len(simulation.people),
        "replicates": wanted.replicates,
        "conditions": sorted(set(simulation.condition)),
        "extrapolation": sorted(simulation.extrapolated),
        "margins": wanted.margins,
        "seed": wanted.seed,
        "study": simulation.content,
    }


def _totals(folder: RunFolder) -> dict[str, Any]:
    """Outcomes, tokens and cost over all parts."""
    outcomes: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    parts = folder.manifest.get("parts", {}).values()
    for each in parts:
        outcomes.update(each["outcomes"])
        tokens.update(each["tokens"])
    ledger = Ledger(folder / BACKEND / SPEND)
    costs = [each["cost"] for each in parts]
    cost = ledger.total if ledger.exists else sum(costs) if all(each is not None for each in costs) else None
    return {"outcomes": {"all": dict(outcomes)}, "usage": {"tokens": dict(tokens), "cost": cost}}


def _spent(folder: RunFolder) -> float:
    ledger = Ledger(folder / BACKEND / SPEND)
    if ledger.exists:
        return ledger.spent
    return sum(each["cost"] or 0.0 for each in folder.manifest.get("parts", {}).values())


def _paths(folder: RunFolder, number: int) -> tuple[Path, Path]:
    """Journal and frame of a part."""
    return folder / f"part-{number:05d}.jsonl", folder / f"part-{number:05d}.parquet"


def _known_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    from dataclasses import fields

    names = {each.name for each in fields(RunSettings)}
    return {name: value for name, value in config.items() if name in names and value is not None}


def _refuse_impossible(wanted: Wanted) -> None:
    for name in ("n", "replicates"):
        value = getattr(wanted, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name}: expected at least 1; found {value}")
    if isinstance(wanted.people, str) and wanted.people != "pilot":
        raise ConfigError(f"people: expected a file or pilot; found {wanted.people!r}")
    if isinstance(wanted.people, Path) and (wanted.n is not None or wanted.margins is not None):
        raise ConfigError("people: the people of a file are asked as they are; leave out n and margins")
