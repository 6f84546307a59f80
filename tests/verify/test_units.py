"""Level units: the converted uses type-check, and one that is turned does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from converter import data
from converter.examine import examine
from converter.scan import scan
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.verify import units
from converter.verify.result import FAILED, NOT_COVERED, PASSED
from converter.vocabulary import scheme


def test_the_converted_tree_has_no_unit_error_and_a_turned_use_is_one() -> None:
    chosen = scheme("pte-pg")
    tree = open_tree(str(data.path("fixtures/verify")))
    with open_cache() as cache:
        analysis, report = examine(tree, cache, "pte-pg"), scan(tree, cache)
    assert {i.outcome for i in units.run(analysis, report, chosen, (), 1).items} == {PASSED}
    use = next(s for s in report.sites if s.role == "vma-offset")
    wrong = replace(use, unit="pg", replacement="PG_SHIFT")
    turned = replace(report, sites=tuple(wrong if s is use else s for s in report.sites))
    failed = [i for i in units.run(analysis, turned, chosen, (), 1).items if i.outcome == FAILED]
    assert [(i.path, i.line) for i in failed] == [(use.path, use.line)]
    assert "PG_SHIFT says PG" in failed[0].detail


def test_assembler_has_no_quantities_that_could_contradict(demo_tree: Path) -> None:
    tree = open_tree(str(demo_tree))
    with open_cache() as cache:
        analysis, report = examine(tree, cache, "pte-pg"), scan(tree, cache)
    items = units.run(analysis, report, scheme("pte-pg"), ("arch/x86/kernel/head_64.S",), 1).items
    assert {i.outcome for i in items} == {NOT_COVERED}
