"""An adapter of several studies is trained with the tiny model, goes on after a kill, and is where a run starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from simbench.design import Factor, Item, Profile
from simbench.errors import ConfigError, ModelError
from simbench.experiments.base import Experiment
from simbench.harness.config import assemble
from simbench.harness.pretraining import cost_of, prepare_pretraining, pretrain
from simbench.harness.progress import Silent
from simbench.harness.run import run
from simbench.plugin.manager import Entry, Registry, load_plugins
from simbench_local import training
from simbench_local.adapters import adapter_digest, adapter_files

FAST = {"device": "cpu", "dtype": "fp32", "rank": "2", "epochs": "2"}


class Small(Experiment):
    """A question that two studies have under one name, with other options."""

    name = "small"
    factors = (Factor("arm", ("a", "b")),)
    profile = (Profile("age", "Age", ("young", "old")),)
    items = (Item("act", "decision", "Do you?", {0: "no", 1: "yes"}),)
    options: ClassVar[int] = 2

    def load(self) -> pd.DataFrame:
        at = np.arange(16)
        frame = pd.DataFrame({"participant_id": [f"p{each}" for each in at], "arm": np.where(at % 2, "a", "b")})
        return frame.assign(age=np.where(at % 3, "young", "old"), act=at % len(self.items[0].options))


def registry() -> Registry:
    wide = (Item("act", "attitude", "How much?", {0: "none", 1: "some", 2: "all"}),)
    classes: list[type[Experiment[Any]]] = [
        type(name, (Small,), {"name": name, "__doc__": "A study.", "items": items})
        for name, items in (("evaluated", Small.items), ("first", Small.items), ("second", wide))
    ]
    known = {key: entry for key, entry in load_plugins().entries.items() if key[0] != "experiment"}
    known |= {("experiment", each.name): Entry("experiment", each.name, each, "test", "0") for each in classes}
    return Registry(known)


@pytest.fixture
def prepared(tiny: Path) -> Callable[..., Any]:
    def make(out: Path, **settings: str) -> Any:
        given = {"model": str(tiny), **FAST, **settings}
        return prepare_pretraining(registry(), ["evaluated"], out, settings=given, n=5)

    return make


def test_an_adapter_of_other_studies_is_made_once_and_a_run_starts_from_it(
    tiny: Path, prepared: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = prepared(tmp_path / "whole")
    assert cost_of(found).adaptation_tokens[0] > 100
    assert any("memory about" in note for note in cost_of(found).notes)
    adapter = pretrain(found, Silent())
    close = training._Run.close_epoch

    def killed(self: Any) -> None:
        close(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(training._Run, "close_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(prepared(tmp_path / "parts"), Silent())
    monkeypatch.setattr(training._Run, "close_epoch", close)
    parts = pretrain(prepared(tmp_path / "parts"), Silent())
    assert adapter_digest(adapter_files(parts)) == adapter_digest(adapter_files(adapter))
    assert json.loads((adapter / "training_log.json").read_text())["learned_from"] == 10

    def outcome(experiment: str, start: Path, **settings: Any) -> Any:
        backend = {"name": "local", "model": str(tiny), **FAST, "adapter": str(start), **settings}
        given = {"experiment": experiment, "backend": backend, "sampler": {"name": "random", "n": 6}}
        return run(
            assemble({**given, "metric": ["js_distance"], "out": str(tmp_path / "runs")}, registry()), Silent()
        )

    done = outcome("evaluated", adapter)
    model = done.manifest["model"]
    assert done.manifest["status"] == "done"
    assert model["parameters"]["recipe"]["start"] == adapter_digest(adapter_files(adapter))
    own = done.folder.path / "backend" / "adapter"
    assert adapter_digest(adapter_files(own)) == model["sha256"] != model["parameters"]["recipe"]["start"]
    for start in (adapter, own):  # what starts from it has learned from them, too
        with pytest.raises(ConfigError, match="learned from 5 answers of people of 'second'"):
            outcome("second", start, adapt="none")
    (adapter / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="says what the adapter was learned from, is damaged"):
        outcome("evaluated", adapter, adapt="none")


def test_a_study_that_does_not_fit_the_model_is_refused_before_anything_is_learned(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    settings = {"model": str(make_model(max_position_embeddings=40)), **FAST}
    found = prepare_pretraining(registry(), ["evaluated"], tmp_path / "out", settings=settings, n=5)
    with pytest.raises(ModelError, match=r"takes \d+ tokens, and .* reads at most 40"):
        pretrain(found, Silent())
