"""madvise(2), mlock(2), munlock(2), mincore(2) and msync(2).

Sources: mm/madvise.c, mm/mlock.c, mm/mincore.c, mm/msync.c. File mappings behave as on tmpfs: MADV_REMOVE punches a
hole, msync() has nothing to wait for.
"""

import errno
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from converter.mmmodel import populate, reclaim, rmap, uapi, zap
from converter.mmmodel.fault import Result, handle_fault
from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT
from converter.mmmodel.physmem import ANON, LAZYFREE
from converter.mmmodel.vma import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_LOCKED,
    VM_MAYWRITE,
    VM_RAND_READ,
    VM_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
    Vma,
)
from converter.mmmodel.vma_change import modify

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM

_WORD = 1 << 64

_FLAG_CHANGES = {
    uapi.MADV_NORMAL: (0, VM_RAND_READ | VM_SEQ_READ),
    uapi.MADV_RANDOM: (VM_RAND_READ, VM_SEQ_READ),
    uapi.MADV_SEQUENTIAL: (VM_SEQ_READ, VM_RAND_READ),
    uapi.MADV_DONTFORK: (VM_DONTCOPY, 0),
    uapi.MADV_DOFORK: (0, VM_DONTCOPY),
    uapi.MADV_WIPEONFORK: (VM_WIPEONFORK, 0),
    uapi.MADV_KEEPONFORK: (0, VM_WIPEONFORK),
    uapi.MADV_DONTDUMP: (VM_DONTDUMP, 0),
    uapi.MADV_DODUMP: (0, VM_DONTDUMP),
}
"""Advice that only changes flags: (set, clear)."""

_OF_PAGES = frozenset(
    (
        uapi.MADV_WILLNEED,
        uapi.MADV_DONTNEED,
        uapi.MADV_FREE,
        uapi.MADV_REMOVE,
        uapi.MADV_COLD,
        uapi.MADV_PAGEOUT,
    )
)
_POPULATE = (uapi.MADV_POPULATE_READ, uapi.MADV_POPULATE_WRITE)


def madvise(mm: "MM", addr: int, length: int, advice: int) -> int:
    """do_madvise(): holes in the range are passed over and reported as -ENOMEM at the end."""
    if advice not in _FLAG_CHANGES and advice not in _OF_PAGES and advice not in _POPULATE:
        return -errno.EINVAL
    if not mm.geometry.pte_aligned(addr):
        return -errno.EINVAL
    rounded = mm.geometry.pte_align(length) % _WORD
    if (length and not rounded) or addr + rounded > _WORD:
        return -errno.EINVAL
    if not rounded:
        return 0
    end = addr + rounded
    if advice in _POPULATE:
        return _madvise_populate(mm, addr, end, advice == uapi.MADV_POPULATE_WRITE)
    holes, position = 0, addr
    while position < end:
        vma = mm.vmas.find(position)
        if vma is None:
            return -errno.ENOMEM
        if vma.start > position:
            holes = -errno.ENOMEM
            position = vma.start
            if position >= end:
                break
        stop = min(vma.end, end)
        error = _advise_area(vma, position, stop, advice)
        if error:
            return error
        position = stop
    return holes


def _advise_area(vma: Vma, start: int, end: int, advice: int) -> int:
    """madvise_vma_behavior()."""
    change = _FLAG_CHANGES.get(advice)
    if change is not None:
        if advice == uapi.MADV_WIPEONFORK and (vma.file is not None or vma.flags & VM_SHARED):
            return -errno.EINVAL
        flags = vma.flags & ~change[1] | change[0]
        if flags != vma.flags:
            modify(vma, start, end, flags)
        return 0
    if advice == uapi.MADV_WILLNEED:
        return _will_need(vma, start, end)
    if vma.flags & VM_LOCKED:
        return -errno.EINVAL
    mm, shift = vma.mm, vma.mm.geometry.pte_shift
    if advice == uapi.MADV_DONTNEED:
        zap.zap(mm, start >> shift, end >> shift)
    elif advice == uapi.MADV_FREE:
        if vma.file is not None:
            return -errno.EINVAL
        _free_lazily(vma, start >> shift, end >> shift)
    elif advice == uapi.MADV_REMOVE:
        return _remove(vma, start, end)
    elif advice == uapi.MADV_PAGEOUT:
        reclaim.page_out(mm, start >> shift, end >> shift)
    return 0


def _will_need(vma: Vma, start: int, end: int) -> int:
    """Bring swapped pages back; read a file in."""
    shift = vma.mm.geometry.pte_shift
    for first, leaf, where in vma.mm.tables.spans(start >> shift, end >> shift):
        entries = leaf.entries[where]
        for i in np.flatnonzero((entries != 0) & (entries & PRESENT == 0)).tolist():
            if not int(entries[i]) & PRESENT and handle_fault(vma, first + i, False) is not Result.OK:
                return 0
    if vma.file is not None and vma.file.store == "disk":
        cluster = vma.mm.geometry.cluster_shift
        last = min(vma.offset_of(end), vma.file.pte_count) - 1
        for index in range(vma.offset_of(start) >> cluster, (last >> cluster) + 1):
            if vma.file.page(index) is None:
                break
    return 0


def _free_lazily(vma: Vma, first: int, end: int) -> None:
    """MADV_FREE: a page that only these entries map becomes clean, and reclaim may drop it instead of swapping it."""
    mm = vma.mm
    memory, shift = mm.machine.memory, mm.geometry.cluster_shift
    counts: Counter[int] = Counter()
    for _, leaf, where in mm.tables.spans(first, end):
        entries = leaf.entries[where]
        for i in np.flatnonzero((entries != 0) & (entries & PRESENT == 0)).tolist():
            zap.drop_entry(mm, int(entries[i]))
            entries[i] = 0
        pages, found = np.unique(entries[entries != 0] >> (PFN_SHIFT + shift), return_counts=True)
        counts.update(dict(zip(pages.tolist(), found.tolist(), strict=True)))
    zap.clean_entries(mm, first, end)
    for page, count in counts.items():
        if memory.kind_at[page] == ANON and memory.map_at[page] == count:
            memory.flags_at[page] |= LAZYFREE


def _remove(vma: Vma, start: int, end: int) -> int:
    """madvise_remove(): a hole in the file; whole pages leave the cache, parts of pages are zeroed."""
    if vma.file is None:
        return -errno.EINVAL
    if vma.flags & (VM_SHARED | VM_MAYWRITE) != VM_SHARED | VM_MAYWRITE:
        return -errno.EACCES
    machine, file, shift = vma.mm.machine, vma.file, vma.mm.geometry.cluster_shift
    low, high = vma.offset_of(start), vma.offset_of(end)
    for pteoff in range(low, high):
        file.clear_block(pteoff)
    for index in range(-(-low >> shift), high >> shift):
        page = file.pages.get(index)
        if page is not None:
            for mm, _, n, _ in list(rmap.page_ptes(machine, page)):
                mm.tables.set(n, 0)
                mm.unmap(page, 1)
            file.drop(index)
    return 0


def _madvise_populate(mm: "MM", addr: int, end: int, write: bool) -> int:
    """madvise_populate()."""
    shift, position = mm.geometry.pte_shift, addr
    while position < end:
        vma = mm.vmas.lookup(position)
        if vma is None:
            return -errno.ENOMEM
        if not vma.flags & (VM_WRITE if write else VM_READ):
            return -errno.EINVAL
        stop = min(end, vma.end)
        result = populate.touch_area(vma, position >> shift, stop >> shift, write)
        if result is not Result.OK:
            return -errno.ENOMEM if result is Result.OOM else -errno.EFAULT
        position = stop
    return 0


def mlock(mm: "MM", addr: int, length: int) -> int:
    """do_mlock(): the flag for the whole range first, then the pages."""
    start, end = _whole_pages(mm, addr, length)
    error = _set_locked(mm, start, end, VM_LOCKED)
    if error:
        return error
    error = populate.populate(mm, start, end, ignore_errors=False)
    return {-errno.EFAULT: -errno.ENOMEM, -errno.ENOMEM: -errno.EAGAIN}.get(error, error)


def munlock(mm: "MM", addr: int, length: int) -> int:
    """Take the flag from the whole range."""
    start, end = _whole_pages(mm, addr, length)
    return _set_locked(mm, start, end, 0)


def _whole_pages(mm: "MM", addr: int, length: int) -> tuple[int, int]:
    size = mm.geometry.pte_size
    length = mm.geometry.pte_align(length + addr % size) % _WORD
    start = addr & -size
    return start, start + length


def _set_locked(mm: "MM", start: int, end: int, locked: int) -> int:
    """apply_vma_lock_flags()."""
    if end > _WORD:
        return -errno.EINVAL
    position = start
    while position < end:
        vma = mm.vmas.lookup(position)
        if vma is None:
            return -errno.ENOMEM
        stop = min(vma.end, end)
        flags = vma.flags & ~VM_LOCKED | locked
        if flags != vma.flags:
            modify(vma, position, stop, flags)
        position = stop
    return 0


def mincore(mm: "MM", addr: int, length: int) -> bytes | int:
    """Residency of each PTE_SIZE page: mapped, or in the page cache of the file behind it."""
    if not mm.geometry.pte_aligned(addr):
        return -errno.EINVAL
    if addr + length > mm.geometry.task_size:
        return -errno.ENOMEM
    vector, position, end = bytearray(), addr, addr + mm.geometry.pte_align(length)
    shift, cluster = mm.geometry.pte_shift, mm.geometry.cluster_shift
    while position < end:
        vma = mm.vmas.lookup(position)
        if vma is None:
            return -errno.ENOMEM
        stop = min(vma.end, end)
        for i, entry in enumerate(mm.tables.get_range(position >> shift, stop >> shift)):
            if entry or vma.file is None:
                vector.append(entry & PRESENT)
            else:
                vector.append(vma.offset_of(position) + i >> cluster in vma.file.pages)
        position = stop
    return bytes(vector)


def msync(mm: "MM", addr: int, length: int, flags: int) -> int:
    """Checks only: dirty pages are written back when they leave the cache."""
    if flags & ~(uapi.MS_ASYNC | uapi.MS_INVALIDATE | uapi.MS_SYNC) or not mm.geometry.pte_aligned(addr):
        return -errno.EINVAL
    if flags & uapi.MS_ASYNC and flags & uapi.MS_SYNC:
        return -errno.EINVAL
    rounded = mm.geometry.pte_align(length) % _WORD
    if addr + rounded > _WORD:
        return -errno.ENOMEM
    position, end, holes = addr, addr + rounded, 0
    while position < end:
        vma = mm.vmas.find(position)
        if vma is None:
            return -errno.ENOMEM
        if vma.start > position:
            if flags == uapi.MS_ASYNC or vma.start >= end:
                return -errno.ENOMEM
            holes = -errno.ENOMEM
        if flags & uapi.MS_INVALIDATE and vma.flags & VM_LOCKED:
            return -errno.EBUSY
        position = vma.end
    return holes
