"""Faulting in whole ranges: touch(), MAP_POPULATE, mlock(2), MADV_POPULATE_*; vectorised where nothing is mapped yet.

Source of the rules on what may be populated: populate_vma_page_range(), mm/gup.c.
"""

import errno
from typing import TYPE_CHECKING

import numpy as np

from converter.mmmodel import mapping
from converter.mmmodel.anon_vma import prepare_anon_vma
from converter.mmmodel.buddy import Pages
from converter.mmmodel.fault import Result, handle_fault
from converter.mmmodel.geometry import ENTRIES, ENTRIES_SHIFT
from converter.mmmodel.pagetable import ACCESSED, DIRTY, ENTRY_MASK, PFN_SHIFT, PRESENT, WRITABLE, Entries
from converter.mmmodel.physmem import ANON, EXCLUSIVE
from converter.mmmodel.vma import VM_ACCESS_FLAGS, VM_SHARED, VM_WRITE, Vma

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM

_ROWS = 256
_VECTOR_MIN = 16
_WRITTEN = PRESENT | WRITABLE | ACCESSED | DIRTY


def touch(mm: "MM", addr: int, length: int, write: bool) -> int:
    """Access every page of [addr, addr + length) bytes: the faults taken, -EFAULT or -ENOMEM."""
    shift, before = mm.geometry.pte_shift, mm.faults
    position, end = addr, addr + length
    while position < end:
        vma = mm.vmas.lookup(position) or mapping.grow_stack(mm, position)
        if vma is None or not vma.flags & (VM_WRITE if write else VM_ACCESS_FLAGS):
            return -errno.EFAULT
        stop = min(end, vma.end)
        result = touch_area(vma, position >> shift, (stop - 1 >> shift) + 1, write)
        if result is not Result.OK:
            return -errno.ENOMEM if result is Result.OOM else -errno.EFAULT
        position = stop
    return mm.faults - before


def populate(mm: "MM", start: int, end: int, ignore_errors: bool) -> int:
    """__mm_populate() over the mapped parts of [start, end) bytes: 0 or -errno."""
    shift = mm.geometry.pte_shift
    for vma in mm.vmas.over(start, end) if start < end else ():
        low, high = max(start, vma.start), min(end, vma.end)
        result = populate_area(vma, low >> shift, high >> shift)
        if result is not Result.OK and not ignore_errors:
            return -errno.ENOMEM if result is Result.OOM else -errno.EFAULT
    return 0


def populate_area(vma: Vma, first: int, end: int) -> Result:
    """populate_vma_page_range(): a write fault where it breaks copy-on-write, else a read; PROT_NONE is refused."""
    if not vma.flags & VM_ACCESS_FLAGS:
        return Result.SEGV
    return touch_area(vma, first, end, vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE)


def touch_area(vma: Vma, first: int, end: int, write: bool) -> Result:
    """Fault in entries [first, end) of an area whose protection allows it."""
    tables = vma.mm.tables
    n = first
    while n < end:
        if not n & ENTRY_MASK and end - n >= ENTRIES and vma.file is None and write:
            done = _fill_tables(vma, n, end)
            if done:
                n += done
                continue
        stop = min(end, (n | ENTRY_MASK) + 1)
        leaf = tables.ensure(n)
        if leaf is None:
            return Result.OOM
        low, high = n & ENTRY_MASK, (stop - 1 & ENTRY_MASK) + 1
        if vma.file is None and high - low >= _VECTOR_MIN and not leaf.entries[low:high].any():
            if write:
                _fill(vma, n, stop, leaf.entries)
            else:
                _fill_zero(vma, n, leaf.entries[low:high])
        result = _touch_rest(vma, n, leaf.entries[low:high], write)
        if result is not Result.OK:
            return result
        n = stop
    return Result.OK


def _touch_rest(vma: Vma, n: int, entries: Entries, write: bool) -> Result:
    """Fault one by one what is missing; a fault may map several."""
    need = PRESENT | WRITABLE if write else PRESENT
    for i in np.flatnonzero(entries & need != need).tolist():
        while int(entries[i]) & need != need:
            result = handle_fault(vma, n + i, write)
            if result is not Result.OK:
                return result
    entries[entries & PRESENT != 0] |= ACCESSED | DIRTY if write else ACCESSED
    return Result.OK


def _fill(vma: Vma, first: int, end: int, entries: Entries) -> None:
    """Map new pages at the whole groups within [first, end) of one empty table; partial groups are left."""
    shift = vma.mm.geometry.cluster_shift
    delta = vma.pteoff - (vma.start >> vma.mm.geometry.pte_shift)
    low = (-(-(first + delta) >> shift) << shift) - delta
    high = ((end + delta) >> shift << shift) - delta
    if low < high:
        filled = _new_entries(vma, low, high - low)
        if filled is not None:
            entries[low & ENTRY_MASK : (low & ENTRY_MASK) + high - low] = filled


def _fill_tables(vma: Vma, first: int, end: int) -> int:
    """Whole tables at once, where none is yet and no page crosses from one to the next: the entries filled."""
    mm = vma.mm
    shift, tables = mm.geometry.cluster_shift, mm.tables
    delta = vma.pteoff - (vma.start >> mm.geometry.pte_shift)
    if delta & (mm.geometry.ptes_per_page - 1):
        return 0
    position, count = first >> ENTRIES_SHIFT, 0
    limit = min(_ROWS, end - first >> ENTRIES_SHIFT, mm.machine.memory.free_pages << shift >> ENTRIES_SHIFT)
    while count < limit and not tables.has_table(position + count) and tables.install_empty(position + count):
        count += 1
    pages = _new_pages(vma, first, count << ENTRIES_SHIFT) if count else None
    if pages is None:
        return 0
    rows = pages.reshape(count, -1)
    consecutive = (np.diff(rows, axis=1) == 1).all(axis=1).tolist()
    for i, entry in enumerate((rows[:, 0] << (shift + PFN_SHIFT) | _WRITTEN).tolist()):
        if consecutive[i]:
            tables.fill_run(position + i, entry)
        else:
            leaf = tables.ensure(first + (i << ENTRIES_SHIFT))
            assert leaf is not None
            leaf.entries[:] = _entries(rows[i], shift)
    return count << ENTRIES_SHIFT


def _new_entries(vma: Vma, first: int, count: int) -> Entries | None:
    """Entries for `count` PTEs from entry `first` on, whole groups, over new pages; None without memory."""
    pages = _new_pages(vma, first, count)
    return None if pages is None else _entries(pages, vma.mm.geometry.cluster_shift)


def _entries(pages: Pages, shift: int) -> Entries:
    """The entries that map pages one after the other, each whole."""
    pfns = (pages[:, None] << shift) + np.arange(1 << shift, dtype=np.int64)
    return (pfns.reshape(-1) << PFN_SHIFT) | _WRITTEN


def _new_pages(vma: Vma, first: int, count: int) -> Pages | None:
    """Anonymous pages for `count` PTEs from entry `first` on, accounted as mapped whole; None without memory."""
    mm = vma.mm
    machine, shift = mm.machine, mm.geometry.cluster_shift
    memory = machine.memory
    pages = memory.alloc_bulk(ANON, count >> shift)
    if pages is None:
        return None
    prepare_anon_vma(vma)
    assert vma.anon_vma is not None
    index = (vma.pteoff + first - (vma.start >> mm.geometry.pte_shift)) >> shift
    memory.mapping[pages] = vma.anon_vma.ident
    memory.index[pages] = np.arange(index, index + len(pages))
    memory.flags[pages] = EXCLUSIVE
    memory.mapcount[pages] = 1 << shift
    memory.refcount[pages] = 1 << shift
    mm.rss_anon += count
    mm.faults += len(pages)
    return pages


def _fill_zero(vma: Vma, first: int, entries: Entries) -> None:
    """Map the zero page at every entry of one empty range."""
    mm = vma.mm
    count = mm.geometry.ptes_per_page
    delta = vma.pteoff - (vma.start >> mm.geometry.pte_shift)
    parts = np.arange(first + delta, first + delta + len(entries), dtype=np.int64) % count
    entries[:] = ((mm.machine.zero_pfn + parts) << PFN_SHIFT) | PRESENT | ACCESSED
    mm.faults += int(np.count_nonzero(parts == 0)) + int(parts[0] != 0)
