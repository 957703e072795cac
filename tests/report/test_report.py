"""The report: what it says, that it stands alone, and that nobody's markup gets into it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import simbench
from simbench.cli import main
from simbench.design import Design, Item
from simbench.harness.conclusions import answers_said, verdicts
from simbench.harness.library import Runs, load_runs
from simbench.plugin.manager import load_plugins
from simbench.report.curves import learning_curve
from simbench.report.figures import distributions
from simbench.report.page import write_report
from simbench.report.verdict import verdict


class Tags(HTMLParser):
    """Every tag and every id and attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href"):
                self.links.append(value or "")


@pytest.fixture(scope="module")
def odd(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the page and figures of the run that misbehaves."""
    folder = tmp_path_factory.mktemp("odd")
    with contextlib.chdir(home):
        write_report(load_runs("runs", backend="odd"), load_plugins(), folder)
    return folder


def test_one_run(odd: Path) -> None:
    text = (odd / "report.html").read_text()
    found = Tags(text)
    assert found.tags.count("script") == 2  # the people as data, and the page's own script, by its digest
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in text
    assert "img" not in found.tags
    assert "&lt;script&gt;document.title" in text
    assert len(found.ids) == len(set(found.ids))
    assert all(link.startswith(("#", "data:text/csv")) for link in found.links), "the page needs the network"
    assert text.index("Verdict") < text.index("<svg")
    assert found.tags.count("svg") == 5
    for name in ("distributions", "subgroups", "diversity", "value_action_gap", "coefficients"):
        for kind in ("svg", "pdf", "png", "csv"):
            assert (odd / "figures" / f"{name}.{kind}").stat().st_size > 100


def test_every_link_within_the_page_leads_somewhere(runs: Runs, tmp_path: Path) -> None:
    found = Tags(write_report(runs, load_plugins(), tmp_path, figures=False).read_text())
    assert len(found.ids) == len(set(found.ids))
    inside = {link[1:] for link in found.links if link.startswith("#")}
    assert inside <= set(found.ids)


def test_distributions_are_the_shares_in_the_data(runs: Runs, odd: Path) -> None:
    (run,) = runs.where(backend="odd")
    table = pd.read_csv(odd / "figures" / "distributions.csv").set_index(["item", "option"])
    ok = run.responses[run.responses["status"] == "ok"]
    for item in ("hope", "fear", "act"):
        for side, frame in (("human", run.people), ("simulated", ok)):
            shares = frame[item].value_counts(normalize=True)
            for option, share in shares.items():
                assert table.loc[(item, int(option)), side] == pytest.approx(share)


def test_whiskers_are_wilson_intervals(odd: Path) -> None:
    from statsmodels.stats.proportion import proportion_confint

    row = pd.read_csv(odd / "figures" / "distributions.csv").iloc[0]
    low, high = proportion_confint(round(row["human"] * row["n_human"]), row["n_human"], method="wilson")
    assert (row["human_low"], row["human_high"]) == pytest.approx((low, high))


def test_whiskers_are_as_wide_as_the_persons_behind_the_answers_allow() -> None:
    """Several answers of one person are not so many people: the effective number is statsmodels' clustered one."""
    import statsmodels.api as sm
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(40), 5)
    act = (rng.random(200) < rng.random(40)[who]).astype(int)
    frame = pd.DataFrame({"who": who.astype(str), "participant_id": np.arange(200).astype(str), "act": act})
    design = Design("rounds", (), (), (Item("act", "decision", "?", (0, 1)),), person="who")
    chart = distributions(design, frame, frame, "humans")
    assert chart is not None
    row = chart.data.iloc[1]
    error = sm.OLS(act, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": who}).bse[0]
    worth = act.mean() * (1 - act.mean()) / error**2
    assert worth < 150
    ends = proportion_confint(act.mean() * worth, worth, method="wilson")
    assert (row["human_low"], row["human_high"]) == pytest.approx(ends, rel=0.01)


def test_outcomes_transcripts_and_provenance_are_there(runs: Runs, odd: Path) -> None:
    (run,) = runs.where(backend="odd")
    text = (odd / "report.html").read_text()
    counts = run.manifest["outcomes"]["all"]
    assert re.search(rf'<th scope="row">everybody</th><td>{counts["ok"]}</td><td>{counts["refused"]}</td>', text)
    for said in (run.manifest["humans"]["sha256"], run.run_id, "Do not claim", "arXiv 2511.21218", "some &amp; more"):
        assert said in text
    assert text.count("<article") == 2  # one person of each treatment group


def test_learning_curve_over_pilot_sizes(runs: Runs) -> None:
    resample = runs.where(backend="resample")
    chart = learning_curve(resample, load_plugins())
    assert chart is not None
    table = chart.data
    assert set(table["n_pilot"]) == {20, 60}
    row = table[(table["metric"] == "js_distance") & (table["n_pilot"] == 60)].iloc[0]
    scores = resample.where(**{"sampler.n": 60}).scores
    assert row["value"] == scores[(scores["metric"] == "js_distance") & (scores["item"] == "mean")]["value"].iloc[0]


def test_tables_of_a_paper_hold_the_figures_of_the_run(runs: Runs, odd: Path) -> None:
    run = next(run for run in runs if "odd" in run.run_id)
    tables = {path.name for path in (odd / "tables").iterdir()}
    assert tables == {
        f"{name}.{kind}"
        for name in ("headline", "coefficients", "verdict", "outcomes")
        for kind in ("csv", "md", "tex")
    }
    table = pd.read_csv(odd / "tables" / "headline.csv").set_index("in scores.parquet")
    scores = run.scores[run.scores["subgroup"].isna()]
    row = scores[(scores["metric"] == "js_distance") & (scores["item"] == "mean")].iloc[0]
    for name in ("human", "simulated", "value", "ci_low", "ci_high", "floor", "ceiling"):
        assert table.loc["js_distance (mean)", name] == pytest.approx(row[name], nan_ok=True)
    assert "Only ok ones are compared." in (odd / "tables" / "outcomes.md").read_text()
    assert (odd / "tables" / "headline.tex").read_text().startswith("\\begin{table}")


def test_the_verb_writes_beside_a_single_run(home: Path, runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "other", "--no-figures"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent.parent == Path("other")
    assert re.search(r"<h1>tiny: \d+ people simulated by uniform, with a pilot of \d+</h1>", path.read_text())


def test_a_plugin_that_is_gone_leaves_the_report_whole(
    home: Path, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    away = Runs([run.folder.__class__(home / "runs" / run.run_id) for run in runs.where(backend="odd")])
    text = write_report(away, load_plugins(), tmp_path, figures=False).read_text()
    assert text.count("<article") == 2  # one of each treatment group
    assert text.count("<svg") >= 4


def test_terminal_and_page_word_the_findings_of_the_manifest(runs: Runs, home: Path, odd: Path) -> None:
    (run,) = load_runs(str(home / "runs"), backend="odd")
    found = verdicts(run.manifest, run.scores)
    assert set(found) == {each["purpose"] for each in run.manifest["findings"]}
    said = {each.topic: each.standing for each in verdict(run.manifest, run.scores, load_plugins())}
    assert {f"For {purpose}": answer for purpose, (answer, _) in found.items()}.items() <= said.items()
    rows = run.scores[run.scores["metric"] == "verdict"]
    assert {row.item: row.value for row in rows.itertuples()} == pytest.approx(
        {purpose: {"yes": 1.0, "no": 0.0}.get(answer, float("nan")) for purpose, (answer, _) in found.items()},
        nan_ok=True,
    )
    page = (odd / "report.html").read_text()
    assert "a perfect simulation would get a yes in" in page
    assert "The paper&#39;s limits (arXiv 2511.21218)" in page
    told = " ".join(answers_said(run.manifest, run.scores))
    assert all(f"{purpose}: {answer}" in told for purpose, (answer, _) in found.items())
    assert "nsuitable" not in page
    assert not [topic for topic in said if topic in ("Hypothesis tests", "Distributions", "Subgroups")]


def test_a_persona_that_nobody_was_given_is_not_shown(home: Path, tmp_path: Path) -> None:
    with contextlib.chdir(home):
        kept = {
            "scoring": {"resamples": 5, "splits": 2, "floors": 2},
            "metric": ["js_distance"],
            "out": str(tmp_path),
        }
        blind = simbench.run("tiny", "uniform", {"name": "none"}, ask_without=["demographics"], **kept)
        page = write_report(Runs([blind.folder]), load_plugins(), tmp_path / "a", figures=False).read_text()
        seen = simbench.run("tiny", "uniform", {"name": "none"}, **kept)
        shown = write_report(Runs([seen.folder]), load_plugins(), tmp_path / "b", figures=False).read_text()
    assert re.search(r"<pre>[^<]*woman", shown)
    assert not re.search(r"<pre>[^<]*(woman|Age)", page)
