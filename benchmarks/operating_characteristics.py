"""What does the verdict say of simulations that are known to be perfect, or flawed, and from how many people on?

Run ``nice python benchmarks/operating_characteristics.py`` (about 20 minutes on one core) and copy the tables it
prints into docs/operating_characteristics.md. 200 studies of every size are drawn from a known population of two
designs: people, and a simulation of each kind; the metrics and the verdict of a run are asked, with theory's
intervals (the value-action gap's is normal here, where a run resamples). ``--studies``, ``--sizes`` and ``--designs``
take less. Populations are tables of so many people, whose designs of regressions are made once; a study is some of
their rows.

- framing: the items, treatments and regressions of the experiment ``framing``, with answers by normal and logit
  models fitted to its 265 real people; - information_disclosure: the reference population of that experiment.
- perfect: other people of the population. half: all treatment effects are half as large. none: no treatment has an
  effect. margins: every answer is drawn from its share among all people, whatever profile, treatment and other
  answers. pilot: copies of the answers of the pilot's people. uniform: any answer is as likely.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from simbench.design import PARTICIPANT, Design, People
from simbench.experiments.reference_population import Parameters, reference_population
from simbench.harness.inference import EQUIVALENCE
from simbench.metrics.base import Comparison, Score, Side
from simbench.metrics.effects import EffectSizes
from simbench.metrics.findings import answer_of, by_purpose, power_of
from simbench.metrics.share_distance import ShareDistance
from simbench.metrics.verdict import PILOT, Verdict
from simbench.plugin.manager import load_plugins
from simbench.stats.regression import Design as Sample
from simbench.stats.regression import fit_glm, formula_designs
from simbench.stats.rng import generator

POPULATION = 120_000
MANY = 3000
SIZES = (100, 200, 500, 1000, 3000)
KINDS = ("perfect", "half", "none", "margins", "pilot", "uniform")
PURPOSES = ("pretesting", "distribution by subgroup", "effects", "inference")
METRICS = (ShareDistance(ShareDistance.Config()), EffectSizes(EffectSizes.Config()))
VERDICT = Verdict(Verdict.Config())
MOVED = (
    *("north_known", "named", "named_by_trust", "bluff_south", "bluff_north", "truth_named", "truth_silent"),
    *("truth_known", "attack_known", "attack_named_north"),
)
"""Parameters of the reference population that are effects of treatments."""
Frame = Callable[[int, int, float], pd.DataFrame]
"""People of a population: how many, seed, size of the treatments' effects."""


def disclosure(n: int, seed: int, effect: float) -> pd.DataFrame:
    """People of the reference population."""
    known = Parameters()
    return reference_population(Parameters(n=n, seed=seed, **{name: effect * getattr(known, name) for name in MOVED}))


def framing(n: int, seed: int, effect: float) -> pd.DataFrame:
    """People with the profiles of the framing experiment, and answers by models fitted to them, item after item.

    Treatments move the answers by ``effect`` times as much; what they do on average stays.
    """
    rng, real = np.random.default_rng([seed, 265]), _experiment("framing").load()
    made = real.iloc[rng.integers(len(real), size=n)].reset_index(drop=True)
    made = made.assign(participant_id=np.arange(n).astype(str))
    made = made.assign(tone=rng.integers(0, 2, n), eth=rng.integers(0, 2, n))
    right = "tone * eth + C(gender) + education + age + income"
    orders = {"gender": ("female", "male")}
    for item, earlier in (
        ("p_harm", ""),
        ("anx", " + p_harm"),
        ("immigr", " + p_harm + anx"),
        ("cong_mesg", " + p_harm"),
    ):
        formula = f"{item} ~ {right}{earlier}"
        told = formula_designs(formula, real, made.assign(**{item: 0}), orders=orders)
        family = "logit" if item == "cong_mesg" else "ols"
        fit = fit_glm(family, told[0].outcome, told[0].matrix, names=told[0].names)
        slopes, matrix = fit.estimates[0], told[1].matrix
        treated = [column for column, name in enumerate(told[1].names) if {"tone", "eth"} & set(name.split(":"))]
        moved = matrix[:, treated] @ slopes[treated]
        latent = matrix @ slopes + (effect - 1) * (moved - moved.mean())
        if family == "logit":
            made[item] = (rng.random(n) < 1 / (1 + np.exp(-latent))).astype(int)
        else:
            error = told[0].outcome - told[0].matrix @ slopes
            low, high = real[item].min(), real[item].max()
            made[item] = np.clip(np.round(latent + error.std() * rng.normal(size=n)), low, high).astype(int)
    return made


DRAWN: dict[str, Frame] = {"framing": framing, "information_disclosure": disclosure}


def _experiment(name: str) -> Any:
    cls = load_plugins().get("experiment", name).cls
    return cls(cls.Config())


@dataclass(frozen=True, eq=False)
class Population:
    """A table of people with what metrics ask of them, worked out once."""

    people: People
    codes: dict[str, Any]
    names: dict[str, tuple[str, ...]]
    levels: dict[str, Any]
    samples: dict[str, Sample]
    coherent: Any

    def rows(self, rows: Any, answers: Any = None) -> tuple[Side, dict[str, Sample], Any]:
        """Some people, as a side of a comparison; ``answers``: rows whose answers they give instead of their own."""
        given = rows if answers is None else answers
        people = People(self.people.design, self.people.frame[[PARTICIPANT]].iloc[rows].reset_index(drop=True))
        side = Side(people, np.ones((1, len(rows))))
        for name, codes in self.codes.items():
            side.once(("codes", name), partial(codes.__getitem__, given))
        for variable in self.names:
            side.once(("level", variable), lambda: None)
        for (variable, level), members in self.levels.items():
            side.once(("members", variable, level), partial(members.__getitem__, rows))
        samples = {formula: self._sample(sample, rows, given) for formula, sample in self.samples.items()}
        return side, samples, self.coherent[given]

    def _sample(self, sample: Sample, rows: Any, given: Any) -> Sample:
        """Outcome and predictors of some people, those that are answers from the rows whose answers they give."""
        matrix = sample.matrix[rows]
        answered = [column for column, name in enumerate(sample.names) if name in self.codes]
        matrix[:, answered] = sample.matrix[np.ix_(given, answered)]
        return replace(sample, outcome=sample.outcome[given], matrix=matrix, rows=np.arange(len(rows)))


def population(design: Design, frame: pd.DataFrame, coherent: Callable[[pd.DataFrame], pd.Series]) -> Population:
    """What metrics ask of these people."""
    people = People(design, frame).answering({item.name: item.codes(frame[item.name]) for item in design.items})
    side = Side(people, np.ones((1, len(people))))
    names = {each.name: tuple(people.levels(each.name)) for each in design.subgroups}
    levels = {(name, level): side.members(name, level) for name, found in names.items() for level in found}
    samples = {
        each.formula: formula_designs(each.formula, frame, orders=design.orders)[0] for each in design.regressions
    }
    rule = coherent(people.frame).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    return Population(
        people, {item.name: side.codes(item.name) for item in design.items}, names, levels, samples, rule
    )


def populations(name: str, n: int) -> dict[str, Population]:
    """The people of a design, and what simulations of each kind are drawn from."""
    experiment, draw = _experiment(name), DRAWN[name]
    rng, people = np.random.default_rng(7), draw(n, 1, 1.0)
    frames = {"people": people, "perfect": draw(n, 2, 1.0), "half": draw(n, 3, 0.5), "none": draw(n, 4, 0.0)}
    items = [item.name for item in experiment.design.items]
    shuffled = {item: rng.permutation(people[item].to_numpy()) for item in items}
    options = {item.name: np.array(item.values) for item in experiment.design.items}
    frames["margins"] = people.assign(**shuffled)
    frames["uniform"] = people.assign(**{item: rng.choice(values, n) for item, values in options.items()})
    return {kind: population(experiment.design, frame, experiment.coherent) for kind, frame in frames.items()}


def judged(known: dict[str, Population], kind: str, n: int, seed: int, pilot: int) -> dict[str, Any]:
    """What the verdict says of one study, by purpose: answer and power; and the figures it rests on."""
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    people = known["people"]
    human = _some(people, n + pilot, rng)
    of = people if kind == "pilot" else known[kind]
    copied = rng.choice(human[n:], n) if kind == "pilot" else None
    sides = people.rows(human[:n]), of.rows(_some(of, n, rng), copied)
    frame = pd.DataFrame([_row(each) for each in figures(sides, people.names)] + [_pilot(pilot)])
    found = by_purpose(VERDICT.findings(frame))
    told = {
        purpose: {"answer": answer_of(found[purpose]), "power": power_of(found[purpose])[0]} for purpose in PURPOSES
    }
    return told | {"figures": frame.set_index(["metric", "item", "subgroup", "level"])["value"]}


def figures(sides: Any, levels: dict[str, tuple[str, ...]]) -> list[Any]:
    """Scores of the metrics, and the value-action gap with a normal interval, for two sides of unmatched people."""
    (human, first, own), (simulated, other, told) = sides
    comparison = Comparison(human, simulated, lambda frame: frame, 0.05, partial(generator, 0))
    vars(comparison).update(levels=levels, structures=(np.zeros(len(human), int), np.zeros(len(simulated), int)))
    for formula in first:
        comparison.once(("designs", formula), partial(lambda a, b: (a, b), first[formula], other[formula]))
    scores = [each for metric in METRICS for each in metric.score(comparison)]
    gaps = [1 - np.nanmean(each) for each in (own, told)]
    errors = [np.sqrt(gap * (1 - gap) / np.isfinite(each).sum()) for gap, each in zip(gaps, (own, told), strict=True)]
    gap, half = gaps[1] - gaps[0], 1.96 * np.hypot(*errors)
    ends = {"human_ci_low": gaps[0] - 1.96 * errors[0], "human_ci_high": gaps[0] + 1.96 * errors[0]}
    return [*scores, {**_row(Score("value_action_gap", np.array([gap]), interval=(gap - half, gap + half))), **ends}]


def _row(score: Any) -> dict[str, Any]:
    """A figure as a row of scores."""
    if isinstance(score, dict):
        return score
    ends = dict(zip(("ci_low", "ci_high"), score.interval or (np.nan, np.nan), strict=True))
    known = {name: getattr(score.equivalence, of, np.nan) for name, of in EQUIVALENCE.items()}
    where = {name: getattr(score, name) for name in ("metric", "item", "subgroup", "level", "reason", "n_human")}
    return {**where, **ends, **known, "value": float(score.value[0])}


def _pilot(people: int) -> dict[str, Any]:
    return _row(Score(PILOT, np.array([float(people)])))


def _some(of: Population, n: int, rng: np.random.Generator) -> Any:
    """Rows (n,) next to each other: the table is in no order."""
    size = len(of.people)
    return (int(rng.integers(size)) + np.arange(n)) % size


def main() -> None:
    """Draw studies, ask the verdict, print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--most", type=int, default=200, help="studies of 3,000 people and more")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--designs", nargs="*", default=("framing", "information_disclosure"))
    parser.add_argument("--population", type=int, default=POPULATION)
    given = parser.parse_args()
    for name in given.designs:
        started = time.process_time()
        known = populations(name, given.population)
        print(f"\n## {name}\n", flush=True)
        report(known, given, {"framing": 66, "information_disclosure": 116}[name])
        print(f"\n{time.process_time() - started:.0f} CPU seconds", flush=True)


def report(known: dict[str, Population], given: argparse.Namespace, pilot: int) -> None:
    """One line per kind and size: yes / no in per cent of the studies, and for the perfect the power told beside it.

    The first line of a kind is what the verdict says of a third of the population: the truth, nearly.
    """
    heads = ("simulation", "n", *PURPOSES, "")
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|", flush=True)
    for kind in given.kinds:
        truth = judged(known, kind, given.population // 3, 0, pilot)
        words = ", ".join(f"{label} {_at(truth['figures'], *which):.3f}" for label, which in SHOWN.items())
        _line(kind, "truth", [truth[purpose]["answer"] for purpose in PURPOSES], words)
        for n in given.sizes:
            found = [
                judged(known, kind, n, 1 + seed, pilot) for seed in range(given.studies if n < MANY else given.most)
            ]
            powers = [100 * np.mean([each[purpose]["power"] or 0 for each in found]) for purpose in PURPOSES]
            told = "power told " + ", ".join(f"{power:.0f}" for power in powers) if kind == "perfect" else ""
            _line(kind, n, [_shares([each[purpose]["answer"] for each in found]) for purpose in PURPOSES], told)


SHOWN = {
    "shares": ("share_distance", "mean"),
    "treatments": ("effect_distance", "treatments"),
    "slope": ("effect_slope", "treatments"),
}


def _shares(answers: list[str]) -> str:
    """Yes / no, in per cent."""
    yes, no = (100 * answers.count(which) / len(answers) for which in ("yes", "no"))
    return f"{yes:.0f} / {no:.0f}"


def _line(*cells: Any) -> None:
    kind, n, answers, words = cells
    print(f"| {kind} | {n} | {' | '.join(answers)} | {words} |", flush=True)


def _at(figures: pd.Series, metric: str, item: str) -> float:
    rows = figures.reset_index()
    same = (rows["metric"] == metric) & (rows["item"] == item) & rows["subgroup"].isna()
    return float(rows.loc[same, "value"].iloc[0])


if __name__ == "__main__":
    main()
