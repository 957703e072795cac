"""Numbers are asked for in digits of an API, kept, and scored as the numbers they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import yaml
from scipy.stats import wasserstein_distance

import simbench
from simbench.errors import ConfigError
from simbench_api import Takes
from simbench_api.testing import LocalServer
from simbench_openai.backend import OpenAI, OpenAIConfig

TAKES = {"json_schema": True, "seed": True, "thinking": False, "logprobs": True}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with LocalServer() as running:
        yield running


def study(folder: Path, n: int = 80) -> dict[str, str]:
    rng = np.random.default_rng(3)
    arm = np.arange(n) % 2
    paid = np.round(rng.normal(40 + 12 * arm, 20, n).clip(0, 100), 1)
    table = pd.DataFrame({"participant_id": [f"p{i}" for i in range(n)], "arm": arm, "age": rng.integers(18, 80, n)})
    table.assign(paid=paid, buys=np.where(paid > 50, "yes", "no")).to_csv(folder / "people.csv", index=False)
    content = {
        "name": "paying",
        "introduction": "A survey.",
        "vignettes": "You see offer {arm}.",
        "factors": {"arm": {0: "plain", 1: "rich"}},
        "profile": {"age": {"bins": [40]}},
        "items": {
            "paid": {"role": "belief", "text": "What would you pay?", "bins": [0, 25, 50, 75], "top": 100},
            "buys": {"role": "decision", "text": "Do you buy?", "options": ["no", "yes"]},
        },
        "data": "people.csv",
        "regressions": ["paid ~ arm", {"formula": "paid ~ arm", "family": "interval", "name": "by bins"}],
    }
    (folder / "paying.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return {"name": "yaml", "file": str(folder / "paying.yaml")}


def carried_out(server: LocalServer, folder: Path, backend=(), **settings):
    chosen = {"name": "openai", "base_url": server.openai_url, "model": "gpt-4.1", "capabilities": TAKES}
    return simbench.run(
        study(folder),
        {**chosen, "give_up_after": 5.0, **dict(backend)},
        {"name": "random", "n": 12},
        metric=["wasserstein", "coefficient_recovery"],
        out=str(folder / "runs"),
        scoring={"resamples": 20, "splits": 5, "floors": 3, "baseline_resamples": 5},
        **settings,
    )


@pytest.mark.parametrize("form", ["json", "lines", "turns"])
def test_numbers_are_asked_kept_and_scored(server, tmp_path, form) -> None:
    run = carried_out(server, tmp_path, {"elicitation": form})
    told, people = run.responses, run.people
    ok = told[told["status"] == "ok"]
    assert len(ok) == len(told)
    assert ok["paid__raw"].between(0, 100).all()
    assert (ok["paid"].astype(int) == (ok["paid__raw"] // 25 * 25).clip(upper=75)).all()
    assert ok["paid__raw"].nunique() > 4
    assert run.manifest["in_digits"] == ["paid"]
    bodies = [json.loads(entry.body) for entry in server.log if entry.path.endswith("/completions")]
    words = "\n".join(str(message["content"]) for body in bodies for message in body["messages"])
    assert "paid: What would you pay? Answer: a number from 0 to 100." in words
    pilot = run.pilot["paid__given"]
    assert sum(f"{number:g}" in words for number in pilot) == len(pilot)  # examples hold what people really gave

    means = run.scores.query("metric == 'mean_difference' and item == 'paid'").iloc[0]
    assert means["simulated"] == pytest.approx(ok["paid__raw"].mean())
    assert means["human"] == pytest.approx(people["paid__given"].mean())
    away = run.scores.query("metric == 'wasserstein' and item == 'paid' and subgroup.isnull()").iloc[0]
    assert away["value"] == pytest.approx(wasserstein_distance(people["paid__given"], ok["paid__raw"]) / 100)
    slope = run.scores[run.scores["item"].astype(str).str.startswith("ols: paid") & run.scores["human"].notna()].iloc[
        0
    ]
    fit = smf.ols("paid__given ~ arm", people).fit()
    assert slope["human"] == pytest.approx(fit.params["arm"])
    again = simbench.rescore(run, scoring={"resamples": 10})
    assert again.scores.query("metric == 'mean_difference' and item == 'paid'").iloc[0]["human"] == means["human"]


def test_probabilities_are_of_options_and_bins_can_be_asked_for(server, tmp_path) -> None:
    for backend, settings in (({"logprobs": True}, {}), ({}, {"interview": {"numbers": "bins"}})):
        run = carried_out(server, tmp_path, backend, **settings)
        assert "paid__raw" not in run.responses
        means = run.scores.query("metric == 'mean_difference' and item == 'paid'").iloc[0]
        middles = {0: 12.0, 25: 37.0, 50: 62.0, 75: 87.5}
        assert means["human"] == pytest.approx(run.people["paid"].map(middles).mean())
        slope = run.scores[run.scores["item"].astype(str).str.startswith("ols: paid")].dropna(subset="human").iloc[0]
        frame = run.people.assign(middle=run.people["paid"].map(middles))
        assert slope["human"] == pytest.approx(smf.ols("middle ~ arm", frame).fit().params["arm"])
    with pytest.raises(ConfigError, match="chooses among options"):
        carried_out(server, tmp_path, {"logprobs": True}, interview={"numbers": "digits"})


def test_ends_of_numbers_go_to_openai_itself_alone() -> None:
    from simbench.design import Item
    from simbench_api.wire import Ask

    item = Item("paid", "belief", "?", {0: "0-9", 10: "10"}, spans=((0, 9), (10, 10)), digits=True)
    from simbench.interview import json_schema

    def sent(model: str, host: str) -> dict:
        made = OpenAI(OpenAIConfig(model=model, base_url=host, capabilities=Takes(json_schema=True)))
        body = made.body(Ask(model, [{"role": "user", "content": "?"}], (item,), {}, json_schema((item,))))
        return body["response_format"]["json_schema"]["schema"]["properties"]["paid"]

    assert sent("gpt-6-luna", "https://api.openai.com/v1") == {"type": "number", "minimum": 0.0, "maximum": 10.0}
    for model, host in (("ft:gpt-4.1:o::i", "https://api.openai.com/v1"), ("gpt-5", "https://mine.example/v1")):
        assert sent(model, host) == {"type": "number"}


def test_infer_takes_the_numbers_that_were_given_on_both_sides(server, tmp_path) -> None:
    backend = {"name": "openai", "base_url": server.openai_url, "model": "gpt-4.1", "capabilities": TAKES}
    done = simbench.infer(study(tmp_path), backend, folds=2, out=tmp_path / "inferred")
    told = pd.concat([pd.read_parquet(each) for each in sorted(done.folder.path.glob("fold-*/responses.parquet"))])
    people = pd.read_csv(tmp_path / "people.csv")
    rows = done.estimates[done.estimates["subgroup"].isna()].set_index(["kind", "item"])
    mean = rows.loc[("mean", "paid")]
    assert mean["human"] == pytest.approx(people["paid"].mean())
    arms = people["arm"].value_counts(normalize=True)
    assert mean["simulated"] == pytest.approx(np.average(told["paid__raw"], weights=told["arm"].map(arms)))
    fit = smf.ols("paid ~ arm", people).fit(cov_type="HC3")
    slope = rows.loc[("coefficient", "ols: paid")]
    assert slope["human"] == pytest.approx(fit.params["arm"])
    assert slope["human_high"] - slope["human"] == pytest.approx(1.99085 * fit.bse["arm"], rel=1e-4)
    assert rows.loc[("effect", "paid"), "human"] == pytest.approx(fit.params["arm"])


def test_new_people_and_inferences_of_an_api_cost_what_is_said_and_are_not_paid_for_twice(
    server, tmp_path, monkeypatch, capsys
) -> None:
    from simbench.cli import main

    monkeypatch.chdir(tmp_path)
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices: [{model: '*', input: 10.0, cached_input: 1.0, output: 100.0, training: 50.0}]")
    place = study(tmp_path)["file"]
    takes = "{json_schema: true, seed: true, thinking: false, logprobs: true}"
    words = ["experiment=yaml", f"experiment.file={place}", "backend=openai", "backend.model=gpt-4.1"]
    words += [f"backend.base_url={server.openai_url}", f"backend.capabilities={takes}", f"backend.prices={prices}"]
    quick = ["metric=js_distance", "scoring.resamples=20", "scoring.splits=2", "scoring.floors=2"]

    def asked() -> int:
        return sum(entry.path.endswith("/completions") for entry in server.log)

    assert main(["estimate", "infer", *words, "folds=2"]) == 0
    said = capsys.readouterr().out
    assert "2 adaptations, 160 interviews" in said
    assert "US dollars" in said
    assert not asked()
    assert main(["infer", *words, "folds=2", "budget=0.0000001"]) != 0
    assert main(["infer", *words, "folds=2"]) == 0
    once = asked()
    assert once >= 160
    assert main(["infer", *words, "folds=2"]) == 0
    assert asked() == once
    (inferred,) = (tmp_path / "inferred").glob("paying-*")
    assert json.loads((inferred / "manifest.json").read_text())["usage"]["cost"] > 0

    assert main([*words, "sampler=random", "sampler.n=12", *quick]) == 0
    (run,) = (tmp_path / "runs").glob("paying-*")
    before = asked()
    capsys.readouterr()
    assert main(["estimate", "simulate", str(run), "n=30"]) == 0
    least, most = map(float, re.search(r"([\d.]+) to ([\d.]+) US dollars", capsys.readouterr().out).groups())
    assert asked() == before
    assert main(["simulate", str(run), "n=30"]) == 0
    assert asked() == before + 30
    assert main(["simulate", str(run), "n=30"]) == 0
    assert asked() == before + 30
    (made,) = (tmp_path / "simulated").glob("paying-*")
    frame = pd.read_parquet(made / "simulated_responses.parquet")
    assert set(frame["source"]) == {"simulated"}
    assert frame["paid__raw"].between(0, 100).all()
    manifest = json.loads((made / "manifest.json").read_text())
    assert least <= manifest["usage"]["cost"] <= most, "the examples in every prompt are in the estimate"
    assert manifest["outcomes"]["all"] == {"ok": 30}
