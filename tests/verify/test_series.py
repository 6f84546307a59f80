"""Levels units and arithmetic on a series: what its patches make of the tree is proved, not what pgconv would make."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from converter import data
from converter.examine import Analysis, examine
from converter.scan import scan
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.verify import arithmetic, units
from converter.verify.renames import as_written, rewritten
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item
from converter.vocabulary import scheme
from tests.verify.conftest import conversion

CHOSEN = scheme("pte-pg")
FILE = "mm/address.c"


@cache
def analysed() -> Analysis:
    with open_cache() as cache:
        return examine(open_tree(str(data.path("fixtures/verify"))), cache, CHOSEN.scheme)


@cache
def made() -> Mapping[str, bytes]:
    """The files as the conversion leaves them."""
    return conversion(open_tree(str(data.path("fixtures/verify"))))


def judged(files: Mapping[str, bytes], level: str) -> list[Item]:
    """What a level says of a series that leaves these files, and of the uses that it rewrites."""
    own = analysed()
    with open_cache() as cache:
        report = scan(own.tree, cache)
    series = rewritten(own.tree, files)
    told, lost = as_written(report, own.tree, series, CHOSEN)
    run = arithmetic.run if level == "arithmetic" else units.run
    return [*run(own, told, CHOSEN, (), 1, series=series).items, *lost]


def changed(old: str, new: str) -> Mapping[str, bytes]:
    """The series with one place of mm/address.c written otherwise."""
    assert made()[FILE].count(old.encode()) == 1, f"{old} is not in the converted fixture once"
    return {**made(), FILE: made()[FILE].replace(old.encode(), new.encode())}


def failures(files: Mapping[str, bytes], level: str) -> list[tuple[str, str]]:
    return [(i.what, i.why) for i in judged(files, level) if i.outcome == FAILED]


@pytest.mark.parametrize("level", ["units", "arithmetic"])
def test_the_series_of_the_conversion_passes_with_as_many_uses(level: str) -> None:
    own = analysed()
    with open_cache() as cache:
        report = scan(own.tree, cache)
    run = arithmetic.run if level == "arithmetic" else units.run
    assert judged(made(), level) == list(run(own, report, CHOSEN, (), 1).items)


OFFSET = "return vma->vm_pgoff + (delta >> PTE_SHIFT);"


def test_a_name_of_the_other_unit_is_caught_by_units() -> None:
    wrong = changed(OFFSET, OFFSET.replace("PTE_SHIFT", "PG_SHIFT"))
    assert [what for what, _ in failures(wrong, "units")] == ["PAGE_SHIFT -> PG_SHIFT"]


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("return vma->vm_pgoff + (delta >> PG_SHIFT);", "differs from a kernel whose PAGE_SIZE is PTE_SIZE"),
        ("return vma->vm_pgoff - (delta >> PTE_SHIFT);", "differs where PTE_SIZE is PG_SIZE"),
        ("return vma->vm_pgoff + (delta << PTE_SHIFT);", "differs where PTE_SIZE is PG_SIZE"),
        ("return vma->vm_pgoff + (addr >> PTE_SHIFT);", "reads other inputs than the original"),
    ],
)
def test_one_token_that_is_wrong_is_caught_by_arithmetic(new: str, why: str) -> None:
    assert [w for _, w in failures(changed(OFFSET, new), "arithmetic")] == [why]


def test_a_wrong_token_in_the_value_of_a_local_is_caught_by_arithmetic() -> None:
    wrong = changed("delta = addr - vma->vm_start;", "delta = addr + vma->vm_start;")
    assert failures(wrong, "arithmetic") == [("PAGE_SHIFT -> PTE_SHIFT", "differs where PTE_SIZE is PG_SIZE")]


def test_lines_that_come_and_go_elsewhere_change_nothing() -> None:
    more = changed(OFFSET, "/* what one PTE maps */\n\n\t" + OFFSET)
    for level in ("units", "arithmetic"):
        items = judged(more, level)
        assert len(items) == len(judged(made(), level))
        assert {i.outcome for i in items} == {PASSED}


def test_a_use_whose_line_is_rewritten_is_not_covered_and_said_to_be() -> None:
    items = judged(changed(OFFSET, "return linear_pte_offset(vma, delta);"), "arithmetic")
    assert [(i.line, i.why) for i in items if i.outcome != PASSED] == [(20, "the series rewrites the expression")]
    assert {i.outcome for i in items} == {PASSED, NOT_COVERED}


def test_a_cast_that_loses_bits_with_32_bit_words_alone_is_a_failure_of_arithmetic() -> None:
    """An address of 64 bits, as with PAE, made of a pfn that has 32."""
    files = changed("(phys_addr_t)pfn << PTE_SHIFT", "(pgoff_t)pfn << PTE_SHIFT")
    (item,) = [i for i in judged(files, "arithmetic") if i.outcome == FAILED]
    assert (item.what, item.why) == ("PAGE_SHIFT -> PTE_SHIFT", "differs where PTE_SIZE is PG_SIZE")
    assert item.detail.splitlines()[-1].startswith("32-bit words, PTE_SIZE 4K, PG_SIZE 4K: pfn = 0x")
