"""The page of a history: its numbers, and what a person sees of it in headless Chromium."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from selenium.webdriver.common.by import By

from converter.progress.record import MEASURES, History, NewUse, Origin, Step
from converter.report.html.progress import render
from tests.html.conftest import Opened, data_of, messages

HOSTILE = "</script><img src=x onerror=alert(1)>"
ZERO = (0,) * len(MEASURES)


def counts(**numbers: int) -> tuple[int, ...]:
    return tuple(numbers.get(name.replace(" ", "_"), 0) for name in MEASURES)


def history(name: str = "linux", uses: int = 1) -> History:
    steps = (Step("a" * 40, "b" * 40, 1704110400, "2024-01"), Step("c" * 40, "d" * 40, 1706788800, "2024-02"))
    files = (
        {"mm/one.c": counts(pte=5, review=2), "drivers/net/x/y.c": counts(pg=3)},
        {"mm/one.c": counts(pte=1, review=2, converted_pte=4), "drivers/net/x/y.c": counts(pg=4)},
    )
    subsystems = {"mm/one.c": f"MEMORY {name}", "drivers/net/x/y.c": "NETWORK"}
    new = NewUse(
        f"drivers/net/{name}.c", 7, 2, "PAGE_SIZE", "f", "decided", "pg", "alloc-size", name, f"x = {name};", 1,
        Origin("e" * 40, f"net: {name}", 1706700000),
    )  # fmt: skip
    more = tuple(msgspec.structs.replace(new, line=n, source=f"y{n} = {name};") for n in range(8, 7 + uses))
    tool = {"name": "pgconv", "version": "1", "rules": "abc"}
    return History(tool, name, "v1..HEAD", "pte-pg", steps, files, subsystems, (new, *more), (f"warning {name}",))


def test_directories_and_subsystems_add_up() -> None:
    data = data_of(render(history()))
    assert sorted(data["directories"]) == ["drivers/", "drivers/net/", "mm/"]
    assert sorted(data["subsystems"]) == ["MEMORY linux", "NETWORK"]
    for n in range(2):
        for m in range(len(MEASURES)):
            whole = data["whole"][n][m]
            assert sum(trend[n][m] for trend in data["subsystems"].values()) == whole
            assert sum(data["directories"][top][n][m] for top in ("drivers/", "mm/")) == whole
    assert data["whole"][1] == list(counts(pte=1, pg=4, review=2, converted_pte=4))


def test_text_of_a_repository_is_nowhere_in_the_markup() -> None:
    page = render(history(HOSTILE))
    assert b"<img" not in page
    assert data_of(page)["newest"][0]["subject"] == f"net: {HOSTILE}"


def test_the_page_shows_trends_and_the_newest_uses(opened: Opened, tmp_path: Path) -> None:
    page = tmp_path / "progress.html"
    page.write_bytes(render(history(HOSTILE)))
    browser = opened(page)
    charts = [c.get_attribute("aria-label") for c in browser.find_elements(By.CSS_SELECTOR, "#charts svg")]
    assert charts[0] == "left to convert: from 10 to 7"
    assert "converted, pte: from 0 to 4" in charts
    assert HOSTILE in browser.find_element(By.CSS_SELECTOR, "#newest").text
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []
    browser.find_element(By.XPATH, "//*[@id='directories']//button[normalize-space()='drivers/']").click()
    first = browser.find_element(By.CSS_SELECTOR, "#charts svg").get_attribute("aria-label")
    assert first == "left to convert: from 3 to 4"
    assert browser.find_element(By.CSS_SELECTOR, "#scope").text == "drivers/"
    browser.find_element(By.CSS_SELECTOR, "#text").send_keys("nothing like it")
    assert browser.find_element(By.CSS_SELECTOR, "#found").text == "0 of 1 new uses"
    assert messages(browser) == []


@pytest.mark.parametrize(
    ("days", "middle"),
    [((0, 31, 365), 31 / 365), ((0, 0, 365), 0.5), ((0, 365, 31), 0.5)],
    ids=["apart", "one day", "back"],
)
def test_steps_lie_where_their_days_do(opened: Opened, tmp_path: Path, days: tuple[int, ...], middle: float) -> None:
    """Where days do not tell steps apart, or a clock ran backwards, they lie evenly."""
    made = history()
    steps = tuple(replace(made.steps[0], time=1704110400 + day * 86400) for day in days)
    files = (made.files[0], made.files[1], made.files[0])
    page = tmp_path / "progress.html"
    page.write_bytes(render(replace(made, steps=steps, files=files)))
    browser = opened(page)
    for selector in ("#charts svg .line", "#directories .spark .line"):
        points = browser.find_element(By.CSS_SELECTOR, selector).get_attribute("points") or ""
        left, between, right = (float(point.split(",")[0]) for point in points.split())
        assert abs((between - left) / (right - left) - middle) < 0.01


def test_thousands_of_new_uses_are_no_burden(opened: Opened, tmp_path: Path) -> None:
    """Two years of Linux bring some 6,000. A loaded machine gets some slack."""
    page = tmp_path / "progress.html"
    page.write_bytes(render(history(uses=8000)))
    browser = opened(page)
    more = browser.find_element(By.CSS_SELECTOR, "#newest .more")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#newest tbody tr")) == 100
    assert more.text == "show 100 more of 7,900"
    more.click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "#newest tbody tr")) == 200
    took = """
        const timed = (act) => Math.min(...[0, 1, 2].map(() => {
            const start = performance.now(); act(); document.body.offsetHeight; return performance.now() - start;
        }));
        const input = document.querySelector('#text');
        const typed = (text) => { input.value = text; input.dispatchEvent(new Event('input')); };
        const found = {};
        for (const text of ['y', 'y79', '']) found[`search ${text}`] = timed(() => typed(text));
        for (const head of document.querySelectorAll('#newest th button'))
            found[head.textContent] = timed(() => head.click());
        return found;
    """
    assert {name: ms for name, ms in browser.execute_script(took).items() if ms > 250} == {}
    browser.find_element(By.CSS_SELECTOR, "#text").send_keys("y7999")
    assert browser.find_element(By.CSS_SELECTOR, "#found").text == "1 of 8,000 new uses"
    assert not more.is_displayed()


def test_the_page_fits_a_narrow_window(opened: Opened, tmp_path: Path) -> None:
    page = tmp_path / "progress.html"
    page.write_bytes(render(history()))
    for width in (500, 360):
        browser = opened(page, width=width, dark=True)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
