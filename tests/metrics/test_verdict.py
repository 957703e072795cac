"""The verdict: a yes needs the whole interval on the right side."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.harness.conclusions import against_the_pilot, verdicts
from simbench.metrics.verdict import Verdict, VerdictConfig

ROW = {
    "item": None,
    "subgroup": None,
    "level": None,
    "simulated": np.nan,
    "simulated_ci_low": np.nan,
    "simulated_ci_high": np.nan,
    "n_human": 100,
    "ceiling": 0.05,
    "floor": 0.45,
    "reason": None,
}


def row(metric: str, value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {**ROW, "metric": metric, "value": value, "ci_low": low, "ci_high": high, **more}


NONE = pd.DataFrame(columns=["metric", "item", "value", "reason"])
GOOD = [
    row("js_distance", 0.1, 0.05, 0.15, item="mean"),
    row("js_excess", 0.02, -0.03, 0.06, item="mean", subgroup="g", level="a"),
    row("f1_sign", 0.9, 0.85, 1.0),
    row("fpr", 0.05, 0.0, 0.15),
    row("compatible_share", 0.97, 0.92, 1.0),
    row("joint_test", 0.4, np.nan, np.nan, item="ols: y"),
    row("value_action_gap", 0.01, -0.1, 0.1, simulated=0.3, simulated_ci_low=0.25, simulated_ci_high=0.35),
]


def verdict(rows: list[dict[str, Any]], **settings: Any) -> dict[str, tuple[float, str]]:
    scores = Verdict(VerdictConfig(**settings)).conclude(pd.DataFrame(rows))
    return {str(each.item): (float(each.value[0]), str(each.reason)) for each in scores}


def test_yes_when_every_interval_is_on_the_right_side() -> None:
    found = verdict(GOOD)
    assert {value for value, _ in found.values()} == {1.0}
    assert set(found) == {"pretesting", "distribution by subgroup", "effect signs", "inference"}
    assert "F1-Sign 0.9 [0.85, 1], at least 0.8 (met)" in found["effect signs"][1]


@pytest.mark.parametrize(
    ("metric", "low", "high", "purposes"),
    [
        ("js_distance", 0.3, 0.4, ["pretesting"]),
        ("js_excess", 0.2, 0.3, ["distribution by subgroup"]),
        ("f1_sign", 0.1, 0.6, ["effect signs", "inference"]),
        ("fpr", 0.3, 0.6, ["effect signs", "inference"]),
        ("compatible_share", 0.3, 0.6, ["inference"]),
    ],
)
def test_no_when_one_is_wholly_on_the_wrong_side(metric: str, low: float, high: float, purposes: list[str]) -> None:
    middle = (low + high) / 2
    rows = [
        each if each["metric"] != metric else {**each, "value": middle, "ci_low": low, "ci_high": high}
        for each in GOOD
    ]
    found = verdict(rows)
    assert [name for name, (value, _) in found.items() if value == 0.0] == purposes
    doubtful = [each if each["metric"] != metric else {**each, "ci_low": -1.0, "ci_high": 2.0} for each in GOOD]
    found = verdict(doubtful)
    assert [name for name, (value, words) in found.items() if np.isnan(value)] == purposes
    assert all(found[name][1].startswith("not shown: ") for name in purposes)


def test_a_rejected_joint_test_and_a_wide_gap_rule_inference_out() -> None:
    rejected = [{**each, "value": 0.001} if each["metric"] == "joint_test" else each for each in GOOD]
    assert verdict(rejected)["inference"][0] == 0.0
    wide = [
        {**each, "simulated": 0.7, "simulated_ci_low": 0.6, "simulated_ci_high": 0.9}
        if "gap" in each["metric"]
        else each
        for each in GOOD
    ]
    assert verdict(wide)["inference"][0] == 0.0
    assert verdict(wide)["effect signs"][0] == 1.0


def test_thresholds_are_settings() -> None:
    assert verdict(GOOD, f1=0.95)["effect signs"][0] != 1.0
    assert verdict(GOOD, excess=0.01)["distribution by subgroup"][0] != 1.0


def test_what_is_missing_is_not_shown_with_its_reason() -> None:
    lost = row("f1_sign", np.nan, np.nan, np.nan, reason="no ok simulated answers")
    found = verdict([lost, *(each for each in GOOD if each["metric"] not in ("f1_sign", "js_distance"))])
    assert np.isnan(found["effect signs"][0])
    assert "no ok simulated answers" in found["effect signs"][1]
    assert "js_distance is not among the metrics of this run" in found["pretesting"][1]


def test_sentences_about_the_pilot() -> None:
    margin = {"resample": 0.2, "resample_margin": 0.1, "resample_margin_low": 0.05, "resample_margin_high": 0.2}
    worse = {**margin, "resample_margin": -0.2, "resample_margin_low": -0.3, "resample_margin_high": -0.1}
    doubt = {**margin, "resample_margin_low": -0.1}
    scores = pd.DataFrame(
        [
            {**row("js_distance", 0.1, 0, 0.2, item="mean"), **margin},
            {**row("f1_sign", 0.1, 0, 0.2), **worse},
            {**row("fpr", 0.1, 0, 0.2), **doubt},
        ]
    )
    said = against_the_pilot(scores, [("js_distance", "mean"), ("f1_sign", None), ("fpr", None)])
    assert [words.split(":")[0] for words in said] == [
        "closer to people than resampling the pilot",
        "NOT shown to be closer to people than resampling the pilot",
        "LESS close to people than resampling the pilot",
    ]
    assert "js_distance (mean) 0.1 against 0.2" in said[0]
    assert against_the_pilot(scores.drop(columns="resample_margin"), [("fpr", None)]) == []


def test_findings_are_data_and_the_words_follow_from_them() -> None:
    findings = Verdict(VerdictConfig()).findings(pd.DataFrame(GOOD))
    stored = json.loads(json.dumps([each.to_json() for each in findings], allow_nan=False))
    signs = stored[[each["purpose"] for each in stored].index("effect signs")]
    assert signs == {
        **dict.fromkeys(("subgroup", "level", "n")),
        **{"purpose": "effect signs", "answer": "yes", "figure": "F1-Sign", "note": ""},
        **{"value": 0.9, "low": 0.85, "high": 1.0, "threshold": 0.8, "bound": "at least"},
    }
    told = verdicts({"findings": stored}, NONE)
    assert {purpose: f"{answer}: {words}" for purpose, (answer, words) in told.items()} == {
        purpose: words for purpose, (_, words) in verdict(GOOD).items()
    }
    old = pd.DataFrame([{"metric": "verdict", "item": "inference", "value": 0.0, "reason": "no: because"}])
    assert verdicts({}, old) == {"inference": ("no", "no: because")}


def test_a_colon_in_a_reason_is_no_answer() -> None:
    lost = row("f1_sign", np.nan, np.nan, np.nan, reason="no: such: words")
    findings = Verdict(VerdictConfig()).findings(pd.DataFrame([lost]))
    assert verdicts({"findings": [each.to_json() for each in findings]}, NONE)["effect signs"][0] == "not shown"


def test_many_levels_are_counted_and_the_worst_named() -> None:
    worse = {"item": "mean", "subgroup": "g"}
    levels = [row("js_excess", 0.3 + n / 100, 0.2, 0.4 + n / 100, level=str(n), **worse) for n in range(5)]
    value, words = verdict([*GOOD, *levels])["distribution by subgroup"]
    assert value == 0.0
    assert "for g 4 (n = 100)" in words
    assert "2 more subgroup levels (failed)" in words
    assert "1 of 6 subgroup levels (met)" in words


def test_no_claim_rests_on_an_interval_without_width_or_that_leaves_its_estimate_out() -> None:
    """F1-Sign 1.000 [1.000, 1.000] was a yes, and a margin of 0 [0.125, 0.845] closer."""
    for low, high, words in ((1.0, 1.0, "has no width"), (0.85, 0.95, "leaves it out")):
        found = verdict([row("f1_sign", 1.0, low, high), *(each for each in GOOD if each["metric"] != "f1_sign")])
        assert np.isnan(found["effect signs"][0])
        assert words in found["effect signs"][1]
    margin = {"resample": 0.2, "resample_margin": 0.0, "resample_margin_low": 0.125, "resample_margin_high": 0.845}
    tie = {**margin, "resample_margin_low": 0.0, "resample_margin_high": 0.0}
    for each in (margin, tie):
        (said,) = against_the_pilot(pd.DataFrame([{**row("fpr", 0.1, 0, 0.2), **each}]), [("fpr", None)])
        assert said.startswith("NOT shown to be closer")
