"""The conformance kit: built-in parts pass it, and every check fails on a part with the mistake it is for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench import Answer, Draw, Metric, Model, Score
from simbench.backends.tabular import Tabular
from simbench.backends.uniform import Uniform
from simbench.cli.checking import main
from simbench.design import Item, Regression
from simbench.metrics.alignment import TotalVariation
from simbench.samplers.random import Random
from simbench.testing import checks
from simbench.testing.people import SmallStudy

BUILT_IN = {
    "sampler": ("balanced", "clusters", "none", "random", "stratified"),
    "backend": ("majority", "resample", "tabular", "uniform"),
    "metric": ("belief_decision", "diversity", "js_distance", "log_likelihood", "value_action_gap", "worth"),
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in BUILT_IN.items() for name in names])
def test_built_in_parts_pass(kind: str, name: str) -> None:
    failed = [f"{each.name}: {said}" for each in checks.checks_of(kind, name) if "FAILED" in (said := each.outcome())]
    assert not failed


@checks.parametrize("experiment", SmallStudy)
def test_a_study_in_python_passes(check: checks.Check) -> None:
    check()


NUMBERS = count()
"""What a part without its own seed draws from."""


class Wayward(Random):
    "A sampler."

    name = "wayward"

    def draw(self, people: Any, rng: Any) -> Draw:
        return super().draw(people, np.random.default_rng(next(NUMBERS)))


class Common(Random):
    "A sampler."

    name = "common"

    def draw(self, people: Any, rng: Any) -> Draw:
        return Draw(random.sample(range(len(people)), 2))


class Twice(Random):
    "A sampler."

    name = "twice"

    def draw(self, people: Any, rng: Any) -> Draw:
        return Draw([1, 1])


class Scribbling(Random):
    "A sampler."

    name = "scribbling"

    def draw(self, people: Any, rng: Any) -> Draw:
        people.frame["age"] = 0
        return super().draw(people, rng)


class Generous(Random):
    "A sampler."

    name = "generous"

    def draw(self, people: Any, rng: Any) -> Draw:
        return Draw(range(min(self.config.n or 5, len(people))))


class Unsaid(Random):
    __doc__ = None
    name = "unsaid"


class Choosy(Random):
    "A sampler."

    name = "choosy"

    def draw(self, people: Any, rng: Any) -> Draw:
        return Draw([0, 50])


class Forgetful(Uniform):
    "A backend."

    name = "forgetful"

    def adapt(self, pilot: Any, workspace: Any) -> Model:
        self.learned = True
        return super().adapt(pilot, workspace)

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        assert self.learned
        yield from super().respond(model, interviews, workspace)


class Changing(Uniform):
    "A backend."

    name = "changing"

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        for place, each in enumerate(interviews):
            items = {item.name: item.values[place % len(item.values)] for item in each.items}
            yield Answer(each.participant_id, each.replicate, "ok", items)


class Repeating(Uniform):
    "A backend."

    name = "repeating"

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        alike = [replace(each, replicate=0) for each in interviews]
        for asked, answer in zip(interviews, super().respond(model, alike, workspace), strict=True):
            yield replace(answer, replicate=asked.replicate)


class Idle(Uniform):
    "A backend."

    name = "idle"

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        yield from super().respond(model, interviews[1:], workspace)


class Labelled(Uniform):
    "A backend."

    name = "labelled"

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        for each in interviews:
            yield Answer(
                each.participant_id, each.replicate, "ok", {item.name: item.labels[0] for item in each.items}
            )


class Improbable(Uniform):
    "A backend."

    name = "improbable"

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        for each in super().respond(model, interviews, workspace):
            yield replace(each, probabilities={name: [0.1 for _ in p] for name, p in each.probabilities.items()})


class Heavy(Uniform):
    "A backend."

    name = "heavy"

    def adapt(self, pilot: Any, workspace: Any) -> Model:
        return Model("x", "x", parameters={"weights": {1: 2}})


class Needy(Tabular):
    "A backend."

    name = "needy"
    needs_pilot = False


class Unlike(Uniform):
    "A backend."

    name = "unlike"

    def adapt(self, pilot: Any, workspace: Any) -> Model:
        return replace(super().adapt(pilot, workspace), parameters={"draw": next(NUMBERS)})

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        yield from super().respond(model, interviews, replace(workspace, seed=model.parameters["draw"]))


class Resuming(Uniform):
    "A backend."

    name = "resuming"

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        begun = workspace.folder / "begun"
        seed = 1 + len(interviews) * begun.exists()
        yield from super().respond(model, interviews[:4], replace(workspace, seed=seed))
        begun.touch()
        yield from super().respond(model, interviews[4:], replace(workspace, seed=seed))


class Likely(Uniform):
    "A backend."

    name = "likely"

    def score(self, model: Any, transcripts: Any, workspace: Any) -> Iterator[Answer]:
        for each in super().score(model, transcripts, workspace):
            yield replace(each, probabilities=dict(list(each.probabilities.items())[1:]))


class Grudging(Uniform):
    "A backend."

    name = "grudging"

    def check(self, pilot: Any, interviews: Any) -> None:
        raise RuntimeError("no")


class Throwing(Uniform):
    "A backend."

    name = "throwing"

    def respond(self, model: Any, interviews: Any, workspace: Any) -> Iterator[Answer]:
        np.random.seed(3)  # noqa: NPY002
        yield from super().respond(model, interviews, workspace)


class Figure(Metric):
    "A metric."

    better = {}

    def shares(self, comparison: Any, item: str = "sent") -> list[Any]:
        counted = [side.counts(item) for side in comparison.sides]
        with np.errstate(invalid="ignore"):
            return [counts[:, 1] / counts.sum(axis=1) for counts in counted]


class Flat(Figure):
    "A metric."

    name = "flat"

    def score(self, comparison: Any) -> Iterator[Score]:
        yield Score("flat", np.zeros(3))


class Dumb(Figure):
    "A metric."

    name = "dumb"

    def score(self, comparison: Any) -> Iterator[Score]:
        yield Score("dumb", np.full(comparison.resamples, np.nan))


class Moody(Figure):
    "A metric."

    name = "moody"

    def score(self, comparison: Any) -> Iterator[Score]:
        yield Score("moody", np.full(comparison.resamples, float(next(NUMBERS))))


class Lazy(Figure):
    "A metric."

    name = "lazy"

    def score(self, comparison: Any) -> Iterator[Score]:
        ones = np.ones(len(comparison.human))
        yield Score("lazy", np.full(comparison.resamples, float(ones @ comparison.human.codes("sent"))))


class Present(Figure):
    "A metric."

    name = "present"

    def score(self, comparison: Any) -> Iterator[Score]:
        there = comparison.human.weights > 0
        yield Score("present", there @ comparison.human.codes("sent") / there.sum(axis=1))


class Mean(Figure):
    "A metric."

    name = "mean"

    def score(self, comparison: Any) -> Iterator[Score]:
        shares = self.shares(comparison)
        yield Score("mean", shares[0] - shares[0].mean())


class Paired(Figure):
    "A metric."

    name = "paired"

    def score(self, comparison: Any) -> Iterator[Score]:
        same = comparison.human.codes("sent") == comparison.simulated.codes("sent")
        yield Score("paired", comparison.human.weights @ same)


class Hopeful(Figure):
    "A metric."

    name = "hopeful"

    def score(self, comparison: Any) -> Iterator[Score]:
        human, simulated = self.shares(comparison)
        yield Score("hopeful", human - simulated)


class Boasting(TotalVariation):
    "A metric."

    name = "boasting"
    headline = (("boast", None),)


class Fickle(SmallStudy):
    "A study."

    def load(self) -> pd.DataFrame:
        return super().load().sample(frac=1, random_state=next(NUMBERS))


class Seeded(SmallStudy):
    "A study."

    def load(self) -> pd.DataFrame:
        np.random.seed(1)  # noqa: NPY002
        return super().load()


class Blank(SmallStudy):
    "A study."

    def vignette(self, treatment: Any) -> str:
        return "A game."


class Unanimous(SmallStudy):
    "A study."

    def load(self) -> pd.DataFrame:
        return super().load().assign(sent=1)


class Texty(SmallStudy):
    "A study."

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        return super().coherent(people).map({True: "yes", False: "no"})


class Relative(SmallStudy):
    "A study."

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        return pd.Series(np.arange(len(people)) < 60, index=people.index, dtype="boolean")


class Certain(SmallStudy):
    "A study."

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        return (people["sent"].astype("Int64") == 1).fillna(False).astype("boolean")


class Unfit(SmallStudy):
    "A study."

    regressions = (Regression("trust ~ stake", family="logit"), SmallStudy.regressions[1])


class Wrong(SmallStudy):
    "A study."

    items = (*SmallStudy.items[:2], Item("sent", "decision", "Do you?", {1: "no", 2: "yes"}))


class Unkept(SmallStudy):
    "A study."

    citation = np.float64(3)  # type: ignore[assignment]
    license = object()  # type: ignore[assignment]


@dataclass(frozen=True)
class Complex:
    n: complex = 1j


class Undeclared(SmallStudy):
    "A study."

    Config = Complex


MISTAKES: list[tuple[str, type[Any], str]] = [
    ("sampler", Unsaid, "contract"),
    ("sampler", Twice, "draws_people"),
    ("sampler", Wayward, "same_seed_same_pilot"),
    ("sampler", Common, "no_global_randomness"),
    ("sampler", Scribbling, "people_unchanged"),
    ("sampler", Generous, "impossible_n_refused"),
    ("sampler", Choosy, "few_people"),
    ("backend", Grudging, "accepts_a_study"),
    ("backend", Heavy, "handle_is_json"),
    ("backend", Idle, "one_valid_answer_each"),
    ("backend", Labelled, "one_valid_answer_each"),
    ("backend", Improbable, "one_valid_answer_each"),
    ("backend", Changing, "order_does_not_matter"),
    ("backend", Repeating, "replicates_differ"),
    ("backend", Forgetful, "fresh_instance_answers"),
    ("backend", Unlike, "killed_while_adapting"),
    ("backend", Resuming, "killed_while_answering"),
    ("backend", Needy, "empty_pilot"),
    ("backend", Throwing, "no_global_randomness"),
    ("backend", Likely, "likelihood"),
    ("metric", Flat, "shapes_and_keys"),
    ("metric", Dumb, "finite_or_reasoned"),
    ("metric", Moody, "pure"),
    ("metric", Mean, "row_0_is_the_estimate"),
    ("metric", Present, "multiplicities_are_repetition"),
    ("metric", Lazy, "weights_matter"),
    ("metric", Paired, "unequal_sizes"),
    ("metric", Hopeful, "nobody_ok"),
    ("metric", Boasting, "announced_figures"),
    ("experiment", Undeclared, "contract"),
    ("experiment", Wrong, "people"),
    ("experiment", Fickle, "two_loads_equal"),
    ("experiment", Seeded, "no_global_randomness"),
    ("experiment", Blank, "vignettes_differ"),
    ("experiment", Unanimous, "options_occur"),
    ("experiment", Texty, "coherence"),
    ("experiment", Relative, "coherence"),
    ("experiment", Certain, "coherence"),
    ("experiment", Unfit, "formulas_fit"),
    ("experiment", Unkept, "kept_with_a_run"),
]


@pytest.mark.parametrize(("kind", "mistaken", "name"), MISTAKES, ids=[f"{c.__name__}-{n}" for _, c, n in MISTAKES])
def test_a_planted_mistake_is_found(kind: str, mistaken: type[Any], name: str) -> None:
    (check,) = [each for each in checks.checks_of(kind, mistaken) if each.name == name]
    assert check.outcome().startswith("FAILED"), check.outcome()
    with pytest.raises(checks.Fault):
        check()


def test_every_check_has_a_mistake_that_it_finds() -> None:
    parts = {"sampler": Random, "backend": Uniform, "metric": TotalVariation, "experiment": SmallStudy}
    there = {(kind, each.name) for kind, part in parts.items() for each in checks.checks_of(kind, part)}
    assert there - {(kind, name) for kind, _, name in MISTAKES} <= {("backend", "contract"), ("metric", "contract")}


def test_the_verb_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sampler", "random", "n=20"]) == 0
    said = capsys.readouterr().out
    assert "ok: 20 of 120 people" in said
    assert said.endswith("sampler random: no faults\n")
