"""Where memory goes that a machine with PG_SIZE = PTE_SIZE would not spend, in bytes by cause.

vma_end: parts of an anonymous page beyond the ends of the area. misaligned: the same, where the end is aligned to
PG_SIZE but the area's address and pteoff are not congruent. crossing: parts that lie in the next page table and got a
page of their own there. cow_siblings: parts whose PTE maps another page, a page-cache page or another copy.
unmapped: parts whose PTE is empty, after MADV_DONTNEED, munmap or a partial move. tables: pages of page tables beyond
the 4 KiB that a table needs. file_tail: cached bytes beyond the last PTE_SIZE page of a file. struct_pages_saved is not
waste: the bytes of struct pages that the larger PG_SIZE saves.
"""

from typing import TYPE_CHECKING

import numpy as np

from converter.mmmodel.geometry import ENTRIES_SHIFT, STRUCT_PAGE_SIZE, TABLE_SIZE
from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT
from converter.mmmodel.physmem import ANON

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM, Machine
    from converter.mmmodel.vma import Vma

_PAGE_CAUSES = ("vma_end", "misaligned", "crossing", "cow_siblings", "unmapped")


def mm_waste(mm: "MM") -> dict[str, int]:
    """Bytes by cause of one address space; a page shared with another counts in both."""
    causes = dict.fromkeys((*_PAGE_CAUSES, "tables"), 0)
    _add_pages(mm, causes, set())
    store = mm.machine.table_store
    causes["tables"] = mm.tables.table_count() * (mm.geometry.pg_size // store.per_page - TABLE_SIZE)
    return causes


def machine_waste(machine: "Machine") -> dict[str, int]:
    """Bytes by cause of the whole machine; every page counts once."""
    geometry, store = machine.geometry, machine.table_store
    causes = dict.fromkeys((*_PAGE_CAUSES, "tables"), 0)
    seen: set[int] = set()
    for mm in machine.mms:
        _add_pages(mm, causes, seen)
    causes["tables"] = store.pages * geometry.pg_size - store.table_bytes
    causes["file_tail"] = sum(file.tail_waste() for file in machine.files.values())
    small = (machine.ram >> geometry.pte_shift) * STRUCT_PAGE_SIZE
    causes["struct_pages_saved"] = small - geometry.struct_page_bytes(machine.ram)
    return causes


def _add_pages(mm: "MM", causes: dict[str, int], seen: set[int]) -> None:
    if mm.geometry.ptes_per_page == 1:
        return
    memory, cluster, shift = mm.machine.memory, mm.geometry.cluster_shift, mm.geometry.pte_shift
    found: dict[int, list[tuple[Vma, int]]] = {}  # partly mapped pages: where their parts are mapped
    for vma in mm.vmas:
        for n, entries in mm.tables.views(vma.start >> shift, vma.end >> shift):
            places = np.flatnonzero(entries & PRESENT)
            pages = entries[places] >> (PFN_SHIFT + cluster)
            anon = memory.kind[pages] == ANON
            pages, first, counts = np.unique(pages[anon], return_index=True, return_counts=True)
            partial = counts < mm.geometry.ptes_per_page
            for page, place in zip(pages[partial].tolist(), places[anon][first[partial]].tolist(), strict=True):
                found.setdefault(page, []).append((vma, n + place))
    for page, areas in found.items():
        if page not in seen:
            seen.add(page)
            _add_page(page, areas, causes)


def _add_page(page: int, areas: "list[tuple[Vma, int]]", causes: dict[str, int]) -> None:
    """Blame each part of a page that no PTE of this address space maps, by what the first area shows at its place."""
    vma, n = areas[0]
    mm, count = vma.mm, vma.mm.geometry.ptes_per_page
    cluster, shift = mm.geometry.cluster_shift, mm.geometry.pte_shift
    used = set()
    for area, place in areas:
        base = place - (area.pteoff + place - (area.start >> shift)) % count
        for i, entry in enumerate(mm.tables.get_range(max(base, 0), base + count), max(base, 0)):
            if entry & PRESENT and entry >> PFN_SHIFT >> cluster == page:
                used.add(i - base)
    first, end = vma.start >> shift, vma.end >> shift
    base = n - (vma.pteoff + n - first) % count
    congruent = (vma.pteoff - first) % count == 0
    for part in set(range(count)) - used:
        i = base + part
        if not first <= i < end:
            edge = first if i < first else end
            cause = "vma_end" if congruent or edge % count else "misaligned"
        elif not mm.tables.get(i):
            cause = "unmapped"
        elif i >> ENTRIES_SHIFT != n >> ENTRIES_SHIFT:
            cause = "crossing"
        else:
            cause = "cow_siblings"
        causes[cause] += mm.geometry.pte_size
