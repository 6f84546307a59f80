"""How much memory a set of mappings holds at a PG_SIZE, and what of it is waste, by cause (DESIGN.md section 6).

An anonymous page belongs to one VMA and is placed by linear index: the virtual address, or the file offset where a
private file mapping was written to. A page of the page cache belongs to its file, whoever maps it. Waste is what a
page holds beyond the PTE_SIZE pages that were present in it, so it is 0 at PG_SIZE == PTE_SIZE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.mmmodel.geometry import ENTRIES, ENTRIES_SHIFT, STRUCT_PAGE_SIZE, TABLE_SIZE, Geometry
from converter.mmmodel.procfs import Indexes, Process, Residency, no_pages

CAUSES = {
    "vma_end": "parts of an anonymous page beyond the ends of its VMA",
    "misaligned": "the same, where PG_SIZE divides that end but not the distance of address and offset",
    "crossing": "parts behind a page-table boundary, which naive code gives a page of their own",
    "cow_siblings": "parts copied along with a written page of a private file mapping",
    "unmapped": "parts of an anonymous page that are not mapped",
    "cache_siblings": "parts of a page-cache page that are not mapped",
    "file_tail": "parts of a page-cache page beyond the end of its file",
}
"""Every cause of waste, and what it means; the first five as in waste.py."""

_Waste = dict[str, NDArray[np.int64]]

_INDEX_BITS = 45  # of a page index: 57 address bits less PTE_SHIFT


@dataclass(frozen=True, slots=True)
class Tables:
    """Page tables of one process: how many 4 KiB tables, and the bytes that they hold under each strategy."""

    count: int
    whole_page: int  # each in an order-0 page of its own
    packed: int  # several to an order-0 page, whatever they map
    batch: int  # those of consecutive entries of the level above in an order-0 page

    @property
    def needed(self) -> int:
        """Bytes of the tables themselves."""
        return self.count * TABLE_SIZE

    def __add__(self, other: Tables) -> Tables:
        return Tables(
            self.count + other.count,
            self.whole_page + other.whole_page,
            self.packed + other.packed,
            self.batch + other.batch,
        )


@dataclass(frozen=True, slots=True)
class Held:
    """Memory held at one PG_SIZE, in bytes."""

    pg_size: int
    anon: int
    file: int
    waste: dict[str, int]
    by_label: dict[str, int]  # a file's pages count for the first mapping of it
    tables: Tables

    @property
    def total(self) -> int:
        """Without page tables."""
        return self.anon + self.file

    @property
    def struct_pages(self) -> int:
        """Bytes of the struct pages that describe it."""
        return self.total // self.pg_size * STRUCT_PAGE_SIZE

    @property
    def present(self) -> int:
        """Bytes that are there to be used: what is held at PG_SIZE == PTE_SIZE."""
        return self.total - sum(self.waste.values())


@dataclass(frozen=True, slots=True)
class Alignment:
    """How many areas do not fit a PG_SIZE grid."""

    areas: int
    off_grid: int  # an edge that PG_SIZE does not divide
    backed: int
    incongruent: int  # backed by a file, and address and offset differ modulo PG_SIZE


def measure(process: Process, geometry: Geometry) -> Held:
    """What one process holds, each file page that it maps counted once."""
    areas = process.areas
    size = geometry.pg_size
    owners, anon_waste = _anonymous(areas, geometry)
    first, file_waste = _cached(areas, geometry)
    slots = np.bincount(owners, minlength=len(areas)) + np.bincount(first, minlength=len(areas))
    by_label: dict[str, int] = {}
    for residency, pages in zip(areas, slots.tolist(), strict=True):
        label = residency.area.label
        by_label[label] = by_label.get(label, 0) + pages * size
    return Held(
        pg_size=size,
        anon=len(owners) * size,
        file=len(first) * size,
        waste=_in_bytes(geometry, anon_waste, file_waste),
        by_label=by_label,
        tables=count_tables(areas, geometry),
    )


def measure_together(processes: Sequence[Process], geometry: Geometry) -> Held:
    """What all of them hold: each file page once, whoever maps it; anonymous pages once for each process."""
    each = [measure(process, geometry) for process in processes]
    everything = tuple(residency for process in processes for residency in process.areas)
    first, file_waste = _cached(everything, geometry)
    _, anon_waste = _anonymous(everything, geometry)
    size = geometry.pg_size
    by_name: dict[str, int] = {}
    for process, held in zip(processes, each, strict=True):
        by_name[process.name] = by_name.get(process.name, 0) + held.total
    return Held(
        pg_size=size,
        anon=sum(held.anon for held in each),
        file=len(first) * size,
        waste=_in_bytes(geometry, anon_waste, file_waste),
        by_label=by_name,
        tables=sum((held.tables for held in each), Tables(0, 0, 0, 0)),
    )


def alignment(processes: Sequence[Process], geometry: Geometry) -> Alignment:
    """How the VMAs of these processes lie on the geometry's grid."""
    size = geometry.pg_size
    areas = [residency.area for process in processes for residency in process.areas]
    backed = [area for area in areas if area.backed]
    return Alignment(
        areas=len(areas),
        off_grid=sum(area.start % size != 0 or area.end % size != 0 for area in areas),
        backed=len(backed),
        incongruent=sum((area.start - area.offset) % size != 0 for area in backed),
    )


def shared_anonymous(processes: Sequence[Process], geometry: Geometry) -> int:
    """Bytes of present anonymous memory that processes still share after a fork: measured once in each of them."""
    return sum(area.shared_anon for process in processes for area in process.areas) << geometry.pte_shift


def count_tables(areas: Sequence[Residency], geometry: Geometry) -> Tables:
    """The tables that the present pages of one process need: one top table, and below it what they reach."""
    present = np.sort(np.concatenate([no_pages(), *(part for area in areas for part in (area.anon, area.file))]))
    count, batches, together = 1, 1, geometry.tables_per_page
    for level in range(1, geometry.levels):
        tables = present >> (ENTRIES_SHIFT * level)
        count += _distinct(tables)
        batches += _distinct(tables // together)
    size = geometry.pg_size
    return Tables(count, count * size, -(-count // together) * size, batches * size)


def _distinct(ascending: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.diff(ascending))) + 1 if len(ascending) else 0


def _in_bytes(geometry: Geometry, *parts: _Waste) -> dict[str, int]:
    return {
        cause: sum(int(waste[cause].sum()) for waste in parts if cause in waste) << geometry.pte_shift
        for cause in CAUSES
    }


def _column(areas: Sequence[Residency], values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64) if areas else no_pages()


def _gather(parts: list[Indexes]) -> tuple[NDArray[np.int64], Indexes]:
    """For every present page the number of its area, and its index."""
    lengths = [len(part) for part in parts]
    return np.repeat(np.arange(len(parts), dtype=np.int64), lengths), np.concatenate([no_pages(), *parts])


def _anonymous(areas: Sequence[Residency], geometry: Geometry) -> tuple[NDArray[np.int64], _Waste]:
    """The area of each anonymous page that is held, and its waste in PTE_SIZE units."""
    ratio, pte = geometry.ptes_per_page, geometry.pte_shift
    start = _column(areas, [residency.area.start >> pte for residency in areas])
    end = _column(areas, [residency.area.end >> pte for residency in areas])
    backed = _column(areas, [residency.area.backed for residency in areas])
    shift = start - _column(areas, [residency.area.offset >> pte for residency in areas])
    shift = np.where(backed != 0, shift, 0)  # from linear index to virtual address

    owner, index = _gather([residency.anon for residency in areas])
    page, table = (index - shift[owner]) // ratio, index // ENTRIES
    new = np.ones(len(index), dtype=bool)
    new[1:] = (np.diff(owner) != 0) | (np.diff(page) != 0) | (np.diff(table) != 0)
    first = np.flatnonzero(new)
    present = np.diff(np.append(first, len(index)))

    owner, table = owner[first], table[first]
    low = page[first] * ratio + shift[owner]
    head, tail = np.maximum(low, start[owner]), np.minimum(low + ratio, end[owner])
    mapped = _Mapped(areas)
    inside = mapped.count(owner, head, tail)
    reach = mapped.count(owner, np.maximum(head, table * ENTRIES), np.minimum(tail, (table + 1) * ENTRIES))
    incongruent = shift[owner] % ratio != 0
    before = np.where(incongruent & (start[owner] % ratio == 0), head - low, 0)
    after = np.where(incongruent & (end[owner] % ratio == 0), low + ratio - tail, 0)
    return owner, {
        "vma_end": (head - low - before) + (low + ratio - tail - after),
        "misaligned": before + after,
        "crossing": inside - reach,
        "cow_siblings": reach - present,
        "unmapped": tail - head - inside,
    }


class _Mapped:
    """All present pages of some areas, to be counted by area and range of indexes."""

    def __init__(self, areas: Sequence[Residency]) -> None:
        owner, index = _gather([np.sort(np.concatenate((residency.anon, residency.file))) for residency in areas])
        self._keys = (owner << _INDEX_BITS) + index

    def count(self, owner: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        base = owner << _INDEX_BITS
        return np.searchsorted(self._keys, base + high) - np.searchsorted(self._keys, base + low)


def _cached(areas: Sequence[Residency], geometry: Geometry) -> tuple[NDArray[np.int64], _Waste]:
    """The first area that maps each page of the page cache, and the waste of that page in PTE_SIZE units."""
    ratio, pte = geometry.ptes_per_page, geometry.pte_shift
    files: dict[tuple[str, int], int] = {}
    number = [files.setdefault((residency.area.device, residency.area.inode), len(files)) for residency in areas]
    length = np.full(len(files), np.iinfo(np.int64).max >> 1, dtype=np.int64)
    for which, residency in zip(number, areas, strict=True):
        if residency.file_size is not None:
            length[which] = -(-residency.file_size >> pte)
    parts = [residency.file - ((residency.area.start - residency.area.offset) >> pte) for residency in areas]

    owner, index = _gather(parts)
    file = _column(areas, number)[owner]
    order = np.lexsort((owner, index, file))
    owner, index, file = owner[order], index[order], file[order]
    page = index // ratio
    new_page, new_index = np.ones(len(index), dtype=bool), np.ones(len(index), dtype=bool)
    other_file = np.diff(file) != 0
    new_page[1:] = other_file | (np.diff(page) != 0)
    new_index[1:] = other_file | (np.diff(index) != 0)

    first = np.flatnonzero(new_page)
    used = np.add.reduceat(new_index.astype(np.int64), first) if len(first) else no_pages()
    tail = np.clip((page[first] + 1) * ratio - length[file[first]], 0, ratio - used)
    return owner[first], {"file_tail": tail, "cache_siblings": ratio - used - tail}
