"""``infer``: everybody counts, folds are products on disk, what helps nothing changes nothing, bad input stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import simbench
from simbench.errors import ConfigError, DataError
from simbench.harness.estimands import COLUMNS, over_splits

PLUGIN = '''
import time
from pathlib import Path

import numpy as np
import pandas as pd

from simbench import Answer, Backend, Experiment, Factor, Item, Model, Profile, Regression, hookimpl
from simbench.settings import NoConfig
from simbench.stats.rng import generator


class Mini(Experiment):
    """Eighty people under two arms."""

    name = "mini"
    Config = NoConfig
    factors = (Factor("arm", ("low", "high")),)
    profile = (Profile("gender", levels=("f", "m")), Profile("age", bins=(40,)))
    items = (
        Item("hope", "belief", "How much?", {1: "little", 2: "some", 3: "much"}),
        Item("gives", "decision", "Do you give?", {0: "no", 1: "yes"}),
    )
    regressions = (
        Regression("hope ~ C(arm) + age"),
        Regression("gives ~ C(arm) + hope", family="logit"),
        Regression("hope ~ age", family="ordered_logit"),
        Regression("hope ~ age", family="multinomial"),
    )

    def load(self):
        rng = np.random.default_rng(1)
        n = 80
        age = rng.integers(20, 70, n)
        arm = np.where(rng.permutation(n) % 2, "high", "low")
        hope = np.clip(np.round((age - 20) / 25 + 0.4 * (arm == "high") + rng.normal(0.6, 0.5, n)), 1, 3).astype(int)
        gives = (rng.random(n) < 0.2 + 0.2 * hope).astype(int)
        return pd.DataFrame({"participant_id": [f"p{i}" for i in range(n)], "gender": rng.choice(["f", "m"], n),
                             "age": age, "arm": arm, "hope": hope, "gives": gives})

    def vignette(self, treatment):
        return f"Arm {treatment['arm']}."


class Bins(Mini):
    """The same, of whose hope there are bins alone."""

    name = "bins"
    items = (
        Item("hope", "belief", "How much?", {0: "0 or 1", 2: "2 to 4", 5: "5 to 9"}, spans=((0, 1), (2, 4), (5, 9))),
        Mini.items[1],
    )

    def load(self):
        return super().load().replace({"hope": {1: 0, 3: 5}})


class Slow(Backend):
    """Says what it was asked, slowly."""

    name = "slow"

    def adapt(self, pilot, workspace):
        with Path("adapted.log").open("a") as log:
            log.write(f"{workspace.run_id} {len(pilot)}\\n")
        return Model("test", "slow")

    def respond(self, model, interviews, workspace):
        for each in interviews:
            with Path("asked.log").open("a") as log:
                log.write(f"{workspace.run_id} {each.participant_id}\\n")
            time.sleep(0.004)
            rng = generator(workspace.seed, *each.key)
            answers = {item.name: item.values[int(rng.integers(len(item.values)))] for item in each.items}
            yield Answer(*each.key, "ok", answers)


@hookimpl
def simbench_experiments():
    return (Mini, Bins)


@hookimpl
def simbench_backends():
    return (Slow,)
'''


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small study and a slow backend, and the current folder."""
    (tmp_path / "simbench_plugins.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everybody_counts_and_nobody_is_predicted_by_a_model_that_learned_from_them(study: Path) -> None:
    done = simbench.infer("mini", backend="tabular", folds=4)
    people = set()
    for fold in sorted((done.folder / "").glob("fold-*")):
        pilot, told = pd.read_parquet(fold / "pilot.parquet"), pd.read_parquet(fold / "responses.parquet")
        mine = {name.partition("@")[0] for name in told["participant_id"]}
        assert not mine & set(pilot["participant_id"])
        assert len(mine) + len(pilot) == 80
        assert len(told) == 2 * len(mine)
        assert Counter(told["arm"])["low"] == len(mine)
        people |= mine
    assert len(people) == 80
    assert done.manifest["status"] == "done"
    assert (done.estimates["width_ratio"].dropna() <= 1 + 1e-12).all()


@pytest.mark.parametrize(
    ("name", "said"), [("bins", "only bins"), ("mini", "no item of the study is a number in bins")]
)
def test_digits_that_nobody_gave_are_refused(study: Path, name: str, said: str) -> None:
    with pytest.raises(simbench.errors.ConfigError, match=said):
        simbench.infer(name, backend="tabular", folds=3, interview={"numbers": "digits"})
    assert not (study / "runs").exists()


def test_humans_alone_are_what_statsmodels_says_and_every_family_is_there(study: Path) -> None:
    import statsmodels.formula.api as smf
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    done = simbench.infer("mini", backend="tabular", folds=3)
    frame = done.estimates
    people = pd.concat([pd.read_parquet(each) for each in (done.folder / "").glob("fold-*/pilot.parquet")])
    people = people.drop_duplicates("participant_id").reset_index(drop=True)
    ols = smf.ols("hope ~ C(arm, Treatment('low')) + age", people).fit(cov_type="HC3")
    rows = frame[(frame["item"] == "ols: hope")].set_index("term")
    assert rows.loc["age", "human"] == pytest.approx(ols.params["age"], abs=1e-9)
    half = (rows.loc["age", "human_high"] - rows.loc["age", "human_low"]) / 2
    assert half == pytest.approx(1.9913 * ols.bse["age"], rel=1e-3)
    ordered = OrderedModel(people["hope"], people[["age"]], distr="logit").fit(method="bfgs", disp=0)
    assert frame[frame["item"] == "ordered_logit: hope"]["human"].item() == pytest.approx(
        ordered.params["age"], abs=1e-3
    )
    means = people.groupby("arm")["gives"].mean()
    effect = frame[(frame["kind"] == "effect") & (frame["item"] == "gives")].iloc[0]
    assert effect["human"] == pytest.approx(means["high"] - means["low"])
    left_out = frame[frame["item"] == "multinomial: hope"].iloc[0]
    assert np.isnan(left_out["estimate"])
    assert "multinomial" in left_out["note"]


def test_a_simulation_that_tells_nothing_leaves_the_human_estimates(study: Path) -> None:
    frame = simbench.infer("mini", backend="uniform", folds=2).estimates
    means = frame[frame["kind"] == "mean"]
    assert (means["width_ratio"] > 0.9).all()
    nothing = means[means["width_ratio"] == 1]
    assert len(nothing)
    assert nothing["estimate"].tolist() == nothing["human"].tolist()
    assert nothing["note"].str.contains("adds nothing").all()


def test_people_without_answers_are_predicted_by_all_models_under_all_arms(study: Path) -> None:
    frame = pd.DataFrame({"gender": ["f", "m"] * 60, "age": [20 + n % 50 for n in range(120)]})
    frame.to_csv("others.csv", index=False)
    done = simbench.infer("mini", backend="tabular", folds=3, people="others.csv")
    told = pd.read_parquet(done.folder / "fold-1" / "responses.parquet")
    assert told["participant_id"].str.startswith("unlabelled:").sum() == 240
    whole = done.estimates[done.estimates["subgroup"].isna()]
    assert (whole["n_unlabelled"].dropna().isin([0, 120])).all()
    assert whole.loc[whole["item"] == "hope", "width_ratio"].min() < 0.99
    assert simbench.infer("mini", backend="tabular", folds=3, people="others.csv").folder.path == done.folder.path


def start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    words = ["infer", "experiment=mini", "backend=slow", "folds=5", f"out={out}"]
    return subprocess.Popen(
        [sys.executable, "-m", "simbench", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_killed_in_fold_3_of_5_goes_on_from_there(study: Path) -> None:
    simbench.infer("mini", backend="slow", folds=5, out="whole")
    (study / "asked.log").unlink()
    (study / "adapted.log").unlink()
    broken, log = start(study, "broken"), study / "asked.log"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.exists() and log.read_text().count("fold-3") >= 5):
        time.sleep(0.01)
    os.kill(broken.pid, signal.SIGKILL)
    broken.wait()
    before = log.read_text().split("\n")
    assert not any("fold-4" in line for line in before)
    assert start(study, "broken").wait(120) == 0
    asked = Counter(line for line in log.read_text().split("\n") if line)
    assert len(asked) == 160
    assert sum(count - 1 for count in asked.values()) <= 1, "only what was in flight is asked twice"
    adapted = Counter((study / "adapted.log").read_text().split("\n")[:-1])
    assert len(adapted) == 5
    assert set(adapted.values()) == {1}
    frames = [pd.read_parquet(next((study / out).glob("*/estimates.parquet"))) for out in ("whole", "broken")]
    pd.testing.assert_frame_equal(*frames)


def test_several_splits_into_folds_are_several_inferences_put_together(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = simbench.infer("mini", backend="tabular", folds=2)
    assert simbench.infer("mini", backend="tabular", folds=2, repeats=1).folder.path == once.folder.path
    done = simbench.infer("mini", backend="tabular", folds=2, repeats=3)
    assert "-infer2x3-" in done.folder.path.name
    pilots = [
        set(pd.read_parquet(done.folder / f"fold-{n}" / "pilot.parquet")["participant_id"]) for n in range(1, 7)
    ]
    for first, second in (pilots[:2], pilots[2:4], pilots[4:]):
        assert not first & second
        assert len(first | second) == 80
    assert len({frozenset(each) for each in pilots}) == 6
    one, three = once.estimates, done.estimates
    keys = ["kind", "item", "term", "subgroup", "level", "human", "human_low", "human_high", "n_human"]
    pd.testing.assert_frame_equal(one[keys], three[keys])
    known = three[three["width_ratio"].notna()]
    assert (known["width_ratio"] <= 1).all()
    alone = known[known["width_ratio"] == 1]
    assert (alone["estimate"] == alone["human"]).all()
    assert not np.allclose(one["simulated"].dropna(), three["simulated"].dropna())
    assert done.manifest["folds"] == 2
    assert done.manifest["repeats"] == 3
    from simbench.cli import main

    words = ["experiment=mini", "backend=tabular", "folds=2", "repeats=3"]
    assert main(["estimate", "infer", *words]) == 0
    assert "6 adaptations (3 splits), 480 interviews" in " ".join(capsys.readouterr().out.split())
    assert main(["infer", *words]) == 0
    methods = (done.folder / "methods.md").read_text()
    assert "divided into 2 folds" in methods
    assert "3 random divisions" in methods
    assert "Chernozhukov" in methods
    with pytest.raises(ConfigError, match="repeats: expected at least 1"):
        simbench.infer("mini", backend="tabular", repeats=0)


def test_what_differs_between_splits_is_in_the_interval() -> None:
    row = {"kind": "mean", "item": "hope", "term": "", "subgroup": None, "level": None, "n_human": 50, "free": 49}
    row |= {"human": 2.0, "human_low": 0.0, "human_high": 4.0, "human_error": 1.0, "p": np.nan, "power": "0.50"}
    frames = [
        pd.DataFrame([row | {"estimate": estimate, "width_ratio": ratio, "simulated": estimate, "note": None}])
        for estimate, ratio in ((2.0, 0.5), (2.3, 0.5), (1.4, 0.5))
    ]
    found = over_splits([each.reindex(columns=[*COLUMNS, "human_error", "free"]) for each in frames]).iloc[0]
    error = np.sqrt(0.25 + 0.3**2)
    assert found["estimate"] == 2.0
    assert found["width_ratio"] == pytest.approx(error)
    assert (found["low"], found["high"]) == pytest.approx((2 - 2 * error, 2 + 2 * error))
    assert found["more_humans"] == pytest.approx(50 * (1 / error**2 - 1))
    far = [each.assign(estimate=each["estimate"] + 3 * at) for at, each in enumerate(frames)]
    lost = over_splits([each.reindex(columns=[*COLUMNS, "human_error", "free"]) for each in far]).iloc[0]
    assert (lost["estimate"], lost["low"], lost["high"], lost["width_ratio"]) == (2.0, 0.0, 4.0, 1.0)
    assert "adds nothing" in lost["note"]


def test_the_command_says_what_it_takes_first_and_writes_what_a_paper_needs(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from simbench.cli import main

    words = ["experiment=mini", "backend=tabular", "folds=2"]
    assert main(["estimate", "infer", *words]) == 0
    assert "2 adaptations, 160 interviews" in capsys.readouterr().out
    assert not (study / "inferred").exists()
    assert main(["infer", *words]) == 0
    said = capsys.readouterr().out
    assert said.index("2 adaptations") < said.index("humans alone") < said.index("not computed:")
    assert "not valid" in said
    (folder,) = (study / "inferred").glob("mini-*")
    for name in ("estimates.csv", "estimates.md", "estimates.tex", "methods.md", "forest.svg", "forest.png"):
        assert (folder / name).stat().st_size > 200, name
    methods = (folder / "methods.md").read_text()
    assert "2 folds" in methods
    assert "Zrnic" in methods
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["kind"] == "inference"
    assert manifest["arms"] == {"low": 0.5, "high": 0.5}


def test_bad_input_is_one_message_and_nothing_is_written(study: Path) -> None:
    with pytest.raises(DataError, match="at least 162 people who answered everything, for 81 folds"):
        simbench.infer("mini", backend="tabular", folds=81)
    with pytest.raises(ConfigError, match="folds: expected at least 2"):
        simbench.infer("mini", backend="tabular", folds=1)
    pd.DataFrame({"age": [20]}).to_csv("lacking.csv", index=False)
    with pytest.raises(DataError, match=r"'gender': expected this profile variable of the study, found columns age"):
        simbench.infer("mini", backend="tabular", people="lacking.csv")
    pd.DataFrame({"gender": ["f", "x"], "age": [20, 30]}).to_csv("level.csv", index=False)
    with pytest.raises(DataError, match=r"'gender', row .*found 'x'"):
        simbench.infer("mini", backend="tabular", people="level.csv")
    with pytest.raises(ConfigError, match=r"cannot read 'nowhere.csv'"):
        simbench.infer("mini", backend="tabular", people="nowhere.csv")
    with pytest.raises(ConfigError, match="sampler: infer takes none"):
        simbench.infer("mini", backend="tabular", sampler="random")
    from simbench.cli import main

    assert main(["infer", "experiment=mini", "sampler=random"]) == 2
    assert main(["infer", "experiment=mini", "folds=many"]) == 2
    assert not (study / "inferred").exists()
