"""mmap(2), munmap(2), mprotect(2), brk(2) and the growth of stacks, in the order of checks of Linux 6.18.

Sources: mm/mmap.c, mm/vma.c, mm/mprotect.c, arch/x86/kernel/sys_x86_64.c.
"""

import errno
from typing import TYPE_CHECKING

from converter.mmmodel import populate, uapi, zap
from converter.mmmodel.anon_vma import prepare_anon_vma
from converter.mmmodel.pagecache import File
from converter.mmmodel.vma import (
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
    Vma,
    flags_of_prot,
)
from converter.mmmodel.vma_change import link, merge_new, modify, split, unlink

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM

MAX_MAP_COUNT = 65530
"""sysctl vm.max_map_count."""
STACK_GUARD_PTES = 256
"""stack_guard_gap: PTE units kept free below a stack."""
STACK_LIMIT = 8 << 20
"""RLIMIT_STACK in bytes."""
MMAP_MIN_ADDR = 4096
_MMAP_GAP = 128 << 20
_WORD = 1 << 64
_MAX_PTEOFF = 1 << 52


def mmap(mm: "MM", addr: int, length: int, prot: int, flags: int, file: File | None, offset: int) -> int:
    """do_mmap()."""
    geometry = mm.geometry
    if not geometry.pte_aligned(offset):
        return -errno.EINVAL
    if flags & uapi.MAP_ANONYMOUS:
        file = None
    elif file is None:
        return -errno.EBADF
    if not length:
        return -errno.EINVAL
    fixed = bool(flags & (uapi.MAP_FIXED | uapi.MAP_FIXED_NOREPLACE))
    if not fixed and 0 < addr < MMAP_MIN_ADDR:
        addr = MMAP_MIN_ADDR
    length = geometry.pte_align(length) % _WORD
    if not length:
        return -errno.ENOMEM
    pteoff = offset >> geometry.pte_shift
    if pteoff + (length >> geometry.pte_shift) > _MAX_PTEOFF:
        return -errno.EOVERFLOW
    if len(mm.vmas) > MAX_MAP_COUNT:
        return -errno.ENOMEM
    growsdown = flags & uapi.MAP_GROWSDOWN
    addr = unmapped_area(mm, addr, length, fixed, bool(growsdown))
    if addr < 0:
        return addr
    if flags & uapi.MAP_FIXED_NOREPLACE and mm.vmas.over(addr, addr + length):
        return -errno.EEXIST
    vm_flags = flags_of_prot(prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    vm_flags |= (VM_GROWSDOWN if growsdown else 0) | (VM_LOCKED if flags & uapi.MAP_LOCKED else 0)
    kind = flags & uapi.MAP_TYPE
    if kind not in (uapi.MAP_SHARED, uapi.MAP_PRIVATE) and not (file and kind == uapi.MAP_SHARED_VALIDATE):
        return -errno.EINVAL
    if kind != uapi.MAP_PRIVATE:
        vm_flags |= VM_SHARED | VM_MAYSHARE
    if file is not None:
        if kind == uapi.MAP_SHARED_VALIDATE and flags & ~uapi.LEGACY_MAP_MASK:
            return -errno.EOPNOTSUPP
        if kind != uapi.MAP_PRIVATE and not file.writable:
            if prot & uapi.PROT_WRITE:
                return -errno.EACCES
            vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
        if growsdown:
            return -errno.EINVAL
    elif kind == uapi.MAP_SHARED:
        if growsdown:
            return -errno.EINVAL
        pteoff = 0
    else:
        pteoff = addr >> geometry.pte_shift
    if flags & uapi.MAP_NORESERVE:
        vm_flags |= VM_NORESERVE
    result = _map_region(mm, addr, length, vm_flags, pteoff, file)
    if result == 0:
        if flags & uapi.MAP_LOCKED or flags & (uapi.MAP_POPULATE | uapi.MAP_NONBLOCK) == uapi.MAP_POPULATE:
            populate.populate(mm, addr, addr + length, ignore_errors=True)
        return addr
    return result


def _map_region(mm: "MM", addr: int, length: int, flags: int, pteoff: int, file: File | None) -> int:
    """mmap_region(): unmap what is there, charge, merge with a neighbour or make a new area."""
    end = addr + length
    result = unmap(mm, addr, end)
    if result:
        return result
    if flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE:
        if length > mm.machine.ram + (mm.machine.swap.clusters << mm.geometry.pg_shift):
            return -errno.ENOMEM
        flags |= VM_ACCOUNT
    if file is None and flags & VM_SHARED:
        file = mm.machine.shared_anonymous(length)
    elif merge_new(mm, addr, end, pteoff, flags, file) is not None:
        return 0
    link(Vma(mm, addr, end, pteoff, flags, file))
    return 0


def unmapped_area(mm: "MM", addr: int, length: int, fixed: bool, growsdown: bool = False) -> int:
    """get_unmapped_area(): where a mapping of `length` bytes goes, or -errno."""
    geometry = mm.geometry
    limit = geometry.task_size
    if length > limit:
        return -errno.ENOMEM
    if not fixed:
        hint = addr & -geometry.pte_size
        if hint and hint <= limit - length:
            following = mm.vmas.find(hint)
            if following is None or hint + length <= gap_start(following):
                return hint
        return _top_down(mm, length, growsdown)
    if addr > limit - length:
        return -errno.ENOMEM
    if not geometry.pte_aligned(addr):
        return -errno.EINVAL
    return addr


def _top_down(mm: "MM", length: int, growsdown: bool) -> int:
    guard = STACK_GUARD_PTES << mm.geometry.pte_shift if growsdown else 0
    high = mm.geometry.task_size - _MMAP_GAP & -mm.geometry.pg_size
    for vma in reversed(mm.vmas.vmas):
        if vma.start >= high:
            continue
        if high - vma.end >= length + guard:
            return high - length
        high = min(high, gap_start(vma))
    return high - length if high - length - guard >= MMAP_MIN_ADDR else -errno.ENOMEM


def gap_start(vma: Vma) -> int:
    """vm_start_gap(): where the space that other mappings must leave to `vma` begins."""
    if vma.flags & VM_GROWSDOWN:
        return max(0, vma.start - (STACK_GUARD_PTES << vma.mm.geometry.pte_shift))
    return vma.start


def munmap(mm: "MM", addr: int, length: int) -> int:
    """do_vmi_munmap()."""
    limit = mm.geometry.task_size
    if not mm.geometry.pte_aligned(addr) or addr > limit or length > limit - addr or not length:
        return -errno.EINVAL
    return unmap(mm, addr, addr + mm.geometry.pte_align(length))


def unmap(mm: "MM", start: int, end: int) -> int:
    """do_vmi_align_munmap(): 0, or -ENOMEM if a split would exceed the map count."""
    tree = mm.vmas
    areas = tree.over(start, end)
    if not areas:
        return 0
    if areas[0].start < start:
        if areas[0].end > end and len(tree) >= MAX_MAP_COUNT:
            return -errno.ENOMEM
        areas[0] = split(areas[0], start)
    if areas[-1].end > end:
        split(areas[-1], end)
    shift = mm.geometry.pte_shift
    for vma in areas:
        zap.zap(mm, vma.start >> shift, vma.end >> shift)
    first, last = areas[0].start, areas[-1].end
    files = {vma.file for vma in areas if vma.file is not None}
    for vma in areas:
        unlink(vma)
    for file in files:
        mm.machine.release_file(file)
    free_tables(mm, first, last)
    return 0


def free_tables(mm: "MM", start: int, end: int) -> None:
    """free_pgtables(): tables under the unmapped bytes [start, end) that no neighbour needs."""
    shift = mm.geometry.pte_shift
    previous, following = mm.vmas.before(start), mm.vmas.find(end)
    floor = previous.end >> shift if previous is not None else 0
    ceiling = following.start >> shift if following is not None else 1 << (mm.geometry.va_bits - shift)
    mm.tables.free_tables(start >> shift, end >> shift, floor, ceiling)


def mprotect(mm: "MM", addr: int, length: int, prot: int) -> int:
    """do_mprotect_pkey()."""
    grows = prot & (uapi.PROT_GROWSDOWN | uapi.PROT_GROWSUP)
    prot &= ~grows
    if grows == uapi.PROT_GROWSDOWN | uapi.PROT_GROWSUP or not mm.geometry.pte_aligned(addr):
        return -errno.EINVAL
    if not length:
        return 0
    end = addr + mm.geometry.pte_align(length) % _WORD
    if end <= addr or end > _WORD:
        return -errno.ENOMEM
    if prot & ~(uapi.PROT_READ | uapi.PROT_WRITE | uapi.PROT_EXEC | 0x8):
        return -errno.EINVAL
    vma = mm.vmas.find(addr)
    if vma is None or vma.start >= end:
        return -errno.ENOMEM
    if grows & uapi.PROT_GROWSDOWN:
        addr = vma.start
        if not vma.flags & VM_GROWSDOWN:
            return -errno.EINVAL
    elif vma.start > addr:
        return -errno.ENOMEM
    elif grows:
        return -errno.EINVAL
    position = addr
    while position < end:
        vma = mm.vmas.lookup(position)
        if vma is None:
            return -errno.ENOMEM
        flags = flags_of_prot(prot) | (vma.flags & ~VM_ACCESS_FLAGS)
        if flags & ~(flags >> 4) & VM_ACCESS_FLAGS:
            return -errno.EACCES
        stop = min(vma.end, end)
        _change(vma, position, stop, flags)
        position = stop
    return 0


def _change(vma: Vma, start: int, end: int, flags: int) -> None:
    """mprotect_fixup()."""
    old = vma.flags
    if flags == old:
        return
    if flags & VM_WRITE:
        if not old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE):
            flags |= VM_ACCOUNT
    elif old & VM_ACCOUNT and vma.file is None and vma.anon_vma is None:
        flags &= ~VM_ACCOUNT
    mm, shift = vma.mm, vma.mm.geometry.pte_shift
    vma = modify(vma, start, end, flags)
    vma.flags = flags
    if not flags & VM_WRITE:
        zap.protect_entries(mm, start >> shift, end >> shift)
    elif old & (VM_WRITE | VM_SHARED | VM_LOCKED) == VM_LOCKED:
        populate.populate_area(vma, start >> shift, end >> shift)


def brk(mm: "MM", addr: int) -> int:
    """The brk system call; the heap is the anonymous memory from start_brk up."""
    geometry = mm.geometry
    if addr < mm.start_brk:
        return mm.break_
    new, old = geometry.pte_align(addr), geometry.pte_align(mm.break_)
    if new == old:
        mm.break_ = addr
        return addr
    if addr <= mm.break_:
        areas = mm.vmas.over(new, old)
        if not areas or unmap(mm, new, old):
            return mm.break_
        mm.break_ = addr
        return addr
    if new > geometry.task_size:
        return mm.break_
    following = mm.vmas.find(old)
    if following is not None and new + geometry.pte_size > gap_start(following):
        return mm.break_
    flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT
    pteoff = old >> geometry.pte_shift
    previous = mm.vmas.before(old)
    if previous is None or previous.end != old or not _expand_heap(previous, new, pteoff, flags):
        link(Vma(mm, old, new, pteoff, flags, None))
    mm.break_ = addr
    return addr


def _expand_heap(previous: Vma, end: int, pteoff: int, flags: int) -> bool:
    """do_brk_flags() only expands the area below; it does not merge with the one above."""
    if (
        previous.end <= previous.mm.start_brk
        or previous.flags != flags
        or previous.file is not None
        or previous.pte_end != pteoff
        or previous.forked()
    ):
        return False
    previous.mm.vmas.resize(previous, previous.start, end, previous.pteoff)
    return True


def grow_stack(mm: "MM", addr: int) -> Vma | None:
    """expand_downwards(): let the stack area above `addr` grow down to it; None if there is none or it may not."""
    vma = mm.vmas.find(addr)
    if vma is None or not vma.flags & VM_GROWSDOWN:
        return None
    shift = mm.geometry.pte_shift
    start = addr >> shift << shift
    if start < MMAP_MIN_ADDR:
        return None
    previous = mm.vmas.before(vma.start)
    if (
        previous is not None
        and not previous.flags & VM_GROWSDOWN
        and previous.flags & VM_ACCESS_FLAGS
        and start - previous.end < STACK_GUARD_PTES << shift
    ):
        return None
    grow = (vma.start - start) >> shift
    prepare_anon_vma(vma)
    if grow > vma.pteoff or vma.end - start > STACK_LIMIT:
        return None
    mm.vmas.resize(vma, start, vma.end, vma.pteoff - grow)
    return vma
