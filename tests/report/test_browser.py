"""The report in a real browser: nothing to complain of, every figure there, accessible, and inert to markup."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simbench.harness.library import load_runs
from simbench.plugin.manager import load_plugins
from simbench.report.page import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium and chromedriver are not installed"),
]
AXE = Path(__file__).parent / "assets" / "axe.min.js"


@pytest.fixture(scope="module")
def page(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    with contextlib.chdir(home):
        return write_report(load_runs("runs"), load_plugins(), folder, figures=False)


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1100,1400",
        "--force-device-scale-factor=1",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    made.set_script_timeout(120)
    yield made
    made.quit()


def show(driver: Any, page: Path, scheme: str = "light") -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get(page.as_uri())


def test_console_is_silent_and_nothing_is_fetched(driver: Any, page: Path) -> None:
    show(driver, page)
    assert [line for line in driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")] == []
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_every_figure_is_rendered(driver: Any, page: Path) -> None:
    show(driver, page)
    boxes = driver.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(s => {const b = s.getBoundingClientRect();"
        "return [b.width, b.height, s.querySelectorAll('path').length, s.querySelectorAll('text').length]})"
    )
    assert len(boxes) == page.read_text().count("<svg") > 10
    for width, height, paths, texts in boxes:
        assert width > 300
        assert height > 60
        assert paths > 3
        assert texts > 2


def test_people_are_found_by_filters_and_keyboard(driver: Any, page: Path) -> None:
    show(driver, page)
    place = driver.find_element("css selector", "[data-people]")
    told = json.loads(place.find_element("css selector", "script").get_attribute("textContent"))
    group = told["filters"][0]["levels"][1]
    there = [row for row in told["rows"] if row["levels"][0] == group]
    assert 0 < len(there) < len(told["rows"])

    def rows() -> list[Any]:
        return list(place.find_elements("css selector", "tbody tr"))

    assert len(rows()) == min(len(told["rows"]), told["shown"])
    select = place.find_element("css selector", "select")
    select.send_keys(group)
    assert len(rows()) == min(len(there), told["shown"])
    said = place.find_element("css selector", "[role=status]").text
    assert said == f"1 to {min(len(there), told['shown'])} of {len(there)} people; {len(told['rows'])} in all."
    button = place.find_element("css selector", "tbody button")
    button.send_keys("\n")
    assert button.get_attribute("aria-expanded") == "true"
    detail = place.find_element("css selector", "tr.detail")
    assert all(item["text"] in detail.text for item in told["items"])
    assert "(real" in detail.text
    button.send_keys("\n")
    assert len(rows()) == min(len(there), told["shown"])
    search = place.find_element("css selector", "input")
    search.send_keys("nobody has such an id")
    assert not rows()


def test_markup_of_the_model_is_shown_as_text_and_inert(driver: Any, page: Path) -> None:
    show(driver, page)
    assert "taken over" not in driver.title
    assert driver.execute_script("return document.querySelectorAll('img, iframe').length") == 0
    own = "return document.querySelectorAll('script:not([type=\"application/json\"])').length"
    assert driver.execute_script(own) == 1
    texts = driver.execute_script("return [...document.querySelectorAll('pre')].map(p => p.textContent)")
    assert any("<script>document.title = 'taken over'</script>" in text for text in texts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(driver: Any, page: Path, scheme: str) -> None:
    show(driver, page, scheme)
    driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run({resultTypes: ['violations']}).then(r => done("
        "[r.passes.map(p => p.id), "
        "r.violations.map(v => [v.id, v.help, v.nodes.length, v.nodes[0].html, v.nodes[0].failureSummary])]))"
    )
    passed, violations = found
    assert {"color-contrast", "svg-img-alt", "heading-order", "scrollable-region-focusable"} <= set(passed)
    assert violations == []


def test_dark_and_light_differ(driver: Any, page: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        show(driver, page, scheme)
        colours.append(
            driver.execute_script(
                "const t = document.querySelector('figure svg text');"
                "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(t).fill]"
            )
        )
    assert colours[0][0] != colours[1][0]
    assert colours[0][1] != colours[1][1]


def test_keyboard_reaches_the_skip_link_and_the_data(driver: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(driver, page)
    body = driver.find_element("tag name", "body")
    body.send_keys(Keys.TAB)
    assert driver.switch_to.active_element.get_attribute("class") == "skip"
    summary = driver.find_element("css selector", "figure summary")
    driver.execute_script("arguments[0].focus()", summary)
    summary.send_keys(Keys.ENTER)
    assert driver.execute_script("return document.querySelector('figure details').open")


def test_a_page_fits_a_phone(driver: Any, page: Path) -> None:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    show(driver, page)
    width = driver.execute_script("return document.documentElement.scrollWidth")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 390
