"""A study whose every label is an attack or a coincidence: text stays text, wherever it is shown."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

import simbench
from simbench.harness.library import Runs
from simbench.harness.run import Run
from simbench.plugin.manager import load_plugins
from simbench.report.drawing import Chart, svg
from simbench.report.formats import as_csv, as_latex, as_markdown, as_table
from simbench.report.page import write_report
from simbench.report.table import run_table

LEVELS = ("#0072b2", "=1+2", "[/bold]", 'url(#x) id="y" font-family: z')
OPTIONS = ("<img src=x onerror=a(1)>", '=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "@SUM(1)", "\U0001f600 é")
PLUGIN = f"""
import pandas as pd
from simbench import Experiment, Factor, Item, Profile, hookimpl

class Hostile(Experiment):
    "Sixty made-up people."
    name = "hostile"
    synthetic = True
    citation = "<script>alert(1)</script>"
    factors = (Factor("arm", {LEVELS!r}),)
    profile = (Profile("place", levels={LEVELS!r}),)
    items = (
        Item("a", "belief", "</pre><script>alert(2)</script>", dict(enumerate({OPTIONS!r}))),
        Item("b", "decision", "\\x1b[31m?", {{0: "</svg><script>x</script>", 1: "${{x}} _y_ %"}}),
    )

    def load(self):
        n = range(80)
        levels = {LEVELS!r}
        return pd.DataFrame({{
            "participant_id": [f"=p{{i}}" for i in n], "arm": [levels[i % 4] for i in n],
            "place": [levels[(i // 4) % 4] for i in n], "a": [i % 5 for i in n], "b": [i % 2 for i in n],
        }})

@hookimpl
def simbench_experiments():
    return (Hostile,)
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run of the study, and the folder with its page and figures."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "simbench_plugins.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        few = {"resamples": 10, "splits": 3, "floors": 2, "baseline_resamples": 3}
        run = simbench.run("hostile", "uniform", {"name": "random", "n": 16}, scoring=few, out=str(folder))
        write_report(Runs([run.folder]), load_plugins(), folder / "page")
    return run, folder


def test_the_page_is_inert_and_says_every_label_as_it_is(hostile: tuple[Run, Path]) -> None:
    page = (hostile[1] / "page" / "report.html").read_text()
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json">', "<script>"]
    (people,) = re.findall(r'<script type="application/json">(.*?)</script>', page, flags=re.DOTALL)
    assert "<" not in people
    assert json.loads(people)["rows"]
    assert "<img" not in page
    drawings = re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) >= 2
    texts = [each.text for drawn in drawings for each in ElementTree.fromstring(drawn).iter("text")]  # noqa: S314
    assert any(text and text.startswith("place: #0072b2 (") for text in texts)
    assert any(text and 'url(#x) id="y" font-family: z' in text for text in texts)
    assert "var(--human)" not in "".join(text or "" for text in texts)
    assert 'style="fill: var(--human)"' in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_no_cell_of_a_csv_for_people_is_run_by_a_spreadsheet(hostile: tuple[Run, Path]) -> None:
    page = (hostile[1] / "page" / "report.html").read_text()
    links = re.findall(r"data:text/csv;base64,([A-Za-z0-9+/=]*)", page)
    files = [path.read_text() for path in (hostile[1] / "page" / "figures").rglob("*.csv")]
    texts = [base64.b64decode(link).decode() for link in links] + files
    assert len(texts) >= 4
    for text in texts:
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                assert not re.match(r"\s*[=+@]|[\t\r]|\s*-(?![\d.])", cell), cell
    assert any('\'=HYPERLINK(""http://x"")' in text for text in texts)
    people = hostile[0].people
    assert people["arm"].isin(LEVELS).all()  # tables for machines hold what the data hold
    assert people["participant_id"].str.startswith("=").all()


def test_the_terminal_shows_labels_as_they_are(hostile: tuple[Run, Path]) -> None:
    run = hostile[0]
    manifest = run.manifest
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(run_table(run, load_plugins()))
    frame = pd.DataFrame({"[red]x": ["[/bold]", "\x1b[31mred"], "n": [1, 2]})
    console.print(as_table(frame, "[/title]"))
    shown = console.export_text()
    assert manifest["run_id"] in shown
    assert "[/bold]" in shown
    assert "[/title]" in shown
    assert "\x1b" not in shown


FORMULAS = ["=1+1", "+1+cmd|' /C'!A0", "@SUM(1)", "-2+3", "\t=1", "\r=1", "\n=1", " =1", "-", "=-1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_has_an_apostrophe_before_it(cell: str) -> None:
    ((head,), (first,)) = csv.reader(io.StringIO(as_csv(pd.DataFrame({cell: [cell]})), newline=""))
    assert (head, first) == (f"'{cell}".replace("\r", "\n"),) * 2


@pytest.mark.parametrize("cell", ["-1.5", "+2", "-1e-3", "a=b", "", "1 - 2"])
def test_numbers_and_plain_words_stay(cell: str) -> None:
    frame = pd.DataFrame({"x": [cell, "y"], "n": [-1.5, 2]})
    assert [*csv.reader(io.StringIO(as_csv(frame)))][1] == [cell, "-1.5"]


def test_markdown_and_latex_hold_labels_as_text() -> None:
    frame = pd.DataFrame({"a|b": ["<script>x</script>", "[x](javascript:1)", "l1\nl2", "*b* `c` js_distance"]})
    text = as_markdown(frame, "t*t*")
    assert "\\<script\\>" in text
    assert "[x]\\(javascript" in text
    assert "| l1 l2 |" in text
    assert "\\*b\\* \\`c\\` js_distance" in text
    assert text.startswith("**t\\*t\\***")
    assert {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")} == {2}
    latex = as_latex(pd.DataFrame({"x": ["[a]", "*b", "\\input{x}\n\ny", "50 % & #"]}), "t")
    assert "{[}a] \\\\" in latex
    assert "{*}b \\\\" in latex
    assert "\\textbackslash{}input\\{x\\}  y \\\\" in latex
    assert "50 \\% \\& \\# \\\\" in latex


def test_letters_that_xml_or_the_font_lack_do_no_harm() -> None:
    label = "a\x00b\x0b \U0001f600 $x^{2 #d55e00"

    def draw(figure: Figure) -> None:
        figure.subplots().set_title(label)

    chart = Chart("c", "t", label, pd.DataFrame({"x": [label]}), draw, (3, 2))
    root = ElementTree.fromstring(svg(chart, "p"))  # noqa: S314
    (title,) = [each.text for each in root.iter("text") if each.text and each.text.startswith("a")]
    assert title == "a\ufffdb\ufffd \U0001f600 $x^{2 #d55e00"
