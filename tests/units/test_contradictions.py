"""Two counts that one function makes equal, of different units: a rename is not enough, whichever unit is nearer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from converter.classify.record import Site

Sites = Callable[..., list[Site]]

FLUSH = """
void flush(struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio);
	unsigned int i, nr = folio_nr_pages(folio);

	for (i = 0; i < nr; i++)
		flush_one((pfn + i) * PAGE_SIZE);
}
"""


def test_a_pfn_that_counts_up_by_struct_pages_is_logic_with_both_chains(sites: Sites) -> None:
    (site,) = (s for s in sites(FLUSH) if s.macro == "PAGE_SIZE")
    assert site.status == "logic"
    assert "folio_pfn" in site.evidence[-1].why
    assert "folio_nr_pages" in site.against[-1].why


def test_it_is_said_which_quantity_both_units_reach(sites: Sites) -> None:
    (site,) = (s for s in sites(FLUSH) if s.macro == "PAGE_SIZE")
    assert site.missing == "pfn is used in both units here: which is meant?"


def test_a_count_that_is_only_compared_with_the_other_stays_decided(sites: Sites) -> None:
    code = """
void skip(struct folio *folio, pte_t *pte, unsigned long addr, int max)
{
	int nr = pte_pfn(*pte) - folio_pfn(folio);

	if (nr < folio_nr_pages(folio))
		zap(addr + nr * PAGE_SIZE);
}
"""
    (site,) = (s for s in sites(code) if s.macro == "PAGE_SIZE")
    assert (site.status, site.unit) == ("decided", "pte")


def test_what_meets_in_a_caller_leaves_the_helper_decided(sites: Sites) -> None:
    code = """
static unsigned long bytes(struct vm_area_struct *vma, unsigned long nr)
{
	return (nr + vma->vm_pgoff) << PAGE_SHIFT;
}
unsigned long f(struct vm_area_struct *vma, struct folio *folio)
{
	return bytes(vma, folio_nr_pages(folio)) & PAGE_MASK;
}
"""
    (site,) = (s for s in sites(code) if s.macro == "PAGE_SHIFT")
    assert (site.status, site.unit) == ("decided", "pte")


@pytest.mark.parametrize(
    ("flush", "status"),
    [("nr", "logic"), ("pages", "decided")],
    ids=["of struct pages", "of PTEs"],
)
def test_a_role_rule_gives_way_to_a_count_of_the_other_unit(sites: Sites, flush: str, status: str) -> None:
    code = f"""
void f(struct vm_area_struct *vma, struct folio *folio, unsigned long start)
{{
	unsigned long nr = folio_nr_pages(folio), pages = vma_pages(vma);

	flush_cache_range(vma, start, start + {flush} * PAGE_SIZE);
}}
"""
    (site,) = (s for s in sites(code) if s.macro == "PAGE_SIZE")
    assert site.status == status


def test_a_role_rule_gives_way_to_the_address_of_a_struct_page(sites: Sites) -> None:
    code = """
void f(struct page *page)
{
	unsigned long addr = (unsigned long)page_address(page);

	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
}
"""
    (site,) = sites(code)
    assert site.status == "logic"
    assert site.against


MERGE = """
dma_addr_t merge(struct page **pages, size_t size)
{
	unsigned long i, next = %s, count = PAGE_ALIGN(size) >> PAGE_SHIFT;

	for (i = 0; i < count; i++, next++)
		if (page_to_phys(pages[i]) != phys(next))
			break;
	return 0;
}
"""


def test_a_pfn_that_steps_with_an_index_of_struct_pages_is_logic(sites: Sites) -> None:
    merged = sites(MERGE % "page_to_pfn(pages[0])")
    assert [(s.macro, s.status) for s in merged] == [("PAGE_ALIGN", "logic"), ("PAGE_SHIFT", "logic")]
    assert all("page_to_pfn" in s.evidence[-1].why and "indexed in struct pages" in s.against[-1].why for s in merged)


def test_another_number_may_step_with_an_index_of_struct_pages(sites: Sites) -> None:
    assert {s.unit for s in sites(MERGE % "0")} == {"pg"}
    assert "logic" not in {s.status for s in sites(MERGE % "0")}
