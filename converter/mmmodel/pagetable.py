"""Page tables: 4 KiB tables of 512 entries, and the pages of PG_SIZE they are put into.

An entry number `n` is a virtual address in PTE units. Leaf entries are int64 in the manner of x86: bit 0 present, bit 1
writable, bit 5 accessed, bit 6 dirty, the pfn from bit 12; a swapped entry has bit 0 clear, bit 7 set and the swap slot
from bit 12. Upper tables are only counted and placed, as no entry of theirs is ever looked at.
"""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from converter.mmmodel.geometry import ENTRIES, ENTRIES_SHIFT, TABLE_SIZE, Geometry
from converter.mmmodel.physmem import TABLE, PhysicalMemory

TableStrategy = Literal["whole-page", "packed", "batch"]

PRESENT, WRITABLE, ACCESSED, DIRTY, SWAPPED = 0x1, 0x2, 0x20, 0x40, 0x80
PFN_SHIFT = 12
ENTRY_MASK = ENTRIES - 1

Entries = npt.NDArray[np.int64]


class PageSource(Protocol):
    """Where pages for tables come from: an allocator that may reclaim."""

    memory: PhysicalMemory

    def alloc_page(self, kind: int) -> int | None:
        """One order-0 page, or None."""


class TableStore:
    """Places 4 KiB tables into pages of PG_SIZE by one of three strategies.

    whole-page: a page a table, the rest of the page wasted. packed: any tables share a page, with a bitmap of free
    slots. batch: a page holds the tables of consecutive entries of the level above, allocated at once.
    """

    def __init__(self, source: PageSource, strategy: TableStrategy) -> None:
        self._source = source
        self.strategy = strategy
        self.per_page = 1 if strategy == "whole-page" else source.memory.geometry.tables_per_page
        self.tables = 0
        self.pages = 0
        self._slots: dict[int, int] = {}  # page -> tables in it
        self._open: dict[int, None] = {}  # packed: pages with a free slot, oldest first
        self._groups: dict[tuple[int, int, int], int] = {}  # batch: (mm, level, group of entries) -> page

    @property
    def table_bytes(self) -> int:
        """Bytes that the tables themselves need."""
        return self.tables * TABLE_SIZE

    def alloc(self, mm: int, level: int, position: int) -> int | None:
        """The page (PG units) that now holds the table at `position` (its number in its level); None without memory."""
        page: int | None
        if self.strategy == "batch":
            group = (mm, level, position // self.per_page)
            page = self._groups.get(group)
            if page is None:
                page = self._new_page()
                if page is not None:
                    self._groups[group] = page
        elif self._open:
            page = next(iter(self._open))
        else:
            page = self._new_page()
        if page is None:
            return None
        self._slots[page] += 1
        if self.strategy == "packed":
            if self._slots[page] < self.per_page:
                self._open[page] = None
            else:
                self._open.pop(page, None)
        self.tables += 1
        return page

    def free(self, page: int, mm: int, level: int, position: int) -> None:
        """The table at `position` is gone; its page is freed with the last table in it."""
        self.tables -= 1
        self._slots[page] -= 1
        if self._slots[page]:
            if self.strategy == "packed":
                self._open[page] = None
            return
        del self._slots[page]
        self._open.pop(page, None)
        if self.strategy == "batch":
            del self._groups[mm, level, position // self.per_page]
        self.pages -= 1
        self._source.memory.free(page)

    def _new_page(self) -> int | None:
        page = self._source.alloc_page(TABLE)
        if page is not None:
            self._slots[page] = 0
            self.pages += 1
        return page


class Leaf:
    """One PTE table: `entries` for vector work, `at` (a memoryview of the same bytes) for single entries."""

    __slots__ = ("at", "entries", "page")

    def __init__(self, page: int, entries: Entries) -> None:
        self.entries = entries
        self.at = self.entries.data
        self.page = page


class PageTable:
    """The tables of one address space."""

    def __init__(self, geometry: Geometry, store: TableStore, mm: int) -> None:
        self.geometry = geometry
        self.leaves: dict[int, Leaf] = {}
        self._store = store
        self._mm = mm
        self._upper: list[dict[int, int]] = [{} for _ in range(geometry.levels - 1)]  # level - 1 -> position -> page

    def get(self, n: int) -> int:
        """Entry n, 0 if it or its table is not there."""
        leaf = self.leaves.get(n >> ENTRIES_SHIFT)
        return leaf.at[n & ENTRY_MASK] if leaf is not None else 0

    def set(self, n: int, entry: int) -> None:
        """Store entry n; its table must be there."""
        self.leaves[n >> ENTRIES_SHIFT].at[n & ENTRY_MASK] = entry

    def get_range(self, first: int, end: int) -> list[int]:
        """The entries of [first, end), absent tables as zeros; the range may cross tables."""
        if first >> ENTRIES_SHIFT == (end - 1) >> ENTRIES_SHIFT:
            leaf = self.leaves.get(first >> ENTRIES_SHIFT)
            if leaf is None:
                return [0] * (end - first)
            low = first & ENTRY_MASK
            return leaf.at[low : low + end - first].tolist()
        middle = ((first >> ENTRIES_SHIFT) + 1) << ENTRIES_SHIFT
        return self.get_range(first, middle) + self.get_range(middle, end)

    def spans(self, first: int, end: int) -> "list[tuple[int, Leaf, slice]]":
        """(entry number of the first, table, slice of its entries) for each existing table over [first, end)."""
        low, high = first >> ENTRIES_SHIFT, (end - 1) >> ENTRIES_SHIFT
        positions = (
            range(low, high + 1)
            if high - low < len(self.leaves)
            else sorted(position for position in self.leaves if low <= position <= high)
        )
        found = []
        for position in positions:
            leaf = self.leaves.get(position)
            if leaf is not None:
                base = position << ENTRIES_SHIFT
                start, stop = max(first, base), min(end, base + ENTRIES)
                found.append((start, leaf, slice(start - base, stop - base)))
        return found

    def ensure(self, n: int) -> Leaf | None:
        """The table that holds entry n, installed with all tables above it; None without memory."""
        position = n >> ENTRIES_SHIFT
        leaf = self.leaves.get(position)
        return leaf if leaf is not None else self._install(position, np.zeros(ENTRIES, dtype=np.int64))

    def install_rows(self, position: int, count: int) -> Entries | None:
        """`count` new tables from table number `position` on, where none is: their entries as a matrix, a row a table.

        Fewer rows if memory ran out; None if not even one could be had.
        """
        rows = np.zeros((count, ENTRIES), dtype=np.int64)
        for i in range(count):
            if self._install(position + i, rows[i]) is None:
                return rows[:i] if i else None
        return rows

    def _install(self, position: int, entries: Entries) -> Leaf | None:
        for level in range(self.geometry.levels - 1, 0, -1):
            upper = self._upper[level - 1]
            place = position >> (level * ENTRIES_SHIFT)
            if place not in upper:
                page = self._store.alloc(self._mm, level, place)
                if page is None:
                    return None
                upper[place] = page
        page = self._store.alloc(self._mm, 0, position)
        if page is None:
            return None
        leaf = self.leaves[position] = Leaf(page, entries)
        return leaf

    def free_tables(self, first: int, end: int, floor: int, ceiling: int) -> None:
        """Free the tables over entries [first, end) that lie wholly in [floor, ceiling), where nothing is mapped.

        All in PTE units; the rule of free_pgd_range(), mm/memory.c: a table goes when no mapping is left under it.
        """
        for level in range(self.geometry.levels):
            shift = (level + 1) * ENTRIES_SHIFT
            low = max(first >> shift, -(-floor >> shift))
            high = min(-(-end >> shift), ceiling >> shift)
            tables = self.leaves if level == 0 else self._upper[level - 1]
            if low >= high or not tables:
                continue
            places = range(low, high) if high - low < len(tables) else [p for p in tables if low <= p < high]
            for place in list(places):
                self._free_table(level, place)

    def _free_table(self, level: int, place: int) -> None:
        if level == 0:
            leaf = self.leaves.pop(place, None)
            if leaf is not None:
                self._store.free(leaf.page, self._mm, 0, place)
            return
        page = self._upper[level - 1].pop(place, None)
        if page is not None:
            self._store.free(page, self._mm, level, place)

    def table_count(self) -> int:
        """Tables of all levels."""
        return len(self.leaves) + sum(len(upper) for upper in self._upper)

    def destroy(self) -> None:
        """Free every table (exit_mmap())."""
        for place in list(self.leaves):
            self._free_table(0, place)
        for level, upper in enumerate(self._upper, 1):
            for place in list(upper):
                self._free_table(level, place)
