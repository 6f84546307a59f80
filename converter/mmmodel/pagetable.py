"""Page tables: 4 KiB tables of 512 entries, and the pages of PG_SIZE they are put into.

An entry number `n` is a virtual address in PTE units. Leaf entries are int64 in the manner of x86: bit 0 present, bit 1
writable, bit 5 accessed, bit 6 dirty, the pfn from bit 12; a swapped entry has bit 0 clear, bit 7 set and the swap slot
from bit 12. Upper tables are only counted and placed, as no entry of theirs is ever looked at.
"""

from collections.abc import Iterable, Iterator
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
    """The tables of one address space.

    A PTE table is kept in full (`leaves`) or, if it maps 512 consecutive page frames or nothing, as its first entry and
    its page (`runs`), which becomes a full one when a single entry of it is wanted.
    """

    def __init__(self, geometry: Geometry, store: TableStore, mm: int) -> None:
        self.geometry = geometry
        self.leaves: dict[int, Leaf] = {}
        self.runs: dict[int, tuple[int, int]] = {}
        self._store = store
        self._mm = mm
        self._upper: list[dict[int, int]] = [{} for _ in range(geometry.levels - 1)]  # level - 1 -> position -> page

    def get(self, n: int) -> int:
        """Entry n, 0 if it or its table is not there."""
        leaf = self.leaves.get(n >> ENTRIES_SHIFT) or self._expand(n >> ENTRIES_SHIFT)
        return leaf.at[n & ENTRY_MASK] if leaf is not None else 0

    def set(self, n: int, entry: int) -> None:
        """Store entry n; its table must be there."""
        leaf = self.leaves.get(n >> ENTRIES_SHIFT) or self._expand(n >> ENTRIES_SHIFT)
        assert leaf is not None
        leaf.at[n & ENTRY_MASK] = entry

    def get_range(self, first: int, end: int) -> list[int]:
        """The entries of [first, end), absent tables as zeros; the range may cross tables."""
        found: list[int] = []
        while first < end:
            stop = min(end, (first | ENTRY_MASK) + 1)
            leaf = self.leaves.get(first >> ENTRIES_SHIFT) or self._expand(first >> ENTRIES_SHIFT)
            if leaf is None:
                found += [0] * (stop - first)
            else:
                low = first & ENTRY_MASK
                found += leaf.at[low : low + stop - first].tolist()
            first = stop
        return found

    def has_table(self, position: int) -> bool:
        """True if table number `position` is installed."""
        return position in self.leaves or position in self.runs

    def spans(self, first: int, end: int) -> list[tuple[int, Leaf, slice]]:
        """(entry number of the first, table, slice of its entries) for each table over [first, end) but empty runs."""
        return [(start, self._full(position), where) for position, start, where in self._places(first, end)]

    def views(self, first: int, end: int) -> Iterator[tuple[int, Entries]]:
        """(entry number of the first, entries) as spans(), to look at only: a run stays one."""
        for position, start, where in self._places(first, end):
            leaf = self.leaves.get(position)
            yield start, (leaf.entries if leaf is not None else _entries_of(self.runs[position][0]))[where]

    def take_runs(self, first: int, end: int) -> Iterator[Entries]:
        """The entries of each run that lies wholly in [first, end), which is empty afterwards."""
        low, high = -(-first >> ENTRIES_SHIFT), end >> ENTRIES_SHIFT
        within: Iterable[int] = self.runs if high - low > len(self.runs) else range(low, high)
        for position in [position for position in within if low <= position < high]:
            run = self.runs.get(position)
            if run is not None and run[0]:
                self.runs[position] = (0, run[1])
                yield _entries_of(run[0])

    def _places(self, first: int, end: int) -> list[tuple[int, int, slice]]:
        low, high = first >> ENTRIES_SHIFT, (end - 1) >> ENTRIES_SHIFT
        positions: Iterable[int] = range(low, high + 1)
        if high - low > len(self.leaves) + len(self.runs):
            positions = sorted(p for table in (self.leaves, self.runs) for p in table if low <= p <= high)
        found = []
        for position in positions:
            if position not in self.leaves and not self.runs.get(position, (0, 0))[0]:
                continue
            base = position << ENTRIES_SHIFT
            start, stop = max(first, base), min(end, base + ENTRIES)
            found.append((position, start, slice(start - base, stop - base)))
        return found

    def ensure(self, n: int) -> Leaf | None:
        """The table that holds entry n, installed with all tables above it; None without memory."""
        position = n >> ENTRIES_SHIFT
        leaf = self.leaves.get(position) or self._expand(position)
        if leaf is not None:
            return leaf
        page = self._place_tables(position)
        if page is None:
            return None
        leaf = self.leaves[position] = Leaf(page, np.zeros(ENTRIES, dtype=np.int64))
        return leaf

    def install_empty(self, position: int) -> bool:
        """Install table number `position`, where none is, without entries; False without memory."""
        page = self._place_tables(position)
        if page is not None:
            self.runs[position] = (0, page)
        return page is not None

    def fill_run(self, position: int, entry: int) -> None:
        """Let a table that install_empty() installed map consecutive page frames, the first by `entry`."""
        self.runs[position] = (entry, self.runs[position][1])

    def _full(self, position: int) -> Leaf:
        leaf = self.leaves.get(position) or self._expand(position)
        assert leaf is not None
        return leaf

    def _expand(self, position: int) -> Leaf | None:
        run = self.runs.pop(position, None)
        if run is None:
            return None
        leaf = self.leaves[position] = Leaf(run[1], _entries_of(run[0]))
        return leaf

    def _place_tables(self, position: int) -> int | None:
        for level in range(self.geometry.levels - 1, 0, -1):
            upper = self._upper[level - 1]
            place = position >> (level * ENTRIES_SHIFT)
            if place not in upper:
                page = self._store.alloc(self._mm, level, place)
                if page is None:
                    return None
                upper[place] = page
        return self._store.alloc(self._mm, 0, position)

    def free_tables(self, first: int, end: int, floor: int, ceiling: int) -> None:
        """Free the tables over entries [first, end) that lie wholly in [floor, ceiling), where nothing is mapped.

        All in PTE units; the rule of free_pgd_range(), mm/memory.c: a table goes when no mapping is left under it.
        """
        for level in range(self.geometry.levels):
            shift = (level + 1) * ENTRIES_SHIFT
            low = max(first >> shift, -(-floor >> shift))
            high = min(-(-end >> shift), ceiling >> shift)
            tables = (self.leaves, self.runs) if level == 0 else (self._upper[level - 1],)
            if low >= high or not any(tables):
                continue
            if high - low < sum(len(table) for table in tables):
                places = list(range(low, high))
            else:
                places = [place for table in tables for place in table if low <= place < high]
            for place in places:
                self._free_table(level, place)

    def _free_table(self, level: int, place: int) -> None:
        page: int | None
        if level:
            page = self._upper[level - 1].pop(place, None)
        elif place in self.leaves:
            page = self.leaves.pop(place).page
        else:
            page = self.runs.pop(place, (0, None))[1]
        if page is not None:
            self._store.free(page, self._mm, level, place)

    def table_count(self) -> int:
        """Tables of all levels."""
        return len(self.leaves) + len(self.runs) + sum(len(upper) for upper in self._upper)

    def entry_count(self) -> int:
        """Entries that are not empty."""
        full = sum(int(np.count_nonzero(leaf.entries)) for leaf in self.leaves.values())
        return full + sum(ENTRIES for entry, _ in self.runs.values() if entry)

    def destroy(self) -> None:
        """Free every table (exit_mmap())."""
        for place in [*self.leaves, *self.runs]:
            self._free_table(0, place)
        for level, upper in enumerate(self._upper, 1):
            for place in list(upper):
                self._free_table(level, place)


def _entries_of(entry: int) -> Entries:
    """The 512 entries of a run."""
    return entry + (_STEPS if entry else _NOTHING)


_STEPS = np.arange(ENTRIES, dtype=np.int64) << PFN_SHIFT
_NOTHING = np.zeros(ENTRIES, dtype=np.int64)
