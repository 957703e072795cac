"""compare: leaderboards, ranks, paired differences with adjusted p-values, formats."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.stats import rankdata
from statsmodels.stats.multitest import multipletests

import simbench
from simbench.cli import main
from simbench.errors import ConfigError
from simbench.harness.library import Runs, load_runs
from simbench.harness.store import RunFolder
from simbench.plugin.manager import load_plugins
from simbench.report.curves import standings
from simbench.report.leaderboard import compare_runs
from simbench.report.table import labels

QUICK = {"resamples": 60, "splits": 8, "floors": 3}


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


def test_runs_that_know_different_treatment_groups_are_of_one_study(tmp_path: Path) -> None:
    """The paper's study: a pilot of one group makes seen against unseen a subgroup variable of that run alone."""
    for groups in (1, None):
        pilot = {"name": "random", "n": 20, "groups": groups}
        settings = {"metric": ["js_distance"], "scoring": QUICK, "evaluate": "all", "report": False, "out": tmp_path}
        simbench.run(experiment="framing", backend="resample", sampler=pilot, **settings)
    runs = load_runs(str(tmp_path))
    assert len({"treatment_group" in set(run.scores["subgroup"]) for run in runs}) == 2
    standing = compare_runs(runs, load_plugins())
    assert standing.differences["p"].notna().all()
    assert not [note for note in standing.notes if "different studies" in note]


def test_p_values_are_adjusted_over_the_whole_table(runs: Runs) -> None:
    table = compare_runs(runs, load_plugins()).differences.dropna(subset="p")
    assert table["p_holm"].to_numpy() == pytest.approx(multipletests(table["p"], method="holm")[1])
    assert table["p_bh"].to_numpy() == pytest.approx(multipletests(table["p"], method="fdr_bh")[1])


def test_ranks_follow_the_distance_from_human(runs: Runs) -> None:
    board = compare_runs(runs, load_plugins(), every=True).leaderboard
    unvaried = set()
    for (metric, _), rows in board.dropna(subset="rank").groupby(["metric", "item"], dropna=False):
        way, value = rows["better"].iloc[0], rows["value"]
        loss = np.log(value).abs() if way == "one" else {"lower": value, "higher": -value, "zero": value.abs()}[way]
        assert rows["rank"].to_list() == rankdata(loss.round(6)).tolist()
        if rows["rank_low"].isna().any():  # no resample varies the figure, and so none says who is best
            assert rows[["rank_low", "rank_high", "p_best"]].isna().all(axis=None)
            unvaried.add(metric)
            continue
        assert (rows["rank_low"] <= rows["rank_high"]).all()
        assert (2 * rows[["rank_low", "rank_high"]] % 1 == 0).all(axis=None)  # ranks that occur; halves for ties
        assert rows["p_best"].sum() == pytest.approx(1)
    assert {"share_distance", "equivalent_n"} <= unvaried
    assert unvaried.isdisjoint({"js_distance", "value_action_gap"})


def test_a_run_compared_with_its_copy_differs_by_nothing(runs: Runs, tmp_path: Path) -> None:
    original = runs[0].folder
    shutil.copytree(original.path, tmp_path / "copy")
    copy = RunFolder(tmp_path / "copy")
    copy.update(run_id="copy")
    table = compare_runs(Runs([original, copy]), load_plugins()).differences.dropna(subset="p")
    assert len(table)
    assert (table["difference"] == 0).all()
    assert (table["p"] == 1).all()


def test_runs_of_different_studies_are_refused_or_stand_side_by_side(home: Path, runs: Runs) -> None:
    folders = [runs[0].folder, runs[1].folder]
    other = home / "of_another"
    shutil.copytree(folders[1].path, other, dirs_exist_ok=True)
    design = json.loads((other / "design.json").read_text())
    design["design"]["regressions"] = []
    changed = RunFolder(other)
    changed.write_json("design.json", design)
    changed.update(run_id="of_another")
    humans = {**changed.manifest["humans"], "evaluated_sha256": "others"}
    changed.update(humans=humans)
    both = Runs([folders[0], changed])
    with pytest.raises(ConfigError, match="of different studies, tiny"):
        compare_runs(both, load_plugins())
    told = compare_runs(both, load_plugins(), different_humans=True)
    assert any("DIFFERENT people" in note for note in told.notes)
    assert told.people is None
    shutil.rmtree(other)


def test_p_values_of_exchanges_grow_with_what_they_claim(runs: Runs) -> None:
    """That models do not answer alike, that they are not equally close, that this holds in a table of tests."""
    table = compare_runs(runs, load_plugins()).differences
    tested = table[table["exchanged"]]
    assert len(tested) > 30
    known = tested.dropna(subset="p_closer")
    assert len(known) > 30
    assert (known["p_closer"] >= known["p"]).all()
    assert (tested["p_step"] >= tested["p"] - 1e-9).all()
    shares = tested[tested["metric"] == "share_distance"]  # no resample says how sure a difference of these is
    assert len(shares)
    assert shares["p"].notna().all()
    assert shares.loc[shares["difference"] != 0, "p_closer"].isna().all()


def test_more_exchanges_than_anybody_waits_for_are_left_out_and_said(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = compare_runs(runs, load_plugins())
    monkeypatch.setattr("simbench.report.differences.MOST_EXCHANGES", 100)
    table, notes = (found := compare_runs(runs, load_plugins())).differences, found.notes
    assert any(note.startswith("not tested by exchanging answers, which would take") for note in notes)
    assert not table["exchanged"].any()
    assert table["p_step"].isna().all()
    np.testing.assert_array_equal(table["difference"], exact.differences["difference"])


def test_many_runs_are_drawn_as_contestants_and_all_are_in_the_data(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = compare_runs(runs, load_plugins())
    few = {chart.name: chart for chart in standings(runs, load_plugins(), standing)}
    monkeypatch.setattr("simbench.report.curves.MOST_DOTS", 2)
    many = {chart.name: chart for chart in standings(runs, load_plugins(), standing)}
    assert set(many) == set(few)
    chart = many["runs_js_distance_mean"]
    assert "the closest to human 2 of 4" in chart.note
    board = standing.leaderboard
    rows = board[(board["metric"] == "js_distance") & (board["item"] == "mean")]
    assert chart.data["run"].tolist() == rows["run"].tolist()
    assert [name in chart.alt for name in chart.data["run"]] == [True, True, False, False]
    assert few["runs_js_distance_mean"].data.set_index("run_id")["value"].to_dict() == pytest.approx(
        chart.data.set_index("run_id")["value"].to_dict()
    )


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Runs:
    """Three pilots of thirty for two backends, each run compared with those outside its own pilot."""
    out = tmp_path_factory.mktemp("seeds")
    with contextlib.chdir(home):
        for seed in range(3):
            for backend in ("resample", "majority"):
                sampler = {"name": "random", "n": 30}
                metrics = ["js_distance", "total_variation"]
                simbench.run("tiny", backend, sampler, metric=metrics, seed=seed, scoring=QUICK, out=str(out))
        return load_runs(str(out))


def test_runs_with_other_pilots_meet_the_people_outside_all_pilots(home: Path, seeds: Runs) -> None:
    with contextlib.chdir(home):
        standing = compare_runs(seeds, load_plugins(), apart=True)
    learned = set().union(*[set(run.pilot["participant_id"]) for run in seeds])
    common = set.intersection(*[set(run.people["participant_id"]) for run in seeds])
    assert standing.people == len(common - learned) == len(common) < min(len(run.people) for run in seeds)
    assert any(f"scored anew on the {standing.people} whom" in note for note in standing.notes)
    run = seeds[0]
    own = run.responses.set_index("participant_id")["act"].astype(float)
    human = run.people.set_index("participant_id")["act"].astype(float)
    kept = [who for who in run.responses["participant_id"] if who in common]
    with contextlib.chdir(home):
        board = compare_runs(seeds, load_plugins(), every=True, apart=True).leaderboard
    row = board[(board["metric"] == "total_variation") & (board["item"] == "act") & (board["run_id"] == run.run_id)]
    assert row["value"].iloc[0] == pytest.approx(abs(own[kept].mean() - human[kept].mean()))


def test_several_pilots_are_one_contestant_with_their_spread_in_its_interval(home: Path, seeds: Runs) -> None:
    """Means, and people's and pilots' parts of the interval recomputed from the runs kept apart."""
    with contextlib.chdir(home):
        together = compare_runs(seeds, load_plugins())
        apart = compare_runs(seeds, load_plugins(), apart=True)
    board = together.leaderboard
    assert set(board["runs"]) == {3}
    assert board["run"].str.endswith("(3 pilots)").all()
    figure = (board["metric"] == "js_distance_joint") & board["run"].str.startswith("resample")
    row = board[figure].iloc[0]
    singles = apart.leaderboard
    own = singles[(singles["metric"] == "js_distance_joint") & singles["run_id"].isin(row["run_id"].split())]
    assert len(own) == 3
    mean, reach = own["value"].mean(), stats.t.ppf(0.975, 2) * stats.sem(own["value"])
    assert row["value"] == pytest.approx(mean)
    assert row["ci_low"] == pytest.approx(max(0, mean - np.hypot(mean - own["ci_low"].mean(), reach)))
    assert row["ci_high"] == pytest.approx(min(1, mean + np.hypot(own["ci_high"].mean() - mean, reach)))
    pair = together.differences
    assert len(pair[["a", "b"]].drop_duplicates()) == 1
    loss = pair[pair["metric"] == "js_distance_joint"].iloc[0]
    values = singles[singles["metric"] == "js_distance_joint"]
    values = values.assign(backend=values["run"].str.split().str[0]).groupby("backend")["value"].mean()
    assert loss["difference"] == pytest.approx(values["resample"] - values["majority"], abs=1e-6) or loss[
        "difference"
    ] == pytest.approx(values["majority"] - values["resample"], abs=1e-6)
    assert loss["p_step"] < 0.05


def test_nobody_outside_all_pilots(home: Path, runs: Runs) -> None:
    """Whoever is compared with one run is in the pilot of another."""
    with contextlib.chdir(home):
        many = {"name": "random", "n": 140}
        for seed in (5, 6, 7):
            simbench.run("tiny", "majority", many, metric=["js_distance"], seed=seed, scoring=QUICK, out="crowded")
        with pytest.raises(ConfigError, match="in common whom all were compared with and none learned"):
            compare_runs(load_runs("crowded"), load_plugins())
        with pytest.raises(ConfigError, match="at least two runs that are done; found 1"):
            compare_runs(load_runs("crowded")[:1], load_plugins())


def test_a_run_without_answers_is_left_out_and_named(runs: Runs, tmp_path: Path) -> None:
    shutil.copytree(runs[0].folder.path, tmp_path / "silent")
    silent = RunFolder(tmp_path / "silent")
    silent.update(run_id="silent", outcomes={"all": {"ok": 0, "refused": 80}})
    told = compare_runs(Runs([runs[0].folder, runs[1].folder, silent]), load_plugins())
    assert any("none of its answers is ok" in note and "silent" in note for note in told.notes)
    assert set(told.leaderboard["runs"]) == {1}
    with pytest.raises(ConfigError, match="at least two runs with answers; found 1"):
        compare_runs(Runs([runs[0].folder, silent]), load_plugins())


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
