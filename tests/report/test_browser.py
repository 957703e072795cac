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
from simbench.report.site import write_site

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
    passed, violations = axe(driver)
    assert {"color-contrast", "svg-img-alt", "heading-order", "scrollable-region-focusable"} <= passed
    assert violations == []


def axe(driver: Any) -> tuple[set[str], list[Any]]:
    """What axe passes and what it objects to, with everything unfolded."""
    driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    passed, violations = driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run({resultTypes: ['violations']}).then(r => done("
        "[r.passes.map(p => p.id), "
        "r.violations.map(v => [v.id, v.help, v.nodes.length, v.nodes[0].html, v.nodes[0].failureSummary])]))"
    )
    return set(passed), violations


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


@pytest.fixture(scope="module")
def site(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site about the four runs; its index."""
    with contextlib.chdir(home):
        return write_site(load_runs("runs"), load_plugins(), tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("kind", ["index.html", "runs/*/report.html", "studies/*/report.html"])
def test_each_kind_of_page_of_a_site_is_silent_accessible_and_fits_a_phone(
    driver: Any, site: Path, kind: str
) -> None:
    driver.get_log("browser")
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    show(driver, next(site.parent.glob(kind)))
    width = driver.execute_script("return document.documentElement.scrollWidth")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 390
    assert axe(driver)[1] == []
    assert [line for line in driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")] == []


def test_the_index_is_filtered_and_left_by_keyboard_alone(driver: Any, site: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    def visible() -> int:
        return sum(row.is_displayed() for row in driver.find_elements("css selector", "tbody tr"))

    def tab_to(wanted: str) -> Any:
        for _ in range(40):
            driver.switch_to.active_element.send_keys(Keys.TAB)
            if driver.switch_to.active_element.tag_name == wanted:
                return driver.switch_to.active_element
        raise AssertionError(f"no Tab leads to a {wanted}")

    show(driver, site)
    assert visible() == 4
    search = tab_to("input")
    search.send_keys("resample")
    assert visible() == 2
    assert driver.find_element("css selector", "[role=status]").text == "2 of 4 runs"
    search.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert visible() == 4
    backend = next(each for each in driver.find_elements("css selector", "label") if each.text.startswith("backend"))
    backend.find_element("css selector", "select").send_keys("odd")
    assert visible() == 1
    tab_to("input")
    tab_to("a").send_keys(Keys.ENTER)
    assert "report.html" in driver.current_url
    assert driver.find_element("css selector", "h1").text.startswith("tiny: ")
