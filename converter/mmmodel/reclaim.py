"""Memory pressure: what is freed when an allocation finds too little (mm/vmscan.c), and MADV_PAGEOUT.

Below the low watermark, clean page cache that nothing maps goes in the background. Below the minimum, a batch each
time, and in this order: clean page cache that nothing maps, other page cache (written back if dirty), anonymous pages
(dropped if MADV_FREE left them clean, else to swap). The clock goes round by page number; locked memory is left alone.
Shared anonymous memory is not swapped.
"""

from typing import TYPE_CHECKING

import numpy as np

from converter.mmmodel import rmap
from converter.mmmodel.pagetable import DIRTY, PFN_SHIFT, PRESENT, SWAPPED
from converter.mmmodel.physmem import ANON, FILE, LAZYFREE
from converter.mmmodel.physmem import DIRTY as PAGE_DIRTY
from converter.mmmodel.vma import VM_LOCKED

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM, Machine

_BATCH = 32
_CHUNK = 1 << 16


def reclaim(machine: "Machine") -> bool:
    """Try to free a batch of pages: True if at least one came free."""
    machine.reclaims += 1
    want = max(_BATCH, machine.memory.pages >> 8)
    freed = drop_caches(machine, want)
    if not freed:
        freed = _reclaim_kind(machine, FILE, want)
    if not freed:
        freed = _reclaim_kind(machine, ANON, want)
    return freed > 0


def balance(machine: "Machine") -> None:
    """Background reclaim, as kswapd below the low watermark: page cache that nothing needs, up to the high one.

    It touches no PTE, so that a fault in progress need not know of it.
    """
    drop_caches(machine, machine.memory.below_high())


def drop_caches(machine: "Machine", want: int | None = None) -> int:
    """Free clean, unmapped page-cache pages, at most `want`; returns how many (PG units)."""
    freed = 0
    for file in machine.files.values():
        if file.store != "disk":
            continue
        for index in file.clean_unmapped():
            if want is not None and freed >= want:
                return freed
            file.drop(index)
            freed += 1
    return freed


def _reclaim_kind(machine: "Machine", kind: int, want: int) -> int:
    memory, freed = machine.memory, 0
    only_lazy = kind == ANON and not machine.swap.free_clusters
    hand = machine.clock_hand
    starts = [*range(hand, memory.pages, _CHUNK), *range(0, hand, _CHUNK)]
    for low in starts:
        found = memory.kind[low : low + _CHUNK] == kind
        if only_lazy:
            found &= memory.flags[low : low + _CHUNK] & LAZYFREE != 0
        for page in (np.flatnonzero(found) + low).tolist():
            if memory.kind_at[page] == kind and (evict_file if kind == FILE else evict_anon)(machine, page):
                freed += 1
                machine.clock_hand = page + 1
                if freed >= want:
                    return freed
    return freed


def evict_file(machine: "Machine", page: int) -> bool:
    """Unmap a page-cache page everywhere and drop it, written back if dirty; False if it cannot go."""
    file = machine.files[int(machine.memory.mapping[page])]
    if file.store != "disk" and machine.memory.flags_at[page] & PAGE_DIRTY:
        return False
    mapped = list(rmap.page_ptes(machine, page))
    if any(vma.flags & VM_LOCKED for _, vma, _, _ in mapped):
        return False
    for mm, _, n, _ in mapped:
        mm.tables.set(n, 0)
        mm.unmap(page, 1)
    file.drop(int(machine.memory.index[page]))
    return True


def evict_anon(machine: "Machine", page: int) -> bool:
    """Send an anonymous page to swap, or drop it if it is lazily freed and still clean."""
    memory = machine.memory
    mapped = list(rmap.page_ptes(machine, page))
    if not mapped or memory.ref_at[page] != len(mapped) or any(vma.flags & VM_LOCKED for _, vma, _, _ in mapped):
        return False
    if memory.flags_at[page] & LAZYFREE and not any(entry & DIRTY for _, _, _, entry in mapped):
        for mm, _, n, _ in mapped:
            mm.tables.set(n, 0)
            mm.unmap(page, 1)
        return True
    slot = machine.swap.alloc()
    if slot is None:
        return False
    mask, used = machine.geometry.ptes_per_page - 1, set()
    for mm, _, n, entry in mapped:
        part = entry >> PFN_SHIFT & mask
        mm.tables.set(n, (slot + part) << PFN_SHIFT | SWAPPED)
        machine.swap.get(slot + part)
        mm.swapped += 1
        used.add(part)
    machine.swap_outs += len(mapped)
    first = machine.geometry.page_to_pfn(page)
    for part in used:
        frame = memory.data.get(first + part)
        if frame is not None:
            machine.swap.data[slot + part] = bytes(frame)
    for mm, _, _, _ in mapped:
        mm.unmap(page, 1)
    return True


def page_out(mm: "MM", first: int, end: int) -> None:
    """MADV_PAGEOUT of entries [first, end): pages leave memory whose parts are each mapped once, and here.

    A page-cache page must be there with all its parts: the others may be in use by read(2).
    """
    machine = mm.machine
    memory = machine.memory
    pages = [leaf.entries[where] for _, leaf, where in mm.tables.spans(first, end)]
    if not pages:
        return
    entries = np.concatenate(pages)
    pfns, times = np.unique(entries[entries & PRESENT != 0] >> PFN_SHIFT, return_counts=True)
    found, counts = np.unique(pfns[times == 1] >> mm.geometry.cluster_shift, return_counts=True)
    for page, count in zip(found.tolist(), counts.tolist(), strict=True):
        if memory.map_at[page] != count:
            continue
        if memory.kind_at[page] == ANON:
            evict_anon(machine, page)
        elif memory.kind_at[page] == FILE and count == mm.geometry.ptes_per_page:
            evict_file(machine, page)
