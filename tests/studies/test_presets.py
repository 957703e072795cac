"""The studies that come with simbench: no cell that cannot be, and the words that they turn into."""

from __future__ import annotations

from pathlib import Path

import pytest

from simbench.cli.launch import presets
from simbench.cli.studies import expand, find_study, study_files
from simbench.errors import ConfigError, SimbenchError
from simbench.harness.config import assemble
from simbench.harness.run import prepare
from simbench.plugin.manager import load_plugins

STUDIES = ("paper", "sample_size", "ablation", "cross_treatment", "cross_model", "cross_paradigm", "robustness")


def test_every_named_study_is_there() -> None:
    assert set(STUDIES) <= set(study_files(presets()))


@pytest.mark.parametrize("name", STUDIES)
def test_no_invalid_cell(name: str) -> None:
    """Every cell is assembled, its pilot drawn and its interviews written, on the default experiment."""
    study = find_study([f"+study={name}"], presets())
    assert study is not None
    registry = load_plugins()
    if name == "cross_paradigm" and ("experiment", "framing") not in registry.entries:
        pytest.skip("simbench-studies is not installed")
    seen = set()
    for cell, config in study.configs().items():
        ready = prepare(assemble({"backend": "uniform", **config}, registry))
        assert ready.run_id not in seen, f"cell {cell} is another one again"
        seen.add(ready.run_id)
        assert not set(ready.pilot.ids) & set(ready.asked.ids) or ready.plan.settings.evaluate == "all"


def test_the_papers_pilots_have_the_papers_sizes() -> None:
    study = find_study(["study=paper"], presets())
    assert study is not None
    registry = load_plugins()
    sizes = {
        cell: len(prepare(assemble({"backend": "uniform", **config}, registry)).pilot)
        for cell, config in study.configs().items()
    }
    assert sizes == {
        "unadapted": 0,
        **{
            f"{sampler}_{n}": size
            for sampler in ("random", "balanced")
            for n, size in ((1, 29), (4, 116), ("all", 232))
        },
    }


def test_reserved_people_are_the_same_in_every_cell() -> None:
    study = find_study(["study=sample_size"], presets())
    assert study is not None
    registry = load_plugins()
    digests = {
        prepare(assemble({"backend": "uniform", "seed": seed, **study.configs()[cell]}, registry)).asked.digest
        for seed in (0, 1)
        for cell in ("unadapted", "random_15", "balanced_100")
    }
    assert len(digests) == 1


def test_seen_and_unseen_groups_are_told_apart() -> None:
    study = find_study(["study=cross_treatment"], presets())
    assert study is not None
    ready = prepare(assemble({"backend": "uniform", **study.configs()["groups_2"]}, load_plugins()))
    level = ready.asked.level("treatment_group")
    assert set(ready.asked.condition[level == "seen"]) == set(ready.pilot.condition)
    assert not set(ready.asked.condition[level == "unseen"]) & set(ready.pilot.condition)
    assert "treatment" not in ready.interviews[0].persona.lower()


def test_parts_are_left_out_of_training_alone() -> None:
    study = find_study(["study=ablation"], presets())
    assert study is not None
    registry = load_plugins()
    made = {
        cell: prepare(assemble({"backend": "uniform", **config}, registry))
        for cell, config in study.configs().items()
    }
    roles = {
        cell: {item.role for item in each.transcripts[0].interview.items}
        for cell, each in made.items()
        if each.transcripts
    }
    assert roles["train_without_beliefs"] == {"decision"}
    assert roles["train_without_decisions"] == {"belief"}
    assert all({item.role for item in each.interviews[0].items} == {"belief", "decision"} for each in made.values())
    bare = "You are one of the participants of this study."
    assert made["train_without_demographics"].transcripts[0].interview.persona == bare
    assert made["train_without_demographics"].interviews[0].persona != bare
    assert made["prompt_without_demographics"].transcripts[0].interview.persona != bare
    assert made["prompt_without_demographics"].interviews[0].persona == bare


def test_words_win_over_the_study() -> None:
    study = find_study(["study=sample_size"], presets())
    assert study is not None
    words = expand(["+study=sample_size", "cell=random_15", "seed=7", "backend=uniform"], study)
    assert words == ["-m", "seed=7", "backend=uniform", "+cell=sample_size/random_15"]
    assert "seed=0,1,2" in expand(["+study=sample_size"], study)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["+study=papr"], "did you mean 'paper'"), (["study=a", "study=b"], "expected one name")],
)
def test_slips(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_study(words, presets())


def test_a_study_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    Path("studies/mine.yaml").write_text("cells: {a: {sampler: none}}\nsettings: {evaluate: all}\n")
    study = find_study(["study=mine"], presets())
    assert study is not None
    assert study.configs() == {"a": {"evaluate": "all", "sampler": "none"}}
    Path("studies/mine.yaml").write_text("cels: {}\n")
    with pytest.raises(SimbenchError, match="did you mean 'cells'"):
        find_study(["study=mine"], presets())
