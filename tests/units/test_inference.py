"""Units travel from what the kernel's API says to the uses, along what the code does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from converter.classify.record import Site
from tests.units.conftest import report_of

Units = Callable[..., list[str | None]]
Sites = Callable[..., list[Site]]


def test_a_count_of_ptes_becomes_bytes_by_the_pte(units: Units) -> None:
    code = "unsigned long f(struct vm_area_struct *v) { return v->vm_pgoff << PAGE_SHIFT; }"
    assert units(code) == ["pte"]


def test_a_page_cache_index_becomes_bytes_by_the_pg(units: Units) -> None:
    assert units("loff_t f(struct folio *folio) { return folio->index << PAGE_SHIFT; }") == ["pg"]


def test_a_unit_goes_through_locals_and_arithmetic(units: Units) -> None:
    code = """
unsigned long f(struct vm_area_struct *v, unsigned long more)
{
	unsigned long off = v->vm_pgoff;
	unsigned long sum = off + 3;

	if (more < sum)
		sum = more;
	return sum << PAGE_SHIFT;
}
"""
    assert units(code) == ["pte"]


@pytest.mark.parametrize(
    "idiom",
    [
        "PAGE_ALIGN(len) >> PAGE_SHIFT",
        "(len & PAGE_MASK) >> PAGE_SHIFT",
        "(len + PAGE_SIZE - 1) / PAGE_SIZE",
        "(PAGE_SIZE - 1 + len) >> PAGE_SHIFT",
        "((len + (PAGE_SIZE - 1)) & PAGE_MASK) >> PAGE_SHIFT",
    ],
)
def test_what_is_rounded_and_then_counted_is_one_idiom(sites: Sites, idiom: str) -> None:
    code = "void f(unsigned long len, struct vm_area_struct *v) { v->vm_pgoff = %s; }"
    found = sites(code % idiom)[:-1]  # the last is vm_pgoff
    assert len(found) > 1
    assert {(s.unit, s.rule) for s in found} == {("pte", "units:pte:near:alone")}


def test_the_bound_of_a_choice_is_the_one_that_was_tested(sites: Sites) -> None:
    code = "void f(struct folio *o, size_t n) { o->index = (n > PAGE_SIZE ? PAGE_SIZE : n) >> PAGE_SHIFT; }"
    tested, chosen, _ = sites(code)
    assert chosen.evidence[0].why == "PAGE_SIZE is one idiom with PAGE_SIZE"
    assert tested.rule == chosen.rule


def test_a_rewrite_is_one_of_the_whole_idiom(sites: Sites) -> None:
    code = """
ssize_t f(struct iov_iter *i, struct page **p, size_t n)
{
	size_t off;
	ssize_t ret = iov_iter_get_pages2(i, p, n, 16, &off);

	return (ret + off + PAGE_SIZE - 1) >> PAGE_SHIFT;
}
"""
    assert [s.status for s in sites(code)] == ["logic", "logic"]


def test_a_unit_goes_into_a_static_function(units: Units) -> None:
    code = """
static unsigned long bytes(unsigned long n)
{
	return n << PAGE_SHIFT;
}
unsigned long f(struct vm_area_struct *v)
{
	return bytes(v->vm_pgoff);
}
unsigned long g(unsigned long x)
{
	return x & ~PAGE_MASK;
}
"""
    # Only functions that hold a use are walked: f() does, through vm_pgoff.
    assert units(code)[0] == "pte"


def test_a_unit_goes_across_files() -> None:
    files = {
        "mm/a.c": "unsigned long to_bytes(unsigned long n)\n{\n\treturn n << PAGE_SHIFT;\n}\n",
        "mm/b.c": "unsigned long f(struct vm_area_struct *v)\n{\n\treturn to_bytes(v->vm_pgoff);\n}\n",
    }
    report = report_of(files)
    site = next(s for s in report.sites if s.path == "mm/a.c")
    assert (site.unit, site.evidence[-1].path) == ("pte", "include/linux/mm_types.h")
    assert any(e.path == "mm/b.c" for e in site.evidence)


def test_private_functions_of_two_files_are_two_functions() -> None:
    files = {
        "mm/a.c": "static unsigned long conv(unsigned long n)\n{\n\treturn n << PAGE_SHIFT;\n}\n",
        "mm/b.c": (
            "static unsigned long conv(unsigned long n)\n{\n\treturn n << PAGE_SHIFT;\n}\n"
            "unsigned long f(struct vm_area_struct *v)\n{\n\treturn conv(v->vm_pgoff);\n}\n"
        ),
    }
    found = {s.path: s.unit for s in report_of(files).sites if not s.derived}
    assert found == {"mm/a.c": None, "mm/b.c": "pte"}


def test_a_field_is_resolved_through_the_declared_struct(units: Units) -> None:
    code = """
struct holder {
	struct vm_area_struct *area;
};
unsigned long f(struct holder *h)
{
	return h->area->vm_pgoff << PAGE_SHIFT;
}
"""
    assert units(code) == ["pte"]


def test_a_field_of_another_struct_with_that_name_is_not_meant(units: Units) -> None:
    code = "struct other { int vm_start; };\nint f(struct other *o, int n)\n{\n\treturn o->vm_start >> PAGE_SHIFT;\n}\n"
    assert units(code) == [None]


def test_a_function_pointer_of_an_ops_struct_gives_its_parameters(units: Units) -> None:
    code = """
static int my_access(struct vm_area_struct *v, unsigned long where, void *buf, int len, int write)
{
	return fill(buf, where & PAGE_MASK);
}
static const struct vm_operations_struct my_ops = {
	.access = my_access,
};
"""
    assert units(code) == ["pte"]


def test_what_is_stepped_beside_it_decides_a_step(units: Units) -> None:
    code = "void f(pte_t *p, unsigned long a, unsigned long e) { for (; a < e; p++, a += PAGE_SIZE) g(p); }"
    assert units(code) == ["pte"]


def test_the_rest_of_a_page_has_the_unit_of_its_offset(units: Units) -> None:
    code = """
void f(struct page *page, unsigned long x, char *from)
{
	unsigned long n = PAGE_SIZE - offset_in_page(x);

	memcpy_to_page(page, offset_in_page(x), from, n);
}
"""
    assert units(code) == ["pg", "pg", "pg"]


def test_a_pfn_counts_what_the_scheme_says(units: Units) -> None:
    code = "unsigned long f(struct page *p) { return page_to_pfn(p) << PAGE_SHIFT; }"
    assert units(code) == ["pte"]
    assert units(code, scheme_name="mmupage") == ["pg"]


def test_a_macro_body_is_a_use_and_passes_units(units: Units) -> None:
    code = "#define FIRST(v) ((v)->vm_pgoff << PAGE_SHIFT)\n"
    assert units(code) == ["pte"]


def test_a_variable_that_is_shifted_in_place_changes_its_unit(units: Units) -> None:
    code = """
void f(struct vm_area_struct *v, unsigned long n)
{
	n <<= PAGE_SHIFT;
	v->vm_end = v->vm_start + n;
}
"""
    assert units(code) == ["pte"]


@pytest.mark.parametrize("key", ["mm->locked_vm", "rlimit(RLIMIT_MEMLOCK)"])
def test_a_free_choice_is_reported_as_policy(sites: Sites, key: str) -> None:
    (site,) = [
        s for s in sites(f"unsigned long f(struct mm_struct *mm) {{ return {key} << PAGE_SHIFT; }}") if not s.derived
    ]
    assert site.policy
    assert site.policy_key == "vm-accounting"


def test_both_units_at_one_quantity_are_logic_with_both_chains(sites: Sites) -> None:
    code = """
unsigned long f(struct folio *folio, struct vm_area_struct *vma)
{
	return vma->vm_start + ((folio->index - vma->vm_pgoff) << PAGE_SHIFT);
}
"""
    (site,) = [s for s in sites(code) if not s.derived]
    assert site.status == "logic"
    assert site.evidence
    assert site.against


def test_no_evidence_is_said_to_be_none(sites: Sites) -> None:
    (site,) = sites("int f(int a) { return opaque(a) >> PAGE_SHIFT; }")
    assert (site.status, site.unit) == ("review", None)
    assert site.missing is not None
    assert "opaque(a)" in site.missing


def test_names_of_the_scheme_are_believed_only_where_the_tree_defines_them() -> None:
    body = "unsigned long f(unsigned long n)\n{\n\treturn g(n << PTE_SHIFT) + (n << PAGE_SHIFT);\n}\n"
    unconverted = report_of({"mm/x.c": body})
    speaking = report_of({"include/page.h": "#define PG_SIZE 4096\n", "mm/x.c": body})
    assert [s.unit for s in unconverted.sites] == [None]
    assert [s.unit for s in speaking.sites if s.path == "mm/x.c"] == ["pte"]


def test_a_variable_called_like_a_macro_with_arguments_is_not_the_macro(sites: Sites) -> None:
    found = sites(
        """
void fill(struct page *page, unsigned int offset_in_page)
{
	char *p = kmap_local_page(page);

	p[offset_in_page] = offset_in_page (offset_in_page);
}
"""
    )
    assert [s.status for s in found] == ["inert", "inert", "decided", "inert"]


def test_two_that_ask_for_the_levels_of_page_tables_say_nothing_of_each_other(units: Units) -> None:
    code = """
void f(struct vm_area_struct *v) { v->vm_pgoff += LEVELS; }
unsigned long g(void) { return LEVELS * PAGE_SIZE; }
"""
    assert units(code.replace("LEVELS", "CONFIG_SOME_PAGES")) == ["pte"]
    assert units(code.replace("LEVELS", "CONFIG_PGTABLE_LEVELS")) == [None]
