"""Nothing is lost: an independent lexer finds the same names at the same places, in every file of the tree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.scan.conftest import Site, by_file
from tests.scan.lexer import Word, words

SUFFIXES = (".c", ".h", ".S", ".lds")
WITH_ARGUMENTS = ("PAGE_ALIGN", "PAGE_ALIGNED", "PAGE_ALIGN_DOWN", "offset_in_page")
NO_KERNEL_CODE = re.compile(
    r"(Documentation|tools|samples|scripts|usr|include/uapi|lib/raid6/test|arch/[^/]+/(include/uapi|tools|boot/tools))/"
)


SHARED = re.compile(r"(^|/)include/uapi/")
"""Headers of the user-space ABI, which the kernel includes."""


@dataclass(frozen=True)
class Case:
    """A tree and its report."""

    root: Path
    report: dict[str, Any]

    @cached_property
    def words(self) -> dict[str, list[Word]]:
        """What the independent lexer finds, by path."""
        found = {path: words((self.root / path).read_bytes()) for path in self._files()}
        return {path: some for path, some in found.items() if some}

    @cached_property
    def sites(self) -> dict[str, list[Site]]:
        return by_file(self.report)

    def line(self, site: Site) -> bytes:
        """The line of a site with those that it continues."""
        lines = (self.root / site["path"]).read_bytes().split(b"\n")
        at = site["line"] - 1
        while at > 0 and lines[at - 1].rstrip(b"\r").endswith(b"\\"):
            at -= 1
        return b"\n".join(lines[at : site["line"]])

    def _files(self) -> Iterator[str]:
        for directory, below, names in os.walk(self.root):
            below[:] = [name for name in below if not name.startswith(".")]
            for name in names:
                path = os.path.join(directory, name)
                if name.endswith(SUFFIXES) and not os.path.islink(path):
                    yield os.path.relpath(path, self.root)


@pytest.fixture(scope="module", params=["demo", "kernel"])
def case(request: pytest.FixtureRequest) -> Case:
    root = request.getfixturevalue("demo_tree" if request.param == "demo" else "kernel")
    return Case(root, request.getfixturevalue(f"{request.param}_report"))


def test_each_occurrence_has_exactly_one_record_where_it_stands(case: Case) -> None:
    expected = {path: [(w.line, w.col, w.name) for w in found] for path, found in case.words.items()}
    got = {path: [(s["line"], s["col"], s["macro"]) for s in found] for path, found in case.sites.items()}
    assert sum(map(len, expected.values())) > 100
    assert {path for path in expected.keys() | got.keys() if expected.get(path) != got.get(path)} == set()


def test_records_come_by_path_line_and_column(case: Case) -> None:
    places = [(s["path"], s["line"], s["col"]) for s in case.report["sites"]]
    assert places == sorted(set(places))


def test_the_summary_counts_the_records(case: Case) -> None:
    summary = case.report["summary"]
    assert summary["family"] == sum(map(len, case.words.values())) == sum(summary["status"].values())
    assert summary["family"] + summary["derived"] == summary["sites"] == len(case.report["sites"])


def test_comments_and_strings_are_inert(case: Case) -> None:
    wrong = []
    for path, found in case.words.items():
        for word, site in zip(found, case.sites[path], strict=True):
            if word.text != "code" and site["status"] != "inert":
                wrong.append((path, word, site["status"]))
    assert wrong == []


def behind_a_comment_character(case: Case, site: Site) -> bool:
    """Which character it is depends on the architecture (rules/assembler.toml has examples)."""
    line = (case.root / site["path"]).read_bytes().split(b"\n")[site["line"] - 1]
    return not line.lstrip().startswith(b"#") and any(c in b";@|!#" for c in line[: site["col"] - 1])


def test_only_directories_comments_strings_plain_text_and_namesakes_are_inert(case: Case) -> None:
    wrong = []
    for path, found in case.words.items():
        for word, site in zip(found, case.sites[path], strict=True):
            if site["status"] == "inert" and word.text == "code" and not NO_KERNEL_CODE.match(path):
                line = case.line(site).lstrip()
                if word.name in WITH_ARGUMENTS and not word.called:
                    continue
                if path.endswith(".S") and behind_a_comment_character(case, site):
                    continue
                if not line.startswith((b"#error", b"#include", b"#pragma")):
                    wrong.append((path, word, line))
    assert wrong == []


def test_directories_without_kernel_code_are_inert(case: Case) -> None:
    statuses = {
        s["status"]
        for path, found in case.sites.items()
        if NO_KERNEL_CODE.match(path) and not SHARED.search(path)
        for s in found
    }
    assert statuses == {"inert"}


def test_code_of_headers_that_user_space_reads_too_asks_what_the_kernel_means(kernel_report: dict[str, Any]) -> None:
    by_place = {(s["path"], s["line"]): s for s in kernel_report["sites"] if SHARED.search(s["path"])}
    assert {s["status"] for s in by_place.values()} == {"inert", "logic"}
    (longest,) = (s for (path, _), s in by_place.items() if path == "include/uapi/linux/binfmts.h")
    assert (longest["status"], longest["unit"]) == ("logic", None)
    assert "which size does kernel code mean that uses it?" in longest["missing"]


def test_a_definition_stands_on_a_preprocessor_line(case: Case) -> None:
    definitions = [s for found in case.sites.values() for s in found if s["status"] == "definition"]
    assert len(definitions) > 5
    assert [s for s in definitions if not case.line(s).lstrip().startswith(b"#")] == []


def test_every_use_that_is_open_says_what_is_missing(case: Case) -> None:
    for site in case.report["sites"]:
        assert (site["missing"] is None) == (site["status"] not in ("review", "logic")), site


def test_every_decision_has_a_replacement_and_a_reason(case: Case) -> None:
    for site in case.report["sites"]:
        if site["status"] == "decided":
            assert site["unit"] in ("pte", "pg")
            assert site["replacement"]
            assert site["evidence"]
