"""Checks of a metric, on a small made-up study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from simbench.design import People
from simbench.harness.figures import Asked
from simbench.metrics.base import Comparison, Floats, Score, Side
from simbench.settings import NoConfig
from simbench.stats.resampling import bootstrap_weights
from simbench.stats.rng import generator
from simbench.testing.checks._check import Check, Fault, Part, Unfit, no_global_randomness, offered
from simbench.testing.people import SmallStudy, small_people

__all__ = ["checks"]

ROWS, PEOPLE = 6, 80
Figures = Mapping[Any, Score]


def checks(part: Part) -> list[Check]:
    """All of them."""
    found = {
        "contract": offered,
        "shapes_and_keys": _shapes,
        "finite_or_reasoned": _reasoned,
        "pure": _pure,
        "row_0_is_the_estimate": _row_0,
        "multiplicities_are_repetition": _multiplicities,
        "weights_matter": _weights,
        "unequal_sizes": _unequal,
        "nobody_ok": _nobody,
        "announced_figures": _announced,
    }
    return [Check(name, part, run) for name, run in found.items()]


def _comparison(people: People, simulated: People, matched: Any, weights: Floats) -> Comparison:
    study = SmallStudy(NoConfig())
    sides = Side(people, weights), Side(simulated, weights[:, matched])
    return Comparison(*sides, study.coherent, generator=partial(generator, 0, "check"), matched=matched)


def _people(n: int = PEOPLE) -> tuple[People, People]:
    """People, and others who answer in their place."""
    people, others = small_people(n, 1), small_people(n, 2)
    return people, people.answering({each.name: others.codes(each.name) for each in people.design.items})


def _example(rows: int = ROWS, n: int = PEOPLE) -> Comparison:
    people, simulated = _people(n)
    rng = np.random.default_rng(5)
    weights = bootstrap_weights(n, rows - 1, rng, people.condition.to_numpy(str), people.unit.to_numpy(str))
    return _comparison(people, simulated, np.arange(n), weights)


def _figures(part: Part, comparison: Comparison) -> Figures:
    """Every figure, as a run takes it; Fault for what a run would name."""
    asked = Asked([part.make()])
    scores = asked.scores(comparison)
    if asked.faults:
        raise Fault(asked.faults[0])
    return {each.key: each for each in scores}


def _known(part: Part) -> Figures:
    """The figures of the example, which several checks look at."""
    return part.once("figures", lambda: _figures(part, _example()))


def _shapes(part: Part) -> str:
    """Arrays of one number per row of weights; every figure given once."""
    figures = _known(part)
    if not figures and not part.cls.better:
        return "it yields no figure of its own"
    return f"{len(figures)} figures"


def _reasoned(part: Part) -> None:
    for key, each in _known(part).items():
        if not np.isfinite(each.value[0]) and not each.reason:
            raise Fault(f"{_words(key)} is {each.value[0]} without a reason; use Score.missing(metric, reason, ...)")


def _pure(part: Part) -> None:
    """Asked twice it says the same, draws from no global generator, and leaves its people as they are."""
    comparison = _example()
    before = (
        comparison.human.people.frame.copy(),
        comparison.simulated.people.frame.copy(),
        comparison.human.weights.copy(),
    )
    first: dict[Any, Score] = {}
    no_global_randomness(lambda: first.update(_figures(part, comparison)))
    second = _known(part)
    for key, each in first.items():
        if key not in second or not np.array_equal(each.value, second[key].value, equal_nan=True):
            raise Fault(f"{_words(key)} is another one when asked again")
    after = comparison.human.people.frame, comparison.simulated.people.frame, comparison.human.weights
    if not (before[0].equals(after[0]) and before[1].equals(after[1]) and np.array_equal(before[2], after[2])):
        raise Fault("it changes the people or weights that it is handed")


def _row_0(part: Part) -> None:
    """The estimate does not depend on how many resamples there are."""
    many, one = _known(part), _figures(part, _example(1))
    if missing := [key for key in many if key not in one]:
        raise Fault(f"{_words(missing[0])} is there with resamples only")
    for key, each in many.items():
        if not _near(each.value[0], one[key].value[0]):
            raise Fault(f"{_words(key)} is {each.value[0]:.6g} beside resamples and {one[key].value[0]:.6g} alone")


def _multiplicities(part: Part) -> str:
    """Everybody stands there twice: counted 2 and 0 times, or 1 and 1, or 0 and 2, they give the same figures."""
    half = PEOPLE // 2
    people, simulated = (_twice(each) for each in _people(half))
    villages = dict(zip(sorted(set(people.unit)), np.random.default_rng(6).integers(0, 3, half), strict=False))
    first = people.unit[:half].map(villages).to_numpy(float)  # whole clusters, as resamples draw them
    weights = np.vstack([np.ones(PEOPLE), np.concatenate([first, 2 - first])])
    figures = _figures(part, _without_streams(_comparison(people, simulated, np.arange(PEOPLE), weights)))
    compared = 0
    for key, each in figures.items():
        if each.bias == "sample" or each.interval is not None or each.value[1] != each.value[1]:
            continue  # it takes chance off, or rows of resamples are left empty
        compared += 1
        if not _near(each.value[0], each.value[1]):
            raise Fault(
                f"{_words(key)} is {each.value[0]:.6g}, and {each.value[1]:.6g} with the same people counted by "
                "multiplicities: use weights as numbers of rows, in every sum"
            )
    return f"{compared} of {len(figures)} figures compared"


def _weights(part: Part) -> None:
    """Resamples move at least one figure."""
    figures = [each for each in _known(part).values() if each.interval is None and each.bias == "none"]
    finite = [each for each in figures if np.isfinite(each.value).all()]
    if not finite:
        raise Unfit("no figure that resamples would move")
    if all(np.ptp(each.value) == 0 for each in finite):
        raise Fault(
            "no row of weights moves any figure: use comparison.human.weights and comparison.simulated.weights"
        )


def _without_streams(comparison: Comparison) -> Comparison:
    return replace(comparison, generator=None)


def _twice(people: People) -> People:
    """Everybody twice, the second time as other participants of other villages."""
    n = len(people)
    frame = people.at([*range(n), *range(n)]).frame
    villages = [f"{name}{'' if row < n else ' again'}" for row, name in enumerate(frame["village"])]
    return People(people.design, frame.assign(participant_id=list(map(str, range(2 * n))), village=villages))


def _unequal(part: Part) -> str:
    """Some interviews failed: fewer simulated participants than people."""
    people, simulated = _people()
    kept = np.flatnonzero(np.arange(PEOPLE) % 4)
    weights = _example().human.weights
    return f"{len(_figures(part, _comparison(people, simulated.at(kept), kept, weights)))} figures"


def _nobody(part: Part) -> None:
    """Not one answer: figures are missing with a reason, and nothing is raised."""
    people, simulated = _people()
    nobody = np.array([], dtype=np.int64)
    figures = _figures(part, _comparison(people, simulated.at(nobody), nobody, _example().human.weights))
    for key, each in figures.items():
        if not np.isfinite(each.value[0]) and not each.reason:
            raise Fault(f"without a single answer {_words(key)} is {each.value[0]} without a reason")


def _announced(part: Part) -> str:
    """Figures of the headline are among those that are given."""
    given = {key[0] for key in _known(part)}
    announced = {name for name, _ in part.cls.headline}
    if given and announced and not announced & given:
        raise Fault(
            f"the headline {', '.join(sorted(announced))} is not among its figures {', '.join(sorted(given))}"
        )
    unsaid = sorted(given - set(part.cls.better))
    return f"no direction (better) for {', '.join(unsaid)}" if unsaid else ""


def _near(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=1e-5, atol=1e-7, equal_nan=True))


def _words(key: Any) -> str:
    return " ".join(str(part) for part in key if part is not None)
