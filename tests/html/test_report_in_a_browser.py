"""The page of a scan in headless Chromium, opened from disk: what a person sees and does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.conftest import Run
from tests.html.conftest import Opened, messages

NASTY = "<script>alert(1)<.script>.c"


@pytest.fixture(scope="module")
def page(pgconv: Run, demo_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo tree's page, with one file more whose name and lines are markup."""
    tree = tmp_path_factory.mktemp("html") / "tree"
    shutil.copytree(demo_tree, tree)
    (tree / "mm" / NASTY).write_text(
        "unsigned long size(void)\n{\n\treturn PAGE_SIZE; /* <img src=x onerror=\"document.title='run'\"> */\n}\n\n"
        "int end = PAGE_SHIFT; /* </script><script>document.title = 'run'</script> */\n"
    )
    done = pgconv("report", tree, "-o", tree.parent / "report.html")
    assert done.returncode == 0, done.stderr
    return tree.parent / "report.html"


def one(browser: Chrome, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def script(browser: Chrome, code: str) -> Any:
    return browser.execute_script(code)


def rows(browser: Chrome) -> list[str]:
    """Places in the table, as far as they are in sight."""
    code = "return [...document.querySelectorAll('#space .row:not([hidden])')].sort((a,b)=>a.position-b.position)"
    return list(script(browser, code + ".map((row) => row.querySelector('.place').textContent)"))


def choose(browser: Chrome, select: str, value: str) -> None:
    script(
        browser,
        f"const s = document.querySelector('{select}'); s.value = '{value}'; s.dispatchEvent(new Event('change'))",
    )


def test_the_page_opens_from_disk_without_a_complaint(opened: Opened, page: Path) -> None:
    browser = opened(page)
    assert messages(browser) == []
    assert len(browser.find_elements(By.CSS_SELECTOR, "#treemap .cell")) > 3
    open_ = [int(one(browser, f".tile[data-status={status}] .figure").text) for status in ("review", "logic")]
    assert one(browser, "#found").text.startswith(f"{sum(open_)} of ")
    assert rows(browser)


def test_a_file_named_like_a_script_stays_text(opened: Opened, page: Path) -> None:
    browser = opened(page)
    choose(browser, "#status", "")
    one(browser, "#text").send_keys("onerror")
    assert rows(browser) == [f"mm/{NASTY}:3"]
    one(browser, "#space .row:not([hidden])").click()
    assert f"mm/{NASTY}:3:9" in one(browser, "#detail").text
    assert "<img src=x onerror=" in one(browser, "#detail .change").text
    assert browser.find_elements(By.CSS_SELECTOR, "img, #detail script, #space script") == []
    assert browser.title != "run"
    assert messages(browser) == []


def test_a_source_line_that_ends_a_script_stays_text(opened: Opened, page: Path) -> None:
    browser = opened(page)
    choose(browser, "#status", "")
    one(browser, "#text").send_keys("</script>")
    assert rows(browser) == [f"mm/{NASTY}:6"]
    line = "int end = PAGE_SHIFT; /* </script><script>document.title = 'run'</script> */"
    assert one(browser, "#space .row:not([hidden])").text.endswith(line)
    one(browser, "#space .row:not([hidden])").click()
    assert line in one(browser, "#detail").text
    assert browser.title != "run"
    assert messages(browser) == []


def test_an_inline_script_that_slipped_in_would_not_run(opened: Opened, page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("<main>", "<main><script>document.title = 'run'</script>", 1))
    browser = opened(broken)
    assert browser.title != "run"
    assert any("Content Security Policy" in message for message in messages(browser))


def test_a_link_to_a_site_shows_it_with_its_chain_and_change(opened: Opened, page: Path) -> None:
    browser = opened(page, "#mm/mremap.c:22")
    assert script(browser, "return document.querySelector('.row.here .place').textContent") == "mm/mremap.c:22"
    detail = one(browser, "#detail").text
    assert "- old_addr += PAGE_SIZE;" in detail
    assert "+ old_addr += PTE_SIZE;" in detail
    assert "Why PTE" in detail
    assert "parameter 2 of ptep_get_and_clear() is byte/pte" in detail


def test_a_link_to_no_site_says_so(opened: Opened, page: Path) -> None:
    assert "No use stands at mm/none.c:1." in one(opened(page, "#mm/none.c:1"), "#detail").text


def test_a_logic_site_shows_both_sides(opened: Opened, page: Path) -> None:
    browser = opened(page)
    choose(browser, "#status", "logic")
    one(browser, "#space .row:not([hidden])").click()
    detail = one(browser, "#detail").text
    assert "A rename is not enough here" in detail
    assert "One side" in detail


def test_the_keyboard_walks_table_and_treemap(opened: Opened, page: Path) -> None:
    browser = opened(page)
    scroller = one(browser, "#scroller")
    first, second = rows(browser)[:2]
    scroller.send_keys(Keys.ARROW_DOWN)
    assert first in one(browser, "#detail h2").text
    scroller.send_keys(Keys.ARROW_DOWN)
    assert second in one(browser, "#detail h2").text
    one(browser, "#treemap .cell").send_keys(Keys.ENTER)
    assert one(browser, "#crumbs").text.startswith("tree / ")
    one(browser, "#treemap .cell").send_keys(Keys.ARROW_RIGHT)
    assert script(browser, "return [...document.querySelectorAll('.cell')].indexOf(document.activeElement)") == 1
    one(browser, "#treemap .cell").send_keys(Keys.BACKSPACE)
    assert one(browser, "#crumbs").text == "tree"
    one(browser, "body").send_keys("/")
    assert script(browser, "return document.activeElement.id") == "text"


def test_a_head_sorts_and_says_so(opened: Opened, page: Path) -> None:
    browser = opened(page)
    head = one(browser, "#heads [role=columnheader]:nth-child(6)")
    one(browser, "#heads [role=columnheader]:nth-child(6) button").click()
    shown = """
        const rows = [...document.querySelectorAll('#space .row')].sort((a, b) => a.position - b.position);
        return rows.map((row) => row.querySelector('.right').textContent);
    """
    numbers = [int(text.rstrip("%") or 0) for text in script(browser, shown)]
    guesses = [n for n in numbers if n]
    assert guesses == sorted(guesses)
    assert head.get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1400, 500, 360])
def test_nothing_sticks_out_and_text_can_be_read(opened: Opened, page: Path, width: int, dark: bool) -> None:
    browser = opened(page, "#mm/mremap.c:22", width, dark)
    assert script(browser, "return document.documentElement.scrollWidth") <= width
    luminance = """
        const parts = (s) => s.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const of = (s) => { const [r, g, b] = parts(s); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const ground = of(getComputedStyle(document.querySelector('#detail').parentElement).backgroundColor);
        const worst = (selector) => Math.min(...[...document.querySelectorAll(selector)].map((e) =>
            ratio(of(getComputedStyle(e).color), ground)));
        const cells = [...document.querySelectorAll('.cell')].map((e) =>
            ratio(of(getComputedStyle(e).color), of(getComputedStyle(e).backgroundColor)));
        return Math.min(worst('#detail .status, #detail dd, #detail code, #detail a, .tile .status'), ...cells);
    """
    assert script(browser, luminance) >= 4.5


def test_24_000_sites_are_no_burden(opened: Opened, pgconv: Run, kernel: Path, tmp_path: Path) -> None:
    """Filter, sort and scroll answer within what a person feels as at once; a loaded machine gets some slack."""
    done = pgconv("report", kernel, "-o", tmp_path / "kernel.html")
    assert done.returncode == 0, done.stderr
    browser = opened(tmp_path / "kernel.html")
    code = """
        const done = arguments[0];
        const find = (selector) => document.querySelector(selector);
        const change = (e, value, kind) => { e.value = value; e.dispatchEvent(new Event(kind)); };
        const took = {};
        const timed = (name, act) => {
            const times = [0, 1, 2].map(() => {
                const start = performance.now(); act(); document.body.offsetHeight; return performance.now() - start;
            });
            took[name] = Math.min(...times);
        };
        for (const select of document.querySelectorAll('#filters select')) {
            for (const option of select.options)
                timed(`${select.id} ${option.value}`, () => change(select, option.value, 'change'));
            change(select, '', 'change');
        }
        took.found = find('#found').textContent;
        timed('search', () => change(find('#text'), 'vma page', 'input'));
        change(find('#text'), '', 'input');
        for (const button of document.querySelectorAll('#heads button'))
            timed(`sort by ${button.textContent}`, () => button.click());
        const scroller = find('#scroller');
        let at = 0;
        timed('scroll', () => { scroller.scrollTop = at += 90000; scroller.dispatchEvent(new Event('scroll')); });
        took.rows = document.querySelectorAll('#space .row').length;
        done(took);
    """
    took = browser.execute_async_script(code)
    found, in_page = took.pop("found"), took.pop("rows")
    assert {"status logic", "unit pg", "role cache-index", "macro PAGE_SIZE"} <= took.keys()
    assert int(found.split(" ")[0].replace(",", "")) > 20_000
    assert in_page < 100
    assert {name: ms for name, ms in took.items() if ms > 250} == {}
    assert messages(browser) == []
