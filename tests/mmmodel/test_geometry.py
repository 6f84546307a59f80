"""Everything follows from PTE_SHIFT, PG_SHIFT and the number of levels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import InputError
from converter.mmmodel.geometry import MAX_PAGE_ORDER, Geometry, format_size, parse_size

GEOMETRIES = st.builds(Geometry, st.just(12), st.integers(12, 21), st.sampled_from([4, 5]))


def test_a_size_is_read_as_people_write_it() -> None:
    assert [parse_size(text) for text in ("4096", "64K", "64k", "2MiB", "1 G", "1T")] == [
        *(4096, 65536, 65536, 2 << 20, 1 << 30, 1 << 40)
    ]


@given(st.integers(1, 1 << 50))
def test_a_written_size_reads_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(("text", "order"), [("4K", 9), ("16K", 7), ("64K", 5), ("2M", 0)])
def test_the_order_of_a_2m_block_shrinks_as_pages_grow(text: str, order: int) -> None:
    assert Geometry.parse(text).order_of(2 << 20) == order


def test_a_1g_block_is_beyond_the_buddy_at_4k_and_within_it_at_2m() -> None:
    assert Geometry.parse("4K").order_of(1 << 30) > MAX_PAGE_ORDER
    assert Geometry.parse("2M").order_of(1 << 30) <= MAX_PAGE_ORDER


@given(GEOMETRIES, st.integers(0, 1 << 40))
def test_a_pfn_lies_in_the_page_that_starts_at_or_below_it(geometry: Geometry, pfn: int) -> None:
    first = geometry.page_to_pfn(geometry.pfn_to_page(pfn))
    assert first <= pfn < first + geometry.ptes_per_page


@given(GEOMETRIES, st.integers(1, 1 << 34))
def test_an_order_is_the_smallest_that_holds_the_bytes(geometry: Geometry, size: int) -> None:
    order = geometry.order_of(size)
    assert geometry.order_bytes(order) >= size
    assert order == 0 or geometry.order_bytes(order - 1) < size


@given(GEOMETRIES, st.integers(0, 1 << 46))
def test_alignment_goes_up_to_the_next_multiple(geometry: Geometry, addr: int) -> None:
    for aligned, size in (
        (geometry.pte_align(addr), geometry.pte_size),
        (geometry.pg_align(addr), geometry.pg_size),
    ):
        assert aligned % size == 0
        assert 0 <= aligned - addr < size


def test_a_table_at_each_level_covers_what_x86_says() -> None:
    geometry = Geometry(levels=5)
    assert [geometry.table_span(level) for level in range(5)] == [1 << 21, 1 << 30, 1 << 39, 1 << 48, 1 << 57]
    assert [geometry.level_name(level) for level in range(5)] == ["pte", "pmd", "pud", "p4d", "pgd"]
    assert Geometry(levels=4).level_name(3) == "pgd"


def test_the_highest_table_that_ends_at_an_address_is_found() -> None:
    geometry = Geometry()
    assert geometry.crossed_level(0x1000) is None
    assert geometry.crossed_level(1 << 21) == 0
    assert geometry.crossed_level((1 << 39) + (1 << 30)) == 1
    assert geometry.crossed_level(1 << 39) == 2


def test_struct_pages_cost_a_sixteenth_at_64k() -> None:
    assert Geometry.parse("4K").struct_page_bytes(1 << 40) == 16 << 30
    assert Geometry.parse("64K").struct_page_bytes(1 << 40) == 1 << 30


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Geometry.parse("2K"), "smaller than PTE_SIZE"),
        (lambda: Geometry.parse("48K"), "not a power of two"),
        (lambda: Geometry.parse("4M"), "more than the 512 entries"),
        (lambda: Geometry.parse("much"), "not a size"),
        (lambda: Geometry(levels=3), "3 page-table levels"),
        (lambda: Geometry(pte_shift=11), "smallest x86 page is 4K"),
        (lambda: Geometry(pte_shift=16, pg_shift=16, levels=5), "61 address bits"),
        (lambda: Geometry().order_of(0), "no allocation order"),
    ],
)
def test_an_impossible_geometry_is_refused_with_its_reason(make: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        make()  # type: ignore[operator]
