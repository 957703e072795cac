"""Sentences that follow from scores, for the table, the report and the manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simbench.metrics.findings import (
    MET,
    NO,
    NOT_SHOWN,
    YES,
    Finding,
    answer_of,
    by_purpose,
    criteria_in_words,
    in_words,
    power_words,
)
from simbench.metrics.score_table import Figure, ScoreTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "against_the_pilot",
    "answers_said",
    "criteria_said",
    "likelihood_said",
    "limits_said",
    "plainly",
    "verdicts",
    "worth_said",
]

FRESH = {"f1_sign": "F1-Sign", "fpr": "false positives", "fnr": "missed effects"}
PAPER = "The paper's limits (arXiv 2511.21218), whatever n: F1-Sign at least 0.8, gap at most 50 %."
RIVALS = {"shares": "the pilot's shares", "tabular": "the tabular model"}


def against_the_pilot(table: ScoreTable, headline: Sequence[Figure]) -> list[str]:
    """Say which headline figures are closer to people than copies of the pilot's people are, and which are not.

    Args:
        table: the rows of ``scores.parquet``.
        headline: figures (metric, item) to speak of.

    Returns:
        At most three sentences; none where there is no pilot to resample.
    """
    found: dict[str, list[str]] = {"closer": [], "same": [], "further": []}
    for figure in headline:
        row = table.one(*figure)
        if row is not None and math.isfinite(row.get("resample_margin_low", math.nan)):
            found[_side(row)].append(_said(table.words(row), row))
    sentences = {
        "closer": "closer to people than resampling the pilot: {}.",
        "same": "NOT shown to be closer to people than resampling the pilot: {}.",
        "further": "LESS close to people than resampling the pilot: {}.",
    }
    return [sentences[key].format("; ".join(parts)) for key, parts in found.items() if parts]


def _side(row: dict[Any, Any]) -> str:
    """Which side the whole interval lies on; one without width, or that leaves its own margin out, shows nothing."""
    low, high = row["resample_margin_low"], row["resample_margin_high"]
    if low == high or not low <= row["resample_margin"] <= high:
        return "same"
    if row["resample_margin_low"] > 0:
        return "closer"
    return "further" if row["resample_margin_high"] < 0 else "same"


def _said(words: str, row: dict[str, Any]) -> str:
    ends = f"[{row['resample_margin_low']:.3g}, {row['resample_margin_high']:.3g}]"
    return f"{words} {row['value']:.3g} against {row['resample']:.3g}, margin {row['resample_margin']:.3g} {ends}"


def likelihood_said(scores: pd.DataFrame) -> list[str]:
    """Whether the model finds people's real answers likelier than the pilot's shares and the tabular model do."""
    parts = []
    for name, words in RIVALS.items():
        row = ScoreTable(scores).one(f"log_likelihood_over_{name}", "mean")
        if row is not None:
            low, high = row["ci_low"], row["ci_high"]
            if math.isfinite(low) and low < high:
                how = "likelier" if low > 0 else "LESS likely" if high < 0 else "NOT shown to be likelier"
                parts.append(f"{how} than by {words}: {row['value']:+.3f} [{low:.3f}, {high:.3f}]")
    return [f"people's real answers, in bits per answer: {'; '.join(parts)}."] if parts else []


def limits_said(scores: pd.DataFrame) -> list[str]:
    """F1-Sign and the value-action gap beside fresh samples of people, and beside the paper's limits."""
    said, table = [], ScoreTable(scores)
    for name, words in FRESH.items():
        row = table.one(name)
        if row is not None and math.isfinite(row.get("rank", math.nan)):
            middle = f"{row['ceiling']:.2g} [{row['fresh_low']:.2g}, {row['fresh_high']:.2g}]"
            worse = f"{100 * row['rank']:.0f} % of them do worse"
            said.append(f"{words} {row['value']:.2g}; fresh samples of as many people {middle}, {worse}")
    gap = table.one("value_action_gap")
    if gap is not None and math.isfinite(gap["simulated"]):
        said.append(f"value-action gap {100 * gap['simulated']:.0f} %, people's {100 * gap['human']:.0f} %")
    return [f"{'; '.join(said)}. {PAPER}"] if said else []


def answers_said(manifest: Mapping[str, Any], scores: pd.DataFrame) -> list[str]:
    """A line for every purpose: its answer, and how likely a perfect simulation gets a yes."""
    found = by_purpose(Finding(**each) for each in manifest.get("findings", ()))
    return [
        "; ".join(part for part in (f"{purpose}: {answer}", power_words(found.get(purpose, ()))) if part)
        for purpose, (answer, _) in verdicts(manifest, scores).items()
    ]


WORTH = (("equivalent_n", "mean", "answers"), ("equivalent_n_effects", None, "treatment effects"))
WORTH_FOR = {"pretesting": WORTH[0], "distribution by subgroup": WORTH[0], "effects": WORTH[1]}


def worth_said(scores: pd.DataFrame, purpose: str) -> str:
    """What the simulation is worth for a purpose, in people asked; empty where that is not measured."""
    metric, item, words = WORTH_FOR.get(purpose, ("", None, ""))
    said = _people(ScoreTable(scores).one(metric, item)) if metric else ""
    return f"For {words} {said}." if said else ""


def criteria_said(manifest: Mapping[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """By purpose: how many criteria came out how and how likely a yes was, then each of them."""
    found = by_purpose(Finding(**each) for each in manifest.get("findings", ()))
    return {purpose: (_counted(each), criteria_in_words(each)) for purpose, each in found.items()}


def _counted(findings: Sequence[Finding]) -> str:
    answers = [each.answer for each in findings]
    counts = [f"{answers.count(key)} {MET[key]}" for key in (YES, NO, NOT_SHOWN) if key in answers]
    noun = "criterion" if len(answers) == 1 else "criteria"
    power = power_words(findings)
    return f"Of {len(answers)} {noun}: {', '.join(counts)}{f'; {power}' if power else ''}."


def plainly(manifest: Mapping[str, Any], scores: pd.DataFrame) -> str:
    """What a colleague would say: as good as asking how many people, learned from how many, and for what (not).

    The empty string where neither ``equivalent_n`` nor ``verdict`` was among the metrics.
    """
    table = ScoreTable(scores)
    worth = [f"for {words} {said}" for metric, item, words in WORTH if (said := _people(table.one(metric, item)))]
    sentences = []
    if worth:
        pilot = manifest["humans"]["n_pilot"]
        learned = f"it learned from {pilot}" if pilot else "it learned from nobody"
        sentences.append(f"The simulation is, {', and '.join(worth)}; {learned}.")
    answers: dict[str, list[str]] = {}
    for purpose, (answer, _) in verdicts(manifest, scores).items():
        answers.setdefault(answer, []).append(purpose)
    words = {YES: "It may be used for {}.", NO: "Do not use it for {}.", NOT_SHOWN: "Not shown, either way: {}."}
    return " ".join(
        sentences + [each.format(", ".join(answers[key])) for key, each in words.items() if key in answers]
    )


def _people(row: Mapping[str, Any] | None) -> str:
    """An equivalent n with its interval, in words."""
    if row is None or math.isnan(row["value"]):
        return ""
    value, low, high = (row[name] for name in ("value", "ci_low", "ci_high"))
    if math.isnan(low):
        return f"as good as asking {value:.0f} people" if math.isfinite(value) else ""
    ends = f"{low:.0f} to {high:.0f}" if math.isfinite(high) else f"{low:.0f} or more"
    return f"as good as asking {value:.0f} people ({ends})" if math.isfinite(value) else f"as good as people ({ends})"


def verdicts(manifest: Mapping[str, Any], scores: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Answer and words of every purpose, from the findings that the run's manifest holds. Nothing is judged here.

    Runs of earlier versions hold no findings: theirs are the rows of ``scores``.
    """
    if "findings" not in manifest:
        rows = scores[scores["metric"] == "verdict"].to_dict("records")
        answers = {1.0: YES, 0.0: NO}
        return {str(row["item"]): (answers.get(row["value"], NOT_SHOWN), str(row["reason"])) for row in rows}
    found = by_purpose(Finding(**each) for each in manifest["findings"])
    return {purpose: (answer_of(each), in_words(each)) for purpose, each in found.items()}
