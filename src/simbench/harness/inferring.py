"""From all people and K models, each adapted without a fold of them, to valid estimates. Every fold is on disk.

``prepare -> foretell every fold -> estimate``: a fold is a folder like a run's, with a model that learned from the
people outside the fold and answers for those in it (and for people without answers), so that an inference that is
killed goes on from the last fold, and within it from the last answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.arrays import Bools, Ints
from simbench.backends.base import Estimate, Progress
from simbench.design import PARTICIPANT, People
from simbench.design.people import RAW
from simbench.errors import BackendError, BudgetError, ConfigError, DataError, Problem
from simbench.files import digest
from simbench.harness.config import Plan
from simbench.harness.estimands import Material, Told, facts, over_splits
from simbench.harness.kept import kept_study
from simbench.harness.pilot import asking_script, refuse_bins_alone, training_script
from simbench.harness.pretraining import refuse_known
from simbench.harness.profiles import read_profiles, treatments, under
from simbench.harness.provenance import environment, interviews_digest
from simbench.harness.run import Prepared, adapt, everybody, respond, slug, with_given
from simbench.harness.spending import usage_of
from simbench.harness.store import RunFolder, now
from simbench.plugin.blame import blamed
from simbench.stats.rng import generator

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ESTIMATES", "KIND", "Inference", "Inferred", "carry_out", "cost_of", "prepare_inference", "refuse_others"]

SCHEMA = 1
KIND = "inference"
ESTIMATES = "estimates.parquet"
FEWEST_PER_FOLD = 2
OTHER = "unlabelled:"
UNUSED = ("sampler", "evaluate", "evaluate_n", "reserve", "adapt_on", "metric", "likelihood", "retry_failed")


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold: who is learned from, and everything that its model is asked.

    ``asked`` (m,) rows are people of the fold, under their own arm (``own``) or another, then people without answers;
    ``owner`` (m,) is the labelled row, or the person without answers where ``labelled`` is False. It is fold
    ``number`` of the ``split``, both from 0.
    """

    ready: Prepared
    owner: Ints
    own: Bools
    labelled: Bools
    split: int
    number: int


@dataclass(frozen=True, eq=False)
class Inference:
    """Everything that is known before anything is spent. ``fold`` (R, n) is every row's fold in every split."""

    plan: Plan
    people: People
    unlabelled: People | None
    unit: Ints
    fold: Ints
    shares: Mapping[str, float]
    arms: bool
    level: float
    folds: tuple[Fold, ...]
    name: str

    @property
    def folder(self) -> RunFolder:
        """Where it is kept."""
        return RunFolder(self.plan.out / self.name)

    @property
    def repeats(self) -> int:
        """R, how often the people are cut into folds."""
        return len(self.fold)


@dataclass(frozen=True, eq=False)
class Inferred:
    """A finished inference: its folder and what is in it."""

    folder: RunFolder

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row per estimand: humans alone, rectified, simulation alone (not valid), what was gained."""
        return self.folder.read_frame(ESTIMATES)

    @property
    def manifest(self) -> dict[str, Any]:
        """What was done, on whom, and how."""
        return self.folder.manifest

    def __repr__(self) -> str:
        return f"Inferred({self.folder.path.name!r}, status={self.folder.status!r})"

    def _repr_html_(self) -> str:
        frame = self.estimates
        whole = frame[frame["subgroup"].isna()].dropna(axis=1, how="all").round(3)
        table: str = whole.to_html(index=False, na_rep="", border=0)
        return f"<code>{escape(repr(self))}</code>{table}"


def refuse_others(names: Iterable[str]) -> None:
    """Raise ConfigError for settings of a run that an inference has no use for."""
    for name in names:
        if name.partition(".")[0].lstrip("+~") in UNUSED:
            raise ConfigError(f"{name}: infer takes none; every human counts, and is predicted while left out")


def prepare_inference(
    plan: Plan,
    folds: int = 5,
    people: Path | People | None = None,
    level: float = 0.95,
    randomised: bool | None = None,
    repeats: int = 1,
) -> Inference:
    """Cut the people into folds and write all interviews. Spends nothing, writes nothing.

    Args:
        plan: of a run with no sampler; all people of its experiment are the labelled.
        folds: K.
        people: profiles without answers, or a file of them; answers of theirs are not looked at.
        level: of the intervals.
        randomised: whether arms were assigned by chance (None: yes, where there are factors and one row a person).
        repeats: R random splits into folds, whose estimates are put together by medians.

    Raises:
        ConfigError: settings that cannot be.
        DataError: too few people for so many folds; a file of people that does not fit the study.
    """
    if folds < 2:
        raise ConfigError(f"folds: expected at least 2; found {folds}")
    if repeats < 1:
        raise ConfigError(f"repeats: expected at least 1; found {repeats}")
    if not 0 < level < 1:
        raise ConfigError(f"level: expected a number in (0, 1); found {level}")
    if plan.settings.interview.numbers == "digits":
        refuse_bins_alone(plan.experiment)
    humans = everybody(plan.experiment)
    unit = np.unique(humans.unit.to_numpy(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
    _refuse_too_few(plan, humans, unit, folds)
    others = read_profiles(people, humans.design) if isinstance(people, Path) else people
    if others is not None and humans.design.weight:
        raise ConfigError("people: this study has survey weights, which the people without answers would need, too")
    shares = humans.condition.value_counts(normalize=True)
    by_chance = bool(humans.design.factors) and humans.design.person is None
    known = {name: float(shares[name]) for name in humans.design.conditions if name in shares}
    blank = Inference(
        plan=plan,
        people=humans,
        unlabelled=others,
        unit=unit,
        fold=np.stack([_assigned(plan, humans, unit, folds, split) for split in range(repeats)]),
        shares=known,
        arms=len(known) > 1 and (by_chance if randomised is None else randomised),
        level=level,
        folds=(),
        name="",
    )
    cut = [_fold(blank, split, number) for split in range(repeats) for number in range(folds)]
    identity = {
        "schema": SCHEMA,
        "config": plan.deciding(),
        "people": humans.digest,
        "numbers": digest([repr(humans.numbers(item.name).tolist()) for item in humans.design.items if item.spans]),
        "unlabelled": None if others is None else others.digest,
        "folds": folds,
        **({"repeats": repeats} if repeats > 1 else {}),
        "arms": blank.arms,
        "interviews": interviews_digest(
            each for fold in cut for each in (*(t.interview for t in fold.ready.transcripts), *fold.ready.interviews)
        ),
        "plugins": dict(plan.plugins),
    }
    often = f"{folds}x{repeats}" if repeats > 1 else folds
    name = f"{slug(humans.design.name)}-{plan.backend.name}-infer{often}-{digest(identity)[:12]}"
    named = tuple(
        replace(each, ready=replace(each.ready, run_id=f"{name}-fold-{number + 1}"))
        for number, each in enumerate(cut)
    )
    return replace(blank, folds=named, name=name)


def cost_of(inference: Inference) -> Estimate:
    """What all folds together would take."""
    plan, found = inference.plan, []
    for fold in inference.folds:
        backend = type(plan.backend)(plan.backend.config)
        found.append(backend.estimate(fold.ready.transcripts, fold.ready.interviews))
    return summed(found)


def carry_out(inference: Inference, progress: Progress) -> Inferred:
    """Every fold that is not on disk yet, then the estimates."""
    plan, folder = inference.plan, inference.folder
    refuse_known(plan.backend, plan.experiment)
    for fold in inference.folds:
        backend = type(plan.backend)(plan.backend.config)
        backend.check(fold.ready.transcripts, fold.ready.interviews)
    with folder.locked():
        folder.set_aside_damage()
        with folder.recording(_facts(inference)):
            parts = [foretold(inference, fold, number, progress) for number, fold in enumerate(inference.folds)]
            frame = over_splits([facts(material_of(inference, parts, split)) for split in range(inference.repeats)])
            folder.write_frame(ESTIMATES, frame)
            folder.update(status="done", finished=now(), usage=_usage(inference))
    return Inferred(folder)


def foretold(inference: Inference, fold: Fold, number: int, progress: Progress) -> pd.DataFrame:
    """The answers of one fold's model: read where they are whole on disk, else asked for."""
    count = len(inference.folds)
    folder = RunFolder(inference.folder / f"fold-{number + 1}")
    folder.path.mkdir(parents=True, exist_ok=True)
    if folder.set_aside_damage() is None and folder.status == "done" and not folder.damaged():
        return folder.read_frame("responses.parquet")
    plan, ready = inference.plan, fold.ready
    progress.say(
        f"fold {number + 1} of {count}: {len(ready.transcripts)} people learned from, "
        f"{len(ready.interviews)} interviews"
    )
    settings = plan.settings
    if settings.budget is not None:
        left = settings.budget - sum(_spent(inference, other) for other in range(count) if other != number)
        if left <= 0:
            raise BudgetError(f"the budget of {settings.budget} US dollars is spent before fold {number + 1}")
        settings = replace(settings, budget=left)
    backend = type(plan.backend)(plan.backend.config)
    ready = replace(ready, plan=replace(plan, settings=settings, backend=backend))
    with (
        folder.locked(),
        folder.recording({"kind": f"{KIND} fold", "schema": SCHEMA, "n_transcripts": len(ready.pilot)}),
    ):
        ready.plan.backend.check(ready.transcripts, ready.interviews)
        folder.write_frame("pilot.parquet", with_given(ready.pilot))
        model = adapt(ready, folder, progress)
        frame = respond(ready, folder, model, progress)
        folder.update(status="done", finished=now())
    return frame


def _refuse_too_few(plan: Plan, humans: People, unit: Ints, folds: int) -> None:
    """Raise DataError where folds would be left with hardly anybody to learn from or to predict."""
    complete = humans.frame[[item.name for item in humans.design.items]].notna().all(axis=1).to_numpy(dtype=bool)
    usable = np.unique(unit[complete]).size
    if usable < FEWEST_PER_FOLD * folds:
        what = "people" if humans.design.cluster is None else f"clusters ({humans.design.cluster})"
        needed = f"at least {FEWEST_PER_FOLD * folds} {what} who answered everything, for {folds} folds"
        found = f"{usable}; fewer folds need fewer (folds=2: {FEWEST_PER_FOLD * 2})"
        raise DataError(plan.experiment.name, [Problem("(all)", needed, found)])


def _assigned(plan: Plan, humans: People, unit: Ints, folds: int, split: int) -> Ints:
    """Fold (n,) of every row: whole units, dealt out within treatment groups, by the run's seed."""
    rng = generator(plan.settings.seed, "folds", humans.digest, *([split] if split else []))
    first = np.unique(unit, return_index=True)[1]
    group = humans.condition.iloc[first].to_numpy(str)
    order = np.lexsort((rng.random(first.size), group))
    dealt = np.empty(first.size, dtype=np.int64)
    dealt[order] = np.arange(first.size) % folds
    return dealt[unit]


def _fold(inference: Inference, split: int, number: int) -> Fold:
    """Who is learned from in this fold, and who is asked under which arms."""
    import pandas as pd

    plan, people = inference.plan, inference.people
    design, known = people.design, treatments(people.design)
    inside = np.flatnonzero(inference.fold[split] == number)
    condition = people.condition.to_numpy(object)
    mine = people.at(inside)
    own = people.condition.iloc[inside].to_list()
    frames, owner, is_own, labelled = [under(mine, own, known)], [inside], [np.ones(inside.size, bool)], [True]
    for name in inference.shares if inference.arms else ():
        at = inside[condition[inside] != name]
        frames.append(_renamed(under(people.at(at), [name] * at.size, known), "", name))
        owner, is_own, labelled = [*owner, at], [*is_own, np.zeros(at.size, bool)], [*labelled, True]
    if inference.unlabelled is not None:
        for name in inference.shares:
            others = inference.unlabelled
            frames.append(_renamed(under(others, [name] * len(others), known), OTHER, name))
            owner, is_own = [*owner, np.arange(len(others))], [*is_own, np.zeros(len(others), bool)]
            labelled.append(False)
    sizes = [len(each) for each in owner]
    asked = People(design, pd.concat([each for each in frames if len(each)], ignore_index=True))
    if asked.ids.duplicated().any():
        raise DataError(plan.experiment.name, [Problem(PARTICIPANT, "ids that do not look like id@condition")])
    pilot = people.where(inference.fold[split] != number)
    with blamed("experiment", plan.experiment, "writing its interviews"):
        transcripts = list(training_script(plan).transcripts(pilot))
        interviews = list(asking_script(plan).interviews(asked, plan.settings.replicates))
    ready = Prepared(plan, people, pilot, (), asked, transcripts, interviews, "")
    return Fold(ready, np.concatenate(owner), np.concatenate(is_own), np.repeat(labelled, sizes), split, number)


def _renamed(frame: pd.DataFrame, before: str, condition: str) -> pd.DataFrame:
    return frame.assign(**{PARTICIPANT: before + frame[PARTICIPANT].astype(str) + "@" + condition})


def material_of(inference: Inference, parts: Sequence[pd.DataFrame], split: int = 0) -> Material:
    """People and all predictions of them by one split's models, as estimators take them; ``parts`` are of all."""
    those = [(fold, part) for fold, part in zip(inference.folds, parts, strict=True) if fold.split == split]
    told = [_told(inference, fold, part, True) for fold, part in those]
    others = None
    if inference.unlabelled is not None:
        others = _stacked([_told(inference, fold, part, False) for fold, part in those])
    return Material(inference.people, inference.unit, _stacked(told), others, inference.arms, inference.level)


def _told(inference: Inference, fold: Fold, frame: pd.DataFrame, labelled: bool) -> Told:
    """One fold's predictions of its own people, or of those without answers."""
    asked, replicates = fold.ready.asked, inference.plan.settings.replicates
    place = {name: row for row, name in enumerate(asked.ids)}
    row = frame[PARTICIPANT].map(place).to_numpy(dtype=np.int64)
    complete = _lent(frame, asked, row)
    kept = np.flatnonzero(fold.labelled[row] == labelled)
    at = row[kept]
    owner = fold.owner[at]
    people = People(asked.design, complete.iloc[kept].reset_index(drop=True))
    share = np.array([inference.shares[name] for name in people.condition])
    weight = np.full(len(kept), 1 / replicates)
    survey = inference.people.survey
    if labelled and survey is not None:
        weight = weight * survey[owner]
    if not labelled:  # a fold's model counts as much as the people whom it predicts
        weight = weight * float((inference.fold[fold.split] == fold.number).mean())
    chances = {
        item.name: np.stack(people.frame[f"{item.name}__p"].to_list())
        for item in asked.design.items
        if f"{item.name}__p" in complete and complete[f"{item.name}__p"].notna().all()
    }
    unit = inference.unit[owner] if labelled else owner
    return Told(people, owner, unit, weight, share, fold.own[at], chances)


def _lent(frame: pd.DataFrame, asked: People, row: Ints) -> pd.DataFrame:
    """Interviews that failed take the answers of the next one that did not, of their condition where there is one.

    So nobody's human answer is lost; it is a prediction like any other, made without the answers of the fold.
    """
    ok = (frame["status"] == "ok").to_numpy(dtype=bool)
    if not ok.any():
        raise BackendError("a fold's model gave not a single answer that can be used; nothing can be estimated")
    if ok.all():
        return frame
    condition = asked.condition.to_numpy(object)[row]
    donors = np.arange(len(frame))
    for at in np.flatnonzero(~ok):
        same = np.flatnonzero(ok & (condition == condition[at]))
        pool = same if same.size else np.flatnonzero(ok)
        donors[at] = pool[np.searchsorted(pool, at) % pool.size]
    known = [name for item in asked.design.items for name in (item.name, f"{item.name}__p", f"{item.name}{RAW}")]
    answers = [name for name in known if name in frame]
    lent = frame.copy()
    for name in answers:
        lent[name] = frame[name].to_numpy()[donors] if frame[name].dtype == object else frame[name].iloc[donors].array
    return lent


def _stacked(parts: Sequence[Told]) -> Told:
    import pandas as pd

    frame = pd.concat([each.people.frame for each in parts], ignore_index=True)
    items = set.intersection(*(set(each.chances) for each in parts))
    return Told(
        people=People(parts[0].people.design, frame),
        owner=np.concatenate([each.owner for each in parts]),
        unit=np.concatenate([each.unit for each in parts]),
        weight=np.concatenate([each.weight for each in parts]),
        share=np.concatenate([each.share for each in parts]),
        own=np.concatenate([each.own for each in parts]),
        chances={name: np.concatenate([each.chances[name] for each in parts]) for name in items},
    )


def _facts(inference: Inference) -> dict[str, Any]:
    """What the manifest says from the start."""
    plan, people = inference.plan, inference.people
    study = kept_study(plan, people, people, people)
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "config": plan.config,
        "folds": len(inference.folds) // inference.repeats,
        "repeats": inference.repeats,
        "level": inference.level,
        "arms": dict(inference.shares) if inference.arms else None,
        "experiment": {
            "name": people.design.name,
            **{name: study[name] for name in ("citation", "license", "sources")},
        },
        "humans": {
            "source": plan.experiment.source,
            "synthetic": plan.experiment.synthetic,
            "sha256": people.digest,
            "n": len(people),
            "units": int(inference.unit.max()) + 1,
        },
        "unlabelled": None if inference.unlabelled is None else len(inference.unlabelled),
        "seed": plan.settings.seed,
        "environment": environment(plan.plugins, plan.scorers),
    }


def _spent(inference: Inference, number: int) -> float:
    folder = RunFolder(inference.folder / f"fold-{number + 1}")
    return float(usage_of(folder).get("cost") or 0.0) if folder.manifest else 0.0


def _usage(inference: Inference) -> dict[str, Any]:
    """Tokens and cost over all folds; no cost where that of a fold is unknown."""
    found = [usage_of(RunFolder(inference.folder / f"fold-{n + 1}")) for n in range(len(inference.folds))]
    tokens: dict[str, int] = {}
    for each in found:
        for kind, count in (each.get("tokens") or {}).items():
            tokens[kind] = tokens.get(kind, 0) + count
    costs = [each.get("cost") for each in found]
    known: list[float] = [each for each in costs if each is not None]
    return {"tokens": tokens, "cost": round(sum(known), 6) if len(known) == len(costs) else None}


def summed(found: Sequence[Estimate]) -> Estimate:
    """Estimates of several folds as one; what is unknown of one is unknown of all."""

    def ends(name: str) -> Any:
        pairs = [getattr(each, name) for each in found]
        return None if any(pair is None for pair in pairs) else tuple(map(sum, zip(*pairs, strict=True)))

    names = ("adaptation_tokens", "input_tokens", "output_tokens", "cost", "seconds")
    notes = dict.fromkeys(note for each in found for note in each.notes)
    return Estimate(found[0].model, **{name: ends(name) for name in names}, notes=tuple(notes))
