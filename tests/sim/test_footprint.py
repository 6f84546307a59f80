"""What a set of mappings holds at a PG_SIZE, and why."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.mmmodel import uapi
from converter.mmmodel.footprint import CAUSES, Held, alignment, measure, measure_together, shared_anonymous
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import Machine, TableStrategy
from converter.mmmodel.procfs import Process, Residency, read_process
from converter.mmmodel.resident import process as resident_process
from tests.sim.conftest import PTE, mapping, process

K16, K64 = Geometry.parse("16K"), Geometry.parse("64K")
SIZES = (Geometry(), K16, K64, Geometry.parse("2M"))


def waste_of(held: Held) -> dict[str, int]:
    """Only the causes that there are, in PTE_SIZE units."""
    return {cause: size // PTE for cause, size in held.waste.items() if size}


def test_a_single_present_page_holds_a_whole_pg_size_page() -> None:
    held = measure(process(mapping(0x10000, 16, anon=[3])), K64)
    assert held.anon == K64.pg_size
    assert waste_of(held) == {"unmapped": 15}


def test_two_mappings_do_not_share_an_anonymous_page_even_inside_one_pg_size_frame() -> None:
    held = measure(process(mapping(0x10000, 8, anon=range(8)), mapping(0x18000, 8, anon=range(8))), K64)
    assert held.anon == 2 * K64.pg_size
    assert waste_of(held) == {"vma_end": 16}


def test_two_mappings_of_a_file_share_its_page_in_the_cache() -> None:
    text = mapping(0x10000, 8, file=range(8), inode=7)
    data = mapping(0x58000, 8, file=range(8), inode=7, offset=8 * PTE)
    held = measure(process(text, data), K64)
    assert held.file == K64.pg_size
    assert waste_of(held) == {}


def test_the_page_of_a_file_belongs_to_the_mapping_that_comes_first() -> None:
    text = mapping(0x10000, 8, file=range(8), inode=7, path="/lib/a")
    data = mapping(0x58000, 8, file=range(8), inode=7, offset=8 * PTE, path="/lib/again")
    assert measure(process(text, data), K64).by_label == {"/lib/a": K64.pg_size, "/lib/again": 0}


def test_the_part_of_a_cache_page_beyond_the_file_is_its_tail() -> None:
    held = measure(process(mapping(0x10000, 16, file=[0, 1], inode=7, file_size=2 * PTE + 1)), K64)
    assert waste_of(held) == {"cache_siblings": 1, "file_tail": 13}


def test_without_the_size_of_the_file_nothing_is_blamed_on_its_tail() -> None:
    held = measure(process(mapping(0x10000, 16, file=[0, 1], inode=7)), K64)
    assert waste_of(held) == {"cache_siblings": 14}


def test_copies_of_file_pages_are_placed_by_file_offset_not_by_address() -> None:
    # Offset 8 pages into a 64K page, address 0: the copy of pages 0..15 touches two pages of the file's grid.
    held = measure(process(mapping(0x100000, 16, anon=range(16), inode=7, offset=8 * PTE)), K64)
    assert held.anon == 2 * K64.pg_size
    assert waste_of(held) == {"misaligned": 16}


def test_parts_that_still_map_the_cache_are_cow_siblings() -> None:
    held = measure(process(mapping(0x100000, 16, anon=[0], file=range(1, 16), inode=7, file_size=16 * PTE)), K64)
    assert waste_of(held) == {"cow_siblings": 15, "cache_siblings": 1}


def test_a_page_across_the_end_of_a_page_table_is_two_pages() -> None:
    # The file's grid lies 4 pages off the address's, so one page has 4 PTEs before the 2M boundary and 12 after it.
    area = mapping((512 - 4) * PTE, 16, anon=range(16), inode=7)
    held = measure(process(area), K64)
    assert held.anon == 2 * K64.pg_size
    assert waste_of(held) == {"crossing": 16}


def test_a_file_page_across_the_end_of_a_page_table_stays_one() -> None:
    assert measure(process(mapping((512 - 4) * PTE, 16, file=range(16), inode=7)), K64).file == K64.pg_size


def test_processes_share_the_page_cache_but_not_anonymous_pages() -> None:
    one = process(mapping(0x10000, 16, anon=[0]), mapping(0x80000, 16, file=[0], inode=7), pid=1)
    two = process(mapping(0x10000, 16, anon=[0]), mapping(0x40000, 16, file=[5], inode=7), pid=2)
    held = measure_together([one, two], K64)
    assert (held.anon, held.file) == (2 * K64.pg_size, K64.pg_size)


def test_files_of_the_same_inode_on_two_devices_are_two_files() -> None:
    one = mapping(0x10000, 16, file=[0], inode=7)
    area = one.area
    other = Residency(
        type(area)(area.start + 0x100000, area.end + 0x100000, area.prot, 0, "fe:09", 7, ""), file=one.file + 0x100
    )
    assert measure(process(one, other), K64).file == 2 * K64.pg_size


def test_page_tables_are_counted_at_each_level_and_packed_or_not() -> None:
    # Two pages, 1G apart: one top table, one PUD table, two PMD tables, two PTE tables.
    tables = measure(process(mapping(0, 1, anon=[0]), mapping(1 << 30, 1, anon=[0])), K64).tables
    assert (tables.count, tables.whole_page, tables.packed) == (6, 6 * K64.pg_size, K64.pg_size)
    # The two PMD tables, of neighbouring PUD entries, share a page; the two PTE tables do not.
    assert tables.batch == 5 * K64.pg_size


@pytest.mark.parametrize(
    ("strategy", "field"), [("whole-page", "whole_page"), ("packed", "packed"), ("batch", "batch")]
)
@pytest.mark.parametrize("size", ["4K", "16K", "64K"])
def test_tables_are_counted_as_the_model_places_them(strategy: TableStrategy, field: str, size: str) -> None:
    machine = Machine(Geometry.parse(size), tables=strategy)
    mm = machine.spawn()
    for addr in (0x200000, 0x400000, 0x7FE00000, 1 << 30, 3 << 30, 1 << 40):
        mm.mmap(addr, PTE, uapi.PROT_WRITE, uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED)
        mm.touch(addr, PTE)
    tables = measure(resident_process(mm, 1, "model"), machine.geometry).tables
    assert getattr(tables, strategy.replace("-", "_")) == machine.memory_use()["tables"]


def test_struct_pages_shrink_with_the_number_of_pages() -> None:
    full = process(mapping(0, 16, anon=range(16)))
    assert measure(full, Geometry()).struct_pages == 16 * 64
    assert measure(full, K64).struct_pages == 64


def test_a_process_without_mappings_holds_its_top_table_alone() -> None:
    held = measure(process(), K64)
    assert (held.total, held.tables.count) == (0, 1)


def test_alignment_counts_edges_off_the_grid_and_incongruent_files() -> None:
    areas = (mapping(0x10000, 16), mapping(0x31000, 15), mapping(0x50000, 16, inode=7, offset=PTE))
    found = alignment([process(*areas)], K64)
    assert (found.areas, found.off_grid, found.backed, found.incongruent) == (3, 1, 1, 1)


def test_what_a_fork_still_shares_is_known() -> None:
    area = mapping(0, 4, anon=[0, 1])
    shared = Residency(area.area, area.anon, area.file, shared_anon=2)
    assert shared_anonymous([process(shared), process(shared)], Geometry()) == 4 * PTE


@st.composite
def areas(draw: st.DrawFn) -> list[Residency]:
    """Disjoint VMAs, anonymous and of two files, around table boundaries, with any pages present."""
    found, at = [], draw(st.integers(480, 512))
    for _ in range(draw(st.integers(1, 5))):
        at += draw(st.integers(0, 20))
        pages = draw(st.integers(1, 40))
        inode = draw(st.sampled_from([0, 0, 7, 8]))
        present = draw(st.sets(st.integers(0, pages - 1)))
        copied = draw(st.sets(st.sampled_from(sorted(present)))) if present and inode else present
        found.append(
            mapping(
                at * PTE,
                pages,
                anon=copied,
                file=present - copied,
                inode=inode,
                offset=draw(st.integers(0, 40)) * PTE if inode else 0,
                file_size=draw(st.sampled_from([None, 100 * PTE])) if inode else None,
            )
        )
        at += pages
    return found


def present_bytes(areas: list[Residency]) -> int:
    """What is held at PG_SIZE == PTE_SIZE: anonymous pages, and each page of a file once."""
    cached = {
        (area.area.inode, int(index) - area.area.start // PTE + area.area.offset // PTE)
        for area in areas
        for index in area.file
    }
    return (sum(len(area.anon) for area in areas) + len(cached)) * PTE


def pages_one_by_one(areas: list[Residency], geometry: Geometry) -> int:
    """The same count as measure(), as a plain loop over the definition."""
    held = set()
    for number, each in enumerate(areas):
        shift = (each.area.start - each.area.offset) // PTE if each.area.backed else 0
        for index in each.anon.tolist():
            held.add(("anon", number, (index - shift) // geometry.ptes_per_page, index // 512))
        for index in each.file.tolist():
            held.add(("file", each.area.inode, (index - shift) // geometry.ptes_per_page, 0))
    return len(held) * geometry.pg_size


@given(areas())
@settings(deadline=None, max_examples=50)
def test_held_is_what_is_present_plus_the_waste(areas: list[Residency]) -> None:
    for geometry in SIZES:
        held = measure(process(*areas), geometry)
        assert held.total - sum(held.waste.values()) == present_bytes(areas)
        assert min(held.waste.values()) >= 0
        assert sum(held.by_label.values()) == held.total


@given(areas())
@settings(deadline=None, max_examples=50)
def test_the_count_is_that_of_a_plain_loop(areas: list[Residency]) -> None:
    for geometry in SIZES:
        assert measure(process(*areas), geometry).total == pages_one_by_one(areas, geometry)


@given(areas())
@settings(deadline=None, max_examples=50)
def test_a_larger_page_never_holds_less(areas: list[Residency]) -> None:
    totals = [measure(process(*areas), geometry).total for geometry in SIZES]
    assert totals == sorted(totals)


@given(areas())
@settings(deadline=None, max_examples=50)
def test_nothing_is_wasted_where_both_sizes_are_equal(areas: list[Residency]) -> None:
    assert set(measure(process(*areas), Geometry()).waste.values()) == {0}


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[int, int, bool, list[tuple[int, int, bool]]]]:
    """Mappings (gap, pages, of a file) and accesses (first page, pages, write) to each."""
    mappings = []
    for _ in range(draw(st.integers(1, 4))):
        pages = draw(st.integers(1, 40))
        accesses = [
            (first, draw(st.integers(1, pages - first)), draw(st.booleans()))
            for first in draw(st.lists(st.integers(0, pages - 1), max_size=4))
        ]
        mappings.append((draw(st.integers(0, 20)), pages, draw(st.booleans()), accesses))
    return mappings


def carry_out(program: list[tuple[int, int, bool, list[tuple[int, int, bool]]]], geometry: Geometry) -> Machine:
    machine = Machine(geometry, ram=16 << 20)
    file, mm = machine.file(64 * PTE, "data"), machine.spawn()
    at = (512 - 30) * PTE
    for gap, pages, backed, accesses in program:
        at += gap * PTE
        flags = uapi.MAP_PRIVATE | uapi.MAP_FIXED | (0 if backed else uapi.MAP_ANONYMOUS)
        prot = uapi.PROT_READ | uapi.PROT_WRITE
        assert mm.mmap(at, pages * PTE, prot, flags, file if backed else None, (gap % 8) * PTE if backed else 0) == at
        for first, count, write in accesses:
            assert mm.touch(at + first * PTE, count * PTE, write) >= 0
        at += pages * PTE
    return machine


@given(programs())
@settings(deadline=None, max_examples=60)
def test_the_estimate_from_4k_presence_is_what_the_model_allocates(
    program: list[tuple[int, int, bool, list[tuple[int, int, bool]]]],
) -> None:
    small = carry_out(program, Geometry())
    seen = resident_process(small.mms[0], 1, "program")
    for geometry in (K16, K64):
        assert measure(seen, geometry).anon == carry_out(program, geometry).memory_use()["anon"]


@pytest.fixture(scope="module")
def cat() -> Iterator[Process]:
    """A real process that does nothing any more: it has echoed a line, and waits for the next."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"ready\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"ready\n"
        yield read_process(child.pid)
        child.stdin.close()


def test_a_real_process_holds_its_rss_at_4k(cat: Process) -> None:
    assert measure(cat, Geometry()).total == sum(residency.area.rss for residency in cat.areas)


def test_a_real_process_has_every_cause_explained(cat: Process) -> None:
    held = measure(cat, K64)
    assert set(held.waste) == set(CAUSES)
    assert held.total > measure(cat, Geometry()).total
    assert held.waste["vma_end"]
    assert held.waste["file_tail"]
