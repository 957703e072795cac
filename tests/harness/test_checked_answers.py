"""An answer is checked before it is kept: what breaks the contract is an outcome with its reason, and asked again."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simbench
from simbench.backends.base import Answer
from simbench.design import Item
from simbench.errors import PluginError
from simbench.harness.responses import checked
from simbench.interview import Interview

ITEMS = (Item("hope", "belief", "Hope?", [0, 1, 2]), Item("give", "decision", "Give?", ["no", "yes"]))
INTERVIEW = Interview("p1", "all", "shared", "persona", ITEMS)
GOOD = {"hope": 1, "give": "no"}


def judged(**changes: Any) -> Answer:
    return checked(
        Answer(**{"participant_id": "p1", "replicate": 0, "status": "ok", "answers": GOOD, **changes}), INTERVIEW
    )


@pytest.mark.parametrize(
    ("chances", "reason"),
    [
        ([0.5, 0.5], "2 probabilities of 'hope', which has 3 options"),
        ([0.2, 0.3, math.nan], "a probability of 'hope' is nan"),
        ([0.2, 0.3, math.inf], "a probability of 'hope' is inf"),
        ([-0.1, 0.6, 0.5], "a probability of 'hope' is -0.1"),
        ([0.2, 0.3, 0.4], "sum to 0.9, not to 1"),
        ([0.2, 0.3, 0.500002], "sum to 1.000002, not to 1"),
        ([], "0 probabilities"),
        (["a", "b", "c"], "could not convert"),
        (0.5, "not iterable"),
        (None, "not iterable"),
    ],
)
def test_probabilities_that_are_none(chances: Any, reason: str) -> None:
    found = judged(probabilities={"hope": chances})
    assert found.status == "failed"
    assert reason in str(found.error)
    assert not found.probabilities
    assert not found.answers


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"probabilities": {"other": [1.0]}}, "probabilities of 'other', which was not asked"),
        ({"valid_mass": {"hope": 1.1}}, "valid mass of 'hope' is 1.1"),
        ({"valid_mass": {"hope": math.nan}}, "valid mass of 'hope' is nan"),
        ({"cost": -1.0}, "cost is -1.0"),
        ({"cost": math.inf}, "cost is inf"),
        ({"usage": {"input": math.nan}}, "usage of input is nan"),
        ({"text": b"bytes"}, "not JSON serializable"),
        ({"attempts": [{"at": object()}]}, "not JSON serializable"),
    ],
)
def test_whatever_json_or_a_table_cannot_hold(changes: dict[str, Any], reason: str) -> None:
    found = judged(**changes)
    assert (found.status, reason in str(found.error)) == ("failed", True)


@pytest.mark.parametrize(
    "value", [True, 1.0, "1", 3, None, [1], np.int64(1), np.array([1, 2]), {"a": 1}], ids=lambda value: repr(value)
)
def test_answers_that_are_no_plain_option(value: Any) -> None:
    found = judged(answers={"hope": value, "give": "no"}, probabilities={"hope": [0.2, 0.3, 0.5]})
    assert found.status == "invalid"
    assert "no option of its item: hope=" in str(found.error)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda p: sum(p) > 1e-3))
def test_good_probabilities_stay_as_they_are(weights: list[float]) -> None:
    chances = np.array(weights) / sum(weights)
    for given_as in (chances, list(chances), tuple(chances.tolist())):
        found = judged(probabilities={"hope": given_as, "give": [0.25, 0.75]})
        assert found.status == "ok"
        assert found.probabilities["hope"] == chances.tolist()
        assert {type(p) for p in found.probabilities["hope"]} == {float}


PLUGIN = '''
from simbench import Answer, Backend, Model, hookimpl


class Faulty(Backend):
    """Answers, and says {chances} of every item."""

    name = "faulty"

    def adapt(self, pilot, workspace):
        {adapted}
        return Model("test", "faulty")

    def respond(self, model, interviews, workspace):
        {responded}
        for each in interviews:
            answers = {{item.name: item.values[0] for item in each.items}}
            chances = {{item.name: {chances} for item in each.items}}
            yield Answer(*each.key, "ok", answers, chances)


@hookimpl
def simbench_backends():
    return (Faulty,)
'''
GOOD_CHANCES = "[1.0] + [0.0] * (len(item.values) - 1)"
Carry = Callable[..., Any]


@pytest.fixture
def carry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Carry:
    monkeypatch.chdir(tmp_path)

    def run(chances: str = GOOD_CHANCES, adapted: str = "pass", responded: str = "pass") -> Any:
        text = PLUGIN.format(chances=chances, adapted=adapted, responded=responded)
        (tmp_path / "simbench_plugins.py").write_text(text)
        quick = {"resamples": 5, "splits": 2, "floors": 2, "baseline_resamples": 2}
        return simbench.run("information_disclosure", "faulty", "none", metric=["js_distance"], scoring=quick)

    return run


def test_a_corrected_plugin_is_not_haunted_by_its_past(carry: Carry) -> None:
    broken = carry("[0.5]")
    assert broken.manifest["outcomes"]["all"] == {"ok": 0, "failed": 929}
    assert "the backend broke its contract: 1 probabilities" in broken.responses["error"][0]
    assert carry().manifest["outcomes"]["all"] == {"ok": 929}


def test_answers_come_from_another_instance_than_the_adapted(carry: Carry) -> None:
    """What is kept on ``self`` would be lost after a kill; so it is lost always."""
    with pytest.raises(AttributeError, match="learned"):
        carry(adapted="self.learned = 1", responded="self.learned")


def test_a_plugin_that_ends_the_program_is_a_failed_run(carry: Carry, tmp_path: Path) -> None:
    with pytest.raises(
        PluginError,
        match=r"a plugin ended the program: SystemExit: 0 \(file .*simbench_plugins.py, line \d+, in respond\)",
    ):
        carry(responded="raise SystemExit(0)")
    (folder,) = (tmp_path / "runs").glob("information*")
    found = simbench.harness.run.Run.at(folder).manifest
    assert (found["status"], found["error"]["type"]) == ("failed", "SystemExit")
