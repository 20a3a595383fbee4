"""The HTML report in a real browser: right numbers, working search, and nothing hostile that runs.

Needs Chromium and its driver (Debian: chromium chromium-driver) and selenium; without them these
tests are skipped, unless REQUIRE_CHROMIUM is set, as in CI.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.outcome import Failure, Outcome
from autograder.regrade.gradebook import Person
from autograder.reports.html import write_report
from autograder.result import Status

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
    "disable-background-networking", "disable-component-update", "disable-sync",
    "force-color-profile=srgb", "window-size=1280,900",
)  # fmt: skip

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "\"'><img src=x onerror='window.hacked = 1'>",
    "<svg onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "{{ 7 * 7 }} ${window.hacked = 1}",
    "\u202emoc.live\u202c محمد العربي",
    "👩‍🔬 Zoë  ﷽",
    "x" * 5000,
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator["Browser"]:  # noqa: UP037
    try:
        from selenium import webdriver
    except ImportError:
        webdriver = None
    if webdriver is None or CHROMIUM is None or DRIVER is None:
        missing = "the report is NOT tested in a browser: needs chromium, chromedriver and selenium"
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SE_AVOID_STATS", "true")
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """A page in the browser, and what its reader sees."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def open(self, path: Path, place: str = "") -> None:
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(f"{path.as_uri()}{place}")

    def run(self, script: str, *values):
        return self.driver.execute_script(script, *values)

    def errors(self) -> list[str]:
        """What the console says: errors of scripts, refused loads, breaches of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def figures(self) -> dict[str, str]:
        pairs = self.run(
            "return [...document.querySelectorAll('.figures div')].map("
            "each => [each.querySelector('dt').innerText, each.querySelector('dd').innerText])"
        )
        return dict(pairs)

    def names(self) -> list[str]:
        """The students in the table, as it is sorted and filtered."""
        return self.run(
            "return [...document.querySelectorAll('#table tbody tr')]"
            ".filter(row => row.offsetHeight > 0).map(row => row.cells[0].innerText)"
        )

    def find(self, text: str, show: str = "") -> None:
        self.run(
            "const form = document.querySelector('form.find');"
            "form.elements.find.value = arguments[0]; form.elements.show.value = arguments[1];"
            "form.elements.find.dispatchEvent(new Event('input', {bubbles: true}))",
            text, show,
        )  # fmt: skip

    def sort(self, column: str) -> None:
        self.run(
            "[...document.querySelectorAll('#table thead button')]"
            ".find(each => each.innerText.startsWith(arguments[0])).click()",
            column,
        )

    def shown(self, selector: str) -> list[str]:
        return self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter(each => each.offsetHeight > 0).map(each => each.innerText)",
            selector,
        )

    def media(self, **features: str) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]},
        )

    def width(self, pixels: int) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": pixels, "height": 844, "deviceScaleFactor": 1, "mobile": False},
        )

    def pages_on_paper(self) -> int:
        made = self.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
        return len(re.findall(rb"/Type /Page\b", base64.b64decode(made["data"])))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, cohort_of) -> Path:
    path = tmp_path_factory.mktemp("reports") / "cohort.html"
    write_report(cohort_of(60), path)
    return path


@pytest.fixture
def report(book, tmp_path) -> Path:
    write_report(book, tmp_path / "report.html")
    return tmp_path / "report.html"


def test_the_numbers_are_right_and_nothing_is_on_the_console(browser, report):
    browser.open(report)
    assert browser.figures() == {
        "Students": "10", "Mean": "6.8 / 10", "Median": "7 / 10", "Std. deviation": "2.9",
        "Full marks": "1", "Zero": "1", "Rejected": "1", "Late": "1", "Without a score": "2",
        "Other than before": "1", "Earlier attempts": "1",
    }  # fmt: skip
    assert browser.shown("#missing .badge") == ["grader error", "not graded"]
    assert sum(int(n) for n in browser.shown(".histogram .value")) == 0  # SVG has no innerText
    values = browser.run(
        "return [...document.querySelectorAll('.histogram .value')].map(each => each.textContent)"
    )
    assert values == ["1", "4", "2", "1"]
    assert browser.errors() == []


def test_search_finds_names_numbers_addresses_and_misconceptions(browser, report):
    browser.open(report)
    for wanted, found in {
        "lovelace": ["Ada Lovelace"],
        "  ADA  love ": ["Ada Lovelace"],
        "godel": ["Kurt Gödel"],
        "angstrom": ["Zhang “Z” Wei, Jr., Zoë Ångström"],
        "@00123456": ["Zhang “Z” Wei, Jr., Zoë Ångström"],
        "submission_6@example": ["Late Larry"],
        "forgets the transpose": ['=HYPERLINK("http://x")', "Zhang “Z” Wei, Jr., Zoë Ångström"],
        "<script": ["<script>alert(1)</script>"],
        "nobody at all": [],
    }.items():
        browser.find(wanted)
        assert browser.names() == found
    assert browser.shown("form.find output") == ["0 of 9"]
    browser.find("", "late")
    assert browser.names() == ["Late Larry"]
    browser.find("")
    assert len(browser.names()) == 9
    assert browser.errors() == []


def test_a_misconception_leads_to_the_students_who_have_it(browser, report):
    browser.open(report)
    browser.run("document.querySelector('#ideas a[data-find]').click()")
    assert len(browser.names()) == 2
    assert browser.run("return location.hash") == "#students"


def test_sorting_is_by_number_and_by_name_and_says_so(browser, cohort):
    browser.open(cohort)

    def scores() -> list[float]:
        return [float(text) for text in browser.shown("#table tbody td:nth-child(2)")]

    browser.sort("Score")
    assert scores() == sorted(scores(), reverse=True)
    assert len(set(scores())) > 4
    browser.sort("Score")
    assert scores() == sorted(scores())
    assert browser.run(
        "return [...document.querySelectorAll('#table thead [aria-sort]')]"
        ".map(each => each.innerText + each.getAttribute('aria-sort'))"
    ) == ["Scoreascending"]
    browser.sort("Name")
    assert browser.names() == [f"Student {i:04d}" for i in range(60)]


def test_a_student_has_a_page_of_their_own(browser, report):
    browser.open(report)
    browser.run(
        "[...document.querySelectorAll('#table a')].find(a => a.innerText === 'Late Larry').click()"
    )
    assert browser.shown("article h1") == ["Late Larry"]
    assert browser.shown("#cohort") == []
    assert browser.run("return document.title").startswith("Late Larry · ")
    assert browser.run("return document.activeElement.innerText") == "Late Larry"
    browser.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    browser.run("return new Promise(done => setTimeout(done, 50))")
    assert browser.shown("article h1") == []
    assert len(browser.shown("#cohort")) == 1
    assert browser.errors() == []


def test_next_goes_on_in_the_table_as_it_is_shown(browser, report):
    browser.open(report)
    browser.find("", "unscored")
    first, second = browser.names()
    for action in ("#table tbody tr:not([hidden]) a", ".student:target a.after"):
        browser.run("document.querySelector(arguments[0]).click()", action)
        browser.run("return new Promise(done => setTimeout(done, 50))")
    assert first != second
    assert browser.shown("article h1") == [second]
    assert browser.shown(".student:target a.after") == []


def test_a_link_to_a_student_opens_at_the_student(browser, report):
    browser.open(report, "#s3")
    assert len(browser.shown("article h1")) == 1
    assert browser.shown("#cohort") == []


def test_on_paper_a_student_is_a_page_and_everybody_is_one_each(browser, report):
    browser.open(report, "#s3")
    assert browser.pages_on_paper() == 1
    browser.open(report, "#every-student")
    assert browser.pages_on_paper() == 9


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_does_nothing_anywhere(browser, making, tmp_path, text):
    failure = Failure(text, text, text, text, text, text, text)
    wrong = making.check("bias/forward", Outcome.FAILED, failure=failure)
    broken = making.check("bias/forward", Outcome.GRADER_ERROR, failure=failure)
    people = (Person(text, text, text),)
    book = making.gradebook(
        making.grade(text, None, making.result(wrong, messages=(text,)), people=people),
        making.grade("s2", "Ada", making.result(
            broken, status=Status.GRADER_ERROR, score=None, fault=text,
        )),
        making.grade("s3", text, None, error=text),
        title=f"Nine {text[:60]}", versions={"torch": text[:60]},
    )  # fmt: skip
    path = tmp_path / "report.html"
    write_report(book, path)
    for place in ("", "#s1", "#s2", "#every-student"):
        for pixels in (1280, 390):
            browser.width(pixels)
            browser.open(path, place)
            overflow = browser.run(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0
    browser.open(path)
    browser.sort("Name")
    browser.find(text[:30])
    assert browser.run("return typeof window.hacked") == "undefined"
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return document.images.length") == 0
    assert browser.errors() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in(browser, report, scheme):
    """WCAG 2.2, 1.4.3: 4.5 to 1, of every element's own text against what is painted under it."""
    browser.media(prefers_color_scheme=scheme)
    worst = []
    for place in ("", "#every-student"):
        browser.open(report, place)
        worst.append(browser.run(CONTRAST))
    browser.media()
    assert min(worst)[0] >= 4.5, min(worst)


CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
let worst = [99, ''];
for (const element of document.body.querySelectorAll('*')) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!own || !element.offsetHeight) continue;
  let ground = element, colour;
  do {
    colour = parse(getComputedStyle(ground).backgroundColor);
    ground = ground.parentElement;
  } while (ground && colour[3] === 0);
  const [a, b] = [light(parse(getComputedStyle(element).color)), light(colour)];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 200)];
}
return worst;
"""
