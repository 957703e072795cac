"""The reference population of ``information_disclosure``: 929 people who do not exist.

The data of the study that the experiment is modelled on are not public. So that the experiment can be run at
all, its participants are drawn from the generative model below. **They are synthetic**: no figure from them
says anything about real people, and the differences between groups are arbitrary settings, not findings.

The model, for a person with profile x in a cell (valuation v, statement s):

1. Trust in official statements is normal around a mean that depends on x.
2. Log-odds that the measure stands on the North Beach: rise when the queen is known to value that beach, and
   move towards the beach a statement names, the more so the more the person trusts. Where her valuation is
   known, a statement that names the beach she cares less about is taken for a bluff.
3. Log-odds that the queen speaks the truth: trust, less where her valuation is known or she is silent.
4. *Reasoners* derive the risk on each beach from (2) alone: the measure stands on one of the two. The others
   mix it with fear (less for the bold) and noise, so that their risks need not add up.
5. *Coarse* answerers round every percentage to a quarter; anybody may answer 50 for "no idea". The percentage
   is then binned in tens.
6. *Gut* deciders go by what they know of the queen, the statement and who they are; the others weigh the
   perceived risks as well. The choice is a logit in both.

How the numbers were set: shares, slopes and noise by hand, for belief answers with heaps at 20-29, 50-59 and
70-79 and for treatment effects and group differences that a regression on 929 people can and cannot find;
then ``coarse`` and ``gut`` so that, on average over seeds, the distinct belief structures and the
value-action gap come close to the published 340 and 24.7 % (over seeds 0 to 199: 340.1 and 24.6 %, with
standard deviations of 11.6 and 1.7 points); then ``seed``, the smallest whose draw gives exactly those two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.experiments.bins import PERCENT

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BELIEFS", "ETHNICITIES", "STATEMENTS", "VALUATIONS", "Parameters", "reference_population"]

VALUATIONS = ("unknown", "known")
STATEMENTS = ("silent", "vague", "north", "south")
ETHNICITIES = ("White", "Black", "Asian", "Mixed", "Other")
BELIEFS = ("measure_north", "statement_true", "caught_north", "caught_south")


@dataclass(frozen=True)
class Parameters:
    """Everything the reference population depends on. Effects are in log-odds unless said otherwise.

    Tuples over ethnicity follow ``ETHNICITIES``; age enters per 15 years from 45, education per step from
    2.3, risk attitude per step from 3, gender as 1 for men.
    """

    n: int = 929
    seed: int = 51
    # who they are (shares, and a beta distribution over 18 to 80 years)
    ethnicity: tuple[float, ...] = (0.62, 0.13, 0.09, 0.09, 0.07)
    men: float = 0.49
    age: tuple[float, float] = (1.6, 2.4)
    education: tuple[float, ...] = (0.30, 0.30, 0.26, 0.14)
    risk_cuts: tuple[float, ...] = (-1.2, -0.4, 0.4, 1.2)
    risk_men: float = 0.35
    risk_age: float = -0.15
    # trust in official statements (standard deviations)
    trust_ethnicity: tuple[float, ...] = (0.2, -0.6, 0.1, -0.2, -0.3)
    trust_age: float = 0.15
    trust_education: float = -0.15
    # where the measure stands
    north_known: float = 0.55
    named: float = 0.90
    named_by_trust: float = 0.55
    bluff_south: float = 0.60
    bluff_north: float = -0.30
    north_ethnicity: tuple[float, ...] = (0.0, -0.35, 0.25, 0.0, 0.2)
    north_noise: float = 1.0
    # whether the queen speaks the truth
    truth: float = 0.10
    truth_by_trust: float = 0.80
    truth_named: float = 0.35
    truth_silent: float = -0.45
    truth_known: float = -0.35
    truth_noise: float = 0.7
    # the risk of being caught
    reasoners: float = 0.55
    risk_by_place: float = 0.80
    fear: float = -0.10
    fear_risk: float = -0.22
    fear_men: float = -0.12
    fear_ethnicity: tuple[float, ...] = (0.0, 0.25, 0.1, 0.0, 0.3)
    fear_noise: float = 0.6
    risk_noise: float = 0.8
    # how answers are given (shares)
    coarse: float = 0.72
    unsure: float = 0.15
    # the decision
    gut: float = 0.29
    sensitivity: float = 5.0
    attack_known: float = 0.65
    attack_named_north: float = -0.60
    attack_men: float = 0.26
    attack_age: float = -0.16
    attack_risk: float = 0.16
    attack_ethnicity: tuple[float, ...] = (0.0, 0.6, -0.13, 0.0, -0.45)


def reference_population(parameters: Parameters | None = None) -> pd.DataFrame:
    """Draw the people: one row each, the columns of ``information_disclosure``, same rows at every call."""
    import pandas as pd

    p = parameters or Parameters()
    rng = np.random.default_rng(p.seed)
    who = _profiles(p, rng)
    cell = rng.permutation(np.arange(p.n) % (len(VALUATIONS) * len(STATEMENTS)))
    known = (cell // len(STATEMENTS)).astype(np.float64)
    statement = cell % len(STATEMENTS)
    percent = _perceived(p, rng, who, known, statement)
    attack = _decided(p, rng, who, known, statement, percent)
    answers = _answered(p, rng, percent)
    frame = pd.DataFrame(
        {
            "participant_id": [f"r{number:04d}" for number in range(1, p.n + 1)],
            "ethnicity": np.array(ETHNICITIES, dtype=object)[who["ethnicity"].astype(int)],
            "gender": np.where(who["man"] > 0, "man", "woman").astype(object),
            "age": who["age"].astype(int),
            "education": who["education"].astype(int),
            "risk": who["risk"].astype(int),
            "valuation": np.array(VALUATIONS, dtype=object)[known.astype(int)],
            "statement": np.array(STATEMENTS, dtype=object)[statement],
        }
    )
    for column, name in enumerate(BELIEFS):
        frame[name] = PERCENT.cut(pd.Series(answers[:, column])).astype(int)
    return frame.assign(attack=attack)


def _pick(rng: np.random.Generator, shares: tuple[float, ...], n: int) -> NDArray[np.int64]:
    """Categories (n,) drawn with these shares."""
    picked: NDArray[np.int64] = np.searchsorted(np.cumsum(shares)[:-1], rng.random(n), side="right")
    return picked


def _profiles(p: Parameters, rng: np.random.Generator) -> dict[str, Floats]:
    """Profile and trust (n,) of everybody; ``*_c`` are the centred versions that effects multiply."""
    ethnicity = _pick(rng, p.ethnicity, p.n)
    man = (rng.random(p.n) < p.men).astype(np.float64)
    age = np.round(18 + 62 * rng.beta(*p.age, p.n))
    education = 1.0 + _pick(rng, p.education, p.n)
    age_c, education_c = (age - 45) / 15, education - 2.3
    bold = rng.standard_normal(p.n) + p.risk_men * (man - 0.5) + p.risk_age * age_c
    risk = 1.0 + np.searchsorted(p.risk_cuts, bold)
    trust = np.array(p.trust_ethnicity)[ethnicity] + p.trust_age * age_c + p.trust_education * education_c
    trust = trust + rng.standard_normal(p.n)
    return {
        "ethnicity": ethnicity.astype(np.float64),
        "man": man,
        "age": age,
        "age_c": age_c,
        "education": education,
        "risk": risk,
        "risk_c": risk - 3.0,
        "trust": trust,
    }


def _perceived(
    p: Parameters, rng: np.random.Generator, who: dict[str, Floats], known: Floats, statement: Any
) -> Floats:
    """What everybody believes, in percent (n, 4), before it is rounded to an answer."""
    ethnicity = who["ethnicity"].astype(int)
    north, south, silent = (statement == 2) * 1.0, (statement == 3) * 1.0, (statement == 0) * 1.0
    place = p.north_known * known + (north - south) * (p.named + p.named_by_trust * who["trust"])
    place += known * (p.bluff_south * south + p.bluff_north * north)
    place += np.array(p.north_ethnicity)[ethnicity] + p.north_noise * rng.standard_normal(p.n)
    truth = p.truth + p.truth_by_trust * who["trust"] + p.truth_known * known
    truth += p.truth_named * (north + south) + p.truth_silent * silent
    truth += p.truth_noise * rng.standard_normal(p.n)
    fear = p.fear + p.fear_risk * who["risk_c"] + p.fear_men * who["man"]
    fear += np.array(p.fear_ethnicity)[ethnicity] + p.fear_noise * rng.standard_normal(p.n)
    caught_north = p.risk_by_place * place + fear + p.risk_noise * rng.standard_normal(p.n)
    caught_south = -p.risk_by_place * place + fear + p.risk_noise * rng.standard_normal(p.n)
    reasoner = rng.random(p.n) < p.reasoners
    caught_north = np.where(reasoner, place, caught_north)
    caught_south = np.where(reasoner, -place, caught_south)
    odds = np.stack([place, truth, caught_north, caught_south], axis=1)
    percent: Floats = 100 / (1 + np.exp(-odds))
    return percent


def _answered(p: Parameters, rng: np.random.Generator, percent: Floats) -> Floats:
    """The percentages (n, 4) as people state them: coarse ones in quarters, and 50 for "no idea"."""
    coarse = (rng.random(p.n) < p.coarse)[:, np.newaxis]
    unsure = rng.random(percent.shape) < p.unsure
    return np.where(unsure, 50.0, np.where(coarse, 25 * np.round(percent / 25), percent))


def _decided(
    p: Parameters,
    rng: np.random.Generator,
    who: dict[str, Floats],
    known: Floats,
    statement: Any,
    percent: Floats,
) -> NDArray[np.int64]:
    """Whether (n,) the North Beach is attacked."""
    pull = p.attack_known * (known - 0.5) + p.attack_named_north * (statement == 2)
    pull += p.attack_men * (who["man"] - 0.5) + p.attack_age * who["age_c"] + p.attack_risk * who["risk_c"]
    pull += np.array(p.attack_ethnicity)[who["ethnicity"].astype(int)]
    safer = p.sensitivity * (percent[:, 3] - percent[:, 2]) / 100
    gut = rng.random(p.n) < p.gut
    chance = 1 / (1 + np.exp(-(pull + np.where(gut, 0.0, safer))))
    return np.asarray(rng.random(p.n) < chance, dtype=np.int64)
