"""The unit checker: classic mistakes are found where they stand, and the corrected code is not complained of."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter import data
from converter.check.check import check
from converter.classify.record import Report
from converter.vocabulary import scheme
from tests.units.conftest import analysis_of

MISTAKES = sorted(p for p in data.path("fixtures/check").glob("*.c") if not p.name.endswith(".ok.c"))


def checked(code: str) -> Report:
    return check(analysis_of({"mm/x.c": code}), scheme("pte-pg"))


def test_there_are_enough_mistakes_to_learn_from() -> None:
    assert len(MISTAKES) >= 25


@pytest.mark.parametrize("path", MISTAKES, ids=lambda p: p.stem)
def test_the_mistake_is_found(path: Path) -> None:
    code = path.read_text()
    marked = {n for n, line in enumerate(code.splitlines(), 1) if "/* BAD" in line}
    assert marked
    assert marked <= {s.line for s in checked(code).sites}


@pytest.mark.parametrize("path", MISTAKES, ids=lambda p: p.stem)
def test_the_corrected_code_is_clean(path: Path) -> None:
    assert checked(path.with_suffix(".ok.c").read_text()).sites == ()


def test_a_mismatch_names_the_right_name_and_its_chain() -> None:
    (finding,) = checked("unsigned long f(struct page *p) { return page_to_pfn(p) << PG_SHIFT; }").sites
    assert (finding.macro, finding.unit, finding.replacement) == ("PG_SHIFT", "pte", "PTE_SHIFT")
    assert "page_to_pfn" in finding.evidence[-1].why
    assert "PG_SHIFT says PG" in finding.against[0].why


def test_a_conversion_changes_the_unit() -> None:
    assert checked("int f(struct folio *x, struct vm_area_struct *v) { return folio_nr_pages(x) > vma_ptes(v); }").sites
    code = "int f(struct folio *x, struct vm_area_struct *v) { return PAGES_TO_PTES(folio_nr_pages(x)) > vma_ptes(v); }"
    assert checked(code).sites == ()


HEADER = """#define PTE_SHIFT 12
#define PTE_SIZE (__X_UL(1) << PTE_SHIFT)
#define PG_SHIFT CONFIG_PG_SHIFT
#define {} (__X_UL(1) << PG_SHIFT)
"""


@pytest.mark.parametrize("name", ["PG_SIZE", "PG_PHYS(x)", "PFN_ALIGN(x)", "PAGES_TO_PTES(x)"])
def test_what_a_name_is_defined_as_is_not_judged(name: str) -> None:
    """Macros are one for all architectures: by PTE_SIZE, __X_UL() is a count of PTEs."""
    files = {"arch/x86/include/asm/page.h": HEADER.format(name)}
    assert check(analysis_of(files), scheme("pte-pg")).sites == ()


def test_a_macro_that_is_not_the_schemes_is_judged() -> None:
    files = {"arch/x86/include/asm/page.h": HEADER.format("BOX_SIZE")}
    assert [s.line for s in check(analysis_of(files), scheme("pte-pg")).sites] == [4]


def test_a_function_that_the_scheme_renames_is_judged() -> None:
    wrong = "static inline unsigned long vma_ptes(struct vm_area_struct *v) { return (v->vm_end - v->vm_start) >> %s; }"
    assert checked(wrong % "PTE_SHIFT").sites == ()
    assert [s.replacement for s in checked(wrong % "PG_SHIFT").sites] == ["PTE_SHIFT"]
