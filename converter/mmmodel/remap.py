"""mremap(2): shrink, grow in place, move, duplicate, DONTUNMAP; in the order of checks of Linux 6.18 (mm/mremap.c).

Pages keep their pteoff when they move, so a page may end up at an address that is not aligned to PG_SIZE, and its PTEs
in two page tables.
"""

import errno
from typing import TYPE_CHECKING

from converter.mmmodel import mapping, populate, uapi
from converter.mmmodel.anon_vma import anon_vma_clone, unlink_anon_vmas
from converter.mmmodel.geometry import ENTRIES, ENTRIES_SHIFT
from converter.mmmodel.pagetable import ENTRY_MASK
from converter.mmmodel.vma import VM_LOCKED, VM_MAYSHARE, VM_SHARED, Vma
from converter.mmmodel.vma_change import link, merge_new

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM

_WORD = 1 << 64


def mremap(mm: "MM", old: int, old_size: int, new_size: int, flags: int, new_addr: int) -> int:
    """The new address, or -errno."""
    old_size, new_size = mm.geometry.pte_align(old_size) % _WORD, mm.geometry.pte_align(new_size) % _WORD
    error = _check_arguments(mm, old, old_size, new_size, flags, new_addr)
    if error:
        return error
    if flags & uapi.MREMAP_FIXED and old_size == new_size:
        return _move_each(mm, old, old_size, flags, new_addr)
    vma = mm.vmas.lookup(old)
    error = _check_area(vma, old, old_size, new_size, flags)
    if error:
        return error
    assert vma is not None
    if flags & (uapi.MREMAP_FIXED | uapi.MREMAP_DONTUNMAP):
        return _move_to(mm, old, old_size, new_size, flags, new_addr)
    if new_size <= old_size:
        if new_size < old_size:
            error = mapping.munmap(mm, old + new_size, old_size - new_size)
        return error or old
    return _grow(vma, old, old_size, new_size, flags)


def _check_arguments(mm: "MM", old: int, old_size: int, new_size: int, flags: int, new_addr: int) -> int:
    """check_mremap_params()."""
    limit = mm.geometry.task_size
    if flags & ~(uapi.MREMAP_MAYMOVE | uapi.MREMAP_FIXED | uapi.MREMAP_DONTUNMAP):
        return -errno.EINVAL
    if not mm.geometry.pte_aligned(old) or not new_size or new_size > limit:
        return -errno.EINVAL
    if not flags & (uapi.MREMAP_FIXED | uapi.MREMAP_DONTUNMAP):
        return 0
    if new_addr > limit - new_size or not mm.geometry.pte_aligned(new_addr):
        return -errno.EINVAL
    if not flags & uapi.MREMAP_MAYMOVE:
        return -errno.EINVAL
    if flags & uapi.MREMAP_DONTUNMAP and old_size != new_size:
        return -errno.EINVAL
    if old + old_size > new_addr and new_addr + new_size > old:
        return -errno.EINVAL
    return -errno.ENOMEM if len(mm.vmas) + 2 >= mapping.MAX_MAP_COUNT - 3 else 0


def _check_area(vma: Vma | None, old: int, old_size: int, new_size: int, flags: int) -> int:
    """check_prep_vma(): what only matters if something new will be mapped."""
    if vma is None:
        return -errno.EFAULT
    if new_size <= old_size and not flags & (uapi.MREMAP_FIXED | uapi.MREMAP_DONTUNMAP):
        return 0
    if not old_size and not vma.flags & (VM_SHARED | VM_MAYSHARE):
        return -errno.EINVAL
    return -errno.EFAULT if min(old_size, new_size) > vma.end - old else 0


def _move_each(mm: "MM", old: int, size: int, flags: int, new_addr: int) -> int:
    """remap_move(): a move without change of size may take several areas along, gaps between them included."""
    end, target, last_end, result = old + size, new_addr, 0, -errno.EFAULT
    position = old
    while position < end:
        vma = mm.vmas.find(position)
        if vma is None or vma.start >= end:
            break
        if position == old and vma.start > old:
            return -errno.EFAULT
        start = max(vma.start, old)
        length = min(end, vma.end) - start
        target += vma.start - last_end if last_end else 0
        last_end = vma.end
        error = _check_area(vma, start, length, length, flags)
        moved = error or _move_to(mm, start, length, length, flags, target)
        if moved < 0:
            return moved
        if result < 0:
            result = moved
        target = moved + length
        position = last_end
    return result


def _move_to(mm: "MM", old: int, old_size: int, new_size: int, flags: int, new_addr: int) -> int:
    """mremap_to()."""
    if flags & uapi.MREMAP_FIXED:
        error = mapping.munmap(mm, new_addr, new_size)
        if error:
            return error
    if old_size > new_size:
        error = mapping.munmap(mm, old + new_size, old_size - new_size)
        if error:
            return error
        old_size = new_size
    vma = mm.vmas.lookup(old)
    if vma is None:
        return -errno.EFAULT
    target = mapping.unmapped_area(mm, new_addr, new_size, bool(flags & uapi.MREMAP_FIXED))
    if target < 0:
        return target
    return _move(vma, old, old_size, new_size, flags, target)


def _grow(vma: Vma, old: int, old_size: int, new_size: int, flags: int) -> int:
    """expand_vma(): in place if the next bytes are free, elsewhere if MAYMOVE allows."""
    mm, end = vma.mm, old + new_size
    if old_size == vma.end - old and not mm.vmas.over(vma.end, end) and end <= mm.geometry.task_size:
        locked = vma.flags & VM_LOCKED
        merge_new(mm, vma.end, end, vma.pte_end, vma.flags, vma.file, vma.anon_vma)
        if locked:
            populate.populate(mm, old + old_size, end, ignore_errors=True)
        return old
    if not flags & uapi.MREMAP_MAYMOVE:
        return -errno.ENOMEM
    target = mapping.unmapped_area(mm, 0, new_size, False)
    return target if target < 0 else _move(vma, old, old_size, new_size, flags, target)


def _move(vma: Vma, old: int, old_size: int, new_size: int, flags: int, target: int) -> int:
    """move_vma(): copy the area, move its page-table entries, unmap the old place unless DONTUNMAP."""
    mm = vma.mm
    keep = bool(flags & uapi.MREMAP_DONTUNMAP)
    if len(mm.vmas) >= mapping.MAX_MAP_COUNT - 3:
        return -errno.ENOMEM
    locked = vma.flags & VM_LOCKED
    _copy_area(vma, old, target, new_size)
    shift = mm.geometry.pte_shift
    if not _move_entries(mm, old >> shift, target >> shift, old_size >> shift):
        mapping.unmap(mm, target, target + new_size)
        return -errno.ENOMEM
    if keep:
        vma = mm.vmas.lookup(old) or vma  # the copy may have merged with its source
        vma.flags &= ~VM_LOCKED  # on the whole source area, even if only a part of it moved: so does Linux 6.18
        if vma.start == old and vma.end == old + old_size:
            unlink_anon_vmas(vma)
            if vma.file is None:
                vma.pteoff = vma.start >> shift
        return target
    if old_size:
        mapping.unmap(mm, old, old + old_size)
    if locked and new_size > old_size:
        populate.populate(mm, target + old_size, target + new_size, ignore_errors=True)
    return target


def _copy_area(vma: Vma, old: int, target: int, size: int) -> None:
    """copy_vma(): an area never written to takes the pteoff of its new address, which lets it merge there."""
    mm = vma.mm
    pteoff = vma.offset_of(old)
    if vma.file is None and vma.anon_vma is None:
        pteoff = target >> mm.geometry.pte_shift
    if merge_new(mm, target, target + size, pteoff, vma.flags, vma.file, vma.anon_vma, vma) is not None:
        return
    new = Vma(mm, target, target + size, pteoff, vma.flags, vma.file)
    new.anon_vma = vma.anon_vma
    anon_vma_clone(new, vma)
    link(new)


def _move_entries(mm: "MM", source: int, target: int, count: int) -> bool:
    """move_page_tables(): entries (PTE units) to their new place; False, nothing moved, without memory for tables."""
    tables = mm.tables
    spans = [span for span in tables.spans(source, source + count) if span[1].entries[span[2]].any()]
    for first, _, where in spans:
        low, high = first - source + target, first - source + target + where.stop - where.start
        for n in range(low, high + ENTRIES, ENTRIES):
            if tables.ensure(min(n, high - 1)) is None:
                return False
    for first, leaf, where in spans:
        moved = leaf.entries[where].copy()
        leaf.entries[where] = 0
        n, done = first - source + target, 0
        while done < len(moved):
            place = (n + done) & ENTRY_MASK
            size = min(len(moved) - done, ENTRIES - place)
            tables.leaves[(n + done) >> ENTRIES_SHIFT].entries[place : place + size] = moved[done : done + size]
            done += size
    return True
