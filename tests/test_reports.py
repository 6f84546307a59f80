"""Every format says the same about the same sites, in bytes that depend on nothing else."""

from __future__ import annotations

import io
import json
import re
import time
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from converter import report as reports
from converter.classify.record import STATUSES, Evidence, Report, Site, summarise
from converter.report import table as table_of
from converter.report import text
from converter.scan import scan
from converter.tree import open_tree
from converter.tree.cache import open_cache
from tests.conftest import ROOT

DECIDED = Site(
    path="mm/mremap.c",
    line=190,
    col=54,
    macro="PAGE_SIZE",
    function="move_ptes",
    status="decided",
    unit="pte",
    replacement="PTE_SIZE",
    role="page-table-step",
    policy=False,
    confidence=0.99,
    rule="step.beside-pte",
    evidence=(Evidence("mm/mremap.c", 188, "old_pte steps here"),),
    kind="size",
    operation="step",
    expression="old_addr += PAGE_SIZE",
    operands=("old_addr",),
)
LOGIC = replace(
    DECIDED,
    path="fs/exec.c",
    line=12,
    col=3,
    macro="PAGE_MASK",
    status="logic",
    unit=None,
    replacement=None,
    role=None,
    missing="the offset of the PTE inside the page is lost",
    against=(Evidence("fs/exec.c", 9, "page holds PG_SIZE bytes"),),
)
COMMENT = replace(DECIDED, path="fs/a.c", line=1, status="inert", unit=None, replacement=None, role=None, evidence=())
DERIVED = replace(DECIDED, path="mm/mmap.c", macro="vm_pgoff", replacement="vm_pteoff", derived=True)


def make(*sites: Site, **changes: Any) -> Report:
    ordered = tuple(sorted(sites, key=Site.order))
    plain = Report(
        tool={"name": "pgconv", "version": "0.1.0", "rules": "0123456789ab"},
        tree={"name": "linux", "kernel": "6.12", "revision": None, "files": 9},
        scheme="pte-pg",
        sites=ordered,
        summary=summarise(ordered),
    )
    return replace(plain, **changes)


REPORT = make(DECIDED, LOGIC, COMMENT, DERIVED, warnings=("mm/big.h: 200 MB, not read",))

words = st.text(max_size=12)
names = (  # any bytes but NUL and "/", as a file system has them
    st.binary(min_size=1, max_size=6)
    .filter(lambda name: not set(name) & {0, ord("/")} and name not in (b".", b".."))
    .map(lambda name: name.decode(errors="surrogateescape"))
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)  # as a tree has them: relative, in normal form
sites = st.builds(
    replace,
    st.just(DECIDED),
    path=paths,
    line=st.integers(1, 10**6),
    col=st.integers(1, 10**4),
    status=st.sampled_from(STATUSES),
    unit=st.sampled_from(["pte", "pg", None]),
    function=st.none() | words,
    expression=words,
    rule=st.none() | words,
    derived=st.booleans(),
)


@given(st.lists(sites, max_size=8))
def test_every_format_takes_any_site_and_gives_the_same_bytes_twice(some: list[Site]) -> None:
    for name in reports.FORMATS:
        assert reports.render(make(*some), name) == reports.render(make(*some), name)


def test_json_has_the_fields_of_the_schema() -> None:
    document = json.loads(reports.render(REPORT, "json"))
    assert document["schema"] == "pgconv.scan/1"
    assert document["scheme"] == "pte-pg"
    assert document["summary"]["status"] == {"decided": 1, "inert": 1, "logic": 1}
    assert document["warnings"] == ["mm/big.h: 200 MB, not read"]
    site = document["sites"][2]
    expected = {"path": "mm/mmap.c", "line": 190, "col": 54, "macro": "vm_pgoff", "unit": "pte", "derived": True}
    assert expected.items() <= site.items()
    assert site["evidence"] == [{"path": "mm/mremap.c", "line": 188, "why": "old_pte steps here"}]


def test_json_of_no_sites_is_still_a_document() -> None:
    assert json.loads(reports.render(make(), "json"))["sites"] == []


def test_jsonl_is_the_sites_of_json_one_a_line() -> None:
    lines = reports.render(REPORT, "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == json.loads(reports.render(REPORT, "json"))["sites"]


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_a_file_name_that_is_not_utf8_survives_json(name: str) -> None:
    path = b"fs/caf\xe9.c".decode(errors="surrogateescape")
    document = reports.render(make(replace(DECIDED, path=path)), name).decode("utf-8", errors="strict")
    site = json.loads(document) if name == "jsonl" else json.loads(document)["sites"][0]
    assert site["path"] == path


def test_forty_thousand_sites_as_json_take_less_than_half_a_second() -> None:
    many = make(*(replace(DECIDED, line=line) for line in range(1, 40_001)))
    started = time.process_time()
    reports.render(many, "json")
    assert time.process_time() - started < 0.5


def test_gcc_lines_are_what_editors_parse() -> None:
    lines = reports.render(REPORT, "gcc").decode().splitlines()
    assert lines[3] == (
        "mm/mremap.c:190:54: note: PAGE_SIZE -> PTE_SIZE: decided (page-table-step, 0.99) [step.beside-pte]"
    )
    assert all(re.match(r"[^:]+:\d+:\d+: note: ", line) for line in lines)


def test_a_guess_is_marked_and_where_a_rename_is_not_enough_none_is_shown() -> None:
    guess = replace(DECIDED, status="review")
    mixed = replace(LOGIC, replacement="PG_MASK", unit="pg")
    assert b" PAGE_SIZE -> PTE_SIZE?: review" in reports.render(make(guess), "gcc")
    assert b"PG_MASK" not in reports.render(make(mixed), "gcc")


def test_a_newline_in_a_file_name_does_not_make_two_lines() -> None:
    assert reports.render(make(replace(DECIDED, path="fs/a\nb.c")), "gcc").startswith(b"fs/a\\x0ab.c:190:")


def test_a_terminal_control_in_a_file_name_is_shown_not_obeyed() -> None:
    for name in ("text", "gcc"):
        assert b"\x1b" not in reports.render(make(replace(LOGIC, path="fs/\x1b[31mred/x.c"), DECIDED), name)


@pytest.fixture(scope="module")
def sarif() -> jsonschema.Draft7Validator:
    """The schema as OASIS publishes it."""
    schema = json.loads((ROOT / "tests/data/sarif-schema-2.1.0.json").read_bytes())
    return jsonschema.Draft7Validator(schema)


def test_sarif_validates_against_the_published_schema(sarif: jsonschema.Draft7Validator) -> None:
    weird = (replace(LOGIC, path=b"a:b \xe9%<>.c".decode(errors="surrogateescape")), replace(DECIDED, function=None))
    for report in (REPORT, make(), make(*weird)):
        problems = [error.message for error in sarif.iter_errors(json.loads(reports.render(report, "sarif")))]
        assert problems == []


def test_sarif_of_a_scan_validates(sarif: jsonschema.Draft7Validator) -> None:
    """Of the bundled tree, in which chains of one use share steps."""
    with open_cache(False) as cache:
        report = scan(open_tree(ROOT / "fixtures/tree"), cache, jobs=1)
    assert any(set(s.evidence) & {e for e in s.against if e.line} for s in report.sites)
    assert [e.message for e in sarif.iter_errors(json.loads(reports.render(report, "sarif")))] == []


def test_the_schema_would_see_a_broken_log(sarif: jsonschema.Draft7Validator) -> None:
    log = json.loads(reports.render(REPORT, "sarif"))
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert not sarif.is_valid(log)


def test_sarif_carries_the_rename_as_a_fix_and_the_evidence_as_related_places() -> None:
    results = json.loads(reports.render(REPORT, "sarif"))["runs"][0]["results"]
    decided, logic = results[3], results[1]
    change = decided["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert change["deletedRegion"] == {"startLine": 190, "startColumn": 54, "endColumn": 63}
    assert change["insertedContent"]["text"] == "PTE_SIZE"
    assert logic["level"] == "warning"
    assert "fixes" not in logic
    assert [place["physicalLocation"]["region"]["startLine"] for place in logic["relatedLocations"]] == [188, 9]


def table(report: Report) -> dict[str, list[int]]:
    """The text report's rows, read back."""
    rows = re.findall(r"^(\S+)((?:\s+[\d,]+){8})$", reports.render(report, "text").decode(), re.MULTILINE)
    return {label: [int(cell.replace(",", "")) for cell in cells.split()] for label, cells in rows}


def test_the_table_counts_by_directory_and_status_and_leaves_derived_names_out() -> None:
    assert table(REPORT) == {
        "fs/": [2, 0, 0, 0, 0, 1, 0, 1],
        "mm/": [1, 1, 1, 0, 0, 0, 0, 0],
        "total": [3, 1, 1, 0, 0, 1, 0, 1],
    }


def test_the_rows_lie_below_the_directory_that_holds_all_sites() -> None:
    below = [replace(DECIDED, path=path) for path in ("fs/ext4/inode.c", "fs/xfs/libxfs/xfs_ag.c", "fs/exec.c")]
    assert list(table(make(*below))) == ["fs/", "fs/ext4/", "fs/xfs/", "total"]
    assert list(table(make(*below[:1], replace(DECIDED, path="fs/ext4/super.c")))) == [
        "fs/ext4/inode.c",
        "fs/ext4/super.c",
        "total",
    ]


@given(st.lists(sites.filter(lambda site: not site.derived), max_size=20))
def test_the_rows_add_up_to_the_totals(some: list[Site]) -> None:
    rows, total = table_of.rows(some)
    assert [sum(column) for column in zip(*(row.counts for row in rows), strict=True)] == (
        list(total.counts) if some else []
    )
    assert total.counts[0] == len(some)


def test_text_fits_in_80_columns() -> None:
    deep = replace(DECIDED, path="drivers/net/ethernet/mellanox/mlx5/core/" + "deep/" * 20 + "x.c")
    lines = reports.render(make(deep, LOGIC), "text").decode().splitlines()
    assert max(map(len, lines)) <= 80


def test_text_says_how_to_look_closer_at_what_is_open() -> None:
    assert b"pgconv scan TREE fs/exec.c --status logic --format gcc" in reports.render(REPORT, "text")
    assert b"look closer" not in reports.render(make(DECIDED), "text")


def test_text_names_the_first_warnings_and_counts_the_rest() -> None:
    lines = reports.render(make(DECIDED, warnings=tuple(f"f{n}.c: odd" for n in range(25))), "text").decode()
    assert "warnings: 25" in lines
    assert "f9.c: odd\n  and 15 more" in lines


def test_a_terminal_gets_the_same_words_in_colour() -> None:
    screen = io.StringIO()
    text.show(REPORT, Console(file=screen, force_terminal=True, color_system="standard", width=80))
    assert "\x1b[" in screen.getvalue()
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue())
    assert [line.rstrip() for line in plain.splitlines()] == reports.render(REPORT, "text").decode().splitlines()
