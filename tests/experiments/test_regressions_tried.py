"""Regressions are tried on the people before anybody is asked; text answers keep their declared order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from statsmodels.miscmodels.ordinal_model import OrderedModel

import simbench
from simbench.cli import main
from simbench.errors import ConfigError
from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment
from simbench.metrics.trial import refuse_unfit, weak_regressions

FAST = {"resamples": 20, "splits": 5, "floors": 5, "baseline_resamples": 5}


def table(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    arm = np.arange(n) % 2
    mood = np.clip(rng.integers(0, 3, n) + (rng.random(n) < 0.3) * arm, 0, 2)
    return pd.DataFrame(
        {
            "participant_id": [f"p{number}" for number in range(n)],
            "arm": np.array(["none", "letter"])[arm],
            "age": rng.integers(18, 80, n),
            "mood": np.array(["low", "middle", "high"])[mood],
            "work": np.where(rng.random(n) < 0.4 + 0.2 * arm, "yes", "no"),
            "party": rng.choice(["Left", "Centre", "Right"], n),
            "number": rng.integers(-2, 9, n),
        }
    )


def declared(folder: Path, *regressions: Any) -> DeclaredExperiment:
    table().to_csv(folder / "people.csv", index=False)
    content = {
        "name": "letters",
        "introduction": "A survey.",
        "vignettes": "You get: {arm}.",
        "factors": {"arm": {"none": "nothing", "letter": "a letter"}},
        "profile": {"age": {"bins": [30, 50]}},
        "items": {
            "mood": {"role": "belief", "text": "Your mood?", "options": ["low", "middle", "high"]},
            "work": {"role": "decision", "text": "Do you work?", "options": ["no", "yes"]},
            "party": {
                "role": "attitude", "text": "Party?", "options": ["Left", "Centre", "Right"], "ordered": False,
            },
            "number": {"role": "attitude", "text": "A number?", "options": list(range(-2, 9))},
        },
        "data": "people.csv",
        "regressions": list(regressions),
    }  # fmt: skip
    path = folder / "letters.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return DeclaredExperiment(DeclaredConfig(str(path)))


@pytest.mark.parametrize(
    ("formula", "family", "expected"),
    [
        ("work ~ arm", "logit", r"logit wants only 0 and 1; found 'no', 'yes'; write \(work == 'yes'\)"),
        ("work ~ arm", "ols", r"ols wants .*write \(work == 'yes'\)"),
        ("party ~ arm", "logit", r"found 'Left', 'Centre', 'Right'; write \(party == 'Right'\)"),
        ("number ~ arm", "logit", r"found -2, -1, 0, 1, 2, \.\.\.; write \(number > 3\)"),
        ("number ~ arm", "poisson", r"poisson wants numbers of 0 or more"),
        ("party ~ arm", "ordered_logit", r"ordered_logit wants ordered answers, and those of 'party' are not"),
        ("C(work) ~ arm", "logit", r"must be one number per row"),
        ("(work == 'yess') ~ arm", "logit", r"'work' never has the value 'yess'; did you mean 'yes'"),
        ("number ~ I(arm == 'leter')", "ols", r"'arm' never has the value 'leter'; did you mean 'letter'"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_what_can(
    tmp_path: Path, formula: str, family: str, expected: str
) -> None:
    experiment = declared(tmp_path, {"formula": formula, "family": family})
    with pytest.raises(ConfigError, match=expected):
        refuse_unfit(experiment.people())
    with pytest.raises(ConfigError, match=expected):
        simbench.run(
            {"name": "yaml", "file": str(tmp_path / "letters.yaml")}, "uniform", "random", out=str(tmp_path / "runs")
        )
    assert not list((tmp_path / "runs").glob("*/manifest.json"))


def test_an_estimate_tries_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["estimate", "experiment=yaml", "experiment.file=letters.yaml", "backend=uniform", "sampler=none"]
    declared(tmp_path, {"formula": "(number > 8) ~ arm", "family": "logit"})
    assert main(words) == 0
    assert "note: regression '(number > 8) ~ arm' has no plain fit on these people" in capsys.readouterr().out
    declared(tmp_path, {"formula": "work ~ arm", "family": "ols"})
    assert main(words) == 2
    assert "ols wants numbers" in capsys.readouterr().err


def test_all_are_named_at_once(tmp_path: Path) -> None:
    experiment = declared(tmp_path, {"formula": "work ~ arm", "family": "logit"}, "number ~ arm", "party ~ arm")
    with pytest.raises(ConfigError) as caught:
        refuse_unfit(experiment.people())
    assert "2 regression(s)" in str(caught.value)
    assert "'number ~ arm'" not in str(caught.value)


@pytest.mark.parametrize("outcome", ["(work == 'yes')", "work == 'yes'", "I((work == 'yes') * 1)", "work != 'no'"])
def test_a_comparison_is_an_outcome(tmp_path: Path, outcome: str) -> None:
    import statsmodels.api as sm

    people = declared(tmp_path, {"formula": f"{outcome} ~ arm + age", "family": "logit"}).people()
    refuse_unfit(people)
    run = simbench.run(
        {"name": "yaml", "file": str(tmp_path / "letters.yaml")},
        "uniform",
        "none",
        metric=["coefficient_recovery"],
        out=str(tmp_path / "runs"),
        scoring=FAST,
    )
    frame = table()
    matrix = np.column_stack([np.ones(len(frame)), frame["arm"] == "letter", frame["age"]]).astype(float)
    known = sm.Logit((frame["work"] == "yes").astype(float), matrix).fit(disp=0)
    rows = run.scores[run.scores["metric"] == "coefficient"].set_index("item")
    assert [name.split(": ")[-1] for name in rows.index] == ["arm[T.letter]", "age"]
    assert rows["human"].to_numpy() == pytest.approx(known.params[1:], abs=1e-8)


def test_ordered_words_keep_their_declared_order(tmp_path: Path) -> None:
    """Sorted by the alphabet, high would come before low."""
    declared(tmp_path, {"formula": "mood ~ arm + age", "family": "ordered_logit"})
    run = simbench.run(
        {"name": "yaml", "file": str(tmp_path / "letters.yaml")},
        "uniform",
        "none",
        metric=["coefficient_recovery"],
        out=str(tmp_path / "runs"),
        scoring=FAST,
    )
    frame = table()
    mood = pd.Series(pd.Categorical(frame["mood"], categories=["low", "middle", "high"], ordered=True))
    predictors = pd.DataFrame({"arm": (frame["arm"] == "letter") * 1.0, "age": frame["age"] / 10})
    known = OrderedModel(mood, predictors, distr="logit").fit(method="bfgs", disp=0)
    rows = run.scores[run.scores["metric"] == "coefficient"].set_index("item")
    expected = known.params.iloc[:2].to_numpy() / [1, 10]
    assert rows["human"].to_numpy() == pytest.approx(expected, abs=1e-4)


def test_what_these_people_do_not_allow_is_only_said(tmp_path: Path) -> None:
    people = declared(tmp_path, "number ~ age + I(age * 2)", "number ~ arm").people()
    refuse_unfit(people)
    (words,) = weak_regressions(people)
    assert (
        "'number ~ age + I(age * 2)' has no plain fit on these people: predictors are constant or collinear" in words
    )


def test_people_whom_a_formula_leaves_out_are_said(tmp_path: Path) -> None:
    (words,) = weak_regressions(declared(tmp_path, "log(number) ~ arm", "number ~ arm").people())
    lost = int((table()["number"] <= 0).sum())
    assert f"'log(number) ~ arm' leaves out {lost} people who answered: it is no finite number" in words
