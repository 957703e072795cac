"""The verdict: a yes needs the whole interval within the margin; and the power of a yes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.errors import ConfigError
from simbench.harness.conclusions import against_the_pilot, verdicts
from simbench.harness.inference import EQUIVALENCE
from simbench.metrics.alignment import JSDistance
from simbench.metrics.effects import EffectSizes
from simbench.metrics.findings import power_of
from simbench.metrics.score_table import ScoreTable
from simbench.metrics.share_distance import ShareDistance
from simbench.metrics.verdict import Verdict, VerdictConfig

ROW = {
    **dict.fromkeys(("item", "subgroup", "level", "reason")),
    **dict.fromkeys(("human_ci_low", "human_ci_high", "within_low", "within_high", "chance", "chance_df"), np.nan),
    "n_human": 500,
}
CHANCE = {"chance": 0.002, "chance_df": 20.0}


def row(metric: str, value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    """A row whose interval is by theory where ``chance`` is known."""
    ends = ("within_low", "within_high") if "chance" in more else ("ci_low", "ci_high")
    return {**ROW, "metric": metric, "value": value, **dict(zip(ends, (low, high), strict=True)), **more}


NONE = pd.DataFrame(columns=["metric", "item", "value", "reason"])
GOOD = [
    row("share_distance", 0.02, 0.0, 0.05, item="mean", **CHANCE),
    row("share_distance", 0.03, 0.0, 0.08, item="mean", subgroup="g", **CHANCE),
    row("share_distance", 0.04, 0.0, 0.15, item="mean", subgroup="g", level="a", **CHANCE),
    row("effect_distance", 0.01, 0.0, 0.06, item="treatments", **CHANCE),
    row("effect_distance", 0.02, 0.0, 0.2, item="treatments of ols: y", **CHANCE),
    row("effect_slope", 0.95, 0.8, 1.1, item="treatments", chance=0.006, chance_df=np.inf),
    row("effect_distance", 0.02, 0.0, 0.09, item="ols: y", **CHANCE),
    row("effect_distance", 0.02, 0.0, 0.09, item="covariates", **CHANCE),
    row("effect_slope", 1.05, 0.8, 1.3, item="covariates", chance=0.01, chance_df=np.inf),
    row("value_action_gap", 0.01, -0.05, 0.07, human_ci_low=0.3, human_ci_high=0.36),
]
PURPOSES = ["pretesting", "distribution by subgroup", "effects", "inference"]


def verdict(rows: list[dict[str, Any]], **settings: Any) -> dict[str, tuple[float, str]]:
    scores = Verdict(VerdictConfig(**settings)).conclude(pd.DataFrame(rows))
    return {str(each.item): (float(each.value[0]), str(each.reason)) for each in scores}


def changed(metric: str, item: str | None, level: str | None = None, **new: Any) -> list[dict[str, Any]]:
    """The good rows with one of them changed."""
    found = [each["metric"] == metric and (each["item"], each["level"]) == (item, level) for each in GOOD]
    assert any(found)
    return [{**each, **new} if same else each for each, same in zip(GOOD, found, strict=True)]


def test_yes_when_every_interval_is_within_its_margin() -> None:
    found = verdict(GOOD)
    assert {value for value, _ in found.values()} == {1.0}
    assert list(found) == PURPOSES
    assert "size of effects of treatments 0.95 [0.8, 1.1], from 0.707 to 1.41 (met)" in found["effects"][1]
    assert "a perfect simulation would get a yes in" in found["effects"][1]


@pytest.mark.parametrize(
    ("metric", "item", "level", "ends", "purposes"),
    [
        ("share_distance", "mean", None, (0.2, 0.3), ["pretesting", "distribution by subgroup"]),
        ("share_distance", "mean", "a", (0.11, 0.4), ["distribution by subgroup"]),
        ("effect_distance", "treatments", None, (0.12, 0.3), ["effects", "inference"]),
        ("effect_distance", "treatments of ols: y", None, (0.12, 0.3), ["effects", "inference"]),
        ("effect_slope", "treatments", None, (0.3, 0.49), ["effects", "inference"]),
        ("effect_slope", "treatments", None, (2.1, 2.5), ["effects", "inference"]),
        ("effect_slope", "covariates", None, (0.3, 0.49), ["inference"]),
        ("effect_distance", "ols: y", None, (0.12, 0.3), ["inference"]),
        ("value_action_gap", None, None, (-0.3, -0.13), ["inference"]),
    ],
)
def test_no_when_one_is_wholly_beyond_and_not_shown_when_it_may_be(
    metric: str, item: str | None, level: str | None, ends: tuple[float, float], purposes: list[str]
) -> None:
    which = ("ci_low", "ci_high") if metric == "value_action_gap" else ("within_low", "within_high")
    new = {"value": sum(ends) / 2, **dict(zip(which, ends, strict=True))}
    found = verdict(changed(metric, item, level, **new))
    assert [name for name, (value, _) in found.items() if value == 0.0] == purposes
    wide = {"value": sum(ends) / 2, **dict(zip(which, (-2.0, 3.0), strict=True))}
    found = verdict(changed(metric, item, level, **wide))
    if level is not None or str(item).startswith("treatments of"):
        assert {value for value, _ in found.values()} == {1.0}  # not beyond; the pooled ones decide
    else:
        assert [name for name, (value, _) in found.items() if np.isnan(value)] == purposes
        assert all(found[name][1].startswith("not shown: ") for name in purposes)


def test_margins_are_settings_and_checked() -> None:
    assert verdict(GOOD, margin=0.04)["pretesting"][0] != 1.0
    assert verdict(GOOD, attenuation=1.2)["effects"][0] != 1.0
    for wrong in ({"margin": 0.0}, {"gap": 2.0}, {"attenuation": 1.0}):
        with pytest.raises(ConfigError, match=r"metric\.verdict\."):
            VerdictConfig(**wrong)


def test_a_yes_is_worth_the_pilot() -> None:
    """The pilot's 600 people are as far from the population as 0.041, more or less: 0.05 is not shown to be less."""
    pilot = row("pilot_people", 600, 600, 600)
    found = verdict([pilot, *GOOD])
    assert np.isnan(found["pretesting"][0])
    assert "at most 0.0408, asking the pilot's 600 people again" in found["pretesting"][1]
    assert verdict([pilot, *GOOD], pilot=False)["pretesting"][0] == 1.0
    assert verdict([row("pilot_people", 66, 66, 66), *GOOD])["pretesting"][0] == 1.0


def test_what_is_missing_is_not_shown_with_its_reason() -> None:
    rows = changed(
        "effect_slope", "treatments", value=np.nan, ci_low=np.nan, ci_high=np.nan, reason="no effects here"
    )
    found = verdict([each for each in rows if each["metric"] != "share_distance"])
    assert np.isnan(found["effects"][0])
    assert "no effects here" in found["effects"][1]
    assert "share_distance is not among the metrics of this run" in found["pretesting"][1]
    assert "would get a yes" not in found["pretesting"][1]
    none = [each for each in GOOD if each["metric"] != "effect_distance"]
    assert "the experiment has no regression" in verdict(none)["inference"][1]


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
    figures = [("js_distance", "mean"), ("f1_sign", None), ("fpr", None)]
    said = against_the_pilot(ScoreTable(scores, [JSDistance]), figures)
    assert [words.split(":")[0] for words in said] == [
        "closer to people than resampling the pilot",
        "NOT shown to be closer to people than resampling the pilot",
        "LESS close to people than resampling the pilot",
    ]
    assert "Jensen-Shannon distance (mean) 0.1 against 0.2" in said[0]
    assert against_the_pilot(ScoreTable(scores.drop(columns="resample_margin_low")), [("fpr", None)]) == []


def test_findings_are_data_and_the_words_follow_from_them() -> None:
    findings = Verdict(VerdictConfig()).findings(pd.DataFrame(GOOD))
    stored = json.loads(json.dumps([each.to_json() for each in findings], allow_nan=False))
    first = stored[[each["purpose"] for each in stored].index("pretesting")]
    assert first == {
        **dict.fromkeys(("subgroup", "level", "n", "least")),
        **{"purpose": "pretesting", "answer": "yes", "figure": "distance of answers", "note": ""},
        **{"value": 0.02, "low": 0.0, "high": 0.05, "threshold": 0.1, "bound": "at most"},
        **{"power": first["power"], "n_80": first["n_80"]},
    }
    assert 0.9 < first["power"] <= 1
    assert 50 < first["n_80"] < 500
    told = verdicts({"findings": stored}, NONE)
    assert {purpose: f"{answer}: {words}" for purpose, (answer, words) in told.items()} == {
        purpose: words for purpose, (_, words) in verdict(GOOD).items()
    }
    without = [{name: each[name] for name in each if name not in ("power", "n_80", "least")} for each in stored]
    assert verdicts({"findings": without}, NONE)["pretesting"][0] == "yes"
    old = pd.DataFrame([{"metric": "verdict", "item": "inference", "value": 0.0, "reason": "no: because"}])
    assert verdicts({}, old) == {"inference": ("no", "no: because")}


def test_many_levels_are_counted_and_the_worst_named() -> None:
    worse = {"item": "mean", "subgroup": "g", **CHANCE}
    levels = [row("share_distance", 0.3 + n / 100, 0.2, 0.4 + n / 100, level=str(n), **worse) for n in range(5)]
    value, words = verdict([*GOOD, *levels])["distribution by subgroup"]
    assert value == 0.0
    assert "for g 4 (n = 500)" in words
    assert "2 more subgroup levels (failed)" in words
    assert "1 of 6 subgroup levels not beyond (met)" in words


def test_no_claim_rests_on_an_interval_without_width_or_that_leaves_its_estimate_out() -> None:
    for low, high, words in ((0.01, 0.01, "has no width"), (0.02, 0.05, "leaves it out")):
        found = verdict(changed("value_action_gap", None, ci_low=low, ci_high=high))
        assert np.isnan(found["inference"][0])
        assert words in found["inference"][1]
    margin = {"resample": 0.2, "resample_margin": 0.0, "resample_margin_low": 0.125, "resample_margin_high": 0.845}
    tie = {**margin, "resample_margin_low": 0.0, "resample_margin_high": 0.0}
    for each in (margin, tie):
        (said,) = against_the_pilot(ScoreTable(pd.DataFrame([{**row("fpr", 0.1, 0, 0.2), **each}])), [("fpr", None)])
        assert said.startswith("NOT shown to be closer")


def test_more_people_give_more_power_and_the_number_found_gives_80_percent() -> None:
    def power(times: float) -> tuple[float | None, int | None]:
        rows = [{**each, "chance": each["chance"] / times, "n_human": int(500 * times)} for each in GOOD]
        return power_of(Verdict(VerdictConfig()).findings(pd.DataFrame(rows))[-1:])

    now, needed = power(1.0)
    assert now is not None
    assert needed is not None
    assert power(0.5)[0] < now < power(2.0)[0]  # type: ignore[operator]
    gap = [each for each in GOOD if each["metric"] != "value_action_gap"]  # whose n does not change above
    found = power_of(Verdict(VerdictConfig()).findings(pd.DataFrame(gap))[-1:])[1]
    assert found is not None
    rows = [{**each, "chance": each["chance"] * 500 / found} for each in gap]
    reached = power_of(Verdict(VerdictConfig()).findings(pd.DataFrame(rows))[-1:])[0]
    assert reached == pytest.approx(0.8, abs=0.01)


def test_a_perfect_simulation_gets_a_yes_and_half_sized_effects_do_not(study: Any) -> None:
    """A small version of benchmarks/operating_characteristics.py: 12 studies of 1,500 people."""
    answers: dict[tuple[str, str], list[str]] = {}
    for seed in range(12):
        human = study.draw(seed, 1500)
        flawed = {"half": study.draw(900 + seed, 1500, effect=0.5), "none": study.draw(700 + seed, 1500, effect=0.0)}
        for kind, simulated in {"perfect": study.again(human, 500 + seed), **flawed}.items():
            matched = np.arange(1500) if kind == "perfect" else None
            comparison = replace(study.compare(human, simulated), matched=matched)
            metrics = ShareDistance(ShareDistance.Config()), EffectSizes(EffectSizes.Config())
            frame = pd.DataFrame([_told(each) for metric in metrics for each in metric.score(comparison)])
            for purpose, (value, _) in verdict(frame.to_dict("records")).items():
                answers.setdefault((kind, purpose), []).append({1.0: "yes", 0.0: "no"}.get(value, "not shown"))
    for purpose in PURPOSES:
        assert answers["perfect", purpose].count("yes") >= 10, purpose
        assert answers["perfect", purpose].count("no") == 0, purpose
    for purpose in ("effects", "inference"):
        assert answers["half", purpose].count("yes") == 0, purpose
        assert answers["none", purpose].count("no") >= 11, purpose


def _told(score: Any) -> dict[str, Any]:
    """A figure as a row of scores, without resamples."""
    known = {name: getattr(score.equivalence, of, np.nan) for name, of in EQUIVALENCE.items()}
    where = {name: getattr(score, name) for name in ("metric", "item", "subgroup", "level", "reason", "n_human")}
    return {**ROW, **where, **known, "value": score.value[0]}
