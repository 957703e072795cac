"""Fit against effect: what is drawn of a comparison, in words and numbers too."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from simbench.cli import main
from simbench.harness.library import Runs
from simbench.plugin.manager import load_plugins
from simbench.report.fit import fit_against_effect
from simbench.report.leaderboard import Standing, compare_runs


def test_every_run_people_and_baselines_are_marked_with_intervals(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "runs", "-o", str(tmp_path), "--part", "costs"]) == 0
    said = capsys.readouterr()
    assert str(tmp_path / "fit_against_effect.png") in said.err
    data = pd.read_csv(tmp_path / "fit_against_effect.csv")
    scores = runs.scores[runs.scores["subgroup"].isna()]
    scores = scores[scores["metric"] == "equivalent_n_effects"].set_index("run_id")
    for run in runs:
        row = data[data["mark"].str.endswith(run.run_id[-6:])].iloc[0]
        assert row["kind"] == ("model" if "-odd-" in run.run_id else "baseline")
        effect = scores.loc[run.run_id]
        assert (row["effect"], row["effect_low"]) == pytest.approx((effect["value"], effect["ci_low"]))
    people = data[data["kind"] == "people"]
    assert (people["fit"] == people["effect"]).all()
    assert people["fit"].tolist() == [20, 60, len(runs[0].people)]
    assert {"majority, of the same pilots", "tabular, of the same pilots"} <= set(data["mark"])
    assert "<svg" in (tmp_path / "fit_against_effect.svg").read_text()


def test_the_picture_in_words(runs: Runs) -> None:
    standing = compare_runs(runs, load_plugins())
    chart = fit_against_effect(standing)
    assert chart is not None
    for name in standing.leaderboard["run"].unique():
        assert name in chart.alt
    without = standing.leaderboard[standing.leaderboard["metric"] != "equivalent_n_effects"]
    assert fit_against_effect(Standing(without, standing.differences, standing.costs, ())) is None
