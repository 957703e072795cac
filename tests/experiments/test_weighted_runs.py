"""A declared study with weights and clusters, run on a sample of its people and scored anew from its folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

import simbench
from simbench.harness.rescoring import rescore
from simbench.plugin.manager import load_plugins

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_weights_stay_with_the_run(tmp_path: Path) -> None:
    """Kept beside the people and the answers, said in the manifest, and used again by a run's folder alone."""
    table = pd.read_csv(EXAMPLES / "immigration.csv")
    table.assign(w=1 + table.index % 3, village=table.index % 30).to_csv(tmp_path / "immigration.csv", index=False)
    text = (EXAMPLES / "immigration.yaml").read_text() + "weight: w\ncluster: village\n"
    (tmp_path / "study.yaml").write_text(text)
    run = simbench.run(
        experiment={"name": "yaml", "file": str(tmp_path / "study.yaml")},
        backend="majority",
        sampler={"name": "random", "n": 40},
        metric=["js_distance", "coefficient_recovery"],
        scoring={"resamples": 20, "splits": 2, "floors": 2, "swaps": 5, "baseline_resamples": 5},
        evaluate_n=70,
        out=str(tmp_path / "runs"),
    )
    assert len(run.people) == 70
    merged = run.responses.merge(run.people, on="participant_id", suffixes=("", "_human"))
    assert (merged["w"] == merged["w_human"]).all()
    assert "weighted (w): for a mean as good as" in run.manifest["resampled"]["words"]
    before = run.scores
    for item in ("immigr", "cong_mesg"):
        row = before[(before["metric"] == "js_distance") & (before["item"] == item) & before["subgroup"].isna()].iloc[
            0
        ]
        shares = run.people.groupby(item)["w"].sum() / run.people.loc[run.people[item].notna(), "w"].sum()
        given = merged[item].dropna().unique()
        assert len(given) == 1  # the majority's answer
        other = pd.Series({given[0]: 1.0}).reindex(shares.index, fill_value=0.0)
        assert row["value"] == pytest.approx(jensenshannon(shares, other, base=2))
    rescore(run, load_plugins())
    pd.testing.assert_frame_equal(run.scores, before)
