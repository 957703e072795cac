"""The sentence that a run begins its table and its page with."""

import math

import pandas as pd
import pytest

from simbench.harness.conclusions import plainly

FINDING = {"figure": "f", "value": 1.0}


def scores(*rows: tuple[str, str | None, float, float, float]) -> pd.DataFrame:
    columns = ["metric", "item", "value", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).assign(subgroup=None, level=None, reason=None)


def manifest(pilot: int = 66, **answers: str) -> dict[str, object]:
    found = [{"purpose": purpose, "answer": answer, **FINDING} for purpose, answer in answers.items()]
    return {"humans": {"n_pilot": pilot}, "findings": found}


def test_a_whole_sentence() -> None:
    table = scores(("equivalent_n", "mean", 41.2, 25.0, 90.4), ("equivalent_n_effects", None, 476.0, 48.0, math.inf))
    said = plainly(manifest(pretesting="yes", effects="no", inference="no", subgroups="not shown"), table)
    assert said == (
        "The simulation is, for answers as good as asking 41 people (25 to 90), and for treatment effects as good as "
        "asking 476 people (48 or more); it learned from 66. It may be used for pretesting. "
        "Do not use it for effects, inference. Not shown, either way: subgroups."
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (math.inf, 30.0, math.inf, "as good as people (30 or more)"),
        (12.0, math.nan, math.nan, "as good as asking 12 people"),
        (math.nan, math.nan, math.nan, None),
    ],
)
def test_ends_without_end(value: float, low: float, high: float, said: str | None) -> None:
    found = plainly(manifest(pilot=0), scores(("equivalent_n", "mean", value, low, high)))
    assert found == (f"The simulation is, for answers {said}; it learned from nobody." if said else "")
