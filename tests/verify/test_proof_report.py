"""What the levels found, in each format."""

from __future__ import annotations

import json

from junitparser import Failure, JUnitXml, Skipped

from converter.report import proof
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result

BAD = Item("mm/b\x1b.c", 0, FAILED, "mm/b.o", "differs: f()", "-old\n+new \x00")
RESULT = Result(
    "objects",
    (Item("mm/a.c", 0, PASSED, "mm/a.o"), BAD, Item("mm/c.c", 7, NOT_COVERED, "mm/c.o", "not built here")),
    (("objects compared", 2.0),),
    ("a note",),
)
GOOD = Result("units", (Item("mm/a.c", 3, PASSED, "PAGE_SIZE"),))
ASSUMED = Result(
    "arithmetic",
    (
        Item("mm/a.c", 3, PASSED, "PAGE_SIZE", assumed=(("f(x)", "a call"), ("g(x)", "a call"))),
        Item("mm/a.c", 4, PASSED, "PAGE_SIZE", assumed=(("h(x)", "a call"), ("p->x", "a field"))),
    ),
)


def test_text_says_what_failed_and_why_the_rest_is_not_covered() -> None:
    text = proof.text([GOOD, RESULT]).decode()
    assert "objects: 1 passed, 1 failed, 1 not covered\n  objects compared: 2\n" in text
    assert "  FAILED mm/b\\x1b.c: mm/b.o: differs: f()\n    -old\n    +new \\x00\n" in text
    assert "  not covered: 1 not built here\n  a note\n" in text
    assert text.endswith("FAILED: objects\n")


def test_text_says_that_nothing_was_covered() -> None:
    nothing = Result("split", (Item("mm/c.c", 0, NOT_COVERED, "mm/c.o", "not built here"),))
    assert proof.text([nothing]).decode().endswith("nothing failed, and nothing was covered: split\n")


def test_all_passed_is_the_last_line() -> None:
    assert proof.text([GOOD]).decode().endswith("passed: units\n")


def test_json_has_every_item() -> None:
    made = json.loads(proof.json([RESULT]))
    assert made["schema"] == "pgconv.verify/1"
    level = made["levels"][0]
    assert level["counts"] == {"passed": 1, "failed": 1, "not covered": 1}
    assert [i["outcome"] for i in level["items"]] == [PASSED, FAILED, NOT_COVERED]


def test_junit_has_a_suite_a_level_and_a_case_an_item() -> None:
    xml = JUnitXml.fromstring(proof.junit([RESULT, GOOD]).decode())
    suites = list(xml)
    assert [s.name for s in suites] == ["objects", "units"]
    assert (suites[0].tests, suites[0].failures, suites[0].skipped) == (3, 1, 1)
    results = [type(r) for case in suites[0] for r in case.result]
    assert results == [Failure, Skipped]


def test_what_was_assumed_is_counted_by_reason_and_told_of_each_use() -> None:
    assert "  assumed: 2 a call\n  assumed: 1 a field\n" in proof.text([ASSUMED]).decode()
    made = json.loads(proof.json([ASSUMED]))["levels"][0]
    assert made["assumed"] == {"a call": 2, "a field": 1}
    assert made["items"][1]["assumed"] == [["h(x)", "a call"], ["p->x", "a field"]]
    case = next(iter(next(iter(JUnitXml.fromstring(proof.junit([ASSUMED]).decode())))))
    assert case.system_out == "assumed: f(x): a call\nassumed: g(x): a call"
