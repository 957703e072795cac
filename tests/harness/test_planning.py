"""``plan``: the cheapest mixture by its formula, forecasts that come true, bad goals refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simbench
from simbench.errors import ConfigError
from simbench.harness.planning import forecast_width, spread
from simbench.harness.run import Run
from simbench.stats.allocation import (
    cheapest,
    correlation_interval,
    counting,
    needed,
    variance_for,
    variance_interval,
)
from simbench.stats.crossfit import Evidence, Rows, crossfit_glm


@given(st.floats(0.1, 1e5), st.integers(0, 60))
def test_people_needed_count_as_so_many(count: float, spent: int) -> None:
    n = needed(count, spent)
    assert n >= max(count, spent)
    assert float(counting(n, spent)) == pytest.approx(count, rel=1e-6)
    assert needed(count, 0) == pytest.approx(count)


@given(st.floats(0, 0.95), st.floats(0, 0.2), st.floats(20, 5000), st.integers(0, 30))
def test_a_regression_reaches_the_variance_with_the_people_it_spends(
    rho2: float, gamma: float, exact: float, spent: int
) -> None:
    made, plain = (cheapest(exact, rho2, 1.0, 1.0, gamma, each) for each in (spent, 0))
    assert (
        exact / float(counting(made.humans, spent)) * (1 - rho2 * made.simulated / (made.humans + made.simulated))
        <= 1 + 1e-6
    )
    assert exact / float(counting(made.alone, spent)) <= 1 + 1e-9
    assert made.cost <= made.cost_alone
    assert plain.alone + spent <= made.alone + 1 <= plain.alone + 2 * spent + 2


@given(st.floats(0.05, 0.95), st.floats(1e-4, 0.5), st.floats(50, 5000), st.floats(0.5, 20))
def test_the_mixture_reaches_the_variance_and_no_other_is_cheaper(
    rho2: float, gamma: float, alone: float, cost: float
) -> None:
    made = cheapest(alone, rho2, 1.0, cost, gamma * cost)
    n, rest = made.humans, made.simulated
    assert alone / n * (1 - rho2 * rest / (n + rest)) <= 1 + 1e-9
    assert made.cost <= made.cost_alone
    for other in range(2, math.ceil(alone) + 1, max(math.ceil(alone) // 200, 1)):
        floor = alone * (1 - rho2)
        if other <= floor:
            continue
        needed = max(math.ceil(other * (alone - other) / (other - floor)), 0)
        if needed:
            price = cost * other + gamma * cost * (other + needed)
            assert made.cost <= price * (1 + 2 / n) + 2 * cost, "beyond rounding to whole people"


def test_what_precision_takes() -> None:
    assert variance_for(width=2 * 1.959963985) == pytest.approx(1.0)
    assert variance_for(power=0.8, effect=2.801585218) == pytest.approx(1.0)
    assert cheapest(100.0, 0.5, 1.0, 1.0, 10.0).simulated == 0
    free = cheapest(1000.0, 0.25, 1.0, 1.0, 0.0)
    assert 750 <= free.humans <= 752


def test_intervals_of_the_pilot() -> None:
    from scipy.stats import chi2, pearsonr

    rng = np.random.default_rng(2)
    x = rng.normal(size=60)
    y = 0.6 * x + rng.normal(size=60)
    wanted = pearsonr(x, y).confidence_interval(0.95)
    assert correlation_interval(float(np.corrcoef(x, y)[0, 1]), 60) == pytest.approx(tuple(wanted), abs=1e-9)
    low, high = variance_interval(2.0, 60)
    assert (low, high) == pytest.approx((2.0 * 59 / chi2.ppf(0.975, 59), 2.0 * 59 / chi2.ppf(0.025, 59)))


def test_forecast_widths_come_true_within_15_percent_in_the_median() -> None:
    """A pilot of 150 forecasts the interval of 400 people and 800 without answers."""

    def estimate(rng: np.random.Generator, n: int, rest: int) -> tuple[float, float, float]:
        shared, far = rng.normal(size=n), rng.normal(size=rest)
        y, told = shared + rng.normal(size=n), shared + 0.5 * rng.normal(size=n)
        rows = [
            Rows(v, np.ones((v.size, 1)), np.arange(v.size)) for v in (y, told, far + 0.5 * rng.normal(size=rest))
        ]
        found = crossfit_glm("ols", Evidence(rows[0], rows[1], unlabelled=rows[2]))
        ratio, error = float(found.width_ratio[0]), float(found.human_errors[0])
        return error**2 * n, 2 * (1 - ratio**2), float(found.high[0] - found.low[0])

    off = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sigma2, rho2, _ = estimate(rng, 150, 150)
        *_, seen = estimate(rng, 400, 800)
        off.append(abs(forecast_width(sigma2, max(rho2, 0.0), 400, 800) / seen - 1))
    assert float(np.median(off)) < 0.15
    assert float(np.median(off)) < 0.08, "it is far better than that where people are normal"


@pytest.mark.parametrize("family", ["ols", "logit"])
def test_forecast_widths_of_coefficients_are_right_on_average_from_a_small_pilot(family: str) -> None:
    """Sixty people and ten coefficients foretell 240 people; scaled by n alone they were 15 to 35 % too wide."""

    def facts_of(rng: np.random.Generator, n: int) -> pd.DataFrame:
        x = np.column_stack([np.ones(n), rng.normal(size=(n, 9))])
        y = x[:, 1] + rng.normal(size=n)
        y = y if family == "ols" else (y > 0).astype(float)
        found = crossfit_glm(family, Evidence(Rows(y, x, np.arange(n))))
        return pd.DataFrame(
            {
                "n_human": n,
                "spent": found.spent,
                "human_error": found.human_errors,
                "informed_error": np.nan if found.informed is None else found.informed,
                "width": found.human_high - found.human_low,
            }
        )[1:]

    off, scaled = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pilot, seen = facts_of(rng, 60), facts_of(rng, 240)["width"].to_numpy()
        told = [forecast_width(sigma2, 0.0, 240, 0, spent=10) for sigma2 in spread(pilot)]
        off.append(told / seen - 1)
        scaled.append(pilot["human_error"].to_numpy() * 2 * 1.97 / 2 / seen - 1)
    assert np.median(scaled) > 0.1, "or this test is of nothing"
    assert abs(np.median(off)) < min(0.12, np.median(scaled) / 2)
    assert np.median(np.abs(off)) < 0.18


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tabular run on 80 of the reference population."""
    return simbench.run(
        "information_disclosure",
        backend="tabular",
        sampler={"name": "random", "n": 80},
        out=str(tmp_path_factory.mktemp("pilot")),
        scoring={"resamples": 20, "splits": 5, "floors": 2, "swaps": 0},
        metric=["js_distance", "verdict"],
    )


def test_a_plan_of_a_run(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = simbench.plan(run, cost_human=4.0, cost_simulated=0.001, width=0.1, estimand="attack")
    table = found.table
    assert table["estimand"].str.contains("attack").all()
    assert (table["humans"] <= table["humans_alone"]).all()
    assert (table["cost"] <= table["cost_alone"]).all()
    assert (table["humans_low"] <= table["humans_high"]).all()
    assert (table["adapt_on"] == 80).all()
    share = table[table["estimand"].str.match("(share|mean) attack")].iloc[0]
    answers = run.people["attack"].value_counts(normalize=True).iloc[0]
    n0 = answers * (1 - answers) / (0.05 / 1.959964) ** 2
    assert share["humans_alone"] == pytest.approx(n0, rel=0.02)
    assert found.verdicts
    from simbench.cli import main

    out = str(tmp_path / "plan")
    place = str(run.folder.path)
    assert main(["plan", place, "cost.human=4", "power=0.8", "effect=0.2", "estimand=attack", f"out={out}"]) == 0
    said = capsys.readouterr().out
    assert "humans alone" in said
    assert "the verdict for pretesting can be given" in said
    assert (tmp_path / "plan" / "plan.csv").exists()
    assert (tmp_path / "plan" / "curve" / "plan.svg").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"cost_human": 0, "width": 1}, "cost.human: expected more than 0"),
        ({"cost_human": 1}, "either width=NUMBER"),
        ({"cost_human": 1, "width": 1, "power": 0.8}, "either width=NUMBER"),
        ({"cost_human": 1, "power": 80}, "power: expected from 0.5"),
        ({"cost_human": 1, "width": 1, "estimand": "nowhere"}, "no estimand"),
    ],
)
def test_goals_that_cannot_be(run: Run, wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        simbench.plan(run, **wrong)  # type: ignore[arg-type]
