"""The page in a real browser that cannot reach any network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WAIT = 60  # seconds until a browser on a busy machine counts as stuck


@pytest.fixture(scope="module")
def browser(report: Path) -> Iterator[webdriver.Chrome]:
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), ""
    )
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver on PATH: apt-get install chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.add_argument("--window-size=1100,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as opened:
        opened.get(report.as_uri())
        WebDriverWait(opened, WAIT).until(
            lambda found: found.execute_script("return document.body.dataset.ready") == "true"
        )
        yield opened


def test_console_is_silent(browser: webdriver.Chrome) -> None:
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_nothing_is_fetched(browser: webdriver.Chrome) -> None:
    fetched = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_every_figure_is_drawn_and_fits_the_page(browser: webdriver.Chrome) -> None:
    drawings = browser.find_elements(By.CSS_SELECTOR, ".chart.vega-embed svg")
    assert len(drawings) == 5
    width = browser.find_element(By.TAG_NAME, "main").size["width"]
    for drawing in drawings:
        assert 200 < drawing.size["width"] <= width
        assert drawing.size["height"] > 100


def test_page_does_not_scroll_sideways(browser: webdriver.Chrome) -> None:
    overhang = browser.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overhang <= 0


def test_points_of_the_curve_carry_their_numbers_as_tooltips(browser: webdriver.Chrome) -> None:
    described = browser.execute_script(
        "return [...document.querySelectorAll('#figure-ratio_curve-known svg [aria-label]')]"
        ".map((mark) => mark.getAttribute('aria-label'))"
    )
    points = [text for text in described if "95 % from" in text]
    assert len(points) == 9
    pool = next(
        text for text in points if "multilingual" in text and "mixing ratio α: 0.5" in text
    )
    assert "mAP: 0.4500" in pool
    assert "seeds: 3" in pool
    assert "questions: 12" in pool


def test_click_on_a_heading_sorts_by_number_and_back(browser: webdriver.Chrome) -> None:
    heading = _heading(browser, "batch")
    heading.click()
    assert _column(browser, "batch") == sorted(_column(browser, "batch"))
    assert len(set(_column(browser, "batch"))) > 1
    heading.click()
    assert _column(browser, "batch") == sorted(_column(browser, "batch"), reverse=True)


def test_missing_values_sort_last_in_both_directions(browser: webdriver.Chrome) -> None:
    for _ in range(2):
        _heading(browser, "dev/map_mean").click()
        values = _cells(browser, "dev/map_mean")
        assert values[:3] != ["", "", ""]
        assert (
            values[3:] == [""] * 10
        )  # one failed and nine confirmation trials have no such score


def _heading(browser: webdriver.Chrome, text: str) -> webdriver.remote.webelement.WebElement:
    buttons = browser.find_elements(By.CSS_SELECTOR, "#table-trials th button")
    return next(button for button in buttons if button.get_attribute("textContent") == text)


def _cells(browser: webdriver.Chrome, heading: str) -> list[str]:
    buttons = browser.find_elements(By.CSS_SELECTOR, "#table-trials th button")
    column = [button.get_attribute("textContent") for button in buttons].index(heading)
    found: list[str] = browser.execute_script(
        "return [...document.querySelector('#table-trials tbody').rows]"
        ".map((row) => row.cells[arguments[0]].dataset.value)",
        column,
    )
    return found


def _column(browser: webdriver.Chrome, heading: str) -> list[float]:
    return [float(value) for value in _cells(browser, heading)]
