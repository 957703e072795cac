"""What reaches the screen: how long a run will take, and nothing that libraries say of themselves."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simbench.backends.base import Model, Workspace
from simbench.interview import Transcript
from simbench_local import Local, LocalConfig, estimate, loading, training
from simbench_local.encode import Encoder
from simbench_local.estimate import Work, pass_time
from simbench_local.loading import Loaded, load, place
from simbench_local.store import resolve

Study = Callable[..., list[Transcript]]


def backend(folder: Path, **settings: Any) -> Local:
    return Local(LocalConfig(**{"model": str(folder), "device": "cpu", "dtype": "fp32", "rank": 2, **settings}))


def run(local: Local, people: list[Transcript], workspace: Workspace, model: Model | None = None) -> Model:
    asked = [t.interview for t in people[6:]]
    local.check(people[:6], asked)
    model = model or local.adapt(people[:6], workspace)
    assert len(list(local.respond(model, asked, workspace))) == len(asked)
    return model


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which one token takes a fifth of a second."""
    monkeypatch.setattr(estimate, "pass_time", lambda *_: 0.2)


def test_a_long_run_says_first_what_is_ahead_and_what_would_shorten_it(
    tiny: Path, study: Study, tmp_path: Path, slow: None, told: Any
) -> None:
    model = run(backend(tiny, epochs=3), study(20), Workspace(tmp_path, 0, told))
    ahead, sooner = told.lines[told.lines.index("training") - 2 :][:2]
    words = r"about \d+ to \d+ minutes ahead on this machine \(cpu, fp32\): learning from 6 transcripts, 3 passes, \d"
    assert re.match(words + r".*; answering 14 interviews, \d+ to \d+ (minutes|seconds)", ahead)
    assert sooner.startswith("sooner with: backend.epochs=1 (now 3), a smaller pilot, such as sampler.n=3, ")
    assert sooner.endswith("backend=tabular")
    assert sum("ahead" in line for line in told.lines) == 1

    told.lines.clear()
    run(backend(tiny, epochs=3), study(20), Workspace(tmp_path, 0, told), model)  # as after a kill
    ahead, sooner = told.lines[told.lines.index("answering") - 2 :][:2]
    assert re.match(r"about .* ahead on this machine \(cpu, fp32\): answering 14 interviews, \d", ahead)
    assert sooner.startswith("sooner with: asking fewer people, such as evaluate=reserved")


def test_looking_up_real_answers_is_announced_too_with_what_spares_it(
    tiny: Path, study: Study, tmp_path: Path, slow: None, told: Any
) -> None:
    local, people, workspace = backend(tiny, adapt="none"), study(20), Workspace(tmp_path, 0, told)
    model = run(local, people, workspace)
    assert any("likelihood=false (else people's real answers are looked up afterwards" in each for each in told.lines)
    told.lines.clear()
    list(local.score(model, people[6:], workspace))
    ahead, sooner = told.lines[1:3]
    assert re.match(
        r"about .* ahead on this machine \(cpu, fp32\): looking up the real answers of 14 people, \d", ahead
    )
    assert sooner == "sooner without it: likelihood=false"
    told.lines.clear()
    run(backend(tiny, adapt="none", decoding="generate"), people, workspace, model)
    assert not any("likelihood" in each for each in told.lines)


@pytest.mark.parametrize("adapt", ["calibrate", "few_shot", "none"])
def test_every_way_of_adapting_is_announced_once(
    tiny: Path, study: Study, tmp_path: Path, slow: None, adapt: str, told: Any
) -> None:
    run(backend(tiny, adapt=adapt), study(20), Workspace(tmp_path, 0, told))
    assert sum("ahead on this machine" in line for line in told.lines) == 1


def test_a_short_run_says_nothing_of_its_length(tiny: Path, study: Study, tmp_path: Path, told: Any) -> None:
    run(backend(tiny, epochs=1), study(8), Workspace(tmp_path, 0, told))
    assert [line for line in told.lines if "ahead" in line or "sooner" in line] == []
    assert told.lines[0].startswith("loading ")


def test_a_run_that_goes_on_counts_what_is_left(
    tiny: Path, study: Study, tmp_path: Path, slow: None, monkeypatch: pytest.MonkeyPatch, told: Any
) -> None:
    close = training._Run.close_epoch

    def killed(self: Any) -> None:
        close(self)
        if self.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Run, "close_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(backend(tiny, epochs=5), study(8), Workspace(tmp_path, 0, told))
    monkeypatch.setattr(training._Run, "close_epoch", close)
    told.lines.clear()
    run(backend(tiny, epochs=5), study(8), Workspace(tmp_path, 0, told))
    assert "training goes on after epoch 2 of 5" in told.lines
    assert any("6 transcripts, 3 passes" in line for line in told.lines)
    assert told.totals["training"] == 3 * 6


def test_work_counts_examples_and_what_cannot_be_shared(tiny: Path, study: Study, loaded: Loaded) -> None:
    encoder, people = Encoder(loaded.tokenizer), study(20)
    asked = [t.interview for t in people[6:]]

    def tokens(settings: dict[str, Any], before: Any = lambda _: (), shared: bool = True) -> int:
        return Work.of(encoder, LocalConfig(**settings), people[:6], asked, before, shared=shared).asked

    plain = tokens({"adapt": "none"})
    example = [{"role": "user", "content": "a question " * 50}, {"role": "assistant", "content": "answer"}]
    assert plain < tokens({"adapt": "few_shot"}, lambda _: example)
    assert 2 * plain < tokens({"adapt": "none", "decoding": "generate"})
    assert 10 * plain < tokens({"adapt": "none"}, shared=False)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("learning", [True, False])
def test_a_pass_is_timed_on_every_kind_of_loaded_model(tiny: Path, dtype: str, learning: bool) -> None:
    loaded = load(resolve(str(tiny)), place("cpu", dtype), learning=learning)
    if learning:
        loaded.model = training.with_lora(loaded, training.recipe_for(8, LocalConfig(rank=2)), 0)
    assert pass_time(loaded, 64) > 0


@pytest.mark.parametrize("where", ["load_tokenizer", "describe"])
def test_what_libraries_say_of_themselves_stays_off_the_screen(
    tiny: Path, study: Study, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: Any, where: str
) -> None:
    import transformers

    known = getattr(loading, where)

    def noisy(*given: Any) -> Any:
        warnings.warn("of torch, that a user cannot mend", UserWarning, stacklevel=1)
        for name in ("transformers.generation.utils", "torch.distributed", "peft.tuners", "huggingface_hub.file"):
            logging.getLogger(name).warning("of %s", name)
        return known(*given)

    monkeypatch.setattr(loading, where, noisy)
    level = transformers.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        local = backend(tiny, epochs=1)
        asked = [t.interview for t in study(4)]
        model = local.adapt(study(4), workspace)
        answers = local.respond(json_model(model), asked, workspace)
        next(answers)
        assert transformers.logging.get_verbosity() == level  # between answers everything is as the caller has it
        with pytest.warns(UserWarning, match="of the caller"):
            warnings.warn("of the caller", UserWarning, stacklevel=1)
        list(answers)
    assert capfd.readouterr().err == ""


def json_model(model: Model) -> Model:
    return Model.from_json(json.loads(json.dumps(model.to_json())))
