"""A site about many runs: every link leads to a file, nothing is fetched, and a second writing does little."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
import yaml

import simbench
from simbench.cli import main
from simbench.harness.library import load_runs
from simbench.plugin.manager import load_plugins
from simbench.report.site import write_site


@pytest.fixture(scope="module")
def site(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        return write_site(load_runs("runs"), load_plugins(), folder / "site").parent


def test_every_link_leads_to_a_file_of_the_site(site: Path, home: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', text)
    done = [run.run_id for run in load_runs(str(home / "runs")).done]
    assert len(links) == 3 * len(done) + 1
    for link in links:
        assert (site / unquote(link)).is_file(), link
    for run_id in done:
        scores = pd.read_csv(site / "runs" / run_id / "scores.csv")
        assert len(scores) == len(pd.read_parquet(home / "runs" / run_id / "scores.parquet"))
        assert not (site / "runs" / run_id / "people.csv").exists()


def test_pages_that_are_there_are_not_written_again(
    site: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = {page: page.stat().st_mtime_ns for page in (site / "runs").glob("*/report.html")}
    one = next(iter(pages))
    one.unlink()
    assert main(["report", str(home / "runs"), "--site", str(site)]) == 0
    assert Path(capsys.readouterr().out.strip()) == site / "index.html"
    assert one.is_file()
    assert all(page.stat().st_mtime_ns == then for page, then in pages.items() if page != one)


def test_pages_written_by_several_processes_are_those_of_one(
    site: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simbench.report.site.FEW", 1)
    monkeypatch.chdir(home)
    write_site(load_runs("runs"), load_plugins(), tmp_path)
    for page in (site / "runs").glob("*/*"):
        made = (re.sub(r"Written by .*", "", each.read_text()) for each in (page, tmp_path / page.relative_to(site)))
        assert next(made) == next(made)


def test_a_site_without_drawings_has_their_data(home: Path, tmp_path: Path) -> None:
    assert main(["report", str(home / "runs"), "--site", str(tmp_path), "--no-figures"]) == 0
    for page in (tmp_path / "runs").glob("*/report.html"):
        text = page.read_text()
        assert "<svg" not in text
        assert "Figures are not drawn on this page" in text
        assert text.count("<summary>Data of") == text.count("data:text/csv;base64,") > 2
    (study,) = (tmp_path / "studies").glob("*/report.html")
    assert "<svg" in study.read_text()


def test_the_page_of_a_study_links_to_its_runs_and_repeats_none(site: Path, home: Path) -> None:
    (study,) = (site / "studies").glob("*/report.html")
    text = study.read_text()
    links = re.findall(r'href="(\.\./[^"]+)"', text)
    assert len(links) == len(load_runs(str(home / "runs")).done)
    assert all((study.parent / unquote(link)).resolve().is_file() for link in links)
    assert "Everything needed to do this run again" not in text
    assert text.count("Simulated participants are not people") == 1


def test_no_name_of_a_study_leads_out_of_the_site(tmp_path: Path) -> None:
    examples = Path(__file__).parents[2] / "docs" / "examples"
    shutil.copy(examples / "values.csv", tmp_path)
    words = yaml.safe_load((examples / "values.yaml").read_text(encoding="utf-8"))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**words, "name": "../../out"}))
    for backend in ("uniform", "majority"):
        study = {"name": "yaml", "file": str(tmp_path / "study.yaml")}
        few = {"resamples": 5, "splits": 2, "floors": 2, "baseline_resamples": 2}
        settings = {"scoring": few, "metric": ["js_distance"], "report": False, "out": str(tmp_path / "runs")}
        simbench.run(study, backend, {"name": "random", "n": 16}, **settings)
    write_site(load_runs(str(tmp_path / "runs")), load_plugins(), tmp_path / "site")
    assert [path.name for path in (tmp_path / "site" / "studies").iterdir()] == ["0--out"]
    assert not list(tmp_path.parent.rglob("out"))


def test_a_site_of_nothing_and_two_folders_at_once_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", "runs", "--site", "a", "-o", "b"])
    assert ended.value.code == 2
    assert "leave --out away" in capsys.readouterr().err
