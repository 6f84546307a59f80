"""fork(2) and exit(2) as the address space sees them (dup_mmap(), exit_mmap())."""

import errno
from typing import TYPE_CHECKING

import numpy as np

from converter.mmmodel import zap
from converter.mmmodel.anon_vma import anon_vma_fork
from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT, WRITABLE
from converter.mmmodel.physmem import ANON, EXCLUSIVE
from converter.mmmodel.vma import VM_DONTCOPY, VM_LOCKED, VM_WIPEONFORK, Vma
from converter.mmmodel.vma_change import link, unlink

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM


def fork(parent: "MM") -> "MM | int":
    """A child that shares every anonymous page until one side writes; -ENOMEM leaves nothing behind."""
    machine = parent.machine
    child = machine.spawn(parent.start_brk)
    child.break_ = parent.break_
    for source in parent.vmas:
        if source.flags & VM_DONTCOPY:
            continue
        area = Vma(child, source.start, source.end, source.pteoff, source.flags & ~VM_LOCKED, source.file)
        if not source.flags & VM_WIPEONFORK:
            anon_vma_fork(area, source)
        link(area)
        if source.anon_vma is not None and not source.flags & VM_WIPEONFORK and not _copy_entries(source, child):
            child.exit()
            return -errno.ENOMEM
    return child


def _copy_entries(source: Vma, child: "MM") -> bool:
    """copy_page_range(): False without memory for tables. Tables come first, since reclaim may change entries."""
    parent, shift = source.mm, source.mm.geometry.pte_shift
    machine, cluster = parent.machine, parent.geometry.cluster_shift
    memory = machine.memory
    first, end = source.start >> shift, source.end >> shift
    for low, leaf, where in parent.tables.spans(first, end):
        if leaf.entries[where].any() and child.tables.ensure(low) is None:
            return False
    for low, leaf, where in parent.tables.spans(first, end):
        entries = leaf.entries[where]
        live = entries[entries != 0]
        if not len(live):
            continue
        present = live & PRESENT != 0
        pages = live[present] >> (PFN_SHIFT + cluster)
        pages, counts = np.unique(pages[pages != machine.zero_pfn >> cluster], return_counts=True)
        anon = memory.kind[pages] == ANON
        memory.mapcount[pages] += counts.astype(np.int32)
        memory.refcount[pages] += counts.astype(np.int32)
        memory.flags[pages[anon]] &= ~np.uint8(EXCLUSIVE)
        of_anon = int(counts[anon].sum())
        child.rss_anon += of_anon
        child.rss_file += int(counts.sum()) - of_anon
        for slot in (live[~present] >> PFN_SHIFT).tolist():
            machine.swap.get(slot)
            child.swapped += 1
        entries[entries & PRESENT != 0] &= ~WRITABLE
        target = child.tables.ensure(low)
        assert target is not None
        target.entries[where] = entries
    return True


def exit_mm(mm: "MM") -> None:
    """Unmap everything, free every table, and let the machine forget the address space."""
    shift = mm.geometry.pte_shift
    for vma in list(mm.vmas):
        zap.zap(mm, vma.start >> shift, vma.end >> shift)
        unlink(vma)
        if vma.file is not None and vma.file.ident in mm.machine.files:
            mm.machine.release_file(vma.file)
    mm.tables.destroy()
    mm.machine.mms.remove(mm)
