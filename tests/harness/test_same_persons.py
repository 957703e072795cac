"""Every figure compares the same persons: who gave no answer is in it neither as a human nor simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import yaml
from scipy.spatial.distance import jensenshannon

import simbench
from simbench.harness.library import load_runs
from simbench.harness.run import Run
from simbench.plugin.manager import load_plugins
from simbench.report.page import write_report

STUDY = {
    "name": "gaps",
    "introduction": "A survey.",
    "data": "gaps.csv",
    "vignettes": "Arm {arm}.",
    "factors": {"arm": ["a", "b"]},
    "profile": {"old": {"levels": {0: "young", 1: "old"}}},
    "items": {
        "hope": {"role": "belief", "text": "Hope?", "options": {0: "none", 1: "some", 2: "much"}},
        "act": {"role": "decision", "text": "Act?", "options": {0: "no", 1: "yes"}},
    },
    "regressions": [{"formula": "act ~ old", "family": "ols"}],
    "coherence": "(hope == 2) == (act == 1)",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Old people say much and yes, young ones little and no; three in four of the young do not answer."""
    folder = tmp_path_factory.mktemp("gaps")
    rng, n = np.random.default_rng(1), 240
    old = np.tile([0, 1], n // 2)
    sure = rng.random(n) < 0.9
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "arm": np.repeat(["a", "b"], n // 2)})
    frame = frame.assign(old=old, hope=np.where(sure, 2 * old, 1), act=np.where(sure, old, 1 - old).astype(float))
    frame["act"] = frame["act"].where((old == 1) | (rng.random(n) < 0.25))
    frame.to_csv(folder / "gaps.csv", index=False)
    (folder / "gaps.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    return simbench.run(
        {"name": "yaml", "file": str(folder / "gaps.yaml")},
        "tabular",
        {"name": "random", "n": 80},
        out=str(folder / "runs"),
        scoring={"resamples": 20, "splits": 3, "floors": 2, "baseline_resamples": 5},
        replicates=2,
    )


def test_figures_are_of_the_people_who_answered(run: Run) -> None:
    people, scores = run.people, run.scores
    here = people[people["act"].notna()]
    assert 0 < len(here) < len(people)
    row = scores[(scores["metric"] == "js_distance") & (scores["item"] == "act") & scores["subgroup"].isna()].iloc[0]
    assert (row["n_human"], row["n_simulated"]) == (len(here), 2 * len(here))
    simulated = run.responses[run.responses["participant_id"].isin(here["participant_id"])]
    shares = [frame["act"].value_counts(normalize=True).reindex([0, 1], fill_value=0) for frame in (here, simulated)]
    assert row["value"] == pytest.approx(jensenshannon(*shares, base=2))
    everybody = run.responses["act"].value_counts(normalize=True).reindex([0, 1])
    assert abs(row["value"] - jensenshannon(shares[0], everybody, base=2)) > 0.05
    slope = scores[scores["metric"] == "coefficient"].iloc[0]
    assert slope["simulated"] == pytest.approx(
        smf.ols("act ~ old", simulated.astype({"act": float})).fit().params["old"]
    )


def test_every_count_of_both_sides_agrees(run: Run) -> None:
    scores = run.scores[~run.scores["metric"].isin(["n_effective", "rectified"])]
    whole = scores[(scores["n_human"] > 0) & (scores["n_human"] != scores["n_simulated"])]
    assert (whole["n_simulated"] == 2 * whole["n_human"]).all()
    assert run.manifest["metric_faults"] == []  # clustered regressions under swaps among them


def test_counts_are_said_and_so_is_who_of_the_pilot_is_learned_from(run: Run, tmp_path: Path) -> None:
    humans: dict[str, Any] = run.manifest["humans"]
    gone = int(run.people["act"].isna().sum())
    assert humans["unanswered"] == {"act": gone}
    used = humans["n_transcripts"]
    assert used == run.pilot["act"].notna().sum() < humans["n_pilot"]
    page = write_report(load_runs(run.folder.path), load_plugins(), tmp_path, figures=False).read_text("utf-8")
    assert f"who answered act {len(run.people) - gone}" in page
    assert f"{used} learned from; {80 - used} left questions unanswered" in page
