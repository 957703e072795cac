"""Learning from other studies first: who is learned from, who is not and why, and that nothing leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.cli import pretrain as verb
from simbench.design import Factor, Item, Profile
from simbench.errors import ConfigError, StorageError
from simbench.experiments.base import Experiment
from simbench.harness.config import assemble
from simbench.harness.inferring import carry_out, prepare_inference
from simbench.harness.pretraining import Pretraining, prepare_pretraining, pretrain
from simbench.harness.progress import Silent
from simbench.harness.run import run
from simbench.interview import Interview, Transcript
from simbench.plugin.manager import Entry, Registry, load_plugins
from simbench.settings import setting


@dataclass(frozen=True)
class NotesConfig:
    adapter: str = setting("", "a folder to start from")
    adapt: str = setting("finetune", "how")
    epochs: int = setting(1, "passes")


class Notes(Backend[NotesConfig]):
    """Writes down whom it learned from; starts from such a folder."""

    name = "notes"
    Config = NotesConfig
    fails: ClassVar[int] = 0

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        folder = workspace.folder / "learned"
        folder.mkdir(exist_ok=True)
        (folder / "begun").write_text((folder / "begun").read_text() + "+" if (folder / "begun").exists() else "")
        if Notes.fails:
            Notes.fails -= 1
            raise KeyboardInterrupt
        (folder / "ids.json").write_text(
            json.dumps([[each.interview.shared, each.interview.human] for each in pilot])
        )
        return Model("notes", "none", "learned", "0" * 64)

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        for each in interviews:
            yield Answer(*each.key, "ok", {item.name: item.values[0] for item in each.items})

    def learned_before(self) -> Sequence[Mapping[str, Any]]:
        path = Path(self.config.adapter) / "manifest.json"
        return json.loads(path.read_text())["studies"] if self.config.adapter else ()  # type: ignore[no-any-return]


class Small(Experiment):
    """Twelve rows of six people."""

    name = "small"
    factors = (Factor("arm", ("a", "b")),)
    profile = (Profile("age", "Age", ("young", "old")),)
    items = (Item("act", "decision", "Do you?", {0: "no", 1: "yes"}),)
    person = "who"
    rows: ClassVar[int] = 12

    @property
    def source(self) -> str:
        return f"the table of {self.name}"

    def load(self) -> pd.DataFrame:
        at = np.arange(self.rows)
        frame = pd.DataFrame(
            {"participant_id": [f"{self.name}{each}" for each in at], "arm": np.where(at % 2, "a", "b")}
        )
        return frame.assign(who=[f"h{each // 2}" for each in at], age=np.where(at % 3, "young", "old"), act=at % 2)

    def vignette(self, treatment: Any) -> str:
        return f"{self.name} {treatment['arm']}"


def study(name: str, **parts: Any) -> type[Small]:
    return type(name, (Small,), {"name": name, "__doc__": "A study.", **parts})


class Unread(Small):
    name = "unread"

    def load(self) -> pd.DataFrame:
        raise ConfigError("its table is not there")


def registry() -> Registry:
    classes: list[type[Experiment[Any]]] = [
        study("evaluated"),
        study("other"),
        study("few", rows=4),
        study("again", source="the table of evaluated"),
        study("made_up", synthetic=True),
        study("afar", lacking=lambda self: "afar from https://nowhere/"),
        Unread,
    ]
    known = dict(load_plugins().entries)
    known = {key: entry for key, entry in known.items() if key[0] != "experiment"}
    known |= {("experiment", each.name): Entry("experiment", each.name, each, "test", "0") for each in classes}
    return Registry({**known, ("backend", "notes"): Entry("backend", "notes", Notes, "test", "0")})


def prepared(out: Path, n: int = 6, **changes: Any) -> Pretraining:
    return prepare_pretraining(registry(), changes.pop("leave_out", ["evaluated"]), out, "notes", n=n, **changes)


def test_every_other_real_study_at_hand_is_learned_from_and_the_rest_is_named(tmp_path: Path) -> None:
    """Equally many of each; nobody twice while there is somebody new; the same people under another name stay out."""
    found = prepared(tmp_path / "out")
    assert {each.facts["name"]: (each.facts["rows"], each.facts["people"]) for each in found.lessons} == {
        "few": (4, 2),
        "other": (6, 6),
    }
    assert found.skipped == {
        "afar": "its data are not at hand: afar from https://nowhere/",
        "again": "its people are those of a study that is left out",
        "evaluated": "left out",
        "made_up": "its people are synthetic, or settings decide who they are",
        "unread": "its people cannot be had: its table is not there",
    }
    assert not (tmp_path / "out").exists()
    assert {t.interview.key for t in found.transcripts} == {
        t.interview.key for t in prepared(tmp_path / "out").transcripts
    }
    assert {t.interview.key for t in prepared(tmp_path / "out", seed=1).transcripts} != {
        t.interview.key for t in found.transcripts
    }


def test_a_stopped_one_goes_on_a_finished_one_is_left_alone_and_nothing_is_written_over(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    Notes.fails = 1
    with pytest.raises(KeyboardInterrupt):
        pretrain(prepared(out), Silent())
    assert prepared(out).folder.status == "running"
    adapter = pretrain(prepared(out), Silent())
    assert (adapter / "begun").read_text() == "+"
    assert pretrain(prepared(out), Silent()) == adapter
    assert (adapter / "begun").read_text() == "+"
    told = json.loads((adapter / "manifest.json").read_text())
    assert [each["name"] for each in told["studies"]] == ["few", "other"]
    assert (told["left_out"], told["seed"], told["n"], told["status"]) == (["evaluated"], 0, 6, "done")
    assert told["model"]["base"] == "none"
    assert told["skipped"]["again"].startswith("its people are those")
    with pytest.raises(StorageError, match=r"holds another pretraining \(other studies, n, transcripts\), and not"):
        prepared(out, n=2)
    with pytest.raises(StorageError, match=r"other .*seed"):
        prepared(out, seed=2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(StorageError, match="holds something else, and nothing is written over"):
        prepared(tmp_path / "mine")


def test_what_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'evaluate'.*did you mean 'evaluated'"):
        prepared(tmp_path / "out", leave_out=["evaluate"])
    with pytest.raises(ConfigError, match="n: expected 1 or more"):
        prepared(tmp_path / "out", n=0)
    with pytest.raises(ConfigError, match=r"expected backend\.adapt=finetune"):
        prepared(tmp_path / "out", settings={"adapt": "none"})
    with pytest.raises(ConfigError, match="0 is chosen inside the pilot of one study"):
        prepared(tmp_path / "out", settings={"epochs": "0"})
    with pytest.raises(ConfigError, match="'uniform' has no setting 'adapter'"):
        prepare_pretraining(registry(), ["evaluated"], tmp_path / "out", "uniform")
    with pytest.raises(ConfigError, match=r"no study to learn from \(afar: its data .*evaluated: left out"):
        prepared(tmp_path / "out", leave_out=["evaluated", "other", "few"])


def test_a_run_of_a_study_that_was_learned_from_is_refused(tmp_path: Path) -> None:
    """By its name and by its people; in a run and in an inference; and what starts from it has learned it, too."""
    adapter = pretrain(prepared(tmp_path / "out"), Silent())

    def plan(experiment: str, **changes: Any) -> Any:
        backend = {"name": "notes", "adapter": str(adapter), **changes.pop("backend", {})}
        sampler = changes.pop("sampler", {"name": "random", "n": 2})
        given = {"experiment": experiment, "backend": backend, "sampler": sampler, "out": str(tmp_path / "runs")}
        return assemble({**given, "metric": ["js_distance"], **changes}, registry())

    for name in ("evaluated", "again"):
        assert run(plan(name), Silent()).folder.status == "done"
    with pytest.raises(ConfigError, match=r"learned from 6 answers of people of 'other'.*--leave-out other"):
        run(plan("other"), Silent())
    with pytest.raises(ConfigError, match="learned from 6 answers of people of 'other'"):
        carry_out(prepare_inference(plan("other", sampler="none", evaluate="all"), folds=2), Silent())
    assert not list((tmp_path / "runs").glob("other*"))
    with pytest.raises(ConfigError, match="learned from 6 answers of people of 'other'"):
        prepared(tmp_path / "more", leave_out=["other"], settings={"adapter": str(adapter)})
    more = prepared(tmp_path / "more", settings={"adapter": str(adapter)})
    assert [each["name"] for each in more.facts["studies"]] == ["few", "other", "few", "other"]


def test_the_verb_says_first_who_is_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("simbench.plugin.manager.load_plugins", registry)
    monkeypatch.chdir(tmp_path)
    words = ["--leave-out", "evaluated", "n=3", "backend=notes", "backend.epochs=2", "--leave-out", "other"]
    assert verb.estimate(words) == 0
    said = capsys.readouterr().out
    assert "few: 3 transcripts of 2 people" in said
    assert "not learned from: other: left out" in said
    assert "to: adapters/without-evaluated-other" in said
    assert not (tmp_path / "adapters").exists()
    assert verb.main(words) == 0
    assert "backend.adapter=adapters/without-evaluated-other/learned" in capsys.readouterr().out
    assert verb.main(words) == 0
    assert "done before" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="expected --leave-out NAME"):
        verb.main(["n=3"])
    with pytest.raises(ConfigError, match="expected KEY=VALUE; found 'many'"):
        verb.main(["--leave-out", "evaluated", "many"])
