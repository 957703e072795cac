"""``evaluate_n``: a random sample of the people compared, so that a model need not simulate all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simbench
from simbench.design import Design, Factor, Item, People
from simbench.errors import ConfigError
from simbench.harness.sampled import sampled
from simbench.plugin.manager import load_plugins
from simbench.report.outcomes import left_out

DESIGN = Design(
    "rounds", (Factor("arm", ("a", "b", "c")),), (), (Item("act", "decision", "?", (0, 1)),), person="who"
)


def rounds(seed: int, humans: int) -> People:
    """Humans with one to four rows each, in one or several arms, in mixed order."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(humans), rng.integers(1, 5, humans))
    rng.shuffle(who)
    frame = pd.DataFrame({"participant_id": np.arange(who.size).astype(str), "who": [f"h{each}" for each in who]})
    return People.of(DESIGN, frame.assign(arm=rng.choice(list("aabc"), who.size), act=rng.integers(0, 2, who.size)))


@settings(max_examples=40)
@given(st.integers(1, 40), st.data())
def test_humans_are_drawn_whole_and_in_order(humans: int, data: Any) -> None:
    """Exactly as many as asked for, each with all its rows, the same ones again."""
    n, people = data.draw(st.integers(1, humans)), rounds(data.draw(st.integers(0, 3)), humans)
    chosen = sampled(people, n, people)
    assert chosen.person.nunique() == n
    kept = people.frame[people.person.isin(set(chosen.person))].reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen.frame, kept)
    assert chosen.digest == sampled(people, n, people).digest
    assert sampled(people, humans, people).digest == people.digest == sampled(people, None, people).digest


def test_arms_keep_their_shares() -> None:
    """300, 150 and 50 people: of 20 drawn 12, 6 and 2; every human is drawn as often as any other."""
    frame = pd.DataFrame({"participant_id": np.arange(500).astype(str)})
    frame = frame.assign(who=frame["participant_id"], arm=np.repeat(list("abc"), [300, 150, 50]), act=0)
    times = np.zeros(500)
    for study in range(200):
        people = People.of(DESIGN, frame.assign(act=(frame.index == study).astype(int)))
        chosen = sampled(people, 20, people)
        assert chosen.condition.value_counts().to_dict() == {"a": 12, "b": 6, "c": 2}
        times[chosen.ids.astype(int)] += 1
    assert times.sum() == 4000
    assert np.abs([times[:300].mean(), times[300:450].mean(), times[450:].mean()] - np.array(8.0)).max() < 1e-9
    assert times.max() < 25


def test_runs_with_different_pilots_meet_the_same_people() -> None:
    """Whoever is in one pilot is replaced by the next in line; all others stay."""
    people = rounds(2, 60)
    humans = people.person.unique()
    samples = [
        set(sampled(people.where(~people.person.isin(pilot)), 20, people).person)
        for pilot in (humans[:0], humans[:10], humans[50:])
    ]
    for pilot, sample in zip((humans[:10], humans[50:]), samples[1:], strict=True):
        stayed = samples[0] - set(pilot)
        assert len(stayed - sample) <= 3  # shares of treatment groups are rounded anew
        assert not sample & set(pilot)


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="evaluate_n: expected at most 7, the people to be compared; found 8"):
        sampled(rounds(1, 7), 8, rounds(1, 7))


def test_a_run_of_a_sample_says_so_and_is_another_run(tmp_path: Path) -> None:
    """Asked, scored, kept and told of the drawn people only; the identity of runs without it stays what it was."""
    common: dict[str, Any] = {
        "experiment": "information_disclosure",
        "backend": "uniform",
        "sampler": {"name": "random", "n": 40},
        "metric": ["js_distance"],
        "scoring": {"resamples": 10, "splits": 2, "floors": 1, "swaps": 0},
        "out": str(tmp_path),
    }
    run = simbench.run(**common, evaluate_n=80)
    assert len(run.people) == len(run.responses) == run.manifest["humans"]["n_evaluated"] == 80
    assert not set(run.people["participant_id"]) & set(run.pilot["participant_id"])
    sizes = run.people.groupby(["valuation", "statement"]).size()
    assert sizes.max() - sizes.min() <= 2
    words = "a random sample of 80 of 889 people is simulated and compared (80 rows; evaluate_n=80, by treatment"
    assert left_out(run.manifest)[0].startswith(words)
    assert simbench.run(**common, evaluate_n=81).run_id != run.run_id
    with pytest.raises(ConfigError, match="at most 889"):
        simbench.run(**common, evaluate_n=890)
    with pytest.raises(ConfigError, match="evaluate_n: expected 1 or more; found 0"):
        simbench.run(**common, evaluate_n=0)
    from simbench.harness.config import assemble

    assert "evaluate_n" not in assemble(common, load_plugins()).deciding()
