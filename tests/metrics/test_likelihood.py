"""The likelihood of real people: what models foretell of answers that they did not learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from simbench.backends.base import Backend, Workspace
from simbench.backends.logits import PENALTIES
from simbench.backends.majority import Majority
from simbench.backends.resample import Resample
from simbench.backends.tabular import Tabular, TabularConfig
from simbench.backends.uniform import Uniform
from simbench.design import People
from simbench.harness.likelihood import likelihood_frame, tables_of
from simbench.harness.progress import Silent
from simbench.interview import Script, Style
from simbench.metrics.foretold import Foretold, shares_of
from simbench.metrics.likelihood import LogLikelihood
from simbench.settings import NoConfig

BITS = np.log(2)


def transcripts(study: Any, frame: pd.DataFrame) -> list[Any]:
    script = Script(study.design, "Hello.", lambda treatment: str(treatment), Style())
    return list(script.transcripts(People.of(study.design, frame)))


def foretold(study: Any, backend: Backend[Any], pilot: pd.DataFrame, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """What a backend that learned from the pilot says of these people."""
    lent, told = Workspace(Path(), 0, Silent()), transcripts(study, frame)
    model = backend.adapt(transcripts(study, pilot), lent)
    said = {each.key: each for each in backend.score(model, told, lent)}
    people = People.of(study.design, frame)
    found = likelihood_frame(people, told, said)
    assert set(found["status"]) == {"ok"}
    return tables_of(people, found)


def figures(study: Any, frame: pd.DataFrame, told: Foretold, resamples: int = 0) -> dict[Any, Any]:
    comparison = replace(study.compare(frame, frame, resamples), foretold=told)
    return study.scores(LogLikelihood, comparison)


def columns(study: Any, pilot: pd.DataFrame, frame: pd.DataFrame, *answers: np.ndarray) -> np.ndarray:
    """The design of the tabular baseline, written anew: profile, treatment, condition, answers before."""
    found = [frame["group"] == g for g in sorted(pilot["group"].unique())]
    found += [(frame["age"] - pilot["age"].mean()) / pilot["age"].std(ddof=0)]
    found += [frame["tone"] == t for t in (0, 1)] + [frame["who"] == w for w in "ab"]
    cells = [each["tone"].astype(str) + each["who"] for each in (pilot, frame)]
    found += [cells[1] == c for c in sorted(cells[0].unique())]
    return np.column_stack([*found, *answers]).astype(float)


def test_the_tabular_models_likelihood_is_scikit_learns_log_loss(study: Any) -> None:
    """Of the second item: given the real answer to the first, in a fit of its own with the strongest penalty."""
    pilot, frame = study.draw(1, 9), study.draw(2, 150)
    tables = foretold(study, Tabular(TabularConfig()), pilot, frame)
    harm = [((each["harm"] - pilot["harm"].mean()) / pilot["harm"].std(ddof=0)).to_numpy() for each in (pilot, frame)]
    fit = LogisticRegression(C=PENALTIES[0], tol=1e-9, max_iter=9000)
    fit.fit(columns(study, pilot, pilot, harm[0]), pilot["colour"])
    labels = ["red", "green", "blue"]
    expected = np.full((150, 3), 1 / 3 / 10)
    order = [labels.index(each) for each in fit.classes_]
    expected[:, order] += fit.predict_proba(columns(study, pilot, frame, harm[1])) * 9 / 10
    assert tables["colour"] == pytest.approx(expected, abs=1e-4)
    found = figures(study, frame, Foretold(tables))
    for item in study.design.items:
        codes = [item.values.index(each) for each in frame[item.name]]
        loss = log_loss(codes, tables[item.name], labels=range(len(item.values)))
        assert study.value(found, "log_likelihood", item.name) == pytest.approx(-loss / BITS)
    codes = [labels.index(each) for each in frame["colour"]]
    assert study.value(found, "log_likelihood", "colour") == pytest.approx(
        -log_loss(codes, expected, labels=range(3)) / BITS, abs=1e-4
    )


def test_the_product_over_items_is_the_probability_of_the_whole_row(study: Any) -> None:
    """Over all possible rows of one person it adds up to 1: a proper score of the joint distribution."""
    pilot, somebody = study.draw(1, 60), study.draw(2, 1)
    grid = pd.MultiIndex.from_product([item.values for item in study.design.items]).to_frame(index=False)
    everything = pd.concat([somebody] * len(grid), ignore_index=True)
    everything["participant_id"] = [str(i) for i in range(len(grid))]
    for position, item in enumerate(study.design.items):
        everything[item.name] = grid[position]
    for backend in (
        Tabular(TabularConfig()),
        Resample(NoConfig()),
        Majority(NoConfig()),
        Uniform(NoConfig()),
    ):
        tables = foretold(study, backend, pilot, everything)
        chances = np.ones(len(grid))
        for item in study.design.items:
            codes = item.codes(everything[item.name])
            chances *= tables[item.name][np.arange(len(grid)), codes]
        assert chances.sum() == pytest.approx(1)


def test_smoothing_of_the_baselines_is_the_stated_one(study: Any) -> None:
    pilot = study.draw(1, 3).assign(harm=[1, 1, 4], colour=["red", "blue", "red"], mood=[0, 0, 3], act=[0, 0, 1])
    frame = study.draw(2, 2).assign(harm=[1, 5], colour=["red", "red"], mood=[2, 3], act=[0, 1])
    assert foretold(study, Uniform(NoConfig()), pilot, frame)["harm"] == pytest.approx(np.full((2, 5), 0.2))
    majority = foretold(study, Majority(NoConfig()), pilot, frame)
    assert majority["harm"][0] == pytest.approx((3 * np.eye(5)[0] + 0.2) / 4)
    copies = foretold(study, Resample(NoConfig()), pilot, frame)
    shares = np.array([2, 0, 0, 1, 0]) + 0.5
    assert copies["harm"][0] == pytest.approx(([2, 0, 0, 1, 0] + shares / shares.sum()) / 4)
    colours = np.array([2, 0, 1]) + 0.5
    assert copies["colour"][0] == pytest.approx(([1, 0, 1] + colours / colours.sum()) / 3)  # two rows said 1 before
    assert copies["colour"][1] == pytest.approx(colours / colours.sum())  # nobody said 5 before
    people = [People.of(study.design, each) for each in (pilot, frame)]
    assert shares_of(*people)["colour"][0] == pytest.approx(colours / colours.sum())


def test_differences_are_paired_person_by_person(study: Any) -> None:
    """Their intervals are those of a mean of differences, much narrower than of a difference of means."""
    pilot, frame = study.draw(1, 200), study.draw(2, 300)
    tables = {
        "tabular": foretold(study, Tabular(TabularConfig()), pilot, frame),
        "shares": shares_of(*(People.of(study.design, each) for each in (pilot, frame))),
    }
    mine = {name: 0.9 * table + 0.1 / table.shape[1] for name, table in tables["tabular"].items()}
    found = figures(study, frame, Foretold(mine, tables), 400)
    bits = {}
    for who, each in (*tables.items(), ("mine", mine)):
        rows = [np.log2(each[item.name][np.arange(300), item.codes(frame[item.name])]) for item in study.design.items]
        bits[who] = np.mean(rows, axis=0)
    for rival in ("shares", "tabular"):
        score = found[(f"log_likelihood_over_{rival}", "mean", None, None)]
        difference = bits["mine"] - bits[rival]
        assert score.value[0] == pytest.approx(difference.mean())
        assert score.value[1:].std() == pytest.approx(stats.sem(difference), rel=0.15)
    assert found[("log_likelihood_over_tabular", "mean", None, None)].value[1:].std() < 0.2 * stats.sem(bits["mine"])


def test_the_right_distribution_scores_best(study: Any) -> None:
    """A tabular model that saw many people, a few, people of half the effects; shares; nobody."""
    frame = study.draw(5, 1500)
    many = foretold(study, Tabular(TabularConfig()), study.draw(1, 800), frame)
    few = foretold(study, Tabular(TabularConfig()), study.draw(2, 40), frame)
    weak = foretold(study, Tabular(TabularConfig()), study.draw(3, 800, effect=0.0), frame)
    shares = shares_of(*(People.of(study.design, each) for each in (study.draw(1, 800), frame)))
    value = {
        name: study.value(figures(study, frame, Foretold(each)), "log_likelihood", "mean")
        for name, each in (("many", many), ("few", few), ("weak", weak), ("shares", shares))
    }
    assert max(value, key=value.__getitem__) == "many"
    assert min(value["many"] - value[each] for each in ("few", "weak", "shares")) > 0.02


def test_what_cannot_be_said_has_its_reason(study: Any) -> None:
    frame = study.draw(2, 30)
    missing = figures(study, frame, Foretold(None, reason="no probabilities here"))
    assert {each.reason for each in missing.values()} == {"no probabilities here"}
    tables = foretold(study, Uniform(NoConfig()), frame, frame)
    tables["harm"][:, :] = np.eye(5)[0]
    found = figures(study, frame, Foretold(tables))
    impossible = int((frame["harm"] != 1).sum())
    assert found[("log_likelihood", "mean", None, None)].reason == f"{impossible} real answers have probability 0"
    assert study.value(found, "log_likelihood", "act") == pytest.approx(-1)
    assert "nothing to hold against" in found[("log_likelihood_over_shares", "mean", None, None)].reason
    tables["act"][:5] = np.nan  # five people of whom one item is not known are left out, with all items
    assert figures(study, frame, Foretold(tables))[("log_likelihood", "mood", None, None)].n_human == 25
