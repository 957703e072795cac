"""Humans against other humans raise no alarm; uniform answers look bad wherever one looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from simbench.harness.inference import estimates
from simbench.harness.scoring import score
from simbench.metrics.alignment import JSDistance
from simbench.metrics.base import loss
from simbench.metrics.coherence import BeliefDecision, ValueActionGap
from simbench.metrics.dispersion import IdentityFlattening, JointStructure
from simbench.metrics.diversity import Diversity
from simbench.metrics.recovery import CoefficientRecovery
from simbench.plugin.manager import load_plugins

METRICS = (
    JSDistance,
    ValueActionGap,
    BeliefDecision,
    Diversity,
    JointStructure,
    IdentityFlattening,
    CoefficientRecovery,
)
RATES = ("f1_sign", "fpr", "fnr", "type_s", "type_m", "interval_coverage", "compatible_share", "flipped")
SPLITS = 40


@pytest.fixture
def alarms(study: Any) -> pd.DataFrame:
    """Whether each figure of half against half was called different from human, split by split."""
    people = study.draw(7, 320)
    rows = []
    for split in range(SPLITS):
        order = np.random.default_rng(split).permutation(320)
        halves = people.iloc[order[:160]], people.iloc[order[160:]]
        comparison = study.compare(*halves, resamples=120)
        better = {name: way for metric in METRICS for name, way in metric.better.items()}
        scores = [each for metric in METRICS for each in metric(metric.Config()).score(comparison)]
        frame = estimates([each for each in scores if each.metric not in RATES], better, 0.95, 120)
        joint = frame["metric"] == "joint_test"
        rows.append(frame.assign(alarm=np.where(joint, frame["value"] < 0.05, frame["p"] < 0.05), split=split))
    found = pd.concat(rows, ignore_index=True)
    return found[found["p"].notna() | (found["metric"] == "joint_test")]


def test_half_against_half_gives_no_alarm(alarms: pd.DataFrame) -> None:
    """In 95 % of the cases or more, over all figures and for every metric by itself."""
    assert alarms["alarm"].mean() < 0.06
    for name, rows in alarms.groupby("metric"):
        once = rows.groupby("split")["alarm"].mean()
        assert once.mean() < 0.05 + 3 * once.std() / np.sqrt(SPLITS) + 0.01, name
    after = alarms.dropna(subset="p_holm")
    families = (after["p_holm"] < 0.05).groupby([after["metric"], after["item"], after["split"]], dropna=False).any()
    assert families.mean() < 0.06


def test_uniform_answers_are_far_from_people_on_everything(study: Any, plan: Any) -> None:
    rng = np.random.default_rng(0)
    made = plan(study, resamples=100, splits=20, floors=10)
    people = study.side(study.draw(8, 700, effect=2.0), 0, 0).people
    drawn = {item.name: rng.integers(len(item.values), size=700) for item in study.design.items}
    answers = people.answering(drawn).frame.assign(status="ok", replicate=0)
    frame, _ = score(made, people, answers, study.side(study.draw(9, 200, effect=2.0), 0, 0).people)
    better = {name: way for entry in load_plugins().of("metric") for name, way in entry.cls.better.items()}
    whole = frame[frame["subgroup"].isna() & frame["item"].isin([np.nan, None, "mean"])].set_index("metric")
    for name in (
        *("js_distance", "js_distance_joint", "total_variation", "simbench_score", "wasserstein", "kl_divergence"),
        *("unique_structures", "correlation_distance", "cronbach_alpha", "value_action_gap", "value_action_f1"),
        *("f1_sign", "fnr", "interval_coverage", "treatment_effect_correlation", "entropy_ratio"),
    ):
        row = whole.loc[name]
        far, near = (float(loss(np.array([row[at]]), better[name])[0]) for at in ("value", "ceiling"))
        assert far > near, name
    first = frame[frame["subgroup"].isna() & (frame["item"] == "harm")].set_index("metric")
    for name, rows in (("accuracy_lift", whole), ("log_score", first), ("brier_score", first)):
        knowing, guessing = (loss(np.array([rows.loc[name, at]]), better[name])[0] for at in ("tabular", "floor"))
        assert knowing < guessing, name
    effective = frame[(frame["metric"] == "n_effective") & (frame["item"] == "harm")].iloc[0]
    assert effective["value"] < 1.05 * effective["human"]
    verdict = frame[frame["metric"] == "verdict"].set_index("item")
    assert (verdict["value"] != 1.0).all()
    assert verdict.loc["pretesting", "value"] == 0.0
    assert verdict.loc["effects", "value"] == 0.0
