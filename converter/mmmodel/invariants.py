"""What must hold after every operation, recounted from the page tables alone.

The laws: a PTE lies in an area and maps inside a page of that area's object, at the part its pteoff says; mapcounts,
refcounts, RSS and swap counters equal a recount; a page has exactly one owner; a writable PTE is one that may be
written; nothing outlives its last reference.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT, WRITABLE, Entries
from converter.mmmodel.physmem import ANON, EXCLUSIVE, FILE, FREE, KERNEL, TABLE
from converter.mmmodel.vma import VM_SHARED, VM_WRITE, Vma

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM, Machine


_BATCH = 1 << 17
"""Entries that are checked at once."""
_IDENT_BITS = 32


class InvariantError(AssertionError):
    """A law of the model is broken: a bug of the model, never of its input."""


def check(machine: "Machine") -> None:
    """Check every law; InvariantError names the first broken one."""
    count = _Recount(machine)
    for mm in machine.mms:
        _check_areas(mm)
        _check_entries(mm, count)
    _check_pages(machine, count)
    _law(np.array_equal(count.slots, machine.swap.count), "swap counts equal a recount")
    _check_owners(machine)
    _check_anon_vmas(machine)


class _Recount:
    """What the page tables say, table by table: PTEs of each page and swap slot, and page frames seen before."""

    def __init__(self, machine: "Machine") -> None:
        pages = machine.memory.pages
        self.pages = np.zeros(pages, dtype=np.int32)
        self.slots = np.zeros(len(machine.swap.count), dtype=np.int32)
        frames = machine.geometry.page_to_pfn(pages)
        self.mapped = np.zeros(frames, dtype=np.bool_)  # anonymous page frames with a PTE
        self.shared = np.zeros(frames, dtype=np.bool_)  # with more than one
        self.writable = np.zeros(frames, dtype=np.bool_)  # with a writable one

    def add_anon(self, pfns: Entries, writable: Entries) -> None:
        """Count the anonymous page frames of one table."""
        self.shared[pfns[self.mapped[pfns]]] = True
        self.mapped[pfns] = True
        self.writable[writable] = True
        distinct, times = np.unique(pfns, return_counts=True)
        if len(distinct) < len(pfns):
            self.shared[distinct[times > 1]] = True


def _law(holds: bool, law: str, where: object = "") -> None:
    if not holds:
        raise InvariantError(f"{law}: {where}" if where else law)


def _check_areas(mm: "MM") -> None:
    position = 0
    for vma in mm.vmas:
        _law(position <= vma.start < vma.end, "areas are in order and disjoint", vma)
        _law(mm.geometry.pte_aligned(vma.start | vma.end), "areas are PTE_SIZE-aligned", vma)
        _law(vma.file is None or vma in vma.file.mapped_by, "a file knows who maps it", vma)
        position = vma.end
    _law(mm.machine.geometry.task_size >= position, "areas lie below TASK_SIZE")


def _check_entries(mm: "MM", count: _Recount) -> None:
    """All entries of an address space, a batch of many areas at a time."""
    shift = mm.geometry.pte_shift
    found, batch, size = _Found(), [], 0
    for vma in mm.vmas:
        for n, entries in mm.tables.views(vma.start >> shift, vma.end >> shift):
            batch.append((vma, vma.pteoff + n - (vma.start >> shift), entries))
            size += len(entries)
            if size >= _BATCH:
                _check_batch(mm, batch, count, found)
                batch, size = [], 0
    if batch:
        _check_batch(mm, batch, count, found)
    total = mm.tables.entry_count()
    _law(found.inside == total, f"every PTE lies in an area: {total - found.inside} do not")
    counters, recount = (mm.rss_anon, mm.rss_file, mm.swapped), (found.anon, found.file, found.swapped)
    _law(counters == recount, "RSS counters equal a recount", (counters, recount))


@dataclass
class _Found:
    """Entries of one address space by what they hold; `inside` counts them all."""

    inside: int = 0
    anon: int = 0
    file: int = 0
    swapped: int = 0


def _check_batch(mm: "MM", batch: list[tuple[Vma, int, Entries]], count: _Recount, found: _Found) -> None:
    """The laws of some runs of entries: (area, pteoff of the first, entries)."""
    machine = mm.machine
    memory, cluster = machine.memory, machine.geometry.cluster_shift
    lengths = np.array([len(entries) for _, _, entries in batch])
    first = np.array([pteoff for _, pteoff, _ in batch]) - np.cumsum(lengths) + lengths
    entries = np.concatenate([entries for _, _, entries in batch])
    places = np.flatnonzero(entries)
    entries, run = entries[places], np.repeat(np.arange(len(batch)), lengths)[places]
    pteoffs = first[run] + places
    found.inside += len(entries)
    present = entries & PRESENT != 0
    slots = entries[~present] >> PFN_SHIFT
    np.add.at(count.slots, slots, 1)
    found.swapped += len(slots)
    zero = entries >> (PFN_SHIFT + cluster) == machine.zero_pfn >> cluster
    _law(not (entries[zero & present] & WRITABLE).any(), "the zero page is never writable")
    entries, run, pteoffs = (part[present & ~zero] for part in (entries, run, pteoffs))
    pfns = entries >> PFN_SHIFT
    pages = pfns >> cluster
    np.add.at(count.pages, pages, 1)
    wrong_part = (pfns ^ pteoffs) & ((1 << cluster) - 1)
    _each(wrong_part == 0, "a PTE maps the part of the page that its pteoff says", batch, run)
    _each(memory.index[pages] == pteoffs >> cluster, "a page's index is its pteoff", batch, run)
    flags = np.array([vma.flags for vma, _, _ in batch])[run]
    writable = entries & WRITABLE != 0
    _each(~writable | (flags & VM_WRITE != 0), "a writable PTE lies in a writable area", batch, run)
    kinds, mappings = memory.kind[pages], memory.mapping[pages]
    anon = kinds == ANON
    count.add_anon(pfns[anon], pfns[anon & writable])
    for pair in np.unique(run[anon] << _IDENT_BITS | mappings[anon]).tolist():
        vma, ident = batch[pair >> _IDENT_BITS][0], pair & ((1 << _IDENT_BITS) - 1)
        _law(any(anon_vma.ident == ident for anon_vma in vma.chain), "an area's chain finds its pages", vma)
    _each(anon | (kinds == FILE), "a PTE maps an anonymous or a page-cache page", batch, run)
    idents = np.array([vma.file.ident if vma.file is not None else -1 for vma, _, _ in batch])[run]
    _each(anon | (mappings == idents), "a page-cache page belongs to the area's file", batch, run)
    _each(~writable | anon | (flags & VM_SHARED != 0), "only shared areas write to files", batch, run)
    found.anon += int(np.count_nonzero(anon))
    found.file += int(np.count_nonzero(~anon))


def _each(holds: npt.NDArray[np.bool_], law: str, batch: list[tuple[Vma, int, Entries]], run: Entries) -> None:
    if not holds.all():
        raise InvariantError(f"{law}: {batch[int(run[int(np.argmin(holds))])][0]}")


def _check_pages(machine: "Machine", count: _Recount) -> None:
    memory, cluster = machine.memory, machine.geometry.cluster_shift
    wrong = np.flatnonzero(count.pages != memory.mapcount)
    _law(not len(wrong), "mapcounts equal a recount", f"page {wrong[:1]} of {len(wrong)}")
    wrong = np.flatnonzero(count.pages + (memory.kind >= FILE) != memory.refcount)
    _law(not len(wrong), "refcounts equal the references", f"page {wrong[:1]} of {len(wrong)}")
    leaked = np.flatnonzero((memory.kind == ANON) & (count.pages == 0))
    _law(not len(leaked), "an anonymous page is mapped", f"page {leaked[:1]} of {len(leaked)} is leaked")
    shared = np.flatnonzero(count.shared)
    _law(not (memory.flags[shared >> cluster] & EXCLUSIVE).any(), "each part of an exclusive page is mapped once")
    _law(not count.writable[shared].any(), "a part of an anonymous page that one PTE may write has no other PTE")


def _check_owners(machine: "Machine") -> None:
    memory, geometry = machine.memory, machine.geometry
    for zone in machine.memory.zones:
        free = memory.kind[zone.first : zone.end] == FREE
        _law(bool(np.array_equal(zone.buddy.free_mask(), free)), f"zone {zone.name}: the buddy owns what nobody uses")
        _law(int(np.count_nonzero(free)) == zone.buddy.free_pages, f"zone {zone.name}: free pages are counted")
    kinds = np.bincount(memory.kind, minlength=KERNEL + 1)
    _law(int(kinds[TABLE]) == machine.table_store.pages, "page-table pages are counted")
    _law(int(kinds[KERNEL]) == memory.reserved + 1, "kernel pages are counted")
    tables = sum(mm.tables.table_count() for mm in machine.mms)
    _law(tables == machine.table_store.tables, f"{machine.table_store.tables} tables exist, {tables} are in use")
    cached = 0
    for file in machine.files.values():
        cached += len(file.pages)
        for index, page in file.pages.items():
            owner = (memory.kind_at[page], int(memory.mapping[page]), int(memory.index[page]))
            _law(owner == (FILE, file.ident, index), f"page {page} belongs to {file.name} at {index}")
    _law(cached == int(kinds[FILE]), "every page-cache page is in a file")
    stray = [pfn for pfn in memory.data if memory.kind_at[geometry.pfn_to_page(pfn)] == FREE]
    _law(not stray, f"free memory holds no bytes: pfns {stray[:3]}")


def _check_anon_vmas(machine: "Machine") -> None:
    active: dict[int, int] = {}
    links = 0
    for mm in machine.mms:
        for vma in mm.vmas:
            _law((vma.anon_vma is None) == (not vma.chain), "an area with an anon_vma has a chain", vma)
            links += len(vma.chain)
            for anon_vma in vma.chain:
                _law(vma in anon_vma.vmas, "an anon_vma knows its areas", vma)
                _law(anon_vma.ident in machine.anon_vmas, "an anon_vma lives as long as its areas", vma)
            if vma.anon_vma is not None:
                active[vma.anon_vma.ident] = active.get(vma.anon_vma.ident, 0) + 1
    _law(links == sum(len(a.vmas) for a in machine.anon_vmas.values()), "anon_vmas hold no areas that are gone")
    for ident, anon_vma in machine.anon_vmas.items():
        _law(anon_vma.active == active.get(ident, 0), f"anon_vma {ident}: active areas are counted")
