"""compare: leaderboards, ranks, paired differences with adjusted p-values, formats."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.stats import rankdata
from statsmodels.stats.multitest import multipletests

from simbench.cli import main
from simbench.errors import ConfigError
from simbench.harness.library import Runs, load_runs
from simbench.harness.store import RunFolder
from simbench.plugin.manager import load_plugins
from simbench.report.leaderboard import compare_runs
from simbench.report.table import labels


def test_differences_are_those_of_the_stored_resamples(runs: Runs) -> None:
    """Recomputed from the Parquet files with numpy alone."""
    standing = compare_runs(runs, load_plugins())
    rows = standing.differences
    rows = rows[(rows["metric"] == "js_distance") & (rows["item"] == "mean")]
    assert len(rows) == 6
    labels = dict(zip(standing.costs["run"], standing.costs["run_id"], strict=True))
    stored = runs.resamples
    stored = stored[(stored["metric"] == "js_distance") & (stored["item"] == "mean")].set_index("run_id")["value"]
    for row in rows.to_dict("records"):
        a, b = (np.asarray(stored[labels[row[side]]], dtype=float) for side in "ab")
        assert row["difference"] == pytest.approx(a[0] - b[0])
        drawn = runs.done.manifests[0]["resampled"]
        free, n = drawn["units"] - drawn["pools"], drawn["units"]
        tail = stats.norm.sf(np.sqrt(n / free) * stats.t.isf(0.025, free))
        low, high = np.quantile((a - b)[1:], [tail, 1 - tail], method="weibull")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))


def test_p_values_are_adjusted_over_the_whole_table(runs: Runs) -> None:
    table = compare_runs(runs, load_plugins()).differences.dropna(subset="p")
    assert table["p_holm"].to_numpy() == pytest.approx(multipletests(table["p"], method="holm")[1])
    assert table["p_bh"].to_numpy() == pytest.approx(multipletests(table["p"], method="fdr_bh")[1])


def test_ranks_follow_the_distance_from_human(runs: Runs) -> None:
    board = compare_runs(runs, load_plugins(), every=True).leaderboard
    for (_, _), rows in board.dropna(subset="rank").groupby(["metric", "item"], dropna=False):
        way, value = rows["better"].iloc[0], rows["value"]
        loss = np.log(value).abs() if way == "one" else {"lower": value, "higher": -value, "zero": value.abs()}[way]
        assert rows["rank"].to_list() == rankdata(loss.round(6)).tolist()
        assert (rows["rank_low"] <= rows["rank_high"]).all()
        assert (2 * rows[["rank_low", "rank_high"]] % 1 == 0).all(axis=None)  # ranks that occur; halves for ties
        assert rows["p_best"].sum() == pytest.approx(1)


def test_a_run_compared_with_its_copy_differs_by_nothing(runs: Runs, tmp_path: Path) -> None:
    original = runs[0].folder
    shutil.copytree(original.path, tmp_path / "copy")
    copy = RunFolder(tmp_path / "copy")
    copy.update(run_id="copy")
    table = compare_runs(Runs([original, copy]), load_plugins()).differences.dropna(subset="p")
    assert len(table)
    assert (table["difference"] == 0).all()
    assert (table["p"] == 1).all()


def test_different_people_are_refused_and_why(home: Path, runs: Runs) -> None:
    both = load_runs("runs", "other")
    with pytest.raises(ConfigError, match="not compared with the same people") as refused:
        compare_runs(both, load_plugins())
    assert "tiny" in str(refused.value)
    told = compare_runs(both, load_plugins(), different_humans=True)
    assert any("DIFFERENT people" in note for note in told.notes)


def test_against_one_run(runs: Runs) -> None:
    name = compare_runs(runs, load_plugins()).costs["run"].iloc[0]
    table = compare_runs(runs, load_plugins(), against=name).differences
    assert set(table["b"]) == {name}
    assert len(table["a"].unique()) == 3
    with pytest.raises(ConfigError, match="names 0"):
        compare_runs(runs, load_plugins(), against="nobody")


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "latex"])
def test_formats(form: str, runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "runs", "--format", form]) == 0
    printed = capsys.readouterr().out
    assert "js_distance" in printed.replace("\\", "")
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(printed)))
        assert {row["run_id"] for row in rows} == {run.run_id for run in runs}
    if form == "latex":
        assert printed.count("\\begin{tabular}") == printed.count("\\end{tabular}") == 3
        assert "js_distance" not in printed  # underscores are escaped
    if form == "markdown":
        bars = {line.count("|") for line in printed.splitlines() if line.startswith("| js_distance (mean) |")}
        assert bars <= {8, 11}


def test_runs_that_differ_in_one_setting_are_told_apart_by_it(runs: Runs) -> None:
    """The same backend and sampler with two seeds: the label says which is which, and no more."""
    manifests = [{**runs[0].manifest, "run_id": f"{seed:06}"} for seed in (3, 4)]
    for manifest, seed in zip(manifests, (3, 4), strict=True):
        manifest["config"] = {**manifest["config"], "seed": seed, "out": f"folder {seed}"}
    first, second = labels(manifests).values()
    assert first.endswith(" seed=3 000003")
    assert second.endswith(" seed=4 000004")
    assert "seed" not in labels(manifests[:1])["000003"]
