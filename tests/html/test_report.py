"""The page of a scan holds every site as the record has it, nothing that runs but its own script, and no address."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.classify.record import Evidence, Report, Site
from converter.report.html.columns import Columns
from converter.report.html.report import render
from tests.conftest import Run
from tests.html.conftest import data_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
SITE = Site(
    path="mm/mremap.c", line=7, col=14, macro="PAGE_SIZE", function="move_ptes", status="decided", unit="pte",
    replacement="PTE_SIZE", role="page-table-step", policy=False, confidence=0.954, rule="units:pte:close:alone",
    evidence=(Evidence("mm/mremap.c", 6, "old_addr steps here"), Evidence("rules/roles", 0, "a walk")),
    against=(Evidence("mm/mremap.c", 6, "old_addr steps here"),),
)  # fmt: skip
LINES = {("mm/mremap.c", 7): b"\told_addr += PAGE_SIZE;", ("mm/mremap.c", 6): b"\tfor (;;) {"}


def report(*sites: Site, name: str = "linux") -> Report:
    tree = {"name": name, "kernel": "6.12", "revision": None, "files": 3}
    return Report({"name": "pgconv", "version": "1", "rules": "abc"}, tree, "pte-pg", sites)


def unpacked(page: bytes) -> list[dict[str, object]]:
    """The sites as the page's script puts them together."""
    data = data_of(page)
    text = data["strings"].__getitem__

    def chain(number: int) -> list[tuple[str, int, str, str]]:
        steps = data["steps"]
        return [
            (text(steps["path"][n]), steps["line"][n], text(steps["why"][n]), text(steps["source"][n]))
            for n in data["chains"][number]
        ]

    rows = zip(*data["sites"].values(), strict=True)
    found = []
    for row in rows:
        site = dict(zip(data["sites"], row, strict=True))
        for name in set(site) - {"line", "col", "confidence", "at", "why", "against", "derived"}:
            site[name] = text(site[name])
        found.append({**site, "why": chain(site["why"]), "against": chain(site["against"])})
    return found


class Tags(HTMLParser):
    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_site_comes_out_of_the_page_as_it_went_in() -> None:
    (site,) = unpacked(render(report(SITE), LINES))
    assert {k: site[k] for k in ("path", "line", "col", "macro", "function", "status", "unit", "replacement")} == {
        "path": "mm/mremap.c", "line": 7, "col": 14, "macro": "PAGE_SIZE", "function": "move_ptes",
        "status": "decided", "unit": "pte", "replacement": "PTE_SIZE",
    }  # fmt: skip
    assert site["confidence"] == 954
    assert site["why"] == [("mm/mremap.c", 6, "old_addr steps here", "for (;;) {"), ("rules/roles", 0, "a walk", "")]
    assert site["against"] == [("mm/mremap.c", 6, "old_addr steps here", "for (;;) {")]


def test_every_site_of_the_demo_tree_is_in_the_page_in_order(pgconv: Run, demo_tree: Path, tmp_path: Path) -> None:
    done = pgconv("report", demo_tree, "-o", tmp_path / "report.html")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    scanned = pgconv("scan", demo_tree, "--format", "gcc").stdout.splitlines()
    sites = unpacked((tmp_path / "report.html").read_bytes())
    assert [f"{s['path']}:{s['line']}:{s['col']}" for s in sites] == [line.split(": ")[0] for line in scanned]
    sources = {p: (demo_tree / str(p)).read_text(errors="replace").split("\n") for p in {s["path"] for s in sites}}
    assert [s["source"] for s in sites] == [sources[s["path"]][int(str(s["line"])) - 1].strip() for s in sites]


def test_the_use_is_where_the_page_says_in_its_source_line() -> None:
    site = replace(SITE, col=1 + len("\tx = \U0001f40b\u00e9 + ".encode()))
    (made,) = unpacked(render(report(site), {("mm/mremap.c", 7): "\tx = \U0001f40b\u00e9 + PAGE_SIZE;".encode()}))
    assert made["source"] == "x = \U0001f40b\u00e9 + PAGE_SIZE;"
    in_utf16 = str(made["source"]).encode("utf-16-le")
    assert in_utf16[2 * int(str(made["at"])) :].decode("utf-16-le") == "PAGE_SIZE;"


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_whatever_stands_around_it_the_use_is_found_in_its_line(before: bytes, after: bytes) -> None:
    line = before.replace(b"\n", b" ") + b" PAGE_SIZE" + after.replace(b"\n", b" ")
    col = len(before) + 2
    sites = Columns({("mm/mremap.c", 7): line}).pack(report(replace(SITE, col=col)))
    source = sites["strings"][sites["sites"]["source"][0]]
    at = sites["sites"]["at"][0]
    assert source.encode("utf-16-le")[2 * at :].decode("utf-16-le").startswith("PAGE_SIZE")
    assert len(source) < 10 * 240


def test_a_file_that_changed_since_the_scan_promises_no_place() -> None:
    (made,) = unpacked(render(report(SITE), {("mm/mremap.c", 7): b"something else"}))
    assert (made["source"], made["at"]) == ("something else", -1)


def test_text_of_a_tree_is_nowhere_in_the_markup() -> None:
    hostile = replace(
        SITE, path=f"mm/{HOSTILE}.c", function=HOSTILE, role=HOSTILE, rule=HOSTILE, missing=HOSTILE,
        evidence=(Evidence(HOSTILE, 1, HOSTILE),),
    )  # fmt: skip
    made = replace(report(hostile, name=HOSTILE), warnings=(HOSTILE,), conflicts=(Evidence(HOSTILE, 1, HOSTILE),))
    page = render(made, {(hostile.path, 7): HOSTILE.encode() * 3})
    assert b"<img" not in page
    tame = Tags(render(replace(report(SITE), warnings=("w",), conflicts=(Evidence("x", 1, "y"),)), LINES))
    assert [tag for tag, _ in Tags(page).found] == [tag for tag, _ in tame.found]
    assert unpacked(page)[0]["path"] == hostile.path


def test_a_page_names_nothing_outside_itself() -> None:
    page = render(report(SITE), LINES)
    for tag, attributes in Tags(page).found:
        assert tag not in (
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "base",
            "form" if attributes.get("action") else "",
        )
        assert not {"src", "srcset", "href", "action"} & set(attributes)
    assert not re.search(rb"https?://|url\(|@import|fetch\(|XMLHttpRequest", page)
    assert b"default-src &#39;none&#39;" in page


@pytest.mark.parametrize(
    ("path", "shown"),
    [("mm/\udcff.c", "mm/\\xff.c"), ("mm/a\nb.c", "mm/a\\x0ab.c"), ("mm/\u202ec.evil", "mm/\\u202ec.evil")],
)
def test_bytes_and_marks_that_deceive_are_shown_as_escapes(path: str, shown: str) -> None:
    assert unpacked(render(report(replace(SITE, path=path), name=path), {}))[0]["path"] == shown


def test_the_same_report_is_the_same_page() -> None:
    assert render(report(SITE), LINES) == render(report(SITE), LINES)


def test_a_tree_without_a_use_is_a_page(tmp_path: Path) -> None:
    assert unpacked(render(report(), {})) == []


def test_a_page_that_cannot_be_written_is_one_line(pgconv: Run, demo_tree: Path, tmp_path: Path) -> None:
    done = pgconv("report", demo_tree, "-o", tmp_path / "no/such/place.html")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot write" in done.stderr


def test_what_is_no_tree_is_one_line(pgconv: Run, tmp_path: Path) -> None:
    done = pgconv("report", tmp_path / "none", "-o", tmp_path / "x.html")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "x.html").exists()
