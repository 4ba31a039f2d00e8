"""The page in a real browser without a network."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from analysis.page import Headline, Page, Section, render_page
from tests.support.page_text import walls

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
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as opened:
        opened.get(report.as_uri())
        wait_until_drawn(opened)
        yield opened


def wait_until_drawn(browser: webdriver.Chrome) -> None:
    WebDriverWait(browser, WAIT).until(
        lambda page: page.execute_script("return document.body.dataset.ready") == "true"
    )


@pytest.fixture(autouse=True)
def unfolded(browser: webdriver.Chrome) -> None:
    """Open all sections; a test of the folded page closes them."""
    fold(browser, is_open=True)


def fold(browser: webdriver.Chrome, *, is_open: bool) -> None:
    browser.execute_script(
        "for (const part of document.querySelectorAll('details')) part.open = arguments[0]",
        is_open,
    )
    # Tables are fitted in the frame after the one in which they are first laid out.
    browser.execute_async_script(
        "const done = arguments[0];"
        "requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


# Of the module, so that the page is resized and drawn anew once a width, not once a test.
@pytest.fixture(scope="module", params=[1440, 768, 390], ids=["wide", "tablet", "phone"])
def sized(browser: webdriver.Chrome, request: pytest.FixtureRequest) -> Iterator[webdriver.Chrome]:
    """The page at the width of a desktop screen, a tablet and a phone."""
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wait_until_drawn(browser)
    fold(browser, is_open=True)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    wait_until_drawn(browser)


def test_console_is_silent(browser: webdriver.Chrome) -> None:
    assert browser.get_log("browser") == []


def test_nothing_is_fetched(browser: webdriver.Chrome) -> None:
    fetched = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [name for name in fetched if not name.startswith("data:")] == []
    # Requests that the browser saw: the page and its embedded resources.
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in events
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert addresses
    assert {address.partition(":")[0] for address in addresses} <= {"file", "data"}
    assert sum(address.startswith("file:") for address in addresses) == 1


def test_a_link_of_the_contents_opens_its_section(browser: webdriver.Chrome) -> None:
    fold(browser, is_open=False)
    link = browser.find_element(By.CSS_SELECTOR, "nav a")
    link.click()
    heading = browser.find_element(By.CSS_SELECTOR, "details.section[open] h2")
    assert heading.text.endswith(link.text)


def test_printing_unfolds_everything_for_its_time(browser: webdriver.Chrome) -> None:
    fold(browser, is_open=False)
    n_open = "return document.querySelectorAll('details[open]').length"
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(n_open) == browser.execute_script(
        "return document.querySelectorAll('details').length"
    )
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(n_open) == 0


def test_the_first_printed_page_has_the_answer_and_its_whole_figure(
    browser: webdriver.Chrome,
) -> None:
    a4 = {"paperWidth": 8.27, "paperHeight": 11.69}
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", a4)["data"])
    first = PdfReader(BytesIO(printed)).pages[0].extract_text()
    assert "In the pool of all languages, hybrid batches" in first
    assert first.count("gain of α = 0.5 in mAP") == 3, "a panel a setting, side by side"


def test_a_table_that_goes_on_has_its_headings_on_each_printed_page(
    browser: webdriver.Chrome,
) -> None:
    low = {"paperWidth": 8.27, "paperHeight": 4}
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", low)["data"])
    pages = [page.extract_text() for page in PdfReader(BytesIO(printed)).pages]
    of_trials = [page for page in pages if " COMPLETE " in page]
    assert len(of_trials) > 1, "the table of trials takes several pages"
    assert all("trial state \N{GREEK SMALL LETTER ALPHA} batch" in page for page in of_trials)


def test_a_dark_screen_has_a_dark_page_with_readable_letters(browser: webdriver.Chrome) -> None:
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    paper, ink = (
        browser.execute_script(f"return getComputedStyle(document.body).{name}")
        for name in ("backgroundColor", "color")
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert _luminance(paper) < 0.02
    # WCAG 2.2, contrast (minimum): 4.5; enhanced: 7.
    assert (_luminance(ink) + 0.05) / (_luminance(paper) + 0.05) > 7


def _luminance(colour: str) -> float:
    """Relative luminance of an rgb() text, by WCAG 2.2's definition."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_figure_has_a_role_and_a_label(browser: webdriver.Chrome) -> None:
    charts = browser.find_elements(By.CSS_SELECTOR, ".chart")
    assert {chart.get_attribute("role") for chart in charts} <= {"img", "graphics-document"}
    assert all(len(chart.get_attribute("aria-label")) > 40 for chart in charts)


def test_points_of_the_curve_carry_their_numbers_as_tooltips(browser: webdriver.Chrome) -> None:
    described = browser.execute_script(
        "return [...document.querySelectorAll('#figure-ratio_curve-known svg [aria-label]')]"
        ".map((mark) => mark.getAttribute('aria-label'))"
    )
    points = [text for text in described if "mixing ratio α" in text and "95 % from" in text]
    assert len(points) == 9
    pool = next(
        text for text in points if "multilingual" in text and "mixing ratio α: 0.5" in text
    )
    assert "mAP: 0.45" in pool
    assert "seeds: 3" in pool
    assert "clusters of questions: 12" in pool


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
        # One failed and nine confirmation trials have no such score.
        assert values[3:] == [""] * 10


# ---- at each width, after the tests of the page as it was opened


def test_every_figure_is_drawn_and_lies_in_a_box_that_fits_the_page(
    sized: webdriver.Chrome,
) -> None:
    drawings = sized.find_elements(By.CSS_SELECTOR, ".chart.vega-embed svg")
    assert len(drawings) == 11
    width = sized.execute_script("return document.documentElement.clientWidth")
    for drawing in drawings:
        box = sized.execute_script("return arguments[0].closest('.scroll')", drawing)
        assert box.rect["x"] >= 0
        assert box.rect["x"] + box.rect["width"] <= width
        assert drawing.size["width"] >= 250
        assert drawing.size["height"] > 100


def test_letters_of_figures_are_readable(sized: webdriver.Chrome) -> None:
    smallest = sized.execute_script(
        "return Math.min(...[...document.querySelectorAll('.chart svg')].map((svg) =>"
        " Math.min(...[...svg.querySelectorAll('text')].filter((text) => text.textContent)"
        " .map((text) => parseFloat(getComputedStyle(text).fontSize)))"
        " * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"
    )
    assert smallest >= 8, "pixels"


@pytest.mark.parametrize("is_open", [True, False], ids=["unfolded", "folded"])
def test_nothing_scrolls_inside_the_page_and_the_page_not_sideways(
    sized: webdriver.Chrome, is_open: bool
) -> None:
    fold(sized, is_open=is_open)
    scrolling = sized.execute_script(
        """
        return [document.documentElement, ...document.querySelectorAll("body *")].filter(
          (node) => node.checkVisibility() && !node.closest("svg")
            && (node === document.documentElement
                || ["auto", "scroll"].includes(getComputedStyle(node).overflowX))
            && (node.scrollWidth > node.clientWidth + 1
                || node !== document.documentElement && node.scrollHeight > node.clientHeight + 1)
        ).map((node) => node.outerHTML.slice(0, 80));
        """
    )
    assert scrolling == []


def test_no_text_of_a_table_is_cut_off(sized: webdriver.Chrome) -> None:
    cut = sized.execute_script(
        "return [...document.querySelectorAll('td, th')].filter("
        "(cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent)"
    )
    assert cut == []


def test_wide_tables_are_tables_on_a_desktop_and_cards_on_a_phone(
    sized: webdriver.Chrome,
) -> None:
    width = sized.execute_script("return document.documentElement.clientWidth")
    cards = sized.execute_script("return document.querySelectorAll('table.cards').length")
    if width > 1000:
        assert cards == 0
    if width < 400:
        assert cards > 5
        label = "return getComputedStyle(document.querySelector('.cards td'), '::before').content"
        assert sized.execute_script(label) == '"setting"'


def test_the_first_screen_is_an_answer_a_hedge_and_a_figure(sized: webdriver.Chrome) -> None:
    fold(sized, is_open=False)
    screen = sized.execute_script(
        """
        window.scrollTo(0, 0);
        const shown = (node) => {
          if (!node.parentElement.checkVisibility()) return false;
          const range = document.createRange();
          range.selectNodeContents(node);
          const box = range.getBoundingClientRect();
          const drawn = node.parentElement.closest("svg, script");
          return box.height > 0 && box.top < 900 && !drawn;
        };
        const texts = [];
        for (const part of document.querySelectorAll(arguments[0])) {
          const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            if (shown(walker.currentNode)) texts.push(walker.currentNode.data);
          }
        }
        return texts.join(" ");
        """,
        # On a phone the answer alone is longer than a screen.
        "body" if sized.execute_script("return innerWidth") > 760 else "header, .answer",
    )
    assert "α is the share of monolingual batches" in screen
    assert len(screen.split()) <= 70
    assert len(re.findall(r"(?<!\w)\d+(?:[.,]\d+)*", screen)) <= 8
    box = sized.find_element(By.CSS_SELECTOR, ".hero .scroll")
    overhang = "return arguments[0].scrollWidth - arguments[0].clientWidth"
    assert sized.execute_script(overhang, box) <= 0, "the whole figure is seen"


def test_no_paragraph_is_a_list_of_numbers(report: Path) -> None:
    assert walls(report.read_text()) == []


def test_a_study_with_many_benchmarks_and_failures_has_a_short_folded_page() -> None:
    answers = [Headline("word " * 25, "word " * 25, findings=["word " * 90]) for _ in range(12)]
    sections = [Section("three words each", ["word " * 400]) for _ in range(80)]
    notes = ["word " * 300 for _ in range(60)]
    page = Page("a report", "many", "today", answers, notes, sections, [], [], "")
    body = render_page(page).partition("<body>")[2].partition("<script>")[0]
    assert len(re.sub(r"<[^>]*>", " ", _without_folds(body)).split()) < 2500


def _without_folds(html: str) -> str:
    """Leave out what is inside closed details, but for their summaries."""
    folds = re.compile(
        r"<details[^>]*><summary>((?:(?!<details).)*?)</summary>(?:(?!<details).)*?</details>",
        re.DOTALL,
    )
    while folds.search(html):
        html = folds.sub(r"\1", html)
    return html


def test_a_folded_page_is_short_and_fits(sized: webdriver.Chrome) -> None:
    fold(sized, is_open=False)
    text = sized.execute_script("return document.body.innerText")
    assert len(text.split()) < 2500
    overhang = sized.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overhang <= 0


def _heading(browser: webdriver.Chrome, text: str) -> webdriver.remote.webelement.WebElement:
    label = f"#table-trials th button[aria-label='sort by {text}']"
    return browser.find_element(By.CSS_SELECTOR, label)


def _cells(browser: webdriver.Chrome, heading: str) -> list[str]:
    headings = browser.find_elements(By.CSS_SELECTOR, "#table-trials th")
    column = [cell.get_attribute("textContent") for cell in headings].index(heading)
    values: list[str] = browser.execute_script(
        "return [...document.querySelector('#table-trials tbody').rows]"
        ".map((row) => row.cells[arguments[0]].dataset.value)",
        column,
    )
    return values


def _column(browser: webdriver.Chrome, heading: str) -> list[float]:
    return [float(value) for value in _cells(browser, heading)]
