"""Whole ranges of page-table entries: dropped, write-protected, cleaned (mm/memory.c, mm/mprotect.c).

Entry numbers count PTE units. Few entries are looked at one by one, many with NumPy.
"""

from typing import TYPE_CHECKING

import numpy as np

from converter.mmmodel.pagetable import ACCESSED, DIRTY, PFN_SHIFT, PRESENT, WRITABLE, Entries
from converter.mmmodel.physmem import ANON

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM

_SMALL = 24
"""Entries up to which a plain loop is faster than numpy."""


def zap(mm: "MM", first: int, end: int) -> None:
    """zap_page_range(): clear entries [first, end) (PTE units) and drop what they hold."""
    for entries in mm.tables.take_runs(first, end):
        _drop_entries(mm, entries)
    for _, leaf, where in mm.tables.spans(first, end):
        if where.stop - where.start <= _SMALL:
            at = leaf.at
            for i in range(where.start, where.stop):
                if at[i]:
                    drop_entry(mm, at[i])
                    at[i] = 0
            continue
        entries = leaf.entries[where]
        live = entries[entries != 0]
        if len(live):
            leaf.entries[where] = 0
            _drop_entries(mm, live)


def drop_entry(mm: "MM", entry: int) -> None:
    """Give up what one entry holds."""
    if not entry & PRESENT:
        mm.machine.swap.put(entry >> PFN_SHIFT)
        mm.swapped -= 1
        return
    shift = mm.geometry.cluster_shift
    page = entry >> PFN_SHIFT >> shift
    if page != mm.machine.zero_pfn >> shift:
        mm.unmap(page, 1)


def _drop_entries(mm: "MM", live: Entries) -> None:
    if len(live) <= _SMALL:
        for entry in live.tolist():
            drop_entry(mm, entry)
        return
    memory, shift = mm.machine.memory, mm.geometry.cluster_shift
    present = (live & PRESENT).astype(bool)
    for slot in (live[~present] >> PFN_SHIFT).tolist():
        mm.machine.swap.put(slot)
        mm.swapped -= 1
    pages = live[present] >> (PFN_SHIFT + shift)
    pages, counts = np.unique(pages[pages != mm.machine.zero_pfn >> shift], return_counts=True)
    anon = memory.kind[pages] == ANON
    memory.mapcount[pages] -= counts.astype(np.int32)
    memory.refcount[pages] -= counts.astype(np.int32)
    of_anon = int(counts[anon].sum())
    mm.rss_anon -= of_anon
    mm.rss_file -= int(counts.sum()) - of_anon
    memory.free_bulk(pages[anon & (memory.refcount[pages] == 0)])


def protect_entries(mm: "MM", first: int, end: int) -> None:
    """Take the write permission from entries [first, end), as change_protection() does."""
    for _, leaf, where in mm.tables.spans(first, end):
        leaf.entries[where] &= ~WRITABLE


def clean_entries(mm: "MM", first: int, end: int) -> None:
    """Clear the accessed and dirty bits of present entries [first, end)."""
    for _, leaf, where in mm.tables.spans(first, end):
        entries = leaf.entries[where]
        entries[(entries & PRESENT) != 0] &= ~(ACCESSED | DIRTY)
