"""Page tables: installed with the first entry, freed with the last mapping, and how they are put into pages."""

import pytest

from converter.errors import InputError
from converter.mmmodel import uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Machine, TableStrategy

ANON = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED
RW = uapi.PROT_READ | uapi.PROT_WRITE
BASE = 0x10_0000_0000
TABLE = 1 << 21


def mapped(size: str, tables: TableStrategy, count: int, levels: int = 4) -> MM:
    """An address space with one written page in each of `count` neighbouring tables."""
    machine = Machine(Geometry.parse(size, levels), ram=1 << 30, tables=tables)
    mm = machine.spawn()
    mm.mmap(BASE, count * TABLE, RW, ANON)
    for i in range(count):
        assert mm.write(BASE + i * TABLE, b"x") == 1
    machine.check()
    return mm


@pytest.mark.parametrize("levels", [4, 5])
def test_a_first_page_needs_a_table_at_each_level(levels: int) -> None:
    assert mapped("4K", "packed", 1, levels).tables.table_count() == levels


def test_nothing_is_installed_before_the_first_access() -> None:
    machine = Machine(Geometry.parse("64K"))
    mm = machine.spawn()
    mm.mmap(BASE, 1 << 30, RW, ANON)
    assert mm.tables.table_count() == 0


def test_a_whole_page_goes_to_each_table_without_packing() -> None:
    mm = mapped("64K", "whole-page", 8)
    assert mm.machine.memory_use()["tables"] == (8 + 3) << 16
    assert mm.waste()["tables"] == (8 + 3) * (65536 - 4096)


def test_packed_tables_of_any_place_share_a_page() -> None:
    mm = mapped("64K", "packed", 13)
    assert mm.machine.memory_use()["tables"] == 1 << 16


def test_batched_tables_of_neighbouring_entries_share_a_page() -> None:
    mm = mapped("64K", "batch", 16)
    leaf_pages, upper_pages = 1, 3
    assert mm.machine.memory_use()["tables"] == (leaf_pages + upper_pages) << 16


def test_batching_wastes_more_than_packing_on_scattered_mappings() -> None:
    used = {}
    for tables in ("whole-page", "packed", "batch"):
        machine = Machine(Geometry.parse("64K"), tables=tables)
        mm = machine.spawn()
        for i in range(16):
            mm.mmap(BASE + i * (TABLE << 6), 4096, RW, ANON)
            mm.write(BASE + i * (TABLE << 6), b"x")
        used[tables] = machine.memory_use()["tables"]
    assert used["packed"] < used["batch"] <= used["whole-page"]


@pytest.mark.parametrize("tables", ["whole-page", "packed", "batch"])
def test_tables_are_freed_when_no_mapping_is_left_under_them(tables: TableStrategy) -> None:
    mm = mapped("16K", tables, 6)
    mm.munmap(BASE + 2 * TABLE, TABLE)
    assert mm.tables.table_count() == 5 + 3
    mm.munmap(BASE, 6 * TABLE)
    assert mm.tables.table_count() == 0
    assert mm.machine.memory_use()["tables"] == 0
    mm.check()


def test_a_table_stays_while_a_neighbour_is_mapped_under_it() -> None:
    mm = mapped("4K", "packed", 1)
    mm.munmap(BASE, 4096)
    assert mm.tables.table_count() == 4


def test_discarded_pages_leave_their_tables() -> None:
    mm = mapped("4K", "packed", 3)
    mm.madvise(BASE, 3 * TABLE, uapi.MADV_DONTNEED)
    assert mm.tables.table_count() == 3 + 3


def test_a_populated_table_reads_the_same_whether_kept_in_full_or_as_a_run() -> None:
    machine = Machine(Geometry.parse("64K"), ram=1 << 30)
    mm = machine.spawn()
    mm.mmap(BASE, 4 * TABLE, RW, ANON)
    mm.touch(BASE, 4 * TABLE)
    assert len(mm.tables.runs) == 4
    n = (BASE + TABLE) >> 12
    before = mm.tables.get_range(n, n + 512)
    assert before == [before[0] + (i << 12) for i in range(512)]
    mm.write(BASE + TABLE + 5 * 4096, b"x")
    mm.munmap(BASE + TABLE + 7 * 4096, 4096)
    assert mm.tables.get_range(n, n + 7) == before[:7]
    machine.check()


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(InputError, match="unknown page-table strategy"):
        Machine(Geometry(), tables="dense")  # type: ignore[arg-type]
