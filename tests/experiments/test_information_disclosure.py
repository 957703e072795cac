"""information_disclosure: the reference population against the published figures, and real data files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from simbench.design import People
from simbench.errors import ConfigError, DataError
from simbench.experiments.information_disclosure import InformationDisclosure, InformationDisclosureConfig
from simbench.experiments.reference_population import BELIEFS, Parameters, reference_population


@pytest.fixture(scope="module")
def experiment() -> InformationDisclosure:
    return InformationDisclosure(InformationDisclosureConfig())


@pytest.fixture(scope="module")
def people(experiment: InformationDisclosure) -> People:
    return experiment.people()


def with_file(path: Path) -> InformationDisclosure:
    return InformationDisclosure(InformationDisclosureConfig(str(path)))


def test_the_reference_population_is_near_the_published_figures(
    experiment: InformationDisclosure, people: People
) -> None:
    """arXiv 2511.21218: 929 people, about 116 per group, 340 distinct structures, gap 24.7 %."""
    assert experiment.synthetic
    assert len(people) == 929
    assert people.condition.value_counts().tolist() == [117] + [116] * 7
    assert set(people.condition) == set(people.design.conditions)
    assert len(people.frame[list(BELIEFS)].drop_duplicates()) == 340
    agrees = experiment.coherent(people.frame).dropna()
    assert 100 * (1 - agrees.mean()) == pytest.approx(24.7, abs=0.05)
    assert people.frame["ethnicity"].value_counts().min() >= 60


def test_the_reference_population_does_not_depend_on_luck_alone() -> None:
    """Over other seeds too, on average (standard errors of 20 draws: 2.6 structures and 0.4 points)."""
    drawn = [reference_population(Parameters(seed=seed)) for seed in range(20)]
    structures = [len(frame[list(BELIEFS)].drop_duplicates()) for frame in drawn]
    assert np.mean(structures) == pytest.approx(340, abs=10)
    gaps = []
    for frame in drawn:
        defined = frame[frame["caught_north"] != frame["caught_south"]]
        gaps.append(((defined["attack"] == 1) != (defined["caught_north"] < defined["caught_south"])).mean())
    assert np.mean(gaps) == pytest.approx(0.247, abs=0.015)
    pd.testing.assert_frame_equal(drawn[3], reference_population(Parameters(seed=3)))
    assert not drawn[3].equals(drawn[4])


def test_effects_are_there_to_be_found_and_not_everywhere(people: People) -> None:
    frame = people.frame.astype(dict.fromkeys((*BELIEFS, "age", "education", "risk", "attack"), float))
    for regression in people.design.regressions:
        options = {"disp": 0} if regression.family == "logit" else {}
        fit = getattr(smf, regression.family)(regression.formula, frame).fit(**options)
        significant = (fit.pvalues.drop("Intercept") < 0.05).sum()
        assert 5 <= significant <= len(fit.pvalues) - 6


def test_switching_effects_off_switches_them_off() -> None:
    """The parameters do what their names say: the named beach matters, or it does not."""
    on = replace(Parameters(), n=8000)
    off = replace(on, named=0.0, named_by_trust=0.0, bluff_south=0.0, bluff_north=0.0)
    assert _effect_of_naming(on) > 15
    assert abs(_effect_of_naming(off)) < 3


def _effect_of_naming(parameters: Parameters) -> float:
    """Mean belief in the measure at the North Beach when it is named, less when the other one is."""
    means = reference_population(parameters).groupby("statement")["measure_north"].mean()
    return float(means["north"] - means["south"])


def test_coherence_compares_the_risks(experiment: InformationDisclosure) -> None:
    rows = pd.DataFrame(
        {"caught_north": [20, 20, 70, 50, None], "caught_south": [60, 60, 30, 50, 10], "attack": [1, 0, 0, 1, 1]},
        dtype="Int64",
    )
    rows.loc[len(rows)] = [10, 80, pd.NA]
    assert experiment.coherent(rows).tolist() == [True, False, True, pd.NA, pd.NA, pd.NA]


def test_vignettes_say_what_the_cell_is(experiment: InformationDisclosure, people: People) -> None:
    shared = {each.condition: each.shared for each in experiment.script().interviews(people)}
    assert len(set(shared.values())) == 8
    assert '"The new security measure has been set up on the South Beach."' in shared["known/south"]
    assert "cares much more about the treasure on the North Beach" in shared["known/silent"]
    assert "You do not know whether" in shared["unknown/vague"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_real_people_with_percentages(tmp_path: Path, people: People, suffix: str) -> None:
    path = tmp_path / f"study.{suffix}"
    given = people.frame.assign(**{name: people.frame[name] + 4 for name in BELIEFS})
    given["participant_id"] = [f"{number:05d}" for number in range(len(given))]
    if suffix == "csv":
        given.to_csv(path, index=False)
    else:
        given.to_parquet(path)
    real = with_file(path)
    assert not real.synthetic
    assert real.source == str(path)
    loaded = real.people().frame
    pd.testing.assert_frame_equal(
        loaded.drop(columns="participant_id"), people.frame.drop(columns="participant_id"), check_dtype=False
    )
    assert loaded["participant_id"][7] == "00007"


def test_every_fault_of_a_file_is_named(tmp_path: Path, people: People) -> None:
    bad = people.frame.head(40).astype(object)
    bad.loc[3, "caught_north"] = 101
    bad.loc[4, "caught_north"] = "a lot"
    bad.loc[5, "attack"] = 2
    bad.loc[6, "participant_id"] = bad.loc[2, "participant_id"]
    bad.loc[7, "statement"] = "west"
    bad.loc[8, "age"] = "old"
    bad.loc[9, "valuation"] = None
    path = tmp_path / "bad.csv"
    bad.to_csv(path, index=False)
    with pytest.raises(DataError) as caught:
        with_file(path).people()
    found = {(each.column, each.row, each.found.strip("'")) for each in caught.value.problems}
    assert found == {
        ("caught_north", "4", "101"),
        ("caught_north", "5", "a lot"),
        ("attack", "6", "2"),
        ("participant_id", "7", str(bad.loc[2, "participant_id"])),
        ("statement", "8", "west"),
        ("age", "9", "old"),
        ("valuation", "10", "nothing"),
    }
    assert str(path) in str(caught.value)


def test_files_without_columns_rows_or_existence(tmp_path: Path, people: People) -> None:
    path = tmp_path / "short.csv"
    people.frame.drop(columns=["ethnicity", "caught_south"]).to_csv(path, index=False)
    with pytest.raises(DataError) as caught:
        with_file(path).people()
    assert [problem.column for problem in caught.value.problems] == ["ethnicity", "caught_south"]
    people.frame.head(0).to_csv(path, index=False)
    with pytest.raises(DataError, match="at least one row"):
        with_file(path).people()
    with pytest.raises(ConfigError, match=r"experiment\.data"):
        with_file(tmp_path / "none.csv").people()
