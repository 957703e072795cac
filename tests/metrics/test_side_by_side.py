"""Comparisons scored at the same time give what they give one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.harness import figures
from simbench.harness.figures import SideBySide
from simbench.harness.scoring import Scored, scored
from simbench.metrics.base import Comparison, Metric, Score
from simbench.settings import NoConfig


class Crowded(Metric[NoConfig]):
    """Notices whether it is asked by two threads at once; fails when asked for anything but the simulation."""

    name = "crowded"
    better = {"crowded": "lower"}
    inside = 0
    most = 0
    alone = threading.Lock()

    def score(self, comparison: Comparison) -> Iterator[Score]:
        with self.alone:
            Crowded.inside += 1
            Crowded.most = max(Crowded.most, Crowded.inside)
        time.sleep(0.01)
        yield Score("crowded", np.ones(comparison.resamples))
        with self.alone:
            Crowded.inside -= 1
        if comparison.generator is None:
            raise ValueError("no reference can be had")


def told(study: Any, made: Any) -> Scored:
    human, simulated = study.draw(1, 150), study.draw(2, 150, 0.3)
    people = study.side(human, 0, 0).people
    answers = study.side(simulated, 0, 0).people.frame[[item.name for item in study.design.items]]
    return scored(made, people, people.frame.assign(**answers, status="ok", replicate=0))


def test_figures_do_not_depend_on_how_many_are_scored_at_once(
    study: Any, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(study, resamples=30, splits=4, floors=2)
    found = []
    for hands in (1, 3):
        monkeypatch.setattr(figures, "HANDS", hands)
        found.append(told(study, made))
    for each in found[1:]:
        pd.testing.assert_frame_equal(each.scores, found[0].scores, check_exact=True)
        assert each.faults == found[0].faults
        values = [np.stack(list(one.resamples["value"])) for one in (each, found[0])]
        assert np.array_equal(*values, equal_nan=True)


def test_metrics_of_plugins_are_asked_one_at_a_time(study: Any, plan: Any) -> None:
    made = plan(study, ["js_distance"], resamples=30, splits=4, floors=2)
    object.__setattr__(made, "metrics", (*made.metrics, Crowded(NoConfig())))
    found = told(study, made)
    assert Crowded.most == 1
    assert [fault for fault in found.faults if "no reference" in fault]
    row = found.scores[found.scores["metric"] == "crowded"].iloc[0]
    assert row["value"] == 1


def test_the_first_error_ends_all_works() -> None:
    def wrong(_: Any) -> None:
        raise KeyError("an own bug")

    with pytest.raises(KeyError, match="an own bug"), SideBySide([]) as hands:
        hands.start("floor", wrong).result()
